package actors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/status"
	"federation-agent/messages"
)

// askAgain is how long a worker waits for the quota's answer before it asks for the same permit again:
// a quota actor that was restarted has forgotten who waits.
const askAgain = 5 * time.Second

// errUnwanted ends what nobody waits for.
var errUnwanted = errors.New("nobody waits for it any more")

// permits asks a quota actor on behalf of the SDK's middleware, which runs in workers' goroutines.
type permits struct {
	system  *actor.ActorSystem
	quota   *actor.PID
	tickets *atomic.Uint64
	// target is what the calls are for; each attempt is counted on the board.
	target federation.Target
	board  *status.Board
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
func (p *permits) Acquire(ctx context.Context, r gateway.PermitRequest) (apigateway.Permit, error) {
	rules, _ := ctx.Value(permitRulesKey{}).(permitRules)
	if rules.wanted == nil {
		rules.wanted = context.Background()
	}
	r.By = rules.by
	if r.By.IsZero() {
		r.By, _ = ctx.Deadline()
	}
	ticket := p.tickets.Add(1)
	verdict, err := p.ask(ctx, rules.wanted, messages.AcquirePermit{Ticket: ticket, PermitRequest: r})
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
		if rules.granted != nil {
			if err := rules.granted(); err != nil {
				p.system.Root.Send(p.quota, messages.ReturnPermit{Ticket: ticket})
				return nil, err
			}
		}
		return permit{permits: p, ticket: ticket, operation: r.Operation, undone: rules.undone}, nil
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
	listener := ear{heard: make(chan any, 1)}
	pid, _ := p.system.ProcessRegistry.Add(listener, "permit"+p.system.ProcessRegistry.NextID())
	defer p.system.ProcessRegistry.Remove(pid)
	for {
		p.system.Root.RequestWithCustomSender(p.quota, ask, pid)
		again := time.NewTimer(askAgain)
		select {
		case verdict := <-listener.heard:
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

// permit is the leave to make one attempt.
type permit struct {
	permits   *permits
	ticket    uint64
	operation gateway.Operation
	undone    func()
}

// Done implements apigateway.Permit.
func (p permit) Done(outcome gateway.Outcome) {
	if p.undone != nil && outcome.Undone() {
		p.undone()
	}
	p.permits.board.Called(status.Call{
		Place:     status.Place{Account: p.permits.target.Account, Region: p.permits.target.Region},
		Operation: string(p.operation), Result: outcome.Class.String(),
	})
	p.permits.system.Root.Send(p.permits.quota, messages.ReturnPermit{Ticket: p.ticket, Outcome: outcome})
}
