package ingest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/catalogue"
	"federation-agent/actors/life"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/table"
	"federation-agent/internal/words"
	"federation-agent/messages"
)

// listAgain is the delay before a target that could not be listed is listed again.
const listAgain = 10 * time.Second

func (i *ingest) gather(ctx actor.Context, by time.Time) {
	ctx.Request(i.all.Catalogue, messages.GatherAPIs{
		Only: i.spec.Command.APIIDs, MaxAge: i.all.ListingAge, By: by, Priority: gateway.PriorityIngest,
		Domains: true,
	})
}

// onCatalogue begins the job once every target is listed or has failed; before that it only answers with
// an estimate.
func (i *ingest) onCatalogue(ctx actor.Context, m messages.GatheredAPIs) {
	pending, listed, away := 0, 0, false
	for _, l := range m.Listings {
		switch {
		case l.Complete && !l.DomainsPending:
			listed++
		case l.Failure == "":
			pending++
		}
		away = away || l.Away
	}
	switch {
	case len(m.Listings) == 0:
		i.fail(ctx, fmt.Sprintf("none of the APIs asked for (%s) is of an account and region that is configured: "+
			"check the provider's configuration.region, roleArn, accounts and credentials",
			words.Few(i.spec.Command.APIIDs, words.Some, ", ")))
		return
	case pending > 0:
		if !i.answered {
			i.started(ctx, cmp.Or(len(i.spec.Command.APIIDs), catalogue.Estimate(m)))
		}
		i.gather(ctx, time.Time{})
		return
	case listed == 0 && away && i.answered && time.Since(i.startedAt) < gateway.OutOfReachFor:
		if !i.waited {
			i.waited = true
			i.env.Log.Warn("no target could be listed; trying again while APIM holds the job", life.LogJob, i.job(),
				life.LogDelay, listAgain, life.LogReason, words.Few(m.Failures, words.Some, "; "))
		}
		i.Scope.After(listAgain, gatherMore{})
		return
	case listed == 0:
		i.fail(ctx, "AWS could not be listed: "+words.Few(m.Failures, words.Some, "; "))
		return
	}
	for _, l := range m.Listings {
		if l.Failure != "" {
			i.missing.Unlisted(l.Target, l.Failure, l.Away)
			// The job waits for one that is away, and says at its end if that was in vain.
			i.env.Lasting.Log(context.Background(), life.LevelOf(!l.Away), "a target could not be listed; what APIM has of it stays, and the "+
				"job does not end as a success without it", life.LogJob, i.job(), life.LogTarget, l.Target, life.LogReason, l.Failure)
		}
	}
	judge := messages.JudgeLosses{Catalogue: m}
	if !i.answered {
		judge.By = i.spec.Command.AnswerBy.Add(-startMargin / 2)
	}
	ctx.Request(i.all.Claims, judge)
}

// onLossesJudged begins the job with the APIs that may be sent.
func (i *ingest) onLossesJudged(ctx actor.Context, judged messages.LossesJudged) {
	if i.compare.asking {
		i.compare.judged = &judged
		return
	}
	m := judged.Catalogue
	if judged.Unread != nil {
		i.waitForJournal(ctx, judged.Unread)
		return
	}
	i.compare.taken, i.judgedAt = judged.Taken, judged.At
	apis, missing := i.wanted(m.Whole)
	i.nameLost(apis, judged)
	i.begin(ctx, i.sendable(apis, judged), missing)
}

// waitForJournal tries again as long as APIM holds the job. What it would send without the journal might delete plans.
func (i *ingest) waitForJournal(ctx actor.Context, why error) {
	if !i.answered || time.Since(i.lastAck) > HeldFor {
		i.fail(ctx, "the journal cannot be read, so it is not known which plans were sent: "+table.Explain(why))
		return
	}
	i.env.Lasting.Warn("an ingest waits for the journal, which cannot be read", life.LogJob, i.job(), life.LogError, why)
	i.Scope.After(listAgain, gatherMore{})
}

// sendable is the APIs that may be sent: those of unconfirmed claims are left out.
func (i *ingest) sendable(apis []federation.NamedEntry, judged messages.LossesJudged) []federation.NamedEntry {
	i.nameUnlisted(judged.Catalogue)
	for _, l := range judged.Catalogue.Listings {
		i.listed[l.Target] = l.StartedAt
	}
	return slices.DeleteFunc(slices.Clone(apis), func(e federation.NamedEntry) bool {
		claimed := judged.Unconfirmed[e.ID()]
		if claimed {
			i.omit(e.ID(), gateway.Omission{Reason: gateway.PlansUnconfirmed, Why: "AWS does not list all of the plans any more with which it was sent, and a second listing has " +
				"not confirmed that yet"}, slog.LevelWarn)
		}
		return claimed
	})
}

// nameUnlisted leaves the REST APIs out whose stages AWS does not list.
func (i *ingest) nameUnlisted(m messages.GatheredAPIs) {
	if len(i.spec.Command.APIIDs) > 0 {
		return // a narrow listing: those asked for are there, or named as missing
	}
	for _, l := range m.Listings {
		for api, why := range l.Unlisted {
			id := federation.ID{Account: l.Target.Account, Region: l.Target.Region, RestAPI: api, Stage: "*"}
			i.missing.Failed(id, why.Why, false)
			i.omit(id, why, slog.LevelError)
		}
	}
}

// gatherUnlisted asks again for the targets that could not be listed. The listings of the others are young enough.
func (i *ingest) gatherUnlisted(ctx actor.Context) {
	i.listing = true
	ctx.Request(i.all.Catalogue, messages.GatherAPIs{
		Only: i.spec.Command.APIIDs, MaxAge: time.Since(i.startedAt) + i.all.ListingAge,
		By: time.Now().Add(listWithin), Priority: gateway.PriorityIngest, Domains: true,
	})
}

// listWithin is how long a listing may take that a job asks for again.
const listWithin = 2 * time.Minute

// addUnlisted adds the APIs of targets that could be listed at last.
func (i *ingest) addUnlisted(ctx actor.Context, judged messages.LossesJudged) {
	i.listing = false
	if judged.Unread != nil {
		i.proceed(ctx) // which tries again
		return
	}
	found := map[federation.Target]bool{}
	for _, l := range judged.Catalogue.Listings {
		if l.Complete && i.missing.Listed(l.Target) {
			found[l.Target] = true
		}
	}
	if len(found) > 0 {
		m := &judged.Catalogue
		m.Whole = slices.DeleteFunc(slices.Clone(m.Whole), func(e federation.NamedEntry) bool { return !found[e.Target] })
		m.Listings = slices.DeleteFunc(slices.Clone(m.Listings),
			func(l messages.TargetListing) bool { return !found[l.Target] })
		apis, _ := federation.Choose(m.Whole, i.spec.Command.APIIDs)
		added := i.unacknowledged(i.sendable(apis, judged))
		i.planned += len(added)
		i.plan.Add(added)
	}
	i.pull(ctx)
	i.proceed(ctx)
}

// wanted is the APIs that this job is about, and the ids among those asked for that are not there.
func (i *ingest) wanted(apis []federation.NamedEntry) (chosen []federation.NamedEntry, missing []string) {
	chosen, missing = federation.Choose(apis, i.spec.Command.APIIDs)
	if len(missing) > 0 {
		i.env.Log.Warn("APIs that APIM asks for could not be found in AWS, are filtered out, or are in no usage plan any more; "+
			"what APIM has of them stays", life.LogJob, i.job(),
			life.LogAPIs, len(missing), life.LogLeft, words.Few(missing, words.Many, ", "))
	}
	return chosen, missing
}

// nameLost names the APIs that were sent before and are not sent now: APIM keeps what it has.
func (i *ingest) nameLost(apis []federation.NamedEntry, judged messages.LossesJudged) {
	if len(i.spec.Command.APIIDs) > 0 {
		return
	}
	lost := catalogue.Lost(judged, apis, i.all.Filter)
	if len(lost) > 0 {
		i.env.Log.Warn("APIs that were ingested before are deleted or in no usage plan any more; "+
			"APIM keeps what it has of them: delete them there if they are gone for good",
			life.LogJob, i.job(), life.LogAPIs, len(lost), life.LogLeft, words.Few(lost, words.Many, ", "))
	}
}

// begin answers START_INGEST, if it is not answered yet, and holds the first INGEST back. A total of 0 is
// only said after complete, successful listings.
func (i *ingest) begin(ctx actor.Context, apis []federation.NamedEntry, missing []string) {
	apis = i.unacknowledged(apis)
	i.plan = exports.NewPlan(apis, i.all.Settings.StageWorkers, i.documents)
	i.planned, i.done = i.sent+len(apis), i.sent
	i.show()
	if !i.answered {
		switch {
		case len(apis) == 0 && len(missing) > 0:
			i.fail(ctx, fmt.Sprintf("none of the APIs asked for (%s) could be found in AWS, passes the filters and is in a usage plan: "+
				"discover again; what APIM has of them stays", words.Few(missing, words.Some, ", ")))
			return
		case len(apis) == 0 && i.missing.AnyUnlisted():
			i.fail(ctx, "nothing to ingest: the targets that could be listed have no API in a usage plan, and the others failed")
			return
		case len(apis) == 0 && i.missing.NotDone() != "":
			i.fail(ctx, i.missing.NotDone())
			return
		case len(apis) > 0 && i.compare.held != nil:
			i.beginComparing(ctx)
			return
		}
	}
	i.goOn(ctx, len(apis))
}

// goOn answers START_INGEST with how many APIs are to be sent, if it is not answered yet, and holds the first INGEST
// back.
func (i *ingest) goOn(ctx actor.Context, apis int) {
	if !i.answered {
		i.started(ctx, apis)
		if apis == 0 {
			i.env.Log.Info("nothing to ingest", life.LogJob, i.job(), life.LogOmitted, i.omitted.Count,
				life.LogUnchanged, i.compare.unchanged)
			i.report("")
			i.end(ctx)
			return
		}
	}
	if i.spec.Resumed == nil {
		i.env.Log.Info("ingest begins", life.LogJob, i.job(), life.LogAPIs, apis)
	}
	i.hold()
}

// unacknowledged is the APIs that a resumed job has not sent yet.
func (i *ingest) unacknowledged(apis []federation.NamedEntry) []federation.NamedEntry {
	if i.spec.Resumed == nil {
		return apis
	}
	acked := make(map[string]bool, len(i.spec.Resumed.Acked))
	for _, id := range i.spec.Resumed.Acked {
		acked[id] = true
	}
	// What a message holds is read, never written.
	return slices.DeleteFunc(slices.Clone(apis), func(e federation.NamedEntry) bool { return acked[e.ID().String()] })
}
