package actors

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// discoverer lists a target's REST APIs and usage plans, decides what needs asking, and spawns a stage
// worker for each document. Parent: target.
//
// Whoever asks for a listing while one is going on shares it. One that a deadline cuts, or that fails,
// goes on where it stopped when the next one asks.
type discoverer struct {
	scoped
	env  *Env
	spec discovererSpec

	last    *finishedListing
	run     *listingRun
	askers  []listingAsker
	exports exportQueue
}

// discovererSpec is what a discoverer is made of.
type discovererSpec struct {
	target federation.Target
	client apigateway.Client
	filter federation.Filter
	// workers is how many stages are exported at a time.
	workers int
	stage   func(stageTask) *actor.Props
}

// finishedListing is a complete listing.
type finishedListing struct {
	entries    []federation.Entry
	plans      []*apigateway.UsagePlan
	startedAt  time.Time
	finishedAt time.Time
}

type listingAsker struct {
	pid *actor.PID
	messages.ListTarget
}

func discovererProps(env *Env, spec discovererSpec) *actor.Props {
	return props(env, standing, func() actor.Actor {
		return &discoverer{env: env, spec: spec, exports: newExportQueue()}
	})
}

// What the discoverer tells itself.
type (
	// listingStep is the end of one call, or of one whole paged list, of a run.
	listingStep struct {
		run    *listingRun
		api    string // of a GetStages
		stages []*apigateway.Stage
		err    error
	}
	askerDue struct{ request uint64 }
)

func (d *discoverer) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
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
	case *actor.Terminated:
		// A system message overtakes the answer that the worker may have sent just before its end.
		ctx.Send(ctx.Self(), stageGone{m.Who})
	case stageGone:
		d.onStageGone(ctx, m)
	default:
		unexpected(d.env, ctx)
	}
}

func (d *discoverer) onListTarget(ctx actor.Context, m messages.ListTarget) {
	if d.last != nil && m.MaxAge > 0 && time.Since(d.last.finishedAt) <= m.MaxAge && d.run == nil {
		ctx.Request(ctx.Sender(), d.complete(m.Request))
		return
	}
	for i := range d.askers {
		if d.askers[i].Request == m.Request && d.askers[i].pid.Equal(ctx.Sender()) {
			return // asked again: it is being seen to
		}
	}
	d.askers = append(d.askers, listingAsker{pid: ctx.Sender(), ListTarget: m})
	if !m.By.IsZero() {
		d.scope.after(time.Until(m.By), askerDue{request: m.Request})
	}
	if d.run == nil || d.run.stale(time.Now()) {
		d.run = newListingRun(d.spec.client, d.spec.filter)
	}
	d.run.priority = min(d.run.priority, m.Priority)
	d.proceed(ctx)
}

// proceed starts what the run needs next.
func (d *discoverer) proceed(ctx actor.Context) {
	run, client := d.run, d.spec.client
	run.failure = nil
	for _, next := range run.next() {
		run.running++
		priority, next := run.priority, next
		pipe(d.scope, func(ctx context.Context) (listingStep, error) {
			ctx = apigateway.WithPriority(ctx, priority)
			step := listingStep{run: run, api: next.api}
			var err error
			if next.api == "" {
				err = next.list(ctx)
			} else {
				step.stages, err = apigateway.ListStages(ctx, client, next.api)
			}
			return step, err
		}, func(step listingStep, err error) any {
			step.run, step.api, step.err = run, next.api, err
			return step
		})
	}
	d.settle(ctx)
}

func (d *discoverer) onListingStep(ctx actor.Context, m listingStep) {
	if m.run != d.run {
		return // a run that was too old to go on with
	}
	m.run.take(m)
	if m.run.failure == nil {
		d.proceed(ctx)
		return
	}
	d.settle(ctx)
}

// settle answers the askers if the run has come to an end, good or bad.
func (d *discoverer) settle(ctx actor.Context) {
	run := d.run
	switch {
	case run.complete():
		plans, _ := run.plans.All()
		d.last = &finishedListing{entries: run.entries(), plans: plans, startedAt: run.startedAt, finishedAt: time.Now()}
		d.run = nil
		for _, a := range d.takeAskers() {
			ctx.Request(a.pid, d.complete(a.Request))
		}
	case run.failure != nil && run.running == 0:
		d.env.Log.Warn("a listing failed; what it has is kept for the next: "+apigateway.Explain(run.failure),
			logTarget, d.spec.target, logError, run.failure)
		for _, a := range d.takeAskers() {
			ctx.Request(a.pid, d.partial(a.Request, apigateway.Explain(run.failure)))
		}
	}
}

func (d *discoverer) takeAskers() []listingAsker {
	askers := d.askers
	d.askers = nil
	return askers
}

// onAskerDue answers who cannot wait any longer with what there is; the listing goes on behind it.
func (d *discoverer) onAskerDue(ctx actor.Context, m askerDue) {
	for i, a := range d.askers {
		if a.Request == m.request {
			d.askers = append(d.askers[:i:i], d.askers[i+1:]...)
			ctx.Request(a.pid, d.partial(a.Request, ""))
			return
		}
	}
}

func (d *discoverer) complete(request uint64) messages.TargetListing {
	return messages.TargetListing{
		Request: request, Target: d.spec.target, Entries: d.last.entries, Estimate: len(d.last.entries),
		Plans: d.last.plans, Complete: true, StartedAt: d.last.startedAt,
	}
}

func (d *discoverer) partial(request uint64, failure string) messages.TargetListing {
	l := messages.TargetListing{Request: request, Target: d.spec.target, Failure: failure}
	if d.run != nil {
		l.Entries, l.Estimate, l.StartedAt = d.run.entries(), d.run.estimate(), d.run.startedAt
	}
	if d.last != nil {
		l.Estimate = max(l.Estimate, len(d.last.entries))
	}
	return l
}

// isNotFound reports whether AWS says that what was asked for does not exist.
func isNotFound(err error) bool {
	return err != nil && apigateway.Classify(err) == apigateway.NotFound && !errors.Is(err, context.Canceled)
}
