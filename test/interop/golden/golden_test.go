//go:build interop

package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/test/interop/controller"
	"federation-agent/test/missing"
)

// separators is how many ;; a frame has between its three parts.
const separators = 2

func TestTheRecordedFramesAreWhatTheControllersWriteToday(t *testing.T) {
	root, err := controller.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range controller.Versions() {
		t.Run(version.ID, func(t *testing.T) {
			t.Parallel()
			written, err := record(t.Context(), version)
			missing.Require(t, err)
			recorded := files(t, filepath.Join(root, folder, version.Artifacts()))
			if diff := cmp.Diff(recorded, written); diff != "" {
				t.Errorf("recorded (-) and written (+) differ; `go generate ./test/interop` records them again:\n%s", diff)
			}
		})
	}
}

// A version reads its own frames back to the same, but for those with a ;; inside the JSON, which it writes and cannot
// read: no version escapes it, so an agent must read what none of them could.
func TestTheControllersReadTheirOwnFramesButForDoubleSemicolons(t *testing.T) {
	for _, version := range controller.Versions() {
		t.Run(version.ID, func(t *testing.T) {
			t.Parallel()
			process, err := controller.StartProcess(t.Context(), version, t.Output())
			missing.Require(t, err)
			defer func() { _ = process.Close() }()
			frames, err := record(t.Context(), version)
			missing.Require(t, err)
			for _, name := range slices.Sorted(maps.Keys(frames)) {
				cut := strings.Count(string(frames[name]), ";;") > separators
				understood, err := process.ReadFrame(t.Context(), frames[name])
				if cut != (err != nil) {
					t.Errorf("%s: reading it: %v", name, err)
				}
				if err != nil {
					continue
				}
				again, err := process.WriteFrame(t.Context(), understood.Direction, understood.Exchange)
				if err != nil || string(again) != string(frames[name]) {
					t.Errorf("%s: read and written again it is %q, %v; was %q", name, again, err, frames[name])
				}
			}
		})
	}
}

func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	contents := map[string][]byte{}
	for _, entry := range entries {
		if contents[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return contents
}
