// Package status is the board on which the actors note what can be seen of them from outside: sessions, targets,
// counts. Health, metrics and the status page read it, so that no question waits in an actor's mailbox or delays an
// actor.
//
// No secret, token or key value belongs on it: everybody who reads the node API may see it. Its size is bounded by the
// configuration: integrations, targets, and for each the kinds of commands and calls.
package status

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// Board is safe for concurrent use. Instants are the writer's wall clock; it keeps them in UTC.
type Board struct {
	mu           sync.Mutex
	integrations map[string]*integration
	order        []string // the integrations' ids, as configured
	quotas       map[Place]Quota
	calls        map[Call]uint64
	unserved     map[string]string
}

// Place is an account and region of AWS.
type Place struct {
	Account string `json:"account"`
	Region  string `json:"region"`
}

// integration is what is noted about one. The listings belong to its targets, which are noted apart from them.
type integration struct {
	Integration
	targets  map[targetKey]Target
	listings map[Place]Listed
}

type targetKey struct{ region, role string }

// NewBoard gives an empty board.
func NewBoard() *Board {
	return &Board{integrations: map[string]*integration{}, quotas: map[Place]Quota{}, calls: map[Call]uint64{}}
}

// Serve puts an integration on the board. Notes about an integration that is not on it are dropped.
func (b *Board) Serve(id string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.integrations[id] != nil {
		return
	}
	b.order = append(b.order, id)
	b.integrations[id] = &integration{
		Integration: Integration{ID: id, Session: Session{State: Away, Since: at.UTC()}, Commands: map[Command]uint64{}},
		targets:     map[targetKey]Target{},
		listings:    map[Place]Listed{},
	}
}

// with changes one integration's part.
func (b *Board) with(id string, change func(*integration)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := b.integrations[id]; i != nil {
		change(i)
	}
}

// SessionUp notes that APIM accepted the agent at an endpoint.
func (b *Board) SessionUp(id, endpoint string, at time.Time) {
	b.with(id, func(i *integration) {
		i.Session.State, i.Session.Since, i.Session.Endpoint, i.Session.Primary = Up, at.UTC(), endpoint, nil
		i.Session.Connects++
	})
}

// SessionAway notes that there is no session to APIM, or still none, and why.
func (b *Board) SessionAway(id, why string, at time.Time) {
	b.with(id, func(i *integration) {
		if i.Session.State != Away {
			i.Session.State, i.Session.Since = Away, at.UTC()
		}
		i.Session.Endpoint, i.Session.Primary = "", nil
		i.Session.LastError, i.Session.LastErrorAt = why, at.UTC()
	})
}

// SessionEnded notes that there will be no more session.
func (b *Board) SessionEnded(id string, at time.Time) {
	b.with(id, func(i *integration) {
		i.Session.State, i.Session.Since, i.Session.Endpoint, i.Session.Primary = Ended, at.UTC(), "", nil
	})
}

// Primary notes whether APIM made this agent the integration's primary.
func (b *Board) Primary(id string, primary bool) {
	b.with(id, func(i *integration) { i.Session.Primary = &primary })
}

// Answered counts a command that had its one answer, or will have none.
func (b *Board) Answered(id string, c Command) {
	b.with(id, func(i *integration) { i.Commands[c]++ })
}

// Ingested counts APIs that APIM has acknowledged; one that is ingested again counts again.
func (b *Board) Ingested(id string, apis int) {
	b.with(id, func(i *integration) { i.IngestedAPIs += uint64(apis) })
}

// Guard notes in words which plans AWS does not list any more that APIM has; none means that none is missing.
func (b *Board) Guard(id string, held []string) {
	b.with(id, func(i *integration) { i.Guard = slices.Clone(held) })
}

// Target notes the state of a region with a role.
func (b *Board) Target(id string, t Target) {
	b.with(id, func(i *integration) {
		key := targetKey{t.Region, t.Role}
		if old := i.targets[key]; old.State == t.State && old.Failure == t.Failure {
			t.Since = old.Since
		}
		t.Since = t.Since.UTC()
		i.targets[key] = t
	})
}

// Listed notes a complete listing.
func (b *Board) Listed(id string, p Place, apis, stages int, at time.Time) {
	b.with(id, func(i *integration) {
		l := i.listings[p]
		l.At, l.APIs, l.Stages, l.Failure, l.FailedAt = at.UTC(), apis, stages, "", time.Time{}
		i.listings[p] = l
	})
}

// ListingFailed notes why a listing was not complete. The result of the last complete one stays.
func (b *Board) ListingFailed(id string, p Place, why string, at time.Time) {
	b.with(id, func(i *integration) {
		l := i.listings[p]
		l.Failure, l.FailedAt = why, at.UTC()
		i.listings[p] = l
	})
}

// OutOfReach notes why AWS cannot be used for a place for now; an empty text says that it can.
func (b *Board) OutOfReach(id string, p Place, why string, at time.Time) {
	b.with(id, func(i *integration) {
		l := i.listings[p]
		l.OutOfReach, l.OutOfReachSince = why, at.UTC()
		if why == "" {
			l.OutOfReachSince = time.Time{}
		}
		i.listings[p] = l
	})
}

// IngestEnded notes the end of an ingest job.
func (b *Board) IngestEnded(id string, e Ingest) {
	b.with(id, func(i *integration) {
		e.At = e.At.UTC()
		i.LastIngest = &e
		i.OmittedAPIs += uint64(e.Omitted)
	})
}

// Quota notes the present budget of an account and region.
func (b *Board) Quota(p Place, q Quota) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.quotas[p] = q
}

// Called counts one attempt of one call to API Gateway.
func (b *Board) Called(c Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[c]++
}

// Unserved notes what an operator should do about keys that are to be deleted and that nothing configured reaches, by
// the ids of their records. It replaces what was noted before, and the caller leaves the map alone from then on.
func (b *Board) Unserved(do map[string]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unserved = do
}

// Read gives a copy of the board: integrations in the order of the configuration, everything else sorted.
func (b *Board) Read() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Snapshot{Quotas: maps.Clone(b.quotas), Calls: maps.Clone(b.calls), Unserved: b.unserved}
	for _, id := range b.order {
		s.Integrations = append(s.Integrations, b.integrations[id].read())
	}
	return s
}

func (i *integration) read() Integration {
	out := i.Integration
	out.Guard, out.Commands, out.Targets = slices.Clone(i.Guard), maps.Clone(i.Commands), []Target{}
	for _, t := range i.targets {
		t.Listed = i.listings[Place{t.Account, t.Region}]
		out.Targets = append(out.Targets, t)
	}
	slices.SortFunc(out.Targets, func(a, b Target) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Role, b.Role))
	})
	return out
}
