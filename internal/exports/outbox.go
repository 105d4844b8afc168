package exports

import (
	"slices"
	"time"
)

// BatchLimits say when the APIs that are ready are enough for one INGEST.
type BatchLimits struct {
	Bytes, Count int
	// Delay is how long the first one waits for others.
	Delay time.Duration
}

// Ready is an API that is ready to be sent, what it was made of, and the part of the memory bound that it holds until
// APIM has it.
type Ready struct {
	API
	Document Document
}

// Release gives back what the APIs hold.
func Release(apis []Ready) {
	for _, api := range apis {
		api.Document.Claim.Release()
	}
}

// Size is how many bytes the APIs have together.
func Size(apis []Ready) (bytes int) {
	for _, api := range apis {
		bytes += len(api.JSON)
	}
	return bytes
}

// WithoutDocument is how many of the APIs have none.
func WithoutDocument(apis []Ready) (n int) {
	for _, api := range apis {
		if api.Bare {
			n++
		}
	}
	return n
}

// Outbox is the APIs that are ready and not sent. It decides what goes into one INGEST: enough bytes, enough APIs, or
// nothing more to wait for. It is pure: time is passed in.
type Outbox struct {
	limits BatchLimits
	ready  []waitingAPI
	bytes  int       // of ready
	again  [][]Ready // halves of a batch that was refused: they go first
}

type waitingAPI struct {
	Ready
	since time.Time
}

// NewOutbox makes an empty one.
func NewOutbox(limits BatchLimits) Outbox { return Outbox{limits: limits} }

// Add puts an API behind the others.
func (o *Outbox) Add(api Ready, now time.Time) {
	o.ready = append(o.ready, waitingAPI{Ready: api, since: now})
	o.bytes += len(api.JSON)
}

// Empty says that nothing waits.
func (o *Outbox) Empty() bool { return o.Len() == 0 }

// Len is how many APIs wait.
func (o *Outbox) Len() int {
	n := len(o.ready)
	for _, half := range o.again {
		n += len(half)
	}
	return n
}

// Take is the next batch if one is due, else nil. last says that nothing more will come before this one leaves.
func (o *Outbox) Take(now time.Time, last bool) []Ready {
	for len(o.again) > 0 {
		half := o.again[0]
		o.again = o.again[1:]
		if len(half) == 1 || Size(half) <= o.limits.Bytes {
			return half
		}
		o.Halve(half) // the limit was lowered since
	}
	due, waiting := o.Due()
	if !waiting || !(last || o.Full() || !now.Before(due)) {
		return nil
	}
	var batch []Ready
	size := 0
	for _, api := range o.ready {
		if len(batch) == o.limits.Count || (len(batch) > 0 && size+len(api.JSON) > o.limits.Bytes) {
			break
		}
		batch = append(batch, api.Ready)
		size += len(api.JSON) + 1 // and the comma
		o.bytes -= len(api.JSON)
	}
	o.ready = slices.Delete(o.ready, 0, len(batch))
	return batch
}

// Limit has batches be no larger than so many bytes from now on.
func (o *Outbox) Limit(bytes int) { o.limits.Bytes = min(o.limits.Bytes, bytes) }

// Full says that a batch is due because of its size.
func (o *Outbox) Full() bool { return len(o.ready) >= o.limits.Count || o.bytes >= o.limits.Bytes }

// Due is when the next batch goes out even if it is not full; false if nothing waits for that.
func (o *Outbox) Due() (time.Time, bool) {
	if len(o.ready) == 0 {
		return time.Time{}, false
	}
	return o.ready[0].since.Add(o.limits.Delay), true
}

// Halve puts a refused batch back as two.
func (o *Outbox) Halve(batch []Ready) {
	middle := len(batch) / 2
	o.again = append([][]Ready{batch[:middle], batch[middle:]}, o.again...)
}
