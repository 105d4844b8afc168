package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"federation-agent/internal/sandbox/demo"
)

// watched starts an agent of a sandbox with a node API, and gives the variables by which a command asks it.
func watched(t *testing.T, s *demo.Sandbox, more ...string) (agent *child, asks []string) {
	t.Helper()
	environ := settings(t, s, append([]string{nodeEnabled + "=true", nodePort + "=0"}, more...)...)
	agent = start(t, environ)
	connected(t, s)
	line := agent.says("the node API is served")
	_, address, _ := strings.Cut(line, "address=")
	return agent, []string{
		urlVariable + "=http://" + strings.TrimSpace(address), userVariable + "=admin", passwordVariable + "=" + nodePassword,
	}
}

const nodeUser = nodeUsers + "admin=" + nodePassword

func TestTheLevelOfARunningAgentsLogIsChangedForATime(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	agent, asks := watched(t, s, nodeUser)
	for _, c := range []struct {
		args   []string
		prints string
	}{
		{nil, "info\n"},
		{[]string{"debug"}, "debug, until 20"},
		{nil, "debug, until 20"},
		{[]string{"warn", "--for", "0"}, "warn\n"},
		{[]string{"--json"}, "{\n  \"level\": \"warn\"\n}\n"},
		{[]string{"reset"}, "info\n"},
	} {
		if code, out, errs := runs(t, asks, append([]string{"log-level"}, c.args...)...); code != exitOrderly ||
			!strings.HasPrefix(out, c.prints) {
			t.Errorf("%v: %d %q %s", c.args, code, out, errs)
		}
	}
	agent.says("the level of the log changes", "to=DEBUG", "by=admin", "for=10m0s")
	for _, args := range [][]string{{"loud"}, {"debug", "info"}, {"debug", "--for", "long"}} {
		if code, out, errs := runs(t, asks, append([]string{"log-level"}, args...)...); code != exitConfiguration {
			t.Errorf("%v: %d %s %s", args, code, out, errs)
		}
	}
}

func TestASupportBundleOfARunningAgentHoldsNoSecret(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	agent, asks := watched(t, s, nodeUser, "gravitee_agent_log_level=debug")
	ingested(t, s)
	api := s.APIM.APIs()[0]
	sub, err := s.APIM.Subscribe(t.Context(), api.ID, api.Plans[0].ID, "Shop", "")
	if err != nil || sub.APIKey.IsZero() {
		t.Fatalf("%v %s", err, sub.Reason)
	}
	code, out, errs := runs(t, asks, "support-bundle", "--output", "-")
	packed, err := gzip.NewReader(strings.NewReader(out))
	if code != exitOrderly || err != nil {
		t.Fatalf("%d %v %s", code, err, errs)
	}
	var all bytes.Buffer
	for files := tar.NewReader(packed); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(header.Name + "\n")
		if _, err := io.Copy(&all, files); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"gravitee_integration_providers_0_configuration_secretAccessKey", // where it comes from
		"an API key was made", "federation_agent_session_up", "/log.txt", sub.ID,
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the bundle has no %s", want)
		}
	}
	for what, secret := range map[string]string{
		"token": demo.DefaultToken, "secret access key": "sandbox-secret", "password": nodePassword,
		"value of an API key": sub.APIKey.Reveal(),
	} {
		if strings.Contains(all.String(), secret) || strings.Contains(agent.log(), secret) {
			t.Errorf("the %s is in the bundle or the log", what)
		}
	}

	name := filepath.Join(t.TempDir(), "bundle.tar.gz")
	if code, out, errs := runs(t, asks, "support-bundle", "-o", name); code != exitOrderly || !strings.HasPrefix(out, name) {
		t.Errorf("%d %q %s", code, out, errs)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
		t.Errorf("%v %v", info, err)
	}
	if code, _, errs := runs(t, asks, "support-bundle", "-o", name); code != exitInternal || !strings.Contains(errs, "--output") {
		t.Errorf("over a file: %d %s", code, errs)
	}
}

func TestWhereTheNodeAPIKnowsNoUsersOnlyTheCommandBesideTheAgentHasLevelAndBundle(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	const open = "gravitee_services_core_http_authentication_type=none"
	dir := t.TempDir()
	agent, asks := watched(t, s, open, "gravitee_agent_store_path="+dir)
	for _, args := range [][]string{{"log-level"}, {"log-level", "debug"}, {"support-bundle", "-o", "-"}} {
		code, out, errs := runs(t, asks[:1], args...)
		if code != exitInternal || out != "" || !strings.Contains(errs, "authentication.type=none") {
			t.Errorf("%v from elsewhere: %d %s", args, code, errs)
		}
	}
	_, port, _ := strings.Cut(nodeURL(agent), "127.0.0.1:")
	beside := append([]string{"gravitee_agent_store_path=" + dir, nodePort + "=" + port},
		settings(t, s, nodeEnabled+"=true", open)...)
	if code, out, errs := runs(t, beside, "log-level"); code != exitOrderly || out != "info\n" {
		t.Errorf("log-level beside it: %d %q %s", code, out, errs)
	}
	if code, out, errs := runs(t, beside, "support-bundle", "-o", "-"); code != exitOrderly || out == "" {
		t.Errorf("support-bundle beside it: %d %s", code, errs)
	}
}
