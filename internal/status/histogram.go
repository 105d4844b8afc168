package status

import (
	"slices"
	"time"
)

// The upper bounds of the histograms, in seconds. Each ends where what it measures is cut off.
var (
	// callBounds: AWS answers most calls in 50 to 150 ms, and an export may take 40 s.
	callBounds = []float64{0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 40}
	// waitBounds: a free quota lets a call through at once, and a command waits no longer than 50 s.
	waitBounds = []float64{0.05, 0.1, 0.5, 1, 2, 5, 10, 20, 50}
	// commandBounds: a command is answered within 50 s.
	commandBounds = []float64{0.1, 0.5, 1, 2, 5, 10, 20, 30, 40, 50}
	// ingestBounds: at seven calls a second, 1,800 stages take some five minutes.
	ingestBounds = []float64{1, 10, 60, 300, 900, 1800, 3600, 7200}
	// tableBounds: DynamoDB answers within 10 ms or so, a call is cut off after 5 s, and a long query after 20 s.
	tableBounds = []float64{0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 20}
)

// Histogram counts durations. Its nil value has none.
type Histogram struct {
	// Bounds are the upper bounds of the buckets, in seconds. They are shared, and never change.
	Bounds []float64
	// Counts has one entry for each bound, which does not count what the earlier ones did, and one for what is above all.
	Counts []uint64
	// Sum is the sum of all, in seconds.
	Sum float64
}

// NoCalls and the others are histograms of nothing yet, for those that are nil on the board.
func NoCalls() *Histogram { return empty(callBounds) }

// NoWaits is that of [AWS.Waited].
func NoWaits() *Histogram { return empty(waitBounds) }

// NoCommands is that of [Commands.Took].
func NoCommands() *Histogram { return empty(commandBounds) }

// NoIngests is that of [Ingested.IngestsTook].
func NoIngests() *Histogram { return empty(ingestBounds) }

// NoTableCalls is that of [TableUse.Took].
func NoTableCalls() *Histogram { return empty(tableBounds) }

func empty(bounds []float64) *Histogram {
	return &Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
}

// with counts a duration, in a histogram that it makes if there is none.
func (h *Histogram) with(bounds []float64, took time.Duration) *Histogram {
	if h == nil {
		h = empty(bounds)
	}
	seconds := max(0, took.Seconds()) // a wall clock may be put back
	at, _ := slices.BinarySearch(h.Bounds, seconds)
	h.Counts[at]++
	h.Sum += seconds
	return h
}

func (h *Histogram) clone() *Histogram {
	if h == nil {
		return nil
	}
	return &Histogram{Bounds: h.Bounds, Counts: slices.Clone(h.Counts), Sum: h.Sum}
}
