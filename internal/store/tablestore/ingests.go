package tablestore

import (
	"context"
	"fmt"
	"maps"
	"time"

	"federation-agent/internal/store"
)

// Start writes a job, of which a member is the owner. One that is there already is left as it is.
func (s *Store) Start(ctx context.Context, owner string, j store.IngestJob) error {
	return s.write(ctx, j.Integration, func(h history) (change, error) {
		if _, there := h.Jobs[j.JobID]; there {
			return change{}, nil
		}
		return change{Job: j.JobID, Begin: &job{
			Owner: owner, APIIDs: j.APIIDs, Started: j.StartedAt.UTC(), LastAck: j.LastAckAt.UTC(), Total: j.Total,
			DoneSent: j.DoneSent, Acked: j.Acked,
		}}, nil
	})
}

// Adopt makes a member the owner of a job in place of one that is gone. Errors: [store.ErrMoved] where it is another
// one's by now, [store.ErrUnknownJob].
func (s *Store) Adopt(ctx context.Context, integration, jobID, gone, owner string) error {
	return s.ofJob(ctx, integration, jobID, gone, change{Owner: owner})
}

// Acknowledge adds what APIM has acknowledged of a job, and how it has taken the APIs. Errors: as [Store.Adopt].
func (s *Store) Acknowledge(
	ctx context.Context, integration, jobID, owner string, apis []string, taken map[string]string, at time.Time,
) error {
	return s.ofJob(ctx, integration, jobID, owner, change{Acked: apis, AckedAt: at.UTC(), Taken: taken})
}

// SendingDone is written before `done` is sent. Errors: as [Store.Adopt].
func (s *Store) SendingDone(ctx context.Context, integration, jobID, owner string) error {
	return s.ofJob(ctx, integration, jobID, owner, change{DoneSent: true})
}

// Sending notes with which plans APIs are sent, before their batch leaves. Errors: as [Store.Adopt]; after any of them
// the batch must not leave.
func (s *Store) Sending(ctx context.Context, integration, jobID, owner string, plans map[string][]string) error {
	return s.ofJob(ctx, integration, jobID, owner, change{Plans: plans})
}

// Finish forgets a job; one that is not there is no error.
func (s *Store) Finish(ctx context.Context, integration, jobID string) error {
	return s.write(ctx, integration, func(h history) (change, error) {
		if _, there := h.Jobs[jobID]; !there {
			return change{}, nil
		}
		return change{Job: jobID, End: true}, nil
	})
}

// ofJob writes what the owner of a job alone may write.
func (s *Store) ofJob(ctx context.Context, integration, jobID, owner string, step change) error {
	return s.write(ctx, integration, func(h history) (change, error) {
		j, runs := h.Jobs[jobID]
		switch {
		case !runs:
			return step, fmt.Errorf("%w: %s", store.ErrUnknownJob, jobID)
		case j.Owner != owner:
			return step, fmt.Errorf("%w: the ingest job %s is %s's", store.ErrMoved, jobID, j.Owner)
		}
		step.Job = jobID
		return step, nil
	})
}

// Running gives the jobs of an integration that have not ended, the earliest first, and who owns them.
func (s *Store) Running(ctx context.Context, integration string) (jobs []store.IngestJob, owners map[string]string, err error) {
	h, err := s.read(ctx, integration)
	owners = map[string]string{}
	for id, j := range h.Jobs {
		owners[id] = j.Owner
	}
	return h.running(integration), owners, err
}

// RememberedPlans gives the plan ids with which each API was last sent.
func (s *Store) RememberedPlans(ctx context.Context, integration string) (map[string][]string, error) {
	h, err := s.read(ctx, integration)
	return maps.Clone(h.Plans), err
}

// Taken gives how APIM last took each API; see [store.SentPlans].
func (s *Store) Taken(ctx context.Context, integration string) (map[string]string, error) {
	h, err := s.read(ctx, integration)
	return maps.Clone(h.Taken), err
}

// ForgetSent forgets all about APIs that were deleted in APIM.
func (s *Store) ForgetSent(ctx context.Context, integration string, apis []string) error {
	return s.write(ctx, integration, func(history) (change, error) { return change{Forget: apis}, nil })
}

// SaveClaims replaces the claims of an integration.
func (s *Store) SaveClaims(ctx context.Context, integration string, lost map[string][]string) error {
	return s.write(ctx, integration, func(history) (change, error) { return change{Claims: &lost}, nil })
}

// Claims gives the claims of an integration.
func (s *Store) Claims(ctx context.Context, integration string) (map[string][]string, error) {
	h, err := s.read(ctx, integration)
	return maps.Clone(h.Claims), err
}
