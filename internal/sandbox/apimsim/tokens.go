package apimsim

import (
	"net/http"
	"strings"
)

// authorizationPrefix is what APIM takes off the header, whatever it says, before it trims (read).
const authorizationPrefix = len("bearer")

// AllowToken accepts agents with this token from now on. On a stand-in without tokens it turns
// authentication on.
func (a *APIM) AllowToken(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tokens == nil {
		a.tokens = map[string]bool{}
	}
	a.tokens[token] = true
}

// RevokeToken refuses agents with this token from now on; a session that is up is not touched.
func (a *APIM) RevokeToken(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.tokens, token)
}

// authorizationStatus judges an upgrade's Authorization header: 0, or the HTTP status it is refused with.
func (a *APIM) authorizationStatus(header string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.tokens == nil:
		return 0
	case header == "":
		return http.StatusUnauthorized
	case len(header) < authorizationPrefix: // cutting six characters off throws (run, exchange 1.5.2 to 2.0.1)
		return http.StatusInternalServerError
	case !a.tokens[strings.TrimSpace(header[authorizationPrefix:])]:
		return http.StatusUnauthorized
	}
	return 0
}
