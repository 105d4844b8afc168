package controller

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"federation-agent/test/missing"
)

const (
	installJVM = "apt-get install -y openjdk-17-jdk-headless maven"
	modulePath = "federation-agent"
	// stampFile holds the digest of the sources that a build was made of.
	stampFile = "built.sha256"
)

// classpath builds the harness for a version unless that was done before from the same sources, and returns the Java
// class path to start it with. The first build on a machine downloads some 80 jars a version through Maven.
func (v Version) classpath(ctx context.Context) (string, error) {
	for _, tool := range []string{"java", "javac", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", &missing.Error{What: tool, Install: installJVM, Err: err}
		}
	}
	dir, err := harnessDir()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(dir, "target"), 0o755); err != nil {
		return "", err
	}
	// Test binaries of several packages run at the same time, and Maven's local repository is not made for that.
	unlock, err := Lock(ctx, filepath.Join(dir, "target", "build.lock"))
	if err != nil {
		return "", fmt.Errorf("waiting for another build of the harness: %w", err)
	}
	defer unlock()

	digest, err := digestOf(dir)
	if err != nil {
		return "", fmt.Errorf("reading the harness's sources: %w", err)
	}
	target := filepath.Join(dir, "target", v.ID)
	if path, ok := built(target, digest); ok {
		return path, nil
	}
	if err := v.maven(ctx, dir, target); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(target, stampFile), []byte(digest), 0o644); err != nil {
		return "", err
	}
	path, ok := built(target, digest)
	if !ok {
		return "", fmt.Errorf("building the harness for %s left no usable class path in %s", v.ID, target)
	}
	return path, nil
}

func (v Version) maven(ctx context.Context, dir, target string) error {
	// A class of a source that was deleted meanwhile would stay otherwise.
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "-P"+v.ID, "compile")
	cmd.Dir = dir
	output, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	err = fmt.Errorf("building the harness for %s: %w\n%s", v.ID, err, output)
	if bytes.Contains(output, []byte("COMPILATION ERROR")) {
		return err
	}
	return &missing.Error{
		What:    "the controller of APIM " + v.APIM + ", or the way to the Maven repository,",
		Install: "go generate ./test/interop (it must reach Maven Central)", Err: err,
	}
}

// built returns the class path of a build, and whether it is one of these sources with all of its jars still there.
func built(target, digest string) (string, bool) {
	stamp, err := os.ReadFile(filepath.Join(target, stampFile))
	if err != nil || string(stamp) != digest {
		return "", false
	}
	jars, err := os.ReadFile(filepath.Join(target, "classpath.txt"))
	if err != nil {
		return "", false
	}
	entries := append([]string{filepath.Join(target, "classes")}, filepath.SplitList(strings.TrimSpace(string(jars)))...)
	for _, entry := range entries {
		if _, err := os.Stat(entry); err != nil {
			return "", false
		}
	}
	return strings.Join(entries, string(filepath.ListSeparator)), true
}

func digestOf(dir string) (string, error) {
	sum := sha256.New()
	add := func(path string) error {
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n", filepath.Base(path), len(content))
		sum.Write(content)
		return nil
	}
	if err := add(filepath.Join(dir, "pom.xml")); err != nil {
		return "", err
	}
	err := filepath.WalkDir(filepath.Join(dir, "src"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return add(path)
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// ModuleRoot is the folder of go.mod, found from the working directory upwards: tests and go:generate run in their
// package's folder.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(mod, []byte("module "+modulePath+"\n")) {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not inside a checkout of module " + modulePath)
		}
		dir = parent
	}
}

func harnessDir() (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "test", "interop", "harness"), nil
}
