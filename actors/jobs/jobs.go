// Package jobs is the actor that begins and resumes the ingest jobs of an integration, and keeps them from overtaking
// each other.
package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/ingest"
	"federation-agent/actors/life"
	"federation-agent/internal/exports"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

const (
	// maxJobs bounds the ingest jobs of one integration: each has a listing of everything, and APIM sends one at a time.
	maxJobs = 2
	// resumeAfter is how long a job that panicked waits before it is resumed: one that always panics must not spin until
	// APIM gives it up.
	resumeAfter = 5 * time.Second
)

// jobs begins ingest jobs, resumes those that began before a restart, and tells them how the session stands. Parent:
// integration.
type jobs struct {
	life.Scoped
	env     *life.Env
	spec    ingest.Spec
	session *sessionMemory
	ended   *actor.PID // hears of the end of each job; may be nil
	running map[string]*actor.PID
	// ending is those of them that hold nothing any more: they are being forgotten.
	ending map[string]bool
	newest newest
	begun  int // by START_INGEST
	// draining: no job is begun any more. drainer hears when none runs.
	draining bool
	drainer  *actor.PID
}

// sessionMemory is what is known of the session. It outlives a restart.
type sessionMemory struct {
	pid    *actor.PID // nil while there is none
	number uint64     // of the session that was told of last
	limits exports.PeerLimits
}

// Props makes the jobs of an integration. Ended hears of the end of each; nil: nobody does.
func Props(env *life.Env, spec ingest.Spec, ended *actor.PID) *actor.Props {
	session := &sessionMemory{}
	return life.Props(env, life.Standing, func() actor.Actor {
		return &jobs{
			env: env, spec: spec, session: session, ended: ended, running: map[string]*actor.PID{}, ending: map[string]bool{},
			newest: newest{},
		}
	})
}

// What jobs tells itself.
type (
	// resumeDue: a job that ended may have to be resumed.
	resumeDue struct{}
	// jobForgotten: a job that is too old to be resumed was taken off the disk, or could not be.
	jobForgotten struct {
		job string
		err error
	}
)

func (j *jobs) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		j.onStarted(ctx)
	case messages.StartIngest:
		j.onStartIngest(ctx, m)
	case messages.SessionUp:
		if m.Session != j.session.number {
			j.session.pid, j.session.number = ctx.Sender(), m.Session
			j.tell(ctx, m)
		}
	case messages.SessionDown:
		j.session.pid = nil
		j.tell(ctx, m)
	case messages.Abandoned:
		j.tell(ctx, m)
	case messages.Drain:
		j.draining, j.drainer = true, ctx.Sender()
		j.tell(ctx, m)
		j.doneDraining(ctx)
	case ingest.Outgoing:
		j.onOutgoing(ctx, m)
	case exports.PeerLimits:
		j.session.limits = j.session.limits.With(m)
	case messages.CountJobs:
		ctx.Respond(messages.JobsCounted{
			Running: len(j.running) - len(j.ending), Begun: j.begun, MaxBytes: j.session.limits.API,
		})
	case ingest.Ending:
		if j.running[m.Job] != nil { // the news of its end overtakes this
			j.ending[m.Job] = true
		}
	case resumeDue:
		j.resume(ctx)
	case jobForgotten:
		if m.err != nil {
			j.env.Log.Warn("cannot forget an ingest job", life.LogJob, m.job, life.LogError, m.err)
		}
	case *actor.Terminated:
		j.onTerminated(ctx, m)
	default:
		life.Unexpected(j.env, ctx)
	}
}

func (j *jobs) onStarted(ctx actor.Context) {
	j.env.Board.NoIngest(j.spec.Integration) // those of an earlier incarnation ended with it
	j.resume(ctx)
	j.Scope.After(resumeAfter, resumeDue{}) // the record of a job that this restart ended may be still on its way
}

// onStartIngest begins a job. The same job once more is that job's matter.
func (j *jobs) onStartIngest(ctx actor.Context, m messages.StartIngest) {
	switch job := j.running[m.JobID]; {
	case job != nil:
		ctx.Forward(job)
	case j.draining || len(j.running)-len(j.ending) >= maxJobs:
		ctx.Respond(messages.Answer{CommandRef: m.CommandRef, Reply: messages.Refused{Reason: fmt.Sprintf(
			"%d ingests of this integration are running already; try again when one has ended", maxJobs)}})
	default:
		j.begun++
		j.begin(ctx, m, nil)
	}
}

func (j *jobs) begin(ctx actor.Context, m messages.StartIngest, resumed *store.IngestJob) {
	job := ctx.SpawnPrefix(ingest.Props(j.env, j.spec, ingest.JobSpec{
		Command: m, Router: ctx.Sender(), Session: j.session.pid, Resumed: resumed, Limits: j.session.limits,
	}), "ingest-")
	j.running[m.JobID] = job
}

// resume resumes the jobs from before a restart that APIM still holds, and forgets the others.
func (j *jobs) resume(ctx actor.Context) {
	recorded, err := j.env.Jobs.Running(j.spec.Integration)
	if err != nil {
		j.env.Log.Warn("cannot read the running ingest jobs", life.LogError, err)
		return
	}
	for _, job := range recorded {
		switch {
		case j.draining || j.running[job.JobID] != nil:
		case !ingest.IsHeld(job, j.env.Now()):
			j.env.Log.Warn("an ingest job from before a restart is too old to resume; start it again", life.LogJob, job.JobID)
			life.Do(j.Scope, func(context.Context) error { return j.env.Jobs.Finish(j.spec.Integration, job.JobID) },
				func(err error) any { return jobForgotten{job: job.JobID, err: err} })
		default:
			j.begin(ctx, messages.StartIngest{JobID: job.JobID, APIIDs: job.APIIDs}, &job)
		}
	}
}

// tell passes news on to every job, as from its sender.
func (j *jobs) tell(ctx actor.Context, news any) {
	for _, job := range j.running {
		ctx.RequestWithCustomSender(job, news, ctx.Sender())
	}
}

// onTerminated notes a job's end. One that panicked is still written down, and is resumed.
func (j *jobs) onTerminated(ctx actor.Context, m *actor.Terminated) {
	if j.ScopeClosed() {
		return
	}
	for id, job := range j.running {
		if job.Equal(m.Who) {
			delete(j.running, id)
			delete(j.ending, id)
			j.env.Board.IngestGone(j.spec.Integration, id)
			j.Scope.After(resumeAfter, resumeDue{})
			if j.ended != nil {
				ctx.Send(j.ended, messages.JobEnded{})
			}
		}
	}
	if len(j.running) == 0 {
		clear(j.newest)
	}
	j.doneDraining(ctx)
}

// doneDraining tells that no job runs any more.
func (j *jobs) doneDraining(ctx actor.Context) {
	if j.drainer != nil && len(j.running) == 0 {
		ctx.Request(j.drainer, messages.Drained{})
	}
}
