package acceptance

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/world"
)

// unlinkAll takes every plan's stages away, but so many.
func unlinkAll(t *testing.T, w *world.World, scope awssim.Scope, but int) {
	t.Helper()
	snapshot, err := w.AWS.Snapshot(scope)
	if err != nil {
		t.Fatal(err)
	}
	for _, plan := range snapshot.UsagePlans {
		for _, link := range plan.APIStages {
			if but--; but >= 0 {
				continue
			}
			if err := w.AWS.Unlink(scope, plan.ID, link.RestAPI, link.Stage); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// relink puts all plans back as they were.
func relink(t *testing.T, w *world.World, scope awssim.Scope, before awssim.Region) {
	t.Helper()
	for _, plan := range before.UsagePlans {
		if err := w.AWS.PutUsagePlan(scope, plan); err != nil {
			t.Fatal(err)
		}
	}
}

// A deployment that makes plans anew must cost nobody a key, however few plans it is.
func TestPlansThatAreGoneAreDeletedInAPIMOnlyAfterASecondListing(t *testing.T) {
	for name, but := range map[string]int{"all": 0, "most": 3, "one": 7} {
		t.Run(name, func(t *testing.T) {
			run(t, acceptAll(world.Options{}), func(t *testing.T, w *world.World) {
				w.Connected()
				succeed(w)
				before := plansOf(w)
				pass(2 * time.Minute)
				unlinkAll(t, w, uniform(), but)
				for range 2 {
					succeed(w) // leaves the APIs out
					if diff := cmp.Diff(before, plansOf(w)); diff != "" {
						t.Errorf("plans in APIM changed: %s", diff)
					}
				}
				if !w.Log.Has("level=WARN", "AWS does not list plans any more", "without plan") {
					t.Error("the log does not name them")
				}
				healthy(t, w)
				calls := w.AWS.CallCount("")
				pass(4*time.Minute + 50*time.Second)
				if w.Log.Has("a second listing confirms") {
					t.Error("confirmed within five minutes")
				}
				pass(time.Minute)
				if !w.Log.Has("level=ERROR", "a second listing confirms") {
					t.Error("the agent did not list a second time by itself")
				}
				if n := w.AWS.CallCount("") - calls; n != 2 {
					t.Errorf("the second listing took %d calls, want 2", n)
				}
				if diff := cmp.Diff(before, plansOf(w)); diff != "" {
					t.Errorf("the second listing alone changed plans in APIM: %s", diff)
				}
				succeed(w)
				if got := plansOf(w); len(got) != but {
					t.Errorf("%d plans are left in APIM, want %d", len(got), but)
				}
				pass(10 * time.Minute)
				succeed(w)
				if n := w.Log.Count("AWS does not list plans any more"); n != 1 {
					t.Errorf("what was accepted counts as a loss again: %d", n)
				}
			})
		})
	}
}

func TestAConfirmedLossIsShownUntilAnIngestHasCarriedItOut(t *testing.T) {
	run(t, acceptAll(world.Options{}), func(t *testing.T, w *world.World) {
		agent := w.Connected()
		succeed(w)
		pass(2 * time.Minute)
		unlinkAll(t, w, uniform(), 0)
		succeed(w)
		pass(6 * time.Minute)
		held := func() []string { return agent.Board.Read().Integrations[0].Guard }
		if got := held(); len(got) == 0 || !strings.Contains(got[0], "(confirmed)") {
			t.Errorf("before the ingest: %q", got)
		}
		succeed(w)
		pass(time.Second)
		if got := held(); len(got) != 0 {
			t.Errorf("after it: %q", got)
		}
		agent.Drain()
		if got := w.Connected().Board.Read().Integrations[0].Guard; len(got) != 0 {
			t.Errorf("after a restart: %q", got)
		}
	})
}

func TestPlansThatAreBackByTheSecondListingWereNeverLost(t *testing.T) {
	run(t, acceptAll(world.Options{}), func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		sub := accepted(w, api)
		before := plansOf(w)
		snapshot, err := w.AWS.Snapshot(uniform())
		if err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Minute)
		unlinkAll(t, w, uniform(), 0)
		succeed(w)
		relink(t, w, uniform(), snapshot)
		pass(6 * time.Minute)
		if !w.Log.Has("plans that AWS did not list are there again") || w.Log.Has("a second listing confirms") {
			t.Error("the claim was not withdrawn")
		}
		succeed(w)
		if diff := cmp.Diff(before, plansOf(w)); diff != "" {
			t.Errorf("plans in APIM changed: %s", diff)
		}
		if status := invoke(w, api, sub.APIKey.Reveal()); status != 200 {
			t.Errorf("the key gives %d", status)
		}
	})
}

func TestALossThatGrowsMustBeSeenTwiceAsWell(t *testing.T) {
	run(t, acceptAll(world.Options{}), func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		before := plansOf(w)
		pass(2 * time.Minute)
		unlinkAll(t, w, uniform(), 2)
		succeed(w)
		pass(2 * time.Minute)
		unlinkAll(t, w, uniform(), 0)
		succeed(w)
		pass(4 * time.Minute) // the first ones are old enough by now
		succeed(w)
		got := plansOf(w)
		if len(got) == 0 || len(got) == len(before) {
			t.Errorf("%d plans are left, want those that were lost last", len(got))
		}
		pass(6 * time.Minute)
		succeed(w)
		if got := plansOf(w); len(got) != 0 {
			t.Errorf("%d plans are left", len(got))
		}
	})
}

func TestARestartBeginsTheFiveMinutesOfAClaimAgain(t *testing.T) {
	run(t, acceptAll(world.Options{}), func(t *testing.T, w *world.World) {
		agent := w.Connected()
		succeed(w)
		before := plansOf(w)
		pass(2 * time.Minute)
		unlinkAll(t, w, uniform(), 0)
		succeed(w)
		pass(4 * time.Minute)
		agent.Drain()
		w.Connected()
		pass(2 * time.Minute)
		succeed(w)
		if diff := cmp.Diff(before, plansOf(w)); diff != "" {
			t.Errorf("plans in APIM changed: %s", diff)
		}
		pass(4 * time.Minute)
		if !w.Log.Has("a second listing confirms") {
			t.Error("the claim was forgotten over the restart")
		}
		succeed(w)
		if got := plansOf(w); len(got) != 0 {
			t.Errorf("%d plans are left", len(got))
		}
	})
}

func TestAnOperatorMayAcceptALossAfterItWasNamed(t *testing.T) {
	o := acceptAll(world.Options{})
	o.Settings["gravitee_agent_ingest_acceptPlanRemovals"] = "true"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		before := plansOf(w)
		pass(2 * time.Minute)
		unlinkAll(t, w, uniform(), 0)
		succeed(w)
		if diff := cmp.Diff(before, plansOf(w)); diff != "" {
			t.Errorf("the first listing already changed plans in APIM: %s", diff)
		}
		pass(2 * time.Minute)
		succeed(w)
		if got := plansOf(w); len(got) != 0 {
			t.Errorf("%d plans are left", len(got))
		}
	})
}

func TestThatNoIngestIsRememberedAsksForNobodyAtAFirstStart(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		const normal, lost = "no earlier ingest is remembered, which is normal", "no earlier ingest is remembered, though"
		if !w.Log.Has("level=INFO", normal) || w.Log.Has("level=WARN", "no earlier ingest") {
			t.Errorf("a first start says\n%s", w.Log)
		}
		succeed(w)
		accepted(w, w.APIM.APIs()[0])
		agent.Drain()
		agent = w.Connected()
		if n := w.Log.Count("no earlier ingest"); n != 1 {
			t.Errorf("said %d times, though an ingest has ended", n)
		}
		sent, err := storetest.PlansOf(agent.Store, world.Integration)
		if err == nil {
			err = agent.Store.ForgetSent(t.Context(), world.Integration, slices.Collect(maps.Keys(sent)))
		}
		if err != nil {
			t.Fatal(err)
		}
		agent.Drain()
		w.Connected()
		if !w.Log.Has("level=WARN", lost) {
			t.Errorf("a start with keys and without plans says\n%s", w.Log)
		}
	})
}

// A claim of one target holds up no other.
func TestTwoTargetsLoseTheirPlansOneAfterTheOther(t *testing.T) {
	regions := []string{"eu-west-1", "us-east-1"}
	o := world.Options{
		Settings: map[string]string{"gravitee_integration_providers_0_configuration_region": strings.Join(regions, ",")},
		AWS: awssim.Options{
			Estate: awssim.UniformEstate(awssim.UniformOptions{Regions: regions, APIs: 2, StagesPerAPI: 2, Plans: 2}),
		},
	}
	run(t, acceptAll(o), func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		left := len(plansOf(w))
		for _, region := range regions {
			pass(2 * time.Minute)
			unlinkAll(t, w, awssim.Scope{Account: awssim.UniformAccount(0), Region: region}, 0)
			succeed(w)
			pass(6 * time.Minute)
			succeed(w)
			left /= 2
			if region == regions[1] {
				left = 0
			}
			if got := plansOf(w); len(got) != left {
				t.Errorf("after %s %d plans are left, want %d", region, len(got), left)
			}
		}
	})
}
