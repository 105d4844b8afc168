package actors

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/apigateway"
	"federation-agent/messages"
)

// askAgain is how long a worker waits for the quota's answer before it asks for the same permit again:
// a quota actor that was restarted has forgotten who waits.
const askAgain = 5 * time.Second

// permits asks a quota actor on behalf of the SDK's middleware, which runs in workers' goroutines.
type permits struct {
	system  *actor.ActorSystem
	quota   *actor.PID
	tickets *atomic.Uint64
}

// permitRules are what a call asks of its permits beyond its context's deadline.
type permitRules struct {
	// by is the latest time for a permit: an attempt that begins by then is heard out.
	by time.Time
	// wanted, unless nil, ends when no further attempt is to begin; one that runs is heard out.
	wanted context.Context
	// granted is called with a permit in hand, before each attempt; its error gives the permit back and
	// ends the call.
	granted func() error
	// undone, unless nil, is called after each attempt that made nothing, whether or not another one follows.
	undone func()
}

type permitRulesKey struct{}

func withPermitRules(ctx context.Context, r permitRules) context.Context {
	return context.WithValue(ctx, permitRulesKey{}, r)
}

// Acquire implements apigateway.Permits.
func (p *permits) Acquire(ctx context.Context, r apigateway.PermitRequest) (apigateway.Permit, error) {
	rules, _ := ctx.Value(permitRulesKey{}).(permitRules)
	if rules.wanted == nil {
		rules.wanted = context.Background()
	}
	by := rules.by
	if by.IsZero() {
		by, _ = ctx.Deadline()
	}
	ticket := p.tickets.Add(1)
	verdict, err := p.ask(ctx, rules.wanted, messages.AcquirePermit{
		Ticket: ticket, Operation: r.Operation, Priority: r.Priority, By: by,
	})
	if err == nil {
		// An attempt must not begin once nobody wants it, though its permit came at the same moment.
		err = cmp.Or(ctx.Err(), unwantedBy(rules.wanted))
	}
	if err != nil {
		p.system.Root.Send(p.quota, messages.ReturnPermit{Ticket: ticket})
		return nil, err
	}
	switch v := verdict.(type) {
	case messages.PermitGranted:
		granted := permit{permits: p, ticket: ticket, undone: rules.undone}
		if rules.granted != nil {
			if err := rules.granted(); err != nil {
				granted.Done(apigateway.AttemptOutcome{})
				return nil, err
			}
		}
		return granted, nil
	case messages.PermitRefused:
		// Should the same ticket have been asked for again meanwhile, nobody waits for its grant.
		p.system.Root.Send(p.quota, messages.ReturnPermit{Ticket: ticket})
		return nil, fmt.Errorf("%w: %s would have to wait %s", apigateway.ErrNoPermit, r.Operation, v.Wait.Round(time.Second))
	default: // a dead letter: there is no quota actor any more
		return nil, fmt.Errorf("%w: the agent is shutting down", apigateway.ErrNoPermit)
	}
}

func unwantedBy(wanted context.Context) error {
	if wanted.Err() != nil {
		return errUnwanted
	}
	return nil
}

// ask waits for the quota's verdict, and asks again now and then: a quota actor that was restarted has
// forgotten who waits.
func (p *permits) ask(ctx, wanted context.Context, ask messages.AcquirePermit) (any, error) {
	ear := permitEar{heard: make(chan any, 1)}
	pid, _ := p.system.ProcessRegistry.Add(ear, "permit"+p.system.ProcessRegistry.NextID())
	defer p.system.ProcessRegistry.Remove(pid)
	for {
		p.system.Root.RequestWithCustomSender(p.quota, ask, pid)
		again := time.NewTimer(askAgain)
		select {
		case verdict := <-ear.heard:
			again.Stop()
			return verdict, nil
		case <-ctx.Done():
			again.Stop()
			return nil, ctx.Err()
		case <-wanted.Done():
			again.Stop()
			return nil, errUnwanted
		case <-again.C:
		}
	}
}

// permitEar is a process that hears one verdict for a goroutine. The library's Future would do, were it not
// a data race to send it a second message, as a quota that is asked twice may.
type permitEar struct{ heard chan any }

// SendUserMessage implements actor.Process.
func (e permitEar) SendUserMessage(_ *actor.PID, message any) {
	select {
	case e.heard <- actor.UnwrapEnvelopeMessage(message):
	default:
	}
}

// SendSystemMessage implements actor.Process.
func (permitEar) SendSystemMessage(*actor.PID, any) {}

// Stop implements actor.Process.
func (permitEar) Stop(*actor.PID) {}

// permit is the leave to make one attempt.
type permit struct {
	permits *permits
	ticket  uint64
	undone  func()
}

// Done implements apigateway.Permit.
func (p permit) Done(outcome apigateway.AttemptOutcome) {
	if p.undone != nil && outcome.Undone() {
		p.undone()
	}
	p.permits.system.Root.Send(p.permits.quota, messages.ReturnPermit{Ticket: p.ticket, Outcome: outcome})
}
