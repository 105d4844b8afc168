package apimsim

import (
	"net"
	"net/http"

	"github.com/gorilla/websocket"
)

// protocolHeader must say v1; without it the real controller falls back to the legacy protocol,
// which this stand-in refuses so that the mistake shows.
const protocolHeader = "X-Gravitee-Exchange-Protocol"

// serveController is the websocket endpoint: it refuses or upgrades, and then is the session.
func (a *APIM) serveController(w http.ResponseWriter, r *http.Request) {
	attempt, status := a.refusal(r)
	if status != 0 {
		a.happened(Happening{Kind: HappeningUpgrade, Upgrade: attempt})
		http.Error(w, http.StatusText(status), status)
		return
	}
	if r.Header.Get(protocolHeader) != "v1" {
		a.problem(Problem{Code: ProblemLegacyProtocol, Detail: "upgrade without " + protocolHeader + ": v1"})
		http.Error(w, "the stand-in speaks exchange protocol v1 only: send "+protocolHeader+": v1", http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	a.wg.Add(1)
	a.conns++
	s := newSession(a, a.conns, attempt)
	a.mu.Unlock()
	defer a.wg.Done()
	a.happened(Happening{Kind: HappeningUpgrade, Upgrade: attempt, Conn: s.conn, Accepted: true})

	upgrader := websocket.Upgrader{
		// Sizes of our own make gorilla read through the observed connection, and make every frame
		// we write end at the frame limit.
		ReadBufferSize:  4096,
		WriteBufferSize: a.opts.MaxFrame,
		CheckOrigin:     func(*http.Request) bool { return true },
	}
	var raw *observedConn
	observed := observedWriter{ResponseWriter: w, wrap: func(c net.Conn) net.Conn {
		raw = &observedConn{Conn: c}
		raw.in = frameScanner{limit: s.maxFrame, emit: s.sawFrame(true)}
		raw.out = frameScanner{emit: s.sawFrame(false)}
		return raw
	}}
	ws, err := upgrader.Upgrade(observed, r, nil)
	if err != nil {
		a.opts.Log.Info("upgrade failed", "error", err)
		if raw != nil {
			_ = raw.Close()
		}
		return
	}
	raw.upgraded.Store(true)
	s.serve(ws, raw)
}

// refusal gives the request's number and the HTTP status it is refused with, or 0.
func (a *APIM) refusal(r *http.Request) (attempt, status int) {
	a.mu.Lock()
	a.upgrades++
	attempt = a.upgrades
	stopping, scripted := a.stopping, 0
	if a.refusals.upgrades > 0 {
		a.refusals.upgrades--
		scripted = a.refusals.status
	}
	a.mu.Unlock()
	if f := a.opts.Script.Upgrade; f != nil && scripted == 0 {
		scripted = f(attempt)
	}
	switch {
	case scripted != 0:
		return attempt, scripted
	case stopping:
		return attempt, http.StatusGone
	}
	return attempt, a.authorizationStatus(r.Header.Get("Authorization"))
}
