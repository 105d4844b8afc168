package tablestore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"federation-agent/internal/status"
	"federation-agent/internal/store"
)

// Start implements [store.Ingests]. A job that has ended lately does not begin again: its first Start had succeeded, though
// its process did not hear of that, and another one went on with it. Errors: [store.ErrUnknownJob] then.
func (s *Store) Start(ctx context.Context, j store.IngestJob) error {
	return s.write(ctx, j.Integration, func(h history) (change, error) {
		if _, there := h.Jobs[j.JobID]; there {
			return change{}, nil
		}
		if slices.Contains(h.Ended, j.JobID) {
			return change{}, fmt.Errorf("%w: %s has ended", store.ErrUnknownJob, j.JobID)
		}
		return change{Job: j.JobID, Begin: &job{
			Owner: j.Owner, APIIDs: j.APIIDs, Started: j.StartedAt.UTC(), LastAck: j.LastAckAt.UTC(), Total: j.Total,
			DoneSent: j.DoneSent, Acked: j.Acked, Began: j.JudgedAt,
		}}, nil
	})
}

// Adopt implements [store.Ingests].
func (s *Store) Adopt(ctx context.Context, job store.OwnedJob, by string) error {
	err := s.ofJob(ctx, job, func(history) change { return change{Owner: by} })
	if err == nil {
		s.board.TookOver(status.TookIngest)
	}
	return err
}

// Acknowledge implements [store.Ingests].
func (s *Store) Acknowledge(
	ctx context.Context, job store.OwnedJob, apis []string, taken map[string]string, at time.Time,
) error {
	return s.ofJob(ctx, job, func(h history) change {
		return change{Acked: apis, AckedAt: at.UTC(), Taken: h.sentLast(job.JobID, taken)}
	})
}

// SendingDone implements [store.Ingests].
func (s *Store) SendingDone(ctx context.Context, job store.OwnedJob) error {
	return s.ofJob(ctx, job, func(history) change { return change{DoneSent: true} })
}

// Sending implements [store.Ingests].
func (s *Store) Sending(
	ctx context.Context, job store.OwnedJob, plans map[string][]string,
) (overtaken []string, err error) {
	err = s.ofJob(ctx, job, func(h history) change {
		overtaken = h.overtaken(job.JobID, plans)
		ours := maps.Clone(plans)
		for _, api := range overtaken {
			delete(ours, api)
		}
		return change{Sends: true, Plans: ours}
	})
	return overtaken, err
}

// Finish implements [store.Ingests].
func (s *Store) Finish(ctx context.Context, job store.OwnedJob) error {
	return s.write(ctx, job.Integration, func(h history) (change, error) {
		if j, there := h.Jobs[job.JobID]; !there || j.Owner != job.Owner {
			return change{}, nil
		}
		return change{Job: job.JobID, End: true}, nil
	})
}

// ofJob writes what the owner of a job alone may write.
func (s *Store) ofJob(ctx context.Context, job store.OwnedJob, step func(history) change) error {
	return s.write(ctx, job.Integration, func(h history) (change, error) {
		j, runs := h.Jobs[job.JobID]
		switch {
		case !runs:
			return change{}, fmt.Errorf("%w: %s", store.ErrUnknownJob, job.JobID)
		case j.Owner != job.Owner:
			return change{}, fmt.Errorf("%w: the ingest job %s is %s's", store.ErrMoved, job.JobID, j.Owner)
		}
		c := step(h)
		c.Job = job.JobID
		return c, nil
	})
}

// Running implements [store.Ingests].
func (s *Store) Running(ctx context.Context, integration string) ([]store.IngestJob, error) {
	h, _, err := s.read(ctx, integration)
	return h.running(integration), err
}

// Sent implements [store.Ingests].
func (s *Store) Sent(ctx context.Context, integration string) (store.Sent, error) {
	h, last, err := s.read(ctx, integration)
	return store.Sent{
		Plans: maps.Clone(h.Plans), Taken: maps.Clone(h.Taken), Claims: maps.Clone(h.Claims),
		At: last + 1, // the next change, as 0 is said where nothing was judged
	}, err
}

// ForgetTaken implements [store.Ingests].
func (s *Store) ForgetTaken(ctx context.Context, integration string) error {
	return s.write(ctx, integration, func(h history) (change, error) {
		return change{Untaken: slices.Sorted(maps.Keys(h.Taken))}, nil
	})
}

// ForgetSent implements [store.Ingests].
func (s *Store) ForgetSent(ctx context.Context, integration string, apis []string) error {
	return s.write(ctx, integration, func(history) (change, error) { return change{Forget: apis}, nil })
}

// SaveClaims implements [store.Ingests].
func (s *Store) SaveClaims(ctx context.Context, integration string, lost map[string][]string) error {
	return s.write(ctx, integration, func(history) (change, error) { return change{Claims: &lost}, nil })
}
