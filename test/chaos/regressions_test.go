package chaos

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestNoSeedThatOnceFailedFailsAgain runs the seeds of testdata/regressions.
func TestNoSeedThatOnceFailedFailsAgain(t *testing.T) {
	for _, r := range regressions(t) {
		t.Run(fmt.Sprint(r.seed), func(t *testing.T) {
			t.Parallel()
			if report := Run(t, r.seed, Options{}); len(report.Violations) > 0 {
				t.Errorf("once it broke %s: %s\n%s", r.rule, r.why, report)
			}
		})
	}
}

// regression is a line of the list.
type regression struct {
	seed      uint64
	rule, why string
}

func regressions(t *testing.T) []regression {
	t.Helper()
	file, err := os.Open("testdata/regressions")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }() // it was only read
	var all []regression
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		var r regression
		if _, err := fmt.Sscan(lines.Text(), &r.seed, &r.rule); err != nil {
			t.Fatalf("%q is not a seed and a rule: %v", lines.Text(), err)
		}
		_, r.why, _ = strings.Cut(lines.Text(), r.rule)
		r.why = strings.TrimSpace(r.why)
		all = append(all, r)
	}
	if len(all) == 0 {
		t.Fatal("the list is empty")
	}
	return all
}
