package quota

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// askAgain is how long a worker waits for the quota's answer before it asks for the same permit again: a quota actor
// that was restarted has forgotten its callers.
const askAgain = 5 * time.Second

// ErrUnwanted ends a call whose result is not needed any more.
var ErrUnwanted = errors.New("the result is not needed any more")

// Permits asks a quota actor on behalf of the SDK's middleware, which runs in workers' goroutines.
type Permits struct {
	System  *actor.ActorSystem
	Quota   *actor.PID
	Tickets *atomic.Uint64
	// Target is what the calls are for; each attempt is counted on the board.
	Target federation.Target
	Board  *status.Board
	// Log has a line at level debug for each attempt.
	Log *slog.Logger
	// Now is the board's wall clock.
	Now func() time.Time
}

// PermitRules are what a call asks of its permits beyond the time of its last attempt.
type PermitRules struct {
	// Wanted, unless nil, ends when no further attempt is to begin; one that runs is completed.
	Wanted context.Context
	// Granted is called with a permit in hand, before each attempt; its error gives the permit back and
	// ends the call.
	Granted func() error
	// Undone, unless nil, is called after each attempt that made nothing, whether or not another one follows.
	Undone func()
}

type permitRulesKey struct{}

// WithPermitRules gives a call's context its rules.
func WithPermitRules(ctx context.Context, r PermitRules) context.Context {
	return context.WithValue(ctx, permitRulesKey{}, r)
}

// Acquire implements apigateway.Permits.
func (p *Permits) Acquire(ctx context.Context, r gateway.PermitRequest) (apigateway.Done, error) {
	rules, _ := ctx.Value(permitRulesKey{}).(PermitRules)
	if rules.Wanted == nil {
		rules.Wanted = context.Background()
	}
	ticket, began := p.Tickets.Add(1), time.Now()
	place := status.Place{Account: p.Target.Account, Region: p.Target.Region}
	err := p.ask(ctx, rules.Wanted, messages.AcquirePermit{Ticket: ticket, PermitRequest: r})
	waited := time.Since(began)
	p.Board.Waited(place, waited)
	if err == nil {
		// An attempt must not begin once it is not wanted, though its permit came at the same moment.
		err = cmp.Or(ctx.Err(), unwantedBy(rules.Wanted))
	}
	if err == nil && rules.Granted != nil {
		err = rules.Granted()
	}
	if err != nil {
		// Also where it was refused: should it have been asked for again meanwhile, its grant would be of no use.
		p.System.Root.Send(p.Quota, messages.ReturnPermit{Ticket: ticket})
		return nil, err
	}
	return func(outcome gateway.Outcome) {
		if rules.Undone != nil && outcome.Undone() {
			rules.Undone()
		}
		p.Board.Called(status.Call{
			Place: place, Operation: string(r.Operation), Result: outcome.Class.String(),
		}, p.Now(), outcome.Took)
		p.Log.Debug("AWS was called", life.OfAttempt(r.Operation, outcome,
			life.LogTarget, p.Target, life.LogWaited, waited.Round(time.Millisecond))...)
		p.System.Root.Send(p.Quota, messages.ReturnPermit{Ticket: ticket, Outcome: outcome})
	}, nil
}

func unwantedBy(wanted context.Context) error {
	if wanted.Err() != nil {
		return ErrUnwanted
	}
	return nil
}

// ask waits for the quota's verdict, and asks again now and then: a quota actor that was restarted has forgotten its
// callers. It is nil where the permit is granted.
func (p *Permits) ask(ctx, wanted context.Context, ask messages.AcquirePermit) error {
	listener := life.Ear{Heard: make(chan any, 1)}
	pid, _ := p.System.ProcessRegistry.Add(listener, "permit"+p.System.ProcessRegistry.NextID())
	defer p.System.ProcessRegistry.Remove(pid)
	for {
		p.System.Root.RequestWithCustomSender(p.Quota, ask, pid)
		select {
		case verdict := <-listener.Heard:
			return errorOf(verdict, ask.Operation)
		case <-ctx.Done():
			return ctx.Err()
		case <-wanted.Done():
			return ErrUnwanted
		case <-time.After(askAgain):
		}
	}
}

// errorOf is why a verdict is no permit; nil if it is one.
func errorOf(verdict any, operation gateway.Operation) error {
	switch v := verdict.(type) {
	case messages.PermitGranted:
		return nil
	case messages.PermitRefused:
		return fmt.Errorf("%w: %s would have to wait %s", apigateway.ErrNoPermit, operation, v.Wait.Round(time.Second))
	}
	// A dead letter: there is no quota actor any more.
	return fmt.Errorf("%w: the agent is shutting down", apigateway.ErrNoPermit)
}
