package exports

import (
	"slices"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// exportPlan is what a job still has to ask for, target by target, and what it has asked for. Each target
// has a window of its own, so that a slow one holds nobody up. Its zero value has nothing to ask for. It is
// pure: time is passed in.
type ExportPlan struct {
	window int
	queues map[federation.Target][]messages.ExportAPI
	order  []federation.Target
	asked  map[federation.Target]int // stages under way
	open   map[federation.ID]openExport
}

type openExport struct {
	entry federation.NamedEntry
	since time.Time
}

func NewExportPlan(exports []messages.ExportAPI, window int) ExportPlan {
	p := ExportPlan{
		window: window, queues: map[federation.Target][]messages.ExportAPI{},
		asked: map[federation.Target]int{}, open: map[federation.ID]openExport{},
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

// next is what to ask for now, if any window has room. The targets take turns.
func (p *ExportPlan) Next(now time.Time) (messages.ExportAPI, bool) {
	for n, target := range p.order {
		queue := p.queues[target]
		if len(queue) == 0 || p.asked[target] >= p.window {
			continue
		}
		export := queue[0]
		queue[0] = messages.ExportAPI{} // or the array would keep what is done with
		p.order = append(slices.Delete(p.order, n, n+1), target)
		p.queues[target] = queue[1:]
		p.asked[target] += len(export.Entries)
		for _, e := range export.Entries {
			p.open[e.ID()] = openExport{entry: e, since: now}
		}
		return export, true
	}
	return messages.ExportAPI{}, false
}

// underWay is how many stages were asked for and have not come.
func (p *ExportPlan) UnderWay() int { return len(p.open) }

// arrived notes an answer; it is false for one that is not awaited (any more).
func (p *ExportPlan) Arrived(id federation.ID) bool {
	if _, awaited := p.open[id]; !awaited {
		return false
	}
	delete(p.open, id)
	p.asked[id.Target()]--
	return true
}

// again is what is to be asked for once more, as its target has forgotten it; the zero target means all.
func (p *ExportPlan) Again(target federation.Target) []messages.ExportAPI {
	var entries []federation.NamedEntry
	for id, o := range p.open {
		if target == (federation.Target{}) || id.Target() == target {
			entries = append(entries, o.entry)
		}
	}
	slices.SortFunc(entries, func(a, b federation.NamedEntry) int {
		return slices.Compare([]string{a.API.ID, a.Stage}, []string{b.API.ID, b.Stage})
	})
	return ExportsOf(entries)
}

// overdue is what was asked for before an instant and has not come.
func (p *ExportPlan) Overdue(before time.Time) []federation.ID {
	var ids []federation.ID
	for id, o := range p.open {
		if o.since.Before(before) {
			ids = append(ids, id)
		}
	}
	return ids
}

// finished says that everything was asked for and has come.
func (p *ExportPlan) Finished() bool {
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

// complete is the APIs of the targets whose listing is complete: the others may lack plans.
func Complete(m messages.Catalogue) []federation.NamedEntry {
	whole := map[federation.Target]bool{}
	for _, l := range m.Listings {
		whole[l.Target] = whole[l.Target] || l.Complete
	}
	var apis []federation.NamedEntry
	for _, a := range m.APIs {
		if whole[a.Target] {
			apis = append(apis, a)
		}
	}
	return apis
}

// exportsOf groups APIs by REST API: one GetStages serves all stages of one. The order stays.
func ExportsOf(apis []federation.NamedEntry) []messages.ExportAPI {
	type restAPI struct {
		target federation.Target
		id     string
	}
	keyOf := func(a federation.NamedEntry) restAPI { return restAPI{target: a.Target, id: a.API.ID} }
	stages := map[restAPI]int{}
	for _, a := range apis {
		stages[keyOf(a)]++
	}
	index := make(map[restAPI]int, len(stages))
	exports := make([]messages.ExportAPI, 0, len(stages))
	for _, a := range apis {
		key := keyOf(a)
		i, seen := index[key]
		if !seen {
			i = len(exports)
			index[key] = i
			exports = append(exports, messages.ExportAPI{Entries: make([]federation.NamedEntry, 0, stages[key])})
		}
		exports[i].Entries = append(exports[i].Entries, a)
	}
	return exports
}

// failuresOf says why targets could not be listed, each with its name.
func FailuresOf(listings []messages.TargetListing) []string {
	var failures []string
	for _, l := range listings {
		if l.Failure != "" {
			failures = append(failures, l.Target.String()+": "+l.Failure)
		}
	}
	return failures
}
