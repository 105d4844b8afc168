package store

import (
	"cmp"
	"fmt"
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
	Integration string
	JobID       string
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
	// DoneSent is true from just before `done` was first sent: where its reply was lost it may be sent again.
	DoneSent bool
}

// IngestJobs remembers running ingests, so that they are resumed after a dropped session or a restart. It does not
// promise that this process is the only one that writes.
type IngestJobs interface {
	// Start writes a job, durably. A job that is there already is left as it is with all its acknowledgements.
	Start(IngestJob) error
	// Acknowledge adds the APIs of a batch that APIM answered SUCCEEDED; none for an empty INGEST that only moved the
	// deadline. It may become durable up to AckFlushInterval later. [ErrUnknownJob] when there is no such job.
	Acknowledge(integration, jobID string, apiIDs []string, at time.Time) error
	// SendingDone is called, and is durable, before `done` is sent. [ErrUnknownJob] when there is no such job.
	SendingDone(integration, jobID string) error
	// Finish forgets a job, durably; one that is not there is no error.
	Finish(integration, jobID string) error
	// Running gives the jobs of an integration that have not ended, the earliest first.
	Running(integration string) ([]IngestJob, error)
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

// Start implements [IngestJobs].
func (s *FileStore) Start(job IngestJob) error {
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

// Acknowledge implements [IngestJobs].
func (s *FileStore) Acknowledge(integration, jobID string, apiIDs []string, at time.Time) error {
	due := false
	err := s.stage(func(st *state) ([]Change, error) {
		if _, ok := st.jobs.get(integration, jobID); !ok {
			return nil, fmt.Errorf("%w: %s", ErrUnknownJob, jobID)
		}
		since := at.Sub(s.lastAckFlush)
		due = since < 0 || since >= AckFlushInterval // a clock that was set back counts as an interval
		if due {
			s.lastAckFlush = at
		}
		return st.ack(integration, jobID, apiIDs, at)
	})
	if err != nil || !due {
		return err
	}
	return s.flush(false)
}

// SendingDone implements [IngestJobs].
func (s *FileStore) SendingDone(integration, jobID string) error {
	return s.write(func(st *state) ([]Change, error) {
		header, ok := st.jobs.get(integration, jobID)
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrUnknownJob, jobID)
		}
		header.DoneSent = true
		return st.jobs.set(header, integration, jobID)
	})
}

// Finish implements [IngestJobs].
func (s *FileStore) Finish(integration, jobID string) error {
	return s.write(func(st *state) ([]Change, error) {
		return append(st.acksGone(integration, jobID), st.jobs.remove(integration, jobID)...), nil
	})
}

// Running implements [IngestJobs].
func (s *FileStore) Running(integration string) ([]IngestJob, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []IngestJob
	for jobID, header := range s.state.jobs.under(integration) {
		job := IngestJob{
			Integration: integration, JobID: jobID, APIIDs: slices.Clone(header.APIIDs),
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
