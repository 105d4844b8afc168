package store

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"
)

// JobWriter writes what becomes of one ingest job, for its owner. The job itself is in the journal before all else of it.
// It is safe for concurrent use.
type JobWriter struct {
	journal Ingests
	job     OwnedJob
	// turn holds the job that is still to be written, nil for none, unless somebody writes it.
	turn chan *IngestJob
	// acknowledging counts what is still to be written of a job that may end meanwhile.
	acknowledging sync.WaitGroup
}

// NewJobWriter makes one for a job that is in the journal, or is not to be.
func NewJobWriter(journal Ingests, job OwnedJob) *JobWriter {
	w := &JobWriter{journal: journal, job: job, turn: make(chan *IngestJob, 1)}
	w.turn <- nil
	return w
}

// Begins takes the job that is to be written first. Call it once, before anything else.
func (w *JobWriter) Begins(job IngestJob) {
	job.OwnedJob = w.job
	<-w.turn
	w.turn <- &job
}

// Begin writes the job, unless it is written.
func (w *JobWriter) Begin(ctx context.Context) error {
	job := <-w.turn
	var err error
	if job != nil {
		if err = w.journal.Start(ctx, *job); err == nil {
			job = nil
		}
	}
	w.turn <- job
	return err
}

// Sending is [Ingests.Sending]. The journal of one process notes the plans also of a job that could not be written.
func (w *JobWriter) Sending(ctx context.Context, plans map[string][]string) ([]string, error) {
	begun := w.Begin(ctx)
	if begun != nil && w.job.Owner != "" {
		return nil, begun
	}
	overtaken, err := w.journal.Sending(ctx, w.job, plans)
	return overtaken, cmp.Or(begun, err)
}

// SendingDone is [Ingests.SendingDone].
func (w *JobWriter) SendingDone(ctx context.Context) error {
	if err := w.Begin(ctx); err != nil {
		return err
	}
	return w.journal.SendingDone(ctx, w.job)
}

// Acknowledge gives what does [Ingests.Acknowledge]; call that once. Finish waits for it: what APIM has taken would be
// sent again.
func (w *JobWriter) Acknowledge(apis []string, taken map[string]string, at time.Time) func(context.Context) error {
	w.acknowledging.Add(1)
	return func(ctx context.Context) error {
		defer w.acknowledging.Done()
		if err := w.Begin(ctx); err != nil {
			return err
		}
		return w.journal.Acknowledge(ctx, w.job, apis, taken, at)
	}
}

// Finish is [Ingests.Finish]. A job that is still being written is waited for, or it would be left in the journal.
func (w *JobWriter) Finish(ctx context.Context) error {
	w.acknowledging.Wait()
	<-w.turn
	w.turn <- nil
	return w.journal.Finish(ctx, w.job)
}

// Lost says that a write was refused because another process has the job, or has ended it. In a journal of one process
// nobody has.
func (w *JobWriter) Lost(err error) bool {
	return w.job.Owner != "" && (errors.Is(err, ErrMoved) || errors.Is(err, ErrUnknownJob))
}
