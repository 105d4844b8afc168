package actors

import (
	"context"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// exportQueue is the discoverer's open exports: REST APIs whose stages are being asked for, stages that
// wait for a worker, and stages that have one.
type exportQueue struct {
	// listing holds who waits for an API's GetStages: one call serves all of them.
	listing map[string][]export
	waiting []stageTask
	working map[string]stageTask // by the worker's id
}

// export is one [messages.ExportAPI] and who asked.
type export struct {
	messages.ExportAPI
	asker *actor.PID
}

// stageTask is one stage to make ready.
type stageTask struct {
	entry messages.NamedEntry
	// client and ctx are for the worker's one call; ctx ends with the discoverer's incarnation.
	client apigateway.Client
	ctx    context.Context
	export export
}

// stagesListed is the end of a GetStages for exports.
type stagesListed struct {
	api    string
	stages []*apigateway.Stage
	err    error
}

// stageGone tells the discoverer that a stage worker has ended.
type stageGone struct{ who *actor.PID }

func newExportQueue() exportQueue {
	return exportQueue{listing: map[string][]export{}, working: map[string]stageTask{}}
}

// onExportAPI learns first what is deployed, unless the listing has said so: only then is it known which
// documents have changed.
func (d *discoverer) onExportAPI(ctx actor.Context, m messages.ExportAPI) {
	e := export{ExportAPI: m, asker: ctx.Sender()}
	api := m.Entries[0].API.ID
	if m.Entries[0].Details != nil {
		d.queueStages(ctx, e)
		return
	}
	waiting, asked := d.exports.listing[api]
	d.exports.listing[api] = append(waiting, e)
	if asked {
		return
	}
	client := d.spec.client
	pipe(d.scope, func(ctx context.Context) ([]*apigateway.Stage, error) {
		if !m.By.IsZero() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, m.By)
			defer cancel()
		}
		return apigateway.ListStages(apigateway.WithPriority(ctx, m.Priority), client, api)
	}, func(stages []*apigateway.Stage, err error) any {
		return stagesListed{api: api, stages: stages, err: err}
	})
}

func (d *discoverer) onStagesListed(ctx actor.Context, m stagesListed) {
	waiting := d.exports.listing[m.api]
	delete(d.exports.listing, m.api)
	byName := make(map[string]*apigateway.Stage, len(m.stages))
	for _, s := range m.stages {
		byName[s.Name] = s
	}
	for _, e := range waiting {
		entries := e.Entries
		e.Entries = nil
		for _, entry := range entries {
			switch stage := byName[entry.Stage]; {
			case m.err != nil && !isNotFound(m.err):
				ctx.Request(e.asker, messages.APIOmitted{ID: idOf(entry), Why: apigateway.Explain(m.err)})
			case stage == nil:
				ctx.Request(e.asker, messages.APIOmitted{ID: idOf(entry), Why: "AWS has no such stage any more", Gone: true})
			default:
				entry.Details = stage
				e.Entries = append(e.Entries, entry)
			}
		}
		d.queueStages(ctx, e)
	}
}

func (d *discoverer) queueStages(ctx actor.Context, e export) {
	for _, entry := range e.Entries {
		d.exports.waiting = append(d.exports.waiting, stageTask{entry: entry, client: d.spec.client, ctx: d.scope.ctx, export: e})
	}
	d.employ(ctx)
}

// employ gives waiting stages workers, as many as there may be.
func (d *discoverer) employ(ctx actor.Context) {
	for len(d.exports.waiting) > 0 && len(d.exports.working) < d.spec.workers {
		task := d.exports.waiting[0]
		d.exports.waiting = d.exports.waiting[1:]
		worker := ctx.SpawnPrefix(d.spec.stage(task), "stage-")
		d.exports.working[worker.Id] = task
	}
}

// onStageDone passes a worker's answer on.
func (d *discoverer) onStageDone(ctx actor.Context, m stageDone) {
	task, known := d.exports.working[ctx.Sender().Id]
	if !known {
		return
	}
	delete(d.exports.working, ctx.Sender().Id)
	ctx.Request(task.export.asker, m.answer)
	d.employ(ctx)
}

// onStageGone answers for a worker that died without an answer.
func (d *discoverer) onStageGone(ctx actor.Context, m stageGone) {
	task, unanswered := d.exports.working[m.who.Id]
	if !unanswered {
		return
	}
	delete(d.exports.working, m.who.Id)
	ctx.Request(task.export.asker, messages.APIOmitted{
		ID: idOf(task.entry), Why: "the agent failed while it prepared this API; see its log",
	})
	d.employ(ctx)
}

// idOf is an entry's identity.
func idOf(e messages.NamedEntry) federation.ID { return e.ID(e.Target) }
