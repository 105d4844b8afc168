package gateway

import "time"

// Class says what a failure means for the caller.
type Class int

// The classes of failure.
const (
	// OK: nothing failed.
	OK Class = iota
	// Throttled: AWS refused because of the request rate of this agent or of other clients. AWS did nothing.
	Throttled
	// ConflictRetryable: AWS refused because another change was running. AWS did nothing.
	ConflictRetryable
	// NoPermit: the agent's own quota has no room before the deadline. Nothing was sent.
	NoPermit
	// Unavailable: AWS answered with an internal fault (5xx) or with an answer that cannot be read.
	Unavailable
	// Unreachable: a network fault or a timeout. For a create that was sent it is [AnswerLost] instead.
	Unreachable
	// AnswerLost: a create was sent, and it is not known whether AWS did it.
	AnswerLost
	// HardLimit: a resource limit of the account ("Maximum number of …"). It ends only when somebody deletes resources.
	HardLimit
	// AccessDenied: the credentials are right, but a permission is missing.
	AccessDenied
	// BadCredentials: the access key, its secret, or the role is wrong.
	BadCredentials
	// ExpiredCredentials: temporary credentials have expired.
	ExpiredCredentials
	// ClockOff: the credentials may be right, but AWS refuses when the call was signed: this machine's clock is off.
	ClockOff
	// RegionUnavailable: the region does not know the access key. A region that is not enabled answers so.
	RegionUnavailable
	// RegionOff: the same, of a region that nobody has named. It was tried to see whether it is enabled.
	RegionOff
	// NotFound: API Gateway says that the resource does not exist.
	NotFound
	// NotYet: AWS does not know yet what it has just made.
	NotYet
	// Conflict: the resource exists already. For a key and a plan it means that an earlier attempt, whose answer was
	// lost, has attached the key.
	Conflict
	// NotExportable: this stage can never be exported as it is.
	NotExportable
	// Invalid: AWS refused the request itself.
	Invalid
	// Cancelled: the caller gave up.
	Cancelled
	// Internal: none of the above.
	Internal
)

var classNames = [...]string{
	"ok", "throttled", "conflict_retryable", "no_permit", "unavailable", "unreachable", "answer_lost", "hard_limit",
	"access_denied", "bad_credentials", "expired_credentials", "clock_off", "region_unavailable", "region_off", "not_found",
	"not_yet", "conflict", "not_exportable", "invalid", "cancelled", "internal",
}

// String names the class for logs and metrics.
func (c Class) String() string {
	if c < OK || c > Internal {
		c = Internal
	}
	return classNames[c]
}

// OfTarget says whose fault a failed listing of stages or export is: the target's, so that its other APIs fail alike,
// or that one API's.
//
//	class                                                  | whose  | what follows
//	Unreachable, Throttled, ConflictRetryable              | target | a probe tells whether AWS answers at all. Until
//	BadCredentials, ExpiredCredentials, RegionUnavailable, | target | it does, exports wait. Then they are tried again
//	ClockOff                                               |        |
//	Unavailable                                            | API    | the same, as a whole AWS may fail like that
//	AccessDenied, Invalid, HardLimit, any other            | API    | tried once more, after the others
//	NotFound                                               | API    | left out: it is deleted
//	NotExportable                                          | API    | it goes out without a document
//
// An export that gets no answer, or 5xx, again though the probe was answered fails by itself: it is tried once more,
// after the others. One that is throttled waits on. What fails by itself is left out, and log, status and metrics name
// it. What waits for its target longer than [OutOfReachFor] keeps an ingest from being done, as does a target that
// cannot be listed, or of which every API fails.
func (c Class) OfTarget() bool {
	switch c {
	case Unreachable, Throttled, ConflictRetryable, BadCredentials, ExpiredCredentials, ClockOff, RegionUnavailable:
		return true
	default:
		return false
	}
}

// Passes says that a failure may end without anybody's doing, so that it is worth an ingest's time to wait for that.
func (c Class) Passes() bool {
	return c == Unreachable || c == Throttled || c == ConflictRetryable || c == Unavailable
}

// NeedsSomebody says that a failure lasts until a person changes something in AWS, in the settings, or in the agent:
// what AWS refuses as invalid today is so tomorrow.
func (c Class) NeedsSomebody() bool {
	switch c {
	case AccessDenied, HardLimit, BadCredentials, ExpiredCredentials, ClockOff, RegionUnavailable, RegionOff, Invalid:
		return true
	default:
		return false
	}
}

// OutOfReachFor is how long an ingest waits for an AWS that is out of reach. APIM holds its job for as long as the
// agent keeps it alive. Most outages of a network or an endpoint are over by then, and a person who waits is told.
const OutOfReachFor = 30 * time.Minute

// Outcome is the result of one attempt.
type Outcome struct {
	// RetryAfter is how long AWS asked to wait, zero if it did not ask.
	RetryAfter time.Duration
	// Took is how long the attempt took, without the wait for its permit.
	Took time.Duration
	// Class says how the attempt failed. It is [OK] if it did not fail.
	Class Class
	// Request is the id by which AWS knows the attempt; empty if AWS did not answer.
	Request string
}

// Undone reports whether the attempt certainly changed nothing: AWS refused it, or it was never sent. Any other failure
// of a create is [AnswerLost]. Internal is the class after a panic.
func (o Outcome) Undone() bool {
	return o.Class != OK && o.Class != AnswerLost && o.Class != Internal
}
