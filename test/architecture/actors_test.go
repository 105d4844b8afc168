package architecture

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
)

// mostLines is about what a reader can know as a whole. A folder of actors/ is one subject.
const mostLines = 1500

// actorFiles gives the text of each file of actors/ that is no test, by its path below the module.
func actorFiles(t *testing.T) map[string]string {
	t.Helper()
	files, module := map[string]string{}, os.DirFS(root(t))
	err := fs.WalkDir(module, "actors", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(module, file)
		files[file] = string(text)
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("no actors found: %v", err)
	}
	return files
}

func TestOnlyOneFileMakesProps(t *testing.T) {
	const maker = "actors/life/props.go"
	made := false
	for path, text := range actorFiles(t) {
		switch makes := strings.Contains(text, "actor.PropsFrom"); {
		case path == maker:
			made = makes
		case makes:
			t.Errorf("%s makes Props itself, so that the actor has no guard and no supervision; use %s", path, maker)
		}
	}
	if !made {
		t.Errorf("%s makes no Props: this test looks for the wrong words", maker)
	}
}

func TestNoActorHasALock(t *testing.T) {
	for path, text := range actorFiles(t) {
		for _, lock := range []string{"sync.Mutex", "sync.RWMutex"} {
			if strings.Contains(text, lock) {
				t.Errorf("%s has a %s: what an actor holds is its own; a service that several share stands in internal/",
					path, lock)
			}
		}
	}
}

func TestAFolderOfActorsIsOneSubject(t *testing.T) {
	lines := map[string]int{}
	for file, text := range actorFiles(t) {
		lines[path.Dir(file)] += strings.Count(text, "\n")
	}
	for folder, n := range lines {
		if n > mostLines {
			t.Errorf("%s has %d lines, more than %d: it is more than one subject", folder, n, mostLines)
		}
	}
}
