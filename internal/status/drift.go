package status

import (
	"maps"
	"time"
)

// Reconciled is what is noted of the schedule, and of how AWS and APIM differ.
type Reconciled struct {
	Schedule *Schedule `json:"schedule,omitempty"`
	// Events is nil if no queue is configured.
	Events *Events `json:"events,omitempty"`
	// Drift is the last report; nil if APIM is not asked. Its instant is zero while there is none.
	Drift *Drift `json:"drift,omitempty"`
	// Removal is nil where what AWS has deleted is only reported.
	Removal *Removal `json:"removal,omitempty"`
}

// Schedule is what is noted of ingests on a schedule.
type Schedule struct {
	// Next is when the next one begins, if this agent is the primary then.
	Next time.Time `json:"nextAt"`
	// Rounds counts what came of them.
	Rounds map[RoundResult]uint64 `json:"rounds"`
	// Last is the last that was tried.
	Last *Round `json:"last,omitempty"`
}

// Round is one try at a scheduled ingest.
type Round struct {
	At     time.Time   `json:"at"`
	Result RoundResult `json:"result"`
	// Sent is how many APIs APIM was asked to ingest.
	Sent int `json:"sent,omitempty"`
	// Why says why it was put off or failed.
	Why string `json:"why,omitempty"`
}

// RoundResult says what came of a try at a scheduled ingest.
type RoundResult string

// The results.
const (
	// RoundSent: APIM was asked to ingest what has changed.
	RoundSent RoundResult = "sent"
	// RoundUnchanged: nothing has changed.
	RoundUnchanged RoundResult = "unchanged"
	// RoundPutOff: it must not begin yet, and is tried again some minutes later.
	RoundPutOff RoundResult = "put_off"
	// RoundDropped: it could not begin before the next one is due, or for too long.
	RoundDropped RoundResult = "dropped"
	// RoundFailed: AWS or APIM could not be asked, or APIM refused.
	RoundFailed RoundResult = "failed"
)

// RoundResults are all results.
func RoundResults() []RoundResult {
	return []RoundResult{RoundSent, RoundUnchanged, RoundPutOff, RoundDropped, RoundFailed}
}

// Drift is how AWS and APIM differed when they were last compared.
type Drift struct {
	At time.Time `json:"at,omitzero"`
	// InAPIM is how many APIs APIM has of the integration.
	InAPIM int `json:"inApim"`
	// Counts are the APIs that differ, by kind. Examples are the first few of each.
	Counts   map[string]int         `json:"counts"`
	Examples map[string][]DriftItem `json:"examples,omitempty"`
	// Unlisted are the targets of which nothing is known, with the reason.
	Unlisted []string `json:"unlisted,omitempty"`
	// Doubt says why the report cannot be right.
	Doubt string `json:"doubt,omitempty"`
}

// DriftItem is one API that differs.
type DriftItem struct {
	ID     string `json:"id,omitempty"`
	APIMID string `json:"apimId"`
	Name   string `json:"name"`
	Why    string `json:"why,omitempty"`
	Text   string `json:"text,omitempty"`
}

// Compares notes that AWS and APIM are compared, by which kinds they may differ.
func (b *Board) Compares(id string, kinds []string) {
	b.with(id, func(i *integration) {
		if i.Drift == nil {
			i.Drift = &Drift{Counts: map[string]int{}}
			for _, kind := range kinds {
				i.Drift.Counts[kind] = 0
			}
		}
	})
}

// Drifted notes how AWS and APIM differ now. The caller leaves its lists alone from then on.
func (b *Board) Drifted(id string, d Drift) {
	d.At = d.At.UTC()
	for _, items := range d.Examples {
		for n := range items {
			items[n].Name, items[n].Text = cut(items[n].Name), cut(items[n].Text)
		}
	}
	b.with(id, func(i *integration) { i.Drift = &d })
}

// RoundDue notes when the next scheduled ingest begins.
func (b *Board) RoundDue(id string, at time.Time) {
	b.with(id, func(i *integration) { i.scheduled().Next = at.UTC() })
}

// Rounded counts a try at a scheduled ingest.
func (b *Board) Rounded(id string, r Round) {
	r.At, r.Why = r.At.UTC(), cut(r.Why)
	b.with(id, func(i *integration) {
		s := i.scheduled()
		s.Rounds[r.Result]++
		s.Last = &r
	})
}

func (r *Reconciled) scheduled() *Schedule {
	if r.Schedule == nil {
		r.Schedule = &Schedule{Rounds: map[RoundResult]uint64{}}
		for _, result := range RoundResults() {
			r.Schedule.Rounds[result] = 0
		}
	}
	return r.Schedule
}

// clone copies what changes. A report is replaced as a whole.
func (r Reconciled) clone() Reconciled {
	if r.Schedule != nil {
		s := *r.Schedule
		s.Rounds = maps.Clone(s.Rounds)
		r.Schedule = &s
	}
	r.Removal = r.Removal.clone()
	r.Events = r.Events.clone()
	return r
}
