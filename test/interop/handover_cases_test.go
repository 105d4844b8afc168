package interop

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"federation-agent/internal/members"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/status"
	"federation-agent/internal/words"
	"federation-agent/test/interop/controller"
)

// handoverCases are about replicas that share a journal, as far as APIM sees them.
func handoverCases() []contractCase {
	return []contractCase{{
		name:    "two replicas are restarted, one after the other, among SUBSCRIBEs: none is lost",
		options: quickHealthChecks, run: rollsWithoutLoss,
	}}
}

const (
	// subscribeEvery is between two SUBSCRIBEs of a steady flow. Each takes two calls to AWS, of keyTime; the second one
	// AWS serves one at a time.
	subscribeEvery = 40 * time.Millisecond
	keyTime        = 15 * time.Millisecond
	// longEnough is more time to hand over than any case needs.
	longEnough = time.Minute
	lookEvery  = 20 * time.Millisecond
)

// slowAWS is one in which a key takes some time, so that commands are open whenever a session ends.
func slowAWS() awssim.Options {
	return awssim.Options{
		Estate:  uniform(2),
		Latency: awssim.Latency{Keys: awssim.Span{Min: keyTime, Max: keyTime}},
	}
}

// fleet is replicas that know of each other, as if they shared a table. Each has a journal of its own.
type fleet struct {
	s        *site
	handover time.Duration

	mu    sync.Mutex
	all   []*replica
	count int64
}

type replica struct {
	*agent
	self *members.Self
	node controller.Controller
}

// newFleet raises its members until the test ends.
func newFleet(s *site, handover time.Duration) *fleet {
	f := &fleet{s: s, handover: handover}
	raising, stop := context.WithCancel(context.Background())
	s.t.Cleanup(stop)
	go func() {
		for tick := time.Tick(lookEvery); ; {
			select {
			case <-tick:
				f.raise()
			case <-raising.Done():
				return
			}
		}
	}()
	return f
}

func (f *fleet) raise() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	var all []members.Member
	for _, r := range f.all {
		m := members.Member{ID: r.self.ID(), Count: f.count}
		if r.connected() {
			m.Ready = []string{target}
		}
		all = append(all, m)
	}
	now := time.Now()
	for _, r := range f.all {
		r.self.Raised(now)
		r.self.See(now, all)
	}
}

func (r *replica) connected() bool {
	i := r.board.Read().Integrations
	return len(i) > 0 && i[0].Session.State == status.Up
}

// join starts a replica that connects to a node of APIM, and waits until it has a session.
func (f *fleet) join(node controller.Controller) *replica {
	f.s.t.Helper()
	f.mu.Lock()
	r := &replica{self: members.NewSelf(fmt.Sprintf("replica-%d", len(f.all)+1)), node: node}
	f.mu.Unlock()
	r.self.Raised(time.Now())
	r.agent = f.s.agent(agentOptions{node: node, member: r.self, settings: map[string]string{
		"gravitee_agent_shutdown_handover": f.handover.String(),
	}})
	f.mu.Lock()
	f.all = append(f.all, r)
	f.mu.Unlock()
	for tick := time.Tick(lookEvery); !r.connected(); {
		select {
		case <-tick:
		case <-f.s.ctx.Done():
			f.s.t.Fatal("a replica never came to have a session")
		}
	}
	return r
}

// serves waits until APIM has a channel for commands: a moment after HELLO.
func (f *fleet) serves() {
	f.s.t.Helper()
	for tick := time.Tick(lookEvery); ; {
		if o := f.s.send(controller.Command{Type: previewType(f.s.c), Timeout: goingTimeout}); o.Reply != nil {
			return
		}
		select {
		case <-tick:
		case <-f.s.ctx.Done():
			f.s.t.Fatal("APIM has no channel for commands")
		}
	}
}

// restart replaces a replica in the order of a rolling update, the new one first, and gives that.
func (f *fleet) restart(old *replica, node controller.Controller) *replica {
	f.s.t.Helper()
	next := f.join(node)
	must(f.s.t, old.Drain(f.s.ctx, 8*time.Second))
	return next
}

// flow is a steady flow of SUBSCRIBEs, sent by the nodes of APIM in turn.
type flow struct {
	s     *site
	over  chan struct{}
	ended chan struct{}
	open  sync.WaitGroup

	mu             sync.Mutex
	sent, accepted int
	lost           map[string]int // by what they came to
}

func (s *site) subscribing(api apiOnWire, nodes ...controller.Controller) *flow {
	f := &flow{s: s, over: make(chan struct{}), ended: make(chan struct{}), lost: map[string]int{}}
	go func() {
		defer close(f.ended)
		for tick := time.Tick(subscribeEvery); ; {
			select {
			case <-f.over:
				return
			case <-tick:
				f.mu.Lock()
				n := f.sent
				f.sent++
				f.mu.Unlock()
				f.open.Go(func() { f.subscribe(nodes[n%len(nodes)], api, n) })
			}
		}
	}()
	return f
}

func (f *flow) subscribe(by controller.Controller, api apiOnWire, n int) {
	command := subscribeCommand(by, fmt.Sprintf("subscription-%d", n), api, "Shop")
	command.Target, command.Timeout = target, goingTimeout
	outcome, err := by.Send(f.s.ctx, command)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err != nil:
		f.lost[err.Error()]++
	case outcome.Failure != nil:
		f.lost[string(outcome.Failure.Kind)]++
	case outcome.Reply.Status != "SUCCEEDED":
		f.lost[words.Short(outcome.Reply.Error)]++
	default:
		f.accepted++
	}
}

// more waits until so many more have been sent.
func (f *flow) more(n int) {
	f.s.t.Helper()
	sent := func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.sent
	}
	enough := sent() + n
	for tick := time.Tick(lookEvery); sent() < enough; {
		select {
		case <-tick:
		case <-f.s.ctx.Done():
			f.s.t.Fatal("the flow of SUBSCRIBEs stands still")
		}
	}
}

// end ends the flow, and holds it to what a handover promises: none was refused, and none was cut off. Few may have got no
// answer, about one in 30 ends of a session at 25 a second on a busy machine: the controllers have a reader of the
// integration's queue for each channel, and what a reader takes in the very instant in which its channel closes no agent
// ever sees.
func (f *flow) end(most int) {
	f.s.t.Helper()
	if f.wait(); f.lost[string(controller.FailureTimeout)] > most || f.sent-f.accepted > f.lost[string(controller.FailureTimeout)] {
		f.s.t.Errorf("of %d SUBSCRIBEs %d were lost: %v", f.sent, f.sent-f.accepted, f.lost)
	}
}

// wait ends the flow.
func (f *flow) wait() {
	close(f.over)
	<-f.ended
	f.open.Wait()
}

func rollsWithoutLoss(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSiteOf(ctx, t, c, slowAWS())
	f := newFleet(s, longEnough)
	first := f.join(c)
	f.serves()
	api := s.ingest("job")[0]
	second := f.join(c)
	subscribes := s.subscribing(api, c)
	for _, old := range []*replica{first, second} {
		subscribes.more(15)
		f.restart(old, c)
	}
	subscribes.more(15)
	subscribes.end(1)
	if keys := len(s.aws.Keys()); keys != subscribes.accepted {
		t.Errorf("%d keys for %d accepted subscriptions", keys, subscribes.accepted)
	}
}
