package compose

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"federation-agent/test/missing"
	"federation-agent/test/outside"
)

const (
	// nobody is who the agent runs as: somebody who may write nowhere, as in its image.
	nobody = 65534
	// stopWithin is what Docker gives a container after SIGTERM.
	stopWithin = 10 * time.Second
)

// container is the agent in a root directory of its own, as in its image: the binary, the authorities to trust, and
// nothing else. That is how it trusts the gateway's certificate without a variable more than the page's.
type container struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error
	log   outside.Log
}

// start starts the agent with this environment, and its node API on any free port: a container has ports of its own. prepare may add to its root directory.
func start(t *testing.T, binary string, environment []string, authority *x509.Certificate, prepare func(root string)) *container {
	t.Helper()
	root := t.TempDir()
	certificates := filepath.Join(root, "etc", "ssl", "certs")
	must(t, os.MkdirAll(certificates, 0o755))
	must(t, os.WriteFile(filepath.Join(certificates, "ca-certificates.crt"),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw}), 0o644))
	content, err := os.ReadFile(binary)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(root, "federation-agent"), content, 0o755))
	if prepare != nil {
		prepare(root)
	}
	must(t, os.Chmod(root, 0o555))
	t.Cleanup(func() { must(t, os.Chmod(root, 0o755)) })

	c := &container{cmd: exec.Command("/federation-agent"), ended: make(chan struct{})}
	c.cmd.Dir, c.cmd.Env = "/", append([]string{"gravitee_services_core_http_port=0"}, environment...)
	c.cmd.Stdout, c.cmd.Stderr, c.cmd.WaitDelay = &c.log, &c.log, stopWithin
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	if os.Geteuid() == 0 {
		c.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	} else {
		c.cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		c.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}}
		c.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getgid(), Size: 1}}
	}
	if err := c.cmd.Start(); errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		missing.Require(t, &missing.Error{
			What: "the permission to give a process a root directory of its own", Install: "run the test as root, or allow unprivileged user namespaces", Err: err,
		})
	} else {
		must(t, err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // it has ended by then, unless the test failed before
		<-c.ended
		if t.Failed() {
			t.Logf("the agent logged:\n%s", c.log.String())
		}
	})
	return c
}

// stop ends the agent as `docker compose down` does, and fails the test where it does not end in order.
func (c *container) stop(ctx context.Context, t *testing.T) {
	t.Helper()
	must(t, c.cmd.Process.Signal(syscall.SIGTERM))
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	select {
	case <-c.ended:
		if c.err != nil {
			t.Errorf("the agent ended with %v", c.err)
		}
	case <-ctx.Done():
		t.Errorf("the agent did not end within %s of SIGTERM", stopWithin)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
