package chaos

import (
	"slices"
	"time"

	"federation-agent/internal/members"
	"federation-agent/internal/pulse"
)

// What hindered the processes that share a table, and what that excuses. The agent's promises hold although the table is
// away: what only one process knows it keeps, and writes down once it can. So a table that was away excuses little by
// itself, and only that process whose call it was, and what that call was about.

// hindrance is a time in which a process stood still, or in which a call of the table failed or was late.
type hindrance struct {
	holdUp
	// of is the partition that the call was about; empty: the process reached no part of the table.
	of string
}

// hindrances are those of each process, by its name. The run's lock guards them.
type hindrances map[string][]hindrance

// meets reports whether a time shares an instant with another one.
func (h holdUp) meets(from, until time.Time) bool {
	return !h.from.After(until) && !h.until.Before(from)
}

const (
	// owedAgain is within which time a process tries again to write what only it knows, and what that may take.
	owedAgain = 2*time.Minute + 30*time.Second
	// sideBySide is how long a process does not move in the eyes of others, less what they notice it by, until they take over
	// what it had: the last sign of life may be two raises older.
	sideBySide = members.GoneAfter - 2*members.RaiseEvery - tableGivesUp
)

// hinder notes a hindrance that begins now.
func (n *replicas) hinder(all hindrances, agent, of string, long time.Duration) {
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	all[agent] = append(all[agent], hindrance{holdUp{from: time.Now(), until: time.Now().Add(long)}, of})
}

// lasted notes what a process was at until now.
func (n *replicas) lasted(all hindrances, agent, of string, began time.Time) {
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	all[agent] = append(all[agent], hindrance{holdUp{from: began, until: time.Now()}, of})
}

// any finds a hindrance of a process.
func (n *replicas) any(all hindrances, agent string, so func(hindrance) bool) bool {
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	return slices.ContainsFunc(all[agent], so)
}

// stoodStill reports whether a process did so at some time from a to b, for long enough to notice it.
func (n *replicas) stoodStill(agent string, a, b time.Time) bool {
	return n != nil && n.any(n.frozen, agent, func(h hindrance) bool {
		return h.meets(a, b) && h.until.Sub(h.from) >= pulse.Standstill
	})
}

// goesOn is when a process has heard what came at an instant: one that stands still then hears it when it goes on.
func (n *replicas) goesOn(agent string, at time.Time) time.Time {
	if n == nil {
		return at
	}
	heard := at
	n.any(n.frozen, agent, func(h hindrance) bool {
		if h.meets(at, at.Add(slowestLatency)) {
			heard = later(heard, h.until)
		}
		return false
	})
	return heard
}

// seemedGone reports whether others may have taken a process for gone at some time from a to b, though it lived.
func (n *replicas) seemedGone(agent string, a, b time.Time) bool {
	if n == nil {
		return false
	}
	long := func(h hindrance) bool { return h.meets(a, b) && h.of == "" && h.until.Sub(h.from) >= sideBySide }
	return n.any(n.frozen, agent, long) || n.any(n.away, agent, long)
}

// forgot reports whether a process could not write at some time from a to b what only it knew, about a part of the table,
// and was lost before it could: it ended, or one of these actors panicked.
func (n *replicas) forgot(agent, of string, a, b time.Time, actors ...string) bool {
	if n == nil {
		return false
	}
	from, kept := a, time.Time{}
	for _, all := range []hindrances{n.frozen, n.away} {
		n.any(all, agent, func(h hindrance) bool {
			if (h.of == "" || h.of == of) && h.meets(a, b) {
				b = later(b, h.until.Add(owedAgain))
				kept = later(kept, b)
			}
			return false
		})
	}
	if kept.IsZero() {
		return false
	}
	r := n.run
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.endedWithin(agent, from, kept) || slices.ContainsFunc(r.panics, func(p panicked) bool {
		return p.agent == agent && slices.Contains(actors, p.kind) && !p.at.Before(from) && !p.at.After(kept)
	})
}

// endedWithin reports whether a process ended at some time from a to b. It needs the lock.
func (r *run) endedWithin(agent string, a, b time.Time) bool {
	return slices.ContainsFunc(r.lives, func(l *lifetime) bool {
		return l.name == agent && !l.ended.IsZero() && !l.ended.Before(a) && !l.ended.After(b)
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// permitted is the earliest time at which an attempt may have got its permit: a CreateApiKey is in the journal in between,
// and a process may stand still there.
func (n *replicas) permitted(a *attempt) time.Time {
	at := a.start
	if n == nil {
		return at
	}
	for {
		before := at
		n.any(n.frozen, a.agent, func(h hindrance) bool { return h.leadsTo(&at) })
		if a.isCreate() {
			n.any(n.writing, a.agent, func(h hindrance) bool { return h.leadsTo(&at) })
		}
		if at.Equal(before) {
			return at
		}
	}
}

// leadsTo takes an instant back to the beginning of a time that it is in, or ends.
func (h hindrance) leadsTo(at *time.Time) bool {
	if h.from.Before(*at) && !h.until.Before(*at) {
		*at = h.from
	}
	return false
}
