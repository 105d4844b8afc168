package acceptance

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// What was true at the ingest is not any more, without an ingest since. A key would be made that opens nothing.
func TestASUBSCRIBEWhoseKeyWouldOpenNothingIsRefusedBeforeAKeyIsMade(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world.World, api *apimsim.API, at awssim.Scope, rest, stage, plan string) error
		says   string
	}{
		"a stage leaves its plan": {func(w *world.World, _ *apimsim.API, at awssim.Scope, rest, stage, plan string) error {
			return w.AWS.Unlink(at, plan, rest, stage)
		}, "does not contain stage"},
		"the REST API is deleted": {func(w *world.World, _ *apimsim.API, at awssim.Scope, rest, _, _ string) error {
			return w.AWS.DeleteRestAPI(at, rest)
		}, "has no REST API"},
		"it is deleted, and the plan still names it": {
			func(w *world.World, _ *apimsim.API, at awssim.Scope, rest, stage, plan string) error {
				if err := w.AWS.DeleteRestAPI(at, rest); err != nil {
					return err
				}
				return w.AWS.Link(at, plan, rest, stage)
			}, "has no REST API"},
		"the usage plan is deleted": {func(w *world.World, _ *apimsim.API, at awssim.Scope, _, _, plan string) error {
			return w.AWS.DeleteUsagePlan(at, plan)
		}, "has no usage plan"},
		"an API that never was, in a plan that exists": {
			func(_ *world.World, api *apimsim.API, _ awssim.Scope, rest, _, _ string) error {
				api.ProviderID = strings.Replace(api.ProviderID, rest, "nosuchapi0", 1)
				return nil
			}, "has no REST API"},
		"a stage that never was, of an API that exists": {
			func(_ *world.World, api *apimsim.API, _ awssim.Scope, _, stage, _ string) error {
				api.ProviderID = strings.TrimSuffix(api.ProviderID, stage) + "nostage"
				return nil
			}, "does not contain stage nostage"},
		"a bare id whose stages leave the plan": {
			func(w *world.World, api *apimsim.API, at awssim.Scope, rest, _, plan string) error {
				api.ProviderID = rest
				return w.AWS.EditUsagePlan(at, plan, func(p *awssim.UsagePlan) { p.APIStages = nil })
			}, "does not contain any stage"},
	} {
		for mode, o := range map[string]world.Options{"": {}, ", APIs without plans too": acceptAll(world.Options{})} {
			t.Run(name+mode, func(t *testing.T) {
				run(t, o, func(t *testing.T, w *world.World) {
					agent, api := ingested(w)
					at, rest, stage := partOf(api.ProviderID)
					if status, key, _ := repeat(w, api, "sub-1"); status != apimsim.StatusSucceeded || invoke(w, api, key) != 200 {
						t.Fatalf("before: %s", status)
					}
					if err := c.change(w, &api, at, rest, stage, api.Plans[0].ProviderID); err != nil {
						t.Fatal(err)
					}
					reply, err := w.APIM.SendCommand(context.Background(), world.Integration, "SUBSCRIBE", map[string]any{
						"apiId": api.ProviderID, "subscription": map[string]any{
							"graviteeSubscriptionId": "sub-2", "metadata": map[string]string{"planId": api.Plans[0].ProviderID},
						},
					})
					if err != nil || reply.Status != apimsim.StatusError || !strings.Contains(reply.ErrorDetails, c.says) ||
						!strings.Contains(reply.ErrorDetails, "ingest again, then subscribe again") {
						t.Errorf("%v %s %q", err, reply.Status, reply.ErrorDetails)
					}
					if n := w.AWS.CallCount(awssim.OpCreateAPIKey); n != 1 || len(journal(t, agent)) != 1 {
						t.Errorf("%d CreateApiKey calls, journal %v", n, journal(t, agent))
					}
				})
			})
		}
	}
}

func TestASubscriptionCostsTheTwoListsAndItsTwoCallsAndThoseAtTheSameTimeShareTheLists(t *testing.T) {
	for mode, o := range map[string]world.Options{
		"in plans": {AWS: withLatency(oneRegion(20, 2, 4))}, "outside, too": acceptAll(world.Options{AWS: withLatency(oneRegion(20, 2, 4))}),
	} {
		t.Run(mode, func(t *testing.T) {
			run(t, o, func(t *testing.T, w *world.World) {
				_, api := ingested(w)
				for _, n := range []int64{1, 1, 20} { // the second right behind the first
					w.AWS.ResetCalls()
					together(int(n), func(int) { accepted(w, api) })
					got := map[string]int64{}
					for _, c := range w.AWS.Counts() {
						got[c.Operation] += c.Count
					}
					want := map[string]int64{
						awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1, awssim.OpCreateAPIKey: n, awssim.OpCreateUsagePlanKey: n,
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%d at once: %s", n, diff)
					}
				}
				keysAreSubscriptions(t, w)
			})
		})
	}
}

func TestASubscriptionDoesNotContinueTheListingOfStagesThatFailed(t *testing.T) {
	run(t, acceptAll(world.Options{AWS: oneRegion(40, 1, 1)}), func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		pass(2 * time.Minute)
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpGetStages, Fault: awssim.Answer(403, awssim.CodeAccessDenied, "no"),
		})
		if p := preview(w); !p.Partial {
			t.Fatalf("%d APIs", len(p.APIs))
		}
		w.AWS.Script().Clear()
		counts(w)
		accepted(w, api)
		if n := counts(w)[awssim.OpGetStages]; n != 0 {
			t.Errorf("a SUBSCRIBE cost %d GetStages", n)
		}
	})
}

func TestAListingThatFailsOrTakesTooLongRefusesNoSubscription(t *testing.T) {
	for name, c := range map[string]struct {
		fault awssim.Fault
		waits time.Duration
	}{
		"denied":    {awssim.Answer(403, awssim.CodeAccessDenied, "no"), time.Second},
		"throttled": {awssim.Throttling(0), 11 * time.Second},
		"hangs":     {awssim.Of(awssim.FaultHang), 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				_, api := ingested(w)
				w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetUsagePlans, Fault: c.fault})
				began := time.Now()
				sub := accepted(w, api)
				if took := time.Since(began); took > c.waits || invoke(w, api, sub.APIKey.Reveal()) != 200 {
					t.Errorf("it took %s", took)
				}
				if !w.Log.Has("level=WARN", "AWS was not listed in time to see whether the plan still contains the API", sub.ID) {
					t.Error("the log does not say that nothing was checked")
				}
				keysAreSubscriptions(t, w)
			})
		})
	}
}

func TestWhatTheStageFilterLeavesOutCanStillBeSubscribedTo(t *testing.T) {
	aws := oneRegion(1, 2, 1)
	links := aws.Estate.Accounts[0].Regions[0].UsagePlans[0].APIStages
	run(t, world.Options{AWS: aws, Settings: map[string]string{
		"gravitee_integration_providers_0_configuration_0_stage": links[0].Stage,
	}}, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		if len(w.APIM.APIs()) != 1 || len(links) != 2 {
			t.Fatalf("%d APIs of %d stages", len(w.APIM.APIs()), len(links))
		}
		api.ProviderID = strings.TrimSuffix(api.ProviderID, links[0].Stage) + links[1].Stage
		if status, key, _ := repeat(w, api, "sub-1"); status != apimsim.StatusSucceeded || invoke(w, api, key) != 200 {
			t.Errorf("%s", status)
		}
	})
}

// A listing that asks for the stages of 1,320 APIs takes minutes. Whoever asks meanwhile must not get its two lists as
// they were at its beginning.
func TestALongListingShowsPlansAsTheyAreNowAndKeepsItsStages(t *testing.T) {
	o := acceptAll(world.Options{AWS: withLatency(oneRegion(1320, 1, 2))})
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		link := o.AWS.Estate.Accounts[0].Regions[0].UsagePlans[0].APIStages[0]
		succeed(w, strings.Join([]string{uniform().Account, "eu-west-1", link.RestAPI, link.Stage}, ":"))
		api := w.APIM.APIs()[0]
		at, rest, stage := partOf(api.ProviderID)
		plan := api.Plans[0].ProviderID
		pass(2 * time.Minute)
		counts(w)
		if !preview(w).Partial {
			t.Fatal("the first preview is whole")
		}
		if err := w.AWS.Unlink(at, plan, rest, stage); err != nil {
			t.Fatal(err)
		}
		pass(30 * time.Second)
		if status, _, _ := repeat(w, api, "sub-1"); status != apimsim.StatusError {
			t.Errorf("the stage is in no plan any more: %s", status)
		}
		if err := w.AWS.Link(at, plan, rest, stage); err != nil {
			t.Fatal(err)
		}
		if status, _, _ := repeat(w, api, "sub-1"); status != apimsim.StatusSucceeded {
			t.Errorf("the stage is in its plan again: %s", status)
		}
		pass(150 * time.Second)
		for range 2 {
			p := preview(w)
			i := slices.IndexFunc(p.APIs, func(a apimsim.PreviewAPI) bool { return a.ID == api.ProviderID })
			if p.Partial || len(p.APIs) != 1320 || i < 0 {
				t.Errorf("%d APIs, partial %v", len(p.APIs), p.Partial)
			}
			repeat(w, api, "sub-2") // which lists, too, and keeps no stages from the next preview
		}
		if n := counts(w)[awssim.OpGetStages]; n != 1320 {
			t.Errorf("%d GetStages", n)
		}
	})
}
