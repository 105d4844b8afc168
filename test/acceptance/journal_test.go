package acceptance

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/world"
)

// onceWritten does something the first time that a key's record is written with a state, and decides about that write.
// It gives whether that has happened.
func onceWritten(w *world.World, state keys.State, do func() storetest.Outcome) *atomic.Bool {
	var done atomic.Bool
	w.Disk.Decide(func(write storetest.Write) storetest.Outcome {
		for _, name := range write.Names() {
			if strings.HasPrefix(name, "key ") && strings.HasSuffix(name, " "+string(state)) &&
				done.CompareAndSwap(false, true) {
				return do()
			}
		}
		return storetest.Outcome{}
	})
	return &done
}

// leaves holds AWS to so many keys, and an agent's journal to one record of a state, or to none where it is empty.
func leaves(t *testing.T, w *world.World, agent *world.Instance, keys int, then keys.State) {
	t.Helper()
	if n := len(w.AWS.Keys()); n != keys {
		t.Errorf("%d keys in AWS, want %d", n, keys)
	}
	j := journal(t, agent)
	if then == "" && len(j) > 0 || then != "" && (j[then] != 1 || len(j) != 1) {
		t.Errorf("journal %v, want one %q", j, then)
	}
}

func TestACrashAtEachStateOfTheJournalLeavesWhatTheTableSays(t *testing.T) {
	for _, c := range []struct {
		state keys.State
		keys  int        // in AWS, after the next start
		then  keys.State // of the record, after the next start; empty if it is gone
	}{
		{keys.Intent, 0, ""},
		{keys.Creating, 0, keys.LostCreate},
		{keys.Created, 0, ""},
		{keys.Attached, 0, ""},
		{keys.Answered, 1, keys.Unconfirmed},
		{keys.Delivered, 1, keys.Delivered},
	} {
		t.Run(string(c.state), func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				agent, api := ingested(w)
				crashed := onceWritten(w, c.state, func() storetest.Outcome {
					w.Network.Fence(agent.Name)
					return storetest.Outcome{Crash: true, Written: true}
				})
				sub := subscribe(w, api)
				pass(time.Second)
				if !crashed.Load() {
					t.Fatal("the state was never written")
				}
				agent.Crash()
				next := w.StartAgent()
				pass(10 * time.Minute)
				leaves(t, w, next, c.keys, c.then)
				want := apimsim.SubscriptionRejected
				if c.state == keys.Delivered {
					want = apimsim.SubscriptionAccepted
				}
				if sub.Status != want {
					t.Errorf("the subscription is %s", sub.Status)
				}
				if (c.then == keys.Unconfirmed || c.then == keys.LostCreate) &&
					!w.Log.Has(next.Name, "level=", sub.ID, "federation-agent keys") {
					t.Error("the log does not say what to look at")
				}
			})
		})
	}
}

// The table's columns for a cut session, as far as they are decided by the journal's state: the reply may have left
// only from "answered" on, and then the connection knows whether it did.
func TestASessionCutAtEachStateOfTheJournalLeavesWhatTheTableSays(t *testing.T) {
	for _, c := range []struct {
		state keys.State
		keys  int        // in AWS, once the dust has settled
		then  keys.State // of the record; empty if it is gone
	}{
		{keys.Intent, 0, ""},
		{keys.Creating, 0, ""},
		{keys.Created, 0, ""},
		{keys.Attached, 0, ""},
		{keys.Answered, 0, ""},
		{keys.Delivered, 1, keys.Delivered},
	} {
		t.Run(string(c.state), func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				agent, api := ingested(w)
				cut := onceWritten(w, c.state, func() storetest.Outcome {
					w.APIM.Cut(world.Integration)
					return storetest.Outcome{}
				})
				sub := subscribe(w, api)
				want := apimsim.SubscriptionRejected
				if c.state == keys.Delivered {
					want = apimsim.SubscriptionAccepted
				}
				pass(10 * time.Minute)
				if !cut.Load() || sub.Status != want {
					t.Fatalf("cut: %t, and the subscription is %s", cut.Load(), sub.Status)
				}
				leaves(t, w, agent, c.keys, c.then)
			})
		})
	}
}

func TestASessionCutAfterTheReplyLeftHasItsKeyListedAsUnconfirmed(t *testing.T) {
	for name, c := range map[string]struct {
		fault  apimsim.ReceivedFault
		status string
	}{
		"before APIM took it": {apimsim.ReceivedFault{CutBefore: true}, apimsim.SubscriptionRejected},
		"after APIM took it":  {apimsim.ReceivedFault{CutAfter: true}, apimsim.SubscriptionAccepted},
	} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{APIM: apimsim.Options{Script: &apimsim.Script{
				Received: func(e apimsim.ReceivedEvent) apimsim.ReceivedFault {
					if e.Kind == "REPLY" && e.Type == "SUBSCRIBE" {
						return c.fault
					}
					return apimsim.ReceivedFault{}
				},
				Pong: func(int, int) bool { return false },
			}}}
			run(t, o, func(t *testing.T, w *world.World) {
				agent, api := ingested(w)
				sub := subscribe(w, api)
				if sub.Status != c.status {
					t.Errorf("%s", sub.Status)
				}
				pass(10 * time.Second)
				j := journal(t, agent)
				if j[keys.Unconfirmed] != 1 || len(j) != 1 || len(w.AWS.Keys()) != 1 {
					t.Errorf("journal %v, keys %v", j, w.AWS.Keys())
				}
				if !w.Log.Has("level=ERROR", w.AWS.Keys()[0].ID, sub.ID, "see in APIM whether the subscription is accepted") {
					t.Error("the log does not say how to check")
				}
			})
		})
	}
}

func TestACrashBetweenThrottledCreatesIsNoLostCreate(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateAPIKey, Fault: awssim.Throttling(10 * time.Second)})
		go func() { subscribe(w, api) }()
		w.Await("AWS to refuse the first attempt", func() bool { return w.AWS.CallCount(awssim.OpCreateAPIKey) == 1 })
		pass(time.Second)
		if n := w.AWS.CallCount(awssim.OpCreateAPIKey); n != 1 {
			t.Fatalf("%d attempts: the crash would not be between two", n)
		}
		agent.Crash()
		w.AWS.Script().Clear()
		next := w.StartAgent()
		pass(5 * time.Minute)
		if j := journal(t, next); len(j) > 0 {
			t.Errorf("journal %v: AWS refused, so there is nothing to look for", j)
		}
		if w.Log.Has("the answer to CreateApiKey was lost") {
			t.Error("a lost create is listed")
		}
	})
}
