package tablestore

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/store"
)

// history is what the ingests of one integration have done: what is to be known of each running job, and how APIM has
// each API. It changes only by [change]s, so that all processes that read the same ones know the same.
type history struct {
	Jobs map[string]job `json:"jobs"`
	// Plans, Claims and Taken are by API; see [store.Sent].
	Plans  map[string][]string `json:"plans"`
	Claims map[string][]string `json:"claims"`
	Taken  map[string]string   `json:"taken"`
	// Senders are, by API, which job sent it last, and by which change: of the jobs that run, and of those that ended after
	// the last one began.
	Senders map[string]sender `json:"senders,omitempty"`
	// Ended are the last jobs of processes that have ended, at most [mostEnded].
	Ended []string `json:"ended,omitempty"`
}

// mostEnded is how many of the jobs that have ended are known. APIM has one at a time of an integration, and whoever does
// not know that a job of his has ended learns it within minutes, or gives it up.
const mostEnded = 16

type sender struct {
	Job    string `json:"job"`
	Change int64  `json:"change"`
}

// job is a running ingest. Its owner alone may send for it.
type job struct {
	Owner    string    `json:"owner"`
	APIIDs   []string  `json:"apiIds,omitempty"`
	Started  time.Time `json:"started"`
	LastAck  time.Time `json:"lastAck,omitzero"`
	Total    int       `json:"total"`
	DoneSent bool      `json:"doneSent,omitempty"`
	Acked    []string  `json:"acked,omitempty"`
	// Began is the first change that its lists of plans were judged without, or the change that made it where that is not
	// known.
	Began int64 `json:"began,omitempty"`
}

// change is one step. Fields that are not set change nothing; one that this version does not know is skipped.
type change struct {
	// Job is the job that the next six are of. Begin makes it; Owner takes it over; Sends says that Plans are its own.
	Job      string    `json:"job,omitempty"`
	Begin    *job      `json:"begin,omitempty"`
	Owner    string    `json:"owner,omitempty"`
	Acked    []string  `json:"acked,omitempty"`
	AckedAt  time.Time `json:"ackedAt,omitzero"`
	DoneSent bool      `json:"doneSent,omitempty"`
	End      bool      `json:"end,omitempty"`
	Sends    bool      `json:"sends,omitempty"`

	Plans   map[string][]string  `json:"plans,omitempty"`
	Taken   map[string]string    `json:"taken,omitempty"`
	Untaken []string             `json:"untaken,omitempty"`
	Forget  []string             `json:"forget,omitempty"`
	Claims  *map[string][]string `json:"claims,omitempty"`
}

// nothing: there is nothing to be written.
func (c change) nothing() bool {
	return c.Job == "" && c.Plans == nil && c.Taken == nil && c.Untaken == nil && c.Forget == nil && c.Claims == nil
}

func newHistory() history {
	return history{
		Jobs: map[string]job{}, Plans: map[string][]string{}, Claims: map[string][]string{}, Taken: map[string]string{},
		Senders: map[string]sender{},
	}
}

// with is the history after a change of that number. What is read elsewhere stays as it is.
func (h history) with(c change, number int64) history {
	h = history{
		Jobs: maps.Clone(h.Jobs), Plans: maps.Clone(h.Plans), Claims: maps.Clone(h.Claims), Taken: maps.Clone(h.Taken),
		Senders: maps.Clone(h.Senders), Ended: h.Ended,
	}
	if c.Begin != nil {
		begun := *c.Begin
		begun.Began = cmp.Or(begun.Began, number)
		if len(h.Jobs) == 0 { // nobody else is left to be overtaken
			maps.DeleteFunc(h.Senders, func(_ string, by sender) bool { return by.Change < begun.Began })
		}
		h.Jobs[c.Job] = begun
	}
	if j, runs := h.Jobs[c.Job]; runs && c.End {
		if j.Owner != "" { // else no process began it, and none may return to it
			h.Ended = append(slices.Clone(h.Ended[max(0, len(h.Ended)+1-mostEnded):]), c.Job)
		}
		delete(h.Jobs, c.Job)
	} else if runs {
		if c.Owner != "" {
			j.Owner = c.Owner
		}
		if c.AckedAt.After(j.LastAck) {
			j.LastAck = c.AckedAt
		}
		for _, api := range c.Acked {
			if !slices.Contains(j.Acked, api) {
				j.Acked = append(slices.Clip(j.Acked), api)
			}
		}
		j.DoneSent = j.DoneSent || c.DoneSent
		h.Jobs[c.Job] = j
	}
	for api, plans := range c.Plans {
		h.Plans[api] = plans
		delete(h.Taken, api)
		if c.Sends {
			h.Senders[api] = sender{Job: c.Job, Change: number}
		}
	}
	maps.Copy(h.Taken, c.Taken)
	for _, api := range c.Untaken {
		delete(h.Taken, api)
	}
	for _, api := range c.Forget {
		delete(h.Plans, api)
		delete(h.Claims, api)
		delete(h.Taken, api)
	}
	if c.Claims != nil {
		h.Claims = *c.Claims
	}
	return h
}

// overtaken are those of these APIs that another job has sent since what this one sends was judged. It may have listed AWS
// earlier all the same; then APIM has it as before, and the next ingest brings what is newer.
func (h history) overtaken(jobID string, plans map[string][]string) (apis []string) {
	began := h.Jobs[jobID].Began
	for api := range plans {
		if by, sent := h.Senders[api]; sent && by.Job != jobID && by.Change >= began {
			apis = append(apis, api)
		}
	}
	slices.Sort(apis)
	return apis
}

// sentLast are those of these APIs that no other job has sent since: how APIM took them says how it has them.
func (h history) sentLast(jobID string, taken map[string]string) map[string]string {
	taken = maps.Clone(taken)
	maps.DeleteFunc(taken, func(api, _ string) bool { return h.Senders[api].Job != jobID })
	return taken
}

// running gives the jobs that have not ended, the earliest first.
func (h history) running(integration string) []store.IngestJob {
	var all []store.IngestJob
	for id, j := range h.Jobs {
		all = append(all, store.IngestJob{
			OwnedJob: store.OwnedJob{Integration: integration, JobID: id, Owner: j.Owner}, APIIDs: slices.Clone(j.APIIDs),
			StartedAt: j.Started, LastAckAt: j.LastAck, Total: j.Total, Acked: slices.Clone(j.Acked), DoneSent: j.DoneSent,
		})
	}
	slices.SortFunc(all, func(a, b store.IngestJob) int {
		if order := a.StartedAt.Compare(b.StartedAt); order != 0 {
			return order
		}
		return strings.Compare(a.JobID, b.JobID)
	})
	return all
}

// pack makes compressed JSON of a value.
func pack(v any) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrInvalid, err)
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// maxPacked bounds what is unpacked: 100 times what is ever written.
const maxPacked = 1 << 30

func unpack(packed []byte, v any) error {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	return json.NewDecoder(io.LimitReader(r, maxPacked)).Decode(v)
}
