package acceptance

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

func TestAPreviewOf600APIsInPlansCostsTheListingsPagesAndNothingElse(t *testing.T) {
	run(t, world.Options{AWS: withLatency(oneRegion(600, 3, 20))}, func(t *testing.T, w *world.World) {
		w.Connected()
		p := preview(w)
		if len(p.APIs) != 1800 || p.Partial {
			t.Errorf("%d APIs, partial %v", len(p.APIs), p.Partial)
		}
		want := map[string]int64{awssim.OpGetRestAPIs: 2, awssim.OpGetUsagePlans: 1, awssim.OpGetCallerIdentity: 1}
		if diff := cmp.Diff(want, counts(w)); diff != "" {
			t.Error(diff)
		}
		pass(2 * time.Minute)
		preview(w)
		delete(want, awssim.OpGetCallerIdentity) // once per start
		if diff := cmp.Diff(want, counts(w)); diff != "" {
			t.Errorf("the second: %s", diff)
		}
		healthy(t, w)
	})
}

func TestARoleARNSaysTheAccountWithoutACallToSTS(t *testing.T) {
	o := world.Options{Settings: map[string]string{
		"gravitee_integration_providers_0_configuration_roleArn": awssim.UniformRoleARN(0),
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		preview(w)
		if n := counts(w)[awssim.OpGetCallerIdentity]; n != 0 {
			t.Errorf("%d GetCallerIdentity", n)
		}
	})
}

func TestAnIngestAsksOneGetStagesAnAPIAndExportsOnlyWhatChanged(t *testing.T) {
	run(t, world.Options{AWS: withLatency(oneRegion(60, 3, 5))}, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		listings := map[string]int64{awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: 60}
		first := counts(w)
		if first[awssim.OpGetExport] != 180 || first[awssim.OpGetStages] != 60 {
			t.Errorf("the first: %v", first)
		}
		pass(2 * time.Minute)
		succeed(w)
		if diff := cmp.Diff(listings, counts(w)); diff != "" {
			t.Errorf("nothing changed: %s", diff)
		}
		for _, id := range providerIDs(w)[:5] {
			scope, api, stage := partOf(id)
			if _, err := w.AWS.Redeploy(scope, api, stage); err != nil {
				t.Fatal(err)
			}
		}
		pass(2 * time.Minute)
		succeed(w)
		listings[awssim.OpGetExport] = 5
		if diff := cmp.Diff(listings, counts(w)); diff != "" {
			t.Errorf("5 redeployed: %s", diff)
		}
		healthy(t, w)
	})
}

func TestAStageThatIsRedeployedWhileItIsExportedAndThenRolledBackShowsTheRightDocument(t *testing.T) {
	var redeploy atomic.Pointer[func()]
	o := world.Options{AWS: oneRegion(1, 1, 1)}
	o.AWS.Faults = func(e awssim.Event) awssim.Fault {
		if r := redeploy.Load(); e.Operation == awssim.OpGetExport && e.N == 1 && r != nil {
			(*r)()
		}
		return awssim.Fault{}
	}
	run(t, o, func(t *testing.T, w *world.World) {
		const api, stage = "a000000000", "dev"
		const rolledBack = "d00000"
		var meanwhile string
		hit := func() { meanwhile, _ = w.AWS.Redeploy(uniform(), api, stage) }
		redeploy.Store(&hit)
		w.Connected()
		succeed(w)
		document := func() string {
			t.Helper()
			pages := w.APIM.APIs()[0].Pages
			if len(pages) != 1 {
				t.Fatalf("%d pages", len(pages))
			}
			return pages[0].Content
		}
		if !strings.Contains(document(), meanwhile) || meanwhile == "" {
			t.Fatalf("deployment %q is not in the document: nothing was redeployed in time", meanwhile)
		}
		pass(2 * time.Minute)
		if err := w.AWS.PutStage(uniform(), api, awssim.Stage{Name: stage, DeploymentID: rolledBack}); err != nil {
			t.Fatal(err)
		}
		succeed(w)
		if got := document(); !strings.Contains(got, rolledBack) || strings.Contains(got, meanwhile) {
			t.Errorf("the stage is back at deployment %s, and APIM shows %s", rolledBack, meanwhile)
		}
	})
}

func TestAnIngestRightAfterAPreviewReusesItsListing(t *testing.T) {
	for name, c := range map[string]struct {
		wait time.Duration
		want int64
	}{"within the minute": {50 * time.Second, 1}, "later": {70 * time.Second, 2}} {
		t.Run(name, func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				w.Connected()
				preview(w)
				pass(c.wait)
				succeed(w)
				got := counts(w)
				if got[awssim.OpGetRestAPIs] != c.want || got[awssim.OpGetUsagePlans] != c.want {
					t.Errorf("calls: %v, want %d listings", got, c.want)
				}
			})
		})
	}
}

func TestAPreviewListsAgainHoweverYoungAListingIs(t *testing.T) {
	for mode, c := range map[string]struct {
		o                  world.Options
		calls, minuteLater map[string]int64
	}{
		"in plans": {
			world.Options{}, map[string]int64{awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1},
			map[string]int64{awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1},
		},
		"outside, too: stages are asked for once a minute": {
			acceptAll(world.Options{}), map[string]int64{awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: 1},
			map[string]int64{awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: 6},
		},
	} {
		t.Run(mode, func(t *testing.T) {
			run(t, c.o, func(t *testing.T, w *world.World) {
				w.Connected()
				before := len(preview(w).APIs)
				counts(w)
				for n := range 2 {
					id := fmt.Sprintf("new%d", n)
					api := awssim.RestAPI{ID: id, Name: id, Stages: []awssim.Stage{{Name: "prod", DeploymentID: "d1"}}}
					if err := w.AWS.PutRestAPI(uniform(), api); err != nil {
						t.Fatal(err)
					}
					plan := awssim.UsagePlan{ID: id, Name: id, APIStages: []awssim.APIStage{{RestAPI: id, Stage: "prod"}}}
					if err := w.AWS.PutUsagePlan(uniform(), plan); err != nil {
						t.Fatal(err)
					}
					pass(10 * time.Second)
					if p := preview(w); p.Partial || len(p.APIs) != before+n+1 {
						t.Errorf("%d APIs, want %d", len(p.APIs), before+n+1)
					}
					if diff := cmp.Diff(c.calls, counts(w)); diff != "" {
						t.Error(diff)
					}
				}
				pass(10 * time.Second)
				succeed(w)
				if got := counts(w); got[awssim.OpGetUsagePlans] != 0 {
					t.Errorf("the ingest behind them: %v", got)
				}
				if !w.Log.Has("an earlier listing is used again", "age=10s") {
					t.Error("the log does not say how old the ingest's listing is")
				}
				pass(40 * time.Second) // the last previews' stages are those of the first
				preview(w)
				if diff := cmp.Diff(c.minuteLater, counts(w)); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestAnIngestOfAFewAPIsAsksOnlyForWhatTheseNeed(t *testing.T) {
	t.Run("in plans: other regions are not listed", func(t *testing.T) {
		run(t, twoRegions(world.Options{}), func(t *testing.T, w *world.World) {
			w.Connected()
			all := preview(w)
			pass(2 * time.Minute)
			counts(w)
			id := all.APIs[0].ID
			succeed(w, id)
			want := map[string]int64{
				awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: 1, awssim.OpGetExport: 1,
			}
			if diff := cmp.Diff(want, counts(w)); diff != "" {
				t.Error(diff)
			}
			if got := providerIDs(w); len(got) != 1 || got[0] != id {
				t.Errorf("APIM has %v", got)
			}
			healthy(t, w)
		})
	})
	t.Run("outside plans: other APIs' stages are not asked for", func(t *testing.T) {
		run(t, acceptAll(world.Options{AWS: oneRegion(30, 2, 0)}), func(t *testing.T, w *world.World) {
			w.Connected()
			all := preview(w)
			pass(2 * time.Minute)
			counts(w)
			succeed(w, all.APIs[0].ID, all.APIs[1].ID)
			want := map[string]int64{
				awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: 1, awssim.OpGetExport: 2,
			}
			if diff := cmp.Diff(want, counts(w)); diff != "" {
				t.Error(diff)
			}
			healthy(t, w)
		})
	})
}

func TestCommandsAtTheSameTimeShareListingsAndGetStages(t *testing.T) {
	o := acceptAll(world.Options{AWS: withLatency(oneRegion(20, 2, 4))})
	o.Settings["gravitee_integration_providers_0_configuration_acceptApiWithoutUsagePlan"] = "false"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		var jobs [2]apimsim.Job
		together(3, func(n int) {
			if n == 2 {
				preview(w)
				return
			}
			jobs[n] = startIngest(w)
		})
		for _, job := range jobs {
			if got := ended(w, job); got.Status != apimsim.JobSuccess || got.Ingested != 40 {
				t.Errorf("job: %+v", got)
			}
		}
		got := counts(w)
		if got[awssim.OpGetRestAPIs] != 1 || got[awssim.OpGetUsagePlans] != 1 {
			t.Errorf("listings are not shared: %v", got)
		}
		// Both jobs go at their own pace: what one asks for after the other has its answer is asked again.
		if got[awssim.OpGetExport] != 40 || got[awssim.OpGetStages] >= 40 {
			t.Errorf("got %v", got)
		}
		healthy(t, w)
	})
}

func TestAPreviewOf1320APIsOutsidePlansIsPartialAtFirstAndCompleteFourMinutesLater(t *testing.T) {
	for name, after := range map[string]time.Duration{
		"four minutes": 4 * time.Minute, "five and a half minutes": 330 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			run(t, acceptAll(world.Options{AWS: withLatency(oneRegion(1320, 1, 0))}), func(t *testing.T, w *world.World) {
				w.Connected()
				began := time.Now()
				first := preview(w)
				if took := time.Since(began); took > 50*time.Second || !first.Partial {
					t.Errorf("the first took %s, partial %v", took, first.Partial)
				}
				pass(after - time.Since(began))
				second := preview(w)
				if second.Partial || len(second.APIs) != 1320 {
					t.Errorf("the second: %d APIs, partial %v", len(second.APIs), second.Partial)
				}
				if n := counts(w)[awssim.OpGetStages]; n != 1320 {
					t.Errorf("%d GetStages: the second must not start over", n)
				}
				healthy(t, w)
			})
		})
	}
}

func TestAPreviewStaysBelowNinetyPercentOfTheMessageLimitAndSaysWhatIsMissing(t *testing.T) {
	t.Run("13,200 stages fit", func(t *testing.T) {
		o := world.Options{AWS: oneRegion(1320, 10, 5)}
		largest := largestOf(&o, "t:REPLY;;")
		run(t, o, func(t *testing.T, w *world.World) {
			w.Connected()
			p := preview(w)
			if len(p.APIs) != 13200 || p.Partial || *largest > 13_107_200*9/10 {
				t.Errorf("%d APIs in %d bytes, partial %v", len(p.APIs), *largest, p.Partial)
			}
			healthy(t, w)
		})
	})
	for version, says := range map[string]bool{"4.4": false, "": true} { // LIST has no field for it
		t.Run("what does not fit makes it partial; APIM "+version, func(t *testing.T) {
			o := world.Options{AWS: oneRegion(300, 3, 5), Settings: map[string]string{
				"gravitee_integration_connector_ws_maxWebSocketMessageSize": "65536", "gravitee_agent_ingest_batchBytes": "32768",
			}}
			o.APIM.Version = version
			largest := largestOf(&o, "t:REPLY;;")
			run(t, o, func(t *testing.T, w *world.World) {
				w.Connected()
				p := preview(w)
				if p.Partial != says || len(p.APIs) < 100 || len(p.APIs) == 900 || *largest > 65536*9/10 ||
					*largest < 65536*88/100 {
					t.Errorf("%d APIs in %d bytes, partial %v", len(p.APIs), *largest, p.Partial)
				}
				healthy(t, w)
			})
		})
	}
}

func TestAFailedTargetIsLeftOutTheOthersGoAndTheJobIsNoSuccess(t *testing.T) {
	run(t, twoRegions(world.Options{}), func(t *testing.T, w *world.World) {
		if err := w.AWS.SetDisabled(awssim.Scope{Account: awssim.UniformAccount(0), Region: "us-east-1"}, true); err != nil {
			t.Fatal(err)
		}
		w.Connected()
		if p := preview(w); !p.Partial || len(p.APIs) != 8 {
			t.Errorf("%d APIs, partial %v", len(p.APIs), p.Partial)
		}
		job := incomplete(w)
		if job.Total != 8 || job.Ingested != 8 || len(w.APIM.APIs()) != 8 {
			t.Errorf("job %+v, %d APIs", job, len(w.APIM.APIs()))
		}
		if !w.Log.Has("level=ERROR", "a target could not be listed", "us-east-1") ||
			!w.Log.Has("level=ERROR", "the ingest failed", "us-east-1 could not be listed", "sent=8") {
			t.Error("the log does not name it")
		}
		healthy(t, w)
	})
}

func TestWhenNothingCanBeListedPreviewAndIngestAreRefusedNotEmpty(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpGetUsagePlans, Fault: awssim.Answer(403, awssim.CodeAccessDenied, "no"),
		})
		w.Connected()
		if p, err := w.APIM.Preview(context.Background(), world.Integration); err == nil {
			t.Errorf("preview: %+v", p)
		}
		if job, err := w.APIM.StartIngest(context.Background(), world.Integration, nil); err == nil {
			t.Errorf("ingest: %+v", job)
		}
	})
}

func TestAPageThatFailsNeverLooksLikeNoPlans(t *testing.T) {
	for name, fault := range map[string]awssim.Fault{
		"throttled":      awssim.Throttling(0),
		"5xx":            awssim.Unavailable(),
		"answer cut off": awssim.Truncate(40),
		"denied":         awssim.Answer(403, awssim.CodeAccessDenied, "not allowed"),
	} {
		t.Run(name, func(t *testing.T) {
			// 600 plans are two pages; the second fails. Each stage is in six of them.
			aws := oneRegion(50, 2, 600)
			plans := aws.Estate.Accounts[0].Regions[0].UsagePlans
			for n := 100; n < len(plans); n++ {
				plans[n].APIStages = plans[n%100].APIStages
			}
			run(t, acceptAll(world.Options{AWS: aws}), func(t *testing.T, w *world.World) {
				w.Connected()
				succeed(w)
				before := plansOf(w)
				if len(before) != 600 {
					t.Fatalf("%d plans", len(before))
				}
				w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetUsagePlans, Skip: 1, Fault: fault})
				pass(2 * time.Minute)
				job, err := w.APIM.StartIngest(context.Background(), world.Integration, nil)
				if err == nil {
					ended(w, job)
				}
				w.AWS.Script().Clear()
				if diff := cmp.Diff(before, plansOf(w)); diff != "" {
					t.Errorf("plans in APIM changed: %s", diff)
				}
				if deleted := w.APIM.ProblemsOf(apimsim.ProblemPlanDeleted); len(deleted) > 0 {
					t.Errorf("%d plans deleted", len(deleted))
				}
			})
		})
	}
}

// plansOf is every plan in APIM.
func plansOf(w *world.World) map[string]bool {
	got := map[string]bool{}
	for _, api := range w.APIM.APIs() {
		for _, p := range api.Plans {
			got[api.ProviderID+" "+p.ProviderID] = true
		}
	}
	return got
}

func TestNamesStayWhenATargetFailsOrOnlyAPartIsIngested(t *testing.T) {
	o := twoRegions(world.Options{})
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		succeed(w)
		before := names(w)
		same := func(when string) {
			t.Helper()
			if diff := cmp.Diff(before, names(w)); diff != "" {
				t.Errorf("%s: %s", when, diff)
			}
		}
		pass(2 * time.Minute)
		succeed(w, providerIDs(w)[0])
		same("a part is ingested")
		other := awssim.Scope{Account: awssim.UniformAccount(0), Region: "us-east-1"}
		if err := w.AWS.SetDisabled(other, true); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Minute)
		incomplete(w)
		same("a target fails")
		agent.Drain()
		w.StartAgent()
		w.Await("the new agent", func() bool { return len(w.APIM.Agents()) > 0 })
		incomplete(w)
		same("a target fails from the start")
	})
}

func TestTheOnlyTargetThatWasNeverListedRenamesNothing(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		if err := w.AWS.SetDisabled(uniform(), true); err != nil {
			t.Fatal(err)
		}
		w.Connected()
		previewed(w)
		if !w.Log.Has("a listing failed") || w.Log.Has("was never listed") {
			t.Error(w.Log.String())
		}
	})
}

func TestATargetThatWasNeverListedDisfiguresNoNameOfTheOthersAndIsNamedInTheLog(t *testing.T) {
	o := twoRegions(world.Options{AWS: awssim.Options{}})
	o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{
		APIs: 3, StagesPerAPI: 1, Plans: 1, Regions: []string{"eu-west-1", "us-east-1"},
	})
	region := &o.AWS.Estate.Accounts[0].Regions[1]
	region.RestAPIs[0].Name, region.RestAPIs[1].Name = "only here", "nor there"
	run(t, o, func(t *testing.T, w *world.World) {
		west, east := uniform(), awssim.Scope{Account: uniform().Account, Region: "us-east-1"}
		if err := w.AWS.SetDisabled(east, true); err != nil {
			t.Fatal(err)
		}
		w.Connected()
		incomplete(w)
		id := func(s awssim.Scope, api int) string { return fmt.Sprintf("%s:%s:a%09d:dev", s.Account, s.Region, api) }
		want := map[string]string{id(west, 0): "service-1", id(west, 1): "service-2", id(west, 2): "service-3"}
		if diff := cmp.Diff(want, names(w)); diff != "" {
			t.Errorf("while the other region fails: %s", diff)
		}
		pass(2 * time.Minute)
		incomplete(w)
		if n := w.Log.Count("level=INFO", "a target was never listed", "us-east-1", "reason="); n != 1 {
			t.Errorf("the log names the target %d times", n)
		}
		if err := w.AWS.SetDisabled(east, false); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Minute)
		succeed(w)
		want[id(west, 2)] = "service-3 [eu-west-1]"
		want[id(east, 0)], want[id(east, 1)], want[id(east, 2)] = "only here", "nor there", "service-3 [us-east-1]"
		if diff := cmp.Diff(want, names(w)); diff != "" {
			t.Errorf("once the other region is listed: %s", diff)
		}
	})
}

func TestListingsOfTargetsThatAreNotConfiguredAnyMoreAreForgotten(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent := w.StartAgent()
		gone := "999999999999:eu-west-1"
		if err := agent.Store.SaveListing(t.Context(), world.Integration, gone, nil); err != nil {
			t.Fatal(err)
		}
		agent.Drain()
		agent = w.Connected()
		preview(w)
		w.Await("it to be forgotten", func() bool {
			known, err := agent.Store.Listings(t.Context(), world.Integration)
			_, still := known[gone]
			return err == nil && len(known) == 1 && !still
		})
		for _, api := range preview(w).APIs {
			if api.Name == "" {
				t.Errorf("no name: %+v", api)
			}
		}
	})
}

func TestTheBackgroundRefreshIsOffByDefaultAndWarmsTheCacheOfThePrimaryOnly(t *testing.T) {
	t.Run("off", func(t *testing.T) {
		run(t, world.Options{}, func(t *testing.T, w *world.World) {
			w.Connected()
			pass(24 * time.Hour)
			if got := counts(w); len(got) > 1 { // the account's identity is asked for once
				t.Errorf("calls without a command: %v", got)
			}
		})
	})
	t.Run("on", func(t *testing.T) {
		o := world.Options{Settings: map[string]string{"gravitee_agent_discovery_refreshInterval": "1h"}}
		run(t, o, func(t *testing.T, w *world.World) {
			w.Connected()
			pass(61 * time.Minute)
			if got := counts(w)[awssim.OpGetExport]; got != 8 {
				t.Errorf("%d exports, want all 8", got)
			}
			pass(time.Hour)
			if got := counts(w); got[awssim.OpGetExport] != 0 || got[awssim.OpGetStages] != 4 {
				t.Errorf("the second round: %v", got)
			}
			succeed(w)
			if got := counts(w)[awssim.OpGetExport]; got != 0 {
				t.Errorf("%d exports though the cache is warm", got)
			}
			healthy(t, w)
		})
	})
	for kind, loses := range map[string]string{
		"reconciler": "messages.GatheredAPIs", "catalogue": "messages.TargetListing",
	} {
		t.Run("on, and the "+kind+" panics", func(t *testing.T) {
			o := world.Options{
				Settings: map[string]string{"gravitee_agent_discovery_refreshInterval": "1h"}, Faults: panicOnce(kind, loses, 1),
			}
			run(t, o, func(t *testing.T, w *world.World) {
				w.Connected()
				pass(61 * time.Minute)
				if got := counts(w)[awssim.OpGetExport]; got != 0 {
					t.Fatalf("%d exports: it did not panic in time", got)
				}
				pass(time.Hour)
				if got := counts(w)[awssim.OpGetExport]; got != 8 {
					t.Errorf("%d exports in the next round, want all 8", got)
				}
				healthy(t, w)
			})
		})
	}
	t.Run("secondary", func(t *testing.T) {
		o := world.Options{Settings: map[string]string{"gravitee_agent_discovery_refreshInterval": "1h"}}
		run(t, o, func(t *testing.T, w *world.World) {
			w.StartAgent()
			w.StartAgent()
			pass(61 * time.Minute)
			if got := counts(w)[awssim.OpGetRestAPIs]; got != 1 {
				t.Errorf("%d listings by two agents: only the primary refreshes", got)
			}
		})
	})
}

func TestTwoRolesOfOneAccountShowItsAPIsOnceAndShareItsQuota(t *testing.T) {
	o := world.Options{AWS: oneRegion(200, 2, 0)}
	account := &o.AWS.Estate.Accounts[0]
	second := account.Roles[0]
	second.Name = "second"
	account.Roles = append(account.Roles, second)
	o = acceptAll(o)
	o.Settings["gravitee_integration_providers_0_configuration_roleArn"] =
		fmt.Sprintf("%s,%s", awssim.UniformRoleARN(0), awssim.RoleARN(*account, "second"))
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		began := time.Now()
		job := succeed(w)
		if job.Ingested != 400 || len(w.APIM.APIs()) != 400 {
			t.Errorf("job %+v, %d APIs", job, len(w.APIM.APIs()))
		}
		calls := float64(w.AWS.CallCount(""))
		if took := time.Since(began).Seconds(); calls/took > 7.1 {
			t.Errorf("%.0f calls in %.0f s: more than the share of one account", calls, took)
		}
		if n := len(w.AWS.Throttled()); n > 0 {
			t.Errorf("throttled: %v", w.AWS.Throttled())
		}
	})
}

func TestAStageFilterThatNamesAnUnknownStageBesideKnownOnesIsToldOnce(t *testing.T) {
	o := world.Options{Settings: map[string]string{
		"gravitee_integration_providers_0_configuration_0_stage": "dev",
		"gravitee_integration_providers_0_configuration_1_stage": "prd",
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		for range 2 {
			if p := preview(w); len(p.APIs) != 4 {
				t.Errorf("%d APIs", len(p.APIs))
			}
			pass(2 * time.Minute)
		}
		if n := w.Log.Count("level=WARN", "the stage filter", "stages=[prd]"); n != 1 {
			t.Errorf("the log names the stage %d times", n)
		}
	})
}

// The last GetStages of its REST API is older than the stage, so it says nothing of it.
func TestAStageThatIsAddedIsInTheNextPreview(t *testing.T) {
	run(t, world.Options{AWS: oneRegion(3, 1, 1)}, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		scope, rest, _ := partOf(w.APIM.APIs()[0].ProviderID)
		must(t, w.AWS.PutStage(scope, rest, awssim.Stage{Name: "fresh", DeploymentID: "d99999"}))
		must(t, w.AWS.Link(scope, "p00000", rest, "fresh"))
		if p := preview(w); len(p.APIs) != 4 {
			t.Errorf("%d APIs in the preview", len(p.APIs))
		}
		must(t, w.AWS.Unlink(scope, "p00000", rest, "fresh"))
		must(t, w.AWS.DeleteStage(scope, rest, "fresh"))
		if p := preview(w); len(p.APIs) != 3 {
			t.Errorf("%d APIs in the preview once it is gone", len(p.APIs))
		}
		healthy(t, w)
	})
}

// A usage plan may be linked to a stage that does not exist any more. No call more than before finds that out: an
// ingest asks each REST API for its stages anyway, and what it says is remembered for previews and names.
func TestAStageThatOnlyAPlanStillNamesLengthensNoNameAndIsInNoPreviewOnceAWSHasSaidSo(t *testing.T) {
	run(t, world.Options{AWS: oneRegion(3, 1, 1)}, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		first := preview(w)
		scope, api, _ := partOf(first.APIs[0].ID)
		own := first.APIs[0].Name
		const dead = "ghost"
		if err := w.AWS.Link(scope, "p00000", api, dead); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Minute)
		counts(w)
		listing := map[string]int64{awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1}
		if p := preview(w); len(p.APIs) != 4 {
			t.Errorf("%d APIs before AWS was asked", len(p.APIs))
		}
		if diff := cmp.Diff(listing, counts(w)); diff != "" {
			t.Errorf("a preview: %s", diff)
		}
		pass(2 * time.Minute)
		succeed(w)
		calls := map[string]int64{
			awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: 3, awssim.OpGetExport: 3,
		}
		if diff := cmp.Diff(calls, counts(w)); diff != "" {
			t.Errorf("an ingest: %s", diff)
		}
		shown := func(when string, want int) {
			t.Helper()
			p := preview(w)
			if len(p.APIs) != want {
				t.Errorf("%s: %d APIs in the preview, want %d", when, len(p.APIs), want)
			}
			for _, a := range p.APIs {
				if _, of, _ := partOf(a.ID); want == 3 && of == api && a.Name != own {
					t.Errorf("%s: the preview calls it %q, want %q", when, a.Name, own)
				}
			}
			if got := names(w)[first.APIs[0].ID]; want == 3 && got != own {
				t.Errorf("%s: APIM calls it %q, want %q", when, got, own)
			}
		}
		shown("with the same listing", 3)
		pass(2 * time.Minute)
		shown("with another one", 3)
		agent.Stop()
		w.Connected()
		shown("after a restart", 3)
		pass(2 * time.Minute)
		succeed(w)
		shown("after the next ingest", 3)

		if err := w.AWS.PutStage(scope, api, awssim.Stage{Name: dead, DeploymentID: "d00000"}); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Minute)
		succeed(w)
		shown("when the stage exists again", 4)
		healthy(t, w)
	})
}

func TestWhatAnAPIAndAPlanDemandIsShownInAPIM(t *testing.T) {
	o := world.Options{AWS: oneRegion(1, 1, 1)}
	o.AWS.Estate.Accounts[0].Regions[0].UsagePlans[0].ProductCode = "1a2b3c4d5e"
	api := &o.AWS.Estate.Accounts[0].Regions[0].RestAPIs[0]
	api.EndpointTypes, api.VPCEndpointIDs, api.Open = []string{"PRIVATE"}, []string{"vpce-1", "vpce-2"}, true
	api.Policy, api.SecurityPolicy = `{"Statement":[]}`, "TLS_1_2"
	api.Stages[0].Throttle = &awssim.Throttle{RateLimit: 5, BurstLimit: 9}
	api.Stages[0].WebACLARN = "arn:aws:wafv2:eu-west-1:111111111111:regional/webacl/w/1"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		got := w.APIM.APIs()[0]
		metadata := map[string]string{}
		for _, m := range got.Metadata {
			metadata[m.Name] = m.Value
		}
		const first, second = "https://a000000000-vpce-1.execute-api.eu-west-1.amazonaws.com/dev",
			"https://a000000000-vpce-2.execute-api.eu-west-1.amazonaws.com/dev"
		for name, says := range map[string][]string{
			"AWS invoke URL": {first, second, "private DNS"},
			"AWS key use":    {"no method asks for one"},
			"AWS access limits": {
				"resource policy", "web ACL", "TLS_1_2", "all methods: 5 requests per second, burst 9",
			},
		} {
			for _, text := range says {
				if !strings.Contains(metadata[name], text) {
					t.Errorf("%s is %q, want %q in it", name, metadata[name], text)
				}
			}
		}
		plan := strings.Join(got.Plans[0].Characteristics, ", ")
		if !strings.Contains(plan, "no method asks for an API key") || !strings.Contains(plan, "1a2b3c4d5e") {
			t.Errorf("the plan says %q", plan)
		}
		page := got.Pages[0].Content
		if at := strings.Index(page, first); at < 0 || !strings.Contains(page[at:], second) {
			t.Errorf("the document's servers are not those of the VPC endpoints:\n%.1500s", page)
		}
		healthy(t, w)
	})
}

func TestAStageFilterThatMatchesNothingNamesTheStagesThatExistAndTheNearOnes(t *testing.T) {
	aws := oneRegion(30, 2, 1)
	region := &aws.Estate.Accounts[0].Regions[0]
	for n := range region.RestAPIs { // of one name each, in no plan
		region.RestAPIs[n].Stages = append(region.RestAPIs[n].Stages, awssim.Stage{Name: fmt.Sprintf("v%02d", n)})
	}
	for name, c := range map[string]struct {
		o      world.Options
		filter string
		says   []string
	}{
		"differs in case": {world.Options{AWS: aws}, "DEV", []string{"did_you_mean=dev", `known="dev, test"`}},
		"a typing error":  {world.Options{AWS: aws}, "tset", []string{"did_you_mean=test"}},
		"like none":       {world.Options{AWS: aws}, "integration", []string{`did_you_mean=""`, `known="dev, test"`}},
		"many, and not in plans": {acceptAll(world.Options{AWS: aws}), "Test", []string{
			"did_you_mean=test", `known="dev, test, v00, v01,`, " and 12 more",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.o.Settings == nil {
				c.o.Settings = map[string]string{}
			}
			c.o.Settings["gravitee_integration_providers_0_configuration_0_stage"] = c.filter
			run(t, c.o, func(t *testing.T, w *world.World) {
				w.Connected()
				if p := preview(w); len(p.APIs) > 0 {
					t.Errorf("%d APIs", len(p.APIs))
				}
				if !w.Log.Has(append(c.says, "level=WARN", "the stage filter", "stages=["+c.filter+"]")...) {
					t.Error("the log does not say it")
				}
			})
		})
	}
}
