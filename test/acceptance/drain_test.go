package acceptance

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	actors "federation-agent/actors/agent"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/messages"
	"federation-agent/test/world"
)

// drained holds a drain to its promises: in time, closed with 1000, nothing left.
func drained(t *testing.T, w *world.World, agent *world.Instance, ending actors.Ending) {
	t.Helper()
	if took := agent.Drain(); took > 10*time.Second {
		t.Errorf("draining took %s", took)
	}
	if agent.Ending() != ending {
		t.Errorf("ending %v, want %v", agent.Ending(), ending)
	}
	if left := actorsOf(agent); len(left) > 0 {
		t.Errorf("actors left: %v", left)
	}
	pass(time.Second) // a call to AWS that was on its way is heard out
	if ended := w.APIM.EndedSessions(); len(ended) == 0 || ended[len(ended)-1].Code != 1000 {
		t.Errorf("sessions ended %+v, want the last with 1000", ended)
	}
	if stacks := agentGoroutines(); len(stacks) > 0 {
		t.Errorf("goroutines left:\n%s", strings.Join(stacks, "\n\n"))
	}
}

// agentGoroutines is the stacks of goroutines that run the agent's own code.
func agentGoroutines() []string {
	all := make([]byte, 4<<20)
	all = all[:runtime.Stack(all, true)]
	var ours []string
	for stack := range strings.SplitSeq(string(all), "\n\n") {
		if strings.Contains(stack, "federation-agent/actors.") || strings.Contains(stack, "exchange/wsconn.") {
			if !strings.Contains(stack, "actors_test.") {
				ours = append(ours, stack)
			}
		}
	}
	return ours
}

func TestADrainClosesWith1000AndLeavesNothing(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		accepted(w, api)
		pass(time.Minute)
		drained(t, w, agent, actors.Drained)
		keysAreSubscriptions(t, w)
	})
}

func TestADrainInTheMiddleOfAnIngestClosesWithin10Seconds(t *testing.T) {
	slow := awssim.Span{Min: 3 * time.Second, Max: 3 * time.Second}
	run(t, world.Options{
		AWS: awssim.Options{Latency: awssim.Latency{Listings: slow, Exports: slow}},
	}, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		if _, err := w.APIM.StartIngest(context.Background(), world.Integration, nil); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		drained(t, w, agent, actors.Drained)
		oneReplyEach(t, w)
	})
}

func TestADrainBeforeSTART_INGESTIsAnsweredAnswersIt(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		w.AWS.Script().Add(awssim.Rule{Fault: awssim.Of(awssim.FaultHang)})
		reply := make(chan apimsim.Reply, 1)
		go func() {
			r, _ := w.APIM.SendCommand(context.Background(), world.Integration, "START_INGEST", map[string]any{
				"ingestJobId": "j",
			})
			reply <- r
		}()
		pass(time.Second)
		drained(t, w, agent, actors.Drained)
		if r := <-reply; r.Status != apimsim.StatusError || !strings.Contains(r.ErrorDetails, "shutting down") {
			t.Errorf("%v %s", r, r.ErrorDetails)
		}
	})
}

func TestADrainAnswersOpenSUBSCRIBEsAndUndoesWhatItRefused(t *testing.T) {
	o := world.Options{AWS: awssim.Options{
		Latency: awssim.Latency{Keys: awssim.Span{Min: 700 * time.Millisecond, Max: 700 * time.Millisecond}},
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		pass(time.Minute)
		done := make(chan struct{})
		go func() {
			defer close(done)
			together(30, func(int) { subscribe(w, api) })
		}()
		pass(time.Second)
		drained(t, w, agent, actors.Disorderly) // 30 keys at 700 ms each are more than the time allows to undo
		<-done
		if n := acceptedNow(w); n == 0 || n == 30 {
			t.Errorf("%d of 30 accepted, so that shows little", n)
		}
		oneReplyEach(t, w)
		next := w.StartAgent()
		pass(5 * time.Minute)
		keysAreSubscriptions(t, w)
		if j := journal(t, next); j["delivered"] != acceptedNow(w) || len(j) != 1 {
			t.Errorf("journal %v, %d accepted", j, acceptedNow(w))
		}
	})
}

func TestADrainWithoutASessionEndsAtOnce(t *testing.T) {
	for name, refusals := range map[string]int{"while waiting for the next attempt": 1000} {
		t.Run(name, func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				w.APIM.RefuseUpgrades(refusals, 401)
				agent := w.StartAgent()
				pass(10 * time.Minute)
				if took := agent.Drain(); took > time.Second {
					t.Errorf("draining took %s", took)
				}
				if left := append(actorsOf(agent), agentGoroutines()...); len(left) > 0 {
					t.Errorf("left: %v", left)
				}
			})
		})
	}
}

func TestADrainThatNobodyAnswersEndsInTimeAllTheSame(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		w.AWS.Script().Add(awssim.Rule{Fault: awssim.Of(awssim.FaultHang)})
		go func() { subscribe(w, api) }()
		pass(time.Second)
		for _, link := range w.Network.Links() {
			link.BlackHole()
		}
		if took := agent.Drain(); took > 10*time.Second {
			t.Errorf("draining took %s", took)
		}
		if agent.Ending() != actors.Disorderly {
			t.Errorf("ending %v: what was cut short is no orderly end", agent.Ending())
		}
		if left := actorsOf(agent); len(left) > 0 {
			t.Errorf("actors left: %v", left)
		}
		pass(2 * time.Minute)
	})
}

// Keys are being made when the end is asked for, and then an actor fails.
// A drain that only its time-out ends takes 8 s.
func TestAPanicInTheMiddleOfADrainDoesNotMakeItWaitForItsEnd(t *testing.T) {
	for kind, want := range map[string]actors.Ending{
		"agent": actors.Drained, "router": actors.Drained, "session": actors.Drained, "jobs": actors.Drained,
		"keys": actors.Drained, "writer": actors.Drained,
		"integration": actors.Disorderly,
	} {
		t.Run(kind, func(t *testing.T) {
			b := &bomb{kind: kind}
			o := world.Options{
				AWS: awssim.Options{
					Latency: awssim.Latency{Keys: awssim.Span{Min: 300 * time.Millisecond, Max: 300 * time.Millisecond}},
				},
				Faults: func(id string, m any) {
					_, drain := m.(messages.Drain)
					_, drained := m.(messages.Drained)
					if drain && kind != "integration" || drained { // an integration: when it is in the middle of it
						b.receive(id, m)
					}
				},
			}
			b.left.Store(1)
			b.fuse.Store(true)
			run(t, o, func(t *testing.T, w *world.World) {
				agent, api := ingested(w)
				pass(time.Minute)
				done := make(chan struct{})
				go func() { defer close(done); together(3, func(int) { subscribe(w, api) }) }()
				pass(500 * time.Millisecond)
				b.armed.Store(true)
				if took := agent.Drain(); took > 5*time.Second {
					t.Errorf("draining took %s", took)
				}
				<-done
				if !b.blown.Load() || agent.Ending() != want {
					t.Errorf("blown %v, ending %v, want %v", b.blown.Load(), agent.Ending(), want)
				}
				oneReplyEach(t, w)
				w.StartAgent()
				pass(5 * time.Minute)
				keysAreSubscriptions(t, w)
			})
		})
	}
}

func TestAPanicInTheMiddleOfADismissalDoesNotMakeItWaitForItsEnd(t *testing.T) {
	for _, kind := range []string{"integration", "router", "session", "keys", "writer"} {
		t.Run(kind, func(t *testing.T) {
			b := &bomb{kind: kind}
			b.left.Store(1)
			b.armed.Store(true)
			o := world.Options{Faults: func(id string, m any) {
				if _, drain := m.(messages.Drain); drain {
					b.receive(id, m)
				}
			}}
			run(t, o, func(t *testing.T, w *world.World) {
				agent, _ := ingested(w)
				began := time.Now()
				w.APIM.GoodBye(world.Integration, false)
				<-agent.Done()
				if took := time.Since(began); took > 2*time.Second || !b.blown.Load() {
					t.Errorf("it took %s, blown %v", took, b.blown.Load())
				}
				if agent.Ending() != actors.Dismissed {
					t.Errorf("ending %v", agent.Ending())
				}
			})
		})
	}
}
