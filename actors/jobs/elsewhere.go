package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/ingest"
	"federation-agent/actors/life"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

// Any process goes on with the ingest of one that is gone, while APIM holds it: an INGEST is matched by its job id alone
// (read in APIM 4.5 to 4.12). How long ago a job last moved is judged by the looker's own time since it saw the job move,
// as the clocks of two hosts may differ.

// farOff is how far the clocks of two hosts may differ at most: AWS refuses calls that are signed by worse ones. A job
// that is older than that by its owner's clock is not gone on with, though nobody saw it stand still.
const farOff = time.Hour

// elsewhere is when each running job of other processes was last seen to move, by its id.
type elsewhere map[string]sighting

type sighting struct {
	mark  mark
	since time.Time
	moved bool // it did, before these eyes
}

// mark is what differs once a job has moved.
type mark struct {
	owner string
	last  time.Time
	acked int
}

// see takes in all jobs that run.
func (e elsewhere) see(all []store.IngestJob, now time.Time) {
	there := map[string]bool{}
	for _, job := range all {
		there[job.JobID] = true
		mark := mark{owner: job.Owner, last: lastMove(job), acked: len(job.Acked)}
		if seen, known := e[job.JobID]; !known || seen.mark != mark {
			e[job.JobID] = sighting{mark: mark, since: now, moved: known}
		}
	}
	for id := range e {
		if !there[id] {
			delete(e, id)
		}
	}
}

// adopted tells that a job is this process's now, or why not.
type adopted struct {
	job store.IngestJob
	err error
}

// adopt goes on with the job of a process that is gone.
func (j *jobs) adopt(job store.IngestJob) {
	if time.Since(j.memory.elsewhere[job.JobID].since) > ingest.HeldFor || age(job, j.env.Now()) > farOff {
		j.env.Log.Warn("an ingest job of a replica that is gone is too old to go on with; start it again", life.LogJob, job.JobID)
		j.forget(job)
		return
	}
	journal, by := j.env.Ingests, j.env.Member.ID()
	life.Do(j.Scope, func(ctx context.Context) error { return journal.Adopt(ctx, job.OwnedJob, by) },
		func(err error) any { return adopted{job: job, err: err} })
}

func (j *jobs) onAdopted(ctx actor.Context, m adopted) {
	switch {
	case errors.Is(m.err, store.ErrMoved) || errors.Is(m.err, store.ErrUnknownJob): // another one was first
	case m.err != nil:
		j.env.Lasting.Warn("cannot take over an ingest job of a replica that is gone; trying again",
			life.LogJob, m.job.JobID, life.LogError, m.err)
	case j.draining || j.running[m.job.JobID] != nil:
	default:
		seen := j.memory.elsewhere[m.job.JobID]
		j.env.Log.Info("going on with an ingest of a replica that is gone", life.LogJob, m.job.JobID)
		m.job.Owner = j.env.Member.ID()
		j.begin(ctx, messages.StartIngest{JobID: m.job.JobID, APIIDs: m.job.APIIDs}, ingest.JobSpec{
			Resumed: &m.job, Age: time.Since(seen.since), Unproved: !seen.moved,
		})
	}
}

// age is how long ago a job's deadline in APIM was last moved on, by the wall clock.
func age(job store.IngestJob, now time.Time) time.Duration { return now.Sub(lastMove(job)) }

func lastMove(job store.IngestJob) time.Time {
	if job.LastAckAt.After(job.StartedAt) {
		return job.LastAckAt
	}
	return job.StartedAt
}
