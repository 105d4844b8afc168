package apigateway

import (
	"context"
	"errors"

	"federation-agent/internal/gateway"
)

type priorityKey struct{}

// WithPriority marks all calls made with the context.
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

// Permits grants one attempt at a time. It is asked before every attempt of every API Gateway call, retries included,
// and never for STS, whose quota is another one.
type Permits interface {
	// Acquire waits until the attempt may be made. It fails with [ErrNoPermit], at once, when there will be none
	// before the context's deadline, and with the context's error when that ends first.
	Acquire(context.Context, gateway.PermitRequest) (Permit, error)
}

// Permit is the leave to make one attempt.
type Permit interface {
	// Done is called exactly once, when the attempt has ended, whatever its outcome. An operation that must run alone
	// (CreateUsagePlanKey) is over then.
	Done(gateway.Outcome)
}

// ErrNoPermit means that the quota has no room for the attempt before the deadline.
var ErrNoPermit = errors.New("no room in the AWS request quota before the deadline")
