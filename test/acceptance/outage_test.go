package acceptance

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"federation-agent/internal/gateway"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/memnet"
	"federation-agent/test/world"
)

// outage takes AWS away, in one of the ways in which it goes.
type outage struct {
	kind  string
	until atomic.Int64
}

const (
	awsRefused   = "connections refused"
	awsReset     = "connections reset"
	awsBlackHole = "no answer"
	awsFails     = "503"
)

var outageKinds = []string{awsRefused, awsReset, awsBlackHole, awsFails}

// options let the network refuse connections while AWS is away.
func (o *outage) options(base world.Options) world.Options {
	base.Network = func(id memnet.ID) memnet.Plan {
		plan := memnet.NoPlan()
		if o.kind == awsRefused && strings.HasPrefix(id.To, "aws") && time.Now().UnixNano() < o.until.Load() {
			plan.DialError = syscall.ECONNREFUSED
		}
		return plan
	}
	return base
}

// begin takes AWS away for a time. Connections that are open then are lost, too.
func (o *outage) begin(w *world.World, away time.Duration) {
	o.until.Store(time.Now().Add(away).UnixNano())
	fault := awssim.Of(awssim.FaultCloseBefore)
	switch o.kind {
	case awsBlackHole:
		fault = awssim.Of(awssim.FaultHang)
	case awsFails:
		fault = awssim.Unavailable()
	}
	w.AWS.Script().Add(awssim.Rule{Fault: fault})
	time.AfterFunc(away, w.AWS.Script().Clear)
}

func manyAPIs(apis, stages int) world.Options {
	o := world.Options{APIM: apimsim.Options{DropPageContent: true}}
	o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{APIs: apis, StagesPerAPI: stages, Plans: 2})
	return o
}

// An ingest lasts longer by the outage, and by no more than it takes to notice its end.
func TestAnOutageInTheMiddleOfAnIngestCostsItsOwnTime(t *testing.T) {
	const apis, stages = 100, 3
	took := func(t *testing.T, kind string, away time.Duration) (took time.Duration) {
		o := &outage{kind: kind}
		run(t, o.options(manyAPIs(apis, stages)), func(t *testing.T, w *world.World) {
			w.Connected()
			job := startIngest(w)
			pass(10 * time.Second)
			if away > 0 {
				o.begin(w, away)
			}
			got := ended(w, job)
			took = got.EndedAt.Sub(got.CreatedAt)
			if got.Status != apimsim.JobSuccess || got.Ingested != apis*stages {
				t.Errorf("job %+v", got)
			}
			healthy(t, w)
		})
		return took
	}
	calm := took(t, awsRefused, 0)
	for _, kind := range outageKinds {
		for _, away := range []time.Duration{5 * time.Second, 15 * time.Second, time.Minute, 200 * time.Second} {
			t.Run(fmt.Sprintf("%s for %s", kind, away), func(t *testing.T) {
				if longer := took(t, kind, away) - calm; longer > away+15*time.Second {
					t.Errorf("the ingest took %s longer", longer)
				}
			})
		}
	}
}

func TestAnIngestWhoseAWSStaysAwayIsNoSuccessAndSaysWhatIsMissing(t *testing.T) {
	for _, kind := range outageKinds {
		t.Run(kind, func(t *testing.T) {
			o := &outage{kind: kind}
			run(t, o.options(manyAPIs(60, 1)), func(t *testing.T, w *world.World) {
				agent := w.Connected()
				job := startIngest(w)
				pass(3 * time.Second)
				began := time.Now()
				o.begin(w, 2*gateway.OutOfReachFor)
				pass(10 * time.Minute)
				if got, err := w.APIM.Job(job.ID); err != nil || got.Status != apimsim.JobPending {
					t.Errorf("APIM's job is not kept alive: %+v, %v", got, err)
				}
				if target := agent.Board.Read().Integrations[0].Targets[0]; target.OutOfReach == "" {
					t.Errorf("the status does not show it: %+v", target)
				}
				got := ended(w, job)
				if got.Status != apimsim.JobTimedOut || got.Ingested == 0 || got.Ingested == 60 {
					t.Errorf("job %+v", got)
				}
				if waited := time.Since(began); waited < gateway.OutOfReachFor {
					t.Errorf("it was given up after %s", waited)
				}
				missing := 60 - got.Ingested
				if !w.Log.Has("level=ERROR", "the ingest failed", fmt.Sprintf("%d APIs of %s", missing, uniform().Account)) {
					t.Error("the log does not say what is missing")
				}
				board := agent.Board.Read().Integrations[0]
				if last := board.LastIngest; last == nil || last.Omitted != missing || last.Failure == "" ||
					board.OmittedAPIs != uint64(missing) {
					t.Errorf("the status does not say what is missing: %+v", board.LastIngest)
				}
				pass(gateway.OutOfReachFor)
				succeed(w)
				if n := len(w.APIM.APIs()); n != 60 {
					t.Errorf("%d APIs in the end", n)
				}
				healthy(t, w)
			})
		})
	}
}

func TestATargetThatIsAwayWhenAnIngestBeginsIsAddedWhenItIsBack(t *testing.T) {
	run(t, twoRegions(world.Options{}), func(t *testing.T, w *world.World) {
		w.Connected()
		preview(w)
		pass(10 * time.Minute)
		w.AWS.Script().Add(awssim.Rule{Region: "us-east-1", Fault: awssim.Of(awssim.FaultCloseBefore)})
		time.AfterFunc(7*time.Minute, w.AWS.Script().Clear)
		job := w.Ingest()
		if job.Status != apimsim.JobSuccess || job.Ingested != 16 {
			t.Errorf("job %+v", job)
		}
		healthy(t, w)
	})
}

// With APIs outside usage plans, a listing asks for each REST API. An AWS that fails meanwhile hides none of them.
func TestAnOutageWhileStagesAreListedLeavesNoAPIOut(t *testing.T) {
	const (
		apis = 380 // listed in some 50 s; START_INGEST is answered before
		away = 3 * time.Minute
	)
	for name, rule := range map[string]awssim.Rule{
		"all calls fail":  {Fault: awssim.Unavailable()},
		"GetStages fails": {Operation: awssim.OpGetStages, Fault: awssim.Unavailable()},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, acceptAll(world.Options{AWS: oneRegion(apis, 1, 0)}), func(t *testing.T, w *world.World) {
				w.Connected()
				time.AfterFunc(46*time.Second, func() {
					w.AWS.Script().Add(rule)
					time.AfterFunc(away, w.AWS.Script().Clear)
				})
				got := ended(w, startIngest(w))
				if got.Status != apimsim.JobSuccess || got.Ingested != apis {
					t.Errorf("job %+v", got)
				}
				if took := got.EndedAt.Sub(got.CreatedAt); took > away+3*time.Minute { // 110 s alone
					t.Errorf("it took %s", took)
				}
				healthy(t, w)
			})
		})
	}
}

// A preview whose time ends while AWS fails shows what it has. What it has not is not forgotten by the next listing.
func TestAPreviewThatRunsOutWhileStagesAreListedHidesNoAPI(t *testing.T) {
	run(t, acceptAll(world.Options{AWS: oneRegion(60, 1, 0)}), func(t *testing.T, w *world.World) {
		w.Connected()
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetStages, Skip: 20, Fault: awssim.Unavailable()})
		time.AfterFunc(2*time.Minute, w.AWS.Script().Clear)
		if got, err := w.APIM.Preview(context.Background(), world.Integration); err == nil && !got.Partial {
			t.Errorf("a whole preview of %d APIs", len(got.APIs))
		}
		pass(2 * time.Minute)
		succeed(w)
		if n := len(w.APIM.APIs()); n != 60 {
			t.Errorf("%d APIs", n)
		}
		healthy(t, w)
	})
}

// What fails by itself is tried once more, left out and named; the others go.
func TestOneAPIThatFailsByItselfHoldsUpNoOther(t *testing.T) {
	for name, c := range map[string]struct {
		operation string
		fault     awssim.Fault
		accept    bool
		sent      int
	}{
		"its export is denied":              {awssim.OpGetExport, awssim.Answer(403, awssim.CodeAccessDenied, "no"), false, 6},
		"its export is refused":             {awssim.OpGetExport, awssim.Answer(400, awssim.CodeBadRequest, "no"), false, 6},
		"its export fails for ever":         {awssim.OpGetExport, awssim.Answer(500, "InternalFailure", "oh"), false, 6},
		"its export never answers":          {awssim.OpGetExport, awssim.Of(awssim.FaultHang), false, 6},
		"its stages are denied":             {awssim.OpGetStages, awssim.Answer(403, awssim.CodeAccessDenied, "no"), false, 6},
		"its stages are denied, all wanted": {awssim.OpGetStages, awssim.Answer(403, awssim.CodeAccessDenied, "no"), true, 6},
		"its stages fail, all wanted":       {awssim.OpGetStages, awssim.Answer(500, "InternalFailure", "oh"), true, 6},
	} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{}
			if c.accept {
				o = acceptAll(o)
			}
			run(t, o, func(t *testing.T, w *world.World) {
				agent := w.Connected()
				w.AWS.Script().Add(awssim.Rule{Operation: c.operation, RestAPI: "a000000001", Fault: c.fault})
				job := succeed(w)
				if job.Ingested < c.sent {
					t.Errorf("job %+v", job)
				}
				left := agent.Board.Read().Integrations[0].LastIngest
				if left == nil || left.Omitted == 0 || !strings.Contains(strings.Join(left.LeftOut, " "), "a000000001") ||
					left.Failure != "" {
					t.Errorf("the status says %+v", left)
				}
				if !w.Log.Has("level=ERROR", "APIs are left out", "a000000001") {
					t.Error("the log does not name it")
				}
				healthy(t, w)
			})
		})
	}
}

// A throttle is no single API's fault, also where AWS answers other calls. While the quota pauses, as AWS asks for, no
// probe goes out, which is no answer of AWS's.
func TestAnAWSThatThrottlesForLongIsWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		operation string
		pause     time.Duration
	}{
		"all":                        {},
		"all, and asks for 20 s":     {pause: 20 * time.Second},
		"all, and asks for a minute": {pause: time.Minute},
		"exports":                    {operation: awssim.OpGetExport},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, manyAPIs(40, 3), func(t *testing.T, w *world.World) {
				w.Connected()
				job := startIngest(w)
				pass(10 * time.Second)
				w.AWS.Script().Add(awssim.Rule{Operation: c.operation, Fault: awssim.Throttling(c.pause)})
				time.AfterFunc(25*time.Minute, w.AWS.Script().Clear)
				if got := ended(w, job); got.Status != apimsim.JobSuccess || got.Ingested != 120 {
					t.Errorf("%s with %d of 120 APIs", got.Status, got.Ingested)
				}
				if n := w.Log.Count("an API is not available"); n > 0 {
					t.Errorf("%d lines say that it is an API's own fault", n)
				}
			})
		})
	}
}

// A reply to FETCH without the APIs of a target would look like a success.
func TestAFETCHThatMissesATargetIsNoSuccess(t *testing.T) {
	o := twoRegions(world.Options{APIM: apimsim.Options{Version: "4.4"}})
	run(t, o, func(t *testing.T, w *world.World) {
		if err := w.AWS.SetDisabled(awssim.Scope{Account: awssim.UniformAccount(0), Region: "us-east-1"}, true); err != nil {
			t.Fatal(err)
		}
		w.Connected()
		_, err := w.APIM.StartIngest(t.Context(), world.Integration, nil)
		if err == nil || !strings.Contains(err.Error(), "us-east-1") {
			t.Errorf("the FETCH gives %v", err)
		}
	})
}

// The same, if AWS goes away when a part of the documents is there, and stays away.
func TestAFETCHInAnOutageIsNoSuccess(t *testing.T) {
	for _, kind := range outageKinds {
		t.Run(kind, func(t *testing.T) {
			o := &outage{kind: kind}
			base := manyAPIs(100, 3)
			base.APIM.Version = "4.4"
			run(t, o.options(base), func(t *testing.T, w *world.World) {
				w.Connected()
				time.AfterFunc(10*time.Second, func() { o.begin(w, time.Minute) })
				if _, err := w.APIM.StartIngest(t.Context(), world.Integration, nil); err == nil {
					t.Errorf("the FETCH is a success with %d of 300 APIs", len(w.APIM.APIs()))
				}
			})
		})
	}
}

// What is that API's own fault is named.
func TestAFETCHNamesTheRESTAPIWhoseStagesCannotBeListed(t *testing.T) {
	run(t, acceptAll(world.Options{APIM: apimsim.Options{Version: "4.4"}}), func(t *testing.T, w *world.World) {
		const refused = "a000000001"
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpGetStages, RestAPI: refused, Fault: awssim.Answer(403, awssim.CodeAccessDenied, "no"),
		})
		w.Connected()
		succeed(w)
		if len(w.APIM.APIs()) == 0 || !w.Log.Has("level=WARN", "an API is left out of this fetch", refused+":*") {
			t.Errorf("%d APIs, and the log does not name the one that is missing", len(w.APIM.APIs()))
		}
	})
}

// Lists come and no export does, as with a proxy that lets only small answers through.
func TestAnIngestWithoutAnyExportIsNoSuccess(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetExport, Fault: awssim.Of(awssim.FaultHang)})
		w.Connected()
		began := time.Now()
		if job := incomplete(w); job.Ingested != 0 {
			t.Errorf("job %+v", job)
		}
		if took := time.Since(began); took > gateway.OutOfReachFor {
			t.Errorf("it took %s", took)
		}
		if !w.Log.Has("level=ERROR", "the ingest failed", "all 8 APIs of") {
			t.Error("the log does not say so")
		}
	})
}
