package acceptance

import (
	"syscall"
	"testing"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// The simulation's seed 60003213: the disk that knows the older key comes back only after the newer one was
// delivered. Which of them is the newer one does not depend on the wall clock.
func TestAnOlderKeyThatTheJournalDidNotKnowGoesOnceItIsKnown(t *testing.T) {
	for name, putBack := range map[string]time.Duration{"": 0, "the clock was put back": 48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				agent, api := ingested(w)
				if status, _, _ := repeat(w, api, "sub-1"); status != apimsim.StatusSucceeded {
					t.Fatalf("the first SUBSCRIBE: %s", status)
				}
				pass(time.Second)
				agent.Crash()
				w.Disk.OnOpen = func(int) error { return syscall.EIO }
				agent = w.StartAgentWith(world.AgentOptions{Now: func() time.Time { return time.Now().Add(-putBack) }})
				pass(time.Minute)
				_, key, newer := repeat(w, api, "sub-1")
				pass(time.Minute)
				if n := len(w.AWS.Keys()); n != 2 {
					t.Fatalf("%d keys, so the older one was known", n)
				}
				w.Disk.OnOpen = nil
				if err := agent.Store.Flush(); err != nil {
					t.Fatal(err)
				}
				pass(time.Minute)
				if left := w.AWS.Keys(); len(left) != 1 || left[0].ID != newer || invoke(w, api, key) != 200 {
					t.Errorf("keys %v, want %s alone", left, newer)
				}
				leaves(t, w, agent, 1, keys.Delivered)
			})
		})
	}
}

// The simulation's seed 90006702: a subscription with two keys ends while the journal that knows both cannot be read.
// APIM names one of them.
func TestAKeyWhoseSubscriptionEndedBeforeTheJournalCouldBeReadGoesOnceItIsKnown(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		sub := accepted(w, api)
		pass(time.Second)
		// No pong comes that would prove the second answer, after which the older key would be deleted.
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateUsagePlanKey, Fault: awssim.Slow(time.Second)})
		time.AfterFunc(500*time.Millisecond, func() { apimLink(w).Hold(10*time.Second, true, false) })
		if status, _, _ := repeat(w, api, sub.ID); status != apimsim.StatusSucceeded {
			t.Fatalf("the second SUBSCRIBE: %s", status)
		}
		agent.Crash() // before the second answer was proved: both keys stay
		if n := len(w.AWS.Keys()); n != 2 {
			t.Fatalf("%d keys", n)
		}
		w.Disk.OnOpen = func(int) error { return syscall.EIO }
		agent = w.StartAgent()
		pass(time.Minute)
		if err := w.APIM.Unsubscribe(t.Context(), sub.ID); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		if n := len(w.AWS.Keys()); n != 1 {
			t.Fatalf("%d keys after the end, so the journal's was known", n)
		}
		w.Disk.OnOpen = nil
		if err := agent.Store.Flush(); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute)
		leaves(t, w, agent, 0, "")
	})
}
