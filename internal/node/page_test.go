package node_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/node"
	"federation-agent/internal/secret"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
)

// page is the status page as a browser gets it.
func (r *rig) page(query string) string {
	r.t.Helper()
	answer := r.ask(http.MethodGet, "/_node/federation"+query, func(r *http.Request) {
		r.Header.Set("Accept", "text/html,application/xhtml+xml")
	})
	if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		r.t.Fatalf("%d %s\n%s", answer.Code, answer.Body, r.log.String())
	}
	return answer.Body.String()
}

// list remembers APIs as the last complete listing of a target.
func (r *rig) list(apis ...store.RememberedAPI) {
	r.t.Helper()
	if err := store.TolerateListings(r.journal).SaveListing(r.t.Context(), integration, "111122223333:eu-west-1", apis); err != nil {
		r.t.Fatal(err)
	}
}

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
}

func lacks(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(text, part) {
			t.Errorf("%q in\n%s", part, text)
		}
	}
}

func TestTheRootLeadsToThePage(t *testing.T) {
	answer := newRig(t, nil).ask(http.MethodGet, "/", nil)
	if to := answer.Header().Get("Location"); answer.Code != http.StatusFound || to != "_node/federation" {
		t.Errorf("%d %q", answer.Code, to)
	}
}

func TestThePageLoadsNothingButItsOwnFiles(t *testing.T) {
	r := newRig(t, nil)
	r.busy()
	r.listKeys()
	r.list(store.RememberedAPI{ID: "111122223333:eu-west-1:a1b2c3:prod", Name: "Orders"})
	page := r.page("")
	lacks(t, page, "style=", "<style", "onclick", "javascript:", "http://", "//cdn")
	if inline := regexp.MustCompile(`<script[^>]*>[^<]`).FindString(page); inline != "" {
		t.Errorf("a script stands in the page: %s", inline)
	}
	files := regexp.MustCompile(`(?:src|href)="(federation/[^"]+)"`).FindAllStringSubmatch(page, -1)
	kinds := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}
	for _, file := range files {
		answer := r.ask(http.MethodGet, "/_node/"+file[1], nil)
		kind := kinds[file[1][strings.LastIndex(file[1], "."):]]
		if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") != kind || answer.Body.Len() == 0 {
			t.Errorf("%s: %d %v", file[1], answer.Code, answer.Header())
		}
		lacks(t, answer.Body.String(), "https://", "@import", "eval(", "innerHTML")
	}
	if len(files) != len(kinds) {
		t.Errorf("the page asks for %v", files)
	}
}

func TestABrowserIsToldToTrustNothingElse(t *testing.T) {
	r := newRig(t, nil)
	for _, path := range []string{"/_node/federation", "/_node/federation/page.js", "/_node/health", "/nothing"} {
		header := r.ask(http.MethodGet, path, nil).Header()
		policy := header.Get("Content-Security-Policy")
		for _, part := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "base-uri 'none'",
			"frame-ancestors 'none'",
		} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy %q lacks %q", path, policy, part)
			}
		}
		lacks(t, policy, "unsafe", "*", "data:", "http")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
			"Cache-Control": "no-store",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestNamesAreTextAndNeverMarkup(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	r := newRig(t, nil)
	r.list(store.RememberedAPI{ID: "111122223333:eu-west-1:a1b2c3:prod", Name: evil})
	r.put(keys.Record{
		ID: evil, Integration: integration, Account: evil, Region: evil, SubscriptionID: evil, APIID: evil,
		UsagePlanID: evil, KeyName: evil, Reason: evil, CreatedAt: r.now, UpdatedAt: r.now,
	}, keys.Intent, keys.Creating, keys.LostCreate)
	b := r.options.Board
	b.SessionAway(integration, evil, r.now)
	b.Guard(integration, []string{evil})
	b.Target(integration, status.Target{Region: evil, Role: evil, State: status.Failed, Since: r.now, Failure: evil})
	b.IngestEnded(integration, status.Ingest{Job: evil, At: r.now, Failure: evil, LeftOut: []string{evil}})
	page := r.page("?q=" + "%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
	lacks(t, page, "<script>", "<img")
	wants(t, page, `&lt;script&gt;alert(1)&lt;/script&gt;&lt;img`, `value="&#34;&gt;&lt;script&gt;alert(1)`)
}

func TestThePageOfManyThousandAPIsIsShortAndFindsEach(t *testing.T) {
	const many = 10_000
	r := newRig(t, nil)
	apis := make([]store.RememberedAPI, many)
	for n := range apis {
		apis[n] = store.RememberedAPI{
			ID: fmt.Sprintf("111122223333:eu-west-1:api%05d:prod", n), Name: fmt.Sprintf("API %05d", n),
		}
	}
	r.list(apis...)
	made := []keys.State{keys.Intent, keys.Creating, keys.LostCreate}
	for n := range 1_000 {
		r.put(keys.Record{
			ID: fmt.Sprintf("record-%d", n), Integration: integration, KeyName: "Shop", CreatedAt: r.now, UpdatedAt: r.now,
		}, made...)
	}
	page := r.page("")
	const most = 100 << 10
	if len(page) > most {
		t.Errorf("the page has %d bytes, more than %d", len(page), most)
	}
	wants(t, page, "API 00000", "APIs 1 to 25 of 10000", "Lost creates: 1000", "And 900 more", "page=2")
	lacks(t, page, "API 00025", `rel="prev"`)
	wants(t, r.page("?page=400"), "API 09999", `rel="prev"`, "APIs 9976 to 10000 of 10000")
	lacks(t, r.page("?page=400"), `rel="next"`)
	wants(t, r.page("?page=401"), "There is no page 401.", "page=400")
	wants(t, r.page("?q=api04711+PROD"), "API 04711", "Found: 1 API of 10000")
	wants(t, r.page("?q=nothing&page=x"), "None of 10000 APIs fits.")
	wants(t, r.page("?q="+strings.Repeat("%C3%A9", 5_000)), "None of 10000 APIs fits.")
	wants(t, newRig(t, nil).page(""), "No API is known yet")
}

func TestWithoutScriptsThePageSaysAllAndIsReloadedByHand(t *testing.T) {
	r := newRig(t, nil)
	r.busy()
	page := r.page("")
	wants(t, page, "<noscript>", "reload", "connected", "2 of 6", `id="pause" hidden`, `<a class="skip" href="#main">`,
		`<main id="main" data-every="1">`)
	lacks(t, page, "http-equiv")
	if err := store.TolerateIngests(r.journal).Finish(t.Context(), store.OwnedJob{Integration: integration, JobID: "job-1"}); err != nil {
		t.Fatal(err)
	}
	wants(t, r.page(""), `data-every="5"`)
}

func TestTheStatusListsWhatNeedsSomebodyTheMostUrgentFirst(t *testing.T) {
	r := newRig(t, nil)
	wants(t, r.page(""), "Nothing needs anybody", "all is well")
	r.busy()
	r.listKeys()
	b := r.options.Board
	b.SessionAway(integration, "APIM refused the token (401)", r.now)
	lacks(t, r.page(""), "No session to APIM") // it may be back in a second
	r.now = r.now.Add(5 * time.Second)
	b.UnusedFilters(integration, "Prod; did you mean prod?",
		status.UnusedFilter{Setting: "configuration.filter.excludeApis", Entries: "Legacy; did you mean legacy?"})
	b.IngestEnded(integration, status.Ingest{Job: "job-0", At: r.now, Sent: 7, Omitted: 2})
	page := r.page("")
	wants(t, page, "<title>(11) Federation agent</title>", "11 to look at")
	last := 0
	for _, what := range []string{
		"No session to APIM for integration " + integration, "AWS cannot be used in us-east-1",
		"The stage filter of integration " + integration + " names stages that no API has",
		"Entries of configuration.filter.excludeApis of integration " + integration + " do nothing",
		"The last ingest left out 2 APIs", "AWS has deleted 1 API that APIM still shows", "Unconfirmed keys: 1", "Lost creates: 1",
		"Keys that AWS does not let go: 1",
		"Subscriptions of integration " + integration + " failed in the last hour, or their ends: 1", "AWS throttles calls in 111122223333:eu-west-1",
	} {
		at := strings.Index(page, "<h3>"+what)
		if at <= last {
			t.Errorf("%q stands at %d, not after %d\n%s", what, at, last, page)
		}
		last = at
	}
	_, body := r.get("/_node/federation")
	wants(t, body, `"attention"`, `"what": "Unconfirmed keys: 1"`, `"do": "see in APIM whether the subscription`)
}

func TestTimesAreSaidAsPeopleSayThem(t *testing.T) {
	r := newRig(t, nil)
	for since, want := range map[time.Duration]string{
		0: "0 s ago", 59 * time.Second: "59 s ago", 61 * time.Second: "1 min ago", 90 * time.Minute: "1 h ago",
		47 * time.Hour: "47 h ago", 49 * time.Hour: "2 days ago",
	} {
		r.options.Board.SessionUp(integration, "https://apim", r.now.Add(-since))
		wants(t, r.page(""), ">"+want+"<")
	}
}

func TestThePageTellsTheTruthOfTheLastCallAndWhenTheNextTryIs(t *testing.T) {
	r := newRig(t, nil)
	b := r.options.Board
	place := status.Place{Account: "111122223333", Region: "eu-west-1"}
	b.Target(integration, status.Target{Account: place.Account, Region: place.Region, State: status.Ready, Since: r.now})
	wants(t, r.page(""), "not listed yet", "not since the agent began", "Nothing needs anybody")
	b.Listed(integration, place, 3, 6, r.now)
	wants(t, r.page(""), `<span class="state good">ready</span>`)
	const why = "GetRestApis is not allowed; give the role apigateway:GET"
	b.ListingEnded(integration, place, why, r.now)
	for region := range 3 {
		b.Target(integration, status.Target{
			Region: fmt.Sprintf("us-east-%d", region), State: status.Failed, Since: r.now, Failure: "no such host",
		})
	}
	page := r.page("")
	wants(t, page, `<span class="state bad">failed</span> since`, why, "AWS cannot be used in 111122223333:eu-west-1",
		"AWS cannot be used in us-east-0, us-east-1, us-east-2", "2 to look at")
	lacks(t, page, `<span class="state good">ready</span>`)

	b.SessionAway(integration, "connection refused", r.now)
	wants(t, r.page(""), "trying now", "connection refused")
	b.SessionNext(integration, r.now.Add(42*time.Second))
	wants(t, r.page(""), "next try", "in 42 s")
	b.SessionLost(integration, status.LostGoodBye)
	wants(t, r.page(""), "lost, good bye: 1")
	b.SessionEnded(integration, r.now)
	wants(t, r.page(""), "APIM has dismissed integration", "start the agent again")
}

func TestThePageShowsHowIngestsAndCommandsWent(t *testing.T) {
	r := newRig(t, nil)
	wants(t, r.page(""), "None since the agent began. APIM starts them.", "None yet.")
	r.busy()
	b := r.options.Board
	wants(t, r.page(""), "AWS is being listed", "<progress aria-label")
	b.Ingesting(integration, "job-1", status.Progress{Started: r.now, Total: 6, Done: 4, Omitted: 1, Sent: 2})
	wants(t, r.page(""), "4 of 6 documents are ready, 1 of them left out", "2 of 6 APIs are in APIM",
		`<progress max="6" value="4"`)
	b.IngestEnded(integration, status.Ingest{
		Job: "job-1", Started: r.now.Add(-90 * time.Second), At: r.now, Sent: 4, WithoutDocument: 1, Omitted: 3,
		OmittedBy: map[string]int{"access_denied": 2, "too_large": 1},
		LeftOut:   []string{"Orders: GetExport is not allowed", "Audit: GetExport is not allowed", "Big: too large"},
	})
	wants(t, r.page(""), "<summary>3: access denied 2, too large 1</summary>", "<li>Orders: GetExport is not allowed",
		`data-label="Took">1 min`, `data-label="No document">1`, "The last ingest left out 3 APIs",
		"<code>SUBSCRIBE</code> <span class=\"bad\">error</span> 1", "the plan is gone", "subscription <code>sub-9</code>",
		"command <code>command-1</code>")
}

func TestThePageComparesAWSAndAPIMWhereTheyAreCompared(t *testing.T) {
	r := newRig(t, nil)
	lacks(t, r.page(""), "AWS and APIM compared", `href="#drift"`)
	b := r.options.Board
	b.Compares(integration, []string{"new", "gone"})
	wants(t, r.page(""), `<a href="#drift">Drift</a>`, "Not compared since the agent began")
	r.busy()
	page := r.page("")
	wants(t, page, "the next scheduled ingest begins", "in 30 min", `<span class="state good">2 sent</span>`, "6 in APIM",
		"gone in AWS, still in APIM", `<summary>Gone &lt;b&gt;</summary>`, "<code>111122223333:eu-west-1:gone:prod</code>",
		"<code>apim-id-of-gone</code>: AWS has no such REST API any more", "Nothing is said of: 111122223333:us-east-1: AccessDenied")
	lacks(t, page, "not to be trusted", "this agent unpublishes")
	r.removes()
	page = r.page("")
	wants(t, page, "this agent unpublishes in APIM, one by one: 1 so far", "Gone &lt;b&gt; <code>111122223333:eu-west-1:gone:prod</code>",
		"<code>apim-id-of-kept</code>: it stays: it has subscriptions: 2")
	lacks(t, page, "not to be trusted", "none is touched", "AWS has deleted 1 API that APIM still shows")
	b.RemovalRefused(integration, "30 are gone")
	wants(t, r.page(""), "AWS has deleted more than may be removed", `<span class="state bad">none is touched</span> 30 are gone`)
	b.Drifted(integration, status.Drift{At: r.now, Doubt: "none of them was sent", Counts: map[string]int{}})
	b.Rounded(integration, status.Round{At: r.now, Result: status.RoundFailed, Why: "none of them was sent"})
	wants(t, r.page(""), `<span class="state bad">not to be trusted</span> none of them was sent`,
		`<span class="state bad">failed</span>: none of them was sent`,
		"What APIM has of integration "+integration+" fits nothing that was sent",
		"The last scheduled ingest of integration "+integration+" could not be made")
}

func TestThePageShowsTheSettingsOnceSomebodyLooks(t *testing.T) {
	read := 0
	r := newRig(t, func(o *node.Options) {
		o.Token = secret.New(token)
		o.Settings = func() []node.Setting {
			read++
			return []node.Setting{{Key: "agent.quota.share", Value: "0.5", Origin: "gravitee.yml:12"}}
		}
	})
	r.now = r.now.Add(50 * time.Hour)
	wants(t, r.page(""), "The configuration is shown to users of the node API alone")
	asked := with(bearing(token), "Accept", "application/json")
	if r.ask(http.MethodGet, "/_node/federation", asked); read != 0 {
		t.Error("the configuration is read though nobody looks, or for somebody who does not prove who he is")
	}
	for range 2 {
		page := r.ask(http.MethodGet, "/_node/federation", with(bearing(token), "Accept", "text/html")).Body.String()
		wants(t, page, "Configuration: 1 settings", "agent.quota.share", "gravitee.yml:12", "for 2 days, since")
	}
	if read != 1 {
		t.Errorf("the configuration was read %d times", read)
	}
}

func TestAFirstSessionNeedsSomebodyOnceItFails(t *testing.T) {
	r := newRig(t, func(o *node.Options) { o.Board = status.NewBoard() })
	b := r.options.Board
	b.Serve(integration, r.now)
	wants(t, r.page(""), "connecting", "Nothing needs anybody")
	r.now = r.now.Add(5 * time.Second)
	wants(t, r.page(""), "No session to APIM", "APIM has not answered yet")
	r.now = r.now.Add(-4 * time.Second)
	b.SessionAway(integration, "no such host", r.now)
	wants(t, r.page(""), "No session to APIM", "no such host", "federation-agent doctor")
}

func TestFailedSubscriptionsAreCountedBeyondThoseThatAreKept(t *testing.T) {
	r := newRig(t, nil)
	fail := func(kind, id string) {
		r.options.Board.TurnedAway(integration, status.FailedCommand{
			Command: status.Command{Type: kind, Outcome: status.Refused}, ID: id, At: r.now, Subscription: "sub-" + id, Reason: "no",
		})
	}
	for n := range status.FailuresKept + 5 {
		fail("SUBSCRIBE", strconv.Itoa(n))
	}
	for range status.FailuresKept {
		fail("DISCOVER", "preview")
	}
	wants(t, r.page(""), "failed in the last hour, or their ends: 25", "SUBSCRIBE sub-24: no")
	r.now = r.now.Add(61 * time.Minute)
	lacks(t, r.page(""), "failed in the last hour")
}

func TestSeveralIntegrationsAreToldApart(t *testing.T) {
	r := newRig(t, nil)
	r.busy()
	b := r.options.Board
	b.Serve("another", r.now)
	b.SessionUp("another", "https://apim", r.now)
	b.IngestEnded("another", status.Ingest{Job: "job-9", Started: r.now, At: r.now, Sent: 1})
	page := r.page("")
	for _, about := range []string{
		"Accounts and regions of integration <code>", "Integration <code>", "Ended, integration <code>",
	} {
		wants(t, page, about+"another</code>")
	}
	wants(t, page, "Integration <code>"+integration+"</code>, started")
	lacks(t, newRig(t, nil).page(""), "of integration")
}
