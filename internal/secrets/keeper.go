// Package secrets keeps the texts that settings refer to, and reads them again while the agent runs. It does not know
// what they are for, nor how a secret store is called.
package secrets

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"federation-agent/internal/secret"
)

const (
	// readEvery is how old a text becomes if nobody asks for it. Kubernetes itself gives a mounted secret to its pods
	// within about a minute.
	readEvery = time.Minute
	// fresh is how long what was read counts as read now. The two halves of a key pair, and all headers of a connection,
	// come from one read.
	fresh = time.Second
	// complainEvery is the least time between two log lines about a source that cannot be read: a dial every second must
	// not fill the log.
	complainEvery = 10 * time.Minute
)

// Provider reads all texts of what a reference names, by key. One that has no keys is under the empty key. Read ends by
// itself in a time of its own. No error contains a text.
type Provider interface {
	Read(ctx context.Context, r secret.Reference) (map[string]string, error)
}

// Keeper holds what was read. Whoever uses a live secret refreshes it where that matters (a dial, a fetch of keys); in
// between, [Keeper.Watch] does so for all. It is safe for concurrent use.
type Keeper struct {
	mu        sync.Mutex
	providers map[string]Provider
	sources   map[string]*source
	log       *slog.Logger
}

// New makes a keeper that can read nothing yet.
func New() *Keeper {
	return &Keeper{providers: map[string]Provider{}, sources: map[string]*source{}, log: slog.New(slog.DiscardHandler)}
}

// Use sets who reads the references of a provider.
func (k *Keeper) Use(name string, p Provider) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.providers[name] = p
}

// Read gives the text that a reference names. Unless the reference is fixed, the text is live: accept judges each later
// one, and what it refuses is not taken.
func (k *Keeper) Read(ctx context.Context, r secret.Reference, accept func(text string) error) (secret.String, error) {
	s, err := k.source(r)
	if err != nil {
		return secret.String{}, err
	}
	if !s.take(ctx) {
		return secret.String{}, ctx.Err()
	}
	defer s.release()
	s.read(ctx) // unless another setting just did
	if s.err != nil {
		return secret.String{}, s.err
	}
	text, err := r.Find(s.texts)
	switch {
	case err != nil:
		return secret.String{}, err
	case r.Fixed:
		return secret.New(text), nil
	}
	c := &cell{source: s, reference: r, accept: accept}
	c.text.Store(&text)
	s.cells = append(s.cells, c)
	return secret.Live(c), nil
}

func (k *Keeper) source(r secret.Reference) (*source, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p, known := k.providers[r.Provider]
	if !known {
		return nil, fmt.Errorf("the provider %q is not served", r.Provider)
	}
	name := fmt.Sprintf("%q %q %q %q", r.Provider, r.Namespace, r.Kind, r.Path)
	if k.sources[name] == nil {
		k.sources[name] = &source{keeper: k, provider: p, reference: r, turn: make(chan struct{}, 1)}
	}
	return k.sources[name], nil
}

// Watch reads everything again from time to time, until ctx ends. The log takes what fails and what changes, also when
// others refresh a secret.
func (k *Keeper) Watch(ctx context.Context, log *slog.Logger) {
	k.mu.Lock()
	k.log = log
	sources := make([]*source, 0, len(k.sources))
	for _, s := range k.sources {
		sources = append(sources, s)
	}
	k.mu.Unlock()
	if len(sources) == 0 {
		return
	}
	for tick := time.Tick(readEvery); ; {
		select {
		case <-tick:
			for _, s := range sources {
				s.refresh(ctx)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (k *Keeper) logger() *slog.Logger {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.log
}

// source is one secret of a store, or one file. It is taken as a whole or not at all, so that an access key and its
// secret belong together.
type source struct {
	keeper    *Keeper
	provider  Provider
	reference secret.Reference // without regard to its key

	turn chan struct{} // held by the one who reads; guards what follows
	// at is when it was read last, and texts and err what came of it.
	at         time.Time
	texts      map[string]string
	err        error
	cells      []*cell
	complained time.Time
}

// cell is one live text.
type cell struct {
	*source
	reference secret.Reference
	accept    func(text string) error
	text      atomic.Pointer[string]
}

// Text implements [secret.Source].
func (c *cell) Text() string { return *c.text.Load() }

// Refresh implements [secret.Source].
func (c *cell) Refresh(ctx context.Context) { c.refresh(ctx) }

// take waits for the turn to read. It gives false if ctx ends first.
func (s *source) take(ctx context.Context) bool {
	select {
	case s.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *source) release() { <-s.turn }

// read reads, unless that was just done.
func (s *source) read(ctx context.Context) (done bool) {
	if !s.at.IsZero() && time.Since(s.at) < fresh {
		return false
	}
	s.texts, s.err = s.provider.Read(ctx, s.reference)
	s.at = time.Now()
	return true
}

// refresh reads again. What fails is logged once, and again only after some time.
func (s *source) refresh(ctx context.Context) {
	if !s.take(ctx) {
		return
	}
	defer s.release()
	if len(s.cells) == 0 || !s.read(ctx) || ctx.Err() != nil { // who asked may have gone, which says nothing
		return
	}
	log := s.keeper.logger()
	found, at, err := s.judge()
	switch {
	case err == nil:
		s.replace(log, found)
	case s.complained.IsZero() || time.Since(s.complained) >= complainEvery:
		s.complained = time.Now()
		log.Warn("a secret cannot be read again; its last value stays in use",
			logReference, at.String(), logError, err)
	}
}

// The fields of log lines.
const (
	logReference = "reference"
	logError     = "error"
)

// judge finds what each cell is to hold. If one of them cannot take it, at is its reference.
func (s *source) judge() (found []string, at secret.Reference, err error) {
	for _, c := range s.cells {
		if s.err != nil {
			return nil, c.reference, s.err
		}
		text, err := c.reference.Find(s.texts)
		if err == nil {
			err = c.accept(text)
		}
		if err != nil {
			return nil, c.reference, err
		}
		found = append(found, text)
	}
	return found, at, nil
}

func (s *source) replace(log *slog.Logger, found []string) {
	if !s.complained.IsZero() {
		s.complained = time.Time{}
		log.Info("a secret can be read again", logReference, s.cells[0].reference.String())
	}
	for i, c := range s.cells {
		if *c.text.Swap(&found[i]) != found[i] {
			log.Info("a secret has changed; the new value is used from now on", logReference, c.reference.String())
		}
	}
}
