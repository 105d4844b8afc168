package quota

import (
	"maps"
	"math"
	"strconv"
	"time"
)

const (
	// beatEvery is how often a process with work writes to the ledger.
	beatEvery = time.Second
	// hurryEvery is how often, where its calls for keys, or all of them, wait for what others are to give up.
	hurryEvery = 250 * time.Millisecond
	// triesAtOnce is how many writes a beat may take, if others come before. One more is enough for two processes.
	triesAtOnce = 3
	// leaseFor is how long a lease lasts from the start of the write that was confirmed. Three beats may fail.
	leaseFor = 4 * time.Second
	// usedOver is the time over which is averaged how much a process uses. A part of the rate has four seconds' burst, so
	// that what comes unevenly needs no more than its average.
	usedOver = 3 * time.Second
	// keysSooner is how many times faster than within a second calls for keys are to go: a SUBSCRIBE makes several, one
	// after the other, and its process may have had no rate before.
	keysSooner = 2
	// silentAfter is how long another process's count must stand still until its rate is given to others. It is twice
	// leaseFor, so that no clock's error matters.
	silentAfter = 8 * time.Second
	// aSubscribesCalls is how many calls a SUBSCRIBE makes: two lists, CreateApiKey and CreateUsagePlanKey. A member keeps
	// them, so that the first SUBSCRIBE that comes to it does not wait until a holder that was killed is silent for long
	// enough.
	aSubscribesCalls = 4
	// keptAfter is how long after its write what a member keeps may be used: all leases from before, which do not know of it,
	// have ended.
	keptAfter = leaseFor + time.Second
)

// Alive is what a share must know of the members that it belongs to; see members.Self.
type Alive interface {
	ID() string
	// Since is since when this process lives for the others without a gap; zero where it may be gone for them.
	Since(now time.Time) time.Time
	// Others reports whether a member is another one, and not known to be gone.
	Others(now time.Time, id string) bool
}

// Share is one process's part of a quota that several processes share by a [Ledger]. It is a plain state machine: time
// goes in, and what to write and what to use comes out. It is not safe for concurrent use.
//
// The sum of the rates in the ledger is never above the quota. A process uses at most the rate that it has there: it
// raises its rate once the write is confirmed, and lowers it before it writes. It uses nothing once [leaseFor] has
// passed since the start of its last confirmed write. Others take its rate after [silentAfter] of their own time since
// they have seen its count move, or at once where it has left in order ([Ledger.Without]). So no clocks are compared.
// Bursts are divided as the rates are. A rate that is taken over comes without tokens. So all processes together keep to
// a bucket of the quota's rate and burst at every moment.
//
// A part of the burst is not lent: each member keeps a few tokens of its own for keys ([Share.Kept]), which it fills from
// what it is lent. They outlive its lease, for as long as others think that it lives.
type Share struct {
	me    string
	most  Holder // its limits alone
	alive Alive  // nil: nothing is kept

	kept      int64     // what this member keeps in the ledger
	keptSince time.Time // its life then
	keptFrom  time.Time // when it may be used first

	known   Ledger
	learned time.Time // when known was; zero: it is not known
	moved   map[string]sight
	// lowered is when the ledger's Lowered was last seen to change, fell when a throttle was last seen in it.
	lowered, fell time.Time
	falling       bool // a throttle that is not in the ledger yet

	count  int64
	rate   int64
	until  time.Time
	due    int64 // the rate that is due to this process by what it knows
	moving bool  // it has just changed, so it may change again
	tokens float64

	// sent are the writes since known was learnt. At most one of them was taken.
	sent    map[int64]write
	writing bool
	failed  bool      // the last write
	began   time.Time // the last write
	tries   int       // of this beat, that were refused
	again   bool      // at once
	noWork  bool      // this beat gives all back

	use use
}

// write is one write of this process.
type write struct {
	began   time.Time
	falling bool // it has a throttle in it
	kept    int64
	since   time.Time // this member's life
}

// sight is a holder's count, and when it was first seen.
type sight struct {
	count int64
	at    time.Time
}

// use is how much a process uses, in requests a second.
type use struct {
	at        time.Time
	before    Demand
	all, keys float64
}

// NewShare makes a share of a quota, of which nothing is known yet. The id is unique among all processes that ever were.
// Without alive nothing is kept for keys.
func NewShare(id string, limits Limits, alive Alive) *Share {
	return &Share{
		me: id, alive: alive, moved: map[string]sight{}, sent: map[int64]write{},
		most: Holder{MostRate: int64(limits.Rate * whole), MostBurst: int64(limits.Burst * whole)},
	}
}

// Lease is what may be used. The tokens in it are given once.
func (s *Share) Lease() Lease {
	rate, burst := s.known.limits(s.most)
	l := Lease{
		Rate: float64(s.rate) / whole, Until: s.until, Tokens: s.tokens,
		Burst: float64(burst) * float64(s.rate) / float64(rate) / whole,
		Soon:  float64(s.due) / whole,
		Sole:  len(s.known.Holders) == 1 && s.known.Holders[s.me].Rate > 0,
	}
	if s.due == 0 {
		l.Soon = float64(rate) / whole
	}
	s.tokens = 0
	return l
}

// Others are the rates of the other holders, in requests a second, as the ledger was when this process last learnt of it,
// and when that was. Who has no work holds nothing, and learns nothing.
func (s *Share) Others() (rates map[string]float64, learned time.Time) {
	rates = map[string]float64{}
	for id, h := range s.known.Holders {
		if id != s.me && h.Rate > 0 {
			rates[id] = float64(h.Rate) / whole
		}
	}
	return rates, s.learned
}

// Kept is how many tokens this member keeps for keys, whether or not it has a lease; see [Budget.Keep].
func (s *Share) Kept(now time.Time) float64 {
	if s.kept == 0 || now.Before(s.keptFrom) || !s.alive.Since(now).Equal(s.keptSince) {
		return 0
	}
	return float64(s.kept) / whole
}

// lacks is how many tokens are to be had until this member has what it keeps.
func (s *Share) lacks(now time.Time, d Demand) int {
	if s.alive == nil || s.alive.Since(now).IsZero() {
		return 0
	}
	keeps, kept := float64(s.known.keeps(s.alive.ID(), s.most))/whole, s.Kept(now)
	if kept >= keeps && d.Tokens > kept-0.5 {
		return 0
	}
	return max(1, int(math.Ceil(keeps-d.Tokens)))
}

// Throttled notes that AWS throttled a call of this process. Its rate falls at once, everybody's with the next beat.
func (s *Share) Throttled(now time.Time) {
	if !s.fell.IsZero() && now.Sub(s.fell) < sameCongestion {
		return // another process has noted the same one
	}
	s.falling, s.again = true, true
	s.rate = int64(float64(s.rate) * backOff)
}

// Next is when to call [Share.Beat] next; zero: not before something else happens.
func (s *Share) Next(now time.Time, d Demand) time.Time {
	switch {
	case s.writing:
		return time.Time{}
	case s.resting(now, d) && s.alive != nil && s.alive.Since(now).IsZero():
		return now.Add(beatEvery) // nothing can be kept for keys before this process is known to live
	case s.resting(now, d):
		return time.Time{}
	case s.again:
		return now
	case s.idle(now, d):
		return s.began.Add(beatEvery)
	case s.failed:
		return s.began.Add(beatEvery)
	case d.Waiting > 0 && (s.moving || s.rate < s.due), d.Waiting == 0 && s.use.before.WaitingKeys > 0:
		return s.began.Add(hurryEvery)
	case d.Waiting == 0 && s.use.all > 0:
		return later(s.began.Add(hurryEvery), earlier(s.quietAt(d), s.began.Add(beatEvery)))
	}
	return s.began.Add(beatEvery)
}

// idle: there was no work since the last beat, and what is kept for keys is there.
func (s *Share) idle(now time.Time, d Demand) bool {
	return d.Waiting == 0 && d.Running == 0 && d.Granted == s.use.before.Granted && s.lacks(now, d) == 0
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// resting: there is no work, and nothing to give back.
func (s *Share) resting(now time.Time, d Demand) bool {
	return s.idle(now, d) && (now.After(s.until) || s.known.Holders[s.me] == (Holder{}))
}

// Beat gives the next write, from what is known of the ledger to what it is to become. It lowers the lease where the
// write does. False: there is nothing to write. One of Written, Refused and Failed follows before the next beat.
func (s *Share) Beat(now time.Time, d Demand) (from, to Ledger, ok bool) {
	if s.writing || s.resting(now, d) {
		return from, to, false
	}
	if s.tries == 0 {
		s.noWork = s.idle(now, d) && now.Sub(s.use.at) >= beatEvery/2
	}
	s.measure(now, d)
	s.writing, s.again = true, false
	s.began = now
	s.count++
	to = s.known.Clone()
	to.Version = Version{Number: s.known.Version.Number + 1, Token: s.me + "/" + strconv.FormatInt(s.count, 10)}
	for id, seen := range s.moved {
		if now.Sub(seen.at) >= silentAfter {
			delete(to.Holders, id)
		}
	}
	s.recover(now, &to)
	s.sent[s.count] = s.keep(now, &to)
	if s.noWork && d.Waiting == 0 && d.Running == 0 {
		delete(to.Holders, s.me)
		s.rate, s.due = 0, 0
		return s.known, to, true
	}
	me := s.most
	me.Count = s.count
	me.Want, me.Keys = s.wants(now, d)
	to.Holders[s.me] = me
	rate, burst := to.limits(s.most)
	least := leastOf(rate, burst)
	rate = rate * (whole - to.Lowered) / whole
	due := to.split(s.me, rate, least)
	s.moving = due != s.due
	s.due = due
	me.Rate = max(0, min(s.due, rate-to.given()))
	to.Holders[s.me] = me
	s.rate = min(s.rate, me.Rate)
	return s.known, to, true
}

// keep has the ledger keep what this member may, and lends again what members kept that are gone.
func (s *Share) keep(now time.Time, to *Ledger) write {
	w := write{began: now, falling: s.falling}
	if s.alive == nil {
		return w
	}
	me := s.alive.ID()
	maps.DeleteFunc(to.Kept, func(id string, _ int64) bool { return id != me && !s.alive.Others(now, id) })
	if w.since = s.alive.Since(now); !w.since.IsZero() {
		w.kept = to.keeps(me, s.most)
	}
	s.kept = min(s.kept, w.kept)
	if delete(to.Kept, me); w.kept > 0 {
		to.Kept[me] = w.kept
	}
	return w
}

// recover lowers the rate in the ledger after a throttle, and gives it back bit by bit.
func (s *Share) recover(now time.Time, to *Ledger) {
	in := float64(whole - to.Lowered)
	if !s.lowered.IsZero() {
		in = min(whole, in+whole*recovery*now.Sub(s.lowered).Seconds())
	}
	if s.falling {
		in = max(whole*leastShare, in*backOff)
	}
	to.Lowered = whole - int64(in)
}

// measure notes how much was used since the last beat. A time that is much shorter says little.
func (s *Share) measure(now time.Time, d Demand) {
	passed := now.Sub(s.use.at)
	if passed < hurryEvery {
		return
	}
	weight := min(1, passed.Seconds()/usedOver.Seconds())
	s.use.all += weight * (float64(d.Granted-s.use.before.Granted)/passed.Seconds() - s.use.all)
	s.use.keys += weight * (float64(d.GrantedKeys-s.use.before.GrantedKeys)/passed.Seconds() - s.use.keys)
	s.use.at, s.use.before = now, d
}

// quietAt is when what was used is a thing of the past, if nothing is granted until then: three calls' time.
func (s *Share) quietAt(d Demand) time.Time {
	return d.LastGranted.Add(time.Duration(3 / max(s.use.all, 1/silentAfter.Seconds()) * 1e9))
}

// wants is the rate that would serve what waits within a second, beside what was used lately.
func (s *Share) wants(now time.Time, d Demand) (all, keys int64) {
	if d.Waiting == 0 && !now.Before(s.quietAt(d)) {
		s.use.all, s.use.keys = 0, 0
	}
	want := func(used float64, waiting int) int64 {
		return min(s.most.MostRate, int64(math.Ceil((used+float64(waiting))*whole)))
	}
	keys = want(s.use.keys, keysSooner*d.WaitingKeys)
	all = want(s.use.all, d.Waiting+(keysSooner-1)*d.WaitingKeys+s.lacks(now, d))
	return max(all, leastOf(s.most.MostRate, s.most.MostBurst)), keys
}

// Written says that the ledger is as the last beat wanted it.
func (s *Share) Written(now time.Time, to Ledger) {
	s.writing, s.tries = false, 0
	s.learn(now, to)
}

// Refused says that the last beat's write was not taken, because the ledger had changed. Now it is this.
func (s *Share) Refused(now time.Time, is Ledger) {
	s.writing = false
	s.tries++
	s.learn(now, is)
	s.again = s.tries < triesAtOnce
	if !s.again {
		s.tries = 0
	}
}

// Failed says that nobody knows whether the last beat's write was taken, or that it was not.
func (s *Share) Failed() { s.writing, s.failed, s.tries = false, true, 0 }

// learn notes what the ledger is. A write of this process that is in it is confirmed by that, whatever became of its
// answer.
func (s *Share) learn(now time.Time, is Ledger) {
	own, held := is.Holders[s.me]
	sent, confirmed := s.sent[own.Count]
	switch {
	case held && confirmed:
		s.tokens += s.unused(sent.began)
		s.rate, s.until = own.Rate, sent.began.Add(leaseFor)
	case held:
		s.rate = min(s.rate, own.Rate)
	default:
		s.rate = 0
	}
	for id := range s.moved {
		if _, there := is.Holders[id]; !there {
			delete(s.moved, id)
		}
	}
	for id, h := range is.Holders {
		if seen, known := s.moved[id]; id != s.me && (!known || seen.count != h.Count) {
			s.moved[id] = sight{h.Count, now}
		}
	}
	s.learnKept(now, is, sent, held && confirmed)
	if is.Lowered > s.known.Lowered || confirmed && sent.falling {
		s.fell, s.falling = now, false
	}
	if is.Lowered != s.known.Lowered || s.lowered.IsZero() {
		s.lowered = now
	}
	s.known, s.learned, s.failed = is, now, false
	clear(s.sent)
}

// learnKept notes what is kept. What a write of this process has raised may be used after a while.
func (s *Share) learnKept(now time.Time, is Ledger, sent write, confirmed bool) {
	if s.alive == nil {
		return
	}
	in := is.Kept[s.alive.ID()]
	s.kept = min(s.kept, in)
	if confirmed && (sent.kept > s.kept || !sent.since.Equal(s.keptSince)) {
		s.kept, s.keptSince, s.keptFrom = min(sent.kept, in), sent.since, now.Add(keptAfter)
	}
}

// unused is how many tokens nobody has had from the time when the ledger was learnt until a write began that was taken:
// it was taken because nobody had changed the ledger in between. So the rate that no holder had was no one's. These
// tokens have their own part of the burst, which no holder had either.
func (s *Share) unused(until time.Time) float64 {
	if s.learned.IsZero() {
		return 0
	}
	rate, burst := s.known.limits(s.most)
	given := s.known.given()
	free := max(0, rate*(whole-s.known.Lowered)/whole-given)
	most := float64(burst) * float64(max(0, rate-given)) / float64(rate)
	return min(most, float64(free)*until.Sub(s.learned).Seconds()) / whole
}
