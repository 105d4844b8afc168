package node

import (
	"cmp"
	"fmt"

	"federation-agent/internal/status"
	"federation-agent/internal/words"
)

// driftKind is a kind of difference between AWS and APIM, as people read it.
type driftKind struct{ Kind, Text string }

// driftKinds are all of them, in the order of the page.
var driftKinds = []driftKind{
	{"new", "new in AWS"},
	{"changed", "changed since APIM took them"},
	{"missing", "sent, and missing in APIM"},
	{"renamed", "called otherwise in APIM"},
	{goneKind, "gone in AWS, still in APIM"},
	{"omitted", "in APIM, and left out now"},
	{"foreign", "none of this agent's"},
}

// goneKind is what nobody mends by an ingest.
const goneKind = "gone"

// drifted is what a comparison of AWS and APIM asks somebody to do, and what keeps the schedule from its work.
func drifted(r report) (found []attention) {
	for _, i := range r.Serving {
		if d := i.Drift; d != nil && d.Doubt != "" {
			found = append(found, attention{
				What: "What APIM has of integration " + i.ID + " fits nothing that was sent", Why: d.Doubt, Section: "drift",
				Do: "correct agent.apim.environmentId; until then, nothing is ingested on a schedule",
			})
		}
		if s := i.Schedule; s != nil && s.Last != nil &&
			(s.Last.Result == status.RoundFailed || s.Last.Result == status.RoundDropped) {
			found = append(found, attention{
				What: "The last scheduled ingest of integration " + i.ID + " could not be made", Why: s.Last.Why, Section: "drift",
				Do: "what the reason says. The schedule's next time tries again",
			})
		}
		if e := i.Events; e != nil && e.Failure != "" {
			found = append(found, attention{
				What: "Events of integration " + i.ID + " do not come, so only the schedule and people start ingests", Why: e.Failure,
				Section: "drift", Minor: true, Do: "what the reason says. The agent tries again every few minutes",
			})
		}
		if m := i.Removal; m != nil {
			found = append(found, unremoved(*m)...)
		} else if d := i.Drift; d != nil && d.Counts[goneKind] > 0 {
			names := make([]string, 0, len(d.Examples[goneKind]))
			for _, item := range d.Examples[goneKind] {
				names = append(names, item.Name)
			}
			found = append(found, attention{
				What: fmt.Sprintf("AWS has deleted %s that APIM still shows", count(d.Counts[goneKind], "API")),
				Why:  words.Few(names, words.Some, ", "), Section: "drift", Minor: true,
				Do: "delete them in APIM, each by itself, if they are gone for good: their subscriptions open nothing any more",
			})
		}
	}
	return found
}

// unremoved is what keeps the agent from removing what AWS has deleted.
func unremoved(m status.Removal) (found []attention) {
	if m.Refused != "" {
		found = append(found, attention{
			What: "AWS has deleted more than may be removed from APIM at a time, so none is touched", Why: m.Refused,
			Section: "drift",
			Do: "check that the agent asks the accounts and regions that it asked before. If the APIs are gone for good, raise " +
				"agent.ingest.goneAtMost, or delete them in APIM, each by itself",
		})
	}
	var refused []string
	why := ""
	for _, n := range m.APIs {
		if n.Refused {
			refused, why = append(refused, n.Name+" ("+n.ID+")"), cmp.Or(why, n.Text)
		}
	}
	if len(refused) > 0 {
		found = append(found, attention{
			What: "APIM refuses to let the agent remove what AWS has deleted: " + words.Few(refused, words.Some, ", "), Why: why,
			Section: "drift", Do: "what the reason says, or delete it in APIM. The schedule's next time tries again",
		})
	}
	return append(found, kept(m.APIs)...)
}

// kept are the APIs that stay in APIM though AWS has deleted them, mostly because of their subscriptions.
func kept(apis []status.RemovalNote) []attention {
	var names []string
	for _, api := range apis {
		if api.Kept && !api.Refused {
			names = append(names, api.Name+": "+api.Text)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []attention{{
		What: fmt.Sprintf("AWS has deleted %s that stay in APIM", count(len(names), "API")),
		Why:  words.Few(names, words.Some, ", "), Section: "drift", Minor: true,
		Do: "end their subscriptions in APIM, which open nothing any more; a scheduled round removes them then",
	}}
}
