package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/node"
	"federation-agent/internal/secret"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
)

const token = "a-token-of-a-file"

// ordered is a rig whose actors obey orders as the saga does, and note them.
func ordered(t *testing.T, isOpen bool) (r *rig, given *[]keys.Order) {
	t.Helper()
	given = &[]keys.Order{}
	r = newRig(t, func(o *node.Options) {
		o.Open, o.Token = isOpen, secret.New(token)
		o.Users = map[string]secret.String{"admin": secret.New(password), "other": secret.New(password)}
		o.Order = func(_ context.Context, order keys.Order) (keys.Record, error) {
			*given = append(*given, order)
			records, err := storetest.Records(r.journal, store.Filter{})
			n := slices.IndexFunc(records, func(r keys.Record) bool { return r.ID == order.ID })
			if err != nil || n < 0 {
				return keys.Record{}, errors.Join(err, keys.Gone(order.ID))
			}
			next, err := order.Obey(records[n], r.now)
			if err == nil {
				err = storetest.Put(r.journal, next)
			}
			return next, err
		}
	})
	r.listKeys()
	return r, given
}

// post sends an order, with the headers and the host that change sets.
func (r *rig) post(path, kind, body string, change func(*http.Request)) (code int, answer string, h http.Header) {
	recorded := r.ask(http.MethodPost, "/_node/federation/keys/"+path, func(request *http.Request) {
		request.Header.Set("Content-Type", kind)
		request.Body = io.NopCloser(strings.NewReader(body))
		change(request)
	})
	return recorded.Code, recorded.Body.String(), recorded.Header()
}

func asAdmin(r *http.Request) { r.SetBasicAuth("admin", password) }

func bearing(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// with sets one header more.
func with(base func(*http.Request), name, value string) func(*http.Request) {
	return func(r *http.Request) {
		base(r)
		r.Header.Set(name, value)
	}
}

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

func TestKeysAreChangedOnlyByWhoProvesWhoTheyAre(t *testing.T) {
	nobody := func(*http.Request) {}
	for name, c := range map[string]struct {
		isOpen bool
		who    func(*http.Request)
		want   int
		by     string
	}{
		"a user":                             {false, asAdmin, http.StatusOK, "admin"},
		"nobody":                             {false, nobody, http.StatusUnauthorized, ""},
		"the token, where users are known":   {false, bearing(token), http.StatusUnauthorized, ""},
		"the token":                          {true, bearing(token), http.StatusOK, "the command beside the agent"},
		"another token":                      {true, bearing(token + "x"), http.StatusForbidden, ""},
		"an empty token":                     {true, bearing(""), http.StatusForbidden, ""},
		"nobody, where everybody may read":   {true, nobody, http.StatusForbidden, ""},
		"a user, where none is known":        {true, asAdmin, http.StatusForbidden, ""},
		"our own page":                       {false, with(asAdmin, "Origin", "http://localhost:18084"), http.StatusOK, "admin"},
		"our own page, as a browser says":    {false, with(asAdmin, "Sec-Fetch-Site", "same-origin"), http.StatusOK, "admin"},
		"another site's page":                {false, with(asAdmin, "Origin", "https://evil.example"), http.StatusForbidden, ""},
		"a page from nowhere":                {false, with(asAdmin, "Origin", "null"), http.StatusForbidden, ""},
		"another site's page, with a token":  {true, with(bearing(token), "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, ""},
		"another page of the same site":      {false, with(asAdmin, "Sec-Fetch-Site", "same-site"), http.StatusForbidden, ""},
		"a name that is led here (DNS)":      {false, func(r *http.Request) { asAdmin(r); r.Host = "evil.example" }, http.StatusMisdirectedRequest, ""},
		"the same, and the browser is lured": {false, func(r *http.Request) { with(asAdmin, "Origin", "http://evil.example")(r); r.Host = "evil.example" }, http.StatusMisdirectedRequest, ""},
	} {
		r, given := ordered(t, c.isOpen)
		code, body, _ := r.post("record-1/ack", asJSON, `{"reason": "it is accepted"}`, c.who)
		if code != c.want || len(*given) > 0 != (c.by != "") {
			t.Errorf("%s: %d, %d orders\n%s", name, code, len(*given), body)
		}
		for _, order := range *given {
			if order.By != c.by || order.Reason != "it is accepted" || order.ID != "record-1" || order.Of.ID != "sub-1" {
				t.Errorf("%s: %+v", name, order)
			}
		}
		if strings.Contains(body+r.log.String(), token) || strings.Contains(body+r.log.String(), password) {
			t.Errorf("%s: a secret is shown\n%s%s", name, body, r.log.String())
		}
	}
}

func TestAnOrderThatCannotBeCarriedOutSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		path, kind, body string
		code             int
		says             []string
	}{
		"no such key":                          {"record-9/ack", asJSON, `{"reason":"r"}`, http.StatusNotFound, []string{`"why": "unknown"`}},
		"another state":                        {"record-1/ack", asJSON, `{"reason":"r","seen":"deleting"}`, http.StatusConflict, []string{`"why": "changed"`}},
		"it may be in use":                     {"key-1/delete", asJSON, `{"reason":"r"}`, http.StatusConflict, []string{`"why": "in-use"`, "sub-1"}},
		"a lost create":                        {"record-2/delete", asJSON, `{"reason":"r"}`, http.StatusConflict, []string{`"why": "no-key-id"`, "Shop / sub-2"}},
		"no reason":                            {"record-1/ack", asJSON, `{"reason":" "}`, http.StatusBadRequest, []string{"say why"}},
		"no JSON":                              {"record-1/ack", asJSON, `reason`, http.StatusBadRequest, nil},
		"too long":                             {"record-1/ack", asJSON, `{"reason":"` + strings.Repeat("x", 501) + `"}`, http.StatusBadRequest, []string{"too long"}},
		"much too long":                        {"record-1/ack", asJSON, `{"reason":"` + strings.Repeat("x", 10_000) + `"}`, http.StatusBadRequest, nil},
		"what a form of another page can send": {"record-1/ack", "text/plain", `{"reason":"r"}`, http.StatusUnsupportedMediaType, nil},
		"a form without its token":             {"record-1/ack", asForm, "reason=r", http.StatusBadRequest, []string{"load the page again"}},
		"a form with another user's":           {"record-1/ack", asForm, "reason=r&csrf=x", http.StatusBadRequest, []string{"load the page again"}},
		"too little of an id":                  {"record-/ack", asJSON, `{"reason":"r"}`, http.StatusNotFound, nil},
	} {
		r, given := ordered(t, false)
		code, body, _ := r.post(c.path, c.kind, c.body, asAdmin)
		if code != c.code {
			t.Errorf("%s: %d %s", name, code, body)
		}
		for _, text := range c.says {
			if !strings.Contains(body, text) {
				t.Errorf("%s: %s lacks %q", name, body, text)
			}
		}
		if code == http.StatusBadRequest && len(*given) > 0 {
			t.Errorf("%s: %+v", name, *given)
		}
	}
	r, given := ordered(t, false)
	for _, id := range []string{"several-1", "several-2"} {
		r.put(keys.Record{ID: id, Integration: integration, CreatedAt: r.now}, keys.Intent, keys.Creating, keys.LostCreate)
	}
	if code, body, _ := r.post("several-/ack", asJSON, `{"reason":"r"}`, asAdmin); code != http.StatusNotFound ||
		!strings.Contains(body, "2 keys have ids that begin with several-") {
		t.Errorf("two begin so: %d %s", code, body)
	}
	code, body, _ := r.post("several-2/ack", asJSON, `{"reason":"r"}`, asAdmin)
	if code != http.StatusOK || (*given)[0].ID != "several-2" {
		t.Errorf("the whole id: %d %s", code, body)
	}
	r.journal.Fence()
	if code, body, _ := r.post("record-1/ack", asJSON, `{"reason":"r"}`, asAdmin); code != http.StatusServiceUnavailable {
		t.Errorf("a closed journal: %d %s", code, body)
	}
}

func TestAnAcknowledgedKeyNeedsNobodyAnyMoreAndIsStillListed(t *testing.T) {
	r, _ := ordered(t, false)
	code, body, _ := r.post("record-1/ack", asJSON, `{"reason":"accepted,\n see ticket 7","seen":"unconfirmed"}`, asAdmin)
	if code != http.StatusOK || !strings.Contains(body, `"by": "admin"`) || !strings.Contains(body, "accepted, see ticket 7") {
		t.Errorf("%d %s", code, body)
	}
	wantNot := func(path, text string) {
		t.Helper()
		if answer := r.ask(http.MethodGet, path, asAdmin); strings.Contains(answer.Body.String(), text) {
			t.Errorf("%s still has %q\n%s", path, text, answer.Body.String())
		}
	}
	wantNot("/_node/federation", "key-1")
	wantNot("/_node/federation/keys", "key-1")
	if got := r.ask(http.MethodGet, "/_node/health?probes=keys", asAdmin).Body.String(); !strings.Contains(got,
		"0 unconfirmed keys, 1 lost creates") {
		t.Errorf("health: %s", got)
	}
	all := r.ask(http.MethodGet, "/_node/federation/keys?all=true", asAdmin).Body.String()
	if !strings.Contains(all, "key-1") || !strings.Contains(all, "see ticket 7") {
		t.Errorf("it is not among all keys\n%s", all)
	}
}

// A key that nothing reaches is deleted by hand and acknowledged. No alert may go on asking for somebody then.
func TestAnAcknowledgedDeletionFeedsNoAlert(t *testing.T) {
	r, _ := ordered(t, false)
	r.options.Metrics = true
	r.rebuild()
	r.now = r.now.Add(2 * time.Hour)
	age := func() string {
		for line := range strings.Lines(r.ask(http.MethodGet, metricsPath, asAdmin).Body.String()) {
			if strings.HasPrefix(line, "federation_agent_oldest_key_age_seconds") && strings.Contains(line, `"deleting"`) {
				return strings.Fields(line)[1]
			}
		}
		return "absent"
	}
	if got := age(); got != "7200" {
		t.Errorf("its age is %s before", got)
	}
	if code, body, _ := r.post("record-4/ack", asJSON, `{"reason":"deleted by hand"}`, asAdmin); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	if got := age(); got != "0" {
		t.Errorf("its age is %s afterwards", got)
	}
	if body := r.ask(http.MethodGet, "/_node/federation", asAdmin).Body.String(); !strings.Contains(body, "key-4") {
		t.Errorf("the page does not tell that it is being deleted\n%s", body)
	}
}

var csrfInPage = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// csrf is what the page shows to a user.
func (r *rig) csrf(user string) string {
	r.t.Helper()
	body := r.ask(http.MethodGet, "/_node/federation", func(request *http.Request) {
		request.SetBasicAuth(user, password)
		request.Header.Set("Accept", "text/html")
	}).Body.String()
	found := csrfInPage.FindStringSubmatch(body)
	if found == nil {
		r.t.Fatalf("the page has no form\n%s", body)
	}
	return found[1]
}

func TestThePageOfANodeAPIWithoutUsersHasNoButtons(t *testing.T) {
	r, _ := ordered(t, true)
	body := r.ask(http.MethodGet, "/_node/federation", func(request *http.Request) {
		request.Header.Set("Accept", "text/html")
	}).Body.String()
	if strings.Contains(body, "csrf") || !strings.Contains(body, "key-1") {
		t.Errorf("%s", body)
	}
}

func TestAFormOfThePageIsTakenFromItsUserAlone(t *testing.T) {
	r, given := ordered(t, false)
	form := url.Values{"csrf": {r.csrf("admin")}, "reason": {"gone"}, "seen": {"unconfirmed"}, "evenIfInUse": {"true"}}
	code, body, header := r.post("record-1/delete", asForm, form.Encode(), asAdmin)
	if code != http.StatusSeeOther || header.Get("Location") != "../../../federation#keys" || len(*given) != 1 ||
		!(*given)[0].EvenIfInUse {
		t.Errorf("%d %v %+v\n%s", code, header, *given, body)
	}
	form.Set("reason", "")
	if code, body, _ = r.post("record-2/ack", asForm, form.Encode(), asAdmin); code != http.StatusBadRequest ||
		!strings.Contains(body, "<h1>Not done</h1>") {
		t.Errorf("%d %s", code, body)
	}
	form.Set("csrf", r.csrf("other"))
	if code, _, _ = r.post("record-2/ack", asForm, form.Encode(), asAdmin); code != http.StatusBadRequest {
		t.Errorf("another user's form: %d", code)
	}
}

// page is one part of a list.
type page struct {
	Total  int
	Counts map[string]int
	Keys   []struct {
		ID, State, KeyID, APIName, Do string
	}
	Next string
}

func (r *rig) keys(query string) (p page) {
	r.t.Helper()
	code, body := r.get("/_node/federation/keys?" + query)
	if err := json.Unmarshal([]byte(body), &p); err != nil || code != http.StatusOK {
		r.t.Fatalf("%s: %d %v\n%s", query, code, err, body)
	}
	return p
}

// wholly counts how often all keys are read.
type wholly struct {
	store.KeyJournal
	reads int
}

func (w *wholly) Entries(ctx context.Context, f store.Filter, open bool) ([]store.Entry, error) {
	if !open {
		w.reads++
	}
	return w.KeyJournal.Entries(ctx, f, open)
}

// A table has as many keys as there are subscriptions.
func TestAllKeysAreReadOnlyForWhatIsOnNoList(t *testing.T) {
	var journal *wholly
	r := newRig(t, func(o *node.Options) {
		journal = &wholly{KeyJournal: o.Keys}
		o.Keys = journal
	})
	made := keys.Record{
		ID: "12345678-lost", Integration: integration, SubscriptionID: "s", CreatedAt: r.now, UpdatedAt: r.now,
	}
	r.put(made, keys.Intent, keys.Creating, keys.LostCreate)
	for path, want := range map[string]int{
		"keys": 0, "keys?all=true": 0, "keys?state=lost-create,delivered": 1,
		"keys/12345678-lost": 0, "keys/12345678": 1, "keys/another": 1,
	} {
		journal.reads = 0
		if r.get("/_node/federation/" + path); journal.reads != want {
			t.Errorf("%s: all keys are read %d times", path, journal.reads)
		}
	}
}

func TestKeysAreListedInPartsByWhatIsAskedFor(t *testing.T) {
	r, _ := ordered(t, true)
	if err := store.TolerateListings(r.journal).SaveListing(t.Context(), integration, "t", []store.RememberedAPI{
		{ID: "111122223333:eu-west-1:a1b2c3:prod", Name: "Orders"},
	}); err != nil {
		t.Fatal(err)
	}
	got := r.keys("")
	want := map[string]int{"unconfirmed": 1, "lost-create": 1, "deleting": 1}
	if got.Total != 3 || !maps.Equal(got.Counts, want) || got.Keys[0].APIName != "Orders" || got.Keys[0].KeyID != "key-1" {
		t.Errorf("%+v", got)
	}
	for query, want := range map[string]int{
		"state=delivered": 1, "state=lost-create,deleting": 2, "target=111122223333:eu-west-1": 3, "target=444455556666": 0,
		"subscription=sub-2": 1, "integration=" + integration: 3, "integration=other": 0,
	} {
		if got := r.keys(query); got.Total != want || len(got.Keys) != want || got.Next != "" {
			t.Errorf("%s: %+v", query, got)
		}
	}
	for n := range 250 {
		made := keys.Record{
			ID: fmt.Sprintf("more-%03d", n), Integration: integration, SubscriptionID: "many", CreatedAt: r.now, UpdatedAt: r.now,
		}
		r.put(made, keys.Intent, keys.Creating, keys.LostCreate)
	}
	seen := map[string]bool{}
	query := "subscription=many"
	for parts := 0; query != ""; parts++ {
		got := r.keys(query)
		if got.Total != 250 || len(got.Keys) > 100 || parts > 3 {
			t.Fatalf("part %d: %d of %d", parts, len(got.Keys), got.Total)
		}
		for _, k := range got.Keys {
			seen[k.ID] = true
		}
		query = ""
		if got.Next != "" {
			query = "subscription=many&after=" + got.Next
		}
	}
	if len(seen) != 250 {
		t.Errorf("%d keys were listed", len(seen))
	}
	for _, query := range []string{"state=lost", "target=eu-west-1", "target=:eu-west-1", "limit=0", "limit=1001", "limit=x", "after=x", "after=1"} {
		if code, body := r.get("/_node/federation/keys?" + query); code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
}
