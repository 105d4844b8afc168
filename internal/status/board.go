// Package status is the board on which the actors note what can be seen of them from outside: sessions, targets,
// ingests, commands, counts. Health, metrics and the status page read it, so that no question waits in an actor's
// mailbox or delays an actor.
//
// No secret, token or key value belongs on it: everybody who reads the node API may see it. Its size is bounded by the
// configuration (integrations, targets, and for each the kinds of commands and calls), and by a limit for each list.
package status

import (
	"maps"
	"sync"
	"time"

	"federation-agent/internal/words"
)

// longest is how many bytes are kept of a text that somebody else chose, such as a reason or an id of APIM's.
// Explanations have some 300.
const longest = 1 << 10

// Board is safe for concurrent use. Instants are the writer's wall clock; it keeps them in UTC.
type Board struct {
	mu           sync.Mutex
	integrations map[string]*integration
	order        []string // the integrations' ids, as configured
	aws          AWS
	unserved     map[string]string
	shared       *Shared
}

// Place is an account and region of AWS.
type Place struct {
	Account string `json:"account"`
	Region  string `json:"region"`
}

// Snapshot is the content of the board at one moment. The names in JSON are those of the status page: they do not
// change between versions, but new ones may be added.
type Snapshot struct {
	Integrations []Integration
	AWS
	// Unserved says what to do about keys that are to be deleted and that nothing configured reaches, by record.
	Unserved map[string]string
	// Shared is nil where the journal is this process's own.
	Shared *Shared
}

// Integration is one configured provider.
type Integration struct {
	ID      string  `json:"id"`
	Session Session `json:"session"`
	// Guard says in words which plans AWS does not list any more that APIM has.
	Guard []string `json:"planGuardHolds,omitempty"`
	// UnusedStages says in words which stages the stage filter names that no API has.
	UnusedStages string `json:"unusedStages,omitempty"`
	// UnusedFilters say the same of the other filters.
	UnusedFilters []UnusedFilter `json:"unusedFilters,omitempty"`
	Targets       []Target       `json:"targets"`
	Ingested
	Reconciled
	Commands
	Keys Keys `json:"keys"`
}

// UnusedFilter says in words which entries of a filter's setting do nothing.
type UnusedFilter struct {
	Setting string `json:"setting"`
	Entries string `json:"entries"`
}

// Keys counts what was done to API keys in AWS since the process began.
type Keys struct {
	// Made counts the keys that AWS made, Deleted those that it deleted or that were gone already.
	Made    uint64 `json:"made"`
	Deleted uint64 `json:"deleted"`
	// Settled counts the unconfirmed keys of which APIM told what became of them.
	Settled Settled `json:"settled"`
}

// Settled counts unconfirmed keys by what followed from APIM's answer.
type Settled struct {
	// Kept counts those that APIM has, Deleted those that it does not have.
	Kept    uint64 `json:"kept"`
	Deleted uint64 `json:"deleted"`
}

// integration is what is noted about one. The listings belong to its targets, which are noted apart from them.
type integration struct {
	Integration
	targets  map[targetKey]Target
	listings map[Place]listing
}

// NewBoard gives an empty board.
func NewBoard() *Board {
	return &Board{integrations: map[string]*integration{}, aws: newAWS()}
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
		Integration: Integration{ID: id, Session: Session{State: Away, Since: at.UTC()}},
		targets:     map[targetKey]Target{},
		listings:    map[Place]listing{},
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

// Guard notes in words which plans AWS does not list any more that APIM has; none means that none is missing. The
// caller leaves the list alone from then on.
func (b *Board) Guard(id string, held []string) {
	b.with(id, func(i *integration) { i.Integration.Guard = held })
}

// UnusedFilters notes in words which stages the stage filter names in vain, and what the other filters do; an empty
// text means none.
func (b *Board) UnusedFilters(id, stages string, others ...UnusedFilter) {
	for n := range others {
		others[n].Entries = cut(others[n].Entries)
	}
	b.with(id, func(i *integration) {
		i.Integration.UnusedStages, i.Integration.UnusedFilters = cut(stages), others
	})
}

// KeyMade counts a key that AWS made.
func (b *Board) KeyMade(id string) { b.with(id, func(i *integration) { i.Keys.Made++ }) }

// KeyDeleted counts a key that AWS deleted, or that was gone already.
func (b *Board) KeyDeleted(id string) { b.with(id, func(i *integration) { i.Keys.Deleted++ }) }

// KeySettled counts an unconfirmed key that APIM has, or that it does not have.
func (b *Board) KeySettled(id string, kept bool) {
	b.with(id, func(i *integration) {
		if kept {
			i.Keys.Settled.Kept++
		} else {
			i.Keys.Settled.Deleted++
		}
	})
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
	s := Snapshot{AWS: b.aws.clone(), Unserved: b.unserved, Shared: b.shared.clone()}
	for _, id := range b.order {
		s.Integrations = append(s.Integrations, b.integrations[id].read())
	}
	return s
}

func (i *integration) read() Integration {
	out := i.Integration
	out.Session.Lost = maps.Clone(i.Session.Lost)
	out.Ingested, out.Reconciled, out.Commands = i.Ingested.clone(), i.Reconciled.clone(), i.Commands.clone()
	out.Targets = i.readTargets()
	return out
}

// add counts one more in a map that may not be there yet: most of them stay empty.
func add[K comparable](counts *map[K]uint64, key K) {
	if *counts == nil {
		*counts = map[K]uint64{}
	}
	(*counts)[key]++
}

// cut shortens a text that somebody else chose.
func cut(text string) string {
	return words.Shorter(text, longest)
}
