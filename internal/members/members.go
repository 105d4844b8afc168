// Package members says which processes of those that share a journal are alive. Each raises a counter of its own; the
// others judge it by their own elapsed time since they saw the counter move. No clock is ever compared with another's.
//
// It is pure but for a lock: time goes in, and must be monotonic (time.Now has such a reading).
package members

import (
	"slices"
	"sync"
	"time"
)

const (
	// RaiseEvery is how often a process raises its counter.
	RaiseEvery = 2 * time.Second
	// StandsFor is how long a process may act on a raise that was confirmed, from before the raise was sent. It ends well
	// before [GoneAfter], so that a process that is cut off stops before others take over what it had.
	StandsFor = 8 * time.Second
	// GoneAfter is after which time without a raise a process counts as gone.
	GoneAfter = 15 * time.Second
)

// Member is a process as it shows itself.
type Member struct {
	// ID is random at each start.
	ID string
	// Count is how often it has been raised.
	Count int64
	// Version is the agent's.
	Version string
	// Ready are the integrations of which it has a session that APIM has accepted.
	Ready []string
}

// Lease says whether this process may act: make or attach a key, send the first byte of an answer or a batch, or spend a
// permit. The zero Lease does not stand.
type Lease struct{ from time.Time }

// Raised notes that a raise which was sent at an instant is confirmed.
func (l *Lease) Raised(sent time.Time) {
	if sent.After(l.from) {
		l.from = sent
	}
}

// Stands reports whether the process may act at an instant.
func (l Lease) Stands(now time.Time) bool { return !l.from.IsZero() && now.Sub(l.from) < StandsFor }

// Watch is what one process knows of the others.
type Watch struct {
	began time.Time // when it first saw the members
	seen  map[string]sighting
}

// sighting is a counter, and when it was first seen at that.
type sighting struct {
	count int64
	since time.Time
	moved bool // it was seen to move, so that it is not what a process has left
	ready []string
}

// See takes in all members as they were read at an instant or later: when the reading began.
func (w *Watch) See(now time.Time, all []Member) {
	if w.began.IsZero() {
		w.began, w.seen = now, map[string]sighting{}
	}
	there := map[string]bool{}
	for _, m := range all {
		there[m.ID] = true
		s, known := w.seen[m.ID]
		if !known || s.count != m.Count {
			s = sighting{count: m.Count, since: now, moved: known}
		}
		s.ready = m.Ready
		w.seen[m.ID] = s
	}
	for id := range w.seen {
		if !there[id] {
			delete(w.seen, id)
		}
	}
}

// Gone reports whether what a member owned may be taken over: it has not moved for [GoneAfter], or is not there any more.
// A process that has just started has seen nobody for long enough, and takes nothing over.
func (w *Watch) Gone(now time.Time, id string) bool {
	if w.began.IsZero() || now.Sub(w.began) < GoneAfter {
		return false
	}
	s, there := w.seen[id]
	return !there || now.Sub(s.since) >= GoneAfter
}

// Ready reports whether somebody but the one with this id serves an integration: it has a session that APIM has accepted,
// and was seen to move within the time for which it may act.
func (w *Watch) Ready(now time.Time, but, integration string) bool {
	for id, s := range w.seen {
		if id != but && s.moved && now.Sub(s.since) < StandsFor && slices.Contains(s.ready, integration) {
			return true
		}
	}
	return false
}

// Self is this process among those that share its journal. A nil Self is alone: it stands, and nobody is gone. It is safe
// for concurrent use.
type Self struct {
	id string

	mu    sync.Mutex
	lease Lease
	watch Watch
}

// NewSelf makes a process that does not stand yet.
func NewSelf(id string) *Self { return &Self{id: id} }

// ID is empty for a process that is alone.
func (s *Self) ID() string {
	if s == nil {
		return ""
	}
	return s.id
}

// Raised notes that a raise which was sent at an instant is confirmed.
func (s *Self) Raised(sent time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lease.Raised(sent)
}

// See takes in all members, the reading of which began at an instant.
func (s *Self) See(began time.Time, all []Member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch.See(began, all)
}

// Stands reports whether this process may act; see [Lease.Stands].
func (s *Self) Stands(now time.Time) bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease.Stands(now)
}

// Others reports whether what a member owns is another one's business, who is not known to be gone.
func (s *Self) Others(now time.Time, owner string) bool {
	if s == nil || owner == "" || owner == s.id {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.watch.Gone(now, owner)
}

// OthersReady reports whether another process serves an integration, so that this one may leave; see [Watch.Ready].
func (s *Self) OthersReady(now time.Time, integration string) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watch.Ready(now, s.id, integration)
}
