package acceptance

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/messages"
	"federation-agent/test/world"
)

// An actor that is on its way out waits for its children. One that is made meanwhile nobody would stop.
func TestWhoIsOnItsWayOutMakesNoChild(t *testing.T) {
	var asked atomic.Bool
	o := world.Options{
		AWS: awssim.Options{Latency: awssim.AWSLatency()},
		Faults: func(id string, message any) {
			switch message.(type) {
			case *actor.Stopping:
				if kind := kindOf(id); kind == "agent" || kind == "integration" {
					time.Sleep(5 * time.Second) // meanwhile AWS tells the target's account, and it asks for its quota
				}
			case messages.OpenQuota:
				asked.Store(true)
			}
		},
	}
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.StartAgent()
		pass(10 * time.Millisecond)
		agent.Kill() // a bubble whose agent does not end is a deadlock
		if left := actorsOf(agent); len(left) > 0 {
			t.Errorf("actors left: %v", left)
		}
		if asked.Load() {
			t.Error("a quota was asked for, and served")
		}
	})
}

// A discoverer fails, and with it its target, which is told to stop before its restart is due.
// The target waits for a stage's worker.
func TestARestartThatWasDueDoesNotBringBackWhoIsOnItsWayOut(t *testing.T) {
	var listings atomic.Int32
	o := world.Options{Faults: func(id string, message any) {
		switch {
		case kindOf(id) == "stage":
			time.Sleep(5 * time.Second)
		// the first one's stages have workers
		case fmt.Sprintf("%T", message) == "discovery.stagesListed" && listings.Add(1) == 2:
			panic("a bomb of the test")
		}
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		startIngest(w)
		w.Await("the discoverer to fail", func() bool { return w.Log.Has("restarting an actor", "target") })
		agent.Kill()
		if left := actorsOf(agent); len(left) > 0 {
			t.Errorf("actors left: %v", left)
		}
	})
}
