package acceptance

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store"
	"federation-agent/test/world"
)

const (
	shareSetting = "gravitee_agent_discovery_shareExports"
	// sharesLine and differLine are what the log says once each.
	sharesLine = "from now on one export serves them"
	differLine = "stages with the same deployment have different documents"
)

// deployedTogether is an estate in which the stages of a REST API have the same deployment.
func deployedTogether(apis, stages int) awssim.Options {
	return awssim.Options{Estate: awssim.UniformEstate(awssim.UniformOptions{
		APIs: apis, StagesPerAPI: stages, Plans: 3, DocumentBytes: 4_000, SharedDeployments: true,
	})}
}

// documents is what APIM has of each API.
func documents(w *world.World) map[string]string {
	all := map[string]string{}
	for _, api := range w.APIM.APIs() {
		for _, p := range api.Pages {
			all[api.ProviderID] += p.Content
		}
	}
	return all
}

// called holds the calls since the last time to some numbers.
func called(t *testing.T, w *world.World, what string, stages, exports int64) {
	t.Helper()
	want := map[string]int64{awssim.OpGetRestAPIs: (stages + 499) / 500, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: stages}
	if exports > 0 {
		want[awssim.OpGetExport] = exports
	}
	got := counts(w)
	delete(got, awssim.OpGetCallerIdentity)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

// Of each twenty documents that are shared, one is compared: 1,263 calls instead of 2,403.
func TestWhatAnIngestOf600APIsWithThreeStagesCosts(t *testing.T) {
	const apis, stages = 600, 3
	for name, c := range map[string]struct {
		together, share bool
		exports         int64
	}{
		"each has a deployment of its own":       {share: true, exports: apis * stages},
		"they share one":                         {together: true, share: true, exports: apis + apis*(stages-1)/20},
		"they share one, and no export is to be": {together: true, exports: apis * stages},
	} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{AWS: oneRegion(apis, stages, 3), Settings: map[string]string{shareSetting: fmt.Sprint(c.share)}}
			if c.together {
				o.AWS = deployedTogether(apis, stages)
			}
			o.AWS = withLatency(o.AWS)
			run(t, o, func(t *testing.T, w *world.World) {
				agent := w.Connected()
				succeed(w)
				called(t, w, "the first ingest", apis, c.exports)
				agent.Crash()
				pass(2 * time.Minute)
				w.Connected()
				succeed(w)
				called(t, w, "nothing has changed", apis, 0)
				if n := len(documents(w)); n != apis*stages {
					t.Errorf("%d documents", n)
				}
				if said := w.Log.Has(sharesLine); said != (c.together && c.share) {
					t.Errorf("it said that documents are shared: %t", said)
				}
				healthy(t, w)
			})
		})
	}
}

// Also of the stage whose document the others have.
func TestAStageThatIsDeployedAnewCostsOneExportAndOneThatGetsWhatAnotherHasNone(t *testing.T) {
	run(t, world.Options{AWS: withLatency(deployedTogether(30, 3))}, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		w.AWS.ResetCalls()
		var deployment string
		for _, stage := range []string{"prod", "dev"} {
			pass(2 * time.Minute)
			succeed(w)
			called(t, w, "nothing has changed", 30, 0)
			deployment, _ = w.AWS.Redeploy(uniform(), "a000000007", stage)
			pass(2 * time.Minute)
			succeed(w)
			called(t, w, "stage "+stage+" was deployed anew", 30, 1)
		}
		if err := w.AWS.EditRestAPI(uniform(), "a000000007", func(a *awssim.RestAPI) {
			a.Stages[1].DeploymentID, a.Stages[1].Updated = deployment, time.Now()
		}); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Minute)
		succeed(w)
		n := counts(w)[awssim.OpGetExport]
		if n > 1 { // 1 where it is the one of twenty
			t.Errorf("%d exports", n)
		}
		healthy(t, w)
	})
}

// anEstate is one in which everything that documents may depend on differs at random. In some, stages with the same
// deployment have different documents.
func anEstate(rng *rand.Rand, peculiar bool) awssim.Options {
	o := deployedTogether(10, 4)
	region := &o.Estate.Accounts[0].Regions[0]
	for n := range region.RestAPIs {
		api := &region.RestAPIs[n]
		for s := range api.Stages {
			vary(rng, api, &api.Stages[s], peculiar)
			api.Stages[s].Updated = time.Date(1999, 1, 1, n, s, 0, 0, time.UTC)
		}
		if n == 0 {
			api.DisableExecuteEndpoint = true // so that the agent writes the servers of its stages
		}
	}
	return o
}

func vary(rng *rand.Rand, api *awssim.RestAPI, s *awssim.Stage, peculiar bool) {
	switch rng.IntN(12) {
	case 0:
		s.DeploymentID = api.ID + "-other"
	case 1:
		s.DocumentationVersion = "v2"
	case 2:
		s.Canary = &awssim.Canary{DeploymentID: api.ID + "-canary", PercentTraffic: 10}
	case 3:
		s.Variables = map[string]string{"backend": s.Name + ".internal.example"}
	case 4:
		s.Description = "Of " + s.Name
	case 5:
		if peculiar {
			s.Peculiar = "a note of " + s.Name
		}
	}
}

// changed is what somebody does in AWS.
func changed(t *testing.T, rng *rand.Rand, w *world.World, step int, peculiar bool) {
	t.Helper()
	api := fmt.Sprintf("a%09d", rng.IntN(10))
	edit := func(change func(*awssim.RestAPI)) {
		if err := w.AWS.EditRestAPI(uniform(), api, change); err != nil {
			t.Error(err)
		}
	}
	kind := rng.IntN(6)
	switch kind {
	case 0:
		edit(func(a *awssim.RestAPI) { a.Name, a.Description = fmt.Sprintf("renamed %d", step), "changed" })
	case 1:
		var gone string
		edit(func(a *awssim.RestAPI) {
			if len(a.Stages) > 1 {
				gone = a.Stages[rng.IntN(len(a.Stages))].Name
			}
		})
		if gone != "" {
			if err := w.AWS.DeleteStage(uniform(), api, gone); err != nil {
				t.Error(err)
			}
		}
	case 2:
		edit(func(a *awssim.RestAPI) {
			a.Stages[rng.IntN(len(a.Stages))].DeploymentID = fmt.Sprintf("%s-%d", a.ID, step)
		})
	case 3: // what one stage has goes to another one
		edit(func(a *awssim.RestAPI) {
			a.Stages[rng.IntN(len(a.Stages))].DeploymentID = a.Stages[rng.IntN(len(a.Stages))].DeploymentID
		})
	case 4:
		stage := awssim.Stage{Name: fmt.Sprintf("added%d", step), DocumentBytes: 4_000}
		edit(func(a *awssim.RestAPI) { stage.DeploymentID = a.Stages[0].DeploymentID })
		if err := w.AWS.PutStage(uniform(), api, stage); err != nil {
			t.Error(err)
		}
		if err := w.AWS.Link(uniform(), "p00000", api, stage.Name); err != nil {
			t.Error(err)
		}
	case 5:
		edit(func(a *awssim.RestAPI) { vary(rng, a, &a.Stages[rng.IntN(len(a.Stages))], peculiar) })
	}
	edit(func(a *awssim.RestAPI) {
		for s := range a.Stages { // all that may have changed, and others: AWS has other reasons
			if kind != 1 && kind != 4 || rng.IntN(2) == 0 {
				a.Stages[s].Updated = time.Now()
			}
		}
	})
}

// sent is what APIM has after an ingest, and whether it was known before that documents may be different.
type sent struct {
	documents map[string]string
	known     bool
}

// ingestedOften is what APIM has after each of some ingests of an estate, between which AWS changes and agents die. The seed
// says how. It also gives the number of exports.
func ingestedOften(t *testing.T, seed uint64, peculiar, share bool) (all []sent, exports int64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 16))
	o := world.Options{AWS: anEstate(rng, peculiar), Settings: map[string]string{}}
	switch rng.IntN(4) {
	case 0:
		o.Settings = filters("excludeStages=test")
	case 1:
		o = acceptAll(o)
	case 2:
		o = granted(t, o.AWS, regional(1), regional(2))
	}
	o.Settings[shareSetting] = fmt.Sprint(share)
	o.AWS = withLatency(o.AWS)
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		for step := range 12 {
			known := w.Log.Has(differLine)
			succeed(w)
			all = append(all, sent{documents(w), known})
			for range rng.IntN(4) {
				changed(t, rng, w, step, peculiar)
			}
			if rng.IntN(5) == 0 {
				agent.Crash()
				if !peculiar && rng.IntN(2) == 0 {
					w.Exports = store.NewMemoryExports(1 << 30)
				}
				w.Await("the session's end", func() bool { return len(w.APIM.Agents()) == 0 })
				agent = w.Connected()
			}
			pass(10 * time.Minute)
		}
		exports = w.AWS.CallCount(awssim.OpGetExport)
		healthy(t, w)
	})
	return all, exports
}

func TestTheDocumentsAreTheSameWithSharedExportsAndWithout(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			alone, most := ingestedOften(t, seed, false, false)
			shared, fewer := ingestedOften(t, seed, false, true)
			for n := range alone {
				if diff := cmp.Diff(alone[n].documents, shared[n].documents); diff != "" {
					t.Fatalf("ingest %d: %s", n, diff)
				}
				if shared[n].known {
					t.Fatalf("ingest %d: two documents were taken to be different", n)
				}
			}
			if fewer >= most*9/10 {
				t.Errorf("%d exports, without sharing %d", fewer, most)
			}
		})
	}
}

// Until the first difference was seen, some stages may have been sent with another one's document.
func TestOnceTwoDocumentsWereDifferentEachStageHasItsOwn(t *testing.T) {
	var wrong, ended atomic.Int64
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(12) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				alone, _ := ingestedOften(t, seed, true, false)
				shared, _ := ingestedOften(t, seed, true, true)
				for n := range alone {
					same := maps.Equal(alone[n].documents, shared[n].documents)
					switch {
					case !shared[n].known && !same:
						wrong.Add(1)
					case shared[n].known && !same:
						t.Errorf("ingest %d: %s", n, cmp.Diff(alone[n].documents, shared[n].documents))
					case shared[n].known:
						ended.Add(1)
					}
				}
			})
		}
	})
	if wrong.Load() == 0 || ended.Load() == 0 {
		t.Errorf("%d ingests with a wrong document before, %d after: nothing is proved", wrong.Load(), ended.Load())
	}
}

// Two that are equal are enough for the others: the stage that is different is sent with the document of another one, until
// one in twenty finds it out. Then everything that was shared is exported.
func TestADifferenceThatIsFoundLateEndsTheSharingAlsoForTheNextProcess(t *testing.T) {
	const apis, peculiar = 60, 30 // so that of one twenty, wherever it is compared, each is different
	o := deployedTogether(apis, 2)
	region := &o.Estate.Accounts[0].Regions[0]
	for n := range peculiar {
		region.RestAPIs[apis-peculiar+n].Stages[1].Peculiar = "of its own"
	}
	run(t, world.Options{AWS: o}, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		first := fmt.Sprintf("%s:eu-west-1:a%09d:", awssim.UniformAccount(0), 0)
		succeed(w, first+"dev", first+"test")
		if !w.Log.Has("level=INFO", sharesLine) {
			t.Fatal("nothing is shared")
		}
		succeed(w)
		w.AWS.ResetCalls()
		if n := w.Log.Count("level=WARN", differLine, awssim.UniformAccount(0)); n != 1 {
			t.Fatalf("it was said %d times", n)
		}
		pass(2 * time.Minute)
		succeed(w)
		if n := counts(w)[awssim.OpGetExport]; n == 0 || n > apis {
			t.Errorf("%d exports of what was shared", n)
		}
		for id, document := range documents(w) {
			n := 0
			_, _ = fmt.Sscanf(strings.Split(id, ":")[2], "a%d", &n)
			if own := n >= apis-peculiar && strings.HasSuffix(id, ":test"); strings.Contains(document, "of its own") != own {
				t.Errorf("%s has another stage's document", id)
			}
		}
		agent.Crash()
		pass(2 * time.Minute)
		w.Connected()
		for n := range 10 {
			id, err := w.AWS.Redeploy(uniform(), fmt.Sprintf("a%09d", n), "dev")
			if err != nil {
				t.Fatal(err)
			}
			if err := w.AWS.EditRestAPI(uniform(), fmt.Sprintf("a%09d", n), func(a *awssim.RestAPI) {
				a.Stages[1].DeploymentID, a.Stages[1].Updated = id, time.Now()
			}); err != nil {
				t.Fatal(err)
			}
		}
		w.AWS.ResetCalls()
		succeed(w)
		if n := counts(w)[awssim.OpGetExport]; n != 20 {
			t.Errorf("%d exports of 20 stages in the next process", n)
		}
		healthy(t, w)
	})
}

// The stage that is exported for both is deployed anew between its listing and its export. The other one is sent with a
// deployment that it does not have, until the next listing shows it.
func TestWhatWasSharedOfAStageThatWasDeployedAnewMeanwhileIsExportedOnceMore(t *testing.T) {
	var w *world.World
	var armed atomic.Bool
	o := deployedTogether(2, 2)
	o.Observe = func(c awssim.Call) {
		if c.Operation == awssim.OpGetStages && c.RestAPI == "a000000001" && armed.CompareAndSwap(true, false) {
			if _, err := w.AWS.Redeploy(uniform(), "a000000001", "dev"); err != nil {
				panic(err)
			}
		}
	}
	run(t, world.Options{AWS: o}, func(t *testing.T, of *world.World) {
		w = of
		w.Connected()
		id := func(n int, stage string) string {
			return fmt.Sprintf("%s:eu-west-1:a%09d:%s", awssim.UniformAccount(0), n, stage)
		}
		succeed(w, id(0, "dev"), id(0, "test"))
		armed.Store(true)
		succeed(w, id(1, "dev"), id(1, "test"))
		was := documents(w)
		if strings.Contains(was[id(1, "test")], "d00001 ") {
			t.Fatal("it has the right document: nothing is proved")
		}
		pass(2 * time.Minute)
		w.AWS.ResetCalls()
		succeed(w)
		if n := counts(w)[awssim.OpGetExport]; n != 2 {
			t.Errorf("%d exports", n)
		}
		if now := documents(w); !strings.Contains(now[id(1, "test")], "d00001 ") || strings.Contains(now[id(1, "dev")], "d00001 ") {
			t.Errorf("dev: %s\ntest: %s", now[id(1, "dev")], now[id(1, "test")])
		}
		healthy(t, w)
	})
}
