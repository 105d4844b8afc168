package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/logbook"
	"federation-agent/internal/node"
	"federation-agent/internal/secret"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
)

const (
	integration = "7a1d6fa5-3a1e-4c8e-9d6f-a53a1e0c8e12"
	password    = "hunter2-hunter2"
)

// rig is a node API over a board and a journal that a test writes.
type rig struct {
	t       *testing.T
	options node.Options
	handler http.Handler
	journal *store.FileStore
	health  store.Health
	alive   error
	now     time.Time
	log     written
}

// written is what was logged, by any goroutine.
type written struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *written) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(line)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// newRig has one integration that is connected, and lets everybody in unless the test changes that.
func newRig(t *testing.T, change func(*node.Options)) *rig {
	t.Helper()
	r := &rig{t: t, journal: inMemory(), health: store.Health{Durable: true}, now: time.Unix(1_800_000_000, 0)}
	r.options = node.Options{
		ID:          "node-1",
		Name:        "federation-agent",
		Build:       node.Build{Version: "1.2.3", Commit: "abc", Go: "go1.26"},
		Open:        true,
		Board:       status.NewBoard(),
		Keys:        r.journal,
		Ingests:     r.journal,
		APIs:        r.journal,
		Listings:    r.journal,
		Sizes:       func() node.Sizes { return node.Sizes{Journal: 4096, Exports: 1 << 20} },
		StoreHealth: func() store.Health { return r.health },
		Alive:       func(context.Context) error { return r.alive },
		Now:         func() time.Time { return r.now },
		Log:         slog.New(slog.NewTextHandler(&r.log, nil)),
		Book:        logbook.New(io.Discard, false, slog.LevelInfo),
	}
	r.options.Board.Serve(integration, r.now)
	r.options.Board.SessionUp(integration, "https://apim.example.com/integration-controller", r.now)
	if change != nil {
		change(&r.options)
	}
	r.handler = node.Handler(r.options)
	return r
}

func (r *rig) ask(method, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, nil)
	request.Host = "localhost:18084"
	if change != nil {
		change(request)
	}
	answer := httptest.NewRecorder()
	r.handler.ServeHTTP(answer, request)
	return answer
}

func (r *rig) get(path string) (code int, body string) {
	answer := r.ask(http.MethodGet, path, nil)
	return answer.Code, answer.Body.String()
}

// probe is what the health endpoint says of one probe.
type probe struct {
	Healthy bool
	Message string
}

func (r *rig) probes(path string) (int, map[string]probe) {
	r.t.Helper()
	code, body := r.get(path)
	var probes map[string]probe
	if err := json.Unmarshal([]byte(body), &probes); err != nil {
		r.t.Fatalf("%s: %v\n%s", path, err, body)
	}
	return code, probes
}

// wantProbe asks for one probe and holds it to its health, the status code to it, and its message to the texts.
func (r *rig) wantProbe(name string, healthy bool, texts ...string) {
	r.t.Helper()
	code, probes := r.probes("/_node/health?probes=" + name)
	want := http.StatusOK
	if !healthy {
		want = http.StatusInternalServerError
	}
	if got := probes[name]; code != want || got.Healthy != healthy || len(probes) != 1 {
		r.t.Errorf("%s: %d %+v, want %d", name, code, probes, want)
	}
	for _, text := range texts {
		if !strings.Contains(probes[name].Message, text) {
			r.t.Errorf("%s says %q, which lacks %q", name, probes[name].Message, text)
		}
	}
	if len(texts) == 0 && probes[name].Message != "" {
		r.t.Errorf("%s says %q, want nothing", name, probes[name].Message)
	}
}

func TestTheNodeSaysWhatItIs(t *testing.T) {
	r := newRig(t, nil)
	for _, path := range []string{"/_node", "/_node/"} {
		code, body := r.get(path)
		for _, text := range []string{
			`"id": "node-1"`, `"name": "federation-agent"`, `"MAJOR_VERSION": "1.2.3"`, `"REVISION": "abc"`, `"metadata"`,
		} {
			if code != http.StatusOK || !strings.Contains(body, text) {
				t.Errorf("%s: %d %s lacks %s", path, code, body, text)
			}
		}
	}
}

func TestNothingButTheDocumentedIsServedAndOnlyToBeRead(t *testing.T) {
	r := newRig(t, nil)
	for _, path := range []string{
		"/_node/federation/", "/_node/federation/page.html", "/_node/nothing", "/_node/metrics/prometheus", "/hooks",
		"/debug/pprof/",
	} {
		if code, body := r.get(path); code != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		for _, path := range []string{"/_node", "/_node/health", "/_node/live", "/_node/ready", "/_node/federation"} {
			if answer := r.ask(method, path, nil); answer.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d", method, path, answer.Code)
			}
		}
	}
}

func TestOnlyAUserWithTheRightPasswordIsLetIn(t *testing.T) {
	users := func(o *node.Options) {
		o.Open, o.Users = false, map[string]secret.String{"admin": secret.New(password)}
	}
	nobody := func(o *node.Options) { o.Open = false }
	for name, c := range map[string]struct {
		options        func(*node.Options)
		user, password string
		want           int
	}{
		"right":             {users, "admin", password, http.StatusOK},
		"wrong password":    {users, "admin", "hunter3", http.StatusUnauthorized},
		"empty password":    {users, "admin", "", http.StatusUnauthorized},
		"unknown user":      {users, "root", password, http.StatusUnauthorized},
		"unknown, empty":    {users, "root", "", http.StatusUnauthorized},
		"nobody configured": {nobody, "admin", "adminadmin", http.StatusUnauthorized},
		"nobody, empty":     {nobody, "", "", http.StatusUnauthorized},
	} {
		for _, path := range []string{
			"/_node", "/_node/health", "/_node/live", "/_node/ready", "/_node/federation", "/_node/nothing",
			"/_node/configuration", "/_node/logging", "/_node/federation/support-bundle",
		} {
			var answer *httptest.ResponseRecorder
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, c.options)
				answer = r.ask(http.MethodGet, path, func(r *http.Request) { r.SetBasicAuth(c.user, c.password) })
			})
			want := c.want
			if path == "/_node/nothing" && want == http.StatusOK {
				want = http.StatusNotFound
			}
			if answer.Code != want {
				t.Errorf("%s, %s: %d, want %d", name, path, answer.Code, want)
			}
			if answer.Code == http.StatusUnauthorized &&
				answer.Header().Get("WWW-Authenticate") != `Basic realm="gravitee.io"` {
				t.Errorf("%s: asks for %q", name, answer.Header().Get("WWW-Authenticate"))
			}
		}
	}
	r := newRig(t, users)
	if code, _ := r.get("/_node/health"); code != http.StatusUnauthorized || r.log.String() != "" {
		t.Errorf("without credentials: %d, and the log says %q: a browser asks so first", code, r.log.String())
	}
}

func TestAWrongPasswordIsLoggedOnceInTenMinutesAndCounted(t *testing.T) {
	synctest.Test(t, wrongPasswordsAreLogged)
}

func wrongPasswordsAreLogged(t *testing.T) {
	r := newRig(t, func(o *node.Options) { o.Open = false })
	wrong := func() {
		r.ask(http.MethodGet, "/_node/health", func(r *http.Request) { r.SetBasicAuth("whoever", password) })
	}
	for range 40 {
		wrong()
		time.Sleep(12 * time.Second)
	}
	synctest.Wait()
	if lines := strings.Count(r.log.String(), "\n"); lines != 1 {
		t.Errorf("%d lines within ten minutes\n%s", lines, r.log.String())
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	if lines := strings.Count(r.log.String(), "\n"); lines != 2 || !strings.Contains(r.log.String(), "repeated=39") {
		t.Errorf("%d lines after ten minutes\n%s", lines, r.log.String())
	}
	for _, text := range []string{"whoever", password} {
		if strings.Contains(r.log.String(), text) {
			t.Errorf("the log holds %q\n%s", text, r.log.String())
		}
	}
}

func TestAServerEndsWithinItsTimeAndAnswersUntilThen(t *testing.T) {
	r := newRig(t, nil)
	listener, err := node.Listen("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.Listen("127.0.0.1", listenerPort(t, listener.Addr().String())); err == nil {
		t.Error("the same port was taken twice")
	}
	server := node.Serve(listener, r.options)
	answer, err := http.Get("http://" + listener.Addr().String() + "/_node/health")
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Errorf("%s", answer.Status)
	}
	ctx, cancel := context.WithTimeout(
		context.Background(),
		time.Nanosecond,
	) // the connection still has its answer unread
	defer cancel()
	server.Close(ctx)
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get("http://" + listener.Addr().String() + "/_node/health"); err == nil {
		t.Error("it answers after its end")
	}
}

// noDisk is a medium that cannot be opened.
type noDisk struct{}

func (noDisk) Open(func(store.Change) error) ([]string, error) {
	return nil, errors.New("read-only file system")
}
func (noDisk) Commit([]store.Change) error { return errors.New("read-only file system") }
func (noDisk) Close() error                { return nil }

// inMemory is a store whose disk cannot be used.
func inMemory() *store.FileStore {
	s, _ := store.NewFileStore(noDisk{}, store.Options{})
	return s
}

var errSilent = errors.New("the top actor gives no sign of life")
