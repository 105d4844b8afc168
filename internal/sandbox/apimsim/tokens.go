package apimsim

import (
	"net/http"
	"strings"
)

// authorizationPrefix is what APIM takes off the header, whatever it says, before it trims (read).
const authorizationPrefix = len("bearer")

// Account is who a token belongs to, and what it may do beside connecting an agent. The zero value may nothing else, as
// the environment's role FEDERATION_AGENT.
type Account struct {
	// Owns and Reads are integrations that it is a member of, with the role OWNER or USER.
	Owns, Reads []string
	// Manages are APIs, by APIM's id, that it is an OWNER of. Of those that are new in an ingest that it started, it is
	// the primary owner, without an entry here.
	Manages []string
	// Admin is an administrator of the organization, who may do everything.
	Admin bool
}

// AllowToken accepts agents with this token from now on. On a stand-in without tokens it turns
// authentication on.
func (a *APIM) AllowToken(token string) { a.Allow(token, Account{}) }

// Allow is AllowToken for an account that may do more, or other things than it could so far.
func (a *APIM) Allow(token string, account Account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.accounts == nil {
		a.accounts = map[string]*Account{}
	}
	if known, ok := a.accounts[token]; ok {
		*known = account // and stays the owner of what it owns
		return
	}
	a.accounts[token] = &account
}

// RevokeToken refuses agents with this token from now on; a session that is up is not touched.
func (a *APIM) RevokeToken(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.accounts, token)
}

// authorizationStatus judges an upgrade's Authorization header: 0, or the HTTP status it is refused with.
func (a *APIM) authorizationStatus(header string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.accounts == nil:
		return 0
	case header == "":
		return http.StatusUnauthorized
	case len(header) < authorizationPrefix: // cutting six characters off throws (run, exchange 1.5.2 to 2.0.1)
		return http.StatusInternalServerError
	case a.accounts[strings.TrimSpace(header[authorizationPrefix:])] == nil:
		return http.StatusUnauthorized
	}
	return 0
}
