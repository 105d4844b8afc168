package acceptance

import (
	"bytes"
	"context"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/memnet"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/world"
)

// TestMain makes collections rarer: most of what worlds allocate lives shortly, and a tenth of the time was theirs.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// uniform is where a uniform estate's first region lies.
func uniform() awssim.Scope {
	return awssim.Scope{Account: awssim.UniformAccount(0), Region: "eu-west-1"}
}

// run is world.Run with the log of a test that fails.
func run(t *testing.T, o world.Options, test func(*testing.T, *world.World)) {
	t.Helper()
	world.Run(t, o, func(t *testing.T, w *world.World) {
		test(t, w)
		if t.Failed() {
			t.Log(w.Log.String())
		}
	})
}

// largestOf tells, once a world has run, how large the agent's largest message was that begins so.
func largestOf(o *world.Options, beginning string) *int {
	largest := new(int)
	o.APIM.OnMessage = func(m apimsim.Message) {
		if m.Inbound && bytes.HasPrefix(m.Data, []byte(beginning)) {
			*largest = max(*largest, len(m.Data))
		}
	}
	return largest
}

// actorsOf is the ids of the actors that an agent still has.
func actorsOf(i *world.Instance) []string {
	return slices.DeleteFunc(i.Actors(), func(id string) bool { return !strings.HasPrefix(id, "agent-") })
}

// ingested starts an agent and ingests everything.
func ingested(w *world.World) (*world.Instance, apimsim.API) {
	w.T.Helper()
	agent := w.Connected()
	if job := w.Ingest(); job.Status != apimsim.JobSuccess {
		w.T.Fatalf("job: %+v\n%s", job, w.Log)
	}
	return agent, w.APIM.APIs()[0]
}

func subscribe(w *world.World, api apimsim.API) apimsim.Subscription {
	w.T.Helper()
	sub, err := w.APIM.Subscribe(context.Background(), api.ID, api.Plans[0].ID, "Shop", "")
	if err != nil {
		w.T.Fatal(err)
	}
	return sub
}

func accepted(w *world.World, api apimsim.API) apimsim.Subscription {
	w.T.Helper()
	sub := subscribe(w, api)
	if sub.Status != apimsim.SubscriptionAccepted {
		w.T.Fatalf("subscription %s: %s\n%s", sub.Status, sub.Reason, w.Log)
	}
	return sub
}

// invoke calls the API's stage with a key.
func invoke(w *world.World, api apimsim.API, key string) int {
	part := strings.Split(api.ProviderID, ":")
	return w.AWS.Invoke(awssim.Scope{Account: part[0], Region: part[1]}, part[2], part[3], key)
}

// oneReplyEach holds every command to exactly one reply, in time, on its own connection; only a command
// whose connection went down may have none.
func oneReplyEach(t *testing.T, w *world.World) {
	t.Helper()
	for _, c := range w.APIM.Commands() {
		if c.Type == "GOOD_BYE" {
			continue
		}
		if len(c.Replies) > 1 || (len(c.Replies) == 0 && c.Outcome != "CLOSED") {
			t.Errorf("%s %s (%s): %d replies, %s", c.Type, c.ID, c.Subject, len(c.Replies), c.Outcome)
		}
	}
	for _, code := range []apimsim.ProblemCode{
		apimsim.ProblemDuplicateReply, apimsim.ProblemLateReply, apimsim.ProblemStrayReply,
		apimsim.ProblemWrongChannel, apimsim.ProblemGoodByeAnswered, apimsim.ProblemUnhealthy,
	} {
		if p := w.APIM.ProblemsOf(code); len(p) > 0 {
			t.Errorf("APIM noticed %v", p)
		}
	}
}

// noKeyBeyond holds every key in AWS to an accepted subscription that has it, and gives the accepted
// subscriptions whose key AWS does not know.
func noKeyBeyond(t *testing.T, w *world.World) (without int) {
	t.Helper()
	wanted := map[string]bool{}
	for _, s := range w.APIM.Subscriptions() {
		if s.Status == apimsim.SubscriptionAccepted {
			wanted[s.APIKey.Reveal()] = true
		}
	}
	for _, key := range w.AWS.Keys() {
		if !wanted[key.Value.Reveal()] {
			t.Errorf("key %s (%s) belongs to no accepted subscription", key.ID, key.Name)
		}
		delete(wanted, key.Value.Reveal())
	}
	return len(wanted)
}

// keysAreSubscriptions holds keys and accepted subscriptions to be the same.
func keysAreSubscriptions(t *testing.T, w *world.World) {
	t.Helper()
	if without := noKeyBeyond(t, w); without > 0 {
		t.Errorf("%d accepted subscriptions have a key that AWS does not know", without)
	}
}

// journal is an agent's key records by state.
func journal(t *testing.T, i *world.Instance) map[keys.State]int {
	t.Helper()
	records, err := storetest.Records(i.Store, store.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	states := map[keys.State]int{}
	for _, r := range records {
		states[r.State]++
	}
	return states
}

// dials notes when the agent's connections to APIM are dialled.
type dials struct {
	mu   sync.Mutex
	at   []time.Time
	to   []string
	plan func(n int) memnet.Plan
}

func (d *dials) network(id memnet.ID) memnet.Plan {
	if strings.HasPrefix(id.To, "aws") {
		return memnet.NoPlan()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at, d.to = append(d.at, time.Now()), append(d.to, id.To)
	if d.plan != nil {
		return d.plan(len(d.at))
	}
	return memnet.NoPlan()
}

func (d *dials) gaps() []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	var gaps []time.Duration
	for i := 1; i < len(d.at); i++ {
		gaps = append(gaps, d.at[i].Sub(d.at[i-1]))
	}
	return gaps
}

func (d *dials) targets() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.to...)
}

// together runs n calls at once and waits for all.
func together(n int, call func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { call(i) })
	}
	all.Wait()
}

// settled is a connected agent whose session is not new: what APIM sends right behind HELLO may have waited for long, so
// the agent does not know whether APIM still wants it.
func settled(w *world.World) *world.Instance {
	agent := w.Connected()
	pass(2 * time.Second)
	return agent
}

// pass lets virtual time pass until nothing is left to do at its end.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func region(name string) map[string]string {
	return map[string]string{"gravitee_integration_providers_0_configuration_region": name}
}
