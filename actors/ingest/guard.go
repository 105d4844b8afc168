package ingest

import (
	"fmt"
	"slices"
	"strings"

	"federation-agent/actors/life"
	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// planGuard keeps an ingest from taking plans away that AWS has not clearly said are gone: APIM deletes a plan that is
// missing, with all of its subscriptions. It outlives the jobs, and remembers their refusals.
type planGuard struct {
	suspected map[federation.Target]federation.Loss
}

// judgeLosses asks what a catalogue would take away: job -> jobs.
type judgeLosses struct{ catalogue messages.GatheredAPIs }

// lossesJudged answers it.
type lossesJudged struct {
	catalogue messages.GatheredAPIs
	verdict   guardVerdict
}

// guardVerdict is what the guard makes of a catalogue.
type guardVerdict struct {
	// refusal says why the ingest must not go on; empty means that it may.
	refusal string
	// left is what is left of the plans of APIs that lost some, where AWS says that they are gone. Once the ingest
	// goes on this is to be remembered: what was accepted is no loss the next time.
	left map[string][]string
}

func newPlanGuard() planGuard { return planGuard{suspected: map[federation.Target]federation.Loss{}} }

// Begin says so if the guard is blind: with nothing remembered, nothing can be missed.
func (g *planGuard) begin(env *life.Env, integration string) {
	if remembered, err := env.SentPlans.RememberedPlans(integration); err == nil && len(remembered) == 0 {
		env.Log.Warn("no earlier ingest is remembered (first start, no volume for agent.store.path, or none has ended yet): "+
			"until one ingest has ended, a loss of plans in AWS goes unnoticed", life.LogIntegration, integration)
	}
}

// suspicious says that a mass removal waits to be seen a second time, in a fresh listing.
func (g *planGuard) suspicious() bool {
	return len(g.suspected) > 0
}

// held says which removals wait to be seen a second time.
func (g *planGuard) held() []string {
	held := make([]string, 0, len(g.suspected))
	for _, loss := range g.suspected {
		held = append(held, loss.String())
	}
	slices.Sort(held)
	return held
}

// judge compares what the last ingests sent with what AWS lists now. Targets that were not listed are not
// sent, so they lose nothing.
func (g *planGuard) judge(env *life.Env, integration string, m messages.GatheredAPIs, maxPercent int) guardVerdict {
	remembered, err := env.SentPlans.RememberedPlans(integration)
	if err != nil {
		env.Log.Warn("cannot read which plans were sent; a loss of plans may go unnoticed", life.LogError, err)
		return guardVerdict{}
	}
	now := map[federation.Target]federation.Observed{}
	for _, l := range m.Listings {
		if l.Complete {
			now[l.Target] = federation.Observed{
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
	defer func() { env.Board.Guard(integration, g.held()) }()
	verdict := guardVerdict{left: map[string][]string{}}
	var refused []string
	var confirmed []federation.Target
	for _, loss := range federation.PlanLosses(before, now, float64(maxPercent)/100) {
		if g.refuses(env, loss) {
			refused = append(refused, loss.String())
			continue
		}
		confirmed = append(confirmed, loss.Target)
		for _, lost := range loss.Lost {
			verdict.left[lost.API.String()] = now[loss.Target].Links[lost.API]
		}
	}
	if len(refused) > 0 {
		verdict.refusal = fmt.Sprintf("this ingest would delete plans and all of their subscriptions in APIM (%s). "+
			"If you want that, start the ingest again in a minute: it goes through when AWS still lists the same. "+
			"If not, check the usage plans in AWS", strings.Join(refused, "; "))
		return verdict
	}
	for _, target := range confirmed {
		// Not before: an ingest that another target holds up would make this one look new again, by turns for ever.
		delete(g.suspected, target)
	}
	return verdict
}

// refuses says whether one target's loss is to be seen a second time first.
func (g *planGuard) refuses(env *life.Env, loss federation.Loss) bool {
	first, known := g.suspected[loss.Target]
	switch {
	case loss.Verdict == federation.Nothing:
		delete(g.suspected, loss.Target)
		return false
	case loss.Verdict == federation.Removed:
		delete(g.suspected, loss.Target)
		env.Log.Warn("plans are gone in AWS; APIM deletes them with their subscriptions",
			life.LogTarget, loss.Target, life.LogReason, loss.String())
		return false
	case known && first.ConfirmedBy(loss):
		env.Log.Warn("a second listing confirms that plans are gone in AWS; APIM deletes them with their subscriptions",
			life.LogTarget, loss.Target, life.LogReason, loss.String())
		return false
	case !known || lostMore(loss, first):
		// What only the second listing lacks was seen once: it, too, must be seen again.
		g.suspected[loss.Target] = loss
	}
	return true
}

func lostMore(second, first federation.Loss) bool {
	return slices.ContainsFunc(second.Lost, func(l federation.PlanLink) bool { return !slices.Contains(first.Lost, l) })
}
