package acceptance

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"federation-agent/actors/life"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

func TestAnIngestBesideANeighbourInBurstsIsNotThrottledNorIsTheNeighbour(t *testing.T) {
	run(t, world.Options{AWS: withLatency(oneRegion(200, 3, 5))}, func(t *testing.T, w *world.World) {
		if err := w.AWS.StartNeighbour(awssim.Neighbour{
			AccessKeyID: awssim.UniformNeighbourKeyID(0), Region: "eu-west-1", Burst: 15, Every: 5 * time.Second,
		}); err != nil {
			t.Fatal(err)
		}
		w.Connected()
		began := time.Now()
		succeed(w)
		took := time.Since(began).Seconds()
		if throttled := w.AWS.Throttled(); len(throttled) > 0 {
			t.Errorf("throttled: %v", throttled)
		}
		// 200 GetStages, 600 exports and two listings at 7 a second, and what begin and end take.
		if allowed := 802.0/7 + 15; took > allowed {
			t.Errorf("it took %.0f s, the share allows %.0f", took, allowed)
		}
		healthy(t, w)
	})
}

func TestTwentyRestartsInAMinuteCauseNo429(t *testing.T) {
	run(t, world.Options{AWS: oneRegion(300, 1, 5)}, func(t *testing.T, w *world.World) {
		for range 20 {
			agent := w.StartAgent()
			w.Await("the agent", func() bool { return len(w.APIM.Agents()) > 0 })
			// The third is refused: the jobs of earlier lives go on, and use all of the share.
			_, _ = w.APIM.StartIngest(t.Context(), world.Integration, nil)
			pass(2500 * time.Millisecond)
			agent.Crash()
			w.Await("the session's end", func() bool { return len(w.APIM.Agents()) == 0 })
		}
		if throttled := w.AWS.Throttled(); len(throttled) > 0 || w.AWS.CallCount("") < 200 {
			t.Errorf("throttled: %v of %d calls", throttled, w.AWS.CallCount(""))
		}
	})
}

func TestA429SlowsTheAgentDownAndEverythingStillArrives(t *testing.T) {
	run(t, world.Options{AWS: oneRegion(30, 2, 3)}, func(t *testing.T, w *world.World) {
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpGetExport, Skip: 10, Times: 5, Fault: awssim.Throttling(3 * time.Second),
		})
		w.Connected()
		if job := succeed(w); job.Ingested != 60 {
			t.Errorf("job: %+v", job)
		}
		if !w.Log.Has("AWS throttled a call; slowing down") {
			t.Error("the log does not say so")
		}
		healthy(t, w)
	})
}

func TestASUBSCRIBEDuringAnIngestGoesFirst(t *testing.T) {
	run(t, world.Options{AWS: withLatency(oneRegion(300, 3, 5))}, func(t *testing.T, w *world.World) {
		_, api := ingestedOne(w)
		job := startIngest(w)
		pass(20 * time.Second)
		for range 20 {
			began := time.Now()
			accepted(w, api)
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("a SUBSCRIBE took %s", took)
			}
			pass(2 * time.Second)
		}
		if got, _ := w.APIM.Job(job.ID); got.Status != apimsim.JobPending {
			t.Error("the ingest was over: that shows nothing")
		}
		ended(w, job)
		keysAreSubscriptions(t, w)
	})
}

func TestWhatFindsNoRoomInTheQuotaBeforeItsDeadlineIsRefusedASUBSCRIBEAtOnceAPreviewNotAsEmpty(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		pass(2 * time.Minute)
		resting(w)
		together(2, func(n int) {
			if n == 0 {
				if p, err := w.APIM.Preview(t.Context(), world.Integration); err == nil ||
					!strings.Contains(err.Error(), "not listed in time") {
					t.Errorf("previewed: %+v, %v", p, err)
				}
				return
			}
			pass(time.Second) // AWS has said by now that it wants a minute's rest
			began := time.Now()
			s := subscribe(w, api)
			if s.Status != apimsim.SubscriptionRejected || !strings.Contains(s.Reason, "quota is used up") ||
				time.Since(began) > time.Second {
				t.Errorf("subscribed: %s (%s) after %s", s.Status, s.Reason, time.Since(began))
			}
		})
		if n := w.AWS.CallCount(awssim.OpCreateAPIKey); n > 0 {
			t.Errorf("%d CreateApiKey", n)
		}
		pass(time.Minute)
		if p := preview(w); len(p.APIs) != 8 || p.Partial {
			t.Errorf("a minute later: %+v", p)
		}
		oneReplyEach(t, w)
	})
}

// resting has AWS answer the next listing of REST APIs that it wants a minute's rest, which is longer than any command
// may take.
func resting(w *world.World) {
	w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetRestAPIs, Times: 1, Fault: awssim.Throttling(time.Minute)})
}

// toldAtOnce is a preview that cannot have its listing in time, and is not kept waiting for the news.
func toldAtOnce(t *testing.T, w *world.World) {
	t.Helper()
	began := time.Now()
	p, err := w.APIM.Preview(t.Context(), world.Integration)
	if err == nil || !strings.Contains(err.Error(), "not listed in time") {
		t.Errorf("previewed: %+v, %v", p, err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("told after %s", took)
	}
}

func TestAPreviewThatCannotHaveItsListingInTimeIsToldAtOnceAndTheNextOneToo(t *testing.T) {
	run(t, world.Options{AWS: withLatency(oneRegion(4, 2, 2))}, func(t *testing.T, w *world.World) {
		w.Connected()
		resting(w)
		toldAtOnce(t, w)
		pass(5 * time.Second)
		toldAtOnce(t, w)
		pass(time.Minute)
		if p := preview(w); len(p.APIs) != 8 || p.Partial {
			t.Errorf("a minute later: %+v", p)
		}
		// The throttled one and a good one each: nothing that was refused a permit was sent.
		if got := counts(w); got[awssim.OpGetRestAPIs] != 2 || got[awssim.OpGetUsagePlans] > 2 {
			t.Errorf("calls: %v", got)
		}
		oneReplyEach(t, w)
	})
}

func TestASTARTINGESTThatCannotHaveItsListingInTimeIsAnsweredAtOnceAndItsJobGoesOn(t *testing.T) {
	run(t, world.Options{AWS: withLatency(oneRegion(4, 2, 2))}, func(t *testing.T, w *world.World) {
		w.Connected()
		resting(w)
		began := time.Now()
		job := startIngest(w)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("answered after %s", took)
		}
		if got := ended(w, job); got.Status != apimsim.JobSuccess || got.Ingested != 8 {
			t.Errorf("job: %+v", got)
		}
		oneReplyEach(t, w)
	})
}

func TestAPreviewsDeadlineDoesNotFailAnIngestThatSharesItsListing(t *testing.T) {
	for name, c := range map[string]struct {
		ingest, preview time.Duration // when they come
		told            func(*testing.T, *world.World)
	}{
		"the preview first": {ingest: 10 * time.Millisecond, told: toldAtOnce},
		// It waits with the ingest, which has no deadline any more.
		"the ingest first": {preview: 10 * time.Millisecond, told: func(t *testing.T, w *world.World) {
			if p, err := w.APIM.Preview(t.Context(), world.Integration); err == nil ||
				!strings.Contains(err.Error(), "not listed in time") {
				t.Errorf("previewed: %+v, %v", p, err)
			}
		}},
		"the preview when AWS's rest ends before its deadline": {
			preview: 20 * time.Second, told: func(t *testing.T, w *world.World) {
				if p := preview(w); len(p.APIs) != 8 || p.Partial {
					t.Errorf("previewed: %+v", p)
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, world.Options{AWS: withLatency(oneRegion(4, 2, 2))}, func(t *testing.T, w *world.World) {
				w.Connected()
				resting(w)
				var job apimsim.Job
				together(2, func(n int) {
					if n == 0 {
						pass(c.ingest)
						job = startIngest(w)
						return
					}
					pass(c.preview)
					c.told(t, w)
				})
				if got := ended(w, job); got.Status != apimsim.JobSuccess || got.Ingested != 8 {
					t.Errorf("job: %+v", got)
				}
				oneReplyEach(t, w)
			})
		})
	}
}

// ingestedOne is an agent that has ingested one API.
func ingestedOne(w *world.World) (*world.Instance, apimsim.API) {
	w.T.Helper()
	agent := w.Connected()
	succeed(w, preview(w).APIs[0].ID)
	return agent, w.APIM.APIs()[0]
}

// panicOnce makes the nth message that a kind of actor gets of a kind panic.
func panicOnce(kind, message string, nth int64) life.Faults {
	var seen atomic.Int64
	return func(id string, m any) {
		name := id[strings.LastIndex(id, "/")+1:]
		if strings.HasPrefix(name, kind) && typeName(m) == message && seen.Add(1) == nth {
			panic("a test's")
		}
	}
}

func TestAnIngestSurvivesAPanicInWhatItStandsOn(t *testing.T) {
	for name, f := range map[string]struct {
		kind, message string
		nth           int64
	}{
		"quota, asked":          {"quota-", "messages.AcquirePermit", 9},
		"quota, waking":         {"quota-", "quota.budgetDue", 5},
		"discoverer, listing":   {"discoverer-", "discovery.listingStep", 1},
		"discoverer, exporting": {"discoverer-", "discovery.stageDone", 3},
		"discoverer, asked":     {"discoverer-", "messages.ExportAPI", 2},
		"catalogue, gathering":  {"catalogue-", "messages.TargetListing", 1},
		"jobs, begun":           {"claims-", "messages.JudgeLosses", 1},
		"router, answering":     {"router-", "messages.Answer", 1},
		"target":                {"target-", "messages.ExportAPI", 2},
	} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{AWS: withLatency(oneRegion(6, 2, 2)), Faults: panicOnce(f.kind, f.message, f.nth)}
			run(t, o, func(t *testing.T, w *world.World) {
				w.Connected()
				began := time.Now()
				got := ended(w, startIngest(w))
				if got.Status != apimsim.JobSuccess || got.Ingested < 11 {
					t.Errorf("job: %+v", got)
				}
				if took := time.Since(began); took > 12*time.Minute || !w.Log.Has("an actor panicked") {
					t.Errorf("it took %s", took)
				}
				oneReplyEach(t, w)
			})
		})
	}
}

// A key is being attached when all actors are made anew; who makes keys outlives them.
func TestAPanicOfTheTopActorDoesNotLetTwoKeysBeAttachedAtATime(t *testing.T) {
	b := &bomb{kind: "agent"}
	b.left.Store(1)
	run(t, world.Options{Faults: b.receive}, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		pass(time.Minute)
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateUsagePlanKey, Times: 1, Fault: awssim.Slow(9 * time.Second)})
		together(2, func(n int) {
			if n == 0 {
				_ = subscribe(w, api)
				return
			}
			pass(100 * time.Millisecond) // the first one's key is being attached
			b.armed.Store(true)
			_, _ = w.APIM.Preview(t.Context(), world.Integration) // which the panic of the target costs
			w.Await("the agent to be back", func() bool { return b.blown.Load() && len(w.APIM.Agents()) == 1 })
			accepted(w, api)
		})
		var attached []awssim.Call
		for _, c := range w.AWS.Calls(0) {
			if c.Operation == awssim.OpCreateUsagePlanKey {
				attached = append(attached, c)
			}
		}
		if len(attached) != 2 || attached[1].Start.Before(attached[0].Start.Add(9*time.Second)) {
			t.Errorf("attached: %+v", attached)
		}
		pass(5 * time.Minute)
	})
}

func TestTwoIntegrationsThatLookAtOneAccountShareItsQuota(t *testing.T) {
	run(t, twoIntegrations(world.Options{AWS: oneRegion(100, 2, 4)}), func(t *testing.T, w *world.World) {
		w.StartAgent()
		w.Await("two sessions", func() bool { return len(w.APIM.Agents()) == 2 })
		began := time.Now()
		var jobs [2]apimsim.Job
		together(2, func(n int) {
			job, err := w.APIM.StartIngest(t.Context(), []string{world.Integration, otherIntegration}[n], nil)
			if err != nil {
				t.Error(err)
			}
			jobs[n] = job
		})
		for _, job := range jobs {
			if got := ended(w, job); got.Status != apimsim.JobSuccess || got.Ingested != 200 {
				t.Errorf("job: %+v", got)
			}
		}
		// Seven a second for both together; two quotas would let fourteen through.
		calls, took := float64(w.AWS.CallCount("")), time.Since(began).Seconds()
		if calls < 400 || calls/took > 7.1 {
			t.Errorf("%.0f calls in %.0f s: more than the share of one account", calls, took)
		}
		if throttled := w.AWS.Throttled(); len(throttled) > 0 {
			t.Errorf("throttled: %v", throttled)
		}
		healthy(t, w)
	})
}
