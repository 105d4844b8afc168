package node_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/node"
	"federation-agent/internal/secret"
)

// unpacked gives a bundle's files by their names within its folder.
func unpacked(t *testing.T, body io.Reader) map[string]string {
	t.Helper()
	packed, err := gzip.NewReader(body)
	if err != nil {
		t.Fatal(err)
	}
	files, all := map[string]string{}, tar.NewReader(packed)
	for {
		header, err := all.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(all)
		if err != nil {
			t.Fatal(err)
		}
		_, name, _ := strings.Cut(header.Name, "/")
		files[name] = string(content)
	}
}

func TestTheConfigurationIsShownAsTheVendorsIsWithoutItsSecrets(t *testing.T) {
	r, _ := booked(t, nil)
	answer := r.ask(http.MethodGet, "/_node/configuration", asAdmin)
	want := "{\n  \"agent.log.level\": \"info\",\n  \"secretAccessKey\": \"" + secret.Redacted + "\"\n}\n"
	if answer.Code != 200 || answer.Body.String() != want {
		t.Errorf("%d %s", answer.Code, answer.Body)
	}
	if code, _ := r.get("/_node/configuration"); code != http.StatusUnauthorized {
		t.Errorf("%d for nobody", code)
	}
}

func TestASupportBundleHasEverythingThatSomebodyWhoIsAskedForHelpWantsToSee(t *testing.T) {
	r, book := booked(t, nil)
	r.listKeys()
	book.Info("what happened last")
	answer := r.ask(http.MethodGet, "/_node/federation/support-bundle?probes=none", func(r *http.Request) {
		asAdmin(r)
		r.Header.Set("Accept-Encoding", "gzip") // of the bundle itself, not of what is in it
	})
	if answer.Code != 200 || answer.Header().Get("Content-Disposition") !=
		`attachment; filename="federation-agent-support-20270115T080000Z.tar.gz"` {
		t.Errorf("%d %v", answer.Code, answer.Header())
	}
	files := unpacked(t, answer.Body)
	readme := files["README.txt"]
	for name, texts := range map[string][]string{
		"README.txt":         {"No secret is in it"},
		"about.json":         {`"version": "1.2.3"`, `"goroutines"`, `"build"`},
		"configuration.json": {`"origin": "gravitee.yml:3"`},
		"status.json":        {integration},
		"health.json":        {`"session"`, `"actors"`},
		"metrics.txt":        {"federation_agent_session_up", "go_goroutines"},
		"journal.json":       {`"durable": true`, `"unconfirmed": 1`, `"runningIngests": 0`},
		"log.txt":            {"what happened last"},
		"goroutines.txt":     {"TestASupportBundleHasEverything"},
	} {
		for _, text := range texts {
			if !strings.Contains(files[name], text) {
				t.Errorf("%s has no %s: %.500s", name, text, files[name])
			}
		}
		if !strings.Contains(readme, name) && name != "README.txt" {
			t.Errorf("README.txt does not say what %s is", name)
		}
		delete(files, name)
	}
	if len(files) > 0 {
		t.Errorf("nobody looks at %v", slices.Collect(maps.Keys(files)))
	}
}

func TestHowTheAgentIsSetUpIsShownOnlyToWhoProvesWhoTheyAre(t *testing.T) {
	nobody := func(*http.Request) {}
	for name, c := range map[string]struct {
		open bool
		as   func(*http.Request)
		code int
	}{
		"a user":                         {false, asAdmin, 200},
		"nobody":                         {false, nobody, 401},
		"nobody, and the API is open":    {true, nobody, 403},
		"the token, and the API is open": {true, bearing(token), 200},
	} {
		for _, path := range []string{"/_node/federation/support-bundle", "/_node/configuration", "/_node/logging"} {
			r, _ := booked(t, func(o *node.Options) { o.Open = c.open })
			answer := r.ask(http.MethodGet, path, c.as)
			if answer.Code != c.code || (c.code == http.StatusForbidden) != strings.Contains(answer.Body.String(), "knows no users") {
				t.Errorf("%s for %s: %d, want %d\n%.300s", path, name, answer.Code, c.code, answer.Body)
			}
		}
	}
}
