package quota

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/status"
	"federation-agent/messages"
)

// askAgain is how long a worker waits for the quota's answer before it asks for the same permit again:
// a quota actor that was restarted has forgotten who waits.
const askAgain = 5 * time.Second

// ErrUnwanted ends what nobody waits for.
var ErrUnwanted = errors.New("nobody waits for it any more")

// Permits asks a quota actor on behalf of the SDK's middleware, which runs in workers' goroutines.
type Permits struct {
	System  *actor.ActorSystem
	Quota   *actor.PID
	Tickets *atomic.Uint64
	// target is what the calls are for; each attempt is counted on the board.
	Target federation.Target
	Board  *status.Board
}

// PermitRules are what a call asks of its permits beyond its context's deadline.
type PermitRules struct {
	// by is the latest time for a permit: an attempt that begins by then is heard out.
	By time.Time
	// wanted, unless nil, ends when no further attempt is to begin; one that runs is heard out.
	Wanted context.Context
	// granted is called with a permit in hand, before each attempt; its error gives the permit back and
	// ends the call.
	Granted func() error
	// undone, unless nil, is called after each attempt that made nothing, whether or not another one follows.
	Undone func()
}

type permitRulesKey struct{}

func WithPermitRules(ctx context.Context, r PermitRules) context.Context {
	return context.WithValue(ctx, permitRulesKey{}, r)
}

// Acquire implements apigateway.Permits.
func (p *Permits) Acquire(ctx context.Context, r gateway.PermitRequest) (apigateway.Permit, error) {
	rules, _ := ctx.Value(permitRulesKey{}).(PermitRules)
	if rules.Wanted == nil {
		rules.Wanted = context.Background()
	}
	r.By = rules.By
	if r.By.IsZero() {
		r.By, _ = ctx.Deadline()
	}
	ticket := p.Tickets.Add(1)
	verdict, err := p.ask(ctx, rules.Wanted, messages.AcquirePermit{Ticket: ticket, PermitRequest: r})
	if err == nil {
		// An attempt must not begin once nobody wants it, though its permit came at the same moment.
		err = cmp.Or(ctx.Err(), unwantedBy(rules.Wanted))
	}
	if err != nil {
		p.System.Root.Send(p.Quota, messages.ReturnPermit{Ticket: ticket})
		return nil, err
	}
	switch v := verdict.(type) {
	case messages.PermitGranted:
		if rules.Granted != nil {
			if err := rules.Granted(); err != nil {
				p.System.Root.Send(p.Quota, messages.ReturnPermit{Ticket: ticket})
				return nil, err
			}
		}
		return permit{permits: p, ticket: ticket, operation: r.Operation, undone: rules.Undone}, nil
	case messages.PermitRefused:
		// Should the same ticket have been asked for again meanwhile, nobody waits for its grant.
		p.System.Root.Send(p.Quota, messages.ReturnPermit{Ticket: ticket})
		return nil, fmt.Errorf("%w: %s would have to wait %s", apigateway.ErrNoPermit, r.Operation, v.Wait.Round(time.Second))
	default: // a dead letter: there is no quota actor any more
		return nil, fmt.Errorf("%w: the agent is shutting down", apigateway.ErrNoPermit)
	}
}

func unwantedBy(wanted context.Context) error {
	if wanted.Err() != nil {
		return ErrUnwanted
	}
	return nil
}

// ask waits for the quota's verdict, and asks again now and then: a quota actor that was restarted has
// forgotten who waits.
func (p *Permits) ask(ctx, wanted context.Context, ask messages.AcquirePermit) (any, error) {
	listener := life.Ear{Heard: make(chan any, 1)}
	pid, _ := p.System.ProcessRegistry.Add(listener, "permit"+p.System.ProcessRegistry.NextID())
	defer p.System.ProcessRegistry.Remove(pid)
	for {
		p.System.Root.RequestWithCustomSender(p.Quota, ask, pid)
		again := time.NewTimer(askAgain)
		select {
		case verdict := <-listener.Heard:
			again.Stop()
			return verdict, nil
		case <-ctx.Done():
			again.Stop()
			return nil, ctx.Err()
		case <-wanted.Done():
			again.Stop()
			return nil, ErrUnwanted
		case <-again.C:
		}
	}
}

// permit is the leave to make one attempt.
type permit struct {
	permits   *Permits
	ticket    uint64
	operation gateway.Operation
	undone    func()
}

// Done implements apigateway.Permit.
func (p permit) Done(outcome gateway.Outcome) {
	if p.undone != nil && outcome.Undone() {
		p.undone()
	}
	p.permits.Board.Called(status.Call{
		Place:     status.Place{Account: p.permits.Target.Account, Region: p.permits.Target.Region},
		Operation: string(p.operation), Result: outcome.Class.String(),
	})
	p.permits.System.Root.Send(p.permits.Quota, messages.ReturnPermit{Ticket: p.ticket, Outcome: outcome})
}
