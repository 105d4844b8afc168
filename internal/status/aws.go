package status

import (
	"maps"
	"slices"
	"time"
)

// MinutesKept is how many minutes of a quota's use are kept: the last hour shows an ingest and what was before it. An
// account and region takes 2 KiB for that, once it is called.
const MinutesKept = 60

// AWS is what is noted of the calls to AWS.
type AWS struct {
	Quotas map[Place]Quota
	// Calls are the attempts to call API Gateway and STS, retries included. STS's have no account: what they ask for is
	// whose credentials these are.
	Calls map[Call]uint64
	// Took is how long attempts took, without the wait for their permit, and Waited how long permits were waited for.
	Took   map[Operation]*Histogram
	Waited map[Place]*Histogram
	// Minutes are how the quotas were used, the oldest first; minutes without a call are left out.
	Minutes map[Place][]Minute
}

// Quota is the budget of one account and region, in requests a second.
type Quota struct {
	// Rate is what the agent allows itself now, Share the most that it would.
	Rate  float64 `json:"rate"`
	Share float64 `json:"share"`
	// Others is what a share that is chosen by itself is chosen by, since when: others are "unknown", "none" or "seen".
	// Empty where the share is a number.
	Others string    `json:"others,omitempty"`
	Since  time.Time `json:"othersSince,omitzero"`
	// Lent is nil where this process has the quota for itself. Else Rate is what is lent to it.
	Lent *Lent `json:"lent,omitempty"`
}

// Lent says who has what of a quota that several processes share.
type Lent struct {
	// Wanted: calls wait here, or are being made. Without any nothing is lent to this process; it asks once it has some, and
	// has its part within a second.
	Wanted bool `json:"wanted"`
	// Others are the rates of the other processes by their ids among the members, and KnownAt is as of when: who wants
	// nothing does not hear of it.
	Others  map[string]float64 `json:"others"`
	KnownAt time.Time          `json:"knownAt,omitzero"`
}

// Minute is how a quota was used in one minute.
type Minute struct {
	// At is when it began.
	At time.Time `json:"at"`
	// Calls are the attempts that ended in it, Throttled those of them that AWS refused because of the rate.
	Calls     uint32 `json:"calls"`
	Throttled uint32 `json:"throttled"`
	// Rate and Share are the quota's at the last of them.
	Rate  float64 `json:"rate"`
	Share float64 `json:"share"`
}

// Call is a kind of attempt: its operation as the SDK names it, and its result ("ok", "throttled", …).
type Call struct {
	Place
	Operation, Result string
}

// Throttled is the [Call.Result] of what AWS refused because of the request rate.
const Throttled = "throttled"

// Operation is an operation of AWS in a region.
type Operation struct{ Region, Name string }

func newAWS() AWS {
	return AWS{
		Quotas: map[Place]Quota{}, Calls: map[Call]uint64{}, Took: map[Operation]*Histogram{},
		Waited: map[Place]*Histogram{}, Minutes: map[Place][]Minute{},
	}
}

// Quota notes the present budget of an account and region.
func (b *Board) Quota(p Place, q Quota) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.aws.Quotas[p] = q
}

// Called counts one attempt of one call, which ended at a time and took that long.
func (b *Board) Called(c Call, at time.Time, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.aws.Calls[c]++
	operation := Operation{Region: c.Region, Name: c.Operation}
	b.aws.Took[operation] = b.aws.Took[operation].with(callBounds, took)
	if c.Account != "" {
		b.aws.Minutes[c.Place] = b.aws.minute(c, at.UTC().Truncate(time.Minute))
	}
}

// Waited notes how long an attempt waited for its permit, also one that it did not get.
func (b *Board) Waited(p Place, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.aws.Waited[p] = b.aws.Waited[p].with(waitBounds, took)
}

// minute adds a call to the place's newest minute, which it begins if need be. A clock that was put back goes on with
// the newest.
func (a *AWS) minute(c Call, at time.Time) []Minute {
	minutes := a.Minutes[c.Place]
	if last := len(minutes) - 1; last < 0 || minutes[last].At.Before(at) {
		if len(minutes) == MinutesKept {
			minutes = slices.Delete(minutes, 0, 1)
		}
		minutes = append(minutes, Minute{At: at})
	}
	newest := &minutes[len(minutes)-1]
	newest.Calls++
	if c.Result == Throttled {
		newest.Throttled++
	}
	newest.Rate, newest.Share = a.Quotas[c.Place].Rate, a.Quotas[c.Place].Share
	return minutes
}

func (a AWS) clone() AWS {
	out := AWS{
		Quotas: maps.Clone(a.Quotas), Calls: maps.Clone(a.Calls), Took: maps.Clone(a.Took), Waited: maps.Clone(a.Waited),
		Minutes: maps.Clone(a.Minutes),
	}
	for operation, took := range out.Took {
		out.Took[operation] = took.clone()
	}
	for place, waited := range out.Waited {
		out.Waited[place] = waited.clone()
	}
	for place, minutes := range out.Minutes {
		out.Minutes[place] = slices.Clone(minutes)
	}
	return out
}
