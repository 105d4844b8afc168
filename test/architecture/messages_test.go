package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logged is a text that the program logs at level WARN or ERROR, or at one that is chosen as it runs. What is no literal
// of it is "…".
type logged struct{ text, at string }

// messages are all of them, and literals the texts of all string literals, with those that are added to each other as one.
func messages(t *testing.T) (messages []logged, literals []string) {
	t.Helper()
	files := token.NewFileSet()
	for _, room := range []string{"actors", "cmd", "config", "internal"} {
		err := filepath.WalkDir(filepath.Join("..", "..", room), func(path string, _ fs.DirEntry, err error) error {
			// The stand-ins are no part of the agent.
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
				strings.Contains(path, filepath.Join("internal", "sandbox")) {
				return err
			}
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.BinaryExpr:
					if text := textOf(n); text != "" {
						literals = append(literals, text)
					}
				case *ast.BasicLit:
					if text := textOf(n); text != "" {
						literals = append(literals, text)
					}
				case *ast.CallExpr:
					// Where it is only a word before what is chosen elsewhere, that is a literal there.
					if text := isLogged(n); len(text) >= len("configuration: ") {
						messages = append(messages, logged{text, files.Position(n.Pos()).String()})
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return messages, literals
}

// textOf is a text of literals, with "…" for all else; empty if there is no literal in it.
func textOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, _ := strconv.Unquote(e.Value) // the parser has read it
			return text
		}
	case *ast.BinaryExpr:
		left, right := textOf(e.X), textOf(e.Y)
		switch {
		case e.Op != token.ADD || left == "" && right == "":
			return ""
		case left == "":
			return "…" + right
		case right == "":
			return left + "…"
		}
		return left + right
	}
	return ""
}

// isLogged is the text of a call that logs it at level WARN or above. A method that takes a text and then names and
// values is one of a logger's; others of these names take no text.
func isLogged(call *ast.CallExpr) string {
	method, is := call.Fun.(*ast.SelectorExpr)
	if !is || len(call.Args) == 0 {
		return ""
	}
	switch name := method.Sel.Name; {
	case name == "Warn" || name == "Error":
		return textOf(call.Args[0])
	case (name == "Log" || name == "LogFailure") && len(call.Args) > 2:
		return textOf(call.Args[2])
	case name == "say" && len(call.Args) > 1: // of an actor, or of the node API: text and level, in some order
		if level, is := call.Args[0].(*ast.SelectorExpr); is && level.Sel.Name == "LevelInfo" {
			return ""
		}
		return textOf(call.Args[1])
	}
	return ""
}

var quoted = regexp.MustCompile("`([^`]+)`")

// explained are the messages that docs/operations.md explains: what is quoted in the first column of a table of what the
// log says.
func explained(t *testing.T) (quotes []string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	isOfLog := false
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		switch {
		case len(cells) < 3:
			isOfLog = false
		case strings.HasPrefix(strings.TrimSpace(cells[1]), "the log says"):
			isOfLog = true
		case isOfLog:
			for _, quote := range quoted.FindAllStringSubmatch(cells[1], -1) {
				quotes = append(quotes, quote[1])
			}
		}
	}
	return quotes
}

// holds reports whether a text has the parts of a quote, in their order; "…" is anything.
func holds(text, quote string) bool {
	for part := range strings.SplitSeq(quote, "…") {
		_, rest, found := strings.Cut(text, strings.Trim(part, " :;"))
		if !found {
			return false
		}
		text = rest
	}
	return true
}

// Whoever searches the log for what the documentation quotes finds it.
func TestEveryMessageInTheDocumentationIsInTheSource(t *testing.T) {
	_, literals := messages(t)
	quotes := explained(t)
	for _, quote := range quotes {
		if !slices.ContainsFunc(literals, func(text string) bool { return holds(text, quote) }) {
			t.Errorf("docs/operations.md explains `%s`, and nothing in the source says so", quote)
		}
	}
	if len(quotes) < 50 {
		t.Errorf("only %d messages are explained; is the table still found?", len(quotes))
	}
}

// Whoever searches the documentation for what the log says finds it.
func TestEveryWarningAndErrorOfTheLogIsInTheDocumentation(t *testing.T) {
	said, _ := messages(t)
	quotes := explained(t)
	for _, m := range said {
		if !slices.ContainsFunc(quotes, func(quote string) bool { return holds(m.text, quote) }) {
			t.Errorf("%s logs %q, and no table of docs/operations.md quotes it", m.at, m.text)
		}
	}
	if len(said) < 80 {
		t.Errorf("only %d messages are found in the source", len(said))
	}
}
