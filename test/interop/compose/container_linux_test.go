//go:build interop

package compose

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"federation-agent/test/missing"
	"federation-agent/test/process"
)

// nobody is who the agent runs as: somebody who may write nowhere, as in its image.
const nobody = 65534

// start starts the agent in a root directory of its own, as in its image: the binary, the authorities to trust, and
// nothing else. That is how it trusts the gateway's certificate without a variable more than the page's. Its node API
// is on any free port: a container has ports of its own. prepare may add to the root directory.
func start(
	t *testing.T, binary string, environment []string, authority *x509.Certificate, prepare func(root string),
) *process.Process {
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

	cmd := exec.Command("/federation-agent")
	cmd.Dir, cmd.Env = "/", append([]string{"gravitee_services_core_http_port=0"}, environment...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	} else {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getgid(), Size: 1}}
	}
	agent, err := process.Start(cmd)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		err = &missing.Error{
			What:    "the permission to give a process a root directory of its own",
			Install: "run the test as root, or allow unprivileged user namespaces", Err: err,
		}
	}
	missing.Require(t, err)
	t.Cleanup(func() {
		_ = agent.Kill() // it has ended by then, unless the test failed before
		if t.Failed() {
			t.Logf("the agent logged:\n%s%s", &agent.Stdout, &agent.Stderr)
		}
	})
	return agent
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
