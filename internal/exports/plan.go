package exports

import (
	"slices"
	"time"

	"federation-agent/internal/federation"
)

// Plan is what a consumer of documents still has to ask for, target by target, and what it has asked for. Each target
// has a window of its own, so that a slow one delays no other, and all share the consumer's part of the memory bound.
// Its zero value has nothing to ask for. It is pure: time is passed in.
type Plan struct {
	window int
	holder *Holder
	queues map[federation.Target][][]federation.NamedEntry // by REST API
	order  []federation.Target                             // those with something in their queue
	asked  map[federation.Target]int                       // stages under way
	open   map[federation.ID]openDocument
}

type openDocument struct {
	Document
	since time.Time
}

// NewPlan plans the documents of some APIs, in their order, with at most window stages of a target under way, which one
// REST API's stages may exceed. The holder holds what is under way.
func NewPlan(apis []federation.NamedEntry, window int, holder *Holder) Plan {
	p := Plan{
		window: window, holder: holder, queues: map[federation.Target][][]federation.NamedEntry{},
		asked: map[federation.Target]int{}, open: map[federation.ID]openDocument{},
	}
	p.Add(apis)
	return p
}

// Add puts the documents of more APIs behind the others of their targets.
func (p *Plan) Add(apis []federation.NamedEntry) {
	type restAPI struct {
		target federation.Target
		id     string
	}
	places := map[restAPI]int{} // in their targets' queues
	for _, a := range apis {
		queue := p.queues[a.Target]
		if len(queue) == 0 {
			p.order = append(p.order, a.Target)
		}
		of := restAPI{target: a.Target, id: a.API.ID}
		place, queued := places[of]
		if !queued {
			place = len(queue)
			places[of] = place
			queue = append(queue, nil)
		}
		queue[place] = append(queue[place], a)
		p.queues[a.Target] = queue
	}
}

// Next is what to ask for now, if any window has room, and the memory bound too. The targets take turns. What takes
// long ([SlowAfter]) leaves its place in the window to others, up to twice as many in all.
func (p *Plan) Next(now time.Time) ([]Document, bool) {
	slow := map[federation.Target]int{}
	for id, o := range p.open {
		if now.Sub(o.since) >= SlowAfter {
			slow[id.Target()]++
		}
	}
	for n, target := range p.order {
		if asked := p.asked[target]; asked-slow[target] >= p.window || asked >= 2*p.window {
			continue
		}
		if !p.holder.HasRoom() {
			return nil, false
		}
		queue := p.queues[target]
		stages := queue[0]
		queue[0] = nil // or the array would keep what is done with
		p.queues[target] = queue[1:]
		p.order = slices.Delete(p.order, n, n+1)
		if len(queue) > 1 {
			p.order = append(p.order, target)
		}
		p.asked[target] += len(stages)
		documents := make([]Document, len(stages))
		for i, entry := range stages {
			documents[i] = Document{NamedEntry: entry, Claim: p.holder.Claim()}
			p.open[entry.ID()] = openDocument{Document: documents[i], since: now}
		}
		return documents, true
	}
	return nil, false
}

// UnderWay is how many stages were asked for and have not come.
func (p *Plan) UnderWay() int { return len(p.open) }

// Arrived notes an answer and gives what was asked for. Its claim is the caller's to release from now on. It is false
// for one that is not awaited (any more).
func (p *Plan) Arrived(id federation.ID) (Document, bool) {
	o, awaited := p.open[id]
	if awaited {
		delete(p.open, id)
		p.asked[id.Target()]--
	}
	return o.Document, awaited
}

// Overdue is what was asked for more than a time ago and has not come. Nothing is overdue while a document waits for
// room.
func (p *Plan) Overdue(now time.Time, after time.Duration) []federation.ID {
	if len(p.open) == 0 {
		return nil
	}
	waits := p.holder.anyWaits()
	var ids []federation.ID
	for id, o := range p.open {
		switch {
		case waits:
			o.since = now
			p.open[id] = o
		case now.Sub(o.since) > after:
			ids = append(ids, id)
		}
	}
	return ids
}

// Finished says that everything was asked for and has come.
func (p *Plan) Finished() bool { return len(p.open) == 0 && len(p.order) == 0 }
