package awssim

import (
	"context"
	"time"
)

// Span is a range of durations.
type Span struct {
	Min, Max time.Duration
}

// Latency says how long AWS takes over an accepted request; refusals are answered at once. The zero value
// is no latency at all.
type Latency struct {
	// Listings covers every read but exports, STS included.
	Listings Span
	Exports  Span
	// Keys covers every write.
	Keys Span
}

// AWSLatency gives spans as AWS's control plane shows them.
func AWSLatency() Latency {
	return Latency{
		Listings: Span{50 * time.Millisecond, 150 * time.Millisecond},
		Exports:  Span{300 * time.Millisecond, 2 * time.Second},
		Keys:     Span{50 * time.Millisecond, 200 * time.Millisecond},
	}
}

// latencyClass tells which span of [Latency] an operation falls under.
type latencyClass int

const (
	classListing latencyClass = iota
	classExport
	classKey
	classTable // a few milliseconds, which do not count here
)

// of gives the latency of one event: the same for the same seed and event, whatever else happens.
func (l Latency) of(class latencyClass, seed uint64, e Event) time.Duration {
	span := l.Listings
	switch class {
	case classExport:
		span = l.Exports
	case classKey:
		span = l.Keys
	case classTable:
		return 0
	case classListing:
	}
	if span.Max <= span.Min {
		return span.Min
	}
	return span.Min + time.Duration(e.Chance(seed, "latency")*float64(span.Max-span.Min))
}

// sleep waits, or gives up with the context: false means that it gave up.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
