package jobs

import (
	"cmp"
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
	moved bool   // it did, before these eyes
	began string // whose it was when it was first seen
}

// mark is what differs once a job has moved. That another process owns it moves nothing in APIM.
type mark struct {
	last  time.Time
	acked int
}

// see takes in all jobs that run.
func (e elsewhere) see(all []store.IngestJob, now time.Time) {
	there := map[string]bool{}
	for _, job := range all {
		there[job.JobID] = true
		mark := mark{last: lastMove(job), acked: len(job.Acked)}
		if seen, known := e[job.JobID]; !known || seen.mark != mark {
			e[job.JobID] = sighting{mark: mark, since: now, moved: known, began: cmp.Or(seen.began, job.Owner)}
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
	job  store.IngestJob
	seen sighting
	err  error
}

// adopt goes on with the job of a process that is gone.
func (j *jobs) adopt(job store.IngestJob, seen sighting) {
	if time.Since(seen.since) > ingest.HeldFor || age(job, j.env.Now()) > farOff {
		j.env.Log.Warn("an ingest job of a replica that is gone is too old to go on with; start it again", life.LogJob, job.JobID)
		j.forget(job)
		return
	}
	journal, by := j.env.Ingests, j.env.Member.ID()
	life.Do(j.Scope, func(ctx context.Context) error { return journal.Adopt(ctx, job.OwnedJob, by) },
		func(err error) any { return adopted{job: job, seen: seen, err: err} })
}

func (j *jobs) onAdopted(ctx actor.Context, m adopted) {
	switch {
	case errors.Is(m.err, store.ErrMoved) || errors.Is(m.err, store.ErrUnknownJob): // another one was first
	case m.err != nil:
		j.env.Lasting.Warn("cannot take over an ingest job of a replica that is gone; trying again",
			life.LogJob, m.job.JobID, life.LogError, m.err)
	case j.draining || j.running[m.job.JobID] != nil:
	default:
		j.env.Log.Info("going on with an ingest of a replica that is gone", life.LogJob, m.job.JobID)
		j.resume(ctx, m.job, m.seen)
	}
}

// resume goes on with a job that is this process's.
func (j *jobs) resume(ctx actor.Context, job store.IngestJob, seen sighting) {
	j.begin(ctx, messages.StartIngest{JobID: job.JobID, APIIDs: job.APIIDs}, ingest.JobSpec{
		Resumed: &job, Age: j.age(job, seen), Unproved: seen.began != j.env.Member.ID() && !seen.moved,
	})
}

// age is how long ago a job last moved. What another process has begun bears the time of another clock.
func (j *jobs) age(job store.IngestJob, seen sighting) time.Duration {
	if seen.began != j.env.Member.ID() {
		return time.Since(seen.since)
	}
	return age(job, j.env.Now())
}

// age is how long ago a job's deadline in APIM was last moved on, by the wall clock.
func age(job store.IngestJob, now time.Time) time.Duration { return now.Sub(lastMove(job)) }

func lastMove(job store.IngestJob) time.Time {
	if job.LastAckAt.After(job.StartedAt) {
		return job.LastAckAt
	}
	return job.StartedAt
}
