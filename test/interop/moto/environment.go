package moto

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"federation-agent/test/interop/controller"
	"federation-agent/test/missing"
)

const (
	// Version is moto's, as requirements.txt pins it.
	Version = "5.2.1"
	// installPython gives what the rest is made with.
	installPython = "apt-get install -y python3 python3-venv"
	// stampFile is written last, so that an environment that is not complete is made again.
	stampFile = "complete"
)

//go:embed requirements.txt
var requirements []byte

// environment makes the virtual environment unless that was done before from the same requirements, and returns its
// Python. It lives in the user's cache directory, so that every checkout and every run shares it.
func environment(ctx context.Context) (python string, err error) {
	if _, err := exec.LookPath("python3"); err != nil {
		return "", &missing.Error{What: "python3", Install: installPython, Err: err}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("looking for a place for moto: %w", err)
	}
	sum := sha256.Sum256(requirements)
	dir := filepath.Join(cache, "federation-agent", "moto-"+Version+"-"+hex.EncodeToString(sum[:4]))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	unlock, err := controller.Lock(ctx, dir+".lock")
	if err != nil {
		return "", fmt.Errorf("waiting for another test that installs moto: %w", err)
	}
	defer unlock()

	python = filepath.Join(dir, "bin", "python")
	if usable(ctx, dir, python) {
		return python, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if output, err := exec.CommandContext(ctx, "python3", "-m", "venv", dir).CombinedOutput(); err != nil {
		return "",
			&missing.Error{What: "Python's venv module", Install: installPython, Err: fmt.Errorf("%w\n%s", err, output)}
	}
	if err := install(ctx, dir, python); err != nil {
		return "", err
	}
	return python, os.WriteFile(filepath.Join(dir, stampFile), nil, 0o644)
}

func install(ctx context.Context, dir, python string) error {
	file := filepath.Join(dir, "requirements.txt")
	if err := os.WriteFile(file, requirements, 0o644); err != nil {
		return err
	}
	args := []string{
		"-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "-r", file,
	}
	output, err := exec.CommandContext(ctx, python, args...).CombinedOutput()
	if err != nil {
		return &missing.Error{
			What:    "moto " + Version + ", or the way to PyPI,",
			Install: "task interop (it must reach PyPI, and Python must be 3.10 or later)",
			Err:     fmt.Errorf("%w\n%s", err, output),
		}
	}
	return nil
}

// usable tells whether an environment is complete and its Python still there: it is a link to the system's, which may
// have been replaced.
func usable(ctx context.Context, dir, python string) bool {
	if _, err := os.Stat(filepath.Join(dir, stampFile)); err != nil {
		return false
	}
	return exec.CommandContext(ctx, python, "-c", "import moto").Run() == nil
}
