package acceptance

import (
	"context"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/memnet"
	"federation-agent/messages"
	"federation-agent/test/world"
)

// apimLink is the agent's connection to APIM.
func apimLink(w *world.World) *memnet.Link {
	w.T.Helper()
	for _, link := range w.Network.Links() {
		if strings.HasPrefix(link.ID().To, "apim") {
			return link
		}
	}
	w.T.Fatal("the agent has no connection to APIM")
	return nil
}

// attachedIsAcceptedOrListed holds each attached key to an accepted subscription or the list of unconfirmed keys.
func attachedIsAcceptedOrListed(t *testing.T, w *world.World, agent *world.Instance) {
	t.Helper()
	attached, wanted := 0, journal(t, agent)[keys.Unconfirmed]
	for _, key := range w.AWS.Keys() {
		if len(key.Plans) > 0 {
			attached++
		}
	}
	for _, s := range w.APIM.Subscriptions() {
		if s.Status == apimsim.SubscriptionAccepted {
			wanted++
		}
	}
	if attached != wanted {
		t.Errorf("%d keys are attached, and %d are accepted or listed", attached, wanted)
	}
}

// answerLate has the session hand on the answer with a key only so long after its deadline.
func answerLate(by time.Duration) func(string, any) {
	return func(id string, message any) {
		if a, ok := message.(messages.Answer); ok && kindOf(id) == "session" {
			if _, key := a.Reply.(messages.Subscribed); key {
				time.Sleep(time.Until(a.AnswerBy.Add(by)))
			}
		}
	}
}

func TestACommandsTimeCountsFromWhenItWasSentAtTheEarliestNotFromWhenItIsRead(t *testing.T) {
	for _, held := range []time.Duration{0, 5 * time.Second, 14 * time.Second} {
		t.Run(held.String(), func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				agent, api := ingested(w)
				w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateAPIKey, Fault: awssim.Throttling(0)})
				apimLink(w).Hold(held, true, false)
				began := time.Now()
				sub := subscribe(w, api)
				if took := time.Since(began); sub.Status != apimsim.SubscriptionRejected || took > 45*time.Second ||
					took < 30*time.Second || !strings.Contains(sub.Reason, "AWS") {
					t.Errorf("after %s it is %s: %s", took, sub.Status, sub.Reason)
				}
				pass(time.Minute)
				attachedIsAcceptedOrListed(t, w, agent)
				oneReplyEach(t, w)
			})
		})
	}
}

func TestAnAnswerThatLeavesLateIsInTimeThoughItsCommandWasHeldUp(t *testing.T) {
	run(t, world.Options{Faults: answerLate(7 * time.Second)}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		apimLink(w).Hold(14*time.Second, true, false)
		began := time.Now()
		sub := subscribe(w, api)
		if took := time.Since(
			began,
		); took > 58*time.Second ||
			sub.Reason == "" && sub.Status == apimsim.SubscriptionRejected {
			t.Errorf("after %s it is %s: %s", took, sub.Status, sub.Reason)
		}
		pass(5 * time.Minute)
		attachedIsAcceptedOrListed(t, w, agent)
		oneReplyEach(t, w)
	})
}

// The controller's clock runs ten times as fast as the agent's here: so it looks to a machine whose clocks stood still.
func TestTheControllersPingsCountACommandsAgeWhereOurClocksStandStill(t *testing.T) {
	fast := apimsim.Options{PingInterval: 500 * time.Millisecond, CommandTimeout: 8 * time.Second}
	t.Run("a key that comes behind ten of them is undone", func(t *testing.T) {
		run(t, world.Options{APIM: fast}, func(t *testing.T, w *world.World) {
			agent, api := ingested(w)
			w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateUsagePlanKey, Fault: awssim.Slow(5500 * time.Millisecond)})
			sub := subscribe(w, api)
			if sub.Status != apimsim.SubscriptionRejected || !strings.Contains(sub.Reason, "too old") {
				t.Errorf("%s: %s", sub.Status, sub.Reason)
			}
			pass(time.Minute)
			if j := journal(t, agent); len(j) > 0 || len(w.AWS.Keys()) > 0 {
				t.Errorf("journal %v, %d keys", j, len(w.AWS.Keys()))
			}
			oneReplyEach(t, w)
		})
	})
	t.Run("nine are as good as none", func(t *testing.T) {
		run(t, world.Options{APIM: fast}, func(t *testing.T, w *world.World) {
			agent, api := ingested(w)
			w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateUsagePlanKey, Fault: awssim.Slow(4 * time.Second)})
			accepted(w, api)
			pass(time.Minute)
			if j := journal(t, agent); j[keys.Delivered] != 1 {
				t.Errorf("journal %v", j)
			}
		})
	})
	t.Run("a pong behind twelve proves nothing", func(t *testing.T) {
		run(t, world.Options{APIM: fast}, func(t *testing.T, w *world.World) {
			agent, api := ingested(w)
			w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateUsagePlanKey, Fault: awssim.Slow(4 * time.Second)})
			time.AfterFunc(3*time.Second, func() { apimLink(w).Hold(10*time.Second, false, true) })
			if sub := subscribe(w, api); sub.Status != apimsim.SubscriptionRejected {
				t.Errorf("%s", sub.Status)
			}
			pass(time.Minute)
			if j := journal(t, agent); j[keys.Unconfirmed] != 1 {
				t.Errorf("journal %v", j)
			}
			attachedIsAcceptedOrListed(t, w, agent)
		})
	})
}

func TestAPongThatComesAfterTheControllersPatienceProvesNothing(t *testing.T) {
	o := world.Options{
		APIM:   apimsim.Options{PingInterval: time.Hour}, // its clock says nothing
		Faults: answerLate(-2500 * time.Millisecond),
	}
	run(t, o, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		pings := w.APIM.Agents()[0].PingsReceived
		w.Await("a ping", func() bool { return w.APIM.Agents()[0].PingsReceived > pings })
		pass(500 * time.Millisecond)
		// The answer leaves 47 s after the command. The network stands from just before until APIM has given up. No ping
		// waits for its pong for 15 s then.
		time.AfterFunc(46900*time.Millisecond, func() { apimLink(w).Hold(13600*time.Millisecond, true, true) })
		if sub := subscribe(w, api); sub.Status != apimsim.SubscriptionRejected {
			t.Errorf("%s", sub.Status)
		}
		pass(2 * time.Minute)
		if len(w.APIM.EndedSessions()) > 0 || len(w.AWS.Keys()) != 1 {
			t.Errorf("%d keys, and these sessions ended: %+v", len(w.AWS.Keys()), w.APIM.EndedSessions())
		}
		attachedIsAcceptedOrListed(t, w, agent)
	})
}

func TestASUBSCRIBERightBehindHELLOMayBeOneThatWasKeptSoItsKeyIsListed(t *testing.T) {
	for after, want := range map[time.Duration]keys.State{
		0: keys.Unconfirmed, 900 * time.Millisecond: keys.Unconfirmed, 1100 * time.Millisecond: keys.Delivered,
	} {
		t.Run(after.String(), func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				agent, api := ingested(w)
				w.APIM.Cut(world.Integration)
				w.Await("the next session", func() bool { return len(w.APIM.Agents()) == 1 })
				pass(after)
				accepted(w, api)
				pass(time.Minute)
				if j := journal(t, agent); j[want] != 1 || len(j) != 1 {
					t.Errorf("journal %v, want %s", j, want)
				}
				if _, err := w.APIM.Preview(context.Background(), world.Integration); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
