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
}

type permitRulesKey struct{}

func withPermitRules(ctx context.Context, r permitRules) context.Context {
	return context.WithValue(ctx, permitRulesKey{}, r)
}

// withdrawn wakes up a worker whose context ended while it waited for the quota's answer.
type withdrawn struct{}

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
	ask := messages.AcquirePermit{Ticket: p.tickets.Add(1), Operation: r.Operation, Priority: r.Priority, By: by}
	for {
		verdict, err := p.ask(ctx, rules.wanted, ask)
		if ctx.Err() != nil || rules.wanted.Err() != nil {
			p.system.Root.Send(p.quota, messages.ReturnPermit{Ticket: ask.Ticket})
			return nil, cmp.Or(ctx.Err(), errUnwanted)
		}
		if errors.Is(err, actor.ErrDeadLetter) {
			return nil, fmt.Errorf("%w: the agent is shutting down", apigateway.ErrNoPermit)
		}
		if err != nil {
			continue // no answer in time: the quota actor was restarted, or is about to be
		}
		switch v := verdict.(type) {
		case messages.PermitGranted:
			granted := permit{permits: p, ticket: ask.Ticket}
			if rules.granted != nil {
				if err := rules.granted(); err != nil {
					granted.Done(apigateway.AttemptOutcome{})
					return nil, err
				}
			}
			return granted, nil
		case messages.PermitRefused:
			return nil, fmt.Errorf("%w: %s would have to wait %s", apigateway.ErrNoPermit, r.Operation, v.Wait.Round(time.Second))
		}
	}
}

func (p *permits) ask(ctx, wanted context.Context, ask messages.AcquirePermit) (any, error) {
	future := p.system.Root.RequestFuture(p.quota, ask, askAgain)
	wake := func() { p.system.Root.Send(future.PID(), withdrawn{}) }
	defer context.AfterFunc(ctx, wake)()
	defer context.AfterFunc(wanted, wake)()
	return future.Result()
}

// permit is the leave to make one attempt.
type permit struct {
	permits *permits
	ticket  uint64
}

// Done implements apigateway.Permit.
func (p permit) Done(outcome apigateway.AttemptOutcome) {
	p.permits.system.Root.Send(p.permits.quota, messages.ReturnPermit{Ticket: p.ticket, Outcome: outcome})
}
