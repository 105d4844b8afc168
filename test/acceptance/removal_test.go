package acceptance

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/status"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/world"
)

const (
	opAPI       = "GET /apis/{apiId}"
	opUpdate    = "PUT /apis/{apiId}"
	opDelete    = "DELETE /apis/{apiId}"
	opSubscribe = "GET /apis/{apiId}/subscriptions"
)

// removing is an hourly world of some APIs, which the first round has brought to APIM and somebody has published.
func removing(
	t *testing.T, o world.Options, apis int, how string, test func(*testing.T, *world.World, *world.Instance, []apimsim.API),
	more ...string,
) {
	t.Helper()
	o.AWS.Estate = oneRegion(apis, 1, 1).Estate
	o = hourly(o, append([]string{"ingest_gone", how}, more...)...)
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		untilPast(10 * time.Minute)
		all := w.APIM.APIs()
		if len(all) != apis {
			t.Fatalf("%d APIs", len(all))
		}
		for _, a := range all {
			must(t, w.APIM.ChangeAPI(a.ID, func(a *apimsim.API) error {
				a.Lifecycle, a.Labels = apimsim.LifecyclePublished, []string{"mine"}
				return nil
			}))
		}
		test(t, w, agent, all)
		healthy(t, w)
	})
}

func deleteInAWS(t *testing.T, w *world.World, some ...apimsim.API) {
	t.Helper()
	for _, a := range some {
		scope, rest, _ := partOf(a.ProviderID)
		must(t, w.AWS.DeleteRestAPI(scope, rest))
	}
}

// lifecycles are APIM's states of some APIs, in their order, and "-" for those that it does not have.
func lifecycles(w *world.World, some ...apimsim.API) string {
	var all []string
	for _, a := range some {
		state := "-"
		if is, err := w.APIM.API(a.ID); err == nil {
			state = is.Lifecycle
		}
		all = append(all, state)
	}
	return strings.Join(all, "/")
}

func standsAs(t *testing.T, w *world.World, when, want string, some ...apimsim.API) {
	t.Helper()
	if got := lifecycles(w, some...); got != want {
		t.Errorf("%s: %s, want %s", when, got, want)
	}
}

func removalOf(t *testing.T, i *world.Instance) status.Removal {
	t.Helper()
	r := i.Board.Read().Integrations[0].Removal
	if r == nil {
		t.Fatal("the board has no removals")
	}
	return *r
}

func resultsOf(t *testing.T, i *world.Instance) string {
	t.Helper()
	r := removalOf(t, i).Results
	return fmt.Sprintf("%d removed, %d kept, %d failed", r[status.RemovalDone], r[status.RemovalKept], r[status.RemovalFailed])
}

func TestWhatAWSHasDeletedIsUnpublishedAfterASecondListing(t *testing.T) {
	removing(t, world.Options{}, 4, "unpublish", func(t *testing.T, w *world.World, agent *world.Instance, all []apimsim.API) {
		deleteInAWS(t, w, all[1])
		rest := 0
		untilPast(10 * time.Minute)
		requests(w, &rest)
		standsAs(t, w, "after one listing", "PUBLISHED/PUBLISHED/PUBLISHED/PUBLISHED", all...)
		if r := removalOf(t, agent); len(r.APIs) != 1 || r.APIs[0].ID != all[1].ProviderID ||
			!strings.Contains(r.APIs[0].Text, "the next scheduled round") {
			t.Errorf("%+v", r)
		}
		counts(w)
		untilPast(10 * time.Minute)
		standsAs(t, w, "after the second", "PUBLISHED/UNPUBLISHED/PUBLISHED/PUBLISHED", all...)
		want := map[string]int{opIntegration: 2, opList: 1, opAPI: 1, opSubscribe: 1, opUpdate: 1}
		if got := requests(w, &rest); !sameCounts(got, want) {
			t.Errorf("APIM was asked %v, want %v", got, want)
		}
		if got, want := counts(w), (map[string]int64{
			awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: 3,
		}); !sameCounts(got, want) {
			t.Errorf("AWS was asked %v, want %v", got, want)
		}
		is, err := w.APIM.API(all[1].ID)
		if err != nil || is.Name != all[1].Name || is.Description != all[1].Description || len(is.Labels) != 1 {
			t.Errorf("more than its state has changed: %+v %v", is, err)
		}
		if r := removalOf(t, agent); len(r.APIs) != 0 || r.Last == nil || r.Last.APIMID != all[1].ID {
			t.Errorf("%+v", r)
		}
		if !w.Log.Has("level=INFO", "the agent has unpublished an API in APIM", all[1].ProviderID, all[1].ID) {
			t.Error("the log does not say so")
		}
		untilPast(10 * time.Minute)
		if got := requests(w, &rest); !sameCounts(got, map[string]int{opIntegration: 1, opList: 1}) {
			t.Errorf("a round later, APIM was asked %v", got)
		}
		must(t, w.APIM.ChangeAPI(all[1].ID, func(a *apimsim.API) error { a.Lifecycle = apimsim.LifecyclePublished; return nil }))
		untilPast(10 * time.Minute)
		standsAs(t, w, "once a person has published it again", "PUBLISHED", all[1])
		if got := resultsOf(t, agent); got != "1 removed, 0 kept, 0 failed" {
			t.Error(got)
		}
	})
}

func TestWhatAWSHasDeletedIsDeletedOneByOneUnlessItHasSubscriptions(t *testing.T) {
	removing(t, world.Options{}, 4, "delete", func(t *testing.T, w *world.World, agent *world.Instance, all []apimsim.API) {
		accepted(w, all[0])
		must(t, w.APIM.ChangeAPI(all[2].ID, func(a *apimsim.API) error { a.Lifecycle = apimsim.LifecycleDeprecated; return nil }))
		deleteInAWS(t, w, all[0], all[1], all[2])
		untilPast(10 * time.Minute)
		untilPast(10 * time.Minute)
		standsAs(t, w, "after the second listing", "PUBLISHED/-/-/PUBLISHED", all...)
		if got := resultsOf(t, agent); got != "2 removed, 1 kept, 0 failed" {
			t.Error(got)
		}
		if r := removalOf(t, agent); len(r.APIs) != 1 || r.APIs[0].Text != "it stays: it has subscriptions: 1" {
			t.Errorf("%+v", r)
		}
		if !w.Log.Has("level=WARN", "APIs that AWS has deleted stay in APIM", all[0].ProviderID) {
			t.Error("the log does not name what stays")
		}
		sent, err := storetest.PlansOf(agent.Store, world.Integration)
		if _, known := sent[all[1].ProviderID]; err != nil || known || len(sent) != 2 {
			t.Errorf("the journal has %v, %v", sent, err)
		}
		must(t, w.APIM.ClosePlan(t.Context(), all[0].ID, all[0].Plans[0].ID)) // which ends the subscription
		untilPast(10 * time.Minute)
		standsAs(t, w, "once it has none", "-", all[0])
		if got := differs(driftOf(t, agent)); got != "1 gone" { // as it was when that round looked
			t.Errorf("the report says %q", got)
		}
	})
}

// A paused one has a key in AWS that works; of one that is over nothing is left.
func TestWhatHasAPausedSubscriptionStaysAndWhatHadOneDoesNot(t *testing.T) {
	removing(t, world.Options{}, 3, "delete", func(t *testing.T, w *world.World, agent *world.Instance, all []apimsim.API) {
		must(t, w.APIM.Pause(accepted(w, all[0]).ID))
		must(t, w.APIM.Unsubscribe(t.Context(), accepted(w, all[1]).ID))
		deleteInAWS(t, w, all[0], all[1])
		untilPast(10 * time.Minute)
		untilPast(10 * time.Minute)
		standsAs(t, w, "after the second listing", "PUBLISHED/-/PUBLISHED", all...)
		if got := resultsOf(t, agent); got != "1 removed, 1 kept, 0 failed" {
			t.Error(got)
		}
	})
}

func TestIfAskedForAlsoWhatHasSubscriptionsIsDeletedWithItsKeys(t *testing.T) {
	removing(t, world.Options{}, 2, "delete", func(t *testing.T, w *world.World, agent *world.Instance, all []apimsim.API) {
		accepted(w, all[0])
		deleteInAWS(t, w, all[0])
		untilPast(10 * time.Minute)
		untilPast(10 * time.Minute)
		standsAs(t, w, "after the second listing", "-/PUBLISHED", all...)
		if got := w.AWS.CallCount(awssim.OpDeleteAPIKey); got != 1 {
			t.Errorf("%d keys were deleted", got)
		}
	}, "ingest_goneWithSubscriptions", "true")
}

func TestIfTooManyAreGoneNoneIsTouched(t *testing.T) {
	for _, how := range []string{"unpublish", "delete"} {
		t.Run(how, func(t *testing.T) {
			removing(t, world.Options{}, 6, how, func(t *testing.T, w *world.World, agent *world.Instance, all []apimsim.API) {
				deleteInAWS(t, w, all[:2]...)
				untilPast(10 * time.Minute)
				deleteInAWS(t, w, all[2]) // of this one, one listing must be enough to hold the others back
				untilPast(10 * time.Minute)
				untilPast(10 * time.Minute)
				standsAs(t, w, "with three gone", "PUBLISHED/PUBLISHED/PUBLISHED/PUBLISHED/PUBLISHED/PUBLISHED", all...)
				if r := removalOf(t, agent); !strings.Contains(r.Refused, "3 are gone, and agent.ingest.goneAtMost is 2") {
					t.Errorf("%+v", r)
				}
				if !w.Log.Has("level=ERROR", "agent.ingest.goneAtMost", "apis=3") {
					t.Error("the log does not ask for somebody")
				}
			}, "ingest_goneAtMost", "2")
		})
	}
}

// What is hidden already must not count for ever: not in this process, and not in the next one, which has not hidden it.
// The removal waits for an ingest, and meanwhile a deployment has made the stage anew.
func TestAStageThatIsBackWhileTheRemovalWaitsIsNotRemoved(t *testing.T) {
	slow := false
	o := storing(&slow, 2*time.Minute)
	removing(t, o, 3, "delete", func(t *testing.T, w *world.World, _ *world.Instance, all []apimsim.API) {
		scope, rest, stage := partOf(all[0].ProviderID)
		plan := planOf(t, w, all[0])
		var was awssim.RestAPI
		must(t, w.AWS.Unlink(scope, plan, rest, stage))
		must(t, w.AWS.EditRestAPI(scope, rest, func(a *awssim.RestAPI) { was = *a; a.Stages = nil }))
		untilPast(10 * time.Minute)
		_, other, of := partOf(all[1].ProviderID)
		_, err := w.AWS.Redeploy(scope, other, of)
		must(t, err)
		slow = true
		untilPast(time.Minute)
		must(t, w.AWS.EditRestAPI(scope, rest, func(a *awssim.RestAPI) { a.Stages = was.Stages }))
		must(t, w.AWS.Link(scope, plan, rest, stage))
		pass(time.Minute)
		startIngest(w) // somebody's, which lists AWS anew
		pass(30 * time.Minute)
		standsAs(t, w, "once "+stage+" is back", "PUBLISHED/PUBLISHED/PUBLISHED", all...)
	})
}

func TestWhatIsHiddenDoesNotCountForTheBound(t *testing.T) {
	removing(t, world.Options{}, 6, "unpublish", func(t *testing.T, w *world.World, agent *world.Instance, all []apimsim.API) {
		deleteInAWS(t, w, all[:2]...)
		untilPast(10 * time.Minute)
		untilPast(10 * time.Minute)
		deleteInAWS(t, w, all[2])
		untilPast(10 * time.Minute)
		untilPast(10 * time.Minute)
		standsAs(t, w, "the third", "UNPUBLISHED/UNPUBLISHED/UNPUBLISHED/PUBLISHED", all[:4]...)
		agent.Stop()
		agent = w.StartAgent()
		deleteInAWS(t, w, all[3])
		untilPast(10 * time.Minute)
		untilPast(10 * time.Minute)
		standsAs(t, w, "the fourth", "UNPUBLISHED/UNPUBLISHED/UNPUBLISHED/UNPUBLISHED/PUBLISHED", all[:5]...)
		if r := removalOf(t, agent); r.Refused != "" || len(r.APIs) != 0 {
			t.Errorf("%+v", r)
		}
	}, "ingest_goneAtMost", "2")
}

func TestOnlyAStageThatAWSDoesNotHaveIsRemoved(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *world.World, apimsim.API)
		want   string
	}{
		"its stage is deleted": {func(t *testing.T, w *world.World, a apimsim.API) {
			scope, rest, stage := partOf(a.ProviderID)
			must(t, w.AWS.Unlink(scope, planOf(t, w, a), rest, stage))
			must(t, w.AWS.DeleteStage(scope, rest, stage))
		}, "-"},
		"it is in no usage plan": {func(t *testing.T, w *world.World, a apimsim.API) {
			scope, rest, stage := partOf(a.ProviderID)
			must(t, w.AWS.Unlink(scope, planOf(t, w, a), rest, stage))
		}, "PUBLISHED"},
		"its stages cannot be listed": {func(t *testing.T, w *world.World, a apimsim.API) {
			scope, rest, stage := partOf(a.ProviderID)
			must(t, w.AWS.Unlink(scope, planOf(t, w, a), rest, stage))
			must(t, w.AWS.DeleteStage(scope, rest, stage))
			w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetStages, Fault: awssim.Throttling(0)})
		}, "PUBLISHED"},
		"its account cannot be listed": {func(t *testing.T, w *world.World, a apimsim.API) {
			deleteInAWS(t, w, a)
			w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetRestAPIs, Fault: awssim.Throttling(0)})
		}, "PUBLISHED"},
	} {
		t.Run(name, func(t *testing.T) {
			removing(t, world.Options{}, 3, "delete", func(t *testing.T, w *world.World, _ *world.Instance, all []apimsim.API) {
				c.change(t, w, all[1])
				untilPast(10 * time.Minute)
				untilPast(10 * time.Minute)
				untilPast(30 * time.Minute)
				standsAs(t, w, "three rounds later", "PUBLISHED/"+c.want+"/PUBLISHED", all...)
			})
		})
	}
}

func TestWhatAFilterLeavesOutIsNotRemoved(t *testing.T) {
	removing(t, world.Options{}, 3, "delete", func(t *testing.T, w *world.World, agent *world.Instance, all []apimsim.API) {
		agent.Stop()
		w.StartAgentWith(world.AgentOptions{Settings: map[string]string{
			"gravitee_integration_providers_0_configuration_filter_excludeApis": all[1].Name,
		}})
		untilPast(10 * time.Minute)
		untilPast(10 * time.Minute)
		standsAs(t, w, "two rounds later", "PUBLISHED/PUBLISHED/PUBLISHED", all...)
	})
}

func TestARestartBetweenTheListingsBeginsAnew(t *testing.T) {
	removing(t, world.Options{}, 2, "delete", func(t *testing.T, w *world.World, agent *world.Instance, all []apimsim.API) {
		deleteInAWS(t, w, all[0])
		untilPast(10 * time.Minute)
		agent.Stop()
		w.StartAgent()
		untilPast(10 * time.Minute)
		standsAs(t, w, "one listing of the new process", "PUBLISHED/PUBLISHED", all...)
		untilPast(10 * time.Minute)
		standsAs(t, w, "two listings of it", "-/PUBLISHED", all...)
	})
}

// A deployment that deletes a stage and makes it anew.
func TestAStageThatIsBackIsNotRemoved(t *testing.T) {
	removing(t, world.Options{}, 2, "delete", func(t *testing.T, w *world.World, _ *world.Instance, all []apimsim.API) {
		scope, rest, stage := partOf(all[0].ProviderID)
		var was awssim.RestAPI
		must(t, w.AWS.EditRestAPI(scope, rest, func(a *awssim.RestAPI) { was = *a; a.Stages = nil }))
		untilPast(10 * time.Minute)
		must(t, w.AWS.EditRestAPI(scope, rest, func(a *awssim.RestAPI) { a.Stages = was.Stages }))
		untilPast(10 * time.Minute)
		untilPast(10 * time.Minute)
		standsAs(t, w, "two rounds after "+stage+" is back", "PUBLISHED/PUBLISHED", all...)
	})
}

func TestOneFailureStopsNoOther(t *testing.T) {
	var failing string
	o := world.Options{}
	o.APIM.Script = &apimsim.Script{REST: func(r apimsim.RESTRequest) (fault apimsim.RESTFault) {
		if failing != "" && r.Operation == opDelete && r.Subject == failing {
			fault.Status = http.StatusServiceUnavailable
		}
		return fault
	}}
	removing(t, o, 4, "delete", func(t *testing.T, w *world.World, agent *world.Instance, all []apimsim.API) {
		deleteInAWS(t, w, all[:3]...)
		failing = all[1].ID
		untilPast(10 * time.Minute)
		untilPast(10 * time.Minute)
		standsAs(t, w, "with one that fails", "-/PUBLISHED/-/PUBLISHED", all...)
		if got := resultsOf(t, agent); got != "2 removed, 0 kept, 1 failed" {
			t.Error(got)
		}
		if !w.Log.Has("level=WARN", "could not be removed from APIM", all[1].ProviderID, "503") {
			t.Error("the log does not say so")
		}
		failing = ""
		untilPast(10 * time.Minute)
		standsAs(t, w, "the next round", "-/-/-/PUBLISHED", all...)
	})
}

// An API that a person has ingested is none that the token's account may delete, however often it tries.
func TestARemovalThatIsRefusedForGoodAsksForSomebody(t *testing.T) {
	refusing := true
	o := world.Options{}
	o.APIM.Script = &apimsim.Script{REST: func(r apimsim.RESTRequest) (fault apimsim.RESTFault) {
		if refusing && r.Operation == opDelete {
			fault.Status = http.StatusForbidden
		}
		return fault
	}}
	removing(t, o, 4, "delete", func(t *testing.T, w *world.World, agent *world.Instance, all []apimsim.API) {
		deleteInAWS(t, w, all[0])
		untilPast(10 * time.Minute)
		untilPast(10 * time.Minute)
		const end = "APIM says the same of an id that it does not know"
		if !w.Log.Has("level=ERROR", "could not be removed from APIM", all[0].ProviderID, "cause=forbidden", end+`"`) {
			t.Error("the log does not say so, with the whole remedy")
		}
		refused := func() bool {
			return slices.ContainsFunc(removalOf(t, agent).APIs, func(n status.RemovalNote) bool {
				return n.Refused && n.ID == all[0].ProviderID && strings.HasSuffix(n.Text, end)
			})
		}
		if !refused() {
			t.Error("the status does not say so")
		}
		refusing = false
		untilPast(10 * time.Minute)
		if refused() {
			t.Error("the status says so after it was removed")
		}
	})
}

func TestAnAPIOfAnotherIntegrationIsNeverRemoved(t *testing.T) {
	removing(t, world.Options{}, 2, "delete", func(t *testing.T, w *world.World, agent *world.Instance, all []apimsim.API) {
		deleteInAWS(t, w, all[0])
		w.APIM.AddAPI(apimsim.API{
			ID: "foreign-1", IntegrationID: world.Integration, ProviderID: "arn:x", Name: "Of another agent", Version: "1",
		})
		untilPast(10 * time.Minute)
		untilPast(10 * time.Minute)
		if _, err := w.APIM.API("foreign-1"); err != nil || lifecycles(w, all...) != "-/PUBLISHED" {
			t.Errorf("%v, %s", err, lifecycles(w, all...))
		}
		if got := resultsOf(t, agent); got != "1 removed, 0 kept, 0 failed" {
			t.Error(got)
		}
	})
}

func TestNothingIsRemovedWhileAnIngestRunsOrByAnAgentThatIsNotThePrimary(t *testing.T) {
	slow := false
	o := storing(&slow, 4*time.Minute)
	removing(t, o, 3, "delete", func(t *testing.T, w *world.World, _ *world.Instance, all []apimsim.API) {
		second := w.StartAgentWith(world.AgentOptions{Disk: &storetest.Model{}})
		deleteInAWS(t, w, all[0])
		untilPast(10 * time.Minute)
		scope, rest, stage := partOf(all[1].ProviderID)
		_, err := w.AWS.Redeploy(scope, rest, stage)
		must(t, err)
		slow = true
		untilPast(time.Minute)
		if jobs := w.APIM.Jobs(); jobs[len(jobs)-1].Status != apimsim.JobPending {
			t.Fatalf("no ingest runs: %+v", jobs[len(jobs)-1])
		}
		standsAs(t, w, "while the round's ingest runs", "PUBLISHED/PUBLISHED/PUBLISHED", all...)
		pass(30 * time.Minute)
		standsAs(t, w, "after it", "-/PUBLISHED/PUBLISHED", all...)
		if got := resultsOf(t, second); got != "0 removed, 0 kept, 0 failed" {
			t.Errorf("the second agent: %s", got)
		}
	})
}

// storing is an APIM that takes so long to store a batch, while it is slow.
func storing(slow *bool, delay time.Duration) (o world.Options) {
	o.APIM.Script = &apimsim.Script{Ingest: func(apimsim.IngestEvent) (fault apimsim.IngestFault) {
		if *slow {
			fault.StoreDelay = delay
		}
		return fault
	}}
	return o
}
