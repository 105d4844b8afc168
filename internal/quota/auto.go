package quota

import (
	"time"

	"federation-agent/internal/gateway"
)

const (
	// politeFirst is how long an agent that begins to work is polite at least.
	politeFirst = 10 * time.Second
	// idleFor is the time without a call after which an agent begins anew.
	idleFor = time.Minute
	// politeFor is how long an agent is polite after the last sign of somebody else.
	politeFor = 30 * time.Minute

	// wholeShare is how much of AWS's rate is used where nobody else is there. It is a little less than all, so that AWS's
	// bucket is never emptier than this agent believes because two clocks do not run at the same speed.
	wholeShare = 0.999
	// high is the part of the bucket at high water, and low the one at the first of some low waters. Each of these is a
	// step deeper than the one before. What others take a moment after one low water, so that it does not show in it, is
	// seen in the next. In every twentieth wave the bucket is filled wholly, because it is fuller then than believed.
	high       = 0.75
	low        = 0.35
	deeper     = 0.0375
	depths     = 5
	springTide = 20
)

// auto notices other clients of the quota, and says when nearly all of it may be used.
//
// Under the minimum policy only a throttled call shows for sure that somebody else is there. An agent that uses the
// whole rate evenly is not throttled where others are: each of its calls takes the token that has come since the last
// one, while a burst of theirs finds an empty bucket. So the rate is used in waves. Calls are made until the bucket would
// be at low water if nobody else were there. Then none is made until it would be at high water. If others have taken more
// than what is left at low water, the last calls of a wave are throttled. A wave takes 2 to 4 s at AWS's quota. On average
// the bucket is half full, and no wave takes more of it than is there.
//
// At a sign of others the bucket is left to them and to keys, until it would be full. Then the polite share is used.
type auto struct {
	// whole is AWS's bucket as it is if nobody else is there. At first it is taken for empty.
	whole bucket
	tide  tide
	waves int
	began time.Time // the first call of this work
	used  time.Time // the last call
	seen  time.Time // the last sign of others
	// others are who is there, since when.
	others gateway.Others
	since  time.Time
}

// tide is which way AWS's bucket goes.
type tide int

const (
	slack     tide = iota // the polite share is used
	falling               // calls are made
	rising                // none is made, but for keys
	refilling             // the same, after a sign
)

func newAuto(w Whole, now time.Time) *auto {
	return &auto{
		whole:  bucket{rate: w.Rate * wholeShare, burst: w.Burst, at: now},
		others: gateway.OthersUnknown, since: now,
	}
}

// advance notes the time. Alone says that no other process is known to use the same share.
func (a *auto) advance(now time.Time, alone bool) {
	switch {
	case now.Before(a.whole.at) || !alone: // nothing is known of the bucket
		a.whole.tokens, a.whole.at, a.used = 0, now, time.Time{}
	default:
		a.whole.advance(now)
	}
	if now.Sub(a.used) >= idleFor {
		a.tide, a.began = slack, now
	}
	filled := a.whole.tokens >= a.whole.burst
	switch {
	case a.tide == rising && a.whole.tokens >= a.needed():
		a.tide = falling
	case a.tide == refilling && filled:
		a.tide = slack
	case a.tide == slack && filled && now.Sub(a.began) >= politeFirst && !a.seenLately(now):
		a.tide = falling
	}
	a.judge(now)
}

// judge notes who is there.
func (a *auto) judge(now time.Time) {
	others := gateway.OthersUnknown
	switch {
	case a.tide == falling || a.tide == rising:
		others = gateway.OthersNone
	case a.seenLately(now):
		others = gateway.OthersSeen
	}
	if others != a.others {
		a.others, a.since = others, now
	}
}

func (a *auto) seenLately(now time.Time) bool { return !a.seen.IsZero() && now.Sub(a.seen) < politeFor }

// grant notes that a call may be made.
func (a *auto) grant(now time.Time) {
	a.used = now
	a.whole.tokens = max(0, a.whole.tokens-1)
	if a.tide == falling && a.whole.tokens < a.needed() {
		a.tide = rising
		a.waves++
	}
}

// needed is how many tokens of the whole bucket there must be for a call that is not for keys.
func (a *auto) needed() float64 {
	switch {
	case a.tide == falling:
		return a.whole.burst*(low-deeper*float64(a.waves%depths)) + 1
	case a.tide == refilling:
		return a.whole.burst + 1 // it never has as many
	case a.waves%springTide == 0:
		return a.whole.burst
	}
	return a.whole.burst * high
}

// throttled notes that AWS throttled a call.
func (a *auto) throttled(now time.Time) {
	a.seen, a.whole.tokens = now, 0
	if a.tide != slack {
		a.tide = refilling
	}
	a.judge(now)
}
