package world

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"federation-agent/config"
	"federation-agent/internal/logbook"
	"federation-agent/internal/node"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/secret"
)

// No secret may be logged or served, whatever a test does. So each world knows all that pass through it, and looks for
// them at each agent's end: in the log, and in all that the node API shows of that agent.

// delivered are the secrets that AWS answers with: those of a role's session, and the value of a key.
var delivered = regexp.MustCompile(`<(?:SecretAccessKey|SessionToken)>([^<]+)<|"value":"([^"]+)"`)

// overhearing learns the secrets of AWS's answers. It changes nothing about how these come.
type overhearing struct {
	http.RoundTripper

	world *World
}

// RoundTrip implements http.RoundTripper.
func (o overhearing) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := o.RoundTripper.RoundTrip(request)
	if err == nil && request.Method == http.MethodPost { // AssumeRole, CreateApiKey
		answer.Body = &overheard{ReadCloser: answer.Body, world: o.world}
	}
	return answer, err
}

type overheard struct {
	io.ReadCloser

	world *World
	mu    sync.Mutex
	text  bytes.Buffer
}

// Read implements io.Reader.
func (o *overheard) Read(p []byte) (int, error) {
	n, err := o.ReadCloser.Read(p)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p[:n])
	for _, found := range delivered.FindAllStringSubmatch(o.text.String(), -1) {
		o.world.Secrets.Add("answer of AWS", found[1], found[2])
	}
	return n, err
}

// onMessage learns the key values that go to APIM, also those of keys that AWS does not have any more.
func (w *World) onMessage(next func(apimsim.Message)) func(apimsim.Message) {
	return func(m apimsim.Message) {
		for _, found := range apiKey.FindAllSubmatch(m.Data, -1) {
			w.Secrets.Add("value of an API key", string(found[1]))
		}
		if next != nil {
			next(m)
		}
	}
}

var apiKey = regexp.MustCompile(`"apiKey":"([^"]+)"`)

// page is the agent's node API, without a network.
func (i *Instance) page() http.Handler {
	return node.Handler(node.Options{
		ID: i.Name, Name: "federation-agent", Open: true, Token: secret.New(Token), Metrics: true, Board: i.Board,
		Keys: i.Store, Ingests: i.Store, APIs: i.Store, Listings: i.Store, StoreHealth: i.Store.Health, Order: i.Order,
		Alive: func(context.Context) error { return nil }, // it may have crashed
		Now:   time.Now, Log: slog.New(slog.DiscardHandler), Book: logbook.New(io.Discard, false, slog.LevelInfo),
		Settings: func() (settings []node.Setting) {
			x, _ := config.Explain(config.Sources{Environ: i.environ}, false)
			for _, s := range x.Settings {
				settings = append(settings, node.Setting{Key: s.Key, Value: s.Value, Origin: s.Origin})
			}
			return settings
		},
	})
}

// keepsItsSecrets looks for the world's secrets in what an agent has logged and shows.
func (w *World) keepsItsSecrets(log, served string) {
	for _, key := range w.AWS.Keys() {
		w.Secrets.Add("value of an API key", key.Value.Reveal())
	}
	if found := w.Secrets.In(log); found != nil {
		w.T.Errorf("the log holds secrets: %s", strings.Join(found, ", "))
	}
	if found := w.Secrets.In(served); found != nil {
		w.T.Errorf("the node API shows secrets: %s", strings.Join(found, ", "))
	}
}
