package node

import (
	"cmp"
	"slices"
	"time"

	"federation-agent/internal/status"
	"federation-agent/internal/store"
)

// report is the status page as data. Names and forms of its fields do not change between versions; some may be added.
type report struct {
	Now     time.Time   `json:"now"`
	Agent   agentReport `json:"agent"`
	Store   storeReport `json:"store"`
	Keys    keysReport  `json:"keys"`
	Quotas  []quota     `json:"quotas"`
	Serving []served    `json:"integrations"`
}

type agentReport struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

type storeReport struct {
	// Durable is true while what is written outlives the process.
	Durable  bool     `json:"durable"`
	Messages []string `json:"messages,omitempty"`
}

// keysReport is what the key journal says, but for the keys that were delivered: there is nothing to be done about those.
type keysReport struct {
	Problem     string      `json:"problem,omitempty"`
	Unconfirmed []keyReport `json:"unconfirmed"`
	LostCreates []keyReport `json:"lostCreates"`
	// UnderWay are keys being made or answered, BeingDeleted those on their way out.
	UnderWay     int `json:"underWay"`
	BeingDeleted int `json:"beingDeleted"`
}

type keyReport struct {
	// ID is AWS's id of the key, absent for a lost create.
	ID string `json:"keyId,omitempty"`
	// Name is what the key was asked for under: application and subscription.
	Name         string    `json:"keyName"`
	Account      string    `json:"account"`
	Region       string    `json:"region"`
	UsagePlan    string    `json:"usagePlanId"`
	Integration  string    `json:"integration"`
	Subscription string    `json:"subscription"`
	API          string    `json:"api"`
	Since        time.Time `json:"since"`
	Reason       string    `json:"reason,omitempty"`
	// Do is what somebody should do about it.
	Do string `json:"do"`
}

type quota struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	// Rate is what the agent allows itself now, Share the most that it would, in requests a second.
	Rate  float64 `json:"rate"`
	Share float64 `json:"share"`
	// Calls and Throttled are since the process began.
	Calls     uint64 `json:"calls"`
	Throttled uint64 `json:"throttled"`
}

type served struct {
	ID       string          `json:"id"`
	Session  sessionReport   `json:"session"`
	Guard    []string        `json:"planGuardHolds,omitempty"`
	Targets  []targetReport  `json:"targets"`
	Ingests  []ingestReport  `json:"ingests"`
	Ingested uint64          `json:"apisIngested"`
	Commands []commandReport `json:"commands"`
}

type sessionReport struct {
	State       status.SessionState `json:"state"`
	Since       time.Time           `json:"since"`
	Endpoint    string              `json:"endpoint,omitempty"`
	Primary     *bool               `json:"primary,omitempty"`
	Connects    uint64              `json:"connects"`
	LastError   string              `json:"lastError,omitempty"`
	LastErrorAt time.Time           `json:"lastErrorAt,omitzero"`
}

type targetReport struct {
	Account         string             `json:"account,omitempty"`
	Region          string             `json:"region"`
	Role            string             `json:"role,omitempty"`
	State           status.TargetState `json:"state"`
	Since           time.Time          `json:"since"`
	Failure         string             `json:"failure,omitempty"`
	ListedAt        time.Time          `json:"listedAt,omitzero"`
	APIs            int                `json:"restApis"`
	Stages          int                `json:"stages"`
	ListingFailure  string             `json:"listingFailure,omitempty"`
	ListingFailedAt time.Time          `json:"listingFailedAt,omitzero"`
}

type ingestReport struct {
	Job       string    `json:"job"`
	StartedAt time.Time `json:"startedAt"`
	LastAckAt time.Time `json:"lastAcknowledgedAt,omitzero"`
	Total     int       `json:"total"`
	Acked     int       `json:"acknowledged"`
	Ending    bool      `json:"ending"`
}

type commandReport struct {
	Type    string         `json:"type"`
	Outcome status.Outcome `json:"outcome"`
	Count   uint64         `json:"count"`
}

func (a *api) report() report {
	board, health := a.Board.Read(), a.StoreHealth()
	r := report{
		Now:    a.Now().UTC(),
		Agent:  agentReport{ID: a.ID, Version: a.Build.Version, Commit: a.Build.Commit, Go: a.Build.Go},
		Store:  storeReport{Durable: health.Durable, Messages: health.Messages},
		Keys:   a.keys(),
		Quotas: quotasOf(board), Serving: make([]served, 0, len(board.Integrations)),
	}
	for _, i := range board.Integrations {
		r.Serving = append(r.Serving, a.serving(i))
	}
	return r
}

// keys reads the journal. Records that were delivered, the most by far, are not copied.
func (a *api) keys() keysReport {
	out := keysReport{Unconfirmed: []keyReport{}, LostCreates: []keyReport{}}
	records, err := a.Keys.Records(store.Filter{States: append(listed(),
		store.StateIntent, store.StateCreating, store.StateCreated, store.StateAttached, store.StateAnswered, store.StateDeleting)})
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	for _, r := range records {
		switch r.State {
		case store.StateUnconfirmed:
			out.Unconfirmed = append(out.Unconfirmed, keyOf(r))
		case store.StateLostCreate:
			out.LostCreates = append(out.LostCreates, keyOf(r))
		case store.StateDeleting:
			out.BeingDeleted++
		default:
			out.UnderWay++
		}
	}
	return out
}

func keyOf(r store.KeyRecord) keyReport {
	return keyReport{
		ID: r.KeyID, Name: r.KeyName, Account: r.Account, Region: r.Region, UsagePlan: r.UsagePlanID, Integration: r.Integration,
		Subscription: r.SubscriptionID, API: r.APIID, Since: r.CreatedAt, Reason: r.Reason, Do: r.State.Advice(),
	}
}

func quotasOf(board status.Snapshot) []quota {
	quotas := make([]quota, 0, len(board.Quotas))
	for p, q := range board.Quotas {
		row := quota{Account: p.Account, Region: p.Region, Rate: q.Rate, Share: q.Share}
		for c, n := range board.Calls {
			if c.Place == p {
				row.Calls += n
				if c.Result == status.Throttled {
					row.Throttled += n
				}
			}
		}
		quotas = append(quotas, row)
	}
	slices.SortFunc(quotas, func(a, b quota) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region))
	})
	return quotas
}

func (a *api) serving(i status.Integration) served {
	out := served{
		ID: i.ID, Guard: i.Guard, Ingested: i.IngestedAPIs, Ingests: []ingestReport{}, Commands: []commandReport{},
		Targets: make([]targetReport, 0, len(i.Targets)),
		Session: sessionReport{
			State: i.Session.State, Since: i.Session.Since.UTC(), Endpoint: i.Session.Endpoint, Primary: i.Session.Primary,
			Connects: i.Session.Connects, LastError: i.Session.LastError, LastErrorAt: i.Session.LastErrorAt.UTC(),
		},
	}
	for _, t := range i.Targets {
		out.Targets = append(out.Targets, targetReport{
			Account: t.Account, Region: t.Region, Role: t.Role, State: t.State, Since: t.Since.UTC(), Failure: t.Failure,
			ListedAt: t.Listing.At.UTC(), APIs: t.Listing.APIs, Stages: t.Listing.Stages,
			ListingFailure: t.Listing.Failure, ListingFailedAt: t.Listing.FailedAt.UTC(),
		})
	}
	if jobs, err := a.Jobs.Running(i.ID); err == nil { // the store's own trouble is told beside it
		for _, j := range jobs {
			out.Ingests = append(out.Ingests, ingestReport{
				Job: j.JobID, StartedAt: j.StartedAt, LastAckAt: j.LastAckAt, Total: j.Total, Acked: len(j.Acked), Ending: j.DoneSent,
			})
		}
	}
	for c, n := range i.Commands {
		out.Commands = append(out.Commands, commandReport{Type: c.Type, Outcome: c.Outcome, Count: n})
	}
	slices.SortFunc(out.Commands, func(a, b commandReport) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Outcome, b.Outcome))
	})
	return out
}
