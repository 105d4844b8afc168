// Package architecture keeps the walls of the house: which package may import which, and why.
package architecture

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "federation-agent"

// wall forbids imports to the packages that from matches.
type wall struct {
	from   string // regexp on the import path below the module
	forbid string // regexp on what it imports, test files left out
	why    string
}

func walls() []wall {
	const ours = "^" + module + "/"
	return []wall{
		{
			from: `^(config|messages|cmd|internal|test)(/|$)`, forbid: `^github\.com/asynkron/protoactor-go`,
			why: "only actors/ knows the actor library: everything that decides is tested without one",
		},
		{
			from: `^internal/exchange$`, forbid: ours + `|^net$|^net/http$|^github\.com/gorilla/`,
			why: "the codec is pure: bytes in, values out. Of ours it knows secrets alone",
		},
		{
			from: `^internal/exchange/wsconn$`, forbid: ours + `(actors|messages|config|internal/(federation|apigateway|store|quota|sandbox))`,
			why: "a connection knows bytes and frames, not what they mean",
		},
		{
			from: `^internal/federation$`, forbid: ours + `(actors|messages|config|internal/(exchange|store|quota|sandbox))|^github\.com/aws/`,
			why: "the mapping is pure: AWS's values in, the federated model out",
		},
		{
			from: `^internal/apigateway$`, forbid: ours + `(actors|messages|config|internal/(exchange|federation|store|quota|sandbox))`,
			why: "AWS is reached without knowing for whom",
		},
		{
			from: `^internal/(store|quota|secret|region)$`, forbid: ours + `(actors|messages|config|internal/(exchange|federation|sandbox))`,
			why: "what is remembered and shared out does not depend on who asks",
		},
		{
			from: `^internal/status$`, forbid: ours,
			why: "the board is values and a lock: every actor writes on it, and whoever reads it needs no actor",
		},
		{
			from: `^internal/node$`, forbid: ours + `(actors|messages|config|internal/(exchange|federation|apigateway|quota|sandbox))`,
			why: "what is shown to people comes from the board and the journal: the node API is in no actor's way, and knows no credentials but its own",
		},
		{
			from: `^actors/`, forbid: ours + `internal/node|^github\.com/prometheus/`,
			why: "actors note what can be seen on the board; who shows it to whom is not theirs",
		},
		{
			from: `^messages$`, forbid: ours + `(actors|config|internal/(exchange|store|quota|sandbox))|^github\.com/aws/`,
			why: "messages are values that any actor may read; both protocol dialects end at the session",
		},
		{
			from: `^config$`, forbid: ours + `(actors|messages|internal/(exchange|federation|store|quota|sandbox))`,
			why: "configuration is read before anything else lives",
		},
		{
			from: `^actors/`, forbid: ours + `(cmd|test|internal/sandbox)`,
			why: "the agent does not know that it may be running against stand-ins",
		},
		{
			from: `^internal/sandbox/awssim$`, forbid: `^github\.com/aws/|` + ours + `(actors|messages|config|internal/(apigateway|federation|exchange|store))`,
			why: "a stand-in that shared code with the agent would share its mistakes",
		},
		{
			from: `^internal/sandbox/apimsim$`, forbid: ours + `(actors|messages|config|internal/(apigateway|federation|exchange|store))`,
			why: "a stand-in that shared code with the agent would share its mistakes",
		},
		{
			from: `^(actors/.*|config|messages|cmd|internal/(exchange|federation|apigateway|store|quota|secret|status|node).*)$`, forbid: ours + `test/`,
			why: "what ships does not depend on what tests it",
		},
	}
}

// allowed are the exceptions, each with its reason.
func allowed(from, to string) bool {
	// The codec writes a key's value in one frame, and must not be able to print it anywhere else.
	return from == "internal/exchange" && to == module+"/internal/secret"
}

type listed struct {
	ImportPath string
	Imports    []string
}

func TestImportsRunDownwardsOnly(t *testing.T) {
	packages := list(t)
	for _, w := range walls() {
		from, forbid := regexp.MustCompile(w.from), regexp.MustCompile(w.forbid)
		matched := false
		for _, p := range packages {
			path := strings.TrimPrefix(p.ImportPath, module+"/")
			if !from.MatchString(path) {
				continue
			}
			matched = true
			for _, to := range p.Imports {
				if forbid.MatchString(to) && !allowed(path, to) {
					t.Errorf("%s imports %s, but %s", path, to, w.why)
				}
			}
		}
		if !matched {
			t.Errorf("the wall around %s stands nowhere: no package matches it", w.from)
		}
	}
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root(t)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var packages []listed
	for decoder := json.NewDecoder(out); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return packages
}

func TestOnlyOneFileMakesProps(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root(t), "actors", "*", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no actors found: %v", err)
	}
	makers := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "actor.PropsFrom") {
			continue
		}
		makers++
		if filepath.Base(file) != "props.go" {
			t.Errorf("%s makes Props itself: an actor without the guard is not supervised as the others are; use props()", filepath.Base(file))
		}
	}
	if makers == 0 {
		t.Error("nobody makes Props: this test looks for the wrong words")
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
