package node

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"time"
)

const (
	// realm is gravitee-node's.
	realm = `Basic realm="gravitee.io"`
	// refusalsApart is the least time between two log lines about refused callers: a probe with an old password asks
	// every few seconds.
	refusalsApart = time.Minute
)

// guarded lets in the callers that may read, and keeps answers out of caches and frames.
func (a *api) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		if !a.Open && !a.allowed(r) {
			h.Set("WWW-Authenticate", realm)
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// allowed takes the same time for a wrong name as for a wrong password, of any length.
func (a *api) allowed(r *http.Request) bool {
	name, given, ok := r.BasicAuth()
	if !ok { // a browser's first request
		return false
	}
	password, known := a.Users[name]
	want, got := sha256.Sum256([]byte(password.Reveal())), sha256.Sum256([]byte(given))
	if subtle.ConstantTimeCompare(want[:], got[:]) == 1 && known {
		return true
	}
	a.sayRefused(r)
	return false
}

// sayRefused names neither user nor password, because people confuse the two fields.
func (a *api) sayRefused(r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.Now()
	if since := now.Sub(a.refusedAt); since >= 0 && since < refusalsApart {
		return
	}
	a.refusedAt = now
	host, _, _ := net.SplitHostPort(r.RemoteAddr) // net/http writes both
	a.Log.Warn("the node API refused a wrong user or password", "from", host, "path", r.URL.Path)
}
