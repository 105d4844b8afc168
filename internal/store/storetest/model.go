// Package storetest has a model of the store's disk for simulations, and the conformance suite: the model, the file and
// the memory must behave alike.
package storetest

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"federation-agent/internal/store"
)

// Write is one commit that an incarnation attempts.
type Write struct {
	// Incarnation counts the openings of the model, from 1; Number the writes of this incarnation, from 1.
	Incarnation, Number int
	Changes             []store.Change
}

// Names says what the write holds (see [Describe]), in a fixed order: a stable name for a fault.
func (w Write) Names() []string {
	names := make([]string, 0, len(w.Changes))
	for _, c := range w.Changes {
		names = append(names, Describe(c))
	}
	slices.Sort(names)
	return names
}

// Outcome is what becomes of a write. The zero Outcome is success.
type Outcome struct {
	// Err fails the write (syscall.ENOSPC, EROFS, EIO…); the store continues in memory and tries again later.
	Err error
	// Crash ends the incarnation at this write.
	Crash bool
	// Written says, of a write that fails or crashes, that it reached the disk all the same.
	Written bool
}

// Model is a disk without a disk: it holds what was synced, loses what was not, and lets a simulation decide what
// becomes of each write. It is safe for concurrent use.
type Model struct {
	// OnWrite decides about a write; nil: all succeed. It must be a pure function of the Write and the
	// simulation's seed, for runs to repeat. It is called without the model's lock.
	OnWrite func(Write) Outcome
	// OnOpen decides whether an opening works (a store that is degraded opens again before it writes); nil: all do.
	OnOpen func(incarnation int) error
	// Beneath, where set, makes the medium that an incarnation writes to, and that holds what was written: files on a
	// volume that can be full. What it refuses is refused.
	Beneath func() store.Medium

	mu          sync.Mutex
	disk        map[store.Row]json.RawMessage
	incarnation int
	crashed     int // incarnations up to this one are over
	current     *store.FileStore
	medium      *incarnation // of current
}

// Open starts the next incarnation on what the disk holds; one that still runs is fenced first.
func (m *Model) Open(opts store.Options) (*store.FileStore, store.Health) {
	m.Crash()
	m.mu.Lock()
	m.incarnation++
	medium := &incarnation{model: m, number: m.incarnation}
	if m.Beneath != nil {
		medium.beneath = m.Beneath()
	}
	m.medium = medium
	m.mu.Unlock()
	s, health := store.NewFileStore(medium, opts)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.incarnation == medium.number {
		m.current = s
	}
	return s, health
}

// Crash fences the running incarnation: from this instant each of its writes fails with [store.ErrFenced], and what it
// had not brought to the disk is lost.
func (m *Model) Crash() {
	m.mu.Lock()
	running := m.end()
	m.mu.Unlock()
	if running != nil {
		running.Fence()
	}
}

// end is called with the lock; what it returns is to be fenced without it.
func (m *Model) end() (running *store.FileStore) {
	running, m.current, m.crashed = m.current, nil, m.incarnation
	if m.medium != nil {
		m.medium.giveUp()
	}
	return running
}

// Rows gives a copy of what is on the disk.
func (m *Model) Rows() map[store.Row]json.RawMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.disk)
}

// incarnation is the model's disk as one incarnation sees it.
type incarnation struct {
	model  *Model
	number int
	writes int // under the model's lock
	// beneath is used with the model's lock, but while it is being opened.
	beneath store.Medium
	opening bool
}

// giveUp closes what is beneath, as the end of a process does. It is called with the model's lock.
func (i *incarnation) giveUp() {
	if i.beneath != nil && !i.opening {
		_ = i.beneath.Close() // it was synced, or is lost
	}
}

// over reports whether this incarnation has crashed. It is called with the model's lock.
func (i *incarnation) over() bool { return i.number <= i.model.crashed }

// Open implements [store.Medium].
func (i *incarnation) Open(take func(store.Change) error) ([]string, error) {
	if decide := i.model.OnOpen; decide != nil {
		if err := decide(i.number); err != nil {
			return nil, err
		}
	}
	i.model.mu.Lock()
	over, disk := i.over(), maps.Clone(i.model.disk)
	i.opening = i.beneath != nil && !over
	i.model.mu.Unlock()
	if over {
		return nil, store.ErrFenced
	}
	if i.beneath != nil {
		return i.openBeneath(take)
	}
	for row, value := range disk {
		if err := take(store.Change{Row: row, Value: value}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (i *incarnation) openBeneath(take func(store.Change) error) ([]string, error) {
	notices, err := i.beneath.Open(take)
	i.model.mu.Lock()
	defer i.model.mu.Unlock()
	i.opening = false
	if i.over() { // it crashed meanwhile
		i.giveUp()
		return nil, store.ErrFenced
	}
	return notices, err
}

// Decide sets OnWrite while a store may be writing.
func (m *Model) Decide(onWrite func(Write) Outcome) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.OnWrite = onWrite
}

// Commit implements [store.Medium].
func (i *incarnation) Commit(changes []store.Change) error {
	i.model.mu.Lock()
	if i.over() {
		i.model.mu.Unlock()
		return store.ErrFenced
	}
	i.writes++
	write := Write{Incarnation: i.number, Number: i.writes, Changes: changes}
	decide := i.model.OnWrite
	i.model.mu.Unlock()

	var outcome Outcome
	if decide != nil {
		outcome = decide(write)
	}

	i.model.mu.Lock()
	if i.over() { // it crashed while the write was on its way: it was not synced, so it is lost
		i.model.mu.Unlock()
		return store.ErrFenced
	}
	if outcome.Written || (outcome.Err == nil && !outcome.Crash) {
		if i.beneath == nil {
			i.model.apply(changes)
		} else if err := i.beneath.Commit(changes); err != nil && !outcome.Crash {
			outcome.Err = err
		}
	}
	var running *store.FileStore
	if outcome.Crash {
		running = i.model.end()
	}
	i.model.mu.Unlock()
	if running != nil {
		running.Fence()
	}
	if outcome.Crash {
		return store.ErrFenced
	}
	return outcome.Err
}

// apply is called with the lock.
func (m *Model) apply(changes []store.Change) {
	if m.disk == nil {
		m.disk = map[store.Row]json.RawMessage{}
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(m.disk, c.Row)
		} else {
			m.disk[c.Row] = slices.Clone(c.Value)
		}
	}
}

// Close implements [store.Medium].
func (i *incarnation) Close() error {
	i.model.mu.Lock()
	defer i.model.mu.Unlock()
	i.giveUp()
	return nil
}
