package acceptance

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/world"
)

// restToken is the REST API's: its owner is a member of the integration with the role OWNER, and nothing else.
const restToken = "a-rest-token-that-must-never-be-logged"

// withREST lets the agent ask APIM's REST API.
func withREST(o world.Options, more ...string) world.Options {
	o.APIM.Accounts = map[string]apimsim.Account{
		world.Token: {}, restToken: {Owns: []string{world.Integration}},
	}
	settings := map[string]string{
		"gravitee_agent_apim_url":           "http://apim.test:80/management",
		"gravitee_agent_apim_token":         restToken,
		"gravitee_agent_apim_environmentId": "DEFAULT",
	}
	for n := 0; n < len(more); n += 2 {
		settings["gravitee_agent_"+more[n]] = more[n+1]
	}
	maps.Copy(settings, o.Settings)
	o.Settings = settings
	return o
}

// requests are the REST requests so far, by operation, from the beginning or the last call on.
func requests(w *world.World, from *int) map[string]int {
	all := w.APIM.RESTRequests()
	got := map[string]int{}
	for _, r := range all[*from:] {
		got[r.Operation]++
	}
	*from = len(all)
	return got
}

const (
	opIntegration = "GET /integrations/{integrationId}"
	opList        = "GET /integrations/{integrationId}/apis"
	opIngest      = "POST /integrations/{integrationId}/_ingest"
)

// writes are how often APIM has written each API, by the agent's id.
func writes(w *world.World) map[string]int {
	got := map[string]int{}
	for _, a := range w.APIM.APIs() {
		got[a.ProviderID] = a.Writes
	}
	return got
}

// written are the ids of the APIs that APIM has written since.
func written(w *world.World, before map[string]int) (ids []string) {
	for id, n := range writes(w) {
		if n != before[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func TestAnIngestOfEverythingSendsOnlyWhatAPIMDoesNotHaveAsItIs(t *testing.T) {
	run(t, withREST(world.Options{AWS: oneRegion(20, 1, 2)}), func(t *testing.T, w *world.World) {
		agent := settled(w)
		if job := succeed(w); job.Total != 20 || job.Ingested != 20 {
			t.Fatalf("the first: %+v", job)
		}
		first := w.APIM.APIs()[0]
		if err := w.APIM.ChangeAPI(first.ID, func(a *apimsim.API) error {
			a.Plans[0].Validation = apimsim.ValidationAutomatic
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Minute) // the listing is too old to be used again

		expect := func(what string, total int, ids ...string) {
			t.Helper()
			before := writes(w)
			job := w.Ingest()
			if total > 0 && job.Status != apimsim.JobSuccess || int(job.Total) != total {
				t.Errorf("%s: %+v", what, job)
			}
			if got := written(w, before); !slices.Equal(got, ids) {
				t.Errorf("%s: %v were sent, want %v", what, got, ids)
			}
			pass(2 * time.Minute)
		}
		expect("nothing has changed", 0)
		if got, err := w.APIM.API(first.ID); err != nil || got.Plans[0].Validation != apimsim.ValidationAutomatic {
			t.Errorf("what a user has set on a plan is lost: %+v %v", got.Plans, err)
		}

		scope, rest, stage := partOf(w.APIM.APIs()[3].ProviderID)
		if _, err := w.AWS.Redeploy(scope, rest, stage); err != nil {
			t.Fatal(err)
		}
		expect("a document has changed", 1, w.APIM.APIs()[3].ProviderID)

		if err := w.APIM.ChangeAPI(w.APIM.APIs()[5].ID, func(a *apimsim.API) error {
			a.Name = "called otherwise"
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		expect("renamed in APIM", 1, w.APIM.APIs()[5].ProviderID)

		gone := w.APIM.APIs()[7]
		deleteInAPIM(t, w, gone.ID)
		expect("deleted in APIM", 1, gone.ProviderID)

		before := writes(w)
		if job := succeed(w, first.ProviderID); job.Total != 1 || !slices.Equal(written(w, before), []string{first.ProviderID}) {
			t.Errorf("named: %+v", job)
		}
		for _, i := range agent.Board.Read().Integrations {
			if d := i.Drift; d == nil || d.InAPIM != 20 || d.Counts["new"]+d.Counts["changed"]+d.Counts["missing"] > 0 {
				t.Errorf("%+v", d)
			}
		}
		healthy(t, w)
	})
}

// deleteInAPIM is what a person does in the console.
func deleteInAPIM(t *testing.T, w *world.World, id string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: w.Network.Dialer("person"), DisableKeepAlives: true}}
	w.APIM.Allow("a-persons-token", apimsim.Account{Admin: true})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete,
		"http://apim.test:80/management/v2/environments/DEFAULT/apis/"+id+"?closePlans=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer a-persons-token")
	answer, err := client.Do(r)
	if err != nil || answer.StatusCode != http.StatusNoContent {
		t.Fatalf("deleting %s: %v %v", id, answer, err)
	}
	_ = answer.Body.Close()
}

func TestAnIngestSendsEverythingWhileTheRESTAPIIsAwayAndSaysSoOnce(t *testing.T) {
	o := withREST(world.Options{AWS: oneRegion(3, 1, 1)})
	o.APIM.Script = &apimsim.Script{REST: func(r apimsim.RESTRequest) apimsim.RESTFault {
		if r.Nth > 2 { // the first ingest, and the report behind it
			return apimsim.RESTFault{Status: http.StatusBadGateway}
		}
		return apimsim.RESTFault{}
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		pass(2 * time.Minute)
		for range 3 {
			if job := succeed(w); job.Total != 3 || job.Ingested != 3 {
				t.Errorf("%+v", job)
			}
			pass(2 * time.Minute)
		}
		const what = "APIM's REST API does not tell which APIs APIM has, so this ingest sends all"
		if n := w.Log.Count("level=WARN", what); n != 1 {
			t.Errorf("the log says so %d times", n)
		}
		healthy(t, w)
	})
}

// What has been compared is forgotten with the process, what APIM has taken is not.
func TestARestartInTheMiddleOfAnIngestThatComparesLosesNothing(t *testing.T) {
	o := withREST(world.Options{AWS: withLatency(oneRegion(20, 1, 2))}, "ingest_batchCount", "1", "ingest_batchDelay", "100ms")
	run(t, o, func(t *testing.T, w *world.World) {
		agent := settled(w)
		succeed(w)
		pass(2 * time.Minute)
		before := writes(w)
		var changed []string
		for _, a := range w.APIM.APIs()[4:12] {
			scope, rest, stage := partOf(a.ProviderID)
			if _, err := w.AWS.Redeploy(scope, rest, stage); err != nil {
				t.Fatal(err)
			}
			changed = append(changed, a.ProviderID)
		}
		slices.Sort(changed)
		job := startIngest(w)
		w.Await("some APIs to be sent", func() bool { return len(written(w, before)) >= 3 })
		agent.Crash()
		w.StartAgent()
		if job = ended(w, job); job.Status != apimsim.JobSuccess {
			t.Errorf("%+v", job)
		}
		if got := written(w, before); !slices.Equal(got, changed) {
			t.Errorf("%v were sent, want %v", got, changed)
		}
		healthy(t, w)
	})
}

// APIM acknowledges what belongs to a job that it does not have, and drops it. Where its answer to START_INGEST was cut
// off, an agent must not take such an answer for the truth, nor must the next one, which finds the job written down.
func TestWhatAPIMMayHaveDroppedIsSentAgain(t *testing.T) {
	for name, crashes := range map[string]bool{"the agent goes on": false, "the agent crashes": true} {
		t.Run(name, func(t *testing.T) {
			o := withREST(world.Options{AWS: withLatency(oneRegion(3, 1, 1))})
			o.APIM.Script = &apimsim.Script{Received: func(e apimsim.ReceivedEvent) apimsim.ReceivedFault {
				return apimsim.ReceivedFault{CutBefore: e.Type == "START_INGEST" && e.NthOfType == 2}
			}}
			run(t, o, func(t *testing.T, w *world.World) { sentAgainThoughDropped(t, w, crashes) })
		})
	}
}

func sentAgainThoughDropped(t *testing.T, w *world.World, crashes bool) {
	t.Helper()
	agent := w.Connected()
	succeed(w)
	pass(2 * time.Minute)
	var changed []string
	for _, a := range w.APIM.APIs() {
		scope, rest, stage := partOf(a.ProviderID)
		if _, err := w.AWS.Redeploy(scope, rest, stage); err != nil {
			t.Fatal(err)
		}
		changed = append(changed, a.ProviderID)
	}
	slices.Sort(changed)
	if _, err := w.APIM.StartIngest(t.Context(), world.Integration, nil); err == nil {
		t.Fatal("APIM has the job")
	}
	if crashes {
		pass(100 * time.Millisecond) // less than the agent takes to come back: the job is on the disk
		agent.Crash()
		w.StartAgent()
	}
	pass(2 * time.Minute)
	if len(w.APIM.ProblemsOf(apimsim.ProblemBatchDropped)) == 0 {
		t.Error("APIM was to drop what is sent")
	}
	before := writes(w)
	succeed(w)
	if got := written(w, before); !slices.Equal(got, changed) {
		t.Errorf("%v were sent, want %v", got, changed)
	}
}
