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
	// lookEvery is how often a process looks for jobs that another one has left, where they share a journal.
	lookEvery = 10 * time.Second
)

// jobs begins ingest jobs, resumes those that began before a restart, and tells them how the session stands. Parent:
// integration.
type jobs struct {
	life.Scoped
	env     *life.Env
	spec    ingest.Spec
	memory  *memory
	ended   *actor.PID // hears of the end of each job; may be nil
	running map[string]*actor.PID
	// ending is those of them that hold nothing any more: they are being forgotten.
	ending map[string]bool
	newest newest
	begun  int // by START_INGEST
	gone   int // how many have ended
	// draining: no job is begun any more. drainer hears when none runs.
	draining bool
	drainer  *actor.PID
}

// memory is what is known of the session, and of other processes' jobs. It outlives a restart.
type memory struct {
	pid       *actor.PID // nil while there is none
	number    uint64     // of the session that was told of last
	limits    exports.PeerLimits
	elsewhere elsewhere
}

// Props makes the jobs of an integration. Ended hears of the end of each; nil: nobody does.
func Props(env *life.Env, spec ingest.Spec, ended *actor.PID) *actor.Props {
	known := &memory{elsewhere: elsewhere{}}
	return life.Props(env, life.Standing, func() actor.Actor {
		return &jobs{
			env: env, spec: spec, memory: known, ended: ended, running: map[string]*actor.PID{}, ending: map[string]bool{},
			newest: newest{},
		}
	})
}

// What jobs tells itself.
type (
	// resumeDue: a job that ended may have to be resumed.
	resumeDue struct{}
	// lookDue: another process may have ended, and left its jobs.
	lookDue      struct{}
	jobsRecalled struct {
		jobs []store.IngestJob
		gone int // how many had ended when the journal was asked
		err  error
	}
	// jobForgotten: a job that is too old to be resumed was taken off the disk, or could not be.
	jobForgotten struct {
		job string
		err error
	}
)

func (j *jobs) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		j.onStarted()
	case messages.StartIngest:
		j.onStartIngest(ctx, m)
	case messages.SessionUp:
		if m.Session != j.memory.number {
			j.memory.pid, j.memory.number = ctx.Sender(), m.Session
			j.tell(ctx, m)
		}
	case messages.SessionDown:
		j.memory.pid = nil
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
		j.memory.limits = j.memory.limits.With(m)
	case messages.CountJobs:
		ctx.Respond(messages.JobsCounted{
			Running: len(j.running) - len(j.ending), Begun: j.begun, MaxBytes: j.memory.limits.API,
		})
	case messages.JobEnding:
		if j.running[m.Job] != nil { // the news of its end overtakes this
			j.ending[m.Job] = true
		}
	case resumeDue:
		j.recall()
	case lookDue:
		j.recall()
		j.Scope.After(lookEvery, lookDue{})
	case jobsRecalled:
		j.onRecalled(ctx, m)
	case adopted:
		j.onAdopted(ctx, m)
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

func (j *jobs) onStarted() {
	j.env.Board.NoIngest(j.spec.Integration) // those of an earlier incarnation ended with it
	j.recall()
	if j.env.Member != nil {
		j.Scope.After(lookEvery, lookDue{})
	}
	j.Scope.After(resumeAfter, resumeDue{}) // the record of a job that this restart ended may be still on its way
}

// onStartIngest begins a job. The same job once more is that job's matter.
func (j *jobs) onStartIngest(ctx actor.Context, m messages.StartIngest) {
	switch job := j.running[m.JobID]; {
	case job != nil:
		ctx.Forward(job)
	case j.draining:
		ctx.Respond(messages.Answer{CommandRef: m.CommandRef, Reply: messages.Refused{Reason: life.WhyDraining}})
	case len(j.running)-len(j.ending) >= maxJobs:
		ctx.Respond(messages.Answer{CommandRef: m.CommandRef, Reply: messages.Refused{Reason: fmt.Sprintf(
			"%d ingests of this integration are running already; try again when one has ended", maxJobs)}})
	default:
		j.begun++
		j.begin(ctx, m, ingest.JobSpec{Router: ctx.Sender()})
	}
}

func (j *jobs) begin(ctx actor.Context, m messages.StartIngest, spec ingest.JobSpec) {
	spec.Command, spec.Session, spec.Limits = m, j.memory.pid, j.memory.limits
	j.running[m.JobID] = ctx.SpawnPrefix(ingest.Props(j.env, j.spec, spec), "ingest-")
}

// recall asks the journal which jobs run.
func (j *jobs) recall() {
	env, integration, gone := j.env, j.spec.Integration, j.gone
	life.Pipe(j.Scope, func(ctx context.Context) ([]store.IngestJob, error) {
		ctx, cancel := context.WithTimeout(ctx, lookEvery)
		defer cancel()
		return env.Ingests.Running(ctx, integration)
	}, func(all []store.IngestJob, err error) any { return jobsRecalled{all, gone, err} })
}

// onRecalled resumes the jobs from before a restart that APIM still holds, takes over those of processes that are gone,
// and forgets the others.
func (j *jobs) onRecalled(ctx actor.Context, m jobsRecalled) {
	if m.err != nil {
		j.env.Lasting.Warn("cannot read the running ingest jobs", life.LogError, m.err)
		return
	}
	if m.gone != j.gone { // what has ended since may be among them, and the journal is soon asked again
		return
	}
	j.memory.elsewhere.see(m.jobs, time.Now())
	for _, job := range m.jobs {
		seen := j.memory.elsewhere[job.JobID]
		switch mine := job.Owner == j.env.Member.ID(); {
		case j.draining || j.running[job.JobID] != nil:
		case mine && j.age(job, seen) <= ingest.HeldFor:
			j.resume(ctx, job, seen)
		case mine:
			j.env.Log.Warn("an ingest job from before a restart is too old to resume; start it again", life.LogJob, job.JobID)
			j.forget(job)
		case j.memory.pid != nil && !j.env.Member.Others(time.Now(), job.Owner):
			j.adopt(job, seen)
		}
	}
}

// forget takes a job out of the journal that APIM does not hold any more.
func (j *jobs) forget(job store.IngestJob) {
	journal := j.env.Ingests
	life.Do(j.Scope, func(ctx context.Context) error { return journal.Finish(ctx, job.OwnedJob) },
		func(err error) any { return jobForgotten{job: job.JobID, err: err} })
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
			j.gone++
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
