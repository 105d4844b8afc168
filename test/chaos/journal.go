package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
)

// journal is the observer at one replica's disk.
type journal struct {
	*journalState
}

type journalState struct {
	mu     sync.Mutex
	seen   *counter
	writes map[string][]written // of key records, by id
	// failing is since when the disk refuses; zero while it takes everything.
	failing time.Time
	failed  bool // it ever refused
	// hidden says that the agent does not hear that the write under way succeeds.
	hidden bool
	// lossy are the crashes that came while it refused: until then, what was not written is lost.
	lossy []time.Time
}

// written is one state of a key record, as it was to be written.
type written struct {
	keys.Record
	at      time.Time
	removed bool
}

func newJournal() journal {
	return journal{&journalState{seen: newCounter(), writes: map[string][]written{}}}
}

// journals are the slots, one for each journal.
func (r *run) journals() []*slot {
	if r.replicas != nil {
		return r.slots[:1]
	}
	return r.slots
}

// records are what the slot's journal has of keys.
func (s *slot) records() ([]keys.Record, error) {
	if s.run.replicas != nil {
		return s.run.replicas.records()
	}
	return storetest.Records(s.life.instance.Store, store.Filter{})
}

// ingests are what the slot's journal has of jobs, and of what was sent.
func (s *slot) ingests() store.Ingests {
	if s.run.replicas != nil {
		return s.run.replicas.store
	}
	return s.life.instance.Store
}

// onWrite notes a write, and decides what becomes of it.
func (s *slot) onWrite(w storetest.Write) storetest.Outcome {
	r := s.run
	for _, c := range w.Changes {
		r.checkSecrets("a row of the store", c.Key+string(c.Value))
		if !strings.HasPrefix(storetest.Describe(c), "key ") {
			continue
		}
		r.note("disk  %s %s", s.name, storetest.Describe(c))
		s.journal.note(c)
	}
	names := strings.Join(kindsOf(w), ",")
	name := fmt.Sprintf("%s %d %s %d", s.name, w.Incarnation, names, s.journal.seen.next(fmt.Sprint(w.Incarnation, names)))
	var outcome storetest.Outcome
	if !r.calm.Load() {
		outcome = s.diskFault(name)
	}
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	s.journal.hidden = outcome.Err != nil || outcome.Crash
	switch {
	case outcome.Err != nil && s.journal.failing.IsZero():
		s.journal.failing, s.journal.failed = time.Now(), true
	case outcome.Err == nil && !outcome.Crash && s.volume == nil: // else the disk has yet to say what it does
		s.journal.failing = time.Time{}
	}
	return outcome
}

// kindsOf leaves the ids out of a write's names: they depend on what else went on.
func kindsOf(w storetest.Write) []string {
	var kinds []string
	for _, name := range w.Names() {
		words := strings.Fields(name)
		kinds = append(kinds, words[0]+" "+words[len(words)-1])
		if words[0] != "key" {
			kinds[len(kinds)-1] = words[0]
		}
	}
	return kinds
}

func (s *slot) diskFault(name string) storetest.Outcome {
	r := s.run
	p := 0.01
	if strings.Contains(name, "key ") {
		p = 0.05
	}
	if l := s.current(); l != nil && r.dice.chance(r.profile.of(famCrashes, p), "crash at write", name) &&
		l.die(func() { r.world.Network.Fence(l.name) }) {
		written := r.dice.chance(0.5, "written", name)
		r.strike("crash at a write", "%s (written: %t)", name, written)
		return storetest.Outcome{Crash: true, Written: written}
	}
	if r.dice.chance(r.profile.of(famDisk, 0.08), "disk", name) {
		r.strike("disk error", "%s", name)
		return storetest.Outcome{Err: syscall.ENOSPC, Written: r.dice.chance(0.3, "disk written", name)}
	}
	return storetest.Outcome{}
}

func (s *slot) onOpen(incarnation int) error {
	r := s.run
	name := fmt.Sprintf("%s %d %d", s.name, incarnation, s.journal.seen.next(fmt.Sprint("open ", incarnation)))
	if r.calm.Load() || !r.dice.chance(r.profile.of(famDisk, 0.2), "open", name) {
		return nil
	}
	r.strike("disk does not open", "%s", name)
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	s.journal.failed = true
	if s.journal.failing.IsZero() {
		s.journal.failing = time.Now()
	}
	return syscall.EIO
}

// note reads a key's row.
func (j journal) note(c store.Change) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if c.Value == nil {
		last := j.writes[c.Key]
		if len(last) > 0 {
			gone := last[len(last)-1]
			gone.removed, gone.at = true, time.Now()
			j.writes[c.Key] = append(last, gone)
		}
		return
	}
	var rec keys.Record
	if json.Unmarshal(c.Value, &rec) == nil {
		j.writes[rec.ID] = append(j.writes[rec.ID], written{Record: rec, at: time.Now()})
	}
}

// onCrash notes that a process died; what a failing disk had not taken is lost with it.
func (j journal) onCrash() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.failing.IsZero() {
		j.lossy = append(j.lossy, time.Now())
		j.failing = time.Time{}
	}
}

// lostBefore reports whether something that was done at an instant may have been lost with a process whose
// disk refused.
func (j journal) lostBefore(at time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, crash := range j.lossy {
		if !crash.Before(at) {
			return true
		}
	}
	return false
}

// everFailed reports whether the disk refused anything at any time.
func (j journal) everFailed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.failed
}

// disksFailed reports whether any disk refused anything: what follows from what it did not keep is no news.
func (r *run) disksFailed() bool {
	return slices.ContainsFunc(r.slots, func(s *slot) bool { return s.journal.everFailed() })
}

// disksLost reports whether any process died while its disk refused.
func (r *run) disksLost() bool {
	return slices.ContainsFunc(r.slots, func(s *slot) bool { return s.journal.lostBefore(r.began) })
}

// all gives the states that each record was written with.
func (j journal) all() map[string][]written {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.writes)
}

// of gives the states that a record was written with.
func (j journal) of(id string) []written {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]written(nil), j.writes[id]...)
}
