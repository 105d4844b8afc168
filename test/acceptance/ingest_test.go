package acceptance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/memnet"
	"federation-agent/messages"
	"federation-agent/test/world"
)

func TestTheFirstINGESTIsHeldBackASecond(t *testing.T) {
	var seen ingests
	o := world.Options{APIM: apimsim.Options{Script: seen.script(), StoreDelay: 900 * time.Millisecond}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		var answered time.Time
		for _, c := range w.APIM.Commands() {
			if c.Type == "START_INGEST" {
				answered = c.Replies[0].At
			}
		}
		// The documents take a while at the share of the quota, too.
		if wait := seen.seen()[0].at.Sub(answered); wait < time.Second || wait > 4*time.Second {
			t.Errorf("the first INGEST came %s after the answer", wait)
		}
		healthy(t, w) // APIM drops, and reports, an INGEST for a job that it has not stored yet
	})
}

// A big answer goes before START_INGEST's, which is queued for seconds, or for most of the time that it may be: the
// second counts from when APIM has read it.
func TestOnASlowConnectionTheFirstINGESTWaitsUntilTheAnswerToSTART_INGESTHasArrived(t *testing.T) {
	for queued, o := range map[time.Duration]awssim.UniformOptions{
		2 * time.Second:  {APIs: 60, StagesPerAPI: 3, Plans: 1, DocumentBytes: 500},
		25 * time.Second: {APIs: 600, StagesPerAPI: 3, Plans: 3, DocumentBytes: 500},
	} {
		t.Run(queued.String(), func(t *testing.T) {
			o := world.Options{
				AWS: awssim.Options{Estate: awssim.UniformEstate(o)}, APIM: apimsim.Options{StoreDelay: 900 * time.Millisecond},
			}
			o.Network = func(id memnet.ID) memnet.Plan {
				plan := memnet.NoPlan()
				if strings.HasPrefix(id.To, "apim") {
					plan.ToListener.Latency, plan.ToListener.Buffer = 150*time.Millisecond, 1500 // 10 KB/s
				}
				return plan
			}
			o.Settings = map[string]string{"gravitee_agent_ingest_batchCount": "1"}
			run(t, o, func(t *testing.T, w *world.World) {
				w.Connected()
				go func() { _ = preview(w) }()
				pass(10 * time.Millisecond)
				job := startIngest(w)
				for _, c := range w.APIM.Commands() {
					if c.Type == "START_INGEST" && c.Replies[0].At.Sub(c.SentAt) < queued {
						t.Errorf("the answer was there after %s: not enough was queued", c.Replies[0].At.Sub(c.SentAt))
					}
				}
				pass(10 * time.Second)
				if got, _ := w.APIM.Job(job.ID); got.Ingested < 10 {
					t.Errorf("job %+v", got)
				}
				healthy(t, w)
			})
		})
	}
}

// The last listing comes when nobody waits for START_INGEST's answer any more, and the news of that right behind it.
func TestAJobThatEndsInTheMomentInWhichItBeginsIsNotGoneOnWith(t *testing.T) {
	var late atomic.Bool
	o := world.Options{Faults: func(id string, message any) {
		if fmt.Sprintf("%T", message) == "messages.LossesJudged" && late.CompareAndSwap(false, true) {
			time.Sleep(55 * time.Second) // the router has answered for it by then
		}
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		if job, err := w.APIM.StartIngest(t.Context(), world.Integration, nil); err == nil {
			t.Fatalf("job %+v", job)
		}
		pass(5 * time.Minute)
		if !w.Log.Has("an ingest ends before it began") {
			t.Fatal("it did not end: nothing is proved")
		}
		if n := w.Log.Count("ingest begins"); n != 1 {
			t.Errorf("it began %d times", n)
		}
		oneReplyEach(t, w)
	})
}

func TestABatchGoesOutOnBytesOnCountOrAfterItsDelay(t *testing.T) {
	batches := func(o world.Options, slow awssim.Fault) []seenIngest {
		var seen ingests
		o.APIM.Script = seen.script()
		run(t, o, func(t *testing.T, w *world.World) {
			if slow.Delay > 0 {
				w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetExport, Skip: 3, Fault: slow})
			}
			w.Connected()
			succeed(w)
			healthy(t, w)
		})
		return seen.seen()
	}
	t.Run("count", func(t *testing.T) {
		o := world.Options{AWS: oneRegion(10, 2, 2), Settings: map[string]string{"gravitee_agent_ingest_batchCount": "7"}}
		got := batches(o, awssim.Fault{})
		if len(got) < 4 || got[0].APIs != 7 {
			t.Errorf("got %+v", got)
		}
		for _, b := range got {
			if b.APIs > 7 {
				t.Errorf("a batch of %d", b.APIs)
			}
		}
	})
	t.Run("bytes", func(t *testing.T) {
		o := world.Options{Settings: map[string]string{"gravitee_agent_ingest_batchBytes": "65536"}}
		o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{
			APIs: 10, StagesPerAPI: 2, Plans: 2, DocumentBytes: 20 << 10,
		})
		largest := largestOf(&o, "t:COMMAND;;et:INGEST;;")
		if got := batches(o, awssim.Fault{}); len(got) < 8 {
			t.Errorf("%d batches for 20 documents of 20 KB, 64 KB a batch", len(got))
		}
		if *largest > 65536+1024 || *largest < 40<<10 {
			t.Errorf("the largest batch has %d bytes", *largest)
		}
	})
	t.Run("delay", func(t *testing.T) {
		got := batches(world.Options{}, awssim.Slow(25*time.Second))
		if len(got) < 2 || got[0].APIs == 8 {
			t.Fatalf("got %+v", got)
		}
		if apart := got[1].at.Sub(got[0].at); apart < 10*time.Second {
			t.Errorf("the slow ones came %s later: that shows nothing", apart)
		}
	})
}

func TestAJobIsKeptAliveWhenNothingIsReadyForTwoMinutes(t *testing.T) {
	for name, c := range map[string]struct {
		o    world.Options
		slow awssim.Rule
	}{
		"exports take long": {
			world.Options{}, awssim.Rule{Operation: awssim.OpGetExport, Times: 8, Fault: awssim.Throttling(50 * time.Second)},
		},
		"listings take long": {
			acceptAll(world.Options{AWS: withLatency(oneRegion(1320, 1, 0))}),
			awssim.Rule{Operation: awssim.OpGetStages, Skip: 600, Times: 8, Fault: awssim.Throttling(55 * time.Second)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var seen ingests
			c.o.APIM.Script = seen.script()
			run(t, c.o, func(t *testing.T, w *world.World) {
				w.AWS.Script().Add(c.slow)
				w.Connected()
				job := startIngest(w)
				ended(w, job)
				alive, last := 0, job.CreatedAt
				for _, i := range seen.seen() {
					if i.APIs == 0 && !i.Done {
						alive++
					}
					if gap := i.at.Sub(last); gap > 3*time.Minute {
						t.Errorf("%s without an INGEST", gap)
					}
					last = i.at
				}
				if alive == 0 {
					t.Error("no empty INGEST was needed: that shows nothing")
				}
				if got := ended(w, job); got.Status != apimsim.JobSuccess {
					t.Errorf("job: %+v", got)
				}
				healthy(t, w)
			})
		})
	}
}

func TestASlowINGESTReplyIsWaitedForAndNotRepeated(t *testing.T) {
	seen := ingests{fault: func(e apimsim.IngestEvent) apimsim.IngestFault {
		if e.Nth == 1 {
			return apimsim.IngestFault{AnswerDelay: 4 * time.Minute}
		}
		return apimsim.IngestFault{}
	}}
	run(t, world.Options{APIM: apimsim.Options{Script: seen.script()}}, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		if got := seen.seen(); len(got) != 2 || got[0].APIs != 8 || !got[1].Done {
			t.Errorf("got %+v", got)
		}
		healthy(t, w)
	})
}

func TestAnINGESTThatIsRefusedGoesAgainInHalvesAndOneThatFailsAloneIsNamed(t *testing.T) {
	var bad string
	failed := map[int]bool{}
	seen := ingests{}
	// APIM fails every batch that holds the bad API; it is the only one in a batch after some halving.
	o := world.Options{APIM: apimsim.Options{Script: seen.script()}}
	var sizes []int
	o.APIM.OnMessage = func(m apimsim.Message) {
		if m.Inbound && strings.HasPrefix(string(m.Data), "t:COMMAND;;et:INGEST;;") {
			sizes = append(sizes, strings.Count(string(m.Data), `"uniqueId"`))
			failed[len(sizes)] = bad != "" && strings.Contains(string(m.Data), `"uniqueId":"`+bad+`"`)
		}
	}
	seen.fault = func(e apimsim.IngestEvent) apimsim.IngestFault {
		if failed[e.Nth] {
			return apimsim.IngestFault{Fail: "the metadata of one API failed"}
		}
		return apimsim.IngestFault{}
	}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		bad = preview(w).APIs[3].ID
		job := succeed(w)
		if got := len(w.APIM.APIs()); got != 7 {
			t.Errorf("%d APIs, want all but one; job %+v", got, job)
		}
		if !w.Log.Has("level=ERROR", "APIs are left out of this ingest", "APIM refuses it", bad) {
			t.Error("the log does not name it")
		}
		slices.Sort(sizes)
		if want := []int{0, 1, 1, 2, 2, 4, 4, 8}; !slices.Equal(sizes, want) { // the 0 is done
			t.Errorf("batches of %v, want %v", sizes, want)
		}
	})
}

func TestAJobGoesOnAfterItsSessionWasCutAndSaysDoneOnce(t *testing.T) {
	for name, cut := range map[string]func(apimsim.IngestEvent) apimsim.IngestFault{
		"before a batch was stored": func(e apimsim.IngestEvent) apimsim.IngestFault {
			return apimsim.IngestFault{CutBefore: e.Nth == 2}
		},
		"after a batch was stored": func(e apimsim.IngestEvent) apimsim.IngestFault {
			return apimsim.IngestFault{CutStored: e.Nth == 2}
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen := ingests{fault: cut}
			o := world.Options{
				APIM: apimsim.Options{Script: seen.script()}, Settings: map[string]string{"gravitee_agent_ingest_batchCount": "3"},
			}
			run(t, o, func(t *testing.T, w *world.World) {
				w.Connected()
				succeed(w)
				done, apis, conns := 0, 0, map[int]bool{}
				for _, i := range seen.seen() {
					apis += i.APIs
					conns[i.Conn] = true
					if i.Done {
						done++
					}
				}
				if done != 1 || apis != 8+3 || len(conns) != 2 || len(w.APIM.Jobs()) != 1 {
					t.Errorf("done %d times, %d APIs sent over %d connections for %d jobs", done, apis, len(conns), len(w.APIM.Jobs()))
				}
				if len(w.APIM.APIs()) != 8 {
					t.Errorf("%d APIs", len(w.APIM.APIs()))
				}
				healthy(t, w)
			})
		})
	}
}

func TestAJobWhoseSessionStaysAwayIsGivenUpNotGoneOnWithTooLate(t *testing.T) {
	seen := ingests{
		fault: func(e apimsim.IngestEvent) apimsim.IngestFault { return apimsim.IngestFault{CutBefore: e.Nth == 1} },
	}
	var away atomic.Bool
	script := seen.script()
	script.Upgrade = func(int) int {
		if away.Load() {
			return 503
		}
		return 0
	}
	run(t, world.Options{APIM: apimsim.Options{Script: script}}, func(t *testing.T, w *world.World) {
		w.Connected()
		job := startIngest(w)
		away.Store(true)
		pass(7 * time.Minute)
		away.Store(false)
		w.Await("the session to be back", func() bool { return len(w.APIM.Agents()) > 0 })
		pass(10 * time.Minute)
		if got, _ := w.APIM.Job(job.ID); got.Status != apimsim.JobTimedOut {
			t.Errorf("job: %+v", got)
		}
		if got := seen.seen(); len(got) != 1 {
			t.Errorf("INGESTs for a job that APIM gave up: %+v", got)
		}
		if !w.Log.Has("the ingest failed", "longer than") {
			t.Error("the log does not say so")
		}
		succeed(w)
		healthy(t, w)
	})
}

func TestAJobGoesOnInTheNextProcessAfterACrash(t *testing.T) {
	for nth := 1; nth <= 4; nth++ {
		t.Run(fmt.Sprintf("at INGEST %d", nth), func(t *testing.T) {
			var agent atomic.Pointer[world.Instance]
			seen := ingests{}
			seen.fault = func(e apimsim.IngestEvent) apimsim.IngestFault {
				if e.Nth == nth {
					if a := agent.Swap(nil); a != nil {
						a.Fence()
					}
				}
				return apimsim.IngestFault{}
			}
			o := world.Options{
				APIM: apimsim.Options{Script: seen.script()}, Settings: map[string]string{"gravitee_agent_ingest_batchCount": "3"},
			}
			run(t, o, func(t *testing.T, w *world.World) {
				first := w.Connected()
				agent.Store(first)
				job := startIngest(w)
				w.Await("the crash", func() bool { return agent.Load() == nil })
				first.Crash()
				w.StartAgent()
				if got := ended(w, job); got.Status != apimsim.JobSuccess || len(w.APIM.APIs()) != 8 {
					t.Errorf("job %+v, %d APIs", got, len(w.APIM.APIs()))
				}
				done := 0
				for _, i := range seen.seen() {
					if i.Done {
						done++
					}
				}
				if done > 1 && nth < 4 {
					t.Errorf("done %d times", done)
				}
			})
		})
	}
}

func TestAnAPIThatCannotBeHadNowIsLeftOutAndNamedAndStaysInAPIM(t *testing.T) {
	for name, c := range map[string]struct {
		fault awssim.Fault
		why   string
	}{
		"AWS fails":      {awssim.Unavailable(), "answered with a fault"},
		"a sign-in page": {awssim.Foreign("<html><body>Sign in</body></html>"), "HTML"},
		"another's JSON": {awssim.Foreign(`{"deploymentId":"d1","stageName":"prod"}`), "no OpenAPI 3 document"},
		"a document cut": {awssim.Foreign(`{"openapi":"3.0.1","paths":{`), "cut off"},
		"a page without an end": {
			awssim.Fault{Kind: awssim.FaultForeign, Status: 200, Body: strings.Repeat("<p>", 1000), Endless: true}, "hardly API Gateway's",
		},
		"no document": {awssim.Foreign(""), "empty document"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				w.Connected()
				succeed(w)
				api := w.APIM.APIs()[2]
				scope, rest, stage := partOf(api.ProviderID)
				if _, err := w.AWS.Redeploy(scope, rest, stage); err != nil {
					t.Fatal(err)
				}
				w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetExport, RestAPI: rest, Stage: stage, Fault: c.fault})
				pass(2 * time.Minute)
				succeed(w)
				after, err := w.APIM.API(api.ID)
				if err != nil || after.Writes != api.Writes || len(after.Pages) != 1 {
					t.Errorf("APIM's API changed: %+v %v", after, err)
				}
				if !w.Log.Has("APIs are left out of this ingest", api.ProviderID, c.why) {
					t.Error("the log does not name it, with the reason")
				}
				w.AWS.Script().Clear()
				pass(2 * time.Minute)
				succeed(w)
				well, err := w.APIM.API(api.ID)
				if err != nil || well.Pages[0].Content == api.Pages[0].Content ||
					!strings.Contains(well.Pages[0].Content, `"openapi"`) {
					t.Errorf("AWS is well again, and APIM has %+v %v", well, err)
				}
				healthy(t, w)
			})
		})
	}
}

func TestAnAPIThatCanNeverBeExportedGoesOutWithoutAPage(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.Connected()
		id := preview(w).APIs[0].ID
		scope, rest, stage := partOf(id)
		edit := func(a *awssim.RestAPI) {
			for n := range a.Stages {
				if a.Stages[n].Name == stage {
					a.Stages[n].ExportError = awssim.ExportErrorModels
				}
			}
		}
		if err := w.AWS.EditRestAPI(scope, rest, edit); err != nil {
			t.Fatal(err)
		}
		succeed(w)
		withoutPage(t, w, id)
		counts(w)
		pass(2 * time.Minute)
		succeed(w)
		if n := counts(w)[awssim.OpGetExport]; n != 0 {
			t.Errorf("%d exports: that it can never work is remembered, too", n)
		}
		healthy(t, w)
	})
}

// withoutPage holds an API to being in APIM with an empty page list and a metadata entry that says why.
func withoutPage(t *testing.T, w *world.World, id string) {
	t.Helper()
	api, err := w.APIM.API(id)
	if err != nil || len(api.Pages) != 0 {
		t.Fatalf("%v, %d pages", err, len(api.Pages))
	}
	for _, m := range api.Metadata {
		if strings.Contains(strings.ToLower(m.Name+m.Value), "document") {
			return
		}
	}
	t.Errorf("no metadata says why: %+v", api.Metadata)
}

func TestADocumentTooLargeForOneINGESTGoesOutWithoutAPage(t *testing.T) {
	o := world.Options{Settings: map[string]string{
		"gravitee_integration_connector_ws_maxWebSocketMessageSize": "262144", "gravitee_agent_ingest_batchBytes": "131072",
	}}
	o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{
		APIs: 4, StagesPerAPI: 2, Plans: 2, DocumentBytes: 8 << 10, BigDocuments: 1, BigDocumentBytes: 300 << 10,
	})
	o.APIM.MaxMessage = 262144
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		pages := 0
		for _, api := range w.APIM.APIs() {
			pages += len(api.Pages)
			if len(api.Pages) == 0 {
				withoutPage(t, w, api.ProviderID)
			}
		}
		if len(w.APIM.APIs()) != 8 || pages != 7 {
			t.Errorf("%d APIs with %d pages", len(w.APIM.APIs()), pages)
		}
		if !w.Log.Has("ingest done", "sent=8 without_document=1 omitted=0") {
			t.Errorf("the end of the ingest does not say that one went out without a document\n%s", w.Log)
		}
		healthy(t, w)
	})
}

func TestAStageThatIsGoneSinceItWasListedIsNamed(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.Connected()
		id := preview(w).APIs[5].ID
		scope, rest, stage := partOf(id)
		if err := w.AWS.DeleteStage(scope, rest, stage); err != nil {
			t.Fatal(err)
		}
		job := succeed(w) // with the preview's listing
		if job.Total != 8 || len(w.APIM.APIs()) != 7 || !w.Log.Has("left out of this ingest", id, "no such stage") {
			t.Errorf("job %+v, %d APIs", job, len(w.APIM.APIs()))
		}
		healthy(t, w)
	})
}

func TestAnAPIThatLostItsLastPlanIsLeftOutAndNamedUnlessAPIsWithoutPlansAreAccepted(t *testing.T) {
	for name, accept := range map[string]bool{"by default": false, "accepted": true} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{}
			if accept {
				o = acceptAll(o)
			}
			run(t, o, func(t *testing.T, w *world.World) {
				w.Connected()
				succeed(w)
				api := w.APIM.APIs()[0]
				scope, rest, stage := partOf(api.ProviderID)
				if err := w.AWS.Unlink(scope, api.Plans[0].ProviderID, rest, stage); err != nil {
					t.Fatal(err)
				}
				pass(2 * time.Minute)
				succeed(w)
				pass(6 * time.Minute)
				succeed(w)
				after, err := w.APIM.API(api.ID)
				if err != nil {
					t.Fatal(err)
				}
				if accept && len(after.Plans) != 0 {
					t.Errorf("sent with %d plans", len(after.Plans))
				}
				if !accept &&
					(len(after.Plans) != 1 || after.Writes != api.Writes || !w.Log.Has("in no usage plan any more", api.ProviderID)) {
					t.Errorf("%d plans, written %d times, was %d", len(after.Plans), after.Writes, api.Writes)
				}
			})
		})
	}
}

func TestAnIngestOfAPIsThatVanishedSaysSo(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.Connected()
		ids := []string{preview(w).APIs[0].ID, preview(w).APIs[7].ID}
		scope, rest, _ := partOf(ids[0])
		if err := w.AWS.DeleteRestAPI(scope, rest); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Minute)
		job := succeed(w, ids...)
		if job.Total != 1 || len(w.APIM.APIs()) != 1 || !w.Log.Has("could not be found in AWS", ids[0]) {
			t.Errorf("job %+v, %d APIs", job, len(w.APIM.APIs()))
		}
		// Each fails at once, and takes no place from the next one.
		for _, id := range []string{ids[0], "999999999999:eu-west-1:abc:prod", "not:an:id", "x:y:z:1", "x:y:z:2", "x:y:z:3"} {
			_, err := w.APIM.StartIngest(t.Context(), world.Integration, []string{id})
			if err == nil || !strings.Contains(err.Error(), id) {
				t.Errorf("%s: %v", id, err)
			}
		}
		healthyBut(t, w, apimsim.ProblemStartFailed)
	})
}

// healthyBut is healthy but for problems of one kind.
func healthyBut(t *testing.T, w *world.World, code apimsim.ProblemCode) {
	t.Helper()
	for _, p := range w.APIM.Problems() {
		if p.Code != code {
			t.Errorf("APIM noticed %v", p)
		}
	}
}

func TestZeroIsOnlySaidOfAnAccountThatWasListedToTheEnd(t *testing.T) {
	o := twoRegions(world.Options{})
	for n := range o.AWS.Estate.Accounts[0].Regions {
		o.AWS.Estate.Accounts[0].Regions[n].UsagePlans = nil
	}
	run(t, o, func(t *testing.T, w *world.World) {
		var seen []apimsim.Problem
		w.Connected()
		if job := w.Ingest(); job.Total != 0 {
			t.Errorf("job %+v", job)
		}
		pass(10 * time.Second)
		seen = w.APIM.Problems()
		if len(seen) > 0 {
			t.Errorf("nothing may be sent for a total of 0: %v", seen)
		}
		if err := w.AWS.SetDisabled(awssim.Scope{Account: awssim.UniformAccount(0), Region: "us-east-1"}, true); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Minute)
		if job, err := w.APIM.StartIngest(t.Context(), world.Integration, nil); err == nil {
			t.Errorf("a target failed, and the job is %+v", job)
		}
	})
}

func TestTheSameJobStartedTwiceIsOneJobWithOneAnswerEach(t *testing.T) {
	o := world.Options{AWS: withLatency(oneRegion(4, 2, 2))}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		job := startIngest(w)
		reply, err := w.APIM.SendCommand(t.Context(), world.Integration, "START_INGEST", map[string]any{
			"ingestJobId": job.ID, "apiIds": []string{},
		})
		if err != nil || reply.Status != apimsim.StatusSucceeded || !strings.Contains(string(reply.Payload), job.ID) {
			t.Errorf("again: %v %v", reply, err)
		}
		if got := ended(w, job); got.Status != apimsim.JobSuccess || got.Ingested != 8 {
			t.Errorf("job %+v", got)
		}
		pass(time.Minute)
		healthy(t, w)
	})
}

// There are two START_INGESTs of one job. The agent is so slow that the first one's answer comes too late.
// The second one's answer is still of use.
func TestAJobWhoseFirstSTART_INGESTWasGivenUpRunsForWhoHasTheAnswerToTheSecond(t *testing.T) {
	for name, slow := range map[string]struct{ job, session time.Duration }{
		"its answer never left":     {job: 20 * time.Second, session: 38500 * time.Millisecond},
		"it was answered too late":  {job: 52 * time.Second},
		"it was answered with both": {job: 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var ids atomic.Int64
			id := func(n int64) string { return fmt.Sprintf("apim-%05d", n) }
			var gathered, answering atomic.Bool
			o := world.Options{
				APIM: apimsim.Options{NewID: func() string { return id(ids.Add(1)) }},
				Faults: func(actorID string, message any) {
					switch message.(type) {
					case messages.GatheredAPIs:
						if kindOf(actorID) == "ingest" && gathered.CompareAndSwap(false, true) {
							time.Sleep(slow.job)
						}
					case messages.Answer:
						if kindOf(actorID) == "session" && answering.CompareAndSwap(false, true) {
							time.Sleep(slow.session)
						}
					}
				},
			}
			run(t, o, func(t *testing.T, w *world.World) {
				w.Connected()
				pass(time.Second)
				job := id(ids.Load() + 2) // behind the next command's id
				go func() {
					_, _ = w.APIM.SendCommand(context.Background(), world.Integration, "START_INGEST", map[string]any{
						"ingestJobId": job, "apiIds": []string{},
					})
				}()
				pass(10 * time.Second)
				second := startIngest(w)
				if second.ID != job {
					t.Fatalf("the second is job %s, the first %s", second.ID, job)
				}
				if got := ended(w, second); got.Status != apimsim.JobSuccess || got.Ingested != 8 {
					t.Errorf("job %+v", got)
				}
			})
		})
	}
}

func TestAJobOfWhichNoSTART_INGESTIsAnsweredInTimeEnds(t *testing.T) {
	var gathered atomic.Bool
	o := world.Options{Faults: func(actorID string, message any) {
		if _, listed := message.(messages.GatheredAPIs); listed && kindOf(actorID) == "ingest" &&
			gathered.CompareAndSwap(false, true) {
			time.Sleep(65 * time.Second)
		}
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		together(2, func(n int) {
			time.Sleep(time.Duration(n) * 10 * time.Second)
			reply, err := w.APIM.SendCommand(context.Background(), world.Integration, "START_INGEST", map[string]any{
				"ingestJobId": "j", "apiIds": []string{},
			})
			if err != nil || reply.Status != apimsim.StatusError {
				t.Errorf("%v, %v", reply, err)
			}
		})
		pass(time.Minute)
		if n := w.Log.Count("an ingest ends before it began"); n != 1 {
			t.Errorf("%d ended", n)
		}
		if dropped := w.APIM.ProblemsOf(apimsim.ProblemBatchDropped); len(dropped) > 0 {
			t.Errorf("it was sent: %v", dropped)
		}
		oneReplyEach(t, w)
	})
}

func TestATwiceWantedIngestRunsBesideTheFirstAndAThirdIsRefused(t *testing.T) {
	run(t, world.Options{AWS: withLatency(oneRegion(20, 3, 2))}, func(t *testing.T, w *world.World) {
		w.Connected()
		jobs := []apimsim.Job{startIngest(w), startIngest(w)}
		if _, err := w.APIM.StartIngest(t.Context(), world.Integration, nil); err == nil ||
			!strings.Contains(err.Error(), "running already") {
			t.Errorf("the third: %v", err)
		}
		for _, job := range jobs {
			if got := ended(w, job); got.Status != apimsim.JobSuccess || got.Ingested != 60 {
				t.Errorf("job %+v", got)
			}
		}
		if n := counts(w)[awssim.OpGetExport]; n != 60 {
			t.Errorf("%d exports: the second job finds the first one's in the cache", n)
		}
		healthyBut(t, w, apimsim.ProblemStartFailed)
	})
}

func TestDocumentsUnderWayAreBoundedByTheSettingAndNotByTheAccount(t *testing.T) {
	const document = 200 << 10
	seen := ingests{fault: func(e apimsim.IngestEvent) apimsim.IngestFault {
		return apimsim.IngestFault{AnswerDelay: 5 * time.Second}
	}}
	o := world.Options{APIM: apimsim.Options{Script: seen.script(), DropPageContent: true}, Settings: map[string]string{
		"gravitee_agent_ingest_memoryBytes": "4194304",
	}}
	o.AWS.Quota.Off = true
	o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{
		APIs: 16, StagesPerAPI: 5, Plans: 2, DocumentBytes: document,
	})
	o.Settings["gravitee_agent_quota_rate"], o.Settings["gravitee_agent_quota_burst"] = "10000", "10000"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		job := startIngest(w)
		most := int64(0)
		w.Await("the end", func() bool {
			exported := w.AWS.CallCount(awssim.OpGetExport)
			acknowledged, err := w.APIM.Job(job.ID)
			if err != nil {
				return true
			}
			most = max(most, (exported-int64(acknowledged.Ingested))*document)
			return acknowledged.Status != apimsim.JobPending
		})
		// APIM counts a batch as ingested when it is stored; what the agent holds may be one REST API's stages more
		// than the setting, as nobody knows a document's size before it comes.
		if bound := int64(4<<20 + 5*document); most > bound || most < 1<<20 {
			t.Errorf("%d bytes held at a time, bound %d", most, bound)
		}
		healthy(t, w)
	})
}

// large is an estate of one REST API whose documents are large on all of its stages,
// and a bound that one of them fills.
func large(stages int) (o world.Options, document int) {
	document = 600 << 10
	o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{
		APIs: 1, StagesPerAPI: stages, Plans: 1, DocumentBytes: document,
	})
	o.APIM.DropPageContent = true
	o.Settings = map[string]string{"gravitee_agent_ingest_memoryBytes": "1MiB"}
	return o, document
}

// Each batch takes APIM so long that the documents behind it cannot be read within their calls' time, nor within the
// time that an API may take to get ready.
func TestLargeDocumentsPassOneByOneHoweverSlowAPIMIs(t *testing.T) {
	const stages = 9
	o, _ := large(stages)
	seen := ingests{fault: func(apimsim.IngestEvent) apimsim.IngestFault {
		return apimsim.IngestFault{AnswerDelay: 4 * time.Minute}
	}}
	o.APIM.Script = seen.script()
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		job := ended(w, startIngest(w))
		if job.Status != apimsim.JobSuccess || job.Ingested != stages || job.Batches != stages+1 {
			t.Errorf("job: %+v", job)
		}
		// Those that had begun to come when there was no room for them are asked for once more.
		if n := counts(w)[awssim.OpGetExport]; n >= 2*stages {
			t.Errorf("%d calls for %d documents", n, stages)
		}
		healthy(t, w)
	})
}

func TestNoPanicLeavesRoomForDocumentsTaken(t *testing.T) {
	for _, kind := range []string{"ingest", "stage", "discoverer"} {
		t.Run(kind, func(t *testing.T) {
			o, _ := large(4)
			b := &bomb{kind: kind}
			o.Faults = b.receive
			run(t, o, func(t *testing.T, w *world.World) {
				w.Connected()
				for round := range int32(6) {
					b.left.Store(3 + round)
					b.armed.Store(true)
					if job, err := w.APIM.StartIngest(context.Background(), world.Integration, nil); err == nil {
						ended(w, job)
					}
					b.armed.Store(false)
					pass(time.Minute) // until what the panic ended is there again
				}
				if !b.blown.Load() {
					t.Error("nothing panicked")
				}
				began := time.Now()
				succeed(w)
				if took := time.Since(began); took > time.Minute {
					t.Errorf("an ingest takes %s now", took)
				}
			})
		})
	}
}

func TestAJobOfWhichEverythingIsLeftOutDoesNotEndAsASuccess(t *testing.T) {
	denied := awssim.Rule{Operation: awssim.OpGetExport, Fault: awssim.Answer(403, awssim.CodeAccessDenied, "no")}
	t.Run("START_INGEST", func(t *testing.T) {
		run(t, world.Options{}, func(t *testing.T, w *world.World) {
			w.AWS.Script().Add(denied)
			w.Connected()
			if job := w.Ingest(); job.Status != apimsim.JobTimedOut {
				t.Errorf("job: %+v", job)
			}
			if !w.Log.Has("level=ERROR", "the ingest failed", "all 8 APIs of", "were left out",
				"lack the permission apigateway:GET") {
				t.Error("the log does not say why")
			}
			w.AWS.Script().Clear()
			succeed(w)
			healthy(t, w)
		})
	})
	t.Run("FETCH", func(t *testing.T) {
		run(t, world.Options{APIM: apimsim.Options{Version: "4.4"}}, func(t *testing.T, w *world.World) {
			w.AWS.Script().Add(denied)
			w.Connected()
			if _, err := w.APIM.StartIngest(context.Background(), world.Integration, nil); err == nil ||
				!strings.Contains(err.Error(), "lack the permission") {
				t.Errorf("the answer: %v", err)
			}
		})
	})
	t.Run("gone in AWS is no failure", func(t *testing.T) {
		run(t, world.Options{}, func(t *testing.T, w *world.World) {
			w.Connected()
			id := preview(w).APIs[0].ID
			scope, rest, stage := partOf(id)
			if err := w.AWS.DeleteStage(scope, rest, stage); err != nil {
				t.Fatal(err)
			}
			if job := succeed(w, id); job.Ingested != 0 {
				t.Errorf("job: %+v", job)
			}
		})
	})
}
