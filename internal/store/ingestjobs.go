package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// AckFlushInterval is how far apart acknowledgements are brought to disk. A lost acknowledgement only means that
// its batch is sent once more, which APIM takes as an update; so these do not each pay for an fsync, and a busy
// ingest does not queue before the key journal.
const AckFlushInterval = time.Second

// IngestJob is an ingest that was answered and has not ended.
type IngestJob struct {
	Integration string
	JobID       string
	// APIIDs are the APIs that APIM asked for; nil means all of them.
	APIIDs    []string
	StartedAt time.Time
	// LastAckAt is when APIM last answered an INGEST of this job. APIM reads a job as timed out 5 minutes after
	// its start or the last batch (read in APIM 4.9), so it says whether the job can still go on.
	LastAckAt time.Time
	// Total is the total that START_INGEST was answered with.
	Total int
	// Acked are the APIs whose batch was acknowledged, in the order of their acknowledgement.
	Acked []string
	// DoneSent is true from just before `done` was first sent: where its reply was lost it may be sent again.
	DoneSent bool
}

// IngestJobs remembers running ingests, so that a dropped session or a restarted process goes on with them.
type IngestJobs interface {
	// Start writes a job, durably. A job that is there already is left as it is with all its acknowledgements.
	Start(IngestJob) error
	// Acknowledge adds the APIs of a batch that APIM answered SUCCEEDED; none for an empty INGEST that only moved the
	// deadline. It may reach the disk up to AckFlushInterval later. [ErrUnknownJob] when there is no such job.
	Acknowledge(integration, jobID string, apiIDs []string, at time.Time) error
	// SendingDone is called, and is durable, before `done` is sent. [ErrUnknownJob] when there is no such job.
	SendingDone(integration, jobID string) error
	// Finish forgets a job, durably; one that is not there is no error.
	Finish(integration, jobID string) error
	// Running gives the jobs of an integration, the earliest first.
	Running(integration string) ([]IngestJob, error)
}

// jobHeader is what is written once a job. The acknowledgements have rows of their own, or each batch of
// a large account would write the whole list anew.
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
	return s.write(durable, func(st *state) ([]Change, error) {
		if err := checkIDs("ingest job", job.JobID, job.Integration); err != nil {
			return nil, err
		}
		if _, ok := st.jobs[jobRef{job.Integration, job.JobID}]; ok {
			return nil, nil
		}
		header, err := encodeRow(jobRow(job.Integration, job.JobID), jobHeader{
			APIIDs: job.APIIDs, StartedAt: job.StartedAt.UTC(), Total: job.Total, DoneSent: job.DoneSent,
		})
		if err != nil {
			return nil, err
		}
		changes := []Change{header}
		if len(job.Acked) > 0 || !job.LastAckAt.IsZero() {
			ack, err := encodeRow(ackRow(job.Integration, job.JobID, 0), jobAck{At: job.LastAckAt.UTC(), APIIDs: job.Acked})
			if err != nil {
				return nil, err
			}
			changes = append(changes, ack)
		}
		return changes, nil
	})
}

// Acknowledge implements [IngestJobs].
func (s *FileStore) Acknowledge(integration, jobID string, apiIDs []string, at time.Time) error {
	return s.write(s.ackUrgency(at), func(st *state) ([]Change, error) {
		job, ok := st.jobs[jobRef{integration, jobID}]
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrUnknownJob, jobID)
		}
		var fresh []string
		for _, id := range apiIDs {
			if !job.acked[id] && !slices.Contains(fresh, id) {
				fresh = append(fresh, id)
			}
		}
		ack, err := encodeRow(ackRow(integration, jobID, job.nextAck()), jobAck{At: at.UTC(), APIIDs: fresh})
		return []Change{ack}, err
	})
}

// SendingDone implements [IngestJobs].
func (s *FileStore) SendingDone(integration, jobID string) error {
	return s.write(durable, func(st *state) ([]Change, error) {
		job, ok := st.jobs[jobRef{integration, jobID}]
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrUnknownJob, jobID)
		}
		header := job.header
		header.DoneSent = true
		change, err := encodeRow(jobRow(integration, jobID), header)
		return []Change{change}, err
	})
}

// Finish implements [IngestJobs].
func (s *FileStore) Finish(integration, jobID string) error {
	return s.write(durable, func(st *state) ([]Change, error) {
		job, ok := st.jobs[jobRef{integration, jobID}]
		if !ok {
			return nil, nil
		}
		var changes []Change
		for _, seq := range slices.Sorted(maps.Keys(job.acks)) {
			changes = append(changes, Change{Row: ackRow(integration, jobID, seq)})
		}
		return append(changes, Change{Row: jobRow(integration, jobID)}), nil
	})
}

// Running implements [IngestJobs].
func (s *FileStore) Running(integration string) ([]IngestJob, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []IngestJob
	for ref, job := range s.state.jobs {
		if ref.integration == integration {
			found = append(found, job.public(ref))
		}
	}
	slices.SortFunc(found, func(a, b IngestJob) int {
		if c := a.StartedAt.Compare(b.StartedAt); c != 0 {
			return c
		}
		return strings.Compare(a.JobID, b.JobID)
	})
	return found, nil
}
