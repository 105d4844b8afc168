// Package described holds stand-ins, and clients, to the description of APIM's management API that the agent's client
// is generated from.
package described

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// base is where the description's paths begin.
const base = "/management/v2"

// Operations notes what a test has seen of the description, by "METHOD PATH".
type Operations struct {
	mu   sync.Mutex
	seen map[string]bool
}

// description is read once, when the first test needs it: most never ask.
var description = sync.OnceValues(func() (*openapi3.T, error) {
	_, here, _, _ := runtime.Caller(0)
	file := filepath.Join(filepath.Dir(here), "..", "..", "internal", "apimrest", "management", "openapi.yaml")
	doc, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		return nil, err
	}
	doc.Servers = openapi3.Servers{{URL: base}}
	return doc, doc.Validate(context.Background())
})

var router = sync.OnceValues(func() (routers.Router, error) {
	doc, err := description()
	if err != nil {
		return nil, err
	}
	return legacy.NewRouter(doc)
})

// Handler passes requests on to a stand-in, and fails the test where the description knows no such request, where an
// answer is not as described, or where the stand-in does what the description forbids. Paths that are not of the
// management API pass.
func (o *Operations) Handler(t testing.TB, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, base) {
			next.ServeHTTP(w, r)
			return
		}
		routes, err := router()
		if err != nil {
			t.Error(err)
			return
		}
		route, parameters, err := routes.FindRoute(r)
		if err != nil {
			t.Errorf("%s %s is not described: %v", r.Method, r.URL.Path, err)
			http.NotFound(w, r)
			return
		}
		o.note(r.Method + " " + route.Path)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client is gone
		}
		asked := &openapi3filter.RequestValidationInput{
			Request: r, PathParams: parameters, Route: route,
			Options: &openapi3filter.Options{
				AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true,
			},
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		wrong := openapi3filter.ValidateRequest(r.Context(), asked)
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		if wrong != nil && answer.Code < http.StatusBadRequest {
			t.Errorf("%s %s is answered %d, though the description forbids it: %v", r.Method, r.URL, answer.Code, wrong)
		}
		err = openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: asked, Status: answer.Code, Header: answer.Header(), Options: asked.Options,
			Body: io.NopCloser(bytes.NewReader(answer.Body.Bytes())),
		})
		if err != nil && answer.Body.Len() > 0 { // a fault that a test asked for has a status alone
			t.Errorf("%s %s: the answer %d is not as described: %v", r.Method, r.URL, answer.Code, err)
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

func (o *Operations) note(operation string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		o.seen = map[string]bool{}
	}
	o.seen[operation] = true
}

// Missing lists the operations of the description that no request was made for.
func (o *Operations) Missing(t testing.TB) (missing []string) {
	t.Helper()
	doc, err := description()
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			if !o.seen[method+" "+path] {
				missing = append(missing, method+" "+path)
			}
		}
	}
	return missing
}
