package architecture

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The minute test: somebody new finds the answer to a question by a search for the obvious word.
func TestEachQuestionOfTheMinuteTestHasItsAnswerWhereItSays(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (.+\?) \| (.+) \| (\S+\.go) \|$`).FindAllStringSubmatch(string(text), -1)
	if len(rows) < 24 {
		t.Fatalf("%d questions; the table has 24 at least", len(rows))
	}
	for _, row := range rows {
		question, word, file := row[1], row[2], row[3]
		source, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(file)))
		if err != nil {
			t.Errorf("%s: %v", question, err)
			continue
		}
		if !strings.Contains(string(source), word) {
			t.Errorf("%s %s does not hold %q", question, file, word)
		}
	}
}
