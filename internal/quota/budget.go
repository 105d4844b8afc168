// Package quota shares out AWS's request quota: who may make the next call, and when.
//
// AWS API Gateway's control plane takes 10 requests a second with a burst of 40 per account and region,
// for everyone together, and it cannot be raised (AWS documents it as fixed). A [Budget] keeps this
// agent's calls under its share of that. It is a plain state machine: time goes in, grants come out.
package quota

import (
	"slices"
	"time"

	"federation-agent/internal/apigateway"
)

const (
	// startTokens is what the bucket holds at first: nearly nothing, so that a process that restarts in a
	// loop does not spend a burst at each start.
	startTokens = 1
	// fairness: one grant in so many goes to the request that has waited longest, whatever its priority, so
	// that nobody starves.
	fairness = 16
	// backOff is what a throttle leaves of the rate.
	backOff = 0.7
	// leastShare bounds how far throttles lower the rate: below it a listing would never end.
	leastShare = 0.1
	// recovery is how much of the full rate comes back each second after a throttle: a minute to be whole.
	recovery = 1.0 / 60
	// sameCongestion: throttles within this time of one another tell of one congestion, not of several.
	sameCongestion = time.Second
	// pause is how long nothing is granted after a throttle that names no time: AWS's bucket is empty.
	pause = 500 * time.Millisecond
)

// Limits is the share of the quota that a [Budget] may use.
type Limits struct {
	// Rate is in requests a second, Burst in requests: both for all operations together.
	Rate  float64
	Burst float64
	// Operations have limits of their own beside.
	Operations map[string]OperationLimit
}

// OperationLimit is the limit of one operation.
type OperationLimit struct {
	// Rate is in requests a second; 0 means there is none.
	Rate float64
	// InFlight is how many attempts may run at the same time; 0 means any number.
	InFlight int
	// Rank orders operations of the same priority; lower goes first.
	Rank int
	// Brings is how many further calls each grant brings about: it makes waits longer than the queue shows.
	Brings int
}

// AWSLimits is AWS's quota of rate and burst, of which share (0 to 1] may be used.
//
// AWS documents CreateApiKey and DeleteApiKey at 5 a second each. Calls of CreateUsagePlanKey that
// overlap are answered 409, so it goes one at a time, and before the creation of further keys: a key
// that is created and not attached by its deadline is of no use.
func AWSLimits(rate float64, burst int, share float64) Limits {
	const keyRateOfQuota = 0.5 // 5 of 10 a second, kept in proportion where a test scales the quota
	return Limits{
		Rate:  rate * share,
		Burst: max(1, float64(burst)*share),
		Operations: map[string]OperationLimit{
			"CreateUsagePlanKey": {InFlight: 1, Rank: 0},
			"DeleteApiKey":       {Rate: rate * share * keyRateOfQuota, Rank: 1},
			"CreateApiKey":       {Rate: rate * share * keyRateOfQuota, Rank: 2, Brings: 1},
		},
	}
}

// Request asks for one attempt.
type Request struct {
	Ticket    uint64
	Operation string
	Priority  apigateway.Priority
	// By is when a permit is of no use any more; zero means there is no such time.
	By time.Time
}

// Refusal is a request that cannot be granted in time.
type Refusal struct {
	Ticket uint64
	// Wait is how long it would have to wait.
	Wait time.Duration
}

// Decision is what has become of waiting requests.
type Decision struct {
	Granted []uint64
	Refused []Refusal
	// Next is when to ask again, if nothing happens before; zero means nothing waits.
	Next time.Time
}

// Budget shares out one account's quota in one region. It is not safe for concurrent use.
type Budget struct {
	limits Limits
	all    bucket
	each   map[string]*bucket

	waiting  []waiting // in the order of arrival
	inFlight map[uint64]string
	running  map[string]int
	grants   int

	pausedUntil time.Time
	throttledAt time.Time
}

type waiting struct {
	Request
	rank int
}

// bucket is a token bucket whose rate can change.
type bucket struct {
	rate, burst float64
	tokens      float64
	at          time.Time
}

func (b *bucket) advance(now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(b.burst, b.tokens+passed.Seconds()*b.rate)
		b.at = now
	}
}

// until is how long it takes until there are n tokens.
func (b *bucket) until(n float64) time.Duration {
	if b.tokens >= n {
		return 0
	}
	// Rounded up to a microsecond: a timer that fires a nanosecond early would find no token.
	return time.Duration((n-b.tokens)/b.rate*1e9)/time.Microsecond*time.Microsecond + time.Microsecond
}

// NewBudget starts with a nearly empty bucket.
func NewBudget(limits Limits, now time.Time) *Budget {
	b := &Budget{
		limits:   limits,
		all:      bucket{rate: limits.Rate, burst: limits.Burst, tokens: startTokens, at: now},
		each:     map[string]*bucket{},
		inFlight: map[uint64]string{},
		running:  map[string]int{},
	}
	for name, limit := range limits.Operations {
		if limit.Rate > 0 {
			// A second's worth at most: AWS says no burst for these.
			b.each[name] = &bucket{rate: limit.Rate, burst: max(1, limit.Rate), tokens: startTokens, at: now}
		}
	}
	return b
}

// Ask queues a request, or refuses it at once if it cannot be granted in time. A ticket that waits
// already, or holds a permit, stays where it is.
func (b *Budget) Ask(now time.Time, r Request) (Refusal, bool) {
	if _, holds := b.inFlight[r.Ticket]; holds {
		return Refusal{}, true
	}
	if slices.ContainsFunc(b.waiting, func(w waiting) bool { return w.Ticket == r.Ticket }) {
		return Refusal{}, true
	}
	b.advance(now)
	w := waiting{Request: r, rank: b.limits.Operations[r.Operation].Rank}
	if wait := b.estimate(now, w, b.waiting); !r.By.IsZero() && now.Add(wait).After(r.By) {
		return Refusal{Ticket: r.Ticket, Wait: wait}, false
	}
	b.waiting = append(b.waiting, w)
	return Refusal{}, true
}

// Holds reports whether the ticket holds a permit.
func (b *Budget) Holds(ticket uint64) bool {
	_, holds := b.inFlight[ticket]
	return holds
}

// Return ends an attempt, or takes back a request that waits.
func (b *Budget) Return(ticket uint64) {
	if operation, holds := b.inFlight[ticket]; holds {
		delete(b.inFlight, ticket)
		if b.running[operation]--; b.running[operation] == 0 {
			delete(b.running, operation)
		}
		return
	}
	b.waiting = slices.DeleteFunc(b.waiting, func(w waiting) bool { return w.Ticket == ticket })
}

// Throttled says that AWS refused an attempt as one too many, ours or a neighbour's: the rate goes down
// at once and comes back gradually, and nothing is granted for a moment, or for as long as AWS said.
func (b *Budget) Throttled(now time.Time, retryAfter time.Duration) {
	b.advance(now)
	if now.Sub(b.throttledAt) >= sameCongestion || b.throttledAt.IsZero() {
		b.all.rate = max(b.limits.Rate*leastShare, b.all.rate*backOff)
		b.all.tokens = min(b.all.tokens, 0)
		b.throttledAt = now
	}
	if until := now.Add(max(pause, retryAfter)); until.After(b.pausedUntil) {
		b.pausedUntil = until
	}
}

// Rate is the rate at present, in requests a second.
func (b *Budget) Rate() float64 { return b.all.rate }

// Waiting is how many requests wait.
func (b *Budget) Waiting() int { return len(b.waiting) }

// Advance grants what may go now, in order, and refuses what cannot be granted in time any more.
func (b *Budget) Advance(now time.Time) Decision {
	b.advance(now)
	var d Decision
	d.Refused = b.refuse(now)
	for len(b.waiting) > 0 && !now.Before(b.pausedUntil) && b.all.tokens >= 1 {
		i := b.pick()
		if i < 0 {
			break
		}
		w := b.waiting[i]
		b.waiting = slices.Delete(b.waiting, i, i+1)
		b.all.tokens--
		if own := b.each[w.Operation]; own != nil {
			own.tokens--
		}
		b.inFlight[w.Ticket] = w.Operation
		b.running[w.Operation]++
		b.grants++
		d.Granted = append(d.Granted, w.Ticket)
	}
	d.Next = b.next(now)
	return d
}

func (b *Budget) advance(now time.Time) {
	if full := b.limits.Rate; b.all.rate < full && now.After(b.all.at) && !now.Before(b.pausedUntil) {
		b.all.rate = min(full, b.all.rate+full*recovery*now.Sub(b.all.at).Seconds())
	}
	b.all.advance(now)
	for _, own := range b.each {
		own.advance(now)
	}
}

// pick is the index of the request that goes next, or -1 if each is held up by its operation's own limit.
func (b *Budget) pick() int {
	best := -1
	oldest := b.grants%fairness == fairness-1
	for i, w := range b.waiting {
		if !b.ready(w.Operation) {
			continue
		}
		if best < 0 || (!oldest && before(w, b.waiting[best])) {
			best = i
		}
	}
	return best
}

// before orders by priority and rank; arrival decides the rest.
func before(a, b waiting) bool {
	if a.Priority != b.Priority {
		return a.Priority < b.Priority
	}
	return a.rank < b.rank
}

func (b *Budget) ready(operation string) bool {
	if own := b.each[operation]; own != nil && own.tokens < 1 {
		return false
	}
	limit := b.limits.Operations[operation].InFlight
	return limit == 0 || b.running[operation] < limit
}

// refuse takes out what has no chance any more: its time has passed, or the queue before it is too long
// since the rate went down.
func (b *Budget) refuse(now time.Time) []Refusal {
	var refused []Refusal
	throttled := b.all.rate < b.limits.Rate
	for i := len(b.waiting) - 1; i >= 0; i-- {
		w := b.waiting[i]
		if w.By.IsZero() {
			continue
		}
		var wait time.Duration
		if throttled {
			wait = b.estimate(now, w, b.waiting[:i])
		}
		if now.Add(wait).After(w.By) {
			b.waiting = slices.Delete(b.waiting, i, i+1)
			refused = append(refused, Refusal{Ticket: w.Ticket, Wait: wait})
		}
	}
	return refused
}

// estimate is how long w has to wait behind those of ahead that go before it.
func (b *Budget) estimate(now time.Time, w waiting, ahead []waiting) time.Duration {
	calls, same := 1.0, 1.0
	for _, other := range ahead {
		if before(w, other) {
			continue
		}
		calls += 1 + float64(b.limits.Operations[other.Operation].Brings)
		if other.Operation == w.Operation {
			same++
		}
	}
	wait := max(b.all.until(calls), b.pausedUntil.Sub(now))
	if own := b.each[w.Operation]; own != nil {
		wait = max(wait, own.until(same))
	}
	return wait
}

// next is when a waiting request may become ready by the mere passing of time.
func (b *Budget) next(now time.Time) time.Time {
	var next time.Time
	for _, w := range b.waiting {
		if limit := b.limits.Operations[w.Operation].InFlight; limit > 0 && b.running[w.Operation] >= limit {
			if !w.By.IsZero() { // a returned permit wakes it; its end does too
				next = earlier(next, w.By.Add(time.Microsecond))
			}
			continue
		}
		wait := max(b.all.until(1), b.pausedUntil.Sub(now))
		if own := b.each[w.Operation]; own != nil {
			wait = max(wait, own.until(1))
		}
		next = earlier(next, now.Add(wait))
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
