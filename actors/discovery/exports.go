package discovery

import (
	"context"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/messages"
)

// refreshWorkers is the part of a target's stage workers, one in so many, that background work may hold:
// while one waits for a permit of the least urgency, the others must be free for what is urgent.
const refreshWorkers = 4

// exportQueue is the discoverer's open exports: REST APIs whose stages are to be asked for, those being
// asked for, stages that wait for a worker, and stages that have one.
type exportQueue struct {
	// apis wait for their GetStages, in the order of their arrival. One call serves all who want it.
	apis    []string
	wanting map[string][]export
	listing map[string]bool // GetStages under way
	waiting []StageTask
	working map[string]StageTask // by the worker's id
}

// export is one [messages.ExportAPI] and who asked.
type export struct {
	messages.ExportAPI
	asker *actor.PID
}

func (e export) late(now time.Time) bool { return !e.By.IsZero() && now.After(e.By) }

// StageTask is one stage to make ready.
type StageTask struct {
	entry federation.NamedEntry
	// client and ctx are for the worker's one call; ctx ends with the discoverer's incarnation.
	client apigateway.Client
	ctx    context.Context
	export export
}

// stagesListed is the end of a GetStages for exports.
type stagesListed struct {
	api    string
	stages []*gateway.Stage
	err    error
}

// stageGone tells the discoverer that a stage worker has ended.
type stageGone struct{ who *actor.PID }

func newExportQueue() exportQueue {
	return exportQueue{wanting: map[string][]export{}, listing: map[string]bool{}, working: map[string]StageTask{}}
}

// onExportAPI learns first what is deployed, unless the listing has said so: only then is it known which
// documents have changed.
func (d *discoverer) onExportAPI(ctx actor.Context, m messages.ExportAPI) {
	e := export{ExportAPI: m, asker: ctx.Sender()}
	if m.Entries[0].Details != nil {
		d.queueStages(ctx, e)
		return
	}
	api, q := m.Entries[0].API.ID, &d.exports
	if _, wanted := q.wanting[api]; !wanted {
		q.apis = append(q.apis, api)
	}
	q.wanting[api] = append(q.wanting[api], e)
	d.listStages(ctx)
}

// listStages asks for the stages of the APIs that wait, the most urgent first, as many as may be asked for
// at a time.
func (d *discoverer) listStages(ctx actor.Context) {
	q := &d.exports
	for len(q.listing) < stageListings {
		next, priority := -1, gateway.Priority(0)
		for i, api := range q.apis {
			if p := urgency(q.wanting[api]); next < 0 || p < priority {
				next, priority = i, p
			}
		}
		if next < 0 {
			return
		}
		api := q.apis[next]
		q.apis = slices.Delete(q.apis, next, next+1)
		if allLate(q.wanting[api]) {
			d.onStagesListed(ctx, stagesListed{api: api, err: context.DeadlineExceeded})
			continue
		}
		q.listing[api] = true
		client := d.spec.Client
		// The call has no deadline: somebody with more time may join those who want it.
		life.Pipe(d.Scope, func(ctx context.Context) ([]*gateway.Stage, error) {
			return apigateway.ListStages(apigateway.WithPriority(ctx, priority), client, api)
		}, func(stages []*gateway.Stage, err error) any {
			return stagesListed{api: api, stages: stages, err: err}
		})
	}
}

// urgency is the priority of the most urgent.
func urgency(exports []export) gateway.Priority {
	priority := gateway.PriorityRefresh
	for _, e := range exports {
		priority = min(priority, e.Priority)
	}
	return priority
}

func allLate(exports []export) bool {
	now := time.Now()
	return !slices.ContainsFunc(exports, func(e export) bool { return !e.late(now) })
}

func (d *discoverer) onStagesListed(ctx actor.Context, m stagesListed) {
	exports := d.exports.wanting[m.api]
	delete(d.exports.wanting, m.api)
	delete(d.exports.listing, m.api)
	byName := make(map[string]*gateway.Stage, len(m.stages))
	for _, s := range m.stages {
		byName[s.Name] = s
	}
	for _, e := range exports {
		entries := e.Entries
		e.Entries = nil
		for _, entry := range entries {
			switch stage := byName[entry.Stage]; {
			case m.err != nil && !isNotFound(m.err):
				ctx.Request(e.asker, messages.APIOmitted{ID: entry.ID(), Why: apigateway.Explain(m.err)})
			case stage == nil:
				ctx.Request(e.asker, messages.APIOmitted{ID: entry.ID(), Why: "AWS has no such stage any more", Gone: true})
			default:
				entry.Details = stage
				e.Entries = append(e.Entries, entry)
			}
		}
		d.queueStages(ctx, e)
	}
	d.listStages(ctx)
}

func (d *discoverer) queueStages(ctx actor.Context, e export) {
	for _, entry := range e.Entries {
		d.exports.waiting = append(d.exports.waiting, StageTask{entry: entry, client: d.spec.Client, ctx: d.Scope.Ctx, export: e})
	}
	d.employ(ctx)
}

// employ gives waiting stages workers, as many as there may be.
func (d *discoverer) employ(ctx actor.Context) {
	for len(d.exports.working) < d.spec.Workers {
		next := d.exports.nextStage(d.spec.Workers)
		if next < 0 {
			return
		}
		task := d.exports.waiting[next]
		d.exports.waiting = slices.Delete(d.exports.waiting, next, next+1)
		if task.export.late(time.Now()) {
			ctx.Request(task.export.asker, messages.APIOmitted{ID: task.entry.ID(), Why: "there was no time left for it"})
			continue
		}
		worker := ctx.SpawnPrefix(d.spec.Stage(task), "stage-")
		d.exports.working[worker.Id] = task
	}
}

// nextStage is the index of the most urgent stage that may have a worker, or -1. One that is being
// exported already for somebody else waits, and finds the document in the cache.
func (q *exportQueue) nextStage(workers int) int {
	busy := make(map[federation.ID]bool, len(q.working))
	refreshing := 0
	for _, task := range q.working {
		busy[task.entry.ID()] = true
		if task.export.Priority == gateway.PriorityRefresh {
			refreshing++
		}
	}
	best := -1
	for i, task := range q.waiting {
		held := task.export.Priority == gateway.PriorityRefresh && refreshing >= max(1, workers/refreshWorkers)
		if held || busy[task.entry.ID()] {
			continue
		}
		if best < 0 || task.export.Priority < q.waiting[best].export.Priority {
			best = i
		}
	}
	return best
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
		ID: task.entry.ID(), Why: "the agent failed while it prepared this API; see its log",
	})
	d.employ(ctx)
}
