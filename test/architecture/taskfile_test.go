package architecture

import (
	"os"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A template in braces within a list in brackets is no YAML, and nobody notices who has no `task` installed.
func TestTheTaskfileIsYAMLAndEveryTaskSaysWhatItIsFor(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "Taskfile.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tasks map[string]struct {
			Desc string
			Cmds []string
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Tasks) < 10 {
		t.Errorf("only %d tasks were read", len(file.Tasks))
	}
	for name, task := range file.Tasks {
		if task.Desc == "" || len(task.Cmds) == 0 {
			t.Errorf("task %s: description %q, commands %q", name, task.Desc, task.Cmds)
		}
	}
}
