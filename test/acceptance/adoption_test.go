package acceptance

import (
	"slices"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/members"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
	"federation-agent/test/world"
)

// sharing is a world with two replicas over one table, in the middle of an ingest that the first one serves.
func sharing(t *testing.T, test func(t *testing.T, w *world.World, first, second *world.Instance, job apimsim.Job)) {
	t.Helper()
	var seen ingests
	o := world.Options{
		APIM: apimsim.Options{Script: seen.script()},
		AWS:  awssim.Options{Estate: awssim.UniformEstate(awssim.UniformOptions{APIs: 300, StagesPerAPI: 1, Plans: 2})},
		Settings: map[string]string{
			"gravitee_agent_ingest_batchCount": "7", "gravitee_agent_discovery_listingMaxAge": "30s",
		},
	}
	run(t, o, func(t *testing.T, w *world.World) {
		model := tablesim.New(nil)
		start := func() *world.Instance {
			before := len(w.APIM.Agents())
			i := w.StartAgentWith(world.AgentOptions{Table: func(name string) table.Items { return model.Client(name) }})
			w.Await("the replica to be connected", func() bool { return len(w.APIM.Agents()) > before })
			return i
		}
		first, second := start(), start()
		pass(members.GoneAfter + members.RaiseEvery) // from then on each may take over what is the other's
		job := startIngest(w)
		w.Await("some APIs in APIM", func() bool { return len(w.APIM.APIs()) > 20 })
		test(t, w, first, second, job)
		done := 0
		for _, i := range seen.seen() {
			if i.Done {
				done++
			}
		}
		if done != 1 {
			t.Errorf("done was sent %d times", done)
		}
	})
}

// wholeInAPIM holds APIM to have each API with the plans that AWS has, by one job that has ended.
func wholeInAPIM(t *testing.T, w *world.World, left *world.Instance, job apimsim.Job) {
	t.Helper()
	if j := ended(w, job); j.Status != apimsim.JobSuccess {
		t.Errorf("job: %+v", j)
	}
	apis := w.APIM.APIs()
	if len(apis) != 300 {
		t.Errorf("APIM has %d APIs", len(apis))
	}
	for _, api := range apis {
		if got, want := plansInAPIM(w, api.ProviderID), plansInAWS(t, w, api.ProviderID); !slices.Equal(got, want) {
			t.Errorf("%s has plans %v in APIM, %v in AWS", api.ProviderID, got, want)
		}
	}
	pass(time.Minute)
	running, err := left.Table.Running(t.Context(), world.Integration)
	if err != nil || len(running) > 0 {
		t.Errorf("running: %+v, %v", running, err)
	}
}

func TestAReplicaGoesOnWithTheIngestOfOneThatIsGone(t *testing.T) {
	for how, goes := range map[string]func(*world.Instance){
		"crashed": func(i *world.Instance) { i.Crash() },
		"ended":   func(i *world.Instance) { i.Drain(); i.Stop() },
	} {
		t.Run(how, func(t *testing.T) {
			sharing(t, func(t *testing.T, w *world.World, first, second *world.Instance, job apimsim.Job) {
				goes(first)
				wholeInAPIM(t, w, second, job)
				if !w.Log.Has("going on with an ingest of a replica that is gone", job.ID) {
					t.Error("the log does not say who goes on")
				}
			})
		})
	}
}

// A list of plans that is old deletes newer plans in APIM, with their keys.
func TestAReplicaThatWasFrozenLeavesItsIngestToWhoGoesOnWithIt(t *testing.T) {
	sharing(t, func(t *testing.T, w *world.World, first, second *world.Instance, job apimsim.Job) {
		late := unsent(t, w)
		first.Gate.Freeze()
		part := strings.Split(late, ":")
		for _, plan := range []string{"p00000", "p00001"} {
			if err := w.AWS.Link(uniform(), plan, part[2], part[3]); err != nil &&
				!slices.Contains(plansInAWS(t, w, late), plan) {
				t.Fatal(err)
			}
		}
		w.Await("the other one to go on", func() bool { return w.Log.Has("going on with an ingest of a replica that is gone") })
		w.Await("it to send what is newer", func() bool { return len(plansInAPIM(w, late)) == 2 })
		first.Gate.Thaw()
		wholeInAPIM(t, w, second, job)
		if !w.Log.Has("another replica goes on with this ingest", job.ID) {
			t.Error("the log does not say that the frozen one left it")
		}
	})
}
