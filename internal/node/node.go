// Package node serves health, metrics and a status page over HTTP, at the paths of gravitee-node's management API. It
// reads the board, the journal and the answer to one question to the actors. It changes nothing itself: orders about
// keys go to the actors. Its only secrets are the passwords of its users, and the token of a caller on its machine.
package node

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/logbook"
	"federation-agent/internal/secret"
	"federation-agent/internal/seldom"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
)

const (
	// headerWithin and requestWithin bound how long a request may take to arrive: the API is for probes and people on
	// the same network, and a slower caller only occupies a connection.
	headerWithin  = 5 * time.Second
	requestWithin = 10 * time.Second
	// answerWithin bounds how long an answer may take to be read, also a metrics page over a slow link.
	answerWithin = 30 * time.Second
	// idleFor keeps the connection of a probe that comes every 10 s.
	idleFor = time.Minute
	// maxHeader, in bytes, has room for credentials and a list of probes.
	maxHeader = 16 << 10
)

// Build says which program this is.
type Build struct{ Version, Commit, Go string }

// Setting is a value of the configuration, without a secret, and where it comes from.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

// Sizes is how much is kept, in bytes: the journal, and the exports, which may be in memory.
type Sizes struct{ Journal, Exports int64 }

// Options say what a [Server] shows and to whom.
type Options struct {
	// ID is new for each process, Name is the program's.
	ID, Name string
	Build    Build
	// Open lets everybody in. Otherwise one of Users must show a password; without any, nobody is let in.
	Open  bool
	Users map[string]secret.String
	// HostNames are public names under which callers may ask.
	HostNames []string
	// Metrics says whether metrics are served.
	Metrics bool
	// TLS secures the listener; nil does not.
	TLS *tls.Config
	// IdleTimeout closes a connection without a request. 0 means the API's own.
	IdleTimeout time.Duration

	Board   *status.Board
	Keys    store.KeyJournal
	Ingests store.Ingests
	APIs    store.KnownAPIs
	// Listings names the APIs of keys.
	Listings store.Listings
	// Token proves who a caller is where Open lets everybody read, for what is not for everybody; empty proves nothing.
	Token secret.String
	// Looks says where the agent looks itself for what became of keys.
	Looks keys.Looks
	// Order has the actors carry out what somebody wants of a key. Errors: a [*keys.Refusal], or why it cannot be done
	// now.
	Order func(context.Context, keys.Order) (keys.Record, error)
	// Settings gives what is configured, without secrets, once somebody looks. Nil: nothing is shown.
	Settings func() []Setting
	// Sizes says how much is kept on disk.
	Sizes func() Sizes
	// StoreHealth says what the store can guarantee.
	StoreHealth func() store.Health
	// Alive asks the actors for a sign of life.
	Alive func(context.Context) error
	// Now is the wall clock of the board's writers.
	Now func() time.Time
	Log *slog.Logger
	// Book is the program's log: its level, and its last lines.
	Book *logbook.Book
}

// Address is what the node API listens on, and what reaches it from this machine: Go dials the machine itself where a
// server listens on all of its addresses. localhost is the loopback address, also in an image without /etc/hosts.
func Address(host string, port int) string {
	if host == "localhost" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// Listen takes the port, so that a start can fail before anything else is started. Port 0 is any free one.
func Listen(host string, port int) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", Address(host, port))
}

// Ours reports whether an answer to GET /_node is that of a node API: its [api.info], or its refusal.
func Ours(answer *http.Response) bool {
	if answer.Header.Get("WWW-Authenticate") == realm {
		return true
	}
	var shown struct{ Version map[string]string }
	err := json.NewDecoder(io.LimitReader(answer.Body, maxHeader)).Decode(&shown)
	return err == nil && shown.Version["MAJOR_VERSION"] != ""
}

// Server serves the node API.
type Server struct {
	http  *http.Server
	log   *slog.Logger
	ended chan struct{}
}

// Serve begins to answer on a listener. The listener is closed with the server.
func Serve(l net.Listener, o Options) *Server {
	s := &Server{log: o.Log, ended: make(chan struct{}), http: &http.Server{
		Handler: Handler(o), ReadHeaderTimeout: headerWithin, ReadTimeout: requestWithin, WriteTimeout: answerWithin,
		IdleTimeout: cmp.Or(o.IdleTimeout, idleFor), MaxHeaderBytes: maxHeader, TLSConfig: o.TLS,
		ErrorLog: log.New(faults{seldom.Faults(o.Log)}, "", 0),
	}}
	serve := s.http.Serve
	if o.TLS != nil {
		s.http.Protocols = new(http.Protocols)
		s.http.Protocols.SetHTTP1(true)
		s.http.Protocols.SetHTTP2(slices.Contains(o.TLS.NextProtos, "h2"))
		serve = func(l net.Listener) error { return s.http.ServeTLS(l, "", "") }
	}
	go func() {
		defer close(s.ended)
		if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the node API has ended; health and metrics are no longer served", "error", err)
		}
	}()
	return s
}

// Close waits for the answers that are being sent until the context ends, and then cuts them off.
func (s *Server) Close(ctx context.Context) {
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // the listener is closed already, and the connections are given up
	}
	<-s.ended
}

// faults takes what net/http logs. Load balancers look whether a port is open, and probes come without a certificate,
// every few seconds.
type faults struct{ log *slog.Logger }

// Write implements io.Writer.
func (f faults) Write(line []byte) (int, error) {
	cause := "other"
	if bytes.Contains(line, []byte("TLS handshake error")) {
		cause = "handshake"
	}
	f.log.Warn("the node API: "+strings.TrimSpace(string(line)), seldom.Cause, cause)
	return len(line), nil
}

// api is what the handlers share.
type api struct {
	Options

	mu sync.Mutex
	// silentSince is the first question of those in a row that the actors did not answer; zero if they answered the
	// last.
	silentSince time.Time
	wrong       wrongPasswords
	// repeats is the log for what comes again with each request: a probe with an old password asks every few seconds.
	repeats *slog.Logger
	// bundling is held while a support bundle is made.
	bundling sync.Mutex
	// formKey makes the tokens of forms.
	formKey []byte

	started  time.Time
	settings func() []Setting
}

// Handler is the node API without a network.
func Handler(o Options) http.Handler {
	a := &api{
		Options: o, repeats: seldom.Faults(o.Log), formKey: []byte(rand.Text()), started: o.Now().UTC(),
		settings: func() []Setting { return nil },
	}
	if o.Settings != nil {
		a.settings = sync.OnceValue(o.Settings)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_node", a.info)
	mux.HandleFunc("GET /_node/{$}", a.info)
	mux.HandleFunc("GET "+healthPath, a.health)
	mux.HandleFunc("GET "+livePath, a.live)
	mux.HandleFunc("GET "+readyPath, a.ready)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", pagePath[1:]) // relative: a proxy may have put a path before ours
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("GET "+pagePath, a.federation)
	mux.HandleFunc("GET "+pagePath+"/page.css", pageFile("page.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET "+pagePath+"/page.js", pageFile("page.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET "+pagePath+"/icon.svg", pageFile("icon.svg", "image/svg+xml"))
	mux.HandleFunc("GET "+pagePath+"/keys", a.listKeys)
	mux.HandleFunc("GET "+pagePath+"/keys/{id}", a.showKey)
	mux.HandleFunc("POST "+pagePath+"/keys/{id}/ack", a.onKey(keys.Acknowledge))
	mux.HandleFunc("POST "+pagePath+"/keys/{id}/delete", a.onKey(keys.Remove))
	mux.HandleFunc("GET "+configurationPath, a.proven(a.configuration))
	mux.HandleFunc("GET "+loggingPath, a.proven(a.logging))
	mux.HandleFunc("POST "+loggingPath, a.proven(a.setLogging, mediaJSON))
	mux.HandleFunc("PUT "+loggingPath, a.proven(a.setLogging, mediaJSON))
	mux.HandleFunc("GET "+bundlePath, a.proven(a.bundle))
	if o.Metrics {
		mux.Handle("GET /_node/metrics/prometheus", a.metrics())
	}
	return a.guarded(mux)
}
