package process

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Edit is another agent than this tree's: a text of a source file, and what stands there instead.
type Edit struct {
	File     string // from the tree's root
	From, To string
}

// Overlay writes into dir, which must be empty, what `go build -overlay` takes for a tree with these edits, and gives the
// file's path. Root is that of the tree. Errors: that a text is not there exactly once.
func Overlay(dir, root string, edits []Edit) (string, error) {
	texts := map[string]string{}
	for _, e := range edits {
		text, edited := texts[e.File]
		if !edited {
			source, err := os.ReadFile(filepath.Join(root, e.File))
			if err != nil {
				return "", err
			}
			text = string(source)
		}
		if n := strings.Count(text, e.From); n != 1 {
			return "", fmt.Errorf("%s holds the text that is to be edited %d times, not once:\n%s", e.File, n, e.From)
		}
		texts[e.File] = strings.Replace(text, e.From, e.To, 1)
	}
	replace := map[string]string{}
	for file, text := range texts {
		original, err := filepath.Abs(filepath.Join(root, file))
		if err != nil {
			return "", err
		}
		edited := filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(edited, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[original] = edited
	}
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, content, 0o600)
}

// BuildEdited builds the agent as [Build] does, with edits, as another program in dir. It must run at the tree's root.
func BuildEdited(ctx context.Context, dir, name string, edits []Edit) error {
	folder, err := os.MkdirTemp("", "federation-agent-overlay-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	overlay, err := Overlay(folder, ".", edits)
	if err != nil {
		return err
	}
	return build(ctx, filepath.Join(dir, name), "-overlay", overlay)
}
