package federation

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"federation-agent/internal/gateway"
)

// PlanLinks are the ids of the usage plans of each API.
type PlanLinks map[ID][]string

// LinksOf are the plan links in a target's listing of usage plans, whatever the filters are: a stage that is not wanted
// any more has lost nothing.
func LinksOf(t Target, plans []*gateway.UsagePlan) PlanLinks {
	links := PlanLinks{}
	for pair, ps := range plansByPair(plans) {
		id := ID{Account: t.Account, Region: t.Region, RestAPI: pair.api, Stage: pair.stage}
		for _, p := range ps {
			links[id] = append(links[id], p.ID)
		}
	}
	return links
}

// PlanLink is one API in one usage plan.
type PlanLink struct {
	API  ID
	Plan string
}

// Observed is what is now known about a target's plans.
type Observed struct {
	Links PlanLinks
	// Complete says that AWS listed all usage plans, successfully and to the end.
	Complete bool
	// Begun is when the listing began.
	Begun time.Time
}

// Verdict is what an ingest may do about the plans that a target lost.
type Verdict int

// The verdicts, the worst last.
const (
	// Nothing is lost.
	Nothing Verdict = iota
	// Removed: AWS says so, and it is not many. Continue.
	Removed
	// Mass: AWS says so, but it is so many that a second listing must say the same, see [Loss.ConfirmedBy].
	Mass
	// Unproved: AWS has not said so. Refuse.
	Unproved
)

// Loss is what one target would lose by an ingest.
type Loss struct {
	Target  Target
	Verdict Verdict
	// Before is how many plan links the last ingest had. Lost are those that are missing now, in order.
	Before int
	Lost   []PlanLink
	Begun  time.Time
}

// PlanLosses compares the plans of the last ingest with the current listings. It returns one loss for each target, in
// order. share is the part of a target's plan links that may be lost without a second listing, such as 0.3.
//
//	listing of the target | lost links                   | verdict
//	any                   | none                         | Nothing
//	complete              | not all, at most the share   | Removed
//	complete              | all, or more than the share  | Mass
//	incomplete, or none   | one or more                  | Unproved
//
// For a target without a listing, all links are lost and unproved.
func PlanLosses(before PlanLinks, now map[Target]Observed, share float64) []Loss {
	byTarget := map[Target]*Loss{}
	for id, plans := range before {
		t := id.Target()
		loss := byTarget[t]
		if loss == nil {
			loss = &Loss{Target: t, Begun: now[t].Begun}
			byTarget[t] = loss
		}
		has := now[t].Links[id]
		for i, plan := range plans {
			if slices.Contains(plans[:i], plan) {
				continue
			}
			loss.Before++
			if !slices.Contains(has, plan) {
				loss.Lost = append(loss.Lost, PlanLink{API: id, Plan: plan})
			}
		}
	}
	out := make([]Loss, 0, len(byTarget))
	for t, loss := range byTarget {
		slices.SortFunc(loss.Lost, func(a, b PlanLink) int {
			return cmp.Or(compareIDs(a.API, b.API), cmp.Compare(a.Plan, b.Plan))
		})
		loss.Verdict = verdict(len(loss.Lost), loss.Before, now[t].Complete, share)
		out = append(out, *loss)
	}
	slices.SortFunc(out, func(a, b Loss) int { return cmp.Compare(a.Target.String(), b.Target.String()) })
	return out
}

func verdict(lost, before int, complete bool, share float64) Verdict {
	switch {
	case lost == 0:
		return Nothing
	case !complete:
		return Unproved
	case lost == before || float64(lost) > share*float64(before):
		return Mass
	default:
		return Removed
	}
}

// SecondLook is how much later than the first a listing must have begun to confirm a mass removal. After that time, a
// wrong answer of AWS, or a deployment that was still running, looks different.
const SecondLook = time.Minute

// ConfirmedBy reports whether a second, new and complete listing shows the same mass removal. Links that came back in
// the meantime do not matter. A link that only the second listing lacks was seen once, so the second listing does not
// confirm it.
func (l Loss) ConfirmedBy(second Loss) bool {
	seenOnce := func(lost PlanLink) bool { return !slices.Contains(l.Lost, lost) }
	return l.Verdict == Mass && second.Verdict == Mass && l.Target == second.Target &&
		second.Begun.Sub(l.Begun) >= SecondLook && !slices.ContainsFunc(second.Lost, seenOnce)
}

// String describes the loss, for an ERROR reply.
func (l Loss) String() string {
	switch l.Verdict {
	case Nothing:
		return fmt.Sprintf("%s: no plan of %d is lost", l.Target, l.Before)
	case Unproved:
		return fmt.Sprintf("%s: %d of %d plans are missing, but AWS did not list all plans", l.Target, len(l.Lost), l.Before)
	case Removed, Mass:
	}
	return fmt.Sprintf("%s: AWS does not list %d of %d plans any more", l.Target, len(l.Lost), l.Before)
}
