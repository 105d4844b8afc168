package node_test

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/gateway"
	"federation-agent/internal/keys"
	"federation-agent/internal/node"
	"federation-agent/internal/secret"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
)

func (r *rig) rebuild() { r.handler = node.Handler(r.options) }

func listenerPort(t *testing.T, address string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// put brings a record through the states to the last one.
func (r *rig) put(rec keys.Record, states ...keys.State) {
	r.t.Helper()
	for _, rec.State = range states {
		if err := storetest.Put(r.journal, rec); err != nil {
			r.t.Fatal(err)
		}
	}
}

// listKeys has one unconfirmed key and one lost create in the journal, and keys of which nobody has to know.
func (r *rig) listKeys() {
	r.t.Helper()
	record := func(n, name string) keys.Record {
		return keys.Record{
			ID:             "record-" + n,
			Integration:    integration,
			Account:        "111122223333",
			Region:         "eu-west-1",
			SubscriptionID: "sub-" + n,
			APIID:          "111122223333:eu-west-1:a1b2c3:prod",
			UsagePlanID:    "plan-1",
			KeyName:        name,
			CreatedAt:      r.now,
			UpdatedAt:      r.now,
		}
	}
	made := []keys.State{
		keys.Intent,
		keys.Creating,
		keys.Created,
		keys.Attached,
		keys.Answered,
	}
	unconfirmed := record("1", "Shop <script> / sub-1")
	unconfirmed.KeyID, unconfirmed.Reason = "key-1", "the delivery of its answer could not be proved"
	r.put(unconfirmed, append(made, keys.Unconfirmed)...)
	r.put(record("2", "Shop / sub-2"), keys.Intent, keys.Creating, keys.LostCreate)
	delivered := record("3", "Shop / sub-3")
	delivered.KeyID = "key-3"
	r.put(delivered, append(made, keys.Delivered)...)
	going := record("4", "Shop / sub-4")
	going.KeyID, going.LastError = "key-4", "the credentials lack a permission"
	r.put(going, keys.Intent, keys.Creating, keys.Created, keys.Deleting)
	r.put(record("5", "Shop / sub-5"), keys.Intent)
}

// busy fills the board.
func (r *rig) busy() {
	place := status.Place{Account: "111122223333", Region: "eu-west-1"}
	b := r.options.Board
	b.Primary(integration, true)
	b.Target(
		integration,
		status.Target{
			Region:  "us-east-1",
			Role:    "arn:aws:iam::444455556666:role/x",
			State:   status.Failed,
			Since:   r.now,
			Failure: "enable the region",
		},
	)
	b.Target(integration, status.Target{Region: "eu-west-1", Account: place.Account, State: status.Ready, Since: r.now})
	b.Listed(integration, place, 3, 6, r.now.Add(-time.Minute))
	b.Quota(place, status.Quota{
		Rate: 3.5, Share: 7, Others: string(gateway.OthersSeen), Since: r.now.Add(-5 * time.Minute),
	})
	b.Called(status.Call{Place: place, Operation: "GetRestApis", Result: "ok"}, r.now, time.Second)
	b.Called(status.Call{Place: place, Operation: "GetRestApis", Result: status.Throttled}, r.now, time.Second)
	b.Opened(integration, "SUBSCRIBE")
	b.Answered(integration, status.FailedCommand{
		Command: status.Command{Type: "SUBSCRIBE", Outcome: status.Refused},
		ID:      "command-1", At: r.now, Subscription: "sub-9", API: "api-9", Reason: "the plan is gone",
	}, 3*time.Second)
	b.Ingested(integration, 6)
	b.Compares(integration, []string{"new", "gone"})
	b.Drifted(integration, status.Drift{
		At: r.now.Add(-time.Minute), InAPIM: 6, Counts: map[string]int{"new": 0, "gone": 1},
		Examples: map[string][]status.DriftItem{"gone": {{
			ID: "111122223333:eu-west-1:gone:prod", APIMID: "apim-id-of-gone", Name: "Gone <b>",
			Text: "AWS has no such REST API any more",
		}}},
		Unlisted: []string{"111122223333:us-east-1: AccessDenied"},
	})
	b.RoundDue(integration, r.now.Add(30*time.Minute))
	b.Listens(integration)
	b.EventHeard(integration, status.EventTaken, r.now.Add(-time.Minute))
	b.Rounded(integration, status.Round{At: r.now.Add(-time.Minute), Result: status.RoundSent, Sent: 2})
	job, journal := store.OwnedJob{Integration: integration, JobID: "job-1"}, store.TolerateIngests(r.journal)
	if err := journal.Start(r.t.Context(), store.IngestJob{OwnedJob: job, StartedAt: r.now, Total: 6}); err != nil {
		r.t.Fatal(err)
	}
	if err := journal.Acknowledge(r.t.Context(), job, []string{"a", "b"}, nil, r.now); err != nil {
		r.t.Fatal(err)
	}
}

// removes has it remove what AWS has deleted: one API is removed, and one is kept.
func (r *rig) removes() {
	b := r.options.Board
	b.Removes(integration, "unpublish")
	gone := status.RemovalNote{At: r.now, ID: "111122223333:eu-west-1:gone:prod", APIMID: "apim-id-of-gone", Name: "Gone <b>"}
	kept := status.RemovalNote{At: r.now, ID: "111122223333:eu-west-1:kept:prod", APIMID: "apim-id-of-kept", Name: "Kept"}
	b.RemovalPlanned(integration, []status.RemovalNote{gone, kept})
	kept.Text = "it stays: it has subscriptions: 2"
	b.RemovalTried(integration, status.RemovalDone, gone)
	b.RemovalTried(integration, status.RemovalKept, kept)
}

func TestWhatAPIMRefusesToRemoveAsksForSomebody(t *testing.T) {
	r := newRig(t, nil)
	b := r.options.Board
	b.Removes(integration, "delete")
	refused := status.RemovalNote{At: r.now, ID: "111122223333:eu-west-1:gone:prod", Name: "Gone"}
	b.RemovalPlanned(integration, []status.RemovalNote{refused})
	const what, why = "APIM refuses to let the agent remove what AWS has deleted: Gone (111122223333:eu-west-1:gone:prod)",
		"APIM answered 403; add a member"
	_, body := r.get("/_node/federation")
	lacks(t, body, what)
	planned := refused
	refused.Refused, refused.Text = true, why
	b.RemovalTried(integration, status.RemovalFailed, refused)
	b.RemovalPlanned(integration, []status.RemovalNote{planned}) // the next round is to try it
	_, body = r.get("/_node/federation")
	wants(t, body, what, why)
	b.RemovalTried(integration, status.RemovalDone, planned)
	_, body = r.get("/_node/federation")
	lacks(t, body, what)
}

func TestTheStatusNamesEveryKeyThatIsToBeLookedAt(t *testing.T) {
	r := newRig(t, nil)
	r.listKeys()
	r.options.Board.Unserved(map[string]string{"record-4": "configure the account and region again"})
	_, body := r.get("/_node/federation")
	var got struct {
		Keys struct {
			Unconfirmed, LostCreates []map[string]any
			Deletions, Unserved      []map[string]any
			UnderWay, BeingDeleted   int
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	listed := func(n, state string, more map[string]any) []map[string]any {
		entry := map[string]any{
			"id":           "record-" + n,
			"state":        state,
			"account":      "111122223333",
			"region":       "eu-west-1",
			"usagePlanId":  "plan-1",
			"integration":  integration,
			"subscription": "sub-" + n,
			"api":          "111122223333:eu-west-1:a1b2c3:prod",
			"since":        r.now.UTC().Format(time.RFC3339),
		}
		maps.Copy(entry, more)
		return []map[string]any{entry}
	}
	want := got
	want.Keys.Unconfirmed = listed("1", "unconfirmed", map[string]any{
		"keyId":   "key-1",
		"keyName": "Shop <script> / sub-1",
		"reason":  "the delivery of its answer could not be proved",
		"do":      keys.Unconfirmed.Advice(),
	})
	want.Keys.LostCreates = listed("2", "lost-create", map[string]any{
		"keyName": "Shop / sub-2", "do": keys.LostCreate.Advice(),
	})
	want.Keys.UnderWay, want.Keys.BeingDeleted = 1, 1
	want.Keys.Unserved = listed("4", "deleting", map[string]any{
		"keyId": "key-4", "keyName": "Shop / sub-4", "lastError": "the credentials lack a permission",
		"do": "configure the account and region again",
	})
	want.Keys.Deletions = want.Keys.Unserved
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTheStatusShowsSessionsTargetsIngestsAndQuotas(t *testing.T) {
	r := newRig(t, nil)
	r.busy()
	code, body := r.get("/_node/federation")
	for _, text := range []string{
		`"state": "connected"`, `"endpoint": "https://apim.example.com/integration-controller"`, `"primary": true`,
		`"connects": 1`,
		`"state": "failed"`, `"failure": "enable the region"`, `"role": "arn:aws:iam::444455556666:role/x"`,
		`"listedAt": "` + r.now.Add(-time.Minute).UTC().Format(time.RFC3339) + `"`, `"restApis": 3`, `"stages": 6`,
		`"job": "job-1"`, `"total": 6`, `"acknowledged": 2`, `"apisIngested": 6`,
		`"rate": 3.5`, `"share": 7`, `"others": "seen"`, `"othersSaid": "somebody else was noticed, since 5 min"`, `"calls": 2`, `"throttled": 1`, `"type": "SUBSCRIBE"`, `"outcome": "error"`,
		`"durable": true`,
	} {
		if code != http.StatusOK || !strings.Contains(body, text) {
			t.Errorf("%d, the status lacks %s\n%s", code, text, body)
		}
	}
}

func TestABrowserGetsAPageAndEverybodyElseJSON(t *testing.T) {
	r := newRig(t, nil)
	r.busy()
	r.listKeys()
	r.health = inMemory().Health()
	r.options.Board.Guard(integration, []string{"4 of 4 plans"})
	r.options.Board.OutOfReach(integration, status.Place{Account: "111122223333", Region: "eu-west-1"}, "no route", r.now)
	r.options.Board.IngestEnded(integration, status.Ingest{
		Job:     "job-0",
		At:      r.now,
		Sent:    7,
		Omitted: 2,
		LeftOut: []string{"Orders: no document"},
		Failure: "a target is missing",
	})
	r.options.Board.Unserved(map[string]string{"record-4": "configure the account and region again"})
	accepting := func(accept string) (string, string) {
		answer := r.ask(http.MethodGet, "/_node/federation", func(r *http.Request) { r.Header.Set("Accept", accept) })
		if answer.Code != http.StatusOK {
			t.Fatalf("%s: %d %s\n%s", accept, answer.Code, answer.Body, r.log.String())
		}
		return answer.Header().Get("Content-Type"), answer.Body.String()
	}
	for _, accept := range []string{"", "*/*", "application/json"} {
		if kind, _ := accepting(accept); kind != "application/json" {
			t.Errorf("%q gets %s", accept, kind)
		}
	}
	kind, page := accepting("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	if kind != "text/html; charset=utf-8" {
		t.Errorf("a browser gets %s", kind)
	}
	for _, text := range []string{
		"Unconfirmed keys: 1", "key-1", "Shop &lt;script&gt; / sub-1",
		"see in APIM whether the subscription is accepted",
		"nothing configured reaches: 1", "configure the account and region again", "key-4", "lack a permission",
		"Lost creates: 1", "Shop / sub-2", "look for it by its name", "does not outlive this process",
		"which plans the last ingest sent", "4 of 4 plans", "put the stages back",
		"no route", "job-0", "Orders: no document", "a target is missing",
		integration, "connected", "enable the region", "job-1", "2 of 6", "3.50", "<code>SUBSCRIBE</code>", "not known yet",
		"</html>",
	} {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %q\n%s", text, page)
		}
	}
	if strings.Contains(page, "Shop <script") {
		t.Error("a key's name is not escaped")
	}
}

func TestNoPasswordIsInAnyAnswer(t *testing.T) {
	r := newRig(t, func(o *node.Options) {
		o.Open, o.Metrics, o.Users = false, true, map[string]secret.String{"admin": secret.New(password)}
	})
	r.busy()
	r.listKeys()
	for _, path := range []string{"/_node", "/_node/health", "/_node/federation", "/_node/metrics/prometheus"} {
		for _, accept := range []string{"text/html", "application/json"} {
			answer := r.ask(http.MethodGet, path, func(r *http.Request) {
				r.SetBasicAuth("admin", password)
				r.Header.Set("Accept", accept)
			})
			if answer.Code != http.StatusOK || strings.Contains(answer.Body.String(), password) {
				t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
			}
		}
	}
}

func TestALostCreateThatTheAgentLooksForAsksForNobodyUntilThatFails(t *testing.T) {
	r := newRig(t, func(o *node.Options) { o.Looks.AWS = true })
	r.listKeys()
	const itself = "nothing: the agent looks for it by its name"
	asks := func() (of []string, page string) {
		var shown struct{ Attention []struct{ What, Do string } }
		_, page = r.get("/_node/federation")
		if err := json.Unmarshal([]byte(page), &shown); err != nil {
			t.Fatal(err)
		}
		for _, a := range shown.Attention {
			if strings.HasPrefix(a.What, "Lost creates") {
				of = append(of, a.Do)
			}
		}
		return of, page
	}
	if of, page := asks(); len(of) > 0 || !strings.Contains(page, itself) {
		t.Errorf("it asks for %q\n%s", of, page)
	}
	records, err := storetest.Records(r.journal, store.Filter{States: []keys.State{keys.LostCreate}})
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	records[0].LastError = "no permission"
	if err := storetest.Put(r.journal, records[0]); err != nil {
		t.Fatal(err)
	}
	if of, _ := asks(); len(of) != 1 || !strings.Contains(of[0], "no permission") {
		t.Errorf("it asks for %q", of)
	}
}

func TestAnUnconfirmedKeyThatTheAgentAsksAPIMAboutAsksForNobodyUntilThatFails(t *testing.T) {
	r := newRig(t, func(o *node.Options) { o.Looks.APIM = true })
	r.listKeys()
	const itself = "nothing: the agent asks APIM for the subscription's state"
	if _, page := r.get("/_node/federation"); strings.Contains(page, "Unconfirmed keys: 1") || !strings.Contains(page, itself) {
		t.Errorf("it asks for somebody\n%s", page)
	}
	records, err := storetest.Records(r.journal, store.Filter{States: []keys.State{keys.Unconfirmed}})
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	if err := storetest.Put(r.journal, records[0].Untold("APIM does not have the API", r.now)); err != nil {
		t.Fatal(err)
	}
	_, page := r.get("/_node/federation")
	if !strings.Contains(page, "Unconfirmed keys: 1") || !strings.Contains(page, "could not settle the key yet (APIM does not") {
		t.Errorf("it asks for nobody\n%s", page)
	}
}
