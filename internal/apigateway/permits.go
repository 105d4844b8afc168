package apigateway

import (
	"context"
	"errors"
	"time"

	"federation-agent/internal/gateway"
)

type priorityKey struct{}

// WithPriority sets the priority of all calls that use the context.
func WithPriority(ctx context.Context, p gateway.Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

// PriorityOf is the context's priority, [gateway.PriorityRefresh] when it has none.
func PriorityOf(ctx context.Context) gateway.Priority {
	if p, ok := ctx.Value(priorityKey{}).(gateway.Priority); ok {
		return p
	}
	return gateway.PriorityRefresh
}

type latestKey struct{}

// WithLatest says when the last attempt of a call may begin; one that has begun is completed. Until then the call is
// tried again wherever that can do no harm. A deadline of the context does the same, and also cuts off what has begun.
func WithLatest(ctx context.Context, at time.Time) context.Context {
	return context.WithValue(ctx, latestKey{}, at)
}

// latestOf is when the last attempt may begin; zero if there is no such time.
func latestOf(ctx context.Context) time.Time {
	if at, ok := ctx.Value(latestKey{}).(time.Time); ok {
		return at
	}
	deadline, _ := ctx.Deadline()
	return deadline
}

// Permits grants one attempt at a time. It is asked before every attempt of every API Gateway call, retries included,
// and never for STS, which has a quota of its own.
type Permits interface {
	// Acquire waits until the attempt may be made. It fails with [ErrNoPermit], at once, if no permit is possible before
	// the context's deadline, and with the context's error if the context ends first.
	Acquire(context.Context, gateway.PermitRequest) (Done, error)
}

// Done ends the attempt that a permit allowed. It is called exactly once, whatever the outcome. It lets the next
// attempt of an operation run that may not overlap with itself (CreateUsagePlanKey).
type Done func(gateway.Outcome)

// ErrNoPermit means that the quota has no room for the attempt before the deadline.
var ErrNoPermit = errors.New("no room in the AWS request quota before the deadline")
