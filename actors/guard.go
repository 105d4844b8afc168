package actors

import (
	"fmt"
	"strings"
	"sync"

	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// planGuard keeps an ingest from taking plans away that AWS has not clearly said are gone: APIM deletes a
// plan that is missing, with all of its subscriptions. It outlives the jobs, whose refusals it remembers.
type planGuard struct {
	mu        sync.Mutex
	suspected map[federation.Target]federation.Loss
}

func newPlanGuard() *planGuard { return &planGuard{suspected: map[federation.Target]federation.Loss{}} }

// suspicious says that a mass removal waits to be seen a second time, in a fresh listing.
func (g *planGuard) suspicious() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.suspected) > 0
}

// judge compares what the last ingests sent with what AWS lists now, and says why the ingest must not go
// on; empty means that it may. Targets that were not listed are not sent, so they lose nothing.
func (g *planGuard) judge(env *Env, integration string, m messages.Catalogue, maxPercent int) string {
	remembered, err := env.Catalogue.RememberedPlans(integration)
	if err != nil {
		env.Log.Warn("cannot read which plans were sent; a loss of plans may go unnoticed", logError, err)
		return ""
	}
	now := map[federation.Target]federation.Listing{}
	for _, l := range m.Listings {
		if l.Complete {
			now[l.Target] = federation.Listing{
				Links: federation.LinksOf(l.Target, l.Plans), Complete: true, Begun: l.StartedAt,
			}
		}
	}
	before := federation.PlanLinks{}
	for id, plans := range remembered {
		if parsed, err := federation.ParseID(id); err == nil {
			if _, listed := now[parsed.Target()]; listed {
				before[parsed] = plans
			}
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	var refused []string
	for _, loss := range federation.PlanLosses(before, now, float64(maxPercent)/100) {
		if loss.Verdict != federation.Mass {
			delete(g.suspected, loss.Target)
			if loss.Verdict == federation.Removed {
				env.Log.Warn("plans are gone in AWS; APIM deletes them with their subscriptions", logTarget, loss.Target, logReason, loss.String())
			}
			continue
		}
		if first, known := g.suspected[loss.Target]; known && first.ConfirmedBy(loss) {
			env.Log.Warn("a second listing confirms that plans are gone in AWS; APIM deletes them with their subscriptions",
				logTarget, loss.Target, logReason, loss.String())
			delete(g.suspected, loss.Target)
			continue
		} else if !known {
			g.suspected[loss.Target] = loss
		}
		refused = append(refused, loss.String())
	}
	if len(refused) == 0 {
		return ""
	}
	return fmt.Sprintf("this ingest would delete plans and all of their subscriptions in APIM (%s). If that is meant, "+
		"start the ingest again in a minute: it goes through when AWS still lists the same. If it is not, look at the usage plans in AWS",
		strings.Join(refused, "; "))
}
