// Package discovery holds the actors that ask AWS what there is: a discoverer for each target, with a worker for each
// document. They end with their target. None of them speaks to APIM or changes anything in AWS.
package discovery

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/messages"
)

// discoverer lists a target's REST APIs and usage plans, decides what needs asking, and spawns a stage
// worker for each document. Parent: target.
//
// A caller that asks for a listing while one runs shares it. A listing that a deadline cuts continues after the answer.
// One that failed, or was not ready in time, continues where it stopped when the next caller asks.
type discoverer struct {
	life.Scoped
	env  *life.Env
	spec DiscovererSpec

	last    *finishedRun
	run     *listingRun
	askers  []*listingAsker
	living  federation.Living
	exports exports.Queue[*actor.PID]
	reach   reach
	slowAt  time.Time // when a timer looks for a worker that has been at work for long
}

// DiscovererSpec is what a discoverer is made of.
type DiscovererSpec struct {
	Integration string
	Target      federation.Target
	Role        string // its ARN; empty for the agent's own identity
	Client      apigateway.Client
	Filter      federation.Filter
	// MayBeOff says that nobody has named the region, and that an account can switch it off.
	MayBeOff bool
	// workers is how many stages are exported at a time.
	Workers int
	Stage   func(StageTask) *actor.Props
}

// WhyOff says what to do about a region that is off.
const WhyOff = "the region is off for the account; to use it, enable it there: it is looked at once a day, and at the start"

// isOff says that the region has been switched off, which is no fault. What was to be listed or exported there is left
// out, and nothing more is asked.
func (d *discoverer) isOff(err error) bool {
	return d.spec.MayBeOff && apigateway.Classify(err) == gateway.RegionUnavailable
}

// finishedRun is a complete listing.
type finishedRun struct {
	messages.TargetListing
	// finishedAt is when it was complete, or when that was from which it has its stages.
	finishedAt time.Time
	// unseen: it ended after an answer that a deadline cut, so no caller has got it yet.
	unseen bool
}

// serves says that the listing is young enough for the caller. One that no caller has seen yet serves for as long as it
// took: else a listing that takes longer than a command may could never be delivered whole.
func (l *finishedRun) serves(m messages.ListTarget, now time.Time) bool {
	switch {
	case l == nil:
		return false
	case m.Kept:
		return true
	case m.MaxAge <= 0:
		return false
	}
	age := now.Sub(l.finishedAt)
	return age <= m.MaxAge || l.unseen && age <= l.finishedAt.Sub(l.StartedAt)
}

// listingAsker is a question without an answer. Askers number their questions each for itself.
type listingAsker struct {
	pid *actor.PID
	messages.ListTarget
}

// DiscovererProps makes a discoverer.
func DiscovererProps(env *life.Env, spec DiscovererSpec) *actor.Props {
	return life.Props(env, life.Part, func() actor.Actor {
		return &discoverer{
			env: env, spec: spec, living: federation.Living{},
			exports: exports.NewQueue[*actor.PID](spec.Workers, stageListings),
		}
	})
}

// What the discoverer tells itself.
type (
	// listingStep is the end of one call, or of one whole paged list, of a run.
	listingStep struct {
		run     *listingRun
		api     string // of a GetStages
		witness bool
		stages  []*gateway.Stage
		// by is when a list was due, for all that waited for it; zero if it had no such time for some.
		by  time.Time
		err error
	}
	askerDue struct{ asker *listingAsker }
)

// ListingEnded is the end of a listing, or why it failed: discoverer -> target.
type ListingEnded struct{ Err error }

func (d *discoverer) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		d.show(d.env.Board.OutOfReach, "") // an earlier one may have ended in an outage
	case messages.ListTarget:
		d.onListTarget(ctx, m)
	case listingStep:
		d.onListingStep(ctx, m)
	case askerDue:
		d.onAskerDue(ctx, m)
	case messages.ExportAPI:
		d.onExportAPI(ctx, m)
	case stagesListed:
		d.onStagesListed(ctx, m)
	case stageDone:
		d.onStageDone(ctx, m)
	case exportsDue:
		d.prepare(ctx)
	case probeDue:
		d.onProbeDue(ctx)
	case probed:
		d.onProbed(ctx, m)
	case *actor.Terminated:
		// A system message overtakes what the worker may have said just before its end.
		ctx.Send(ctx.Self(), stageGone{m.Who})
	case stageGone:
		d.onStageGone(ctx, m)
	default:
		life.Unexpected(d.env, ctx)
	}
}

func (d *discoverer) onListTarget(ctx actor.Context, m messages.ListTarget) {
	now := time.Now()
	serves := d.last.serves(m, now)
	if serves && !m.Again {
		if !m.Kept {
			d.last.unseen = false
			d.logAge("an earlier listing is used again", now)
		}
		listing := d.last.TargetListing
		listing.Request, listing.Entries = m.Request, d.living.Mark(listing.Entries)
		ctx.Request(ctx.Sender(), listing)
		return
	}
	if m.Kept {
		listing := d.partial("it has not been listed since the agent began")
		if d.run != nil && d.run.failure != nil {
			listing.Failure = apigateway.Explain(d.run.failure)
		}
		listing.Request = m.Request
		ctx.Request(ctx.Sender(), listing)
		return
	}
	if d.reach.out && m.By.IsZero() {
		listing := d.partial(d.reach.why.Why)
		listing.Request, listing.Away = m.Request, true
		ctx.Request(ctx.Sender(), listing)
		return
	}
	asker := &listingAsker{pid: ctx.Sender(), ListTarget: m}
	d.askers = append(d.askers, asker)
	if !m.By.IsZero() {
		d.Scope.After(m.By.Sub(now), askerDue{asker})
	}
	if d.run != nil {
		d.run.resume(now, m.MaxAge)
		if m.Again && d.run.listed() {
			d.run.restart(now)
		}
	} else {
		d.run = newListingRun(d.spec.Client, d.spec.Filter, now)
		if serves && len(d.last.Asked) > 0 {
			d.logAge("usage plans are listed again; the stages outside of them are those of an earlier listing", now)
			d.run.stages, d.run.stagesFrom = d.last.Asked, d.last.finishedAt
		}
	}
	d.run.idle = false
	d.run.full = d.run.full || len(m.Only) == 0
	d.proceed(ctx)
}

// logAge tells how old what is used again is: what was changed in AWS meanwhile does not show.
func (d *discoverer) logAge(what string, now time.Time) {
	d.env.Log.Info(what, life.LogTarget, d.spec.Target, life.LogAge, now.Sub(d.last.StartedAt).Round(time.Second))
}

// proceed answers whom the run can serve, and starts what it needs next for the others.
func (d *discoverer) proceed(ctx actor.Context) {
	d.settle(ctx)
	if d.run == nil {
		return
	}
	run, client, priority, by := d.run, d.spec.Client, d.priority(), d.by()
	for _, next := range run.next() {
		life.Pipe(d.Scope, func(ctx context.Context) ([]*gateway.Stage, error) {
			ctx = apigateway.WithPriority(ctx, priority)
			if next.api != "" {
				return apigateway.ListStages(ctx, client, next.api)
			}
			if !by.IsZero() && !next.witness {
				var cancel context.CancelFunc
				ctx, cancel = context.WithDeadline(ctx, by)
				defer cancel()
			}
			return nil, next.list(ctx)
		}, func(stages []*gateway.Stage, err error) any {
			return listingStep{run: run, api: next.api, witness: next.witness, stages: stages, by: by, err: err}
		})
	}
}

// by is until when the lists are of use to any caller that waits for them. It is zero if there is no such time, as
// after an answer. Stages have none: those that came are shown without the others.
func (d *discoverer) by() time.Time {
	var by time.Time
	for _, a := range d.askers {
		if a.By.IsZero() {
			return time.Time{}
		}
		if a.By.After(by) {
			by = a.By
		}
	}
	return by
}

// priority is that of the most urgent caller. A listing that continues after an answer is still wanted.
func (d *discoverer) priority() gateway.Priority {
	if len(d.askers) == 0 {
		return gateway.PriorityIngest
	}
	priority := gateway.PriorityRefresh
	for _, a := range d.askers {
		priority = min(priority, a.Priority)
	}
	return priority
}

func (d *discoverer) onListingStep(ctx actor.Context, m listingStep) {
	if m.run != d.run {
		return
	}
	now := time.Now()
	if m.ranOut(now) {
		d.onRanOut(ctx, m, now)
		m.err = nil
	}
	d.run.take(m, now)
	if m.api != "" {
		d.learn(m.api, m.stages, m.err)
	}
	d.proceed(ctx)
}

// learn remembers which stages of a REST API exist, if AWS has said so.
func (d *discoverer) learn(api string, stages []*gateway.Stage, err error) {
	if err == nil || isNotFound(err) {
		d.living.Note(api, stages)
	}
}

// onRanOut answers the callers that cannot have the lists in time. The lists are asked for again for callers with more
// time. Without such a caller they are asked for again only if time itself ran out, as the next caller must be told at
// once too.
func (d *discoverer) onRanOut(ctx actor.Context, m listingStep, now time.Time) {
	life.LogFailure(d.env.Lasting, m.err, "AWS cannot be listed before the caller must be answered; what came is kept for "+
		"the next: "+apigateway.Explain(m.err), life.LogTarget, d.spec.Target)
	if class := apigateway.Classify(m.err); class == gateway.Unreachable || class == gateway.Unavailable {
		d.show(d.env.Board.ListingEnded, apigateway.Explain(m.err)) // else it is the quota that has no room
	}
	d.answer(ctx, d.partial(""), func(a *listingAsker) bool { return !a.By.IsZero() && !a.By.After(m.by) })
	d.run.idle = len(d.askers) == 0 && now.Before(m.by)
}

// settle answers the callers that the run can serve, or all if it has ended, with or without success.
func (d *discoverer) settle(ctx actor.Context) {
	run := d.run
	switch {
	case run.complete():
		entries := run.entries()
		if d.last != nil {
			d.living.Relist(run.apis, d.last.Entries, entries)
		}
		d.last = &finishedRun{
			TargetListing: d.whole(entries), finishedAt: time.Now(), unseen: len(d.askers) == 0,
		}
		d.last.Asked = run.stages
		if !run.stagesFrom.IsZero() {
			d.last.finishedAt = run.stagesFrom
		}
		d.run = nil
		d.show(d.env.Board.ListingEnded, "")
		ctx.Send(ctx.Parent(), ListingEnded{})
		d.answer(ctx, d.last.TargetListing, everyAsker)
	case run.failure != nil && run.running == 0:
		listing := d.partial(apigateway.Explain(run.failure))
		if listing.Off = d.isOff(run.failure); !listing.Off {
			life.LogFailure(d.env.Lasting, run.failure, "a listing failed: "+listing.Failure,
				life.Where(d.spec.Target, d.spec.Role)...)
			d.show(d.env.Board.ListingEnded, listing.Failure)
		}
		class := apigateway.Classify(run.failure)
		listing.Away, listing.Refused, listing.Cause = class.Passes(), class.NeedsSomebody(), run.failure.Error()
		ctx.Send(ctx.Parent(), ListingEnded{run.failure})
		d.answer(ctx, listing, everyAsker)
	case run.listed():
		d.settleNarrow(ctx)
	}
}

// settleNarrow answers the callers that want certain APIs only: the two lists are enough for them.
func (d *discoverer) settleNarrow(ctx actor.Context) {
	narrow := slices.DeleteFunc(slices.Clone(d.askers), func(a *listingAsker) bool { return len(a.Only) == 0 })
	if len(narrow) > 0 {
		d.show(d.env.Board.ListingEnded, "")
		ctx.Send(ctx.Parent(), ListingEnded{})
		entries := d.run.possible() // once, as there may be many callers and APIs
		for _, one := range narrow {
			only := federation.Only(d.spec.Target, one.Only, entries, d.run.apis, d.run.stages, d.run.filter)
			listing := d.whole(only)
			listing.Narrow = true
			d.answer(ctx, listing, func(a *listingAsker) bool { return a == one })
		}
	}
	if len(d.askers) == 0 && !d.run.full && len(d.run.stages) == 0 {
		d.run = nil // nothing in it has cost much, and it would stand before a listing that has stages
	}
}

// answer gives a listing to the callers that it is for; the others wait on.
func (d *discoverer) answer(ctx actor.Context, listing messages.TargetListing, isFor func(*listingAsker) bool) {
	listing.Entries = d.living.Mark(listing.Entries)
	d.askers = slices.DeleteFunc(d.askers, func(a *listingAsker) bool {
		if !isFor(a) {
			return false
		}
		listing.Request = a.Request
		ctx.Request(a.pid, listing)
		return true
	})
}

func everyAsker(*listingAsker) bool { return true }

// onAskerDue answers a caller that cannot wait any longer with what there is. The listing continues.
func (d *discoverer) onAskerDue(ctx actor.Context, m askerDue) {
	d.answer(ctx, d.partial(""), func(a *listingAsker) bool { return a == m.asker })
}

// whole is a listing of which none of these entries is missing.
func (d *discoverer) whole(entries []federation.Entry) messages.TargetListing {
	return messages.TargetListing{
		Target: d.spec.Target, Entries: entries, Estimate: len(entries), Complete: true, StartedAt: d.run.begun,
		APIs: d.run.apis, Plans: d.run.plans, Unlisted: d.run.unlisted,
	}
}

// partial is what there is of a listing; failure says why it is not whole, if anything failed.
func (d *discoverer) partial(failure string) messages.TargetListing {
	l := messages.TargetListing{Target: d.spec.Target, Failure: failure}
	if d.run != nil {
		l.Entries, l.Estimate, l.StartedAt = d.run.entries(), d.run.estimate(), d.run.begun
	}
	if d.last != nil {
		l.Estimate = max(l.Estimate, d.last.Estimate)
	}
	return l
}

// isNotFound reports whether AWS says that what was asked for does not exist.
func isNotFound(err error) bool {
	return err != nil && apigateway.Classify(err) == gateway.NotFound && !errors.Is(err, context.Canceled)
}
