package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// Folder makes the folder dir, or a temporary one if dir is empty, and gives its absolute path. discard removes a
// temporary one and leaves any other.
func Folder(dir string) (path string, discard func(), err error) {
	if dir == "" {
		path, err = os.MkdirTemp("", "federation-agent-test-")
		return path, func() { _ = os.RemoveAll(path) }, err // a temporary folder that stays does no harm
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	path, err = filepath.Abs(dir)
	return path, func() {}, err
}

// Build builds the agent into dir, as `task build` and the image build it, and gives the program's path. It must run
// within the checkout.
func Build(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "federation-agent")
	return program, build(ctx, program)
}

func build(ctx context.Context, program string, flags ...string) error {
	build := exec.CommandContext(ctx, "go", slices.Concat([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", program},
		flags, []string{"federation-agent/cmd/federation-agent"})...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the agent (run this within the checkout): %w\n%s", err, output)
	}
	return nil
}

// Environ turns variables into what [exec.Cmd] takes.
func Environ(variables map[string]string) []string {
	environ := make([]string, 0, len(variables))
	for name, value := range variables {
		environ = append(environ, name+"="+value)
	}
	return environ
}
