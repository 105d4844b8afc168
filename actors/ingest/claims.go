package ingest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/messages"
)

// The plan-loss guard: what the jobs of an integration do about plans that AWS does not list any more. What a claim is,
// and when it is confirmed, stands in [federation.Claim.Judge]. An ingest leaves out the APIs of unconfirmed claims: what
// APIM has of them stays. The guard itself has AWS listed once more after [federation.SecondLook], so that the first
// ingest after that finds the claim confirmed, or withdrawn.

// shownClaims is how many claims log and status name. The number of all of them is said.
const shownClaims = 5

// What jobs and its ingest jobs tell each other, and themselves, of claims.
type (
	// judgeLosses asks which APIs of a catalogue would take plans away: job -> jobs.
	judgeLosses struct{ catalogue messages.GatheredAPIs }
	// lossesJudged answers it.
	lossesJudged struct {
		catalogue messages.GatheredAPIs
		// unconfirmed are the APIs that must not be sent.
		unconfirmed map[federation.ID]bool
	}
	// secondLook: a claim is old enough to be confirmed.
	secondLook struct{}
	claimsKept struct{ err error }
)

// readClaims takes up the claims from before a restart. Their time begins again: nobody looked meanwhile.
func (j *jobs) readClaims() {
	integration := j.spec.Integration
	remembered, err := j.env.SentPlans.RememberedPlans(integration)
	if err == nil && len(remembered) == 0 {
		j.env.Log.Warn("no earlier ingest is remembered (first start, no volume for agent.store.path, or none has ended yet): "+
			"until one ingest has ended, a loss of plans in AWS goes unnoticed", life.LogIntegration, integration)
	}
	kept, err := j.env.SentPlans.Claims(integration)
	if err != nil {
		j.env.Log.Warn("cannot read which plans AWS was seen without", life.LogError, err)
	}
	for text, lost := range kept {
		if id, err := federation.ParseID(text); err == nil {
			j.claims[id] = federation.Claim{Lost: lost, Since: time.Now()}
		}
	}
	j.showClaims()
	j.lookAgain()
}

// judgeListings has the claims judged by listings that have come, and gives the APIs that must not be sent.
func (j *jobs) judgeListings(m messages.GatheredAPIs) map[federation.ID]bool {
	sent, err := j.env.SentPlans.RememberedPlans(j.spec.Integration)
	if err != nil {
		j.env.Log.Warn("cannot read which plans were sent; a loss of plans may go unnoticed", life.LogError, err)
	}
	begun := map[federation.Target]time.Time{}
	for _, l := range m.Listings {
		if l.Complete {
			begun[l.Target] = l.StartedAt
		}
	}
	wait := federation.SecondLook
	if j.spec.Settings.AcceptPlanRemovals {
		wait = 0
	}
	before := maps.Clone(j.claims)
	for _, api := range m.Whole {
		id := api.ID()
		plans := make([]string, len(api.Plans))
		for n, plan := range api.Plans {
			plans[n] = plan.ID
		}
		j.take(id, j.claims[id].Judge(sent[id.String()], plans, begun[id.Target()], wait))
	}
	j.keepClaims(before)
	unconfirmed := map[federation.ID]bool{}
	for id, claim := range j.claims {
		if !claim.Confirmed {
			unconfirmed[id] = true
		}
	}
	return unconfirmed
}

func (j *jobs) take(id federation.ID, claim federation.Claim) {
	if len(claim.Lost) == 0 {
		delete(j.claims, id)
		return
	}
	j.claims[id] = claim
}

// keepClaims says what has changed, and writes it down.
func (j *jobs) keepClaims(before map[federation.ID]federation.Claim) {
	made, confirmed, withdrawn := map[federation.ID]federation.Claim{}, map[federation.ID]federation.Claim{},
		map[federation.ID]federation.Claim{}
	for id, claim := range j.claims {
		switch old := before[id]; {
		case !claim.Confirmed && !slices.Equal(old.Lost, claim.Lost):
			made[id] = claim
		case claim.Confirmed && !old.Confirmed:
			confirmed[id] = claim
		}
	}
	for id, claim := range before {
		if _, stays := j.claims[id]; !stays {
			withdrawn[id] = claim
		}
	}
	if len(made)+len(confirmed)+len(withdrawn) == 0 {
		return
	}
	for what, claims := range map[string]map[federation.ID]federation.Claim{
		"AWS does not list plans any more; the APIs are left out, and what APIM has of them stays, until a second " +
			"listing in five minutes shows the same": made,
		"a second listing confirms that plans are gone in AWS; the next ingest of their APIs deletes them in APIM, " +
			"with their subscriptions": confirmed,
		"plans that AWS did not list are there again, or their APIs are gone": withdrawn,
	} {
		if len(claims) > 0 {
			j.env.Log.Warn(what, life.LogIntegration, j.spec.Integration, life.LogAPIs, len(claims),
				life.LogReason, strings.Join(inWords(claims), "; "))
		}
	}
	lost := map[string][]string{}
	for id, claim := range j.claims {
		lost[id.String()] = claim.Lost
	}
	env, integration := j.env, j.spec.Integration
	life.Do(j.Scope, func(context.Context) error { return env.SentPlans.SaveClaims(integration, lost) },
		func(err error) any { return claimsKept{err} })
	j.showClaims()
	j.lookAgain()
}

func (j *jobs) showClaims() { j.env.Board.Guard(j.spec.Integration, inWords(j.claims)) }

// inWords names the first few claims, and says how many there are.
func inWords(claims map[federation.ID]federation.Claim) []string {
	words := make([]string, 0, shownClaims+1)
	for _, id := range slices.SortedFunc(maps.Keys(claims), federation.CompareIDs) {
		if len(words) == shownClaims {
			return append(words, fmt.Sprintf("and %d APIs more", len(claims)-shownClaims))
		}
		state := "not confirmed yet"
		if claims[id].Confirmed {
			state = "confirmed"
		}
		words = append(words, fmt.Sprintf("%s without plan %s (%s)", id, strings.Join(claims[id].Lost, ", "), state))
	}
	return words
}

// lookAgain sees to it that unconfirmed claims are judged by a second listing.
func (j *jobs) lookAgain() {
	if j.look != nil {
		j.look.Stop()
	}
	for _, claim := range j.claims {
		if !claim.Confirmed {
			j.look = j.Scope.After(federation.SecondLook+time.Second, secondLook{})
			return
		}
	}
}

// onSecondLook has the targets of unconfirmed claims listed once more, with the least priority.
func (j *jobs) onSecondLook(ctx actor.Context) {
	var ids []string
	for id, claim := range j.claims {
		if !claim.Confirmed {
			ids = append(ids, id.String())
		}
	}
	if len(ids) > 0 {
		ctx.Request(j.spec.Catalogue, messages.GatherAPIs{
			Only: ids, By: time.Now().Add(federation.SecondLook), Priority: gateway.PriorityRefresh,
		})
	}
}

// onSecondListing judges the claims that are left. An API that a whole listing does not have would not be sent, and
// loses nothing. Where no listing came, AWS is asked again later.
func (j *jobs) onSecondListing(m messages.GatheredAPIs) {
	before := maps.Clone(j.claims)
	for _, l := range m.Listings {
		for id := range j.claims {
			if l.Complete && id.Target() == l.Target &&
				!slices.ContainsFunc(m.Whole, func(e federation.NamedEntry) bool { return e.ID() == id }) {
				delete(j.claims, id)
			}
		}
	}
	j.keepClaims(before)
	j.judgeListings(m)
	j.lookAgain()
}
