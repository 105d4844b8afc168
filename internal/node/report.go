package node

import (
	"cmp"
	"context"
	"slices"
	"time"

	"federation-agent/internal/gateway"
	"federation-agent/internal/keys"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/words"
)

// report is the status page as data. The names and forms of its fields do not change between versions; new ones may be
// added.
type report struct {
	Now   time.Time   `json:"now"`
	Agent agentReport `json:"agent"`
	// Attention is everything that needs somebody, the most urgent first.
	Attention []attention `json:"attention"`
	Store     storeReport `json:"store"`
	Keys      keysReport  `json:"keys"`
	Quotas    []quota     `json:"quotas"`
	Serving   []served    `json:"integrations"`
}

type agentReport struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	// StartedAt is when the process began to serve this.
	StartedAt time.Time `json:"startedAt"`
}

type storeReport struct {
	// Durable is true while what is written outlives the process.
	Durable  bool     `json:"durable"`
	Messages []string `json:"messages,omitempty"`
	// Shared is there where the journal is a table, which several agents may share.
	*status.Shared `json:"shared,omitempty"`
}

// keysReport is the key journal without the delivered keys, which need no attention.
type keysReport struct {
	Problem string `json:"problem,omitempty"`
	// What somebody has acknowledged is only in its number and in [api.listKeys].
	Unconfirmed []keyReport `json:"unconfirmed"`
	LostCreates []keyReport `json:"lostCreates"`
	// UnderWay are keys that are being made or answered, BeingDeleted those that are being deleted.
	UnderWay     int `json:"underWay"`
	BeingDeleted int `json:"beingDeleted"`
	// Backlog is how many keys are in each of the states that pass, and since when the oldest is, by integration.
	Backlog map[string]backlog `json:"backlog"`
	// Deletions names the keys that are being deleted, Unserved those of them that nothing configured reaches.
	Deletions []keyReport `json:"deletions"`
	Unserved  []keyReport `json:"unserved"`
	// Acknowledged is how many of these kinds somebody has looked at.
	Acknowledged int `json:"acknowledged"`
}

type keyReport struct {
	// Record is the id under which the agent knows the key, also one that has none in AWS.
	Record string     `json:"id"`
	State  keys.State `json:"state"`
	// ID is AWS's id of the key, absent for a lost create.
	ID string `json:"keyId,omitempty"`
	// Name is the key's name in AWS: application and subscription.
	Name string `json:"keyName"`
	status.Place
	UsagePlan    string    `json:"usagePlanId"`
	Integration  string    `json:"integration"`
	Subscription string    `json:"subscription"`
	API          string    `json:"api"`
	APIName      string    `json:"apiName,omitempty"`
	Since        time.Time `json:"since"`
	Reason       string    `json:"reason,omitempty"`
	// LastError is why it could not be deleted, or looked for, the last time.
	LastError string `json:"lastError,omitempty"`
	// Do is what somebody should do about it.
	Do string `json:"do"`
	// alone: the agent does it.
	alone bool
	// Acknowledged says who has looked at it.
	Acknowledged keys.Acknowledgement `json:"acknowledged,omitzero"`
}

type quota struct {
	status.Place
	status.Quota
	// Said says why that much of a shared quota is lent to this agent.
	Said string `json:"said,omitempty"`
	// OthersSaid says why so much is allowed where the share is chosen by itself.
	OthersSaid string `json:"othersSaid,omitempty"`
	// Calls and Throttled are since the process began.
	Calls     uint64 `json:"calls"`
	Throttled uint64 `json:"throttled"`
	// LastHour is the last hour by the minute, the oldest first; minutes without a call are left out.
	LastHour []status.Minute `json:"lastHour"`
}

type served struct {
	status.Integration
	Ingests  []ingestReport  `json:"ingests"`
	Commands []commandReport `json:"commands"`
}

type ingestReport struct {
	Job       string    `json:"job"`
	StartedAt time.Time `json:"startedAt"`
	LastAckAt time.Time `json:"lastAcknowledgedAt,omitzero"`
	Total     int       `json:"total"`
	Acked     int       `json:"acknowledged"`
	Ending    bool      `json:"ending"`
	// DocumentsTotal is how many APIs are to be made ready, 0 while AWS is being listed. DocumentsDone are those of them
	// whose document is there, or that go without one, or are left out. They run ahead of Acked.
	DocumentsTotal int `json:"documentsTotal"`
	DocumentsDone  int `json:"documentsDone"`
	LeftOut        int `json:"leftOut"`
}

type commandReport struct {
	status.Command
	Count uint64 `json:"count"`
}

// journalWithin bounds what is read of the journal for the page, a probe or a scrape, which have no more time. A file is
// read in memory.
const journalWithin = 800 * time.Millisecond

func (a *api) report(ctx context.Context) report {
	board := a.Board.Read()
	ctx, cancel := a.journalTime(ctx, board)
	defer cancel()
	r := report{
		Now:    a.Now().UTC(),
		Agent:  agentReport{ID: a.ID, Version: a.Build.Version, Commit: a.Build.Commit, Go: a.Build.Go, StartedAt: a.started},
		Store:  a.storeReport(board),
		Keys:   a.keys(ctx, board),
		Quotas: a.quotasOf(board), Serving: make([]served, 0, len(board.Integrations)),
	}
	for _, i := range board.Integrations {
		r.Serving = append(r.Serving, a.serving(ctx, i))
	}
	r.Attention = needs(r)
	return r
}

// journalTime bounds what is asked of the journal. Nobody waits for a table that is away.
func (a *api) journalTime(ctx context.Context, board status.Snapshot) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, journalWithin)
	if s := board.Shared; s != nil && s.Failure != "" {
		cancel()
	}
	return ctx, cancel
}

func (a *api) storeReport(board status.Snapshot) storeReport {
	h := a.StoreHealth()
	return storeReport{Durable: h.Durable, Messages: h.Messages, Shared: board.Shared}
}

// keys reads the journal. Delivered keys, by far the most, are not copied.
func (a *api) keys(ctx context.Context, board status.Snapshot) keysReport {
	out := keysReport{
		Unconfirmed: []keyReport{}, LostCreates: []keyReport{}, Deletions: []keyReport{}, Unserved: []keyReport{},
		Backlog: map[string]backlog{},
	}
	for _, i := range board.Integrations {
		out.Backlog[i.ID] = backlog{}
	}
	if s := board.Shared; s != nil && s.Failure != "" { // nobody waits for a table that is away
		out.Problem = s.Failure
		return out
	}
	ctx, cancel := a.journalTime(ctx, board)
	defer cancel()
	records, err := store.Records(ctx, a.Keys, store.Filter{States: []keys.State{
		keys.Unconfirmed, keys.LostCreate, keys.Deleting,
		keys.Intent, keys.Creating, keys.Created, keys.Attached, keys.Answered,
	}}, true)
	if err != nil {
		out.Problem = err.Error()
	}
	for _, r := range records {
		if r.IsAcknowledged() {
			out.Acknowledged++
			if r.State != keys.Deleting {
				continue
			}
		} else { // what somebody has looked at asks for nobody
			out.Backlog[r.Integration] = out.Backlog[r.Integration].with(r)
		}
		switch r.State {
		case keys.Unconfirmed:
			out.Unconfirmed = append(out.Unconfirmed, a.keyOf(r))
		case keys.LostCreate:
			out.LostCreates = append(out.LostCreates, a.keyOf(r))
		case keys.Deleting:
			key := a.keyOf(r)
			key.Do = board.Unserved[r.ID]
			out.Deletions = append(out.Deletions, key)
			if key.Do != "" && !r.IsAcknowledged() {
				out.Unserved = append(out.Unserved, key)
			}
		default:
			out.UnderWay++
		}
	}
	out.BeingDeleted = len(out.Deletions)
	return out
}

func (a *api) keyOf(r keys.Record) keyReport {
	do, alone := r.Advice(a.Looks, a.Now())
	return keyReport{
		Record: r.ID, State: r.State, Acknowledged: r.Acknowledged,
		ID: r.KeyID, Name: r.KeyName, Place: status.Place{Account: r.Account, Region: r.Region},
		UsagePlan: r.UsagePlanID, Integration: r.Integration, Subscription: r.SubscriptionID, API: r.APIID,
		Since: r.CreatedAt, Reason: r.Reason, LastError: r.LastError, Do: do, alone: alone,
	}
}

// othersSaid is what a share that is chosen by itself is chosen by; empty where it is a number.
func othersSaid(q status.Quota, now time.Time) string {
	said := map[gateway.Others]string{
		gateway.OthersUnknown: "work has begun, and nothing is known of others",
		gateway.OthersNone:    "nobody else is noticed",
		gateway.OthersSeen:    "somebody else was noticed",
	}[gateway.Others(q.Others)]
	if said == "" {
		return ""
	}
	return said + ", since " + words.Span(now.Sub(q.Since))
}

func (a *api) quotasOf(board status.Snapshot) []quota {
	quotas := make([]quota, 0, len(board.Quotas))
	for p, q := range board.Quotas {
		row := quota{Place: p, Quota: q, Said: lentSaid(q, board.Shared, a.Now()),
			OthersSaid: othersSaid(q, a.Now())}
		for c, n := range board.Calls {
			if c.Place == p {
				row.Calls += n
				if c.Result == status.Throttled {
					row.Throttled += n
				}
			}
		}
		row.LastHour = a.lastHour(board.Minutes[p])
		quotas = append(quotas, row)
	}
	slices.SortFunc(quotas, func(a, b quota) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region))
	})
	return quotas
}

// lastHour leaves out what is older: minutes come only with calls.
func (a *api) lastHour(minutes []status.Minute) []status.Minute {
	begin := a.Now().Add(-time.Hour)
	return slices.DeleteFunc(append([]status.Minute{}, minutes...), func(m status.Minute) bool { return m.At.Before(begin) })
}

func (a *api) serving(ctx context.Context, i status.Integration) served {
	out := served{Integration: i, Ingests: a.running(ctx, i), Commands: []commandReport{}}
	for c, n := range i.Counts {
		out.Commands = append(out.Commands, commandReport{Command: c, Count: n})
	}
	slices.SortFunc(out.Commands, func(a, b commandReport) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Outcome, b.Outcome))
	})
	return out
}

// running is the jobs that the store has, and those that APIM has not been answered yet.
func (a *api) running(ctx context.Context, i status.Integration) []ingestReport {
	out := []ingestReport{}
	jobs, _ := a.Ingests.Running(ctx, i.ID) // the store's own messages say when it cannot be read
	for _, j := range jobs {
		out = append(out, ingestReport{
			Job: j.JobID, StartedAt: j.StartedAt, LastAckAt: j.LastAckAt,
			Total: j.Total, Acked: len(j.Acked), Ending: j.DoneSent,
		}.with(i.Progress[j.JobID]))
		delete(i.Progress, j.JobID)
	}
	for job, p := range i.Progress {
		out = append(out, ingestReport{Job: job, StartedAt: p.Started, Total: p.Total, Acked: p.Sent}.with(p))
	}
	slices.SortFunc(out, func(a, b ingestReport) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.Job, b.Job))
	})
	return out
}

func (r ingestReport) with(p status.Progress) ingestReport {
	r.DocumentsTotal, r.DocumentsDone, r.LeftOut = p.Total, p.Done, p.Omitted
	return r
}
