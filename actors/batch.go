package actors

import (
	"time"

	"federation-agent/config"
	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// batch is the content of one INGEST.
type batch struct {
	number int // 0 until it is sent
	apis   []messages.APIReady
	done   bool
	sentAt time.Time
}

// outbox is the APIs that are ready and not acknowledged. It decides what goes into one INGEST: enough
// bytes, enough APIs, or nothing more to wait for. It is pure: time is passed in.
type outbox struct {
	settings config.Ingest
	maxBytes int

	ready []messages.APIReady
	since time.Time // when the first of ready came
	held  int       // bytes of ready and of halves
	again []*batch  // halves of a batch that was refused: they go first
}

func newOutbox(settings config.Ingest, maxBytes int) outbox {
	settings.BatchBytes = min(settings.BatchBytes, maxBytes)
	return outbox{settings: settings, maxBytes: maxBytes}
}

func (o *outbox) add(api messages.APIReady, now time.Time) {
	if len(o.ready) == 0 {
		o.since = now
	}
	o.ready = append(o.ready, api)
	o.held += len(api.JSON)
}

// bytes is how much waits.
func (o *outbox) bytes() int { return o.held }

func (o *outbox) empty() bool { return len(o.ready) == 0 && len(o.again) == 0 }

// take is the next batch if one is due, else nil. last says that nothing more will come.
func (o *outbox) take(now time.Time, last bool) *batch {
	if len(o.again) > 0 {
		b := o.again[0]
		o.again = o.again[1:]
		o.forget(b)
		return b
	}
	if len(o.ready) == 0 || !(last || o.full() || now.Sub(o.since) >= o.settings.BatchDelay) {
		return nil
	}
	b := &batch{}
	size := 0
	for _, api := range o.ready {
		if len(b.apis) == o.settings.BatchCount || (len(b.apis) > 0 && size+len(api.JSON) > o.settings.BatchBytes) {
			break
		}
		b.apis = append(b.apis, api)
		size += len(api.JSON) + 1 // and the comma
	}
	o.ready = append([]messages.APIReady(nil), o.ready[len(b.apis):]...)
	o.since = now
	o.forget(b)
	return b
}

// full says that a batch is due because of its size, or because no more may be held.
func (o *outbox) full() bool {
	bytes := 0
	for _, api := range o.ready {
		bytes += len(api.JSON)
	}
	return len(o.ready) >= o.settings.BatchCount || bytes >= o.settings.BatchBytes || o.held >= o.settings.MemoryBytes
}

// due is when the next batch goes out even if it is not full.
func (o *outbox) due() (time.Time, bool) {
	return o.since.Add(o.settings.BatchDelay), len(o.ready) > 0
}

// halve puts a refused batch back as two.
func (o *outbox) halve(b *batch) {
	middle := len(b.apis) / 2
	halves := []*batch{{apis: b.apis[:middle]}, {apis: b.apis[middle:]}}
	o.again = append(halves, o.again...)
	for _, api := range b.apis {
		o.held += len(api.JSON)
	}
}

func (o *outbox) forget(b *batch) {
	for _, api := range b.apis {
		o.held -= len(api.JSON)
	}
}

// exportPlan is what a job still has to ask for, target by target, and what it has asked for. Each target
// has a window of its own, so that a slow one holds nobody up.
type exportPlan struct {
	window int
	queues map[federation.Target][]messages.ExportAPI
	order  []federation.Target
	asked  map[federation.Target]int // stages under way
	open   map[federation.ID]time.Time
}

func newExportPlan(exports []messages.ExportAPI, window int) exportPlan {
	p := exportPlan{
		window: window, queues: map[federation.Target][]messages.ExportAPI{},
		asked: map[federation.Target]int{}, open: map[federation.ID]time.Time{},
	}
	for _, e := range exports {
		target := e.Entries[0].Target
		if _, seen := p.queues[target]; !seen {
			p.order = append(p.order, target)
		}
		p.queues[target] = append(p.queues[target], e)
	}
	return p
}

// next is what to ask for now, if any window has room.
func (p *exportPlan) next() (messages.ExportAPI, bool) {
	for n, target := range p.order {
		queue := p.queues[target]
		if len(queue) == 0 || p.asked[target] >= p.window {
			continue
		}
		// The target goes to the end, so that all get their turn.
		p.order = append(append(append([]federation.Target(nil), p.order[:n]...), p.order[n+1:]...), target)
		p.queues[target] = queue[1:]
		p.asked[target] += len(queue[0].Entries)
		for _, e := range queue[0].Entries {
			p.open[idOf(e)] = time.Now()
		}
		return queue[0], true
	}
	return messages.ExportAPI{}, false
}

// arrived notes an answer; it is false for one that is not awaited (any more).
func (p *exportPlan) arrived(id federation.ID) bool {
	if _, awaited := p.open[id]; !awaited {
		return false
	}
	delete(p.open, id)
	p.asked[id.Target()]--
	return true
}

// overdue is what was asked for before an instant and has not come.
func (p *exportPlan) overdue(before time.Time) []federation.ID {
	var ids []federation.ID
	for id, at := range p.open {
		if at.Before(before) {
			ids = append(ids, id)
		}
	}
	return ids
}

// finished says that everything was asked for and has come.
func (p *exportPlan) finished() bool {
	if len(p.open) > 0 {
		return false
	}
	for _, queue := range p.queues {
		if len(queue) > 0 {
			return false
		}
	}
	return true
}
