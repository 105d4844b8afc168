package acceptance

import (
	"context"
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

// slowLink lets some 64 KiB a second through from the agent to APIM.
func slowLink(id memnet.ID) memnet.Plan {
	plan := memnet.NoPlan()
	if !strings.HasPrefix(id.To, "aws") {
		plan.ToListener.Latency, plan.ToListener.Buffer = time.Second, 64<<10
	}
	return plan
}

// replies sends n commands at once and counts what they are answered.
func replies(w *world.World, n int, command string) (succeeded, busy int) {
	var ok, refused atomic.Int64
	together(n, func(int) {
		reply, err := w.APIM.SendCommand(context.Background(), world.Integration, command, struct{}{})
		switch {
		case err == nil && reply.Status == "SUCCEEDED":
			ok.Add(1)
		case err == nil && strings.Contains(reply.ErrorDetails, "busy"):
			refused.Add(1)
		default:
			w.T.Errorf("%s: %+v, %v", command, reply, err)
		}
	})
	return int(ok.Load()), int(refused.Load())
}

func TestABurstOfLongAnswersOverASlowLinkCostsNoSession(t *testing.T) {
	var deferred atomic.Int64
	o := world.Options{
		Network: slowLink,
		Faults: func(_ string, message any) {
			if _, yes := message.(messages.IngestDeferred); yes {
				deferred.Add(1)
			}
		},
		Settings: map[string]string{
			"gravitee_integration_connector_ws_maxWebSocketMessageSize": "262144", "gravitee_agent_ingest_batchBytes": "131072",
		},
	}
	o.APIM.MaxMessage = 256 << 10
	o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{
		APIs: 100, StagesPerAPI: 10, Plans: 4, DocumentBytes: 4 << 10,
	})
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		preview(w) // so that all of the burst are answered in the same moment
		job := startIngest(w)
		w.Await("the first batch", func() bool { return w.Log.Has("ingesting") })
		for bursts := 0; deferred.Load() == 0 && bursts < 5; bursts++ { // an INGEST is to come while the queue is full
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				if succeeded, busy := replies(w, 30, "DISCOVER"); succeeded < 5 || busy < 5 {
					t.Errorf("%d answered, %d told that the agent is busy", succeeded, busy)
				}
			}()
			pass(time.Second)
			asked := time.Now()
			if succeeded, _ := replies(w, 3, "HEALTH_CHECK"); succeeded != 3 {
				t.Errorf("%d of 3 health checks are answered", succeeded)
			}
			if took := time.Since(asked); took > 6*time.Second { // one message of 256 KiB and what is in the buffer
				t.Errorf("the health checks' answers took %s", took)
			}
			<-answered
		}
		if got := ended(w, job); got.Status != apimsim.JobSuccess || got.Ingested != 1000 {
			t.Errorf("job: %+v", got)
		}
		if deferred.Load() == 0 {
			t.Error("no INGEST met the full queue: nothing is proved")
		}
		if lost := w.APIM.EndedSessions(); len(lost) > 0 {
			t.Errorf("sessions were lost: %+v", lost)
		}
		oneReplyEach(t, w)
	})
}

// fetches counts the fetches that an agent made.
func fetches(o *world.Options) *atomic.Int64 {
	var made atomic.Int64
	o.Faults = func(id string, message any) {
		if _, gathered := message.(messages.GatheredAPIs); gathered && strings.Contains(id, "/fetch-") {
			made.Add(1)
		}
	}
	return &made
}

func TestFETCHesAtTheSameTimeAreAnsweredByOne(t *testing.T) {
	o := world.Options{AWS: withLatency(oneRegion(10, 2, 4))}
	o.APIM.Version = "4.4"
	made := fetches(&o)
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		if succeeded, _ := replies(w, 20, "FETCH"); succeeded != 20 {
			t.Errorf("%d of 20 are answered", succeeded)
		}
		if n := made.Load(); n != 1 {
			t.Errorf("%d fetches for 20 FETCHes at once", n)
		}
		if succeeded, _ := replies(w, 1, "FETCH"); succeeded != 1 || made.Load() != 2 {
			t.Errorf("a later one: %d answered, %d fetches", succeeded, made.Load())
		}
		healthy(t, w)
	})
}

func TestAFETCHDoesNotJoinOneWhoseSessionIsGone(t *testing.T) {
	o := world.Options{AWS: withLatency(oneRegion(10, 2, 4))}
	o.APIM.Version = "4.4"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		go func() { _, _ = w.APIM.SendCommand(context.Background(), world.Integration, "FETCH", struct{}{}) }()
		pass(2 * time.Second) // in the middle of it
		w.APIM.Cut(world.Integration)
		pass(10 * time.Second)
		if succeeded, _ := replies(w, 2, "FETCH"); succeeded != 2 {
			t.Errorf("%d of 2 are answered", succeeded)
		}
		oneReplyEach(t, w)
	})
}

func TestFETCHesThatWaitForOneThatTakesTooLongAreToldSo(t *testing.T) {
	o := world.Options{Faults: func(id string, message any) {
		if _, gathered := message.(messages.GatheredAPIs); gathered && strings.Contains(id, "/fetch-") {
			time.Sleep(51 * time.Second) // until after the first one's time, and before the others'
		}
	}}
	o.APIM.Version = "4.4"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		together(3, func(n int) {
			time.Sleep(time.Duration(n) * 3 * time.Second)
			reply, err := w.APIM.SendCommand(context.Background(), world.Integration, "FETCH", struct{}{})
			if err != nil || !strings.Contains(reply.ErrorDetails, "within 50 seconds") {
				t.Errorf("%+v, %v", reply, err)
			}
		})
		pass(time.Minute)
		oneReplyEach(t, w)
	})
}

// A link so slow that one message takes longer than APIM waits for an answer, and lives all the same.
func TestAStateOfHealthThatIsTooLateIsNotSent(t *testing.T) {
	crawl := func(id memnet.ID) memnet.Plan {
		plan := memnet.NoPlan()
		if !strings.HasPrefix(id.To, "aws") {
			plan.ToListener.Latency, plan.ToListener.Buffer = time.Second, 9<<10 // 9 KiB/s
		}
		return plan
	}
	o := world.Options{Network: crawl}
	o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{APIs: 500, StagesPerAPI: 10, Plans: 4})
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		go func() { _, _ = w.APIM.SendCommand(context.Background(), world.Integration, "DISCOVER", struct{}{}) }()
		pass(2 * time.Second) // the preview is being written, for some 80 s
		if reply, err := w.APIM.SendCommand(context.Background(), world.Integration, "HEALTH_CHECK", struct{}{}); err == nil {
			t.Fatalf("%v was in time: nothing is proved", reply)
		}
		pass(time.Minute)
		for _, c := range w.APIM.Commands() {
			for _, r := range c.Replies {
				if took := r.At.Sub(c.SentAt); c.Type == "HEALTH_CHECK" && took > time.Minute {
					t.Errorf("an answer came after %s", took)
				}
			}
		}
		if len(w.APIM.EndedSessions()) > 0 {
			t.Errorf("%+v", w.APIM.EndedSessions())
		}
	})
}
