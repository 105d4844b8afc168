package apimsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Errors of commands and use cases.
var (
	ErrClosed         = errors.New("the APIM stand-in is closed")
	ErrNoAgent        = errors.New("no agent connected")
	ErrNoReply        = errors.New("no reply in time")
	ErrChannelClosed  = errors.New("channel closed before the reply")
	ErrNotHandled     = errors.New("agent does not handle the command")
	ErrUnknownCommand = errors.New("agent does not know the command")
	ErrRefused        = errors.New("agent answered ERROR")
	ErrBadReply       = errors.New("reply cannot be used")
	ErrNotFound       = errors.New("not found")
	ErrNotAccepted    = errors.New("only an ACCEPTED one can be closed")
	// ErrNotPending means that a subscription has been decided on already.
	ErrNotPending = errors.New("subscription is not pending")
)

// APIM is the stand-in. It is an http.Handler; all methods may be called from any goroutine.
type APIM struct {
	opts     Options
	features features
	known    map[string]bool // command types this version's classes cover
	handler  http.Handler

	ctx    context.Context // ends on Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	idMu sync.Mutex // NewID need not be safe for concurrent use

	happenings sync.Mutex // held while OnHappening is called

	mu           sync.Mutex
	closed       bool
	stopping     bool
	accounts     map[string]*Account // by token; nil: authentication is off
	integrations map[string]Integration
	order        []string // integration ids as they were added
	lanes        map[string]*queue[func()]
	conns        int // connections so far
	upgrades     int
	refusals     refusals
	hellos       map[string]int
	sent         map[string]int // commands by integration and type
	open         []*session     // every socket, oldest first
	primary      map[string]*session
	picked       map[string]int           // commands for which a channel was chosen, by integration
	kept         map[string][]keptCommand // by integration
	ledger       ledger
	store        store
	problems     history[Problem]
	requests     history[RESTRequest]
	asked        map[string]int // requests to the management API by operation
	ended        history[EndedSession]
	lastNotice   *notice // nil before the first form
	previews     map[string]Preview
}

// refusals are what RefuseUpgrades and RefuseHellos asked for.
type refusals struct {
	upgrades, status int
	hellos           int
	text             string
}

// New makes a stand-in that has not been connected to anything; see [APIM.Serve].
func New(o Options) (*APIM, error) {
	o = o.withDefaults()
	f, err := featuresOf(o.Version, o.Framing)
	if err != nil {
		return nil, err
	}
	a := &APIM{
		opts: o, features: f, known: knownTypes(f),
		integrations: map[string]Integration{},
		lanes:        map[string]*queue[func()]{},
		hellos:       map[string]int{},
		sent:         map[string]int{},
		asked:        map[string]int{},
		primary:      map[string]*session{},
		picked:       map[string]int{},
		kept:         map[string][]keptCommand{},
		previews:     map[string]Preview{},
		store:        newStore(o.History),
		ledger:       newLedger(o.History),
		problems:     history[Problem]{limit: o.History},
		requests:     history[RESTRequest]{limit: o.History},
		ended:        history[EndedSession]{limit: o.History},
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	for _, i := range o.Integrations {
		a.AddIntegration(i)
	}
	for _, token := range o.Tokens {
		a.AllowToken(token)
	}
	for token, account := range o.Accounts {
		a.Allow(token, account)
	}
	// The page's forms are for its own user, not for other sites open in the same browser.
	a.handler = http.NewCrossOriginProtection().Handler(a.routes())
	if o.Before != nil {
		a.handler = o.Before(a.handler)
	}
	return a, nil
}

func knownTypes(f features) map[string]bool {
	types := []string{typeHello, typeGoodBye, typeHealthCheck, typePrimary, typeSubscribe, typeUnsubscribe}
	if f.legacy {
		types = append(types, typeList, typeFetch)
	} else {
		types = append(types, typeDiscover, typeStartIngest, typeIngest)
	}
	known := map[string]bool{}
	for _, t := range types {
		known[t] = true
	}
	return known
}

// ServeHTTP implements http.Handler: the controller's websocket, the management surface, the page.
func (a *APIM) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// Serve answers requests on l until Close, which also closes l. It returns at once.
func (a *APIM) Serve(l net.Listener) error {
	server := &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second}
	ok := a.spawn(func() {
		if err := server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			a.opts.Log.Warn("serving ended", "error", err)
		}
	})
	ok = ok && a.spawn(func() {
		<-a.ctx.Done()
		_ = server.Close() // hijacked sockets are closed by their sessions
	})
	if !ok {
		_ = l.Close()
		return ErrClosed
	}
	return nil
}

// AddIntegration creates or replaces an integration.
func (a *APIM) AddIntegration(i Integration) {
	i = i.withDefaults()
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.integrations[i.ID]; !ok {
		a.order = append(a.order, i.ID)
	}
	a.integrations[i.ID] = i
}

// RemoveIntegration deletes an integration; a connected agent stays, as in APIM, until it reconnects.
func (a *APIM) RemoveIntegration(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.integrations, id)
	a.order = slices.DeleteFunc(a.order, func(other string) bool { return other == id })
}

func (a *APIM) integration(id string) (Integration, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, ok := a.integrations[id]
	if !ok {
		return Integration{}, fmt.Errorf("integration %s: %w", id, ErrNotFound)
	}
	return i, nil
}

// RefuseUpgrades answers the next n upgrade requests with the HTTP status.
func (a *APIM) RefuseUpgrades(n, status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals.upgrades, a.refusals.status = n, status
}

// RefuseHellos answers the next n HELLOs ERROR with the text.
func (a *APIM) RefuseHellos(n int, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refusals.hellos, a.refusals.text = n, text
}

// Stop is an orderly shutdown of this controller node: new upgrades get 410, connected agents
// GOOD_BYE with reconnect. It returns when all sockets are gone or ctx ends. What was stored stays.
func (a *APIM) Stop(ctx context.Context) error {
	a.mu.Lock()
	a.stopping = true
	open := slices.Clone(a.open)
	a.mu.Unlock()
	for _, s := range open {
		a.spawn(func() { a.unregister(s, true) })
	}
	return awaitGone(ctx, open)
}

// Resume takes connections again after Stop or Drop: the controller was restarted.
func (a *APIM) Resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopping = false
}

// GoodBye says good-bye to every agent of an integration and returns at once.
func (a *APIM) GoodBye(integrationID string, reconnect bool) {
	for _, s := range a.sessionsOf(integrationID) {
		a.spawn(func() { a.unregister(s, reconnect) })
	}
}

// Cut drops the connections of an integration's agents without a close frame.
func (a *APIM) Cut(integrationID string) {
	for _, s := range a.sessionsOf(integrationID) {
		s.cut()
	}
}

// Close ends everything at once and waits until no goroutine of the stand-in is left.
func (a *APIM) Close() {
	a.mu.Lock()
	a.closed = true
	open := slices.Clone(a.open)
	a.mu.Unlock()
	a.cancel()
	for _, s := range open {
		s.cut()
	}
	a.wg.Wait()
}

func (a *APIM) newID() string {
	a.idMu.Lock()
	defer a.idMu.Unlock()
	return a.opts.NewID()
}

func (a *APIM) spawn(f func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.spawnLocked(f)
}

func (a *APIM) spawnLocked(f func()) bool {
	if a.closed {
		return false
	}
	a.wg.Go(f)
	return true
}

// pause waits for d, or until the stand-in is closed or stop is, and reports whether it was d.
func (a *APIM) pause(d time.Duration, stop <-chan struct{}) bool {
	if d <= 0 {
		return a.ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
	case <-a.ctx.Done():
	}
	return false
}

func (a *APIM) sessionsOf(integrationID string) []*session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sessionsOfLocked(integrationID)
}

// sessionsOfLocked lists the registered sessions of an integration, oldest first.
func (a *APIM) sessionsOfLocked(integrationID string) []*session {
	var out []*session
	for _, s := range a.open {
		if s.registered && s.integrationID == integrationID {
			out = append(out, s)
		}
	}
	return out
}

func (a *APIM) sessionByConn(conn int) *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.open {
		if s.conn == conn {
			return s
		}
	}
	return nil
}

// Integrations lists the integrations in the order they were added.
func (a *APIM) Integrations() []Integration {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Integration, 0, len(a.order))
	for _, id := range a.order {
		out = append(out, a.integrations[id])
	}
	return out
}
