package acceptance

import (
	"slices"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/world"
)

// What APIM hears last counts: it deletes a plan, with its subscriptions, that an API does not come with.
func TestOfTwoIngestsTheOlderOneDoesNotSendAnAPILast(t *testing.T) {
	o := world.Options{
		AWS: awssim.Options{Estate: awssim.UniformEstate(awssim.UniformOptions{APIs: 300, StagesPerAPI: 1, Plans: 2})},
		Settings: map[string]string{
			"gravitee_agent_ingest_batchCount": "7", "gravitee_agent_discovery_listingMaxAge": "30s",
		},
	}
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		older := startIngest(w)
		pass(40 * time.Second)
		late := unsent(t, w)
		before := plansInAWS(t, w, late)
		part := strings.Split(late, ":")
		for _, plan := range []string{"p00000", "p00001"} {
			if err := w.AWS.Link(uniform(), plan, part[2], part[3]); err != nil && !slices.Contains(before, plan) {
				t.Fatal(err)
			}
		}
		after := plansInAWS(t, w, late)
		if len(before) != 1 || len(after) != 2 {
			t.Fatalf("%s is linked to %v, then to %v", late, before, after)
		}

		if job := w.Ingest(late); job.Status != apimsim.JobSuccess {
			t.Fatalf("the newer job: %+v", job)
		}
		if got := plansInAPIM(w, late); !slices.Equal(got, after) {
			t.Fatalf("after the newer job, APIM has plans %v, want %v", got, after)
		}
		if job, _ := w.APIM.Job(older.ID); job.Status != apimsim.JobPending {
			t.Fatalf("the older job has ended before: %+v", job)
		}
		if job := ended(w, older); job.Status != apimsim.JobSuccess {
			t.Errorf("the older job: %+v", job)
		}
		if got := plansInAPIM(w, late); !slices.Equal(got, after) {
			t.Errorf("APIM has plans %v, want %v", got, after)
		}
		sent, err := storetest.PlansOf(agent.Store, world.Integration)
		if err != nil || !slices.Equal(sent[late], after) {
			t.Errorf("remembered: %v (%v), want %v", sent[late], err, after)
		}
		if !w.Log.Has("level=INFO", "another ingest has sent APIs from a newer listing", "job="+older.ID, late) {
			t.Error("the log does not say that the older job leaves it")
		}
	})
}

// unsent is the id of an API that APIM does not have yet.
func unsent(t *testing.T, w *world.World) string {
	t.Helper()
	there := map[string]bool{}
	for _, api := range w.APIM.APIs() {
		there[api.ProviderID] = true
	}
	snapshot, err := w.AWS.Snapshot(uniform())
	if err != nil {
		t.Fatal(err)
	}
	for _, api := range slices.Backward(snapshot.RestAPIs) {
		id := uniform().Account + ":" + uniform().Region + ":" + api.ID + ":" + api.Stages[0].Name
		if !there[id] {
			return id
		}
	}
	t.Fatal("all APIs were sent already")
	return ""
}

// plansInAWS is the plans that AWS links to an API, plansInAPIM those that APIM has of it.
func plansInAWS(t *testing.T, w *world.World, id string) (plans []string) {
	t.Helper()
	snapshot, err := w.AWS.Snapshot(uniform())
	if err != nil {
		t.Fatal(err)
	}
	part := strings.Split(id, ":")
	for _, plan := range snapshot.UsagePlans {
		for _, link := range plan.APIStages {
			if link.RestAPI == part[2] && link.Stage == part[3] {
				plans = append(plans, plan.ID)
			}
		}
	}
	slices.Sort(plans)
	return plans
}

func plansInAPIM(w *world.World, id string) (plans []string) {
	for _, api := range w.APIM.APIs() {
		if api.ProviderID == id {
			for _, plan := range api.Plans {
				plans = append(plans, plan.ProviderID)
			}
		}
	}
	slices.Sort(plans)
	return plans
}
