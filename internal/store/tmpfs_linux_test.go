package store

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"federation-agent/internal/keys"
	"federation-agent/test/missing"
)

const tmpfsDir = "STORE_TEST_TMPFS_DIR"

// TestARealDiskThatIsFullAndThenRemounted fills a tiny file system of its own, in a mount namespace of its own.
func TestARealDiskThatIsFullAndThenRemounted(t *testing.T) {
	if dir := os.Getenv(tmpfsDir); dir != "" {
		fillTmpfs(t, dir)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), tmpfsDir+"="+t.TempDir())
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := child.CombinedOutput()
	switch {
	case strings.Contains(string(out), "--- SKIP"): // so the child says that it may not mount
		missing.Require(t, noTmpfs(errors.New(string(out))))
	case child.ProcessState == nil:
		missing.Require(t, noTmpfs(err))
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	}
}

func noTmpfs(err error) error {
	return &missing.Error{
		What: "leave to mount a tmpfs in a user namespace of one's own",
		Install: "sysctl -w user.max_user_namespaces=1000 kernel.apparmor_restrict_unprivileged_userns=0 " +
			"(and kernel.unprivileged_userns_clone=1 on older Debian); in a container, run it with CAP_SYS_ADMIN " +
			"or without its seccomp profile",
		Err: err,
	}
}

func fillTmpfs(t *testing.T, dir string) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip(err)
	}
	s, health := openIn(t, dir)
	wantHealth(t, health, true)
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 128<<10), 0o600))
	n := 0
	for ; s.Health().Durable; n++ {
		must(t, s.Put(keyRecord(fmt.Sprintf("r%04d", n), keys.Intent)))
		must(t, s.SaveListing("i", fmt.Sprint(n), []RememberedAPI{{ID: "a", Name: strings.Repeat("x", 3000)}}))
		if n > 500 {
			t.Fatal("the disk is not full")
		}
	}
	wantHealth(t, s.Health(), false, "no space left on device")
	must(t, s.Put(keyRecord("while-full", keys.Intent)))
	must(t, s.Remove("r0000"))
	want := recordIDs(t, s)

	must(t, os.Remove(ballast))
	must(t, s.Flush())
	wantHealth(t, s.Health(), true)
	must(t, s.Close())
	s, health = openIn(t, dir)
	wantHealth(t, health, true)
	if got := recordIDs(t, s); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("records %v, want %v", got, want)
	}

	// Read-only from one moment to the next: a descriptor open for writing forbids that, so at a start.
	must(t, s.Close())
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=256k"))
	s, health = openIn(t, dir)
	wantHealth(t, health, false, "read-only file system")
	if got := recordIDs(t, s); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("records of the read-only disk %v, want %v", got, want)
	}
	must(t, s.Put(keyRecord("while-read-only", keys.Intent)))
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=1m"))
	must(t, s.Flush())
	wantHealth(t, s.Health(), true)
}
