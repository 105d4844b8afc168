package status

import (
	"maps"
	"slices"
	"time"
)

// IngestsKept is how many ended ingests of an integration are kept. An ingest a day makes that three weeks.
const IngestsKept = 20

// Ingested is what is noted of an integration's ingests.
type Ingested struct {
	IngestedAPIs uint64 `json:"apisIngested"`
	// OmittedAPIs are the APIs that ingests left out though AWS has them, all in all.
	OmittedAPIs uint64 `json:"apisLeftOut"`
	// OmittedBy is the same by reason.
	OmittedBy map[string]uint64 `json:"apisLeftOutByReason,omitempty"`
	// Succeeded and Failed count the ingests that ended.
	Succeeded uint64 `json:"ingestsSucceeded"`
	Failed    uint64 `json:"ingestsFailed"`
	// LastSuccess is when one last ended as a success; zero if none has.
	LastSuccess time.Time `json:"lastSuccessAt,omitzero"`
	// IngestsTook is how long they took.
	IngestsTook *Histogram `json:"-"`
	// LastIngest is the newest of History.
	LastIngest *Ingest `json:"lastIngest,omitempty"`
	// History is the last [IngestsKept], the newest first.
	History []Ingest `json:"ingestHistory"`
	// Progress is how far those are that run, by job.
	Progress map[string]Progress `json:"-"`
}

// Ingest is how an ingest job ended.
type Ingest struct {
	Job     string    `json:"job"`
	Started time.Time `json:"startedAt"`
	At      time.Time `json:"endedAt"`
	// Sent and Omitted are numbers of APIs: those that APIM has acknowledged, and those that were left out though AWS has
	// them. WithoutDocument are those of Sent that went out without one.
	Sent            int `json:"sent"`
	WithoutDocument int `json:"withoutDocument"`
	// Unchanged are the APIs that were not sent, because APIM has them as they are.
	Unchanged int `json:"unchanged,omitempty"`
	Omitted   int `json:"leftOut"`
	// OmittedBy is Omitted by reason. Each is the name of one of gateway's reasons.
	OmittedBy map[string]int `json:"leftOutByReason,omitempty"`
	// LeftOut says why, with the first few of them.
	LeftOut []string `json:"leftOutExamples,omitempty"`
	// Failure is why it ended without `done`, so that APIM shows no success.
	Failure string `json:"failure,omitempty"`
}

// Progress is how far a running ingest is, in numbers of APIs. AWS's quota decides how long their documents take, so
// they tell more than what has been sent.
type Progress struct {
	Started time.Time
	// Total is how many APIs there are to make ready; zero while AWS is being listed.
	Total int
	// Done are those of them whose document is there, or that go without one, or are left out.
	Done int
	// Omitted are all that are left out, also those that are not in Total because AWS did not list them.
	Omitted int
	// Sent are those that APIM has acknowledged.
	Sent int
}

// Ingested counts APIs that APIM has acknowledged; one that is ingested again counts again.
func (b *Board) Ingested(id string, apis int) {
	b.with(id, func(i *integration) { i.IngestedAPIs += uint64(apis) })
}

// Ingesting notes how far a running job is.
func (b *Board) Ingesting(id, job string, p Progress) {
	b.with(id, func(i *integration) {
		if i.Progress == nil {
			i.Progress = map[string]Progress{}
		}
		p.Started = p.Started.UTC()
		i.Progress[job] = p
	})
}

// IngestGone notes that a job runs no more, however it ended.
func (b *Board) IngestGone(id, job string) {
	b.with(id, func(i *integration) { delete(i.Progress, job) })
}

// NoIngest notes that no job runs.
func (b *Board) NoIngest(id string) {
	b.with(id, func(i *integration) { clear(i.Progress) })
}

// IngestEnded notes the end of an ingest job. The caller leaves its lists alone from then on.
func (b *Board) IngestEnded(id string, e Ingest) {
	b.with(id, func(i *integration) {
		e.Started, e.At, e.Failure = e.Started.UTC(), e.At.UTC(), cut(e.Failure)
		e.LeftOut = slices.Clone(e.LeftOut)
		for n, example := range e.LeftOut {
			e.LeftOut[n] = cut(example)
		}
		i.OmittedAPIs += uint64(e.Omitted)
		for reason, n := range e.OmittedBy {
			if i.OmittedBy == nil {
				i.OmittedBy = map[string]uint64{}
			}
			i.OmittedBy[reason] += uint64(n)
		}
		if e.Failure == "" {
			i.Succeeded++
			i.LastSuccess = e.At
		} else {
			i.Failed++
		}
		i.IngestsTook = i.IngestsTook.with(ingestBounds, e.At.Sub(e.Started))
		i.History = slices.Insert(i.History[:min(len(i.History), IngestsKept-1)], 0, e)
		delete(i.Progress, e.Job)
	})
}

func (g Ingested) clone() Ingested {
	g.OmittedBy, g.IngestsTook, g.Progress = maps.Clone(g.OmittedBy), g.IngestsTook.clone(), maps.Clone(g.Progress)
	g.History = append([]Ingest{}, g.History...)
	if len(g.History) > 0 {
		g.LastIngest = &g.History[0]
	}
	return g
}
