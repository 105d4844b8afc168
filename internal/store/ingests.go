package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// AckFlushInterval is the time between two acknowledgements that are made durable at once. A lost acknowledgement only
// means that its batch is sent again, which APIM takes as an update. So not each of them pays for an fsync, and the key
// journal does not wait for a busy ingest.
const AckFlushInterval = time.Second

// IngestJob is an ingest that was answered and has not ended.
type IngestJob struct {
	OwnedJob
	// APIIDs are the APIs that APIM asked for; nil means all of them.
	APIIDs    []string
	StartedAt time.Time
	// LastAckAt is when APIM last answered an INGEST of this job. APIM reads a job as timed out 5 minutes after
	// its start or the last batch (read in APIM 4.9), so it says whether the job can be resumed.
	LastAckAt time.Time
	// Total is the total that START_INGEST was answered with.
	Total int
	// Acked are the APIs of acknowledged batches, in the order of their acknowledgement.
	Acked []string
	// JudgedAt is the [Sent.At] by which it was judged what the job may send; 0 where that is still to be judged.
	JudgedAt int64
	// DoneSent is true from just before `done` was first sent: where its reply was lost it may be sent again.
	DoneSent bool
}

// OwnedJob names an ingest job and the member that sends for it.
type OwnedJob struct {
	Integration string
	JobID       string
	// Owner is empty where there is one process only.
	Owner string
}

// Sent is what is known of an integration's APIs in APIM.
type Sent struct {
	// Plans are the plan ids with which each API was last sent, by API id. Empty: nothing was sent yet, or nothing is
	// remembered (no volume), and the plan-loss guard is blind.
	Plans map[string][]string
	// Taken is how APIM last took each API: a digest of it as it was sent; none where that is not known.
	Taken map[string]string
	// Claims are the plan ids that AWS was last seen without, by API id.
	Claims map[string][]string
	// At orders what several processes have written to the journal; 0 where there is one process only.
	At int64
}

// Ingests remembers running ingests, so that they are resumed after a dropped session, a restart, or the end of another
// process; with which plans each API was last sent, so that plans that vanish are noticed before an ingest deletes them
// in APIM; and how APIM took each API, so that one that has not changed need not be sent again. Each write is durable
// unless it says otherwise. Errors of all: [ErrNotWritten], [ErrUnknown], [ErrInMemory], [ErrInvalid], [ErrClosed].
type Ingests interface {
	// Start writes a job. One that is there already is left as it is with all its acknowledgements.
	Start(context.Context, IngestJob) error
	// Adopt gives a job to a member in place of its owner, who is gone. Errors: [ErrMoved] where it is another one's by
	// now, [ErrUnknownJob].
	Adopt(ctx context.Context, job OwnedJob, by string) error
	// Sending notes with which plan ids each API is sent, before the batch leaves: APIM may keep a batch whose answer is
	// lost. It replaces what was known of these APIs and of no others; an empty list means "sent without plans". How APIM
	// took them before is forgotten in the same write. It leaves out, and gives, those APIs that another job has sent since
	// it was judged what this one may send. Errors: [ErrMoved] where the job is another one's, [ErrUnknownJob]; after any of them the
	// batch must not leave, or an old list of plans would delete newer plans and their keys in APIM.
	Sending(ctx context.Context, job OwnedJob, plans map[string][]string) (overtaken []string, err error)
	// Acknowledge adds the APIs of a batch that APIM answered SUCCEEDED, none for an empty INGEST that only moved the
	// deadline; and how APIM took them, as far as that is known. A lost one only means that its batch is sent again: it
	// may become durable up to [AckFlushInterval] later. Errors: [ErrMoved], [ErrUnknownJob].
	Acknowledge(ctx context.Context, job OwnedJob, apis []string, taken map[string]string, at time.Time) error
	// SendingDone is called before `done` is sent. Errors: [ErrMoved], [ErrUnknownJob].
	SendingDone(context.Context, OwnedJob) error
	// Finish forgets a job. One that is not there, or is another one's by now, is no error.
	Finish(context.Context, OwnedJob) error
	// Running gives the jobs of an integration that have not ended, the earliest first.
	Running(ctx context.Context, integration string) ([]IngestJob, error)

	// Sent gives what is known of the APIs of an integration.
	Sent(ctx context.Context, integration string) (Sent, error)
	// ForgetTaken forgets how APIM took each API: somebody else sends them.
	ForgetTaken(ctx context.Context, integration string) error
	// ForgetSent forgets all about APIs that were deleted in APIM.
	ForgetSent(ctx context.Context, integration string, apis []string) error
	// SaveClaims replaces the claims of an integration. Of several processes the last one wins: they are for a restart alone,
	// after which a claim that is missing is made by the next listing, five minutes later, and one too many is withdrawn by it.
	SaveClaims(ctx context.Context, integration string, lost map[string][]string) error
}

// jobHeader is what is written once for each job. The acknowledgements have rows of their own, or each batch of
// a large account would write the whole list again.
type jobHeader struct {
	APIIDs    []string  `json:"apiIds,omitempty"`
	StartedAt time.Time `json:"startedAt"`
	Total     int       `json:"total"`
	DoneSent  bool      `json:"doneSent,omitempty"`
}

// jobAck is one acknowledged batch.
type jobAck struct {
	At     time.Time `json:"at"`
	APIIDs []string  `json:"apiIds,omitempty"`
}

// Start implements [Ingests].
func (s *FileStore) Start(_ context.Context, job IngestJob) error {
	return s.write(func(st *state) ([]Change, error) {
		if _, ok := st.jobs.get(job.Integration, job.JobID); ok {
			return nil, nil
		}
		leftOver := st.acksGone(job.Integration, job.JobID) // a damaged file may have some without their job
		header, headerErr := st.jobs.set(jobHeader{
			APIIDs: job.APIIDs, StartedAt: job.StartedAt.UTC(), Total: job.Total, DoneSent: job.DoneSent,
		}, job.Integration, job.JobID)
		ack, ackErr := st.ack(job.Integration, job.JobID, job.Acked, job.LastAckAt)
		return slices.Concat(leftOver, header, ack), cmp.Or(headerErr, ackErr)
	})
}

// ack gives the change that notes an acknowledged batch.
func (st *state) ack(integration, jobID string, apiIDs []string, at time.Time) ([]Change, error) {
	return st.acks.set(jobAck{At: at.UTC(), APIIDs: apiIDs}, integration, jobID, fmt.Sprintf("%08x", st.nextAck))
}

// acksGone gives the changes that remove all that was acknowledged of a job.
func (st *state) acksGone(integration, jobID string) []Change {
	var changes []Change
	for number := range st.acks.under(integration, jobID) {
		changes = append(changes, st.acks.remove(integration, jobID, number)...)
	}
	return changes
}

// Adopt implements [Ingests]. There is no other owner than this process.
func (s *FileStore) Adopt(_ context.Context, job OwnedJob, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.runs(job)
}

// runs refuses a job that is not there.
func (st *state) runs(job OwnedJob) error {
	if _, ok := st.jobs.get(job.Integration, job.JobID); !ok {
		return fmt.Errorf("%w: %s", ErrUnknownJob, job.JobID)
	}
	return nil
}

// Acknowledge implements [Ingests].
func (s *FileStore) Acknowledge(
	_ context.Context, job OwnedJob, apiIDs []string, taken map[string]string, at time.Time,
) error {
	due := false
	err := s.stage(func(st *state) ([]Change, error) {
		if err := st.runs(job); err != nil {
			return nil, err
		}
		changes, err := st.ack(job.Integration, job.JobID, apiIDs, at)
		if err != nil {
			return nil, err
		}
		for _, api := range slices.Sorted(maps.Keys(taken)) {
			change, err := st.taken.set(taken[api], job.Integration, api)
			if err != nil {
				return nil, err
			}
			changes = append(changes, change...)
		}
		since := at.Sub(s.lastAckFlush)
		due = since < 0 || since >= AckFlushInterval // a clock that was set back counts as an interval
		if due {
			s.lastAckFlush = at
		}
		return changes, nil
	})
	if err == nil && due {
		err = s.flush(false)
	}
	return cmp.Or(err, s.kept())
}

// Sending implements [Ingests]. In one process the jobs themselves keep from overtaking each other, so it needs no job.
func (s *FileStore) Sending(_ context.Context, job OwnedJob, plans map[string][]string) ([]string, error) {
	return nil, s.write(func(st *state) ([]Change, error) {
		changes, err := setIDs(st.plans, plans, job.Integration)
		for _, api := range slices.Sorted(maps.Keys(plans)) {
			changes = append(changes, st.taken.remove(job.Integration, api)...)
		}
		return changes, err
	})
}

// SendingDone implements [Ingests].
func (s *FileStore) SendingDone(_ context.Context, job OwnedJob) error {
	return s.write(func(st *state) ([]Change, error) {
		if err := st.runs(job); err != nil {
			return nil, err
		}
		header, _ := st.jobs.get(job.Integration, job.JobID)
		header.DoneSent = true
		return st.jobs.set(header, job.Integration, job.JobID)
	})
}

// Finish implements [Ingests].
func (s *FileStore) Finish(_ context.Context, job OwnedJob) error {
	return s.write(func(st *state) ([]Change, error) {
		return append(st.acksGone(job.Integration, job.JobID), st.jobs.remove(job.Integration, job.JobID)...), nil
	})
}

// Running implements [Ingests].
func (s *FileStore) Running(_ context.Context, integration string) ([]IngestJob, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []IngestJob
	for jobID, header := range s.state.jobs.under(integration) {
		job := IngestJob{
			OwnedJob: OwnedJob{Integration: integration, JobID: jobID}, APIIDs: slices.Clone(header.APIIDs),
			StartedAt: header.StartedAt, Total: header.Total, DoneSent: header.DoneSent,
		}
		acked := map[string]bool{}
		for _, ack := range s.state.acks.under(integration, jobID) {
			if ack.At.After(job.LastAckAt) {
				job.LastAckAt = ack.At
			}
			for _, id := range ack.APIIDs {
				if !acked[id] {
					acked[id] = true
					job.Acked = append(job.Acked, id)
				}
			}
		}
		found = append(found, job)
	}
	slices.SortFunc(found, func(a, b IngestJob) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), strings.Compare(a.JobID, b.JobID))
	})
	return found, nil
}

// Sent implements [Ingests].
func (s *FileStore) Sent(_ context.Context, integration string) (Sent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := Sent{Plans: map[string][]string{}, Taken: map[string]string{}, Claims: map[string][]string{}}
	for api, ids := range s.state.plans.under(integration) {
		found.Plans[api] = slices.Clone(ids)
	}
	maps.Insert(found.Taken, s.state.taken.under(integration))
	for api, ids := range s.state.claims.under(integration) {
		found.Claims[api] = slices.Clone(ids)
	}
	return found, nil
}

// ForgetTaken implements [Ingests].
func (s *FileStore) ForgetTaken(_ context.Context, integration string) error {
	return s.write(func(st *state) ([]Change, error) {
		var changes []Change
		for api := range st.taken.under(integration) {
			changes = append(changes, st.taken.remove(integration, api)...)
		}
		return changes, nil
	})
}

// ForgetSent implements [Ingests].
func (s *FileStore) ForgetSent(_ context.Context, integration string, apis []string) error {
	return s.write(func(st *state) ([]Change, error) {
		var changes []Change
		for _, api := range apis {
			changes = slices.Concat(changes, st.plans.remove(integration, api), st.claims.remove(integration, api),
				st.taken.remove(integration, api))
		}
		return changes, nil
	})
}

// SaveClaims implements [Ingests].
func (s *FileStore) SaveClaims(_ context.Context, integration string, lost map[string][]string) error {
	return s.write(func(st *state) ([]Change, error) {
		changes, err := setIDs(st.claims, lost, integration)
		for api := range st.claims.under(integration) {
			if _, stays := lost[api]; !stays {
				changes = append(changes, st.claims.remove(integration, api)...)
			}
		}
		return changes, err
	})
}

// setIDs gives the changes that set rows of ids, each once and in order, where they differ: an ingest with nothing
// changed costs no write.
func setIDs(t table[[]string], rows map[string][]string, integration string) ([]Change, error) {
	var changes []Change
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		ids := append([]string{}, rows[key]...) // never nil, which would be written as null
		slices.Sort(ids)
		ids = slices.Compact(ids)
		if known, ok := t.get(integration, key); ok && slices.Equal(known, ids) {
			continue
		}
		change, err := t.set(ids, integration, key)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change...)
	}
	return changes, nil
}

// AreAllSent says that these are all APIs that were ever sent.
func AreAllSent(ctx context.Context, journal Ingests, integration string, ids []string) bool {
	sent, err := journal.Sent(ctx, integration)
	for _, id := range ids {
		delete(sent.Plans, id)
	}
	return err == nil && len(sent.Plans) == 0
}
