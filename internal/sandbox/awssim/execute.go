package awssim

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// InvokePath is where a stage is called on this server: what AWS serves under the API's own host name.
func InvokePath(scope Scope, api, stage string) string {
	return ExecutePrefix + url.PathEscape(scope.Account) + "/" + url.PathEscape(scope.Region) + "/" + url.PathEscape(api) +
		"/" + url.PathEscape(stage) + "/"
}

// Invoke says what a call of a stage with an API key (or none) is answered: 200, or 403 where the stage
// does not exist or the key is unknown, disabled, not in a plan with that stage, or too new.
func (s *Server) Invoke(scope Scope, api, stage, keyValue string) int {
	g, err := s.known(scope)
	if err != nil || g.isDisabled() {
		return http.StatusForbidden
	}
	found, _, missing := g.findStage(api, stage)
	if missing != nil || found.DisableExecuteEndpoint {
		return http.StatusForbidden
	}
	if found.Open || g.admits(api, stage, keyValue, time.Now().Add(-s.options.KeyPropagation)) {
		return http.StatusOK
	}
	return http.StatusForbidden
}

// admits tells whether a key was in a plan with that stage at a moment.
func (g *region) admits(api, stage, keyValue string, by time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	key, ok := g.keys.get(g.byValue[keyValue])
	if !ok || !key.Enabled {
		return false
	}
	for _, a := range key.Plans {
		if plan, ok := g.plans.get(a.UsagePlan); ok && !a.Since.After(by) && plan.covers(api, stage) {
			return true
		}
	}
	return false
}

// serveExecute is the data plane: the key comes in x-api-key.
func (s *Server) serveExecute(w http.ResponseWriter, hr *http.Request) {
	segments, ok := splitPath(strings.TrimPrefix(hr.URL.EscapedPath(), strings.TrimSuffix(ExecutePrefix, "/")))
	status, body := http.StatusForbidden, map[string]string{"message": "Forbidden"}
	if ok && len(segments) >= 4 {
		status = s.Invoke(Scope{segments[0], segments[1]}, segments[2], segments[3], hr.Header.Get("X-Api-Key"))
	}
	if status == http.StatusOK {
		body = map[string]string{
			"message": "OK", "api": segments[2], "stage": segments[3], "path": "/" + strings.Join(segments[4:], "/"),
		}
	} else {
		w.Header().Set("X-Amzn-Errortype", "ForbiddenException")
	}
	answer := jsonResponse(status, body)
	w.Header().Set("Content-Type", answer.contentType)
	w.WriteHeader(answer.status)
	_ = answer.writeBody(w) // a client that left is no fault of ours
}
