package apimsim

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
)

// obedient is a client that does whatever APIM wants, so that a test can look at APIM alone.
func obedient(c *client, m message) bool {
	switch m.Type {
	case "DISCOVER":
		c.answer(m, map[string]any{"apis": []any{sample("a")}})
	case "START_INGEST":
		c.answer(m, map[string]any{"ingestJobId": m.payload("ingestJobId"), "total": 1})
	case "SUBSCRIBE":
		c.answer(m, map[string]any{
			"subscription": map[string]any{"apiKey": "KEY", "metadata": map[string]any{"aws-api-key-id": "k1"}},
		})
	case "UNSUBSCRIBE":
		c.answer(m, map[string]any{})
	default:
		return politely(c, m)
	}
	return true
}

func (w *world) call(method, path, body string) (int, string) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, "http://apim"+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if strings.Contains(body, "=") {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := w.httpClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		w.Fatal(err)
	}
	return res.StatusCode, string(data)
}

func TestTheManagementSurfaceDrivesAPIM(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.dial()
		c.serve = obedient
		c.hello(integrationID, "aws-api-gateway")
		c.expect("PRIMARY")
		call := func(method, path, body string, want int, into any) {
			t.Helper()
			status, text := w.call(method, managementPath+path, body)
			if status != want {
				t.Fatalf("%s %s: %d %s", method, path, status, text)
			}
			if err := json.Unmarshal([]byte(text), into); err != nil {
				t.Fatalf("%s %s: %v in %s", method, path, err, text)
			}
		}
		var preview Preview
		call("POST", "preview", "", 200, &preview)
		if len(preview.APIs) != 1 {
			t.Errorf("%+v", preview)
		}
		var job JobView
		call("POST", "ingest", `{"apiIds":["a"]}`, 200, &job)
		c.ingest(job.ID, true, sample("a"))
		var jobs []JobView
		if call("GET", "jobs", "", 200, &jobs); len(jobs) != 1 || jobs[0].Status != JobSuccess {
			t.Errorf("%+v", jobs)
		}
		var apis []APIView
		if call("GET", "apis", "", 200, &apis); len(apis) != 1 || len(apis[0].Plans) != 1 || apis[0].Pages[0].Size != 2 {
			t.Errorf("%+v", apis)
		}
		var sub SubscriptionView
		call("POST", "subscriptions", `{"apiId":"`+apis[0].ID+`","planId":"plan-1","applicationName":"Shop"}`, 200, &sub)
		if sub.Status != SubscriptionAccepted || sub.APIKey != "KEY" || sub.Metadata["aws-api-key-id"] != "k1" {
			t.Errorf("%+v", sub)
		}
		var gone SubscriptionView
		if call("DELETE", "subscriptions/"+sub.ID, "", 200, &gone); gone.Status != SubscriptionClosed {
			t.Errorf("%+v", gone)
		}
		var why map[string]any
		call("DELETE", "subscriptions/"+sub.ID, "", 409, &why) // it is closed already, and nobody is asked
		var subs []SubscriptionView
		if call("GET", "subscriptions", "", 200, &subs); len(subs) != 1 {
			t.Errorf("%+v", subs)
		}
		var agents []AgentView
		if call("GET", "agents", "", 200, &agents); len(agents) != 1 || !agents[0].Primary || agents[0].RemoteAddr == "" {
			t.Errorf("%+v", agents)
		}
		var problems []Problem
		if call("GET", "problems", "", 200, &problems); problems == nil || len(problems) != 0 {
			t.Errorf("%+v", problems)
		}
	})
}

func TestTheManagementSurfaceSendsAgentsAway(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		call := func(path, body string) {
			t.Helper()
			if status, text := w.call("POST", managementPath+path, body); status != 200 {
				t.Fatalf("%s: %d %s", path, status, text)
			}
		}
		call("integrations", `{"integrationId":"another"}`)
		c := w.dial()
		c.hello("another", "aws-api-gateway")
		c.expect("PRIMARY")
		call("good-bye", `{"integrationId":"another","reconnect":true}`)
		if m := c.expect("GOOD_BYE"); m.payload("reconnect") != true {
			t.Errorf("%+v", m)
		}
		call("refuse-upgrades", `{"count":1,"status":503}`)
		if _, got, _ := w.dialErr("/exchange/controller", v1(token)); got != 503 {
			t.Errorf("the upgrade is answered %d", got)
		}
		w.dial().hello("another", "aws-api-gateway") // the next one passes
	})
}

func TestTheManagementSurfaceSaysWhatIsWrong(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		for _, test := range []struct {
			method, path, body string
			want               int
		}{
			{"POST", "preview", "", 503}, // no agent
			{"POST", "preview", `{"integrationId":"x"}`, 404},
			{"POST", "preview", `{`, 400},
			{"POST", "ingest", "", 503},
			{"POST", "subscriptions", `{}`, 400},
			{"POST", "subscriptions", `{"apiId":"a","planId":"p","applicationName":"s"}`, 404},
			{"DELETE", "subscriptions/x", "", 404},
			{"POST", "subscriptions/x/call", "", 404},
			{"POST", "good-bye", `{"integrationId":"x"}`, 404},
			{"POST", "integrations", `{`, 400},
			{"POST", "refuse-upgrades", `{"count":1}`, 400},
			{"POST", "refuse-upgrades", `{"count":1,"status":200}`, 400},
			{"GET", "nothing", "", 404},
		} {
			if got, text := w.call(test.method, managementPath+test.path, test.body); got != test.want {
				t.Errorf("%s %s: %d %s, want %d", test.method, test.path, got, text, test.want)
			}
		}
	})
}

func TestThePageWorksWithPlainFormsAndEscapesWhatAgentsSend(t *testing.T) {
	call := func(_ context.Context, api, key string) (Called, error) {
		return Called{URL: "https://gateway/" + api, Status: http.StatusTeapot, Body: key + " <b>"}, nil
	}
	run(t, Options{Call: call}, func(t *testing.T, w *world) {
		has := func(want ...string) {
			t.Helper()
			status, page := w.call("GET", "/", "")
			for _, text := range want {
				if status != 200 || !strings.Contains(page, text) {
					t.Errorf("%d, no %q in\n%s", status, text, page)
				}
			}
			if strings.Contains(page, "<b>") || strings.Contains(page, "<script>") || strings.Contains(page, "style=") {
				t.Error("not escaped, or something inline that the page's policy refuses")
			}
		}
		has("Disconnected", "Nothing ingested yet")
		c := w.dial()
		c.serve = obedient
		c.hello(integrationID, "aws-api-gateway")
		c.expect("PRIMARY")
		form := func(path string, values url.Values) {
			t.Helper()
			values.Set("integrationId", integrationID)
			if status, text := w.call("POST", managementPath+path, values.Encode()); status != http.StatusSeeOther {
				t.Fatalf("%d %s", status, text)
			}
		}
		has("Connected", "(primary)")
		form("preview", url.Values{})
		has("The agent found 1 APIs.", "Last preview")
		form("ingest", url.Values{"apiIds": {"a"}})
		has("1 APIs announced", "PENDING", `<progress max="1" value="0"`)
		c.ingest(w.Jobs()[0].ID, true, sample("a", set("name", "<b>Orders</b>")))
		has("&lt;b&gt;Orders", "Gold", "SUCCESS", "1 of 1")
		c.ingest(w.Jobs()[0].ID, false, sample("z", set("name", "Zoo")), sample("c", set("name", "Cars")))
		_, page := w.call("GET", "/", "")
		cars, zoo := strings.LastIndex(page, ">Cars<br>"), strings.LastIndex(page, ">Zoo<br>")
		if cars < 0 || zoo < cars {
			t.Errorf("the APIs are not in the order of their names: Cars at %d, Zoo at %d", cars, zoo)
		}
		form("subscriptions", url.Values{"apiId": {w.APIs()[0].ID}, "planId": {"plan-1"}, "applicationName": {"Shop"}})
		has("ACCEPTED", "KEY", "Unsubscribe", "Call the API")
		form("subscriptions/"+w.Subscriptions()[0].ID+"/call", url.Values{})
		has("GET https://gateway/a with the key of the subscription was answered 418.", "<pre>KEY &lt;b&gt;</pre>")
		form("subscriptions/"+w.Subscriptions()[0].ID+"/delete", url.Values{})
		has("CLOSED")
		form("subscriptions", url.Values{})
		has("Failed: bad request")
		_, filtered := w.call("GET", "/?q=car", "")
		if !strings.Contains(filtered, ">Cars<br>") || strings.Contains(filtered, ">Zoo<br>") {
			t.Errorf("the filter lets pass\n%s", filtered)
		}
	})
}

func TestAnotherSiteCannotSendForms(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", "http://apim"+managementPath+"ingest",
			strings.NewReader("a=b"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		res, err := w.httpClient().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("status %d", res.StatusCode)
		}
	})
}

func TestCloseEndsEverythingEvenInTheMiddleOfWork(t *testing.T) {
	var never chan struct{}
	script := &Script{Ingest: func(IngestEvent) IngestFault { return IngestFault{Hold: never} }}
	run(t, Options{Script: script}, func(t *testing.T, w *world) {
		never = make(chan struct{})
		c := w.connect()
		c.expect("PRIMARY")
		id := w.startJob(c, 1)
		c.sendIngest("1", id, false, sample("a"))
		failed := make(chan error, 1)
		go func() { _, err := w.SendCommand(t.Context(), integrationID, "X", nil); failed <- err }()
		c.expect("X")
		synctest.Wait()
		w.Close() // the bubble fails the test if a goroutine is left
		if err := <-failed; err == nil {
			t.Error("the command did not fail")
		}
		l, err := w.network.Listen("another:80")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Serve(l); err == nil {
			t.Error("serving after Close")
		}
	})
}

func TestAVersionThatDoesNotExistIsAnError(t *testing.T) {
	for _, version := range []string{"4.3", "4.13", "3.20", "4", "x"} {
		if _, err := New(Options{Version: version}); err == nil || !strings.Contains(err.Error(), version) {
			t.Errorf("%s: %v", version, err)
		}
	}
}
