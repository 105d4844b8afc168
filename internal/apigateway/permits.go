package apigateway

import (
	"context"
	"errors"
	"time"
)

// Priority orders what waits for the same quota; the smaller goes first.
type Priority int

// The priorities, most urgent first. A context that names none counts as [PriorityRefresh].
const (
	// PriorityKeys is for SUBSCRIBE and UNSUBSCRIBE: APIM rejects the subscription for good after 60 s.
	PriorityKeys Priority = iota + 1
	// PriorityPreview is for DISCOVER: a person is waiting.
	PriorityPreview
	// PriorityIngest is for START_INGEST and FETCH.
	PriorityIngest
	// PriorityRefresh is for background work.
	PriorityRefresh
)

// String names the priority for logs and metrics.
func (p Priority) String() string {
	switch p {
	case PriorityKeys:
		return "keys"
	case PriorityPreview:
		return "preview"
	case PriorityIngest:
		return "ingest"
	default:
		return "refresh"
	}
}

type priorityKey struct{}

// WithPriority marks all calls made with the context.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

// PriorityOf is the context's priority, [PriorityRefresh] when it has none.
func PriorityOf(ctx context.Context) Priority {
	if p, ok := ctx.Value(priorityKey{}).(Priority); ok {
		return p
	}
	return PriorityRefresh
}

// PermitRequest says what a permit is for.
type PermitRequest struct {
	// Operation is the SDK's name of the operation, such as "CreateUsagePlanKey".
	Operation string
	Priority  Priority
}

// Permits grants one attempt at a time. It is asked before every attempt of every API Gateway call, retries included,
// and never for STS, whose quota is another one.
type Permits interface {
	// Acquire waits until the attempt may be made. It fails with [ErrNoPermit], at once, when there will be none
	// before the context's deadline, and with the context's error when that ends first.
	Acquire(context.Context, PermitRequest) (Permit, error)
}

// Permit is the leave to make one attempt.
type Permit interface {
	// Done is called exactly once, when the attempt has ended, whatever its outcome. An operation that must run alone
	// (CreateUsagePlanKey) is over then.
	Done(AttemptOutcome)
}

// AttemptOutcome is how one attempt ended.
type AttemptOutcome struct {
	// Throttled says that AWS refused the attempt because of its rate, ours or a neighbour's. A hard limit
	// ("Maximum number of …") is not a throttle.
	Throttled bool
	// RetryAfter is how long AWS asked to wait, zero if it did not say.
	RetryAfter time.Duration
	// Class is how the attempt failed, [OK] if it did not.
	Class Class
}

// Undone reports whether it is certain that the attempt made nothing: AWS refused it, or it never left. Of a create any other
// failure is [AnswerLost], and Internal is what a panic leaves.
func (o AttemptOutcome) Undone() bool {
	return o.Class != OK && o.Class != AnswerLost && o.Class != Internal
}

// ErrNoPermit means that the quota has no room for the attempt before the deadline.
var ErrNoPermit = errors.New("no room in the AWS request quota before the deadline")
