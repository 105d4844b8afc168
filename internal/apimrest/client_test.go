package apimrest_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/apimrest"
	"federation-agent/internal/sandbox/memnet"
	"federation-agent/internal/secret"
)

const (
	token       = "rest-token-that-must-never-be-seen"
	integration = "int-1"
	below       = "/management/v2/environments/env-1"
)

// ask runs a handler as APIM, in virtual time, and a test against it.
func ask(t *testing.T, serve http.HandlerFunc, test func(t *testing.T, c *apimrest.Client)) {
	t.Helper()
	with(t, serve, func(*apimrest.Options) {}, test)
}

func with(t *testing.T, serve http.HandlerFunc, set func(*apimrest.Options), test func(*testing.T, *apimrest.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New(nil)
		l, err := network.Listen("apim:80")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: serve}
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		o := apimrest.Options{
			URL: "http://apim/management", Environment: "env-1", Token: secret.New(token), Timeout: 10 * time.Second,
			Dial: network.Dial,
		}
		set(&o)
		c := apimrest.New(o)
		defer c.Close()
		test(t, c)
	})
}

// reply answers with a status and a JSON text.
func reply(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// failure is the error of a request, which must be of the class, and say no secret, on one line that can be read.
func failure(t *testing.T, err error, class apimrest.Class, says ...string) {
	t.Helper()
	if !apimrest.Is(err, class) {
		t.Fatalf("%v is not %q", err, class)
	}
	for _, part := range says {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	inner, _ := errors.AsType[*apimrest.Error](err)
	if text := fmt.Sprintf("%v %+v", err, *inner); strings.Contains(text, token) ||
		strings.ContainsAny(text, "\n\r\x00\x1b") || len(text) > 1500 {
		t.Errorf("not a readable line without the token: %q", text)
	}
}

func TestARequestCarriesTheTokenAndNothingThatAPIMTakesForABrowsers(t *testing.T) {
	ask(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer "+token {
			t.Errorf("Authorization: %d characters", len(got))
		}
		for _, name := range []string{"Origin", "Referer", "Cookie"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%s is sent", name)
			}
		}
		if r.URL.Path != below+"/integrations/"+integration {
			t.Error(r.URL.Path)
		}
		reply(w, 200, `{"provider":"aws-api-gateway","agentStatus":"CONNECTED","pendingJob":{"id":"job","startedAt":null},
			"x":1}`)
	}, func(t *testing.T, c *apimrest.Client) {
		got, err := c.Integration(t.Context(), integration)
		want := apimrest.Integration{Provider: "aws-api-gateway", Connected: true, PendingJob: "job"}
		if err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestWhatAPIMAnswersIsClassedByWhatToCheck(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		text   string
		class  apimrest.Class
		says   string
	}{
		"an unknown token": {401, "", apimrest.Unauthorized, "agent.apim.token"},
		"no role":          {403, `{"httpStatus":403,"message":"No sufficient rights"}`, apimrest.Forbidden, "does not know"},
		"no licence":       {403, `{"message":"Feature not available"}`, apimrest.Forbidden, "Feature not available"},
		"another integration": {
			404, `{"httpStatus":404,"message":"Integration not found."}`, apimrest.NotFound, "Integration not found.",
		},
		"another path":        {404, `<html>nginx</html>`, apimrest.Unusable, "check agent.apim.url"},
		"another API's path":  {404, `{"message":"no Route matched"}`, apimrest.Unusable, "no Route matched; check agent.apim.url"},
		"another API":         {200, `{"status":"UP"}`, apimrest.Unusable, "not the JSON"},
		"another environment": {400, `{"message":"Invalid organization or environment"}`, apimrest.Refused, "environmentId"},
		"an agent that refuses": {
			500, `{"httpStatus":500,"message":"No agent\r\nBearer ` + token + ` ` + strings.Repeat("x", 5000) + `"}`,
			apimrest.Failed, "No agent  Bearer [redacted]",
		},
		"a gateway":          {502, `<html>`, apimrest.Unavailable, "a gateway answered"},
		"too many requests":  {429, ``, apimrest.Unavailable, "429 Too Many Requests"},
		"a page":             {200, `<html>sign in</html>`, apimrest.Unusable, "not the JSON"},
		"another JSON":       {200, `[]`, apimrest.Unusable, "not the JSON"},
		"a status of no one": {299, `x`, apimrest.Unusable, "not the JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			serve := func(w http.ResponseWriter, _ *http.Request) { reply(w, c.status, c.text) }
			ask(t, serve, func(t *testing.T, client *apimrest.Client) {
				_, err := client.Integration(t.Context(), integration)
				failure(t, err, c.class, "asking APIM for the integration int-1", c.says)
			})
		})
	}
}

// What answers in APIM's place, such as a page to sign in at, must not count as an empty list or as something done.
func TestAnAnswerOfAnotherOneIsNoSuccess(t *testing.T) {
	for name, text := range map[string]string{
		"a page": `<html>sign in</html>`, "another API": `{"data":null}`, "no list": `[]`, "null": `null`, "cut": `{"data":[`,
	} {
		serve := func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, text) }
		ask(t, serve, func(t *testing.T, c *apimrest.Client) {
			_, listed := c.APIs(t.Context(), integration)
			_, subscribed := c.Subscriptions(t.Context(), "api", apimrest.Active())
			_, environment := c.Environment(t.Context())
			_, api := c.API(t.Context(), "api")
			all := map[string]error{"APIs": listed, "Subscriptions": subscribed, "Environment": environment, "API": api,
				"Ingest": c.Ingest(t.Context(), integration, []string{"a"}), "Delete": c.Delete(t.Context(), "api"),
				"Unpublish": c.Unpublish(t.Context(), apimrest.API{ID: "api"})}
			for request, err := range all {
				if request == "Ingest" && text[0] == '{' && json.Valid([]byte(text)) {
					continue // nobody promises what is in it
				}
				if !apimrest.Is(err, apimrest.Unusable) {
					t.Errorf("%s, %s: %v", name, request, err)
				}
			}
		})
	}
}

// Without the states APIM lists those alone that are accepted, and an API that has others would be deleted.
func TestActiveSubscriptionsAreThoseThatMayOpenTheAPINowOrSoon(t *testing.T) {
	ask(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("statuses"); got != "PENDING,ACCEPTED,PAUSED" { // APIM splits it at the commas (read)
			t.Errorf("asked for %q", got)
		}
		reply(w, 200, `{"data":[{"id":"s","status":"PAUSED"}],"pagination":{"totalCount":1,"pageCount":1}}`)
	}, func(t *testing.T, c *apimrest.Client) {
		got, err := c.Subscriptions(t.Context(), "api", apimrest.Active())
		if err != nil || len(got) != 1 || got[0].Status != apimrest.Paused {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestARedirectIsNotFollowedWithTheToken(t *testing.T) {
	requests := 0
	ask(t, func(w http.ResponseWriter, r *http.Request) {
		requests++
		http.Redirect(w, r, "https://user:"+token+"@sso.example.com/elsewhere?token="+token, http.StatusFound)
	}, func(t *testing.T, c *apimrest.Client) {
		_, err := c.Environment(t.Context())
		failure(t, err, apimrest.Unusable, "302 Found: it sends on to https://sso.example.com; check agent.apim.url")
		if requests != 1 {
			t.Errorf("%d requests", requests)
		}
	})
}

func TestAnAnswerWithoutAnEndIsGivenUp(t *testing.T) {
	for name, serve := range map[string]http.HandlerFunc{
		"a long one": func(w http.ResponseWriter, r *http.Request) {
			chunk := []byte(`"` + strings.Repeat("x", 1<<16) + `",`)
			_, _ = io.WriteString(w, "[")
			for r.Context().Err() == nil {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
		"a list": func(w http.ResponseWriter, r *http.Request) {
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			data := make([]map[string]string, 500)
			for i := range data {
				data[i] = map[string]string{"id": fmt.Sprint(page, " ", i)}
			}
			text, _ := json.Marshal(map[string]any{"data": data, "pagination": map[string]int{"pageCount": 1 << 30}})
			reply(w, 200, string(text))
		},
		"a list of the same": func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 200, `{"data":[{"id":"a"}],"pagination":{"pageCount":1000000000}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ask(t, serve, func(t *testing.T, c *apimrest.Client) {
				_, err := c.APIs(t.Context(), integration)
				failure(t, err, apimrest.Unusable, "has more than")
			})
		})
	}
}

func TestAnAnswerThatDoesNotComeIsGivenUpInItsTime(t *testing.T) {
	ask(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // net/http notices only then that the client is gone
		<-r.Context().Done()
	}, func(t *testing.T, c *apimrest.Client) {
		for _, request := range []struct {
			within time.Duration
			send   func(context.Context) error
		}{
			{10 * time.Second, func(ctx context.Context) error { _, err := c.APIs(ctx, integration); return err }},
			{70 * time.Second, func(ctx context.Context) error { return c.Ingest(ctx, integration, []string{"a"}) }},
			{5 * time.Minute, func(ctx context.Context) error { return c.Delete(ctx, "api") }},
		} {
			began := time.Now()
			err := request.send(t.Context())
			failure(t, err, apimrest.Unreachable, fmt.Sprintf("there was no answer within %s", request.within))
			if took := time.Since(began); took != request.within {
				t.Errorf("given up after %s, want %s", took, request.within)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Environment(ctx)
		failure(t, err, apimrest.Cancelled, "deadline exceeded")
	})
}

func TestOnlyAQuestionIsSentOnceMoreAfterAReset(t *testing.T) {
	dials := 0
	reset := func(o *apimrest.Options) {
		o.Dial = func(context.Context, string, string) (net.Conn, error) {
			dials++
			return nil, &net.OpError{Op: "read", Err: syscall.ECONNRESET}
		}
	}
	with(t, nil, reset, func(t *testing.T, c *apimrest.Client) {
		_, err := c.Environment(t.Context())
		failure(t, err, apimrest.Unreachable, "check agent.apim.url")
		if dials != 2 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%d connections, %v", dials, err)
		}
		for _, change := range []error{
			c.Ingest(t.Context(), integration, []string{"a"}), c.Delete(t.Context(), "api"),
			c.Unpublish(t.Context(), apimrest.API{ID: "api"}),
		} {
			failure(t, change, apimrest.Unreachable)
		}
		if dials != 5 {
			t.Errorf("%d connections for 3 changes", dials-2)
		}
	})
}

// rotated is a live token.
type rotated struct{ reads int }

func (r *rotated) Text() string            { return fmt.Sprintf("%s-%d", token, r.reads) }
func (r *rotated) Refresh(context.Context) { r.reads++ }

func TestATokenThatWasRotatedIsReadAgainAndCostsNoRequest(t *testing.T) {
	live := &rotated{}
	var got []string
	known := "-1"
	with(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		shown := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "+token)
		if got = append(got, shown+string(body)); shown != known {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		reply(w, 200, `{"status":"PENDING"}`)
	}, func(o *apimrest.Options) { o.Token = secret.Live(live) }, func(t *testing.T, c *apimrest.Client) {
		if err := c.Ingest(t.Context(), integration, []string{"a"}); err != nil {
			t.Error(err)
		}
		known = "none"
		failure(t, c.Ingest(t.Context(), integration, []string{"b"}), apimrest.Unauthorized)
		a, b := `{"apiIds":["a"]}`, `{"apiIds":["b"]}`
		if want := []string{"-0" + a, "-1" + a, "-1" + b, "-2" + b}; !slices.Equal(got, want) {
			t.Error(got)
		}
	})
}

func TestATokenThatStaysTheSameIsNotSentAgain(t *testing.T) {
	requests := 0
	ask(t, func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.WriteHeader(http.StatusUnauthorized)
	}, func(t *testing.T, c *apimrest.Client) {
		_, err := c.Environment(t.Context())
		if failure(t, err, apimrest.Unauthorized); requests != 1 {
			t.Errorf("%d requests", requests)
		}
	})
}

// shelf serves a list in pages, as APIM does.
func shelf(t *testing.T, w http.ResponseWriter, r *http.Request, most int, ids []string) {
	t.Helper()
	page, _ := strconv.Atoi(r.URL.Query().Get("page"))
	size, _ := strconv.Atoi(r.URL.Query().Get("perPage"))
	if size != 500 {
		t.Errorf("perPage %d", size)
	}
	size = min(size, cmp.Or(most, size))
	from, to := min((page-1)*size, len(ids)), min(page*size, len(ids))
	data := []map[string]string{}
	for _, id := range ids[from:to] {
		data = append(data, map[string]string{"id": id, "name": "n-" + id})
	}
	text, _ := json.Marshal(map[string]any{"data": data, "pagination": map[string]int{
		"page": page, "perPage": size, "pageCount": (len(ids) + size - 1) / size, "pageItemsCount": len(data),
		"totalCount": len(ids),
	}})
	reply(w, 200, string(text))
}

func numbers(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprint("api-", i))
	}
	return ids
}

func TestAListIsReadToItsEnd(t *testing.T) {
	for _, c := range []struct{ apis, most, requests int }{
		{0, 0, 1}, {1, 0, 1}, {500, 0, 1}, {501, 0, 2}, {1200, 0, 3}, {250, 100, 3},
	} {
		requests := 0
		ask(t, func(w http.ResponseWriter, r *http.Request) {
			requests++
			shelf(t, w, r, c.most, numbers(c.apis))
		}, func(t *testing.T, client *apimrest.Client) {
			apis, err := client.APIs(t.Context(), integration)
			if err != nil || len(apis) != c.apis || requests != c.requests {
				t.Errorf("%d APIs, at most %d a page: %d in %d requests, %v", c.apis, c.most, len(apis), requests, err)
			}
		})
	}
}

func TestAListThatShiftsWhileItIsReadIsReadOnceMore(t *testing.T) {
	ids, requests, shifts := numbers(501), 0, 1
	serve := func(w http.ResponseWriter, r *http.Request) {
		requests++
		if r.URL.Query().Get("page") == "2" && shifts > 0 { // the last one was written, and is the first one now
			shifts--
			ids = append(ids[500:], ids[:500]...)
		}
		shelf(t, w, r, 0, ids)
	}
	ask(t, serve, func(t *testing.T, c *apimrest.Client) {
		apis, err := c.APIs(t.Context(), integration)
		if err != nil || len(apis) != 501 || requests != 4 {
			t.Errorf("%d APIs in %d requests, %v", len(apis), requests, err)
		}
		shifts = 100
		_, err = c.APIs(t.Context(), integration)
		failure(t, err, apimrest.Unusable, "changed while it was read, twice")
	})
}

func TestAnIngestOfNothingIsNotOneOfEverything(t *testing.T) {
	var bodies []string
	ask(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.Method+" "+strings.TrimPrefix(r.URL.Path, below)+" "+string(body))
		reply(w, 200, `{"status":"PENDING"}`)
	}, func(t *testing.T, c *apimrest.Client) {
		failure(t, c.Ingest(t.Context(), integration, nil), apimrest.Refused, "no API is named")
		if err := c.Ingest(t.Context(), integration, []string{"a", "b"}); err != nil {
			t.Error(err)
		}
		want := []string{`POST /integrations/int-1/_ingest {"apiIds":["a","b"]}`}
		if !slices.Equal(bodies, want) {
			t.Error(bodies)
		}
	})
}

func TestUnpublishingKeepsWhatPeopleHaveSet(t *testing.T) {
	var body string
	ask(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			text, _ := io.ReadAll(r.Body)
			body = string(text)
		}
		reply(w, 200, `{"id":"api","name":"Orders","apiVersion":"1","description":"d","definitionVersion":"FEDERATED",
			"lifecycleState":"PUBLISHED","visibility":"PUBLIC","labels":["l"],"categories":["c"],"groups":["g"],
			"updatedAt":"2026-01-02T03:04:05.678Z",
			"originContext":{"origin":"INTEGRATION","integrationId":"int-1","provider":"aws-api-gateway"}}`)
	}, func(t *testing.T, c *apimrest.Client) {
		api, err := c.API(t.Context(), "api")
		updated := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
		if err != nil || api.Lifecycle != apimrest.Published || api.Integration != "int-1" || !api.Updated.Equal(updated) {
			t.Fatalf("%+v, %v", api, err)
		}
		if err := c.Unpublish(t.Context(), api); err != nil {
			t.Fatal(err)
		}
		const want = `{"apiVersion":"1","categories":["c"],"definitionVersion":"FEDERATED","description":"d",` +
			`"groups":["g"],"labels":["l"],"lifecycleState":"UNPUBLISHED","name":"Orders","visibility":"PUBLIC"}`
		if body != want {
			t.Errorf("%s, want\n%s", body, want)
		}
	})
}

func TestTLSIsWhatTheSettingsSayForEachConnection(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 1 {
			t.Errorf("it is spoken %s", r.Proto)
		}
		reply(w, 200, `{"id":"env-1"}`)
	}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshake is meant
	server.StartTLS()
	defer server.Close()
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	c := apimrest.New(apimrest.Options{
		URL: server.URL + "/management", Environment: "env-1", Token: secret.New(token), Timeout: 10 * time.Second,
		TLS: func() *tls.Config { return settings },
	})
	defer c.Close()
	_, err := c.Environment(t.Context())
	failure(t, err, apimrest.Unreachable, "unknown authority", "integration.connector.ws.ssl")
	settings = server.Client().Transport.(*http.Transport).TLSClientConfig
	if _, err := c.Environment(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnIDIsOnePartOfThePath(t *testing.T) {
	ask(t, func(w http.ResponseWriter, r *http.Request) {
		reply(w, 200, `{"provider":"aws-api-gateway"}`)
		if got := r.URL.Path; got != below+"/integrations/a/b?x=1 " || !strings.Contains(r.URL.EscapedPath(), "/a%2Fb%3F") {
			t.Error(r.URL.EscapedPath())
		}
	}, func(t *testing.T, c *apimrest.Client) {
		if _, err := c.Integration(t.Context(), "a/b?x=1 "); err != nil {
			t.Error(err)
		}
	})
}
