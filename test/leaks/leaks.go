// Package leaks finds the secrets that a test uses where none may be: in what is logged, served and printed.
package leaks

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"

	"federation-agent/config"
)

// shortest is how many characters a secret has at least to be looked for: a shorter one is in any text.
const shortest = 8

// Secrets are those that a test uses. The zero value has none. It is safe for concurrent use.
type Secrets struct {
	mu     sync.Mutex
	values map[string]string // what each is, by its value in each form in which it may be written
	find   *strings.Replacer // finds any; nil once there is another
}

// Add adds secrets, all of one kind.
func (s *Secrets) Add(what string, values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[string]string{}
	}
	for _, value := range values {
		if len(value) < shortest {
			continue
		}
		quoted, _ := json.Marshal(value) // a text can be
		for _, form := range []string{
			value, strings.Trim(string(quoted), `"`), url.QueryEscape(value), base64.StdEncoding.EncodeToString([]byte(value)),
		} {
			s.values[form] = what
		}
	}
	s.find = nil
}

// AddSettings adds those of a configuration: tokens, keys and passwords, and how a password is sent.
func (s *Secrets) AddSettings(environ []string) {
	variables := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		variables[name] = value
	}
	x, _ := config.Explain(config.Sources{Environ: environ}, false) // faulty ones have secrets, too
	for _, setting := range x.Settings {
		value := variables[setting.Origin]
		// An access key's id is masked where settings are listed, and is no secret: validate shows which one it is.
		if !setting.Secret && !setting.Faulty || value == "" || strings.HasSuffix(setting.Key, ".accessKeyId") {
			continue
		}
		words := strings.Fields(value)
		s.Add(setting.Key, value, words[len(words)-1]) // of a header, what stands behind the word bearer
		if _, user, of := strings.Cut(setting.Key, ".users."); of {
			s.Add(setting.Key, base64.StdEncoding.EncodeToString([]byte(user+":"+value)))
		}
	}
}

// In gives which kinds of secrets a text holds.
func (s *Secrets) In(text string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find == nil {
		var pairs []string
		for value := range s.values {
			pairs = append(pairs, value, "")
		}
		s.find = strings.NewReplacer(pairs...)
	}
	if len(s.values) == 0 || s.find.Replace(text) == text { // all at once: there may be thousands
		return nil
	}
	found := map[string]bool{}
	for value, what := range s.values {
		if strings.Contains(text, value) {
			found[what] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Pages are the paths of the node API that show something, with the header by which each is asked for.
var Pages = []struct{ Path, Accept string }{
	{"/_node", ""}, {"/_node/health", ""}, {"/_node/live", ""}, {"/_node/ready", ""}, {"/_node/federation", ""},
	{"/_node/federation", "text/html"}, {"/_node/federation/keys?all=true", ""}, {"/_node/metrics/prometheus", ""},
	{"/_node/configuration", ""}, {"/_node/logging", ""},
}

// Served is what a node API serves to a caller that proves who it is, by the token of a file if there is one.
func Served(api http.Handler, token string) string {
	var all strings.Builder
	for _, page := range Pages {
		request := httptest.NewRequest(http.MethodGet, page.Path, nil)
		request.Host = "localhost"
		request.Header.Set("Accept", page.Accept)
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		answer := httptest.NewRecorder()
		api.ServeHTTP(answer, request)
		all.WriteString(page.Path + "\n" + answer.Body.String() + "\n")
	}
	return all.String()
}
