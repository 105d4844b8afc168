// Package quota shares AWS's request quota among the agent's calls. It decides which call may be made next, and when.
//
// AWS API Gateway's control plane allows 10 requests a second with a burst of 40 per account and region, for all
// clients together. AWS documents this quota as fixed. A [Budget] keeps this agent's calls under its share of the
// quota. It is a plain state machine: time goes in, grants come out.
package quota

import (
	"cmp"
	"slices"
	"time"

	"federation-agent/internal/gateway"
)

const (
	// startTokens is the number of tokens at the start. It is small, so that a process that restarts again and again does
	// not use a burst at each start.
	startTokens = 1
	// fairness is how often the oldest request is granted whatever its priority: every 16th time. So no request waits for
	// ever.
	fairness = 16
	// backOff is the factor by which a throttle lowers the rate.
	backOff = 0.7
	// leastShare is the lowest share of the full rate to which throttles lower the rate. With less, a listing would never
	// end.
	leastShare = 0.1
	// recovery is the share of the full rate that comes back each second after a throttle. All of it is back after a
	// minute.
	recovery = 1.0 / 60
	// sameCongestion is the time within which several throttles count as one.
	sameCongestion = time.Second
	// pause is how long nothing is granted after a throttle that names no time, because AWS's bucket is empty.
	pause = 500 * time.Millisecond
	// keptForKeys is how many tokens of a lease only calls for keys may use, CreateApiKey and CreateUsagePlanKey, where a
	// process keeps no more than that beside its leases.
	keptForKeys = 2
	// spareAfter is how long a DeleteApiKey waits for a lease until it goes without one, and spareEvery how often one does.
	// The end of a subscription must not wait for the table of the leases: its key opens an API. Where only this process
	// is cut off from the table, and others use all of the share, that is a tenth of a request a second beyond it. It is
	// longer than a silent process keeps its rate from others, so that it happens only where the table is away.
	spareAfter = silentAfter + 2*time.Second
	spareEvery = 10 * time.Second
)

// Limits is the share of the quota that a [Budget] may use.
type Limits struct {
	// Rate is in requests a second, Burst in requests. Both are for all operations together.
	Rate  float64
	Burst float64
	// Operations are the limits of single operations, in addition to Rate and Burst.
	Operations map[gateway.Operation]OperationLimit
	// Whole, unless zero, is all that AWS allows. It is used where nobody else is there.
	Whole Whole
}

// Whole is a quota of AWS: its rate in requests a second, and its burst in requests.
type Whole struct{ Rate, Burst float64 }

// OperationLimit is the limit of one operation.
type OperationLimit struct {
	// Rate is in requests a second. 0 means that there is no limit.
	Rate float64
	// InFlight is how many attempts may run at the same time. 0 means any number.
	InFlight int
	// Rank orders operations of the same priority. The lowest goes first.
	Rank int
	// Brings is how many further calls follow each granted one. They make a wait longer than the queue shows.
	Brings int
}

// AWSLimits is the share, in (0, 1], of AWS's quota of rate and burst.
//
// AWS documents 5 requests a second for CreateApiKey and for DeleteApiKey. AWS answers 409 to calls of
// CreateUsagePlanKey that overlap, so they run one at a time. They go before CreateApiKey, because a key that is not
// attached by its deadline is useless.
func AWSLimits(rate float64, burst int, share float64) Limits {
	const keyRateOfQuota = 0.5 // 5 of 10 a second, in proportion where a test scales the quota
	return Limits{
		Rate:  rate * share,
		Burst: max(1, float64(burst)*share),
		Operations: map[gateway.Operation]OperationLimit{
			gateway.CreateUsagePlanKey: {InFlight: 1, Rank: 0},
			gateway.DeleteAPIKey:       {Rate: rate * share * keyRateOfQuota, Rank: 1},
			gateway.CreateAPIKey:       {Rate: rate * share * keyRateOfQuota, Rank: 2, Brings: 1},
		},
	}
}

// AutoLimits is a share of AWS's quota, and all of it while nobody else is there.
func AutoLimits(rate float64, burst int, share float64) Limits {
	l := AWSLimits(rate, burst, share)
	l.Whole = Whole{Rate: rate, Burst: float64(burst)}
	return l
}

// Refusal is a request that cannot be granted in time.
type Refusal struct {
	Ticket uint64
	// Wait is how long the request would have to wait.
	Wait time.Duration
}

// Decision is the result of [Budget.Advance] for the requests that wait.
type Decision struct {
	Granted []uint64
	Refused []Refusal
	// Next is when to call Advance again if nothing else happens before. Zero means that nothing waits.
	Next time.Time
}

// Budget shares one account's quota in one region among the agent's calls. It is not safe for concurrent use.
type Budget struct {
	limits Limits
	all    bucket
	auto   *auto // nil: the share is always the same
	each   map[gateway.Operation]*bucket

	waiting  []waiting // in their order: priority, rank, arrival
	arrivals uint64
	inFlight map[uint64]gateway.Operation
	running  map[gateway.Operation]int
	grants   int
	// keyGrants are those of grants that were for keys.
	keyGrants   int
	lastGranted time.Time

	// leased: the budget uses what [Budget.Use] gives, and nothing once leaseEnds has come.
	leased    bool
	sole      bool // nobody else has a lease
	leaseEnds time.Time
	// lent is the burst of the lease, kept the tokens beside it that outlive it.
	lent, kept float64
	// spareFrom is when the next call may go without a lease.
	spareFrom time.Time

	pausedUntil time.Time
	throttledAt time.Time
	// aloneFrom is when an operation with an InFlight limit may begin. Attempts that a lost budget granted may run until
	// then.
	aloneFrom map[gateway.Operation]time.Time
}

type waiting struct {
	gateway.PermitRequest
	ticket  uint64
	rank    int
	arrival uint64
	since   time.Time
}

// compare orders the waiting requests by priority, then by rank, then by arrival.
func (w waiting) compare(other waiting) int {
	return cmp.Or(
		cmp.Compare(w.Priority, other.Priority), cmp.Compare(w.rank, other.rank), cmp.Compare(w.arrival, other.arrival),
	)
}

// NewBudget makes a budget with a nearly empty bucket.
func NewBudget(limits Limits, now time.Time) *Budget {
	b := &Budget{
		limits:   limits,
		all:      bucket{rate: limits.Rate, burst: limits.Burst, tokens: startTokens, at: now},
		each:     map[gateway.Operation]*bucket{},
		inFlight: map[uint64]gateway.Operation{},
		running:  map[gateway.Operation]int{},
	}
	for name, limit := range limits.Operations {
		if limit.Rate > 0 {
			// The tokens of one second at most, because AWS documents no burst for these operations.
			b.each[name] = &bucket{rate: limit.Rate, burst: max(1, limit.Rate), tokens: startTokens, at: now}
		}
	}
	if limits.Whole != (Whole{}) {
		b.auto = newAuto(limits.Whole, now)
	}
	return b
}

// ResumeBudget makes a budget after one that was lost in a panic. The lost budget may have used all its tokens, so this
// one starts with none. Attempts that the lost budget granted may still run, so an operation with an InFlight limit
// waits for as long as an attempt may take.
func ResumeBudget(limits Limits, now time.Time) *Budget {
	b := NewBudget(limits, now)
	b.all.tokens = 0
	for _, own := range b.each {
		own.tokens = 0
	}
	b.aloneFrom = map[gateway.Operation]time.Time{}
	for name, limit := range limits.Operations {
		if limit.InFlight > 0 {
			b.aloneFrom[name] = now.Add(name.AttemptTime())
		}
	}
	return b
}

// Ask queues a request, or refuses it at once if it cannot be granted in time. Nothing changes for a ticket that
// already waits or holds a permit.
func (b *Budget) Ask(now time.Time, ticket uint64, r gateway.PermitRequest) (Refusal, bool) {
	if _, holds := b.inFlight[ticket]; holds {
		return Refusal{}, true
	}
	if slices.ContainsFunc(b.waiting, func(w waiting) bool { return w.ticket == ticket }) {
		return Refusal{}, true
	}
	b.advance(now)
	b.arrivals++
	w := waiting{PermitRequest: r, ticket: ticket, rank: b.limits.Operations[r.Operation].Rank, arrival: b.arrivals,
		since: now}
	at, _ := slices.BinarySearchFunc(b.waiting, w, waiting.compare)
	var ahead queue
	for _, other := range b.waiting[:at] {
		ahead.add(b.limits, other)
	}
	if wait := b.wait(now, w, ahead, (*bucket).expected); w.late(now, wait) {
		return Refusal{Ticket: ticket, Wait: wait}, false
	}
	b.waiting = slices.Insert(b.waiting, at, w)
	return Refusal{}, true
}

// late reports whether a permit after wait would come too late.
func (w waiting) late(now time.Time, wait time.Duration) bool {
	return !w.By.IsZero() && now.Add(wait).After(w.By)
}

// Use has the budget use this rate and burst from now on, until a time. It forgets no request, and no attempt that runs.
// What there is of tokens stays, as far as the burst allows. The limits of single operations change in proportion.
// After the first call the budget is a leased one: a throttle changes no rate, because that comes with the next lease.
func (b *Budget) Use(now time.Time, l Lease) {
	b.advance(now)
	b.leased, b.leaseEnds, b.sole = true, l.Until, l.Sole
	b.setRate(l.Rate, l.Burst, l.Soon)
	b.all.tokens = min(b.all.burst, b.all.tokens+l.Tokens)
}

// Keep has the budget keep so many tokens for calls for keys, from what it is lent: with a lease, and without one. They are
// beside the lease's burst.
func (b *Budget) Keep(now time.Time, tokens float64) {
	b.advance(now)
	if tokens != b.kept {
		b.kept = tokens
		b.setRate(b.all.rate, b.lent, b.all.soon)
	}
}

func (b *Budget) setRate(rate, burst, soon float64) {
	b.lent = burst
	b.all.rate, b.all.burst, b.all.soon = rate, burst+b.kept, soon
	b.all.tokens = min(b.all.tokens, b.all.burst)
	for name, own := range b.each {
		part := b.limits.Operations[name].Rate / b.limits.Rate
		own.rate, own.soon, own.burst = part*rate, part*soon, min(1, b.kept)
		if rate > 0 {
			own.burst = max(1, own.rate)
		}
		own.tokens = min(own.tokens, own.burst)
	}
}

// Demand is what calls want of a budget.
func (b *Budget) Demand() Demand {
	d := Demand{Waiting: len(b.waiting), Running: len(b.inFlight), Granted: b.grants, GrantedKeys: b.keyGrants,
		LastGranted: b.lastGranted, Tokens: b.all.tokens}
	for _, w := range b.waiting {
		if w.Priority > gateway.PriorityKeys {
			break
		}
		d.WaitingKeys++
	}
	return d
}

// Holds reports whether the ticket holds a permit.
func (b *Budget) Holds(ticket uint64) bool {
	_, holds := b.inFlight[ticket]
	return holds
}

// Return ends an attempt, or removes a request that waits.
func (b *Budget) Return(ticket uint64) {
	if operation, holds := b.inFlight[ticket]; holds {
		delete(b.inFlight, ticket)
		if b.running[operation]--; b.running[operation] == 0 {
			delete(b.running, operation)
		}
		return
	}
	b.waiting = slices.DeleteFunc(b.waiting, func(w waiting) bool { return w.ticket == ticket })
}

// Throttled notes that AWS answered 429: it throttled an attempt, because of this agent's calls or another client's.
// The rate goes down at once and comes back gradually. For half a second, or for as long as AWS asked, nothing is
// granted and no tokens are added. Throttled reports whether this is a new congestion: several throttles within a second
// are one, and lower the rate once. The rate of a lease is lowered by [Share.Throttled].
func (b *Budget) Throttled(now time.Time, retryAfter time.Duration) bool {
	b.advance(now)
	b.all.tokens = min(b.all.tokens, 0)
	if b.auto != nil {
		b.auto.throttled(now)
	}
	if until := now.Add(max(pause, retryAfter)); until.After(b.pausedUntil) {
		b.pausedUntil = until
	}
	if !b.throttledAt.IsZero() && now.Sub(b.throttledAt) < sameCongestion {
		return false
	}
	if !b.leased {
		b.all.rate = max(b.limits.Rate*leastShare, b.all.rate*backOff)
	}
	b.throttledAt = now
	return true
}

// Rate is the current rate in requests a second.
func (b *Budget) Rate() float64 {
	if b.Alone() {
		return b.auto.whole.rate
	}
	return b.all.rate
}

// Most is what the rate would be if AWS had throttled nothing.
func (b *Budget) Most() float64 {
	if b.Alone() {
		return b.auto.whole.rate
	}
	return b.limits.Rate
}

// Others is what is believed of other clients, since when. It is empty if the share is always the same.
func (b *Budget) Others() (o gateway.Others, since time.Time) {
	if b.auto == nil {
		return "", time.Time{}
	}
	return b.auto.others, b.auto.since
}

// Alone reports that nobody else has been noticed, and that nearly all of AWS's rate is used for this.
func (b *Budget) Alone() bool {
	others, _ := b.Others()
	return others == gateway.OthersNone
}

// common is the bucket for all operations that is in use.
func (b *Budget) common() *bucket {
	if b.whole() {
		return &b.auto.whole
	}
	return &b.all
}

// Advance grants the requests that may go now, in order, and refuses those that cannot be granted in time any more.
func (b *Budget) Advance(now time.Time) Decision {
	b.advance(now)
	var d Decision
	d.Refused = b.refuse(now)
	for len(b.waiting) > 0 && b.paused(now) == 0 {
		i := b.pick(now)
		spare := i < 0 && b.unleased()
		if spare {
			i = b.spare(now)
		}
		if i < 0 {
			break
		}
		w := b.waiting[i]
		b.waiting = slices.Delete(b.waiting, i, i+1)
		if spare {
			b.spareFrom = now.Add(spareEvery)
		} else {
			b.take(w.Operation)
		}
		if b.auto != nil {
			b.auto.grant(now)
			b.all.tokens = max(0, b.all.tokens) // what is taken of the whole bucket is no debt of the share
		}
		b.inFlight[w.ticket] = w.Operation
		b.running[w.Operation]++
		b.grants++
		if w.Priority == gateway.PriorityKeys {
			b.keyGrants++
		}
		d.Granted = append(d.Granted, w.ticket)
	}
	if len(d.Granted) > 0 {
		b.lastGranted = now
	}
	d.Next = b.next(now)
	return d
}

// take takes the tokens of a call.
func (b *Budget) take(operation gateway.Operation) {
	b.all.tokens--
	if own := b.each[operation]; own != nil {
		own.tokens--
	}
}

// advance adds the tokens of the time that has passed and, after a throttle, raises the rate. It does neither during a
// pause. A lease that has ended leaves nothing but what is kept for keys: no rate, no other tokens.
func (b *Budget) advance(now time.Time) {
	if b.leased && b.all.rate > 0 && !now.Before(b.leaseEnds) {
		b.setRate(0, 0, b.all.soon)
	}
	if from := b.all.at; from.Before(b.pausedUntil) {
		b.all.at = earlier(now, b.pausedUntil)
	}
	if passed := now.Sub(b.all.at); passed > 0 && !b.leased {
		b.all.rate = min(b.limits.Rate, b.all.rate+b.limits.Rate*recovery*passed.Seconds())
	}
	b.all.advance(now)
	for _, own := range b.each {
		own.advance(now)
	}
	if b.auto != nil {
		b.auto.advance(now, !b.leased || b.sole)
		if b.auto.tide == refilling && !b.leased {
			b.all.tokens, b.all.rate = 0, b.limits.Rate*backOff
		}
	}
}

// whole reports that the whole bucket is used, not the share.
func (b *Budget) whole() bool {
	return b.auto != nil && b.auto.tide != slack && (!b.leased || b.sole && b.all.rate > 0)
}

// pick is the index of the request that goes next, or -1 if every request waits for its operation's own limit.
func (b *Budget) pick(now time.Time) int {
	best := -1
	if b.common().tokens < 1 {
		return best
	}
	oldest := b.grants%fairness == fairness-1
	for i, w := range b.waiting {
		if b.common().tokens < b.needed(w) || b.unleased() && w.Priority != gateway.PriorityKeys || !b.ready(now, w.Operation) {
			continue
		}
		if !oldest {
			return i
		}
		if best < 0 || w.arrival < b.waiting[best].arrival {
			best = i
		}
	}
	return best
}

// unleased reports that nothing is lent to this process.
func (b *Budget) unleased() bool { return b.leased && b.all.rate == 0 }

// spare is the index of a request that goes without a lease, or -1.
func (b *Budget) spare(now time.Time) int {
	return slices.IndexFunc(b.waiting, func(w waiting) bool {
		return w.Operation == gateway.DeleteAPIKey && !now.Before(later(w.since.Add(spareAfter), b.spareFrom))
	})
}

// needed is how many tokens there must be for a request to be granted. It takes one of them.
func (b *Budget) needed(w waiting) float64 {
	switch {
	case w.Priority == gateway.PriorityKeys:
		return 1
	case b.whole():
		return b.auto.needed()
	case !b.leased:
		return 1
	}
	return max(1, min(1+max(keptForKeys, b.kept), b.all.burst))
}

func (b *Budget) ready(now time.Time, operation gateway.Operation) bool {
	if now.Before(b.aloneFrom[operation]) {
		return false
	}
	if own := b.each[operation]; own != nil && own.tokens < 1 {
		return false
	}
	limit := b.limits.Operations[operation].InFlight
	return limit == 0 || b.running[operation] < limit
}

// refuse removes the requests that cannot be granted in time any more. Their time has passed, or the wait has become
// too long because the rate went down or because more urgent requests came.
func (b *Budget) refuse(now time.Time) []Refusal {
	var refused []Refusal
	var ahead queue
	kept := b.waiting[:0]
	for _, w := range b.waiting {
		if wait := b.wait(now, w, ahead, (*bucket).expected); w.late(now, wait) {
			refused = append(refused, Refusal{Ticket: w.ticket, Wait: wait})
			continue
		}
		ahead.add(b.limits, w)
		kept = append(kept, w)
	}
	clear(b.waiting[len(kept):])
	b.waiting = kept
	return refused
}

// queue counts the calls that go before a request.
type queue struct {
	calls float64
	each  map[gateway.Operation]float64 // only of operations with limits of their own
}

func (q *queue) add(limits Limits, w waiting) {
	limit, limited := limits.Operations[w.Operation]
	q.calls += 1 + float64(limit.Brings)
	if !limited {
		return
	}
	if q.each == nil {
		q.each = map[gateway.Operation]float64{}
	}
	q.each[w.Operation]++
}

// wait is how long a request must wait for those before it: until the current rate, or the expected one, gives tokens.
func (b *Budget) wait(
	now time.Time, w waiting, ahead queue, until func(*bucket, float64) time.Duration,
) time.Duration {
	wait := max(b.paused(now)+until(b.common(), ahead.calls+b.needed(w)), b.aloneFrom[w.Operation].Sub(now))
	if own := b.each[w.Operation]; own != nil {
		wait = max(wait, until(own, ahead.each[w.Operation]+1))
	}
	return wait
}

// paused is how long the pause still lasts.
func (b *Budget) paused(now time.Time) time.Duration { return max(0, b.pausedUntil.Sub(now)) }

// next is the first time at which a waiting request may become ready, or late, if nothing else happens.
func (b *Budget) next(now time.Time) time.Time {
	var next time.Time
	for _, w := range b.waiting {
		if !w.By.IsZero() {
			next = earlier(next, w.By.Add(time.Microsecond))
		}
		if limit := b.limits.Operations[w.Operation].InFlight; limit > 0 && b.running[w.Operation] >= limit {
			continue // it becomes ready when a permit is returned
		}
		if b.all.rate == 0 {
			if b.unleased() && w.Operation == gateway.DeleteAPIKey {
				next = earlier(next, later(w.since.Add(spareAfter), b.spareFrom))
			}
			continue // it becomes ready with the next lease
		}
		next = earlier(next, now.Add(b.wait(now, w, queue{}, (*bucket).until)))
	}
	return next
}

// earlier is the earlier of two times. The first may be zero, which means none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
