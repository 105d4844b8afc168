package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/sandbox/demo"
)

const headerValue = "gravitee_integration_connector_ws_headers_0_value"

// write writes a secret's file, and gives its name.
func write(t *testing.T, name, content string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// fromFile takes the token of the settings out, and names a file with it.
func fromFile(t *testing.T, environ []string) (changed []string, file, token string) {
	t.Helper()
	at := slices.IndexFunc(environ, func(entry string) bool { return strings.HasPrefix(entry, headerValue+"=") })
	token = strings.TrimPrefix(environ[at], headerValue+"=")
	file = write(t, filepath.Join(t.TempDir(), "token"), token+"\n")
	return append(slices.Delete(environ, at, at+1), headerValue+"_FILE="+file), file, token
}

func TestATokenInAFileIsReadAgainForEachConnection(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	environ, file, token := fromFile(t, settings(t, s))
	agent := start(t, environ, "run")
	connected(t, s)
	write(t, file, "bearer another-token-that-apim-does-not-know")
	s.APIM.Cut(demo.DefaultIntegrationID)
	agent.says("a secret has changed; the new value is used from now on", `reference="the file `+file+`"`)
	agent.says("cannot connect to APIM", "401")
	write(t, file, "")
	agent.says("a secret cannot be read again; its last value stays in use", "is empty")
	write(t, file, token)
	connected(t, s)
	if log := agent.log(); strings.Contains(log, "another-token") || strings.Contains(log, token) {
		t.Errorf("the log holds a token\n%s", log)
	}
}

func TestValidateReadsWhatTheSettingsReferTo(t *testing.T) {
	t.Parallel()
	environ, file, _ := fromFile(t, settings(t, newSandbox(t, nil)))
	good := start(t, environ, "validate")
	if code := good.exit(); code != exitOrderly {
		t.Errorf("exit code %d\n%s", code, good.log())
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	faulty := start(t, append(environ, nodeUsers+"admin=kubernetes://ns/secrets/node/password"), "validate")
	if code := faulty.exit(); code != exitConfiguration {
		t.Errorf("exit code %d\n%s", code, faulty.log())
	}
	faulty.says("fault: " + headerValue + "_FILE: refers to the file " + file + ", which cannot be read: stat " + file)
	faulty.says("fault: " + nodeUsers + "admin: refers to kubernetes://ns/secrets/node/password, which cannot be read: " +
		"KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT_HTTPS are not set")
	faulty.says("Configuration faults: 2.")
	endless := start(t, append(environ, nodeUsers+"admin=kubernetes://ns/secrets/node/password",
		"gravitee_secrets_kubernetes_kubeConfigFile=/dev/zero"), "validate")
	if code := endless.exit(); code != exitConfiguration {
		t.Errorf("exit code %d\n%s", code, endless.log())
	}
	endless.says("the kubeconfig file cannot be read: it is a directory, a device or a pipe")
}

func TestAHealthCheckReadsOnlyTheSecretsThatItNeeds(t *testing.T) {
	t.Parallel()
	environ, file, _ := fromFile(t, settings(t, newSandbox(t, nil)))
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	// The last of two equal variables counts in a child; nobody listens on this port.
	check := start(t, append(environ, nodeEnabled+"=true", nodePort+"=1"), "health")
	if code := check.exit(); code != exitInternal {
		t.Errorf("exit code %d\n%s", code, check.log())
	}
	check.says("no agent answers here")
}
