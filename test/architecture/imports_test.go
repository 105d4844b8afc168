// Package architecture keeps the walls of the house: which package may depend on which, and why.
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

// wall forbids dependencies to the packages that from matches. All that a package pulls in is judged, test files left
// out.
type wall struct {
	from   string // regexp on the import path below the module
	forbid string // regexp on the import path of what it depends on
	// direct is for a package that may reach the forbidden one by way of another: only its own imports are judged.
	direct bool
	why    string
}

func walls() []wall {
	const ours = "^" + module + "/"
	return []wall{
		{
			from: `^(config|messages|internal)(/|$)`, forbid: `^github\.com/asynkron/protoactor-go`,
			why: "only actors/ knows the actor library: everything that decides is tested without one",
		},
		{
			from: `^(cmd|test)(/|$)`, forbid: `^github\.com/asynkron/protoactor-go`, direct: true,
			why: "only actors/ knows the actor library: the program and its tests use it by way of actors/",
		},
		{
			from: `^(config|messages|internal)(/|$)`, forbid: `^github\.com/aws/`,
			why: "only apigateway, secretsmanager and dynamodb know the SDK: values, mapping, the wire and the quota do without",
		},
		{
			from: `^internal/(gateway|federated|rawjson)$`, forbid: ours,
			why: "the vocabularies of AWS API Gateway and of Gravitee's protocol are values, as is JSON: everybody may use them",
		},
		{
			from:   `^internal/exports$`,
			forbid: ours + `(actors|messages|config|internal/(apigateway|exchange|store|quota|sandbox))`,
			why:    "what is exported next, and how much may be held, is decided without an actor",
		},
		{
			from: `^internal/exchange$`, forbid: ours + `|^net$|^net/http$|^github\.com/gorilla/`,
			why: "the codec is pure: bytes in, values out. Of ours it knows secrets, and the values that it writes",
		},
		{
			from:   `^internal/exchange/wsconn$`,
			forbid: ours + `(actors|messages|config|internal/(federation|apigateway|store|quota|sandbox))`,
			why:    "a connection knows bytes and frames, not what they mean",
		},
		{
			from:   `^internal/federation$`,
			forbid: ours + `(actors|messages|config|internal/(exchange|store|quota|sandbox))`,
			why:    "the mapping is pure: AWS's values in, the federated model out",
		},
		{
			from:   `^internal/apigateway$`,
			forbid: ours + `(actors|messages|config|internal/(exchange|federation|store|quota|sandbox))`,
			why:    "AWS is reached without knowing for whom",
		},
		{
			from:   `^internal/apimrest(/|$)`,
			forbid: ours + `(actors|messages|config|internal/(exchange|federation|apigateway|store|quota|sandbox))`,
			why:    "APIM's management API is asked without knowing what for",
		},
		{
			from: `^internal/keys$`, forbid: ours + `|^net$|^os$|^github\.com/`,
			why: "what follows from a key's records is decided without a disk, a clock or AWS",
		},
		{
			from:   `^internal/(store|quota|secret|region)$`,
			forbid: ours + `(actors|messages|config|internal/(exchange|federation|sandbox))`,
			why:    "what is remembered and shared out does not depend on the caller",
		},
		{
			from: `^internal/(trust|proxy)$`, forbid: ours + `(actors|messages|config|internal/[^sw])`,
			why: "whom we trust and which way we take is decided without knowing for what; of ours they know secrets and words",
		},
		{
			from:   `^internal/(secrets|kubernetes|secretsmanager)$`,
			forbid: ours + `(actors|messages|config|internal/(exchange|federation|store|quota|sandbox))`,
			why:    "secrets are read and kept without knowing what they are for",
		},
		{
			from: `^internal/secrets$`, forbid: `^net/http$`,
			why: "who keeps secrets does not know how a store is called: its providers do",
		},
		{
			from: `^internal/iam$`, forbid: ours + `(actors|messages|config|internal/[^ri])|^net$`,
			why: "what IAM must allow follows from a few values: nobody is asked, and nothing is read",
		},
		{
			from: `^internal/status$`, forbid: ours + `(actors|messages|config|internal/[^w])`,
			why: "the board is values and a lock: every actor writes on it, and whoever reads it needs no actor; of ours it " +
				"knows words",
		},
		{
			from:   `^internal/node$`,
			forbid: ours + `(actors|messages|config|internal/(exchange|federation|apigateway|quota|sandbox))`,
			why: "what is shown to people comes from the board and the journal: the node API is in no actor's way, " +
				"and knows no credentials but its own",
		},
		{
			from: `^internal/doctor$`, forbid: ours + `(actors|messages|internal/sandbox)`,
			why: "the doctor asks what the agent needs, without starting any of it",
		},
		{
			from: `^internal/events$`, forbid: ours + `|^net$|^github\.com/`,
			why: "what a message says is read without a queue: anybody may have written it",
		},
		{
			from:   `^internal/(survey|drift)$`,
			forbid: ours + `(actors|messages|internal/(exchange|apigateway|quota|sandbox))`,
			why:    "what an ingest would do, and how APIM differs, follows from what listings found: nobody is asked",
		},
		{
			from: `^actors/`, forbid: ours + `internal/node`,
			why: "actors note what can be seen on the board; who shows it to whom is not theirs",
		},
		{
			from: `^actors/`, forbid: `^github\.com/prometheus/`, direct: true,
			why: "actors note what can be seen on the board; only the actor library itself pulls Prometheus in",
		},
		{
			from: `^messages$`, forbid: ours + `(actors|config|internal/(exchange|store|quota|sandbox))`,
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
			from:   `^internal/sandbox/(apimsim|awssim)$`,
			forbid: ours + `(actors|messages|config|internal/(apigateway|federation|exchange|store))`,
			why:    "a stand-in that shared code with the agent would share its mistakes",
		},
		{
			from: `^(actors|cmd|config|internal|messages)(/|$)`, forbid: ours + `test/`,
			why: "what ships does not depend on what tests it",
		},
	}
}

// allowed are the exceptions, each with its reason.
func allowed(from, to string) bool {
	switch from {
	case "internal/exchange":
		// The codec writes a key's value in one frame, and must not be able to print it anywhere else. The federated
		// model is what it writes: a copy of its types would be the same facts a second time.
		return to == module+"/internal/secret" || to == module+"/internal/federated"
	case "internal/apigateway", "internal/secretsmanager", "internal/dynamodb", "internal/doctor":
		// The first three are the ones that know the SDK. The others reach AWS by way of the first.
		return strings.HasPrefix(to, "github.com/aws/")
	}
	return false
}

type listed struct {
	ImportPath    string
	Imports, Deps []string
}

func TestDependenciesRunDownwardsOnly(t *testing.T) {
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
			judged := p.Deps
			if w.direct {
				judged = p.Imports
			}
			for _, to := range judged {
				if forbid.MatchString(to) && !allowed(path, to) {
					t.Errorf("%s depends on %s, but %s", path, to, w.why)
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
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...")
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

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
