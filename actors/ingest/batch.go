package ingest

import (
	"slices"
	"time"

	"federation-agent/config"
	"federation-agent/internal/exports"
	"federation-agent/messages"
)

// batch is the content of one INGEST.
type batch struct {
	number int  // 0 unless it is on its way
	noted  bool // what must be written down before it leaves is
	apis   []messages.APIReady
	done   bool
	sentAt time.Time
}

// withoutDocument is how many of its APIs go out without one.
func (b *batch) withoutDocument() int {
	n := 0
	for _, api := range b.apis {
		if api.Bare {
			n++
		}
	}
	return n
}

func (b *batch) bytes() int {
	size := 0
	if b != nil {
		for _, api := range b.apis {
			size += len(api.JSON)
		}
	}
	return size
}

// outbox is the APIs that are ready and not sent. It decides what goes into one INGEST: enough bytes,
// enough APIs, or nothing more to wait for. It is pure: time is passed in.
type outbox struct {
	settings config.Ingest
	// share is how many bytes the job may hold.
	share int

	ready []readyAPI
	bytes int      // of ready
	again []*batch // halves of a batch that was refused: they go first

	sizes exports.DocumentSizes
}

type readyAPI struct {
	messages.APIReady
	at time.Time
}

func newOutbox(settings config.Ingest, maxBytes int) outbox {
	settings.BatchBytes = min(settings.BatchBytes, maxBytes)
	return outbox{settings: settings, share: settings.MemoryBytes}
}

func (o *outbox) add(api messages.APIReady, now time.Time) {
	o.ready = append(o.ready, readyAPI{APIReady: api, at: now})
	o.bytes += len(api.JSON)
	o.sizes.Came(len(api.JSON))
}

func (o *outbox) empty() bool { return len(o.ready) == 0 && len(o.again) == 0 }

// held is how many bytes wait.
func (o *outbox) held() int {
	held := o.bytes
	for _, b := range o.again {
		held += b.bytes()
	}
	return held
}

// hasRoom says whether more documents may be asked for, with so many stages under way and some batches on
// their way. With nothing held there is always room, so that a document larger than the share passes alone.
func (o *outbox) hasRoom(underWay int, onTheirWay ...*batch) bool {
	held := o.held() + o.sizes.Held(underWay)
	for _, b := range onTheirWay {
		held += b.bytes()
	}
	return held == 0 || held+o.sizes.Held(1) <= max(o.share, o.settings.BatchBytes)
}

// take is the next batch if one is due, else nil. last says that nothing more will come before this one
// leaves.
func (o *outbox) take(now time.Time, last bool) *batch {
	if len(o.again) > 0 {
		b := o.again[0]
		o.again = o.again[1:]
		return b
	}
	due, waiting := o.due()
	if !waiting || !(last || o.full() || !now.Before(due)) {
		return nil
	}
	b := &batch{}
	size := 0
	for _, api := range o.ready {
		if len(b.apis) == o.settings.BatchCount || (len(b.apis) > 0 && size+len(api.JSON) > o.settings.BatchBytes) {
			break
		}
		b.apis = append(b.apis, api.APIReady)
		size += len(api.JSON) + 1 // and the comma
		o.bytes -= len(api.JSON)
	}
	o.ready = slices.Delete(o.ready, 0, len(b.apis))
	return b
}

// full says that a batch is due because of its size.
func (o *outbox) full() bool {
	return len(o.ready) >= o.settings.BatchCount || o.bytes >= o.settings.BatchBytes
}

// due is when the next batch goes out even if it is not full.
func (o *outbox) due() (time.Time, bool) {
	if len(o.ready) == 0 {
		return time.Time{}, false
	}
	return o.ready[0].at.Add(o.settings.BatchDelay), true
}

// halve puts a refused batch back as two.
func (o *outbox) halve(b *batch) {
	middle := len(b.apis) / 2
	o.again = append([]*batch{{apis: b.apis[:middle]}, {apis: b.apis[middle:]}}, o.again...)
}
