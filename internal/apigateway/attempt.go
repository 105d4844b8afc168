package apigateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	sdk "github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/smithy-go/middleware"

	"federation-agent/internal/gateway"
)

// attempts is the middleware that every attempt passes. It takes the permit, limits the attempt's time, classifies the
// outcome, and decides whether another attempt follows. The SDK's retry loop around it only carries out that decision.
type attempts struct {
	permits Permits
	jitter  func() float64
	renew   func() // makes the next attempt fetch fresh credentials
	// credentials are those of the calls.
	credentials aws.CredentialsProvider
}

const (
	attemptsID = "FederationAgentAttempts"
	callID     = "FederationAgentCall"
	sentID     = "FederationAgentSent"
)

func (a attempts) install(stack *middleware.Stack) error {
	begin := middleware.InitializeMiddlewareFunc(callID, func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		return next.HandleInitialize(context.WithValue(ctx, callKey{}, &call{}), in)
	})
	if err := stack.Initialize.Add(begin, middleware.After); err != nil {
		return err
	}
	// Inside the retry loop, and after the credentials are there: an attempt that fails at STS costs API Gateway nothing.
	// Before the signature, because a signature made before a long wait is too old.
	attempt := middleware.FinalizeMiddlewareFunc(attemptsID, a.attempt)
	if err := stack.Finalize.Insert(attempt, "GetIdentity", middleware.After); err != nil {
		return err
	}
	if err := guard(stack); err != nil {
		return err
	}
	// Innermost but for the guard: a request that fails before this never left the process.
	sent := middleware.DeserializeMiddlewareFunc(sentID, func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		callOf(ctx).sent = true
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if err == nil {
			err = takeRoom(ctx, out.RawResponse)
		}
		return out, metadata, err
	})
	return stack.Deserialize.Insert(sent, guardID, middleware.Before)
}

type callKey struct{}

// call is the state of one call over its attempts. Only one goroutine uses it.
type call struct {
	attempts int
	sent     bool // the current attempt has reached the transport
	doubtful bool // the answer to an earlier attempt was lost: AWS may have done it
	last     *attemptError
}

// callOf returns the call that the first middleware put into the context.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{}
}

func (a attempts) attempt(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	out middleware.FinalizeOutput, metadata middleware.Metadata, err error,
) {
	c := callOf(ctx)
	c.attempts++
	c.sent = false
	operation := gateway.Operation(awsmiddleware.GetOperationName(ctx))

	outcome := gateway.Outcome{Class: gateway.Internal} // stays if the transport panics
	if a.permits != nil {
		done, err := a.permits.Acquire(ctx, gateway.PermitRequest{
			Operation: operation, Priority: PriorityOf(ctx), By: latestOf(ctx),
		})
		if err != nil && errors.Is(err, ErrNoPermit) && c.last != nil {
			c.last.retry = false // what it failed for is the reason, and not that its time is up
			return out, metadata, c.last
		}
		if err != nil {
			return out, metadata, a.failure(ctx, c, operation, err)
		}
		defer func() { done(outcome) }()
	}

	began := time.Now()
	attemptCtx, cancel := context.WithTimeout(ctx, operation.AttemptTime())
	defer cancel()
	out, metadata, err = next.HandleFinalize(attemptCtx, in)
	if export, is := out.Result.(*sdk.GetExportOutput); err == nil && is {
		err = CheckDocument(export.Body)
	}
	if err == nil {
		outcome = gateway.Outcome{Class: gateway.OK, Took: time.Since(began), Request: requestOf(metadata, nil)}
		return out, metadata, nil
	}
	if room, ok := roomOf(ctx); ok {
		room.Drop() // the part of the answer that was read is useless, and the next attempt may come much later
	}
	failure := a.failure(ctx, c, operation, err)
	c.last, c.doubtful = failure, c.doubtful || failure.class == gateway.AnswerLost
	outcome = gateway.Outcome{
		RetryAfter: failure.retryAfter, Took: time.Since(began), Class: failure.class, Request: requestOf(metadata, err),
	}
	return out, metadata, failure
}

// failure classifies a failed attempt and decides whether another one follows.
func (a attempts) failure(ctx context.Context, c *call, operation gateway.Operation, err error) *attemptError {
	f := &attemptError{
		region:     awsmiddleware.GetRegion(ctx),
		class:      ofTrial(ctx, classOfAttempt(operation, err, c, ctx.Err()), err),
		retryAfter: RetryAfter(err),
		err:        err,
	}
	left := time.Duration(-1)
	if latest := latestOf(ctx); !latest.IsZero() {
		left = max(time.Until(latest), 0)
	}
	kind := f.class
	switch {
	case kind == gateway.ExpiredCredentials:
		a.renew()
	case (kind == gateway.BadCredentials || kind == gateway.RegionUnavailable) && readAgain(a.credentials):
		kind = gateway.ExpiredCredentials
	}
	if ctx.Err() == nil && !decided(f.class, err) {
		f.retry, f.delay = nextAttempt(operation, kind, c.attempts, f.retryAfter, left, a.jitter())
	}
	return f
}

// classOfAttempt refines [classifyOf] with what only the attempt knows: whether a request was sent, and whether the
// caller gave up (caller is the error of its context).
func classOfAttempt(operation gateway.Operation, err error, c *call, caller error) gateway.Class {
	class := classifyOf(operation, err)
	switch class {
	case gateway.Unreachable, gateway.Cancelled:
		if !c.sent && errors.Is(caller, context.DeadlineExceeded) {
			return gateway.NoPermit // the deadline came during the wait for a permit
		}
	case gateway.Conflict:
		if operation == gateway.CreateUsagePlanKey && !c.doubtful {
			return gateway.Invalid // nobody can have attached a new key: AWS refuses to, and says why
		}
		return class
	case gateway.Unavailable, gateway.Internal:
	default:
		return class
	}
	creates := operation == gateway.CreateAPIKey || operation == gateway.CreateUsagePlanKey
	if creates && c.sent && !neverLeft(err) && !answeredNo(err) {
		return gateway.AnswerLost
	}
	return class
}

// answeredNo reports whether the answer's status alone says that AWS did nothing. Every 3xx and 4xx says so, even if
// the text comes from a proxy or is cut off.
func answeredNo(err error) bool {
	status := statusOf(err)
	return status >= http.StatusMultipleChoices && status < http.StatusInternalServerError
}

// decided reports whether a proxy, or what else answered in AWS's place, said no with a 4xx: it will say the same
// again, and the caller is better told at once. A 3xx is a way to a login, where somebody may just be.
func decided(class gateway.Class, err error) bool {
	return class == gateway.Unavailable && answeredNo(err) && statusOf(err) >= http.StatusBadRequest
}

// These limit how often one call is tried, and how long it waits between two attempts. The quota decides the rate of
// all calls together. The limits only stop one call from calling AWS too often, and from going on for ever if the
// caller has set no deadline.
const (
	// maxRefusals is for throttles and for "try again later": AWS did nothing, and each attempt waits for its permit.
	maxRefusals = 10
	// maxFaults is for 5xx, if the caller has set no deadline.
	maxFaults = 5
	// maxUnreached is for timeouts and network faults, if the caller has set no deadline: who has none waits for an AWS
	// that is out of reach once for all calls, not in each.
	maxUnreached = 2
	// maxNotYet is for what AWS does not know yet, though it has just made it: some 2 s. AWS is eventually consistent.
	maxNotYet = 4
	// maxExpired allows one attempt with fresh credentials.
	maxExpired = 2
	// firstDelay is the delay before the second attempt. It doubles with each attempt, up to LongestDelay. AWS refills ten
	// requests a second, so shorter delays only collect more refusals.
	firstDelay = 400 * time.Millisecond
	// LongestDelay is the longest delay between two attempts, if AWS asks for no longer one. More would waste too much of
	// the 50 s in which a command must be answered.
	LongestDelay = 8 * time.Second
)

// nextAttempt decides whether another attempt follows, and after what delay. made is the number of attempts so far.
//
//	class                     | CreateApiKey | every other operation
//	Throttled, "try again"    | 10 times     | 10 times (AWS refused and did nothing)
//	Unreachable               | until left   | until left (of a create: it provably never left the process)
//	Unavailable               | no           | until left (every other operation is idempotent); see [decided]
//	AnswerLost                | no           | until left (a second CreateApiKey creates a second key)
//	NotYet                    | no           | 4 times
//	ExpiredCredentials        | once more    | once more (with fresh credentials; AWS refused; so for refused live keys)
//	any other                 | no           | no
//
// left is the time until the deadline, negative without one: then 5 times stand for "until left", and 2 times if AWS is
// unreachable. A delay that would end after the deadline is not begun, so that the caller learns the reason at once.
// jitter is in [0, 1).
func nextAttempt(
	operation gateway.Operation, class gateway.Class, made int, retryAfter, left time.Duration, jitter float64,
) (bool, time.Duration) {
	limit := 0
	switch class {
	case gateway.Throttled, gateway.ConflictRetryable:
		limit = maxRefusals
	case gateway.Unavailable, gateway.Unreachable, gateway.AnswerLost:
		switch {
		case operation == gateway.CreateAPIKey && class != gateway.Unreachable:
		case left >= 0:
			limit = made + 1
		case class == gateway.Unreachable:
			limit = maxUnreached
		default:
			limit = maxFaults
		}
	case gateway.NotYet:
		limit = maxNotYet
	case gateway.ExpiredCredentials:
		limit = maxExpired
	default: // no other class passes by itself
	}
	if made >= limit {
		return false, 0
	}
	const doublings = 5 // are beyond LongestDelay
	step := min(firstDelay<<min(made-1, doublings), LongestDelay)
	delay := step/2 + time.Duration(jitter*float64(step/2))
	if retryAfter > 0 {
		// Jitter here too, or all calls that were refused together come back together.
		delay = max(delay, retryAfter+time.Duration(jitter*float64(firstDelay)))
	}
	if left >= 0 && delay >= left {
		return false, 0
	}
	return true, delay
}

// attemptError is the failure of the last attempt, and what the retry loop does next.
type attemptError struct {
	region     string
	class      gateway.Class
	retryAfter time.Duration
	retry      bool
	delay      time.Duration
	err        error
}

func (e *attemptError) Error() string { return e.err.Error() }
func (e *attemptError) Unwrap() error { return e.err }

// retryer gives the decision of an attemptError to the SDK's loop. It has no retry tokens: many throttles at once would
// empty their bucket and then fail calls for good, and the permits already limit the calls.
type retryer struct{ aws.NopRetryer }

// IsErrorRetryable implements aws.Retryer.
func (retryer) IsErrorRetryable(err error) bool {
	// If the SDK takes an error for clock skew, it wraps it, corrects its clock, and wants one more attempt with a new
	// signature. AWS has refused the first attempt, so CreateApiKey may be repeated too.
	if skew, ok := err.(interface{ RetryableError() bool }); ok && skew.RetryableError() {
		return true
	}
	a, ok := errors.AsType[*attemptError](err)
	return ok && a.retry
}

// MaxAttempts implements aws.Retryer. Zero means no limit: [nextAttempt] has its own.
func (retryer) MaxAttempts() int { return 0 }

// RetryDelay implements aws.Retryer.
func (retryer) RetryDelay(_ int, err error) (time.Duration, error) {
	if a, ok := errors.AsType[*attemptError](err); ok && a.retry {
		return a.delay, nil
	}
	return firstDelay, nil
}
