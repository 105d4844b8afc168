package store

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// state is all that a Store knows, in memory. It changes only through apply, whose input is what goes to the disk: so
// what is read before a restart and after it cannot differ.
type state struct {
	keys     map[string]KeyRecord
	jobs     map[jobRef]*jobState
	listings map[string]map[string][]RememberedAPI // by integration, then target
	plans    map[string]map[string][]string        // by integration, then API
}

type jobRef struct{ integration, jobID string }

type jobState struct {
	header jobHeader
	acks   map[int]jobAck // by their number
	acked  map[string]bool
}

func newState() *state {
	return &state{
		keys:     map[string]KeyRecord{},
		jobs:     map[jobRef]*jobState{},
		listings: map[string]map[string][]RememberedAPI{},
		plans:    map[string]map[string][]string{},
	}
}

func (j *jobState) nextAck() int {
	next := 0
	for seq := range j.acks {
		next = max(next, seq+1)
	}
	return next
}

func (j *jobState) public(ref jobRef) IngestJob {
	job := IngestJob{
		Integration: ref.integration, JobID: ref.jobID, APIIDs: slices.Clone(j.header.APIIDs),
		StartedAt: j.header.StartedAt, Total: j.header.Total, DoneSent: j.header.DoneSent,
	}
	for _, seq := range slices.Sorted(maps.Keys(j.acks)) {
		ack := j.acks[seq]
		job.Acked = append(job.Acked, ack.APIIDs...)
		if ack.At.After(job.LastAckAt) {
			job.LastAckAt = ack.At
		}
	}
	return job
}

// apply sets or deletes one row. An error leaves the state as it was.
func (st *state) apply(c Change) error {
	switch c.Table {
	case tableKeys:
		return st.applyKey(c)
	case tableJobs:
		return st.applyJob(c)
	case tableAcks:
		return st.applyAck(c)
	case tableListings:
		var apis []RememberedAPI
		return applyNested(st.listings, c, &apis)
	case tablePlans:
		var planIDs []string
		return applyNested(st.plans, c, &planIDs)
	}
	return fmt.Errorf("%w: there is no table %q", errDamagedRow, c.Table)
}

func (st *state) applyKey(c Change) error {
	id, err := splitRowKey(c.Key, 1)
	if err != nil {
		return err
	}
	if c.Value == nil {
		delete(st.keys, id[0])
		return nil
	}
	var rec KeyRecord
	if err := decodeRow(c, &rec); err != nil {
		return err
	}
	if rec.ID != id[0] || !rec.State.Valid() {
		return fmt.Errorf("%w: key record %q has the id %q and the state %q", errDamagedRow, id[0], rec.ID, rec.State)
	}
	st.keys[rec.ID] = rec
	return nil
}

func (st *state) applyJob(c Change) error {
	parts, err := splitRowKey(c.Key, 2)
	if err != nil {
		return err
	}
	ref := jobRef{parts[0], parts[1]}
	if c.Value == nil {
		delete(st.jobs, ref)
		return nil
	}
	var header jobHeader
	if err := decodeRow(c, &header); err != nil {
		return err
	}
	if job, ok := st.jobs[ref]; ok {
		job.header = header
		return nil
	}
	st.jobs[ref] = &jobState{header: header, acks: map[int]jobAck{}, acked: map[string]bool{}}
	return nil
}

func (st *state) applyAck(c Change) error {
	parts, err := splitRowKey(c.Key, 3)
	if err != nil {
		return err
	}
	seq, err := strconv.ParseUint(parts[2], 16, 31)
	if err != nil {
		return fmt.Errorf("%w: %q does not number an acknowledgement", errDamagedRow, parts[2])
	}
	job, ok := st.jobs[jobRef{parts[0], parts[1]}]
	if c.Value == nil {
		if ok {
			for _, id := range job.acks[int(seq)].APIIDs {
				delete(job.acked, id)
			}
			delete(job.acks, int(seq))
		}
		return nil
	}
	if !ok {
		return fmt.Errorf("%w: an acknowledgement of job %q, which is not there", errDamagedRow, parts[1])
	}
	var ack jobAck
	if err := decodeRow(c, &ack); err != nil {
		return err
	}
	job.acks[int(seq)] = ack
	for _, id := range ack.APIIDs {
		job.acked[id] = true
	}
	return nil
}

func applyNested[T any](into map[string]map[string]T, c Change, value *T) error {
	parts, err := splitRowKey(c.Key, 2)
	if err != nil {
		return err
	}
	if c.Value == nil {
		delete(into[parts[0]], parts[1])
		if len(into[parts[0]]) == 0 {
			delete(into, parts[0])
		}
		return nil
	}
	if err := decodeRow(c, value); err != nil {
		return err
	}
	if into[parts[0]] == nil {
		into[parts[0]] = map[string]T{}
	}
	into[parts[0]][parts[1]] = *value
	return nil
}

// rows gives everything as it stands on disk, a job before its acknowledgements.
func (st *state) rows() ([]Change, error) {
	var all []Change
	add := func(row Row, v any) error {
		change, err := encodeRow(row, v)
		all = append(all, change)
		return err
	}
	for id, rec := range st.keys {
		if err := add(Row{tableKeys, rowKey(id)}, rec); err != nil {
			return nil, err
		}
	}
	for ref, job := range st.jobs {
		if err := add(jobRow(ref.integration, ref.jobID), job.header); err != nil {
			return nil, err
		}
		for seq, ack := range job.acks {
			if err := add(ackRow(ref.integration, ref.jobID, seq), ack); err != nil {
				return nil, err
			}
		}
	}
	for integration, targets := range st.listings {
		for target, apis := range targets {
			if err := add(Row{tableListings, rowKey(integration, target)}, apis); err != nil {
				return nil, err
			}
		}
	}
	for integration, apis := range st.plans {
		for apiID, planIDs := range apis {
			if err := add(Row{tablePlans, rowKey(integration, apiID)}, planIDs); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}
