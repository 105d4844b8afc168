package node

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"federation-agent/internal/status"
	"federation-agent/internal/words"
)

// replica is an agent that shares the journal's table, as the page shows it.
type replica struct {
	status.Member
	// This is the agent whose page it is.
	This bool
	// Lent says how much of which quotas it has.
	Lent []string
}

// replicas are the agents at the table, this one first.
func replicas(r report) (all []replica) {
	s := r.Store.Shared
	if s == nil {
		return nil
	}
	me := status.Member{ID: s.ID, Host: s.Host, Version: r.Agent.Version, SeenAt: s.ConfirmedAt, Gone: !s.Stands}
	for _, i := range r.Serving {
		if i.Session.State == status.Up && !i.Session.Leaving {
			me.Ready = append(me.Ready, i.ID)
		}
	}
	for n, m := range slices.Concat([]status.Member{me}, s.Others) {
		of := replica{Member: m, This: n == 0}
		for _, q := range r.Quotas {
			rate := q.Rate
			if !of.This && q.Lent != nil {
				rate = q.Lent.Others[m.ID]
			}
			if rate > 0 && (of.This || r.Now.Sub(q.Lent.KnownAt) < lentFresh) {
				of.Lent = append(of.Lent, fmt.Sprintf("%.2f a second in %s", rate, words.Place(q.Account, q.Region)))
			}
		}
		all = append(all, of)
	}
	return all
}

// lentFresh is for how long it is said what others have of a quota. Who works hears of it each second.
const lentFresh = 10 * time.Second

// lentSaid says in words why that much of a quota is lent to this agent; empty where it has the quota for itself.
func lentSaid(q status.Quota, s *status.Shared, now time.Time) string {
	if q.Lent == nil || s == nil {
		return ""
	}
	var others []string
	for _, id := range slices.Sorted(maps.Keys(q.Lent.Others)) {
		others = append(others, fmt.Sprintf("%s %.2f", nameOf(s, id), q.Lent.Others[id]))
	}
	held := "no other agent"
	if len(others) > 0 {
		held = words.Few(others, words.Some, ", ")
	}
	switch {
	case q.Rate > 0:
		return fmt.Sprintf("lent to this agent; the others have: %s", held)
	case !s.Stands || !s.AwaySince.IsZero():
		return "nothing is lent while the table cannot be used"
	case q.Lent.Wanted:
		return fmt.Sprintf("it asks for its part; the others have: %s", held)
	case len(others) > 0:
		return fmt.Sprintf("%s (%s they had: %s)", atRest, words.Ago(now.Sub(q.Lent.KnownAt)), held)
	}
	return atRest
}

// atRest is said of an agent without calls.
const atRest = "at rest, so all is lent to the others; it asks for its part when it has something to ask of AWS"

// nameOf is how people know an agent.
func nameOf(s *status.Shared, id string) string {
	for _, m := range s.Others {
		if m.ID == id {
			return cmp.Or(m.Host, m.ID)
		}
	}
	return cmp.Or(id, "an agent")
}

// replicasTroubles is what is wrong with the table beside whether it confirms this agent, and who has gone.
func replicasTroubles(r report) (found []attention) {
	s := r.Store.Shared
	if s == nil {
		return nil
	}
	if !s.RestoredAt.IsZero() {
		found = append(found, attention{
			What: "The table " + s.Table + " was restored or copied from another one", Section: "replicas",
			Why: "Noticed at " + s.RestoredAt.Format(time.DateTime) + ". No API key is deleted on what it says of before, and " +
				"those that were not settled then are listed",
			Do: "see what is left with federation-agent store accept-restore, then accept it with --yes",
		})
	}
	var gone []string
	for _, m := range s.Others {
		if m.Gone {
			gone = append(gone, fmt.Sprintf("%s, last seen %s", nameOf(s, m.ID), words.Ago(r.Now.Sub(m.SeenAt))))
		}
	}
	if len(gone) > 0 {
		found = append(found, attention{
			What: "No sign of life from " + count(len(gone), "agent"), Minor: true, Section: "replicas",
			Why: words.Few(gone, words.Some, "; ") + ". They have not said that they end. What they had under way is taken over",
			Do:  "see why they ended: exit codes, and the last lines of their logs. Each leaves this list after ten minutes",
		})
	}
	return found
}
