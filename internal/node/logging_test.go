package node_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/logbook"
	"federation-agent/internal/node"
	"federation-agent/internal/secret"
)

// booked is a rig with a log whose level can be changed, and one user.
func booked(t *testing.T, change func(*node.Options)) (*rig, *logbook.Book) {
	t.Helper()
	book := logbook.New(io.Discard, false, slog.LevelInfo)
	return newRig(t, func(o *node.Options) {
		o.Open, o.Book, o.Log, o.Token = false, book, book.Logger, secret.New(token)
		o.Users = map[string]secret.String{"admin": secret.New(password)}
		o.Settings = func() []node.Setting {
			return []node.Setting{
				{Key: "secretAccessKey", Value: secret.Redacted, Origin: "its_variable"},
				{Key: "agent.log.level", Value: "info", Origin: "gravitee.yml:3"},
			}
		}
		if change != nil {
			change(o)
		}
	}), book
}

func (r *rig) level(method, query, kind, body string, as func(*http.Request)) (code int, answer string, h http.Header) {
	recorded := r.ask(method, "/_node/logging"+query, func(request *http.Request) {
		request.Header.Set("Content-Type", kind)
		request.Body = io.NopCloser(strings.NewReader(body))
		as(request)
	})
	return recorded.Code, recorded.Body.String(), recorded.Header()
}

func TestTheLevelOfTheLogIsReadAndChangedAsTheVendorsIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, book := booked(t, nil)
		all := func(level string) string {
			return "{\n  \"ROOT\": \"" + level + "\",\n  \"com.graviteesource\": \"" + level + "\",\n  \"io.gravitee\": \"" + level + "\"\n}\n"
		}
		if answer := r.ask(http.MethodGet, "/_node/logging", asAdmin); answer.Code != 200 || answer.Body.String() != all("INFO") {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
		for _, c := range []struct {
			method, query, body string
			code                int
			want                slog.Level
			lasts               time.Duration
		}{
			{http.MethodPost, "", `{"io.gravitee": "DEBUG"}`, 200, slog.LevelDebug, 0},
			{http.MethodPut, "", `{"ROOT": "WARN"}`, 200, slog.LevelWarn, 0},
			{http.MethodPost, "", `{"org.eclipse.jetty": "DEBUG"}`, 200, slog.LevelWarn, 0}, // not this program's
			{http.MethodPost, "", `{"ROOT": "ERROR", "io.gravitee.exchange": "debug"}`, 200, slog.LevelDebug, 0},
			{http.MethodPost, "", `{"ROOT": ""}`, 200, slog.LevelInfo, 0},
			{http.MethodPost, "", `{"ROOT": "DEBUG"}`, 200, slog.LevelDebug, 0},
			{http.MethodPost, "", `{"ROOT": null}`, 200, slog.LevelInfo, 0},
			{http.MethodPost, "?for=10m", `{"ROOT": "DEBUG"}`, 200, slog.LevelDebug, 10 * time.Minute},
			{http.MethodPost, "?for=1s", `{"ROOT": "loud"}`, 400, slog.LevelDebug, 0},
			{http.MethodPost, "?for=long", `{"ROOT": "WARN"}`, 400, slog.LevelDebug, 0},
			{http.MethodPost, "?for=-1s", `{"ROOT": "WARN"}`, 400, slog.LevelDebug, 0},
			{http.MethodPost, "?for=1000h", `{"ROOT": "WARN"}`, 400, slog.LevelDebug, 0},
			{http.MethodPost, "", `["ROOT"]`, 400, slog.LevelDebug, 0},
			{http.MethodPost, "", "{" + strings.Repeat(" ", 10<<10) + "}", 400, slog.LevelDebug, 0},
		} {
			code, answer, h := r.level(c.method, c.query, asJSON+";charset=UTF-8", c.body, asAdmin)
			if got, _ := book.Level(); code != c.code || got != c.want || code == 200 && answer != all(c.want.String()) {
				t.Errorf("%s %s %.60s: %d, level %s, want %d, %s\n%s", c.method, c.query, c.body, code, got, c.code, c.want, answer)
			}
			if until := h.Get("Log-Level-Until"); c.lasts > 0 && until != time.Now().UTC().Add(c.lasts).Format(time.RFC3339) {
				t.Errorf("%s: until %q", c.query, until)
			}
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got, _ := book.Level(); got != slog.LevelInfo || !strings.Contains(string(book.Recent()), "by=admin for=10m0s") {
			t.Errorf("level %s after the time\n%s", got, book.Recent())
		}
	})
}

func TestTheLevelIsChangedOnlyByWhoProvesWhoTheyAre(t *testing.T) {
	nobody := func(*http.Request) {}
	for name, c := range map[string]struct {
		open bool
		kind string
		as   func(*http.Request)
		code int
	}{
		"a user":                         {false, asJSON, asAdmin, 200},
		"nobody":                         {false, asJSON, nobody, 401},
		"nobody, and the API is open":    {true, asJSON, nobody, 403},
		"the token, and the API is open": {true, asJSON, bearing(token), 200},
		"another token":                  {true, asJSON, bearing("x" + token), 403},
		"another site's page":            {false, asJSON, with(asAdmin, "Sec-Fetch-Site", "cross-site"), 403},
		"a form":                         {false, asForm, asAdmin, 415},
	} {
		t.Run(name, func(t *testing.T) {
			r, book := booked(t, func(o *node.Options) { o.Open = c.open })
			code, answer, _ := r.level(http.MethodPost, "", c.kind, `{"ROOT": "DEBUG"}`, c.as)
			if level, _ := book.Level(); code != c.code || (level == slog.LevelDebug) != (code == 200) {
				t.Errorf("%d, level %s\n%s", code, level, answer)
			}
		})
	}
}
