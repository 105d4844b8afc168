package federation

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"federation-agent/internal/gateway"
	"federation-agent/internal/words"
)

// Entry is one (REST API, stage) of a target with all of its usage plans. It shares the values of the listings.
type Entry struct {
	API   *gateway.RestAPI
	Stage string
	// Plans are the usage plans of the stage, each once, ordered by id.
	Plans []*gateway.UsagePlan
	// Details are the stage as GetStages lists it, nil if GetStages was not called.
	Details *gateway.Stage
	// Existence is what the last GetStages of its REST API says, which may be older than the listing.
	Existence Existence
	// Bases are the stage's base URLs under custom domain names, nil if they are not asked for.
	Bases *Bases
}

// Existence says whether a stage exists. A usage plan may still be linked to one that does not.
type Existence int8

// What is known of a stage.
const (
	// Unasked: no GetStages is remembered. The stage counts as one that exists.
	Unasked Existence = iota
	Exists
	Gone
)

// ID is the entry's identity in a target.
func (e Entry) ID(t Target) ID {
	return ID{Account: t.Account, Region: t.Region, RestAPI: e.API.ID, Stage: e.Stage}
}

// Stages holds the answers of GetStages by REST API id. An API for which GetStages was not called is absent. An API
// without stages has an empty list.
type Stages map[string][]*gateway.Stage

// Living remembers what the last GetStages of each REST API listed: the names of its stages. What it costs is little,
// and a preview that asked would cost a call for each REST API.
type Living map[string][]string

// Note remembers an answer of GetStages.
func (l Living) Note(api string, stages []*gateway.Stage) {
	names := make([]string, len(stages))
	for i, s := range stages {
		names[i] = s.Name
	}
	l[api] = names
}

// Relist takes a complete listing in. It forgets the REST APIs that are not listed any more. And where a usage plan
// contains a stage now that the listing before did not show, what GetStages said may be older than the stage, so it says
// nothing of it.
func (l Living) Relist(apis []*gateway.RestAPI, before, now []Entry) {
	listed := make(map[string]bool, len(apis))
	for _, api := range apis {
		listed[api.ID] = true
	}
	maps.DeleteFunc(l, func(api string, _ []string) bool { return !listed[api] })
	unknown := map[pair]bool{} // stages that GetStages did not tell
	for _, e := range now {
		if names, asked := l[e.API.ID]; asked && e.Details == nil && !slices.Contains(names, e.Stage) {
			unknown[pair{e.API.ID, e.Stage}] = true
		}
	}
	if len(unknown) == 0 {
		return // as nearly always
	}
	for _, e := range before {
		delete(unknown, pair{e.API.ID, e.Stage})
	}
	for p := range unknown {
		delete(l, p.api)
	}
}

// Mark gives the entries with what is remembered of their existence.
func (l Living) Mark(entries []Entry) []Entry {
	out := slices.Clone(entries)
	for i := range out {
		e := &out[i]
		names, asked := l[e.API.ID]
		switch {
		case e.Details != nil || asked && slices.Contains(names, e.Stage):
			e.Existence = Exists
		case asked:
			e.Existence = Gone
		}
	}
	return out
}

// Entries turns *complete* listings of one target into its entries, ordered by API name, REST API id and stage.
//
//	pair is                                        | default  | AcceptWithoutPlan
//	in a usage plan, its API listed                | entry    | entry
//	in a usage plan, its API not listed (any more) | left out | left out
//	in a usage plan, but not in GetStages's answer | left out | left out
//	in no usage plan, but in GetStages's answer    | left out | entry without plans
//
// What the filter refuses is none of them. Where it cannot decide without GetStages, the pairs in usage plans are.
func Entries(apis []*gateway.RestAPI, plans []*gateway.UsagePlan, stages Stages, f Filter) []Entry {
	inPlans, rules := plansByPair(plans), f.All()
	unasked := map[string]*gateway.RestAPI{} // the APIs whose stages only the plans name
	out := make([]Entry, 0, len(inPlans))
	add := func(e Entry) {
		if refusal(rules, e) == nil {
			out = append(out, e)
		}
	}
	for _, api := range apis {
		details, asked := stages[api.ID]
		if !asked {
			unasked[api.ID] = api
		}
		for _, d := range details {
			ps := inPlans[pair{api.ID, d.Name}]
			if api.ID != "" && d.Name != "" && (len(ps) > 0 || f.AcceptWithoutPlan) {
				add(Entry{API: api, Stage: d.Name, Plans: ps, Details: d})
			}
		}
	}
	for p, ps := range inPlans {
		if api := unasked[p.api]; api != nil {
			add(Entry{API: api, Stage: p.stage, Plans: ps})
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		if a.API == b.API {
			return cmp.Compare(a.Stage, b.Stage)
		}
		return cmp.Or(cmp.Compare(a.API.Name, b.API.Name), cmp.Compare(a.API.ID, b.API.ID), cmp.Compare(a.Stage, b.Stage))
	})
	return out
}

// Candidates are all that complete listings show, whatever the filter: as [Entries], and an entry without a stage for
// each REST API of which no stage is known.
func Candidates(apis []*gateway.RestAPI, plans []*gateway.UsagePlan, stages Stages) []Entry {
	out := Entries(apis, plans, stages, Filter{AcceptWithoutPlan: true})
	has := make(map[*gateway.RestAPI]bool, len(apis))
	for _, e := range out {
		has[e.API] = true
	}
	for _, api := range apis {
		if !has[api] {
			out = append(out, Entry{API: api})
		}
	}
	return out
}

// StagesWanted are the REST APIs for which GetStages must be called before [Entries] is complete. By default there are
// none, because usage plans name their stages. With AcceptWithoutPlan it is every API, except those whose wanted stages
// are already all in plans. With a filter by stage tags it is every API with a stage that may be wanted. What the filter
// refuses by the API alone is never asked for.
func StagesWanted(apis []*gateway.RestAPI, plans []*gateway.UsagePlan, f Filter) []*gateway.RestAPI {
	rules := f.All()
	if !f.AcceptWithoutPlan && !byStageTags(rules) {
		return nil
	}
	planned := map[string][]string{} // the stages in plans by REST API
	for p := range plansByPair(plans) {
		planned[p.api] = append(planned[p.api], p.stage)
	}
	exact, named := f.exactStages()
	var out []*gateway.RestAPI
	for _, api := range apis {
		wanted := func(stage string) bool { return refusal(rules, Entry{API: api, Stage: stage}) == nil }
		missing := func(stage string) bool { return wanted(stage) && !slices.Contains(planned[api.ID], stage) }
		switch {
		case refusal(rules, Entry{API: api}) != nil:
		case f.AcceptWithoutPlan && (!named || slices.ContainsFunc(exact, missing)),
			byStageTags(rules) && slices.ContainsFunc(planned[api.ID], wanted):
			out = append(out, api)
		}
	}
	return out
}

// AnyStage stands in an id for every stage of a REST API. No stage of AWS has that name.
const AnyStage = "*"

// Only is the entries with these ids, of those that listings show of a target. One that is in no usage plan needs no
// GetStages here: its id names its stage, and its export asks whether AWS has it, and whether the filter lets it through.
func Only(t Target, ids []ID, entries []Entry, apis []*gateway.RestAPI, stages Stages, f Filter) []Entry {
	wanted := map[ID]bool{}
	for _, id := range ids {
		if id.Target() == t { // the others are another target's, which has its own list of them
			wanted[id] = true
		}
	}
	var found []Entry
	for _, e := range entries {
		id, every := e.ID(t), e.ID(t)
		every.Stage = AnyStage
		if wanted[id] || wanted[every] {
			delete(wanted, id)
			found = append(found, e)
		}
	}
	if !f.AcceptWithoutPlan || len(wanted) == 0 {
		return found
	}
	byID := make(map[string]*gateway.RestAPI, len(apis))
	for _, api := range apis {
		byID[api.ID] = api
	}
	for _, id := range ids {
		_, known := stages[id.RestAPI]
		if api := byID[id.RestAPI]; api != nil && wanted[id] && id.Stage != AnyStage && !known && f.Refuses(api, id.Stage, nil) == nil {
			delete(wanted, id)
			found = append(found, Entry{API: api, Stage: id.Stage})
		}
	}
	return found
}

// apiKeyPlan is the only subscription type that AWS API Gateway knows keys for.
const apiKeyPlan = "API_KEY"

// CheckSubscription says why there can be no key for a subscription of this type to this plan; nil if there can.
func CheckSubscription(kind, planID string) error {
	if kind != "" && kind != apiKeyPlan {
		return fmt.Errorf("AWS API Gateway usage plans know API keys only, and this subscription is of type %s", words.Short(kind))
	}
	if planID == "" {
		return errors.New("the subscription names no plan (planId): ingest the API again")
	}
	return nil
}

// CheckPlan says why a key of a usage plan would open nothing of an API, by *complete* listings of its target; nil if
// it opens it. Of a bare reference any stage will do.
func CheckPlan(api Ref, planID string, apis []*gateway.RestAPI, plans []*gateway.UsagePlan) error {
	const then = "; ingest again, then subscribe again"
	if !slices.ContainsFunc(apis, func(a *gateway.RestAPI) bool { return a.ID == api.RestAPI }) {
		return fmt.Errorf("AWS has no REST API %s any more%s", words.Short(api.RestAPI), then)
	}
	found := slices.IndexFunc(plans, func(p *gateway.UsagePlan) bool { return p.ID == planID })
	if found < 0 {
		return fmt.Errorf("AWS has no usage plan %s any more%s", words.Short(planID), then)
	}
	covers := func(s gateway.PlanStage) bool {
		return s.APIID == api.RestAPI && (api.Bare() || s.Stage == api.ID.Stage)
	}
	if plan := plans[found]; !slices.ContainsFunc(plan.Stages, covers) {
		stage := "any stage"
		if !api.Bare() {
			stage = "stage " + api.ID.Stage
		}
		return fmt.Errorf("usage plan %s (%s) does not contain %s of REST API %s any more, so its keys would open nothing%s",
			plan.Name, plan.ID, words.Short(stage), api.RestAPI, then)
	}
	return nil
}

// pair is a stage of a REST API.
type pair struct{ api, stage string }

// plansByPair are the usage plans of each pair that has any, each plan once, ordered by id.
func plansByPair(plans []*gateway.UsagePlan) map[pair][]*gateway.UsagePlan {
	byID := slices.Clone(plans)
	slices.SortStableFunc(byID, func(a, b *gateway.UsagePlan) int { return cmp.Compare(a.ID, b.ID) })
	out := map[pair][]*gateway.UsagePlan{}
	for _, plan := range byID {
		for _, link := range plan.Stages {
			if link.APIID == "" || link.Stage == "" || plan.ID == "" {
				continue
			}
			p := pair{link.APIID, link.Stage}
			if ps := out[p]; len(ps) == 0 || ps[len(ps)-1].ID != plan.ID {
				out[p] = append(ps, plan)
			}
		}
	}
	return out
}

// NamedEntry is one API to federate: a (REST API, stage) of a target, with its unique name.
type NamedEntry struct {
	Target Target
	Entry
	Name string
	// Names are all names. Name comes from them.
	Names Names
}

// ID is the API's identity.
func (e NamedEntry) ID() ID { return e.Entry.ID(e.Target) }
