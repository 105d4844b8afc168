package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runs executes a command line without any configuration.
func runs(t *testing.T, environ []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = execute(process{args: args, environ: environ, stdout: &stdout, stderr: &stderr})
	return code, stdout.String(), stderr.String()
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAnAgentAnywhereIsAskedByItsURLWithoutItsConfiguration(t *testing.T) {
	agent := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "admin" || password != nodePassword {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintln(w, "asked for", r.URL.Path)
	}))
	defer agent.Close()
	ca := file(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: agent.Certificate().Raw})))
	password := file(t, "password", nodePassword+"\n")
	atOnce := []string{
		urlVariable + "=" + agent.URL, userVariable + "=admin", passwordVariable + "=" + nodePassword,
	}
	for name, c := range map[string]struct {
		environ, args []string
		exit          int
		prints, tells string
	}{
		"with a password file": {
			nil, []string{"--url", agent.URL, "--user", "admin", "--password-file", password, "--ca-file", ca},
			exitOrderly, "asked for /_node/health\n", "",
		},
		"with variables": {atOnce, []string{"--ca-file", ca}, exitOrderly, "asked for /_node/health\n", ""},
		"the address line of a browser": {
			atOnce, []string{"--url", agent.URL + "/_node/federation?x=1#keys", "--ca-file", ca},
			exitOrderly, "asked for /_node/health\n", "",
		},
		"below a path": {
			atOnce, []string{"--url", agent.URL + "/agent/", "--ca-file", ca},
			exitOrderly, "asked for /agent/_node/health\n", "",
		},
		"another password": {
			append([]string{passwordVariable + "=wrong"}, atOnce...), []string{"--ca-file", ca},
			exitInternal, "", "another user or password: give --user and --password-file",
		},
		"an authority that nobody trusts": {atOnce, nil, exitInternal, "", "no agent answers at " + agent.URL},
		"no password": {
			nil, []string{"--url", agent.URL, "--user", "admin"}, exitConfiguration, "", passwordVariable,
		},
		"nobody's password": {
			nil, []string{"--url", agent.URL, "--password-file", password}, exitConfiguration, "", "--user",
		},
		"a password in the URL": {
			nil, []string{"--url", "https://admin:s3cret@example.com"}, exitConfiguration, "", "--password-file",
		},
		"no URL":       {nil, []string{"--url", "agent:18084"}, exitConfiguration, "", "--url"},
		"no authority": {atOnce, []string{"--ca-file", password}, exitConfiguration, "", "no PEM certificate"},
		"a user of this configuration": {
			nil, []string{"--user", "admin"}, exitConfiguration, "", "--user is for --url",
		},
	} {
		code, out, errs := runs(t, c.environ, append([]string{"health"}, c.args...)...)
		if code != c.exit || out != c.prints || !strings.Contains(errs, c.tells) || strings.Contains(errs, "s3cret") ||
			strings.Contains(errs, nodePassword) {
			t.Errorf("%s: exit %d, printed %q\n%s", name, code, out, errs)
		}
	}
}

func TestAPasswordThatTravelsUnencryptedIsWarnedOf(t *testing.T) {
	environ := []string{userVariable + "=admin", passwordVariable + "=" + nodePassword}
	for url, warned := range map[string]bool{"http://agent.invalid:18084": true, "http://127.0.0.1:1": false} {
		if _, _, errs := runs(t, environ, "health", "--url", url); strings.Contains(errs, "unencrypted") != warned {
			t.Errorf("%s: %s", url, errs)
		}
	}
}

func TestAPasswordFollowsNoRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("it was followed")
	}))
	defer elsewhere.Close()
	agent := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer agent.Close()
	if code, _, errs := runs(t, nil, "status", "--url", agent.URL); code != exitInternal || !strings.Contains(errs, "307") {
		t.Errorf("exit %d %s", code, errs)
	}
}
