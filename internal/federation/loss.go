package federation

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"federation-agent/internal/gateway"
)

// PlanLinks are the usage plans that each API is in, by plan id.
type PlanLinks map[ID][]string

// LinksOf are the plan links that a listing of usage plans shows for a target, whatever the filters: a stage that is no
// longer wanted has lost nothing.
func LinksOf(t Target, plans []*gateway.UsagePlan) PlanLinks {
	links := PlanLinks{}
	for api, byStage := range plansByPair(plans) {
		for stage, ps := range byStage {
			id := ID{Account: t.Account, Region: t.Region, RestAPI: api, Stage: stage}
			for _, p := range ps {
				links[id] = append(links[id], p.ID)
			}
		}
	}
	return links
}

// PlanLink is one API in one usage plan.
type PlanLink struct {
	API  ID
	Plan string
}

// Listing is what is known of a target's plans now.
type Listing struct {
	Links PlanLinks
	// Complete says that AWS listed all usage plans, successfully and to the end.
	Complete bool
	// Begun is when the listing was begun.
	Begun time.Time
}

// Verdict is what an ingest may do about the plans that a target lost.
type Verdict int

// The verdicts, the worst last.
const (
	// Nothing is lost.
	Nothing Verdict = iota
	// Removed: AWS says so, and it is not many. Go on.
	Removed
	// Mass: AWS says so, but it is so much that it must say it twice, see [Loss.ConfirmedBy].
	Mass
	// Unproved: AWS has not said so. Refuse.
	Unproved
)

// Loss is what one target would lose by an ingest.
type Loss struct {
	Target  Target
	Verdict Verdict
	// Before is how many plan links the last ingest had, Lost those that are missing now, in order.
	Before int
	Lost   []PlanLink
	Begun  time.Time
}

// PlanLosses compares the plans of the last ingest with what the listings show now, target by target, in order. share is how
// much of a target's plan links may go without a second look, such as 0.3.
//
//	listing of the target | lost links                   | verdict
//	any                   | none                         | Nothing
//	complete              | not all, at most the share   | Removed
//	complete              | all, or more than the share  | Mass
//	incomplete, or none   | one or more                  | Unproved
//
// A target without a listing has all of its links unproved.
func PlanLosses(before PlanLinks, now map[Target]Listing, share float64) []Loss {
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
	slices.SortFunc(out, func(a, b Loss) int {
		return cmp.Or(cmp.Compare(a.Target.Account, b.Target.Account), cmp.Compare(a.Target.Region, b.Target.Region))
	})
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

// SecondLook is how much later than the first a listing must have begun to confirm a mass removal: a listing that AWS
// answers wrongly, or a deployment in the middle of its work, looks different by then.
const SecondLook = time.Minute

// ConfirmedBy reports whether a second, fresh and complete listing shows the same mass removal. What comes back meanwhile
// does not matter; what is lost only in the second listing was not seen twice, so that does not confirm it.
func (l Loss) ConfirmedBy(second Loss) bool {
	if l.Verdict != Mass || second.Verdict != Mass || l.Target != second.Target || second.Begun.Sub(l.Begun) < SecondLook {
		return false
	}
	for _, lost := range second.Lost {
		if !slices.Contains(l.Lost, lost) {
			return false
		}
	}
	return true
}

// String says the loss in words, for an ERROR reply.
func (l Loss) String() string {
	switch l.Verdict {
	case Nothing:
		return fmt.Sprintf("%s: no plan of %d is lost", l.Target, l.Before)
	case Unproved:
		return fmt.Sprintf("%s: %d of %d plans are missing, but AWS did not list them all", l.Target, len(l.Lost), l.Before)
	default:
		return fmt.Sprintf("%s: AWS lists %d of %d plans no more", l.Target, len(l.Lost), l.Before)
	}
}
