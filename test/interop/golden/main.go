// Command golden records what the real serialisers of every published controller write, as frames under
// internal/exchange/testdata/golden, one folder for each controller. Run it by `go generate ./test/interop`.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"federation-agent/test/interop/controller"
)

// folder is where the frames live, below the module's root.
const folder = "internal/exchange/testdata/golden"

// suffix of a file that holds exactly one frame's bytes.
const suffix = ".frame"

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root, err := controller.ModuleRoot()
	if err != nil {
		return err
	}
	for _, version := range controller.Versions() {
		frames, err := record(ctx, version)
		if err != nil {
			return err
		}
		if err := replace(filepath.Join(root, folder, version.Artifacts()), frames); err != nil {
			return err
		}
		fmt.Printf("%s: %d frames\n", version.Artifacts(), len(frames))
	}
	return nil
}

// record has a version write all cases that exist in its dialect.
func record(ctx context.Context, version controller.Version) (frames map[string][]byte, err error) {
	process, err := controller.StartProcess(ctx, version, os.Stderr)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, process.Close()) }()
	frames = map[string][]byte{}
	for _, c := range cases() {
		frame, err := process.WriteFrame(ctx, c.direction, c.exchange)
		if _, ok := errors.AsType[*controller.NotInDialectError](err); ok {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("recording %s: %w", c.name, err)
		}
		frames[c.name+suffix] = frame
	}
	return frames, nil
}

// replace makes the folder hold these files and no others.
func replace(dir string, frames map[string][]byte) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(frames)) {
		if err := os.WriteFile(filepath.Join(dir, name), frames[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}
