package acceptance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	actors "federation-agent/actors/agent"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// kindOf is the kind of actor: "session" of "agent-$1/integration-$2/session-$9".
func kindOf(actorID string) string {
	last := actorID[strings.LastIndex(actorID, "/")+1:]
	kind, _, _ := strings.Cut(last, "-")
	return kind
}

// bomb makes one kind of actor panic, once, on the nth message after it is armed. The top actor, the identity and
// "keys" hear of little in everyday life: a target that begins once more asks them for its quota, its account and its
// writer.
type bomb struct {
	kind  string
	fuse  atomic.Bool // for these: a target has been made to begin once more
	armed atomic.Bool
	left  atomic.Int32
	blown atomic.Bool
	on    atomic.Value
}

func (b *bomb) receive(actorID string, message any) {
	quiet := b.kind == "agent" || b.kind == "identity" || b.kind == "keys"
	if quiet && kindOf(actorID) == "target" && b.armed.Load() && b.fuse.CompareAndSwap(false, true) {
		panic("the fuse of a test's bomb")
	}
	if b.armed.Load() && kindOf(actorID) == b.kind && b.left.Add(-1) == 0 {
		b.blown.Store(true)
		b.on.Store(fmt.Sprintf("%T", message))
		panic("a bomb of the test")
	}
}

// Some keys are being made, some deleted, an ingest begins, previews run: then an actor panics.
func TestAPanicInAnyActorWith20CommandsOpenLeavesEachWithOneReplyAndNoKeyBehind(t *testing.T) {
	for _, kind := range []string{
		"agent", "integration", "session", "router", "preview", "catalogue", "jobs", "ingest", "identity", "target",
		"discoverer", "stage",
		"keys", "writer", "saga", "quota",
	} {
		for _, nth := range []int32{1, 3, 12} {
			t.Run(fmt.Sprintf("%s/message %d", kind, nth), func(t *testing.T) { panicked(t, kind, nth) })
		}
	}
}

func panicked(t *testing.T, kind string, nth int32) {
	b := &bomb{kind: kind}
	b.left.Store(nth)
	o := world.Options{
		AWS:      awssim.Options{Latency: awssim.AWSLatency()},
		Faults:   b.receive,
		Settings: map[string]string{"gravitee_agent_discovery_listingMaxAge": "0s"},
	}
	run(t, o, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		var old []apimsim.Subscription
		for range 5 {
			old = append(old, accepted(w, api))
		}
		pass(time.Minute)
		b.armed.Store(true)
		go func() { _ = agent.Alive(context.Background()) }() // the top actors hear of little else
		together(20, func(i int) {
			switch {
			case i < 12:
				_, _ = w.APIM.Subscribe(context.Background(), api.ID, api.Plans[0].ID, "Shop", "")
			case i < 17:
				_ = w.APIM.Unsubscribe(context.Background(), old[i-12].ID)
			case i < 19:
				_, _ = w.APIM.Preview(context.Background(), world.Integration)
			default:
				_, _ = w.APIM.StartIngest(context.Background(), world.Integration, nil)
			}
		})
		b.armed.Store(false)
		if !b.blown.Load() && nth == 1 {
			t.Errorf("no %s got so many messages", kind)
		}
		t.Logf("on %v", b.on.Load())
		w.Await("the agent to be connected", func() bool { return len(w.APIM.Agents()) == 1 })
		pass(15 * time.Minute)
		oneReplyEach(t, w)

		// A subscription whose session was lost is REJECTED in APIM; its key is gone or listed.
		cut := len(w.APIM.EndedSessions()) > 0
		unconfirmed := journal(t, agent)["unconfirmed"]
		if !cut {
			// An UNSUBSCRIBE that a panic answered ERROR may have deleted its key; that of no other is gone.
			if without := noKeyBeyond(t, w); without > acceptedOf(w, old) {
				t.Errorf("%d subscriptions lost their key", without)
			}
			if b.on.Load() != "messages.AnswerFate" && unconfirmed > 0 {
				t.Errorf("%d keys are called unconfirmed, but no session was cut", unconfirmed)
			}
		} else if extra := len(w.AWS.Keys()) - acceptedNow(w); extra > unconfirmed {
			t.Errorf("%d keys beyond the accepted subscriptions, %d listed as unconfirmed", extra, unconfirmed)
		}
		if n := journal(t, agent)["lost-create"]; n > 0 {
			t.Errorf("%d creates are called lost, but AWS answered each", n)
		}

		for _, sub := range w.APIM.Subscriptions() {
			if sub.Status == apimsim.SubscriptionAccepted {
				if err := w.APIM.Unsubscribe(context.Background(), sub.ID); err != nil {
					t.Errorf("afterwards UNSUBSCRIBE: %v", err)
				}
			}
		}
		if p, err := w.APIM.Preview(context.Background(), world.Integration); err != nil || p.Partial || len(p.APIs) != 8 {
			t.Errorf("afterwards a preview gives %+v, %v", p, err)
		}
		accepted(w, api)
	})
}

func acceptedOf(w *world.World, some []apimsim.Subscription) int {
	n := 0
	for _, s := range w.APIM.Subscriptions() {
		if s.Status == apimsim.SubscriptionAccepted &&
			slices.ContainsFunc(some, func(o apimsim.Subscription) bool { return o.ID == s.ID }) {
			n++
		}
	}
	return n
}

func acceptedNow(w *world.World) int {
	n := 0
	for _, s := range w.APIM.Subscriptions() {
		if s.Status == apimsim.SubscriptionAccepted {
			n++
		}
	}
	return n
}

// Catalogue, router, targets and jobs restart together: whoever panics first, all targets serve afterwards.
func TestWhoRestartsTogetherKnowsEveryTargetAfterwards(t *testing.T) {
	for _, kind := range []string{"catalogue", "router", "target", "discoverer", "identity", "jobs"} {
		t.Run(kind, func(t *testing.T) {
			var lost atomic.Bool
			faults := func(id string, message any) {
				if _, begins := message.(*actor.Started); begins && kindOf(id) == kind && !lost.Swap(true) {
					panic("a bomb of the test")
				}
			}
			o := world.Options{
				AWS:      awssim.Options{Estate: estate(1, "eu-west-1", "us-east-1"), Latency: awssim.AWSLatency()},
				Settings: region("eu-west-1,us-east-1"), Faults: faults,
			}
			run(t, o, func(t *testing.T, w *world.World) {
				w.Connected()
				pass(time.Minute)
				if !lost.Load() {
					t.Fatalf("no %s began", kind)
				}
				if job := w.Ingest(); job.Status != apimsim.JobSuccess || len(w.APIM.APIs()) != 8 {
					t.Errorf("job %+v, %d APIs stored", job, len(w.APIM.APIs()))
				}
			})
		})
	}
}

func TestAnActorThatPanicsAgainAndAgainDoesNotSpin(t *testing.T) {
	var panics atomic.Int32
	faults := func(id string, _ any) {
		if kindOf(id) == "catalogue" {
			panics.Add(1)
			panic("always")
		}
	}
	run(t, world.Options{Faults: faults}, func(t *testing.T, w *world.World) {
		w.Connected()
		pass(time.Hour)
		if n := panics.Load(); n < 60 || n > 600 {
			t.Errorf("%d panics in an hour", n)
		}
		if len(w.APIM.Agents()) != 1 || len(w.APIM.EndedSessions()) > 0 {
			t.Error("the session did not stay")
		}
		if reply, err := w.APIM.Preview(context.Background(), world.Integration); err == nil {
			t.Errorf("a preview without a catalogue: %v", reply)
		}
		oneReplyEach(t, w)
	})
}

func TestAnAgentWhoseTopActorKeepsFailingEndsAsFailed(t *testing.T) {
	faults := func(id string, message any) {
		if _, last := message.(*actor.Stopped); kindOf(id) == "agent" && !last {
			panic("always")
		}
	}
	run(t, world.Options{Faults: faults}, func(t *testing.T, w *world.World) {
		agent := w.StartAgent()
		select {
		case <-agent.Done():
		case <-time.After(time.Hour):
			t.Fatal("the agent did not end")
		}
		if agent.Ending() != actors.Failed {
			t.Errorf("ending %v", agent.Ending())
		}
	})
}
