package apimsim

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/apimrest"
	"federation-agent/internal/secret"
	"federation-agent/test/described"
)

const (
	ownerToken  = "owner-token-that-must-never-be-seen"
	readerToken = "reader-token-that-must-never-be-seen"
	adminToken  = "admin-token-that-must-never-be-seen"
)

// restWorld is a stand-in whose management API is held to the description.
type restWorld struct {
	*world
	asked *described.Operations
}

func runREST(t *testing.T, o Options, test func(t *testing.T, w restWorld)) {
	t.Helper()
	o.Accounts = map[string]Account{
		token: {}, ownerToken: {Owns: []string{integrationID}}, readerToken: {Reads: []string{integrationID}},
		adminToken: {Admin: true},
	}
	asked := &described.Operations{}
	o.Before = func(next http.Handler) http.Handler { return asked.Handler(t, next) }
	run(t, o, func(t *testing.T, w *world) { test(t, restWorld{w, asked}) })
}

// ingestAll is what the console sends for an ingest of everything, which the client would not make.
func (w restWorld) ingestAll(token string) error {
	w.Helper()
	const path = "/environments/env/integrations/" + integrationID + "/_ingest"
	if status, text := w.request(http.MethodPost, path, token, `{"apiIds":[]}`); status != http.StatusOK {
		return fmt.Errorf("%d %s", status, text)
	}
	return nil
}

// as is the agent's own client, with a token.
func (w restWorld) as(token string) *apimrest.Client {
	c := apimrest.New(apimrest.Options{
		URL: "http://apim/management", Environment: "env", Token: secret.New(token), Timeout: 10 * time.Second,
		Dial: w.network.Dial,
	})
	w.Cleanup(c.Close)
	return c
}

// request is one that the client would not make.
func (w restWorld) request(method, path, token, body string) (int, string) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), method, "http://apim/management/v2"+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := w.httpClient().Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(text))
}

// during does something that APIM answers only when the agent has answered.
func during(t *testing.T, do func() error, react func()) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	react()
	return <-done
}

// ingestedBy has a token start an ingest of everything, which brings these APIs.
func (w restWorld) ingestedBy(t *testing.T, c *client, token string, apis ...map[string]any) {
	t.Helper()
	var job string
	err := during(t, func() error { return w.ingestAll(token) }, func() {
		m := c.expect("START_INGEST")
		job, _ = m.payload("ingestJobId").(string)
		c.answer(m, map[string]any{"ingestJobId": job, "total": len(apis)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := c.ingest(job, true, apis...); r.Status != "SUCCEEDED" {
		t.Fatalf("%+v", r)
	}
}

func classOf(err error) string {
	for _, class := range []apimrest.Class{
		apimrest.Unauthorized, apimrest.Forbidden, apimrest.NotFound, apimrest.Refused, apimrest.Failed,
		apimrest.Unavailable, apimrest.Unreachable, apimrest.Unusable,
	} {
		if apimrest.Is(err, class) {
			return string(class)
		}
	}
	if err == nil {
		return "ok"
	}
	return err.Error()
}

// TestEachRoleMayWhatAPIMsCodeSays is the table of permissions as APIM's code has it, not as its description does.
func TestEachRoleMayWhatAPIMsCodeSays(t *testing.T) {
	runREST(t, Options{}, func(t *testing.T, w restWorld) {
		c := w.connect()
		c.expect("PRIMARY")
		c.ingest(w.startJob(c, 1), true, sample("old"))
		w.ingestedBy(t, c, ownerToken, sample("new"))
		c.serve = obedient
		old, fresh := nameBased("env", integrationID, "old"), nameBased("env", integrationID, "new")
		ctx, ids := t.Context(), []string{"new"}
		sub, err := w.Subscribe(ctx, "new", "plan-1", "Shop", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, operation := range []struct {
			name string
			do   func(*apimrest.Client) error
			// least is the first that may: of nobody's token, the agent's own, those of a member USER and a member OWNER, and
			// an administrator's.
			least string
		}{
			{"environment", func(c *apimrest.Client) error { _, err := c.Environment(ctx); return err },
				token},
			{"integration", func(c *apimrest.Client) error { _, err := c.Integration(ctx, integrationID); return err },
				readerToken},
			{"permissions", func(c *apimrest.Client) error { _, err := c.Permissions(ctx, integrationID); return err },
				token},
			{"ingest", func(c *apimrest.Client) error { return c.Ingest(ctx, integrationID, ids) },
				ownerToken},
			{"APIs", func(c *apimrest.Client) error { _, err := c.APIs(ctx, integrationID); return err },
				readerToken},
			{"an API it ingested", func(c *apimrest.Client) error { _, err := c.API(ctx, fresh); return err },
				ownerToken},
			{"an older API", func(c *apimrest.Client) error { _, err := c.API(ctx, old); return err },
				adminToken},
			{"metadata", func(c *apimrest.Client) error { _, err := c.Metadata(ctx, fresh); return err },
				ownerToken},
			{"plans", func(c *apimrest.Client) error { _, err := c.Plans(ctx, fresh); return err },
				ownerToken},
			{"subscriptions", func(c *apimrest.Client) error {
				_, err := c.Subscriptions(ctx, fresh, apimrest.Active())
				return err
			}, ownerToken},
			{"subscription", func(c *apimrest.Client) error { _, err := c.Subscription(ctx, fresh, sub.ID); return err },
				ownerToken},
			{"update", func(c *apimrest.Client) error {
				api, _ := w.as(adminToken).API(ctx, fresh)
				return c.Unpublish(ctx, api)
			}, ownerToken},
			{"delete", func(c *apimrest.Client) error { return c.Delete(ctx, old) },
				adminToken},
		} {
			want := "unauthorized"
			for _, token := range []string{"nobody's", token, readerToken, ownerToken, adminToken} {
				switch {
				case token == operation.least:
					want = "ok"
				case want == "unauthorized" && token != "nobody's":
					want = "forbidden"
				}
				if got := classOf(operation.do(w.as(token))); got != want {
					t.Errorf("%s by %s: %s, want %s", operation.name, token, got, want)
				}
			}
		}
		if missing := w.asked.Missing(t); len(missing) > 0 {
			t.Errorf("this table has nothing of %s", strings.Join(missing, ", "))
		}
	})
}

func TestThePermissionsOfATokenAreToldToItself(t *testing.T) {
	runREST(t, Options{}, func(t *testing.T, w restWorld) {
		for token, want := range map[string]string{token: "", readerToken: "R", ownerToken: "CRUD", adminToken: "CRUD"} {
			got, err := w.as(token).Permissions(t.Context(), integrationID)
			if err != nil || got["DEFINITION"] != want {
				t.Errorf("%v, %v, want %q", got, err, want)
			}
		}
		_, err := w.as(ownerToken).Permissions(t.Context(), "another")
		if !apimrest.Is(err, apimrest.NotFound) {
			t.Error(err)
		}
	})
}

func TestErrorsHaveAPIMsForms(t *testing.T) {
	runREST(t, Options{}, func(t *testing.T, w restWorld) {
		const integration, api = "/environments/env/integrations/" + integrationID, "/environments/env/apis/x"
		for _, test := range []struct{ method, path, token, body, want string }{
			{"GET", "/environments/other/apis/x", "", "", `400 {"httpStatus":400,"message":"Invalid organization or ` +
				`environment"}`},
			{"GET", api, "", "", `401 {"httpStatus":401,"message":"Unauthorized","technicalCode":"unauthorized"}`},
			{"GET", api, "nobody's", "", "401"},
			{"GET", api, adminToken, "", `404 {"httpStatus":404,"message":"Api [x] cannot be found.","technicalCode":` +
				`"api.notFound"}`},
			{"GET", integration, token, "", `403 {"httpStatus":403,"message":"You do not have sufficient rights to access ` +
				`this resource","technicalCode":"forbidden"}`},
			{"GET", "/environments/env/integrations/x", adminToken, "", `404 {"httpStatus":404,"message":` +
				`"Integration not found."}`},
			{"POST", integration + "/_ingest", adminToken, `{}`, `400 {"httpStatus":400,"message":"Validation error"}`},
			{"POST", integration + "/_ingest", adminToken, `{"apiIds":[]}`, `500 {"httpStatus":500,"message":"integration ` +
				integrationID + `: no agent connected"}`},
			{"GET", integration + "/apis?page=0", adminToken, "", `400 {"httpStatus":400,"message":"Validation error"}`},
		} {
			status, text := w.request(test.method, test.path, test.token, test.body)
			if got := strings.TrimSpace(fmt.Sprint(status, " ", text)); got != test.want {
				t.Errorf("%s %s\n%s, want\n%s", test.method, test.path, got, test.want)
			}
		}
	})
}

func TestASecondIngestIsNotRefusedAndNoneTellsItsJob(t *testing.T) {
	for mongo, want := range map[bool]string{false: "", true: "failed"} {
		runREST(t, Options{NoSQLLimits: mongo}, func(t *testing.T, w restWorld) {
			c := w.connect()
			c.expect("PRIMARY")
			c.serve = func(c *client, m message) bool {
				if m.Type == "START_INGEST" {
					c.answer(m, map[string]any{"ingestJobId": m.payload("ingestJobId"), "total": 1})
					return true
				}
				return politely(c, m)
			}
			owner := w.as(ownerToken)
			integration, err := owner.Integration(t.Context(), integrationID)
			if err != nil || integration.PendingJob != "" || !integration.Connected {
				t.Errorf("%+v, %v", integration, err)
			}
			for range 2 {
				status, text := w.request("POST", "/environments/env/integrations/"+integrationID+"/_ingest", ownerToken,
					`{"apiIds":["a"]}`)
				if status != 200 || text != `{"status":"PENDING"}` {
					t.Errorf("%d %s", status, text)
				}
				integration, err = owner.Integration(t.Context(), integrationID)
			}
			if jobs := w.Jobs(); len(jobs) != 2 || want == "" && integration.PendingJob != jobs[1].ID {
				t.Errorf("%+v, pending %q", jobs, integration.PendingJob)
			}
			if want != "" && classOf(err) != want {
				t.Errorf("two pending jobs: %v, want %s", err, want)
			}
			time.Sleep(DefaultJobTimeout + time.Second) // both are late then
			integration, err = owner.Integration(t.Context(), integrationID)
			if err != nil || integration.PendingJob != "" {
				t.Errorf("%+v, %v", integration, err)
			}
		})
	}
}

func TestAnIngestOfNothingIsPendingThoughThereIsNoJob(t *testing.T) {
	runREST(t, Options{}, func(t *testing.T, w restWorld) {
		c := w.connect()
		c.expect("PRIMARY")
		err := during(t, func() error { return w.ingestAll(ownerToken) }, func() {
			m := c.expect("START_INGEST")
			if ids, _ := m.payload("apiIds").([]any); len(ids) != 0 {
				t.Errorf("apiIds %v", ids)
			}
			c.answer(m, map[string]any{"ingestJobId": m.payload("ingestJobId"), "total": 0})
		})
		if err != nil || len(w.Jobs()) != 0 {
			t.Errorf("%v, %+v", err, w.Jobs())
		}
		err = during(t, func() error { return w.ingestAll(ownerToken) }, func() {
			c.answerError(c.expect("START_INGEST"), "busy")
		})
		if err == nil || !strings.HasPrefix(err.Error(), "500 ") || !strings.Contains(err.Error(), "busy") {
			t.Error(err)
		}
	})
}

func TestAPIsAreListedLastWrittenFirst(t *testing.T) {
	for version, shown := range map[string]string{"4.7": "", "4.8": "1"} {
		runREST(t, Options{Version: version}, func(t *testing.T, w restWorld) {
			c := w.connect()
			c.expect("PRIMARY")
			c.ingest(w.startJob(c, 2), true, sample("a", set("name", "A")), sample("b", set("name", "B")))
			time.Sleep(time.Minute)
			c.ingest(w.startJob(c, 1), true, sample("a", set("name", "A2")))
			apis, err := w.as(readerToken).APIs(t.Context(), integrationID)
			want := []apimrest.Ingested{
				{ID: nameBased("env", integrationID, "a"), Name: "A2", Version: shown},
				{ID: nameBased("env", integrationID, "b"), Name: "B", Version: shown},
			}
			if err != nil || !slices.Equal(apis, want) {
				t.Errorf("%+v, %v", apis, err)
			}
			status, text := w.request("GET", "/environments/env/integrations/"+integrationID+"/apis?page=2&perPage=1",
				readerToken, "")
			if status != 200 || !strings.Contains(text, `"name":"B"`) || strings.Contains(text, "A2") ||
				!strings.Contains(text, `"pagination":{"page":2,"perPage":1,"pageCount":2,"pageItemsCount":1,"totalCount":2}`) {
				t.Errorf("%d %s", status, text)
			}
		})
	}
}

func TestWhatAnIngestKeepsAndWhatItSetsBack(t *testing.T) {
	runREST(t, Options{}, func(t *testing.T, w restWorld) {
		c := w.connect()
		c.expect("PRIMARY")
		w.ingestedBy(t, c, ownerToken, sample("a"))
		id := w.APIs()[0].ID
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(w.ChangeAPI("a", func(api *API) error {
			api.Lifecycle, api.Visibility = LifecyclePublished, "PUBLIC"
			api.Labels, api.Groups, api.Name, api.Description = []string{"l"}, []string{"g"}, "Mine", "mine"
			return nil
		}))
		time.Sleep(time.Minute)
		before := w.APIs()[0].UpdatedAt
		must(w.ChangePlan("a", "plan-1", func(p *Plan) {
			p.Validation, p.Order, p.GeneralConditions, p.ExcludedGroups = ValidationAutomatic, 7, "page", []string{"g"}
			p.CommentRequired, p.CommentMessage = true, "why?"
		}))
		must(w.ClosePlan(t.Context(), id, "plan-1"))
		if after := w.APIs()[0].UpdatedAt; !after.Equal(before) {
			t.Error("what happens to a plan moves the API's time")
		}
		plans, err := w.as(ownerToken).Plans(t.Context(), id)
		if must(err); len(plans) != 1 || plans[0].Status != apimrest.PlanClosed {
			t.Errorf("%+v", plans)
		}
		_, text := w.request("GET", "/environments/env/apis/"+id+"/plans", ownerToken, "")
		if !strings.Contains(text, `"data":[]`) {
			t.Errorf("a closed plan is listed with those that are published: %s", text)
		}
		c.ingest(w.startJob(c, 1), true, sample("a"))
		api := w.APIs()[0]
		if api.Lifecycle != LifecyclePublished || api.Visibility != "PUBLIC" || !slices.Equal(api.Labels, []string{"l"}) ||
			!slices.Equal(api.Groups, []string{"g"}) || api.Name != "Orders" || api.Description != "d" ||
			!api.UpdatedAt.After(before) {
			t.Errorf("%+v", api)
		}
		p := api.Plans[0]
		if p.Status != PlanPublished || p.Validation != ValidationManual || p.Order != 0 || p.GeneralConditions != "" ||
			p.CommentRequired || p.CommentMessage != "" || p.ExcludedGroups != nil {
			t.Errorf("%+v", p)
		}
	})
}

func TestAnAPIThatIsDeprecatedOrArchivedIsFrozen(t *testing.T) {
	for _, state := range []string{LifecycleDeprecated, LifecycleArchived} {
		runREST(t, Options{}, func(t *testing.T, w restWorld) {
			c := w.connect()
			c.expect("PRIMARY")
			w.ingestedBy(t, c, ownerToken, sample("a"))
			if err := w.ChangeAPI("a", func(api *API) error { api.Lifecycle = state; return nil }); err != nil {
				t.Fatal(err)
			}
			r := c.ingest(w.startJob(c, 1), true, sample("a", set("name", "New"), set("metadata", []any{
				map[string]any{"name": "region", "value": "us", "format": "STRING"},
			})))
			api := w.APIs()[0]
			if r.Status != "SUCCEEDED" || api.Name != "Orders" || api.Metadata[1].Value != "us" {
				t.Errorf("%s, %+v", r.Status, api)
			}
			if !slices.Equal(codes(w.Problems()), []ProblemCode{ProblemAPIFailed}) {
				t.Errorf("%+v", w.Problems())
			}
			read, err := w.as(ownerToken).API(t.Context(), api.ID)
			if err != nil || string(read.Lifecycle) != state {
				t.Errorf("%+v, %v", read, err)
			}
			err = w.as(ownerToken).Unpublish(t.Context(), read)
			if !apimrest.Is(err, apimrest.Refused) || !strings.Contains(err.Error(), "lifecycle state") {
				t.Error(err)
			}
		})
	}
}

func TestAnUpdateEmptiesWhatIsLeftOut(t *testing.T) {
	runREST(t, Options{}, func(t *testing.T, w restWorld) {
		c := w.connect()
		c.expect("PRIMARY")
		w.ingestedBy(t, c, ownerToken, sample("a"))
		set := func(api *API) error {
			api.Lifecycle, api.Visibility = LifecyclePublished, "PUBLIC"
			api.Labels, api.Categories = []string{"l"}, []string{"c"}
			return nil
		}
		if err := w.ChangeAPI("a", set); err != nil {
			t.Fatal(err)
		}
		owner, id := w.as(ownerToken), w.APIs()[0].ID
		api, err := owner.API(t.Context(), id)
		if err != nil || api.Integration != integrationID || api.Lifecycle != apimrest.Published {
			t.Fatalf("%+v, %v", api, err)
		}
		time.Sleep(time.Minute)
		if err := owner.Unpublish(t.Context(), api); err != nil {
			t.Fatal(err)
		}
		got := w.APIs()[0]
		if got.Lifecycle != LifecycleUnpublished || got.Visibility != "PUBLIC" || !slices.Equal(got.Labels, []string{"l"}) ||
			!slices.Equal(got.Categories, []string{"c"}) || got.Description != "d" || !got.UpdatedAt.After(api.Updated) {
			t.Errorf("%+v", got)
		}
		put := func(body string) string {
			status, text := w.request("PUT", "/environments/env/apis/"+id, ownerToken, body)
			return fmt.Sprint(status, " ", text)
		}
		const least = `{"definitionVersion":"FEDERATED","name":"N","apiVersion":"2"`
		if text := put(least + `,"lifecycleState":"CREATED"}`); !strings.HasPrefix(text, "400") ||
			!strings.Contains(text, "api.lifecycleState.invalid") {
			t.Error(text)
		}
		if text := put(`{"definitionVersion":"FEDERATED","apiVersion":"2"}`); !strings.HasPrefix(text, "400") {
			t.Error(text)
		}
		put(least + `,"visibility":"PRIVATE"}`)
		got = w.APIs()[0]
		if got.Lifecycle != LifecycleUnpublished || got.Name != "N" || got.Description != "" || got.Labels != nil {
			t.Errorf("%+v", got)
		}
	})
}

// What people do by REST who move subscriptions from one API to another.
func TestAnApplicationThatIsKnownIsSubscribedAndItsSubscriptionClosed(t *testing.T) {
	o := Options{Accounts: map[string]Account{token: {}, ownerToken: {Owns: []string{integrationID}}}}
	run(t, o, func(t *testing.T, plain *world) {
		w := restWorld{plain, nil} // the description has what the agent asks for, and this is not
		c := w.connect()
		c.expect("PRIMARY")
		w.ingestedBy(t, c, ownerToken, sample("a"))
		accept := func(m message) { c.answer(m, map[string]any{"subscription": map[string]any{"apiKey": theKey}}) }
		first, api := w.subscribe(c, accept), w.APIs()[0]
		path := "/environments/env/apis/" + api.ID + "/subscriptions"
		ask := func(path, body string, react func()) (text string) {
			_ = during(t, func() error {
				status, answer := w.request("POST", path, ownerToken, body)
				text = fmt.Sprint(status, " ", answer)
				return nil
			}, react)
			return text
		}
		body := func(application string) string {
			return fmt.Sprintf(`{"planId":%q,"applicationId":%q}`, api.Plans[0].ID, application)
		}
		if got := ask(path, body(first.ApplicationID), func() { accept(c.expect("SUBSCRIBE")) }); !strings.HasPrefix(got, "201 ") ||
			!strings.Contains(got, `"status":"ACCEPTED"`) || strings.Contains(got, theKey) {
			t.Error(got)
		}
		if got := ask(path, body("nobody"), func() {}); !strings.HasPrefix(got, "400 ") {
			t.Error(got)
		}
		closing := path + "/" + first.ID + "/_close"
		if got := ask(closing, "", func() { c.answerError(c.expect("UNSUBSCRIBE"), "AWS is away") }); !strings.HasPrefix(got, "500 ") {
			t.Error(got)
		}
		if got := ask(closing, "", func() { c.answer(c.expect("UNSUBSCRIBE"), map[string]any{}) }); !strings.HasPrefix(got, "200 ") ||
			!strings.Contains(got, `"status":"CLOSED"`) {
			t.Error(got)
		}
	})
}

func TestADeletedAPIGivesItsActiveSubscriptionsBackFirst(t *testing.T) {
	runREST(t, Options{}, func(t *testing.T, w restWorld) {
		c := w.connect()
		c.expect("PRIMARY")
		w.ingestedBy(t, c, ownerToken, sample("a"))
		var subs []Subscription
		for range 3 {
			subs = append(subs, w.subscribe(c, func(m message) {
				c.answer(m, map[string]any{"subscription": map[string]any{
					"apiKey": theKey, "metadata": map[string]any{"aws-api-key-id": "k"},
				}})
			}))
		}
		if err := w.Pause(subs[1].ID); err != nil {
			t.Fatal(err)
		}
		if err := w.unsubscribe(c, subs[2].ID, func(m message) { c.answer(m, map[string]any{}) }); err != nil {
			t.Fatal(err)
		}
		owner, id := w.as(ownerToken), w.APIs()[0].ID
		read, err := owner.Subscriptions(t.Context(), id, apimrest.Active())
		if err != nil || len(read) != 2 || read[0].Metadata["aws-api-key-id"] != "k" || read[1].Status != apimrest.Paused {
			t.Errorf("%+v, %v", read, err)
		}
		one, err := owner.Subscription(t.Context(), id, subs[2].ID)
		if err != nil || one.Status != apimrest.Closed || one.Plan != subs[2].PlanID || one.API != id ||
			one.Application != subs[2].ApplicationID {
			t.Errorf("%+v, %v", one, err)
		}
		if status, text := w.request("DELETE", "/environments/env/apis/"+id, ownerToken, ""); status != 400 ||
			!strings.Contains(text, "api.notDeletable") {
			t.Errorf("%d %s", status, text)
		}
		remove := func() error { return owner.Delete(t.Context(), id) }
		err = during(t, remove, func() { // the agent cannot: what was given back stays closed, and the API stays
			c.answer(c.expect("UNSUBSCRIBE"), map[string]any{})
			c.answerError(c.expect("UNSUBSCRIBE"), "AWS is away")
		})
		read, _ = owner.Subscriptions(t.Context(), id, apimrest.Active())
		if !apimrest.Is(err, apimrest.Failed) || !strings.Contains(err.Error(), "AWS is away") || len(read) != 1 ||
			read[0].ID != subs[1].ID {
			t.Errorf("%v, %+v", err, read)
		}
		if err := during(t, remove, func() { c.answer(c.expect("UNSUBSCRIBE"), map[string]any{}) }); err != nil {
			t.Error(err)
		}
		_, err = owner.API(t.Context(), id)
		if !apimrest.Is(err, apimrest.NotFound) || len(w.APIs()) != 0 {
			t.Errorf("%v, %+v", err, w.APIs())
		}
		c.quiet()
	})
}

func TestAReadableNameIsTakenWhereHostsTellOrganizations(t *testing.T) {
	runREST(t, Options{Readable: map[string]string{"env": "production"}}, func(t *testing.T, w restWorld) {
		status, text := w.request("GET", "/environments/production", token, "")
		if status != 200 || text != `{"id":"env","name":"production"}` {
			t.Errorf("%d %s", status, text)
		}
	})
}

func TestMetadataAreReadByKey(t *testing.T) {
	runREST(t, Options{}, func(t *testing.T, w restWorld) {
		c := w.connect()
		c.expect("PRIMARY")
		w.ingestedBy(t, c, ownerToken, sample("a"))
		got, err := w.as(ownerToken).Metadata(t.Context(), w.APIs()[0].ID)
		if err != nil || len(got) != 2 || got["aws-api-gateway-stage"] != "prod" || got["region"] != "eu" {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestRequestsAreCountedAndCanFail(t *testing.T) {
	script := &Script{REST: func(r RESTRequest) RESTFault {
		switch r.Nth {
		case 1:
			return RESTFault{Status: http.StatusServiceUnavailable}
		case 2:
			return RESTFault{CutBefore: true} // a question is asked once more, as the third one
		case 4:
			return RESTFault{Delay: time.Minute}
		}
		return RESTFault{}
	}}
	runREST(t, Options{Script: script}, func(t *testing.T, w restWorld) {
		reader := w.as(readerToken)
		for _, want := range []string{"unavailable", "ok", "unreachable"} {
			if _, err := reader.Integration(t.Context(), integrationID); classOf(err) != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
		synctest.Wait()
		var statuses []int
		for _, r := range w.RESTRequests() {
			if r.Operation != "GET /integrations/{integrationId}" || r.Subject != integrationID {
				t.Errorf("%+v", r)
			}
			statuses = append(statuses, r.Status)
		}
		if !slices.Equal(statuses, []int{503, 0, 200, 0}) {
			t.Error(statuses)
		}
	})
}

func TestAChangeWhoseAnswerIsLostWasMade(t *testing.T) {
	script := &Script{REST: func(RESTRequest) RESTFault { return RESTFault{CutAfter: true} }}
	runREST(t, Options{Script: script}, func(t *testing.T, w restWorld) {
		c := w.connect()
		c.expect("PRIMARY")
		c.ingest(w.startJob(c, 1), true, sample("a"))
		c.serve = obedient
		err := w.as(adminToken).Delete(t.Context(), w.APIs()[0].ID)
		if !apimrest.Is(err, apimrest.Unreachable) || len(w.APIs()) != 0 {
			t.Errorf("%v, %d APIs", err, len(w.APIs()))
		}
	})
}

func TestVersion44HasNoneOfIt(t *testing.T) {
	run(t, Options{Version: "4.4"}, func(t *testing.T, w *world) {
		if status, text := w.call("GET", "/management/v2/environments/env", ""); status != http.StatusNotFound {
			t.Errorf("%d %s", status, text)
		}
	})
}

func TestAClosedPlanRejectsWhatWaitsForIt(t *testing.T) {
	runREST(t, Options{}, func(t *testing.T, w restWorld) {
		c := w.connect()
		c.expect("PRIMARY")
		w.ingestedBy(t, c, ownerToken, sample("a"))
		sub := w.subscribe(c, func(m message) {
			if err := w.ClosePlan(t.Context(), w.APIs()[0].ID, "plan-1"); err != nil {
				t.Error(err)
			}
			c.answer(m, map[string]any{"subscription": map[string]any{"apiKey": theKey}})
		})
		if sub.Status != SubscriptionRejected || !slices.Contains(codes(w.Problems()), ProblemOrphanAnswer) {
			t.Errorf("%+v, %+v", sub, w.Problems())
		}
		c.quiet()
	})
}
