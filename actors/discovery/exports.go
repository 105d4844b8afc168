package discovery

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/exports"
	"federation-agent/internal/gateway"
	"federation-agent/messages"
)

// What a discoverer does with orders for documents. What goes when is its queue's to say.

// StageTask is one stage to make ready.
type StageTask struct {
	exports.Task[*actor.PID]
	// client and ctx are for the worker's one call; ctx ends with the discoverer's incarnation.
	client apigateway.Client
	ctx    context.Context
}

type (
	// stagesListed is the end of a GetStages for exports.
	stagesListed struct {
		api    string
		stages []*gateway.Stage
		err    error
	}
	// stageDone is what a stage worker says at its end. It has answered, unless AWS is out of reach: then err says why.
	stageDone struct{ err error }
	// exportsDue: the time of a document is over, or a worker has been at work for long.
	exportsDue struct{}
	// stageGone tells the discoverer that a stage worker has ended.
	stageGone struct{ who *actor.PID }
)

func (d *discoverer) onExportAPI(ctx actor.Context, m messages.ExportAPI) {
	var stages []*gateway.Stage
	if d.last != nil {
		stages = d.last.Asked[m.Order.Documents[0].API.ID]
	}
	d.exports.Add(m.Order, stages, ctx.Sender())
	d.prepare(ctx)
}

// shares says that stages of a REST API with the same deployment may have one document.
func (d *discoverer) shares(api *gateway.RestAPI) bool {
	return d.env.Sharing.May(exports.KindOf(d.spec.Target.Account, api))
}

// prepare begins what can be begun now.
func (d *discoverer) prepare(ctx actor.Context) {
	now := time.Now()
	end := now
	if d.reach.doubtful() {
		end = end.Add(reachMargin)
	}
	late := cmp.Or(d.reach.why, gateway.Omission{Reason: gateway.TooLate, Why: "there was no time left for it"})
	for _, task := range d.exports.TakeLate(end) {
		ctx.Request(task.Asker, messages.APIOmitted{ID: task.ID(), Omission: late, OfTarget: d.reach.doubtful()})
	}
	if d.reach.doubtful() {
		return
	}
	client := d.spec.Client
	for {
		api, priority, found := d.exports.NextListing()
		if !found {
			break
		}
		// The call has no deadline: a caller with more time may join the others.
		life.Pipe(d.Scope, func(ctx context.Context) ([]*gateway.Stage, error) {
			return apigateway.ListStages(apigateway.WithPriority(ctx, priority), client, api)
		}, func(stages []*gateway.Stage, err error) any {
			return stagesListed{api: api, stages: stages, err: err}
		})
	}
	for {
		task, found := d.exports.Next(now, d.shares)
		if !found {
			break
		}
		worker := ctx.SpawnPrefix(d.spec.Stage(StageTask{Task: task, client: client, ctx: d.Scope.Ctx}), "stage-")
		d.exports.Started(worker.Id, task, now)
	}
	if at, waits := d.exports.SlowAt(now); waits && !at.Equal(d.slowAt) {
		d.slowAt = at
		d.Scope.After(at.Sub(now), exportsDue{})
	}
}

func (d *discoverer) onStagesListed(ctx actor.Context, m stagesListed) {
	d.learn(m.api, m.stages, m.err)
	for _, task := range d.exports.Listed(m.api) {
		found := slices.IndexFunc(m.stages, func(s *gateway.Stage) bool { return s.Name == task.Stage })
		switch {
		case m.err != nil && isOfMany(m.err):
			d.hold(ctx, task, m.err)
		case m.err != nil && !isNotFound(m.err):
			ctx.Request(task.Asker, messages.APIOmitted{ID: task.ID(), Omission: apigateway.OmissionOf(m.err)})
		case found < 0:
			d.leaveOut(ctx, task, gateway.NotFound.Reason(), "AWS has no such stage any more")
		default:
			if no := d.spec.Filter.Refuses(task.API, task.Stage, m.stages[found]); no != nil {
				d.leaveOut(ctx, task, gateway.Filtered, no.Text)
				continue
			}
			if len(task.Plans) == 0 && !d.spec.Filter.AcceptWithoutPlan { // that it exists is all that was asked
				d.leaveOut(ctx, task, gateway.Planless, "no usage plan contains it any more")
				continue
			}
			task.Details, task.Stages = m.stages[found], m.stages
			task.Name = task.Names.OfLiving(task.ID(), task.API.Name, d.living[m.api])
			d.exports.Push(task)
		}
	}
	d.prepare(ctx)
}

// leaveOut answers for a stage that is rightly not sent.
func (d *discoverer) leaveOut(ctx actor.Context, task exports.Task[*actor.PID], reason gateway.Reason, why string) {
	ctx.Request(task.Asker, messages.APIOmitted{
		ID: task.ID(), Unwanted: true, Omission: gateway.Omission{Reason: reason, Why: why},
	})
}

func (d *discoverer) onStageDone(ctx actor.Context, m stageDone) {
	task, had := d.exports.Ended(ctx.Sender().Id)
	if had && m.err != nil {
		d.hold(ctx, task, m.err)
	}
	d.prepare(ctx)
}

// onStageGone answers for a worker that died without an answer.
func (d *discoverer) onStageGone(ctx actor.Context, m stageGone) {
	task, unanswered := d.exports.Ended(m.who.Id)
	if !unanswered {
		return
	}
	ctx.Request(task.Asker, messages.APIOmitted{
		ID: task.ID(), Omission: gateway.Omission{
			Reason: gateway.Internal.Reason(), Why: "the agent failed while it prepared this API; see its log",
		},
	})
	d.prepare(ctx)
}
