package apigateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"

	"federation-agent/internal/gateway"
)

// attempts is the middleware that every attempt goes through: it takes the permit, runs the attempt's clock, says what the
// outcome means, and decides whether there is another attempt. The SDK's retry loop around it only does as it is told.
type attempts struct {
	permits Permits
	jitter  func() float64
	renew   func() // makes the next attempt get fresh credentials
}

const (
	attemptsID = "FederationAgentAttempts"
	callID     = "FederationAgentCall"
	sentID     = "FederationAgentSent"
)

func (a attempts) install(stack *middleware.Stack) error {
	begin := middleware.InitializeMiddlewareFunc(callID, func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (
		middleware.InitializeOutput, middleware.Metadata, error,
	) {
		return next.HandleInitialize(context.WithValue(ctx, callKey{}, &call{}), in)
	})
	if err := stack.Initialize.Add(begin, middleware.After); err != nil {
		return err
	}
	// Within the retry loop, and after the credentials are there: an attempt that STS stops costs API Gateway nothing.
	// Before signing, because a signature made before a long wait is stale.
	if err := stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc(attemptsID, a.attempt), "GetIdentity", middleware.After); err != nil {
		return err
	}
	// Innermost: whatever fails before this never left the process.
	sent := middleware.DeserializeMiddlewareFunc(sentID, func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
		middleware.DeserializeOutput, middleware.Metadata, error,
	) {
		if c, ok := ctx.Value(callKey{}).(*call); ok {
			c.sent = true
		}
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if err == nil {
			err = takeRoom(ctx, out.RawResponse)
		}
		return out, metadata, err
	})
	return stack.Deserialize.Add(sent, middleware.After)
}

type callKey struct{}

// call is the state of one operation over its attempts. One goroutine uses it.
type call struct {
	attempts int
	sent     bool // the attempt that is running has reached the transport
}

func (a attempts) attempt(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	out middleware.FinalizeOutput, metadata middleware.Metadata, err error,
) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		c = &call{}
	}
	c.attempts++
	c.sent = false
	operation := gateway.Operation(awsmiddleware.GetOperationName(ctx))

	outcome := gateway.Outcome{Class: gateway.Internal} // what a panic in the transport leaves
	if a.permits != nil {
		permit, err := a.permits.Acquire(ctx, gateway.PermitRequest{Operation: operation, Priority: PriorityOf(ctx)})
		if err != nil {
			return out, metadata, a.failure(ctx, c, operation, err)
		}
		defer func() { permit.Done(outcome) }()
	}

	attemptCtx, cancel := context.WithTimeout(ctx, operation.AttemptTime())
	defer cancel()
	out, metadata, err = next.HandleFinalize(attemptCtx, in)
	if err == nil {
		outcome = gateway.Outcome{Class: gateway.OK}
		return out, metadata, nil
	}
	if room, ok := roomOf(ctx); ok {
		room.Drop() // what was read of the answer is garbage, and the next attempt may be long in coming
	}
	failure := a.failure(ctx, c, operation, err)
	outcome = gateway.Outcome{RetryAfter: failure.retryAfter, Class: failure.class}
	return out, metadata, failure
}

// failure says what a failed attempt means and whether another one follows.
func (a attempts) failure(ctx context.Context, c *call, operation gateway.Operation, err error) *attemptError {
	f := &attemptError{
		operation:  operation,
		region:     awsmiddleware.GetRegion(ctx),
		retryAfter: RetryAfter(err),
		err:        err,
	}
	f.class = classOfAttempt(operation, err, c.sent, ctx.Err())
	left := time.Duration(-1)
	if deadline, ok := ctx.Deadline(); ok {
		left = max(time.Until(deadline), 0)
	}
	if f.class == gateway.ExpiredCredentials {
		a.renew()
	}
	if ctx.Err() == nil {
		f.retry, f.delay = nextAttempt(operation, f.class, c.attempts, f.retryAfter, left, a.jitter())
	}
	return f
}

// classOfAttempt refines [classifyOf] with what only the attempt knows: whether anything was sent, and whether it was the
// caller who went away.
func classOfAttempt(operation gateway.Operation, err error, sent bool, caller error) gateway.Class {
	class := classifyOf(operation, err)
	switch class {
	case gateway.Unreachable, gateway.Cancelled:
		if !sent && errors.Is(caller, context.DeadlineExceeded) {
			return gateway.NoPermit // the deadline came while waiting for one
		}
	case gateway.Unavailable, gateway.Internal:
	default:
		return class
	}
	creates := operation == gateway.CreateAPIKey || operation == gateway.CreateUsagePlanKey
	if creates && sent && !neverLeft(err) && !answeredNo(err) {
		return gateway.AnswerLost
	}
	return class
}

// answeredNo reports whether the answer's status alone says that nothing was done, be its text AWS's, a proxy's or cut off: any 4xx.
func answeredNo(err error) bool {
	status := statusOf(err)
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError
}

// How often and how far apart one call is tried. The quota decides the pace of all calls together; these only keep one
// call from hammering, and from never ending where the caller has set no deadline.
const (
	// maxRefusals is for throttles and "try again later": nothing was done, and each try waits its turn in the quota.
	maxRefusals = 10
	// maxFaults is for 5xx, time-outs and network faults of calls that may be repeated.
	maxFaults = 5
	// maxExpired gives fresh credentials one try.
	maxExpired = 2
	// firstDelay is that before the second attempt, doubled each time up to maxDelay. AWS refills ten requests a second,
	// so shorter waits only collect more refusals; longer ones than maxDelay waste a command's 50 s.
	firstDelay = 400 * time.Millisecond
	maxDelay   = 8 * time.Second
)

// nextAttempt decides whether attempt number made is followed by another, and after what delay.
//
//	class                     | CreateApiKey | every other operation
//	Throttled, "try again"    | yes          | yes     (AWS refused: nothing was done)
//	Unavailable, Unreachable  | no           | yes     (reads; DeleteApiKey and CreateUsagePlanKey are idempotent)
//	AnswerLost                | no           | yes     (a second CreateApiKey makes a second key)
//	ExpiredCredentials        | once         | once    (with fresh ones; AWS refused)
//	any other                 | no           | no
//
// left is the time until the deadline, negative without one: a wait that would outlast it is not begun, so that the
// caller learns the reason now. jitter is in [0, 1).
func nextAttempt(operation gateway.Operation, class gateway.Class, made int, retryAfter, left time.Duration, jitter float64) (bool, time.Duration) {
	limit := 0
	switch class {
	case gateway.Throttled, gateway.ConflictRetryable:
		limit = maxRefusals
	case gateway.Unavailable, gateway.Unreachable, gateway.AnswerLost:
		if operation != gateway.CreateAPIKey {
			limit = maxFaults
		}
	case gateway.ExpiredCredentials:
		limit = maxExpired
	}
	if made >= limit {
		return false, 0
	}
	step := min(firstDelay<<(made-1), maxDelay)
	delay := step/2 + time.Duration(jitter*float64(step/2))
	if retryAfter > 0 {
		// Spread what AWS asks for as well, or all that were refused together come back together.
		delay = max(delay, retryAfter+time.Duration(jitter*float64(firstDelay)))
	}
	if left >= 0 && delay >= left {
		return false, 0
	}
	return true, delay
}

// attemptError is how the last attempt failed and what the retry loop is to do about it.
type attemptError struct {
	operation  gateway.Operation
	region     string
	class      gateway.Class
	retryAfter time.Duration
	retry      bool
	delay      time.Duration
	err        error
}

func (e *attemptError) Error() string { return e.err.Error() }
func (e *attemptError) Unwrap() error { return e.err }

// retryer hands attemptError's decision to the SDK's loop. It has no tokens: a bucket that a throttle storm empties makes
// calls fail for good, and the permits are the limit here.
type retryer struct{}

// IsErrorRetryable implements aws.Retryer.
func (retryer) IsErrorRetryable(err error) bool {
	// The SDK wraps what it takes for clock skew, corrects its clock, and wants one more try with a fresh signature. AWS
	// has refused the first, so even CreateApiKey may follow it.
	if skew, ok := err.(interface{ RetryableError() bool }); ok && skew.RetryableError() {
		return true
	}
	var a *attemptError
	return errors.As(err, &a) && a.retry
}

// MaxAttempts implements aws.Retryer: zero is no limit, as [nextAttempt] has its own.
func (retryer) MaxAttempts() int { return 0 }

// RetryDelay implements aws.Retryer.
func (retryer) RetryDelay(_ int, err error) (time.Duration, error) {
	var a *attemptError
	if errors.As(err, &a) && a.retry {
		return a.delay, nil
	}
	return firstDelay, nil
}

// GetRetryToken implements aws.Retryer.
func (retryer) GetRetryToken(context.Context, error) (func(error) error, error) {
	return noRelease, nil
}

// GetInitialToken implements aws.Retryer.
func (retryer) GetInitialToken() func(error) error { return noRelease }

func noRelease(error) error { return nil }
