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
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/messages"
)

const (
	// listAgain is the delay before a listing that failed behind an answered START_INGEST is asked for again.
	listAgain = 20 * time.Second
)

func (i *ingest) gather(ctx actor.Context, by time.Time) {
	age := i.all.ListingAge
	if i.spec.fresh {
		age = 0
	}
	ctx.Request(i.all.Catalogue, messages.GatherAPIs{
		Only: i.spec.command.APIIDs, MaxAge: age, By: by, Priority: gateway.PriorityIngest,
	})
}

// onCatalogue begins the job once every target is listed or has failed; before that it only answers with
// an estimate.
func (i *ingest) onCatalogue(ctx actor.Context, m messages.GatheredAPIs) {
	failures := m.Failures
	pending, listed := 0, 0
	for _, l := range m.Listings {
		switch {
		case l.Complete:
			listed++
		case l.Failure == "":
			pending++
		}
	}
	switch {
	case len(m.Listings) == 0:
		i.fail(ctx, fmt.Sprintf("none of the APIs asked for (%s) is of an account and region that is configured: "+
			"check the provider's configuration.region, configuration.roleArn and credentials", some(i.spec.command.APIIDs)))
		return
	case pending > 0:
		if !i.answered {
			i.started(ctx, i.estimate(m))
		}
		i.gather(ctx, time.Time{})
		return
	case listed == 0 && i.answered && time.Since(i.startedAt) < jobDeadline-listAgain:
		i.env.Log.Warn("no target could be listed; trying again while APIM holds the job", life.LogJob, i.job(),
			life.LogDelay, listAgain, life.LogReason, strings.Join(failures, "; "))
		i.Scope.After(listAgain, gatherMore{})
		return
	case listed == 0:
		i.fail(ctx, "AWS could not be listed: "+strings.Join(failures, "; "))
		return
	}
	for _, failure := range failures {
		i.env.Log.Error("a target is left out of this ingest; what APIM has of it stays",
			life.LogJob, i.job(), life.LogReason, failure)
	}
	ctx.Request(ctx.Parent(), judgeLosses{m})
}

// onLossesJudged begins the job, unless it would delete plans that AWS has not clearly said are gone.
func (i *ingest) onLossesJudged(ctx actor.Context, judged lossesJudged) {
	m, verdict := judged.catalogue, judged.verdict
	if verdict.refusal != "" {
		i.fail(ctx, verdict.refusal)
		return
	}
	apis, missing := i.wanted(m.Whole)
	i.nameLost(apis, m)
	i.acceptLoss(verdict.left)
	i.begin(ctx, apis, missing, len(m.Failures) > 0)
}

// wanted is the APIs that this job is about, and the ids among those asked for that are not there.
func (i *ingest) wanted(apis []federation.NamedEntry) (chosen []federation.NamedEntry, missing []string) {
	chosen, missing = choose(apis, i.spec.command.APIIDs)
	if len(missing) > 0 {
		i.env.Log.Warn("APIs that APIM asks for could not be found in AWS, or are in no usage plan any more; "+
			"what APIM has of them stays", life.LogJob, i.job(), life.LogLeft, missing)
	}
	return chosen, missing
}

// choose picks the APIs with the given ids, all if there are none. A bare REST API id, as other agents
// made them, means its API where that is the only one.
func choose(apis []federation.NamedEntry, ids []string) (chosen []federation.NamedEntry, missing []string) {
	if len(ids) == 0 {
		return apis, nil
	}
	byID := make(map[federation.ID]federation.NamedEntry, len(apis))
	for _, e := range apis {
		byID[e.ID()] = e
	}
	known := federation.NewKnown(maps.Keys(byID))
	taken := map[federation.ID]bool{}
	for _, text := range ids {
		e, ok := meant(text, known, byID)
		if !ok {
			missing = append(missing, text)
			continue
		}
		if !taken[e.ID()] {
			taken[e.ID()] = true
			chosen = append(chosen, e)
		}
	}
	return chosen, missing
}

// meant is the API that an id of APIM's means.
func meant(s string, known federation.Known, by map[federation.ID]federation.NamedEntry) (federation.NamedEntry, bool) {
	ref, err := federation.ParseRef(s)
	if err != nil {
		return federation.NamedEntry{}, false
	}
	id, err := known.API(ref)
	if err != nil {
		return federation.NamedEntry{}, false
	}
	e, ok := by[id]
	return e, ok
}

// some is the first few of a list, for people.
func some(ids []string) string {
	const few = 3
	if len(ids) <= few {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:few], ", "), len(ids)-few)
}

// nameLost names the APIs that were sent before and are not sent now: APIM keeps what it has.
func (i *ingest) nameLost(apis []federation.NamedEntry, m messages.GatheredAPIs) {
	if len(i.spec.command.APIIDs) > 0 {
		return
	}
	known, err := i.env.SentPlans.RememberedPlans(i.all.Integration)
	if err != nil {
		return
	}
	for _, e := range apis {
		delete(known, e.ID().String())
	}
	var lost []string
	for _, l := range m.Listings {
		for id := range known {
			if parsed, err := federation.ParseID(id); err == nil && l.Complete && parsed.Target() == l.Target {
				lost = append(lost, id)
			}
		}
	}
	if len(lost) > 0 {
		slices.Sort(lost)
		i.env.Log.Warn("APIs that were ingested before are deleted, filtered out or in no usage plan any more; "+
			"APIM keeps what it has of them: delete them there if they are gone for good",
			life.LogJob, i.job(), life.LogLeft, slices.Compact(lost))
	}
}

// acceptLoss remembers that AWS took plans away, so that they are no loss the next time: the APIs that lost
// their last one are not sent, which is when it would be remembered otherwise.
func (i *ingest) acceptLoss(left map[string][]string) {
	if len(left) == 0 {
		return
	}
	env, integration := i.env, i.all.Integration
	life.Pipe(i.Scope, func(context.Context) (struct{}, error) {
		return struct{}{}, env.SentPlans.RememberPlans(integration, left)
	}, func(_ struct{}, err error) any { return jobWritten{err: err} })
}

// estimate is the total as far as it can be known; never 0, which would end the job.
func (i *ingest) estimate(m messages.GatheredAPIs) int {
	if n := len(i.spec.command.APIIDs); n > 0 {
		return n
	}
	total := 0
	for _, l := range m.Listings {
		total += l.Estimate
	}
	return max(1, total)
}

// begin answers START_INGEST, if it is not answered yet, and holds the first INGEST back. A total of 0 is
// only said after complete, successful listings.
func (i *ingest) begin(ctx actor.Context, apis []federation.NamedEntry, missing []string, targetsFailed bool) {
	if i.spec.resumed != nil {
		acked := make(map[string]bool, len(i.spec.resumed.Acked))
		for _, id := range i.spec.resumed.Acked {
			acked[id] = true
		}
		// What a message holds is read, never written.
		apis = slices.DeleteFunc(slices.Clone(apis), func(e federation.NamedEntry) bool { return acked[e.ID().String()] })
	}
	i.plan = exports.NewPlan(apis, i.all.Settings.StageWorkers, i.documents)
	if !i.answered {
		switch {
		case len(apis) == 0 && len(missing) > 0:
			i.fail(ctx, fmt.Sprintf("none of the APIs asked for (%s) could be found in AWS, or is in a usage plan any more: "+
				"discover again; what APIM has of them stays", some(missing)))
			return
		case len(apis) == 0 && targetsFailed:
			i.fail(ctx, "nothing to ingest: the targets that could be listed have no API in a usage plan, and the others failed")
			return
		}
		i.started(ctx, len(apis))
		if len(apis) == 0 {
			i.env.Log.Info("nothing to ingest", life.LogJob, i.job())
			i.end(ctx)
			return
		}
	}
	if i.spec.resumed == nil {
		i.env.Log.Info("ingest begins", life.LogJob, i.job(), life.LogAPIs, len(apis))
	}
	i.hold()
}
