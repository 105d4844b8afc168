package survey

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/store"
	"federation-agent/internal/words"
)

// Report is an ingest foretold: what it would do. Its names in JSON do not change between versions; new ones may be added.
type Report struct {
	// Healthy says that nothing needs somebody.
	Healthy      bool          `json:"healthy"`
	Integrations []Integration `json:"integrations"`
	// Ingest is the cost of an ingest of all that is listed.
	Ingest Cost `json:"ingest"`
	// Calls is how many calls to API Gateway this look has made, Seconds how long it took.
	Calls   uint64  `json:"calls"`
	Seconds float64 `json:"seconds"`
}

// Cost is what an ingest takes: the least where every document is in the export cache, the most where none is.
type Cost struct {
	LeastCalls   int     `json:"leastCalls"`
	MostCalls    int     `json:"mostCalls"`
	LeastSeconds float64 `json:"leastSeconds"`
	MostSeconds  float64 `json:"mostSeconds"`
}

func (c *Cost) add(other Cost) {
	c.LeastCalls += other.LeastCalls
	c.MostCalls += other.MostCalls
}

// Integration is one configured provider.
type Integration struct {
	ID string `json:"id"`
	// Compared says that the APIs are compared with what was last sent; NotCompared says why not.
	Compared    bool   `json:"compared"`
	NotCompared string `json:"notCompared,omitempty"`
	// UnusedStages is what the stage filter names in vain, as far as targets could be listed.
	UnusedStages *Unused `json:"unusedStages,omitempty"`
	// Filters are what each entry of the filters does, the stage filter's among them. UnusedFilters are what the others
	// name in vain.
	Filters       []Filtering `json:"filters,omitempty"`
	UnusedFilters []Unused    `json:"unusedFilters,omitempty"`
	// Domains says that custom domain names were asked for.
	Domains bool     `json:"customDomains,omitempty"`
	Targets []Target `json:"targets"`
	// Off are the regions that nobody has named and that are off for their account. They are not asked.
	Off     []string  `json:"off,omitempty"`
	APIs    []API     `json:"apis"`
	LeftOut []LeftOut `json:"leftOut"`
	Gone    []Gone    `json:"gone"`
}

// Target is an account in a region.
type Target struct {
	Account string `json:"account,omitempty"`
	Region  string `json:"region"`
	Listed  bool   `json:"listed"`
	// Remedy says what keeps it from being listed, and what to do; Failure says it in AWS's own words.
	Remedy  string `json:"remedy,omitempty"`
	Failure string `json:"failure,omitempty"`
	// RestAPIs and UsagePlans are what AWS lists, Federated what an ingest would send.
	RestAPIs   int  `json:"restApis"`
	UsagePlans int  `json:"usagePlans"`
	Federated  int  `json:"federated"`
	Ingest     Cost `json:"ingest"`
	// DomainsUnknown says why AWS does not list all custom domain names.
	DomainsUnknown string `json:"customDomainsUnknown,omitempty"`
}

// API is one federated API that an ingest would send.
type API struct {
	ID      string `json:"id"`
	Account string `json:"account"`
	Region  string `json:"region"`
	RestAPI string `json:"restApi"`
	Stage   string `json:"stage"`
	// Name is the one that APIM will see, AWSName the one in AWS.
	Name    string `json:"name"`
	AWSName string `json:"awsName"`
	Plans   []Plan `json:"plans"`
	// BaseURLs are those under custom domain names, the best first, each with its condition. They are not asked for unless
	// agent.discovery.customDomains is on.
	BaseURLs []string `json:"baseUrls,omitempty"`
	// Limits is what may refuse a caller who has a key.
	Limits string `json:"limits,omitempty"`
	// Notes are what somebody may want to know before the ingest.
	Notes []string `json:"notes,omitempty"`
	// Change says how it differs from what was last sent, Changes says it in words.
	Change  Change   `json:"change,omitempty"`
	Changes []string `json:"changes,omitempty"`
}

// Plan is a plan as APIM will see it.
type Plan struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Limits []string `json:"limits,omitempty"`
}

// Change says how an API differs from what was last sent.
type Change string

// The changes. Documents are not compared: that would cost a call for each REST API.
const (
	Fresh   Change = "new"
	Changed Change = "changed"
	Same    Change = "same"
)

// LeftOut is what is not federated.
type LeftOut struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	RestAPI string `json:"restApi"`
	Name    string `json:"name,omitempty"`
	// Stage is empty where it concerns all stages of the REST API.
	Stage string            `json:"stage,omitempty"`
	Why   federation.Reason `json:"why"`
	Text  string            `json:"text"`
}

// The reasons that are no one listing's.
const (
	unlisted federation.Reason = "stages-not-listed"
	held     federation.Reason = "plan-guard"
)

// Gone is an API that was sent and would not be sent again. APIM keeps what it has of it.
type Gone struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	Text string `json:"text"`
}

// Before is what is remembered of earlier ingests and listings of an integration.
type Before struct {
	// Plans are the plans that each API was last sent with, Listings the APIs that each target had.
	Plans    map[string][]string
	Listings map[string][]store.RememberedAPI
	// Unknown says why nothing is remembered.
	Unknown string
}

// Quota is what an ingest's calls may use.
type Quota struct {
	// Rate is in requests a second. Name says which accounts and regions share one quota.
	Rate float64
	Name func(account, region string) string
}

// Of works out the report of what was found, with what is remembered of each integration.
func Of(found []Found, before map[string]Before, quota Quota) Report {
	r := Report{Healthy: true, Integrations: []Integration{}}
	shared := map[string]Cost{}
	for _, f := range found {
		i := integrationOf(f, before[f.Integration])
		for n := range i.Targets {
			t := &i.Targets[n]
			t.Ingest.in(quota.Rate)
			r.Ingest.add(t.Ingest)
			name := quota.Name(t.Account, t.Region)
			of := shared[name]
			of.add(t.Ingest)
			shared[name] = of
			r.Healthy = r.Healthy && t.Listed
		}
		r.Healthy = r.Healthy && i.UnusedStages == nil && len(i.UnusedFilters) == 0 && len(i.APIs) > 0 &&
			!slices.ContainsFunc(i.LeftOut, func(l LeftOut) bool { return l.Why == unlisted || l.Why == held })
		r.Integrations = append(r.Integrations, i)
	}
	for _, of := range shared { // side by side
		of.in(quota.Rate)
		r.Ingest.LeastSeconds = max(r.Ingest.LeastSeconds, of.LeastSeconds)
		r.Ingest.MostSeconds = max(r.Ingest.MostSeconds, of.MostSeconds)
	}
	return r
}

// in reckons the time by the rate alone: how much of a burst there is, nobody knows.
func (c *Cost) in(rate float64) {
	c.LeastSeconds, c.MostSeconds = float64(c.LeastCalls)/rate, float64(c.MostCalls)/rate
}

func integrationOf(f Found, before Before) Integration {
	i := Integration{
		ID: f.Integration, Compared: len(before.Plans) > 0, NotCompared: before.Unknown, Domains: f.Domains,
		Targets: []Target{}, APIs: []API{}, LeftOut: []LeftOut{}, Gone: []Gone{},
	}
	for _, t := range f.Off {
		i.Off = append(i.Off, words.Place(t.Account, t.Region))
	}
	slices.Sort(i.Off)
	if !i.Compared {
		i.NotCompared = cmp.Or(i.NotCompared, "no earlier ingest is remembered")
	}
	then := lastListings(before.Listings)
	exists := map[federation.ID]bool{}
	for _, e := range f.APIs {
		exists[e.ID()] = true
	}
	sent := map[federation.Target][]federation.NamedEntry{}
	sends := map[string]bool{}
	for _, e := range f.Whole {
		id := e.ID()
		switch {
		case !exists[id]:
			i.leave(id, e.API.Name, federation.Vanished, "AWS has no such stage, though a usage plan contains it")
		case f.Unconfirmed[id]:
			sends[id.String()] = true // APIM keeps it
			i.leave(id, e.API.Name, held, "it was sent with "+lostWords(lost(e, before.Plans[id.String()]))+
				", which AWS does not list any more; an ingest sends it once a second listing, five minutes later, shows the same")
		default:
			sends[id.String()] = true
			sent[e.Target] = append(sent[e.Target], e)
			i.APIs = append(i.APIs, apiOf(e, before, then))
		}
	}
	complete := map[federation.Target]Listing{}
	for _, l := range f.Listings {
		if _, twice := complete[l.Target]; twice {
			continue
		}
		i.Targets = append(i.Targets, targetOf(l, sent[l.Target]))
		if !l.Complete {
			continue
		}
		complete[l.Target] = l
		i.leaveOf(l, f.Filter)
	}
	if len(complete) > 0 {
		does, vain := Filters(f.Filter, f.APIs, f.Listings)
		i.Filters = does
		for _, unused := range vain {
			if unused.Setting == federation.StageFilter {
				i.UnusedStages = &unused
			} else {
				i.UnusedFilters = append(i.UnusedFilters, unused)
			}
		}
	}
	for _, text := range slices.Sorted(maps.Keys(before.Plans)) {
		id, err := federation.ParseID(text)
		l, listed := complete[id.Target()]
		if _, doubtful := l.Unlisted[id.RestAPI]; err == nil && listed && !doubtful && !sends[text] {
			i.Gone = append(i.Gone, Gone{ID: text, Name: then.names.Of(id, then.inAWS[id]),
				Text: "it was sent by an earlier ingest, and is deleted, filtered out or in no usage plan any more; APIM keeps " +
					"what it has of it: delete it there if it is gone for good"})
		}
	}
	return i
}

func (i *Integration) leave(id federation.ID, name string, why federation.Reason, text string) {
	i.LeftOut = append(i.LeftOut, LeftOut{
		Account: id.Account, Region: id.Region, RestAPI: id.RestAPI, Name: name, Stage: id.Stage, Why: why, Text: text,
	})
}

// leaveOf adds what one listing's filter and plans leave out.
func (i *Integration) leaveOf(l Listing, f federation.Filter) {
	for _, o := range federation.LeftOuts(l.APIs, l.Plans, l.Asked, f) {
		if _, doubtful := l.Unlisted[o.RestAPI]; doubtful {
			continue
		}
		id := federation.ID{Account: l.Account, Region: l.Region, RestAPI: o.RestAPI, Stage: o.Stage}
		i.leave(id, o.Name, o.Why, o.Text)
	}
	for _, api := range l.APIs {
		if why, doubtful := l.Unlisted[api.ID]; doubtful {
			id := federation.ID{Account: l.Account, Region: l.Region, RestAPI: api.ID}
			i.leave(id, api.Name, unlisted, "AWS does not list its stages: "+why)
		}
	}
}

// pageSize is how many REST APIs or usage plans one call lists: AWS allows no more.
const pageSize = 500

func pages(n int) int { return max(1, (n+pageSize-1)/pageSize) }

// targetOf has the cost of an ingest: the two lists, one GetStages for each REST API, by the listing or else by the
// export, a GetExport for each document that is not in the cache, and what custom domain names cost if they are asked
// for again.
func targetOf(l Listing, sent []federation.NamedEntry) Target {
	t := Target{
		Account: l.Account, Region: l.Region, Listed: l.Complete, Remedy: l.Failure, Failure: l.Cause,
		RestAPIs: len(l.APIs), UsagePlans: len(l.Plans), Federated: len(sent), DomainsUnknown: l.DomainGap,
	}
	if !l.Complete {
		return t
	}
	apis := map[string]bool{}
	for _, e := range sent {
		if _, asked := l.Asked[e.API.ID]; !asked {
			apis[e.API.ID] = true
		}
	}
	t.Ingest.LeastCalls = pages(len(l.APIs)) + pages(len(l.Plans)) + len(l.Asked) + len(apis)
	t.Ingest.MostCalls = t.Ingest.LeastCalls + len(sent) + l.DomainCalls
	return t
}

// accessLimits is the metadata that tells what may refuse a caller.
const accessLimits = "AWS access limits"

// apiOf maps an API as an ingest does, without its document.
func apiOf(e federation.NamedEntry, before Before, then lastNames) API {
	id := e.ID()
	built := federation.Build(federation.Input{Target: e.Target, Entry: e.Entry, Name: e.Name})
	out := API{
		ID: built.ID, Account: id.Account, Region: id.Region, RestAPI: id.RestAPI, Stage: id.Stage,
		Name: built.Name, AWSName: e.API.Name, Plans: []Plan{},
	}
	for _, p := range built.Plans {
		out.Plans = append(out.Plans, Plan{ID: p.ID, Name: p.Name, Limits: p.Characteristics})
	}
	for _, m := range built.Metadata {
		if m.Name == accessLimits && m.Value != "none" {
			out.Limits = m.Value
		}
	}
	if e.Bases != nil {
		out.BaseURLs = e.Bases.Texts()
	}
	if e.Unreachable() {
		out.Notes = append(out.Notes, "not reachable: its default endpoint is disabled, and no custom domain name leads to it")
	}
	if len(out.Plans) == 0 {
		out.Notes = append(out.Notes, "in no usage plan: nobody can subscribe to it")
	}
	out.compare(e, before, then)
	return out
}

// compare says how an API differs from what was last sent: its plans, and its name by the last listing.
func (a *API) compare(e federation.NamedEntry, before Before, then lastNames) {
	was, known := before.Plans[a.ID]
	switch {
	case len(before.Plans) == 0:
		return
	case !known:
		a.Change = Fresh
		return
	}
	for _, p := range a.Plans {
		if !slices.Contains(was, p.ID) {
			a.Changes = append(a.Changes, fmt.Sprintf("plan %s (%s) is new", p.Name, p.ID))
		}
	}
	if gone := lost(e, was); len(gone) > 0 {
		a.Changes = append(a.Changes, lostWords(gone)+" is gone: APIM will end its subscriptions")
	}
	if inAWS, listed := then.inAWS[e.ID()]; listed && then.names.Of(e.ID(), inAWS) != a.Name {
		a.Changes = append(a.Changes, "it was called "+then.names.Of(e.ID(), inAWS))
	}
	if a.Change = Same; len(a.Changes) > 0 {
		a.Change = Changed
	}
}

// lost are the plans that an API was sent with and does not have any more.
func lost(e federation.NamedEntry, was []string) []string {
	return slices.DeleteFunc(slices.Clone(was), func(plan string) bool {
		return slices.ContainsFunc(e.Plans, func(p *gateway.UsagePlan) bool { return p.ID == plan })
	})
}

func lostWords(plans []string) string { return "plan " + words.Few(plans, words.Many, ", ") }

// lastNames are the names by the last listings, and what AWS called each API then.
type lastNames struct {
	names federation.Names
	inAWS map[federation.ID]string
}

func lastListings(listings map[string][]store.RememberedAPI) lastNames {
	var all []federation.Named
	then := lastNames{inAWS: map[federation.ID]string{}}
	for _, apis := range listings {
		for _, a := range apis {
			if id, err := federation.ParseID(a.ID); err == nil && !a.Gone {
				all = append(all, federation.Named{ID: id, Name: a.Name})
				then.inAWS[id] = a.Name
			}
		}
	}
	then.names = federation.NewNames(all)
	return then
}

// Match picks by a part of the target (ACCOUNT:REGION) and of the name, upper and lower case alike, and by the stage. An
// empty text matches all.
type Match struct{ Target, Stage, Name string }

// Has reports whether an API of that id and name is picked.
func (m Match) Has(id federation.ID, name string) bool {
	return m.at(id.Account, id.Region) && (m.Stage == "" || id.Stage == m.Stage) && holds(name, m.Name)
}

func (m Match) at(account, region string) bool {
	return m.Target == "" || holds(account+":"+region, m.Target)
}

func holds(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

// Matching leaves those APIs that are picked, with what is left out and gone.
func (r *Report) Matching(m Match, changed bool) {
	for n := range r.Integrations {
		i := &r.Integrations[n]
		i.Targets = slices.DeleteFunc(i.Targets, func(t Target) bool { return !m.at(t.Account, t.Region) })
		i.APIs = slices.DeleteFunc(i.APIs, func(a API) bool {
			id := federation.ID{Account: a.Account, Region: a.Region, Stage: a.Stage}
			return !m.Has(id, a.Name) || changed && a.Change == Same
		})
		i.LeftOut = slices.DeleteFunc(i.LeftOut, func(l LeftOut) bool {
			// Without a stage it concerns all stages.
			id := federation.ID{Account: l.Account, Region: l.Region, Stage: cmp.Or(l.Stage, m.Stage)}
			return !m.Has(id, l.Name) || changed
		})
		i.Gone = slices.DeleteFunc(i.Gone, func(g Gone) bool {
			id, _ := federation.ParseID(g.ID) // it was read
			return !m.Has(id, g.Name)
		})
	}
}
