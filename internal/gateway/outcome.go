package gateway

import "time"

// Class is what a failure means for the one who asked.
type Class int

// The classes of failure.
const (
	// OK: nothing failed.
	OK Class = iota
	// Throttled: AWS refused because of the request rate, ours or a neighbour's. Nothing was done.
	Throttled
	// ConflictRetryable: AWS refused because something else was being changed. Nothing was done.
	ConflictRetryable
	// NoPermit: our own quota has no room before the deadline. Nothing was sent.
	NoPermit
	// Unavailable: AWS answered with a fault of its own (5xx) or with something unreadable.
	Unavailable
	// Unreachable: no answer: a network fault or a time-out. For a create that was sent it is [AnswerLost] instead.
	Unreachable
	// AnswerLost: a create was sent, and nobody knows whether AWS did it.
	AnswerLost
	// HardLimit: a resource limit of the account ("Maximum number of …"). It passes only when somebody makes room.
	HardLimit
	// AccessDenied: the credentials are good, but a permission is missing.
	AccessDenied
	// BadCredentials: the access key, its secret, or the role is wrong.
	BadCredentials
	// ExpiredCredentials: temporary credentials have run out.
	ExpiredCredentials
	// RegionUnavailable: the region does not know the access key, which is how a region that is not enabled answers.
	RegionUnavailable
	// NotFound: API Gateway says that there is no such thing.
	NotFound
	// Conflict: it exists already. For a key and a plan it means "attached already".
	Conflict
	// NotExportable: this stage can never be exported as it is.
	NotExportable
	// Invalid: AWS refused the request itself.
	Invalid
	// Cancelled: the one who asked has gone.
	Cancelled
	// Internal: none of the above.
	Internal
)

// classNames are used in logs and metrics.
func classNames() []string {
	return []string{
		"ok", "throttled", "conflict_retryable", "no_permit", "unavailable", "unreachable", "answer_lost", "hard_limit",
		"access_denied", "bad_credentials", "expired_credentials", "region_unavailable", "not_found", "conflict",
		"not_exportable", "invalid", "cancelled", "internal",
	}
}

// String names the class for logs and metrics.
func (c Class) String() string {
	names := classNames()
	if c < 0 || int(c) >= len(names) {
		return "internal"
	}
	return names[c]
}

// Outcome is how one attempt ended.
type Outcome struct {
	// RetryAfter is how long AWS asked to wait, zero if it did not say.
	RetryAfter time.Duration
	// Class is how the attempt failed, [OK] if it did not.
	Class Class
}

// Undone reports whether it is certain that the attempt made nothing: AWS refused it, or it never left. Of a create any other
// failure is [AnswerLost], and Internal is what a panic leaves.
func (o Outcome) Undone() bool {
	return o.Class != OK && o.Class != AnswerLost && o.Class != Internal
}
