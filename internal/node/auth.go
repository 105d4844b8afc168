package node

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"slices"
	"time"

	"federation-agent/internal/words"
)

const (
	// realm is gravitee-node's.
	realm = `Basic realm="gravitee.io"`
)

// guarded lets in the callers that may read, and keeps answers out of caches and out of other pages' reach.
func (a *api) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		pageHeaders(h)
		if !a.isNamed(r) && !slices.Contains(probePaths, r.URL.Path) {
			a.say("the node API was asked for under a name that is not its own", r, "host", words.Cut(r.Host, maxLogged))
			http.Error(w, misnamed, http.StatusMisdirectedRequest)
			return
		}
		if code := a.admit(r); code != http.StatusOK {
			h.Set("WWW-Authenticate", realm)
			http.Error(w, http.StatusText(code), code)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// misnamed says how a name is added.
const misnamed = "This agent is not known under this host name. Ask for it by its address, or add the name to " +
	"gravitee_agent_node_hostNames."

// admit gives 200 to who may read. A wrong password waits for its answer.
func (a *api) admit(r *http.Request) int {
	if a.Open {
		return http.StatusOK
	}
	name, given, ok := r.BasicAuth()
	if !ok { // a browser's first request
		return http.StatusUnauthorized
	}
	right, tooMany := a.wrong.look(r.RemoteAddr, func() bool { return a.isRight(name, given) })
	switch {
	case right:
		return http.StatusOK
	case tooMany:
		return http.StatusTooManyRequests
	}
	a.say("the node API refused a wrong user or password", r)
	select {
	case <-time.After(wrongWaits):
	case <-r.Context().Done():
	}
	return http.StatusUnauthorized
}

// isRight takes the same time for a wrong name as for a wrong password, of any length.
func (a *api) isRight(name, given string) bool {
	password, known := a.Users[name]
	want, got := sha256.Sum256([]byte(password.Reveal())), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && known
}

// say logs a refusal. It names neither user nor password, because people confuse the two fields.
func (a *api) say(text string, r *http.Request, more ...any) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr) // net/http writes both
	a.repeats.Warn(text, append([]any{"from", host, "path", words.Cut(r.URL.Path, maxLogged)}, more...)...)
}

// maxLogged is how much of a caller's text a log line repeats, in bytes: a host name has at most 253.
const maxLogged = 253
