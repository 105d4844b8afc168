package status

import (
	"maps"
	"slices"
	"time"
)

// Removal is what becomes of APIs in APIM that AWS has deleted, where the agent removes them.
type Removal struct {
	// How is unpublish or delete.
	How string `json:"how"`
	// Results counts what came of each try.
	Results map[RemovalResult]uint64 `json:"results"`
	// Refused says why none is touched; empty if nothing speaks against it.
	Refused string `json:"refused,omitempty"`
	// APIs are the first of those that are gone and not removed yet, as the last scheduled round found them.
	APIs []RemovalNote `json:"apis,omitempty"`
	// Last is the API that was removed last.
	Last *RemovalNote `json:"last,omitempty"`
}

// Removed is how many APIs were removed since the process began.
func (r Removal) Removed() uint64 { return r.Results[RemovalDone] }

// RemovalNote is one API that AWS has deleted.
type RemovalNote struct {
	At     time.Time `json:"at"`
	ID     string    `json:"id"`
	APIMID string    `json:"apimId"`
	Name   string    `json:"name"`
	// Text says what becomes of it, or what keeps it.
	Text string `json:"text,omitempty"`
	// Kept says that it stays: somebody has to end its subscriptions, or to delete it.
	Kept bool `json:"kept,omitempty"`
	// Refused: APIM refuses to remove it, as Text says, until a person changes something.
	Refused bool `json:"refused,omitempty"`
}

// RemovalResult says what came of a try to remove an API.
type RemovalResult string

// The results.
const (
	// RemovalDone: it is unpublished or deleted.
	RemovalDone RemovalResult = "removed"
	// RemovalKept: it stays, because it has subscriptions or is not the integration's.
	RemovalKept RemovalResult = "kept"
	// RemovalFailed: APIM could not be asked, or refused.
	RemovalFailed RemovalResult = "failed"
)

// RemovalResults are all results.
func RemovalResults() []RemovalResult {
	return []RemovalResult{RemovalDone, RemovalKept, RemovalFailed}
}

// mostRemovals is how many APIs are noted at a time.
const mostRemovals = 20

// Removes notes that APIs that AWS has deleted are removed, and how.
func (b *Board) Removes(id, how string) {
	b.with(id, func(i *integration) {
		if i.Removal == nil {
			i.Removal = &Removal{How: how, Results: map[RemovalResult]uint64{}}
			for _, result := range RemovalResults() {
				i.Removal.Results[result] = 0
			}
		}
	})
}

// RemovalPlanned notes the APIs that are gone and not removed yet. One that APIM has refused is noted so until the next
// try. The caller leaves the list alone from then on.
func (b *Board) RemovalPlanned(id string, apis []RemovalNote) {
	for n := range apis {
		apis[n] = apis[n].shortened()
	}
	b.with(id, func(i *integration) {
		if i.Removal == nil {
			return
		}
		for _, was := range i.Removal.APIs {
			at := slices.IndexFunc(apis, func(n RemovalNote) bool { return n.ID == was.ID })
			if was.Refused && at >= 0 {
				apis[at] = was
			}
		}
		i.Removal.APIs, i.Removal.Refused = apis[:min(len(apis), mostRemovals)], ""
	})
}

// RemovalRefused notes why none is touched.
func (b *Board) RemovalRefused(id, why string) {
	b.with(id, func(i *integration) {
		if i.Removal != nil {
			i.Removal.Refused = cut(why)
		}
	})
}

// RemovalTried counts a try. What is removed is none of the planned ones any more.
func (b *Board) RemovalTried(id string, result RemovalResult, api RemovalNote) {
	api = api.shortened()
	b.with(id, func(i *integration) {
		switch m := i.Removal; {
		case m == nil:
		case result == RemovalDone:
			m.Results[result]++
			m.without(api.ID)
			m.Last = &api
		default:
			m.Results[result]++
			m.without(api.ID)
			api.Kept = result == RemovalKept
			if len(m.APIs) < mostRemovals {
				m.APIs = append(m.APIs, api)
			}
		}
	})
}

// RemovalNeedless notes that nothing is to be done with an API.
func (b *Board) RemovalNeedless(id, api string) {
	b.with(id, func(i *integration) {
		if i.Removal != nil {
			i.Removal.without(api)
		}
	})
}

// without drops a planned API. The list is made anew, because others may read it.
func (r *Removal) without(api string) {
	r.APIs = slices.DeleteFunc(slices.Clone(r.APIs), func(n RemovalNote) bool { return n.ID == api })
}

func (n RemovalNote) shortened() RemovalNote {
	n.At, n.Name, n.Text = n.At.UTC(), cut(n.Name), cut(n.Text)
	return n
}

// clone copies what changes. Lists are replaced as a whole.
func (r *Removal) clone() *Removal {
	if r == nil {
		return nil
	}
	c := *r
	c.Results = maps.Clone(c.Results)
	return &c
}
