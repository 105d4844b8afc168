package acceptance

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// unlinkAll takes every plan's stages away.
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

func refusedIngest(t *testing.T, w *world.World, texts ...string) {
	t.Helper()
	job, err := w.APIM.StartIngest(context.Background(), world.Integration, nil)
	if err == nil {
		t.Fatalf("the ingest goes through: %+v", job)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}

func TestAMassRemovalOfPlansIsRefusedUntilAFreshListingAMinuteLaterShowsTheSame(t *testing.T) {
	for name, but := range map[string]int{"all of a target's": 0, "more than the share": 3} {
		t.Run(name, func(t *testing.T) {
			run(t, acceptAll(world.Options{}), func(t *testing.T, w *world.World) {
				w.Connected()
				succeed(w)
				before := plansOf(w)
				unlinkAll(t, w, uniform(), but)
				pass(2 * time.Minute)
				refusedIngest(t, w, "start the ingest again in a minute", "of 8 plans")
				pass(30 * time.Second)
				refusedIngest(t, w, "start the ingest again in a minute") // too early, though the listing would be reused
				if diff := cmp.Diff(before, plansOf(w)); diff != "" {
					t.Errorf("plans in APIM changed: %s", diff)
				}
				for _, c := range w.APIM.Commands() {
					if c.Type == "HEALTH_CHECK" && c.Outcome != "SUCCEEDED" {
						t.Errorf("a tripped guard must not make HEALTH_CHECK unhealthy: %+v", c)
					}
				}
				healthyBut(t, w, apimsim.ProblemStartFailed)
				pass(31 * time.Second)
				succeed(w)
				if got := plansOf(w); len(got) != but {
					t.Errorf("%d plans are left in APIM, want %d", len(got), but)
				}
				pass(2 * time.Minute)
				succeed(w) // what was accepted is no loss the next time
			})
		})
	}
}

func TestWhatWasAcceptedOfAPIsThatAreNotSentIsNoLossTheNextTime(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		unlinkAll(t, w, uniform(), 2)
		pass(2 * time.Minute)
		refusedIngest(t, w)
		pass(61 * time.Second)
		succeed(w)
		pass(2 * time.Minute)
		succeed(w)
		if n := w.Log.Count("in no usage plan any more"); n < 2 {
			t.Errorf("APIs that lost their last plan are named %d times, want in each ingest", n)
		}
	})
}

func TestAMassRemovalThatWasAMistakeOfAWSChangesNothing(t *testing.T) {
	run(t, acceptAll(world.Options{}), func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		before := plansOf(w)
		snapshot, err := w.AWS.Snapshot(uniform())
		if err != nil {
			t.Fatal(err)
		}
		unlinkAll(t, w, uniform(), 0)
		pass(2 * time.Minute)
		refusedIngest(t, w)
		for _, plan := range snapshot.UsagePlans {
			if err := w.AWS.PutUsagePlan(uniform(), plan); err != nil {
				t.Fatal(err)
			}
		}
		succeed(w)
		if diff := cmp.Diff(before, plansOf(w)); diff != "" {
			t.Errorf("plans in APIM changed: %s", diff)
		}
		healthyBut(t, w, apimsim.ProblemStartFailed)
	})
}

func TestALossThatGrowsMustBeSeenTwiceAsWellAndThenGoesThrough(t *testing.T) {
	run(t, acceptAll(world.Options{}), func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		unlinkAll(t, w, uniform(), 2)
		pass(2 * time.Minute)
		refusedIngest(t, w)
		unlinkAll(t, w, uniform(), 0)
		pass(2 * time.Minute)
		refusedIngest(t, w) // the last two were seen once
		pass(61 * time.Second)
		succeed(w)
		if got := plansOf(w); len(got) != 0 {
			t.Errorf("%d plans are left", len(got))
		}
	})
}

func TestAFewPlansThatAWSRemovedGoThroughAtOnce(t *testing.T) {
	run(t, acceptAll(world.Options{}), func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		unlinkAll(t, w, uniform(), 5)
		pass(2 * time.Minute)
		succeed(w)
		if got := plansOf(w); len(got) != 5 {
			t.Errorf("%d plans are left, want 5", len(got))
		}
	})
}

func TestTheGuardRemembersOverARestart(t *testing.T) {
	run(t, acceptAll(world.Options{}), func(t *testing.T, w *world.World) {
		agent := w.Connected()
		succeed(w)
		agent.Drain()
		unlinkAll(t, w, uniform(), 0)
		w.Connected()
		refusedIngest(t, w, "8 of 8")
	})
}

func TestWithoutRememberedPlansTheLogSaysThatTheGuardIsBlind(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		if w.Log.Count("a loss of plans in AWS goes unnoticed") != 1 {
			t.Error("the log does not say so")
		}
		succeed(w)
		agent.Drain()
		w.Connected()
		if w.Log.Count("a loss of plans in AWS goes unnoticed") != 1 {
			t.Error("it sees again, and the log says that it is blind")
		}
	})
}

// One target's confirmed loss waits for the other's: neither makes the other look new again.
func TestTwoTargetsThatLoseTheirPlansOneAfterTheOtherGoThroughInTheEnd(t *testing.T) {
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
		for _, region := range regions {
			unlinkAll(t, w, awssim.Scope{Account: awssim.UniformAccount(0), Region: region}, 0)
			pass(2 * time.Minute)
			refusedIngest(t, w, region)
			pass(2 * time.Minute)
		}
		succeed(w)
	})
}
