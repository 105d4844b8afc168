// Package members says which processes of those that share a journal are alive. Each raises a counter of its own; the
// others judge it by their own elapsed time since they saw the counter move. No clock is ever compared with another's.
//
// It is pure but for a lock: time goes in, and must be monotonic (time.Now has such a reading).
package members

import (
	"cmp"
	"context"
	"maps"
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
	// watchAgain is after which time without a look a process begins to watch anew: it, and perhaps the others with it, stood
	// still.
	watchAgain = GoneAfter - 2*RaiseEvery
	// forgetAfter is how long it is known that a member was asked about and not seen. Who owns something is asked about
	// every half minute.
	forgetAfter = 5 * time.Minute
)

// Member is a process as it shows itself.
type Member struct {
	// ID is random at each start.
	ID string
	// Count is how often it has been raised.
	Count int64
	// Version is the agent's.
	Version string
	// Host is the name of its machine, pod or task, for people; empty if it does not say.
	Host string
	// Ready are the integrations of which it has a session that APIM has accepted.
	Ready []string
}

// Lease says whether this process may act: make or attach a key, send the first byte of an answer or a batch, or spend a
// permit. The zero Lease does not stand.
type Lease struct{ from, since time.Time }

// Raised notes that a raise which was sent at an instant is confirmed.
func (l *Lease) Raised(sent time.Time) {
	if !l.Stands(sent) {
		l.since = sent
	}
	if sent.After(l.from) {
		l.from = sent
	}
}

// Stands reports whether the process may act at an instant.
func (l Lease) Stands(now time.Time) bool { return !l.from.IsZero() && now.Sub(l.from) < StandsFor }

// Since is since when the process has lived for others without a gap in which they could have thought it gone; zero where it
// does not stand.
func (l Lease) Since(now time.Time) time.Time {
	if !l.Stands(now) {
		return time.Time{}
	}
	return l.since
}

// Watch is what one process knows of the others.
type Watch struct {
	began  time.Time // when it first saw the members
	latest time.Time // when it last did
	seen   map[string]Sighting
	// missed are those who were asked about and not seen, and since when; also those who have left.
	missed map[string]time.Time
}

// Registry is where processes show themselves to each other.
type Registry interface {
	// Raise shows a member. Now is the wall clock; it says when what a process has left may be deleted. With an error it is
	// unknown whether the others see it.
	Raise(ctx context.Context, m Member, now time.Time) error
	// Members gives all that have not left.
	Members(ctx context.Context) ([]Member, error)
	// Leave takes a member out: this one at its orderly end, or one that is gone for good.
	Leave(ctx context.Context, id string) error
}

// Sighting is a member as another process sees it.
type Sighting struct {
	Member
	// Since is when its counter was first seen where it is.
	Since time.Time
	// Moved: it was seen to move, so that it is not what a process has left that had ended before.
	Moved bool
}

// See takes in all members as they were read at an instant or later: when the reading began.
func (w *Watch) See(now time.Time, all []Member) {
	if w.began.IsZero() || now.Sub(w.latest) > watchAgain {
		w.began, w.seen, w.missed = now, map[string]Sighting{}, map[string]time.Time{}
	}
	w.latest = now
	there := map[string]bool{}
	for _, m := range all {
		there[m.ID] = true
		s, known := w.seen[m.ID]
		if !known || s.Count != m.Count {
			s = Sighting{Since: now, Moved: known}
		}
		s.Member = m
		w.seen[m.ID] = s
	}
	for id, s := range w.seen {
		if !there[id] { // it has left
			delete(w.seen, id)
			w.missed[id] = s.Since
		}
	}
	maps.DeleteFunc(w.missed, func(id string, asked time.Time) bool { return there[id] || now.Sub(asked) > forgetAfter })
}

// Gone reports whether what a member owned may be taken over: it has not moved for [GoneAfter], or is not there any more,
// as far as the last look has shown. One that was never seen may have begun since that look: it is gone once a look that
// began later does not show it, either. A process that has just started, or stood still, has seen nobody for long enough, and
// takes nothing over; nor does one that has not looked lately.
func (w *Watch) Gone(now time.Time, id string) bool {
	s, there := w.seen[id]
	if _, asked := w.missed[id]; !there && !asked && w.missed != nil {
		w.missed[id] = now
	}
	if w.latest.Sub(w.began) < GoneAfter || now.Sub(w.latest) > watchAgain {
		return false
	}
	if there {
		return w.latest.Sub(s.Since) >= GoneAfter
	}
	return w.latest.After(w.missed[id])
}

// Ready reports whether somebody but the one with this id serves an integration: it has a session that APIM has accepted,
// and was seen to move within the time for which it may act.
func (w *Watch) Ready(now time.Time, but, integration string) bool {
	for id, s := range w.seen {
		if id != but && s.Moved && now.Sub(s.Since) < StandsFor && slices.Contains(s.Ready, integration) {
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

// Since is since when this process stands without a gap; see [Lease.Since].
func (s *Self) Since(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lease.Since(now)
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

// Seen gives the other members that have not left, by their ids.
func (s *Self) Seen() []Sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	var others []Sighting
	for id, is := range s.watch.seen {
		if id != s.id {
			others = append(others, is)
		}
	}
	slices.SortFunc(others, func(a, b Sighting) int { return cmp.Compare(a.ID, b.ID) })
	return others
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
