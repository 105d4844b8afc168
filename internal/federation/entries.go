package federation

import (
	"cmp"
	"slices"

	"federation-agent/internal/gateway"
)

// Entry is one (REST API, stage) of a target with all of its usage plans. It shares the listings' values.
type Entry struct {
	API   *gateway.RestAPI
	Stage string
	// Plans are the usage plans that the stage is in, each once, by id.
	Plans []*gateway.UsagePlan
	// Details are the stage as GetStages gave it, nil if that was not asked.
	Details *gateway.Stage
}

// ID is the entry's identity in a target.
func (e Entry) ID(t Target) ID {
	return ID{Account: t.Account, Region: t.Region, RestAPI: e.API.ID, Stage: e.Stage}
}

// Filter says which (REST API, stage) pairs are federated.
type Filter struct {
	// AcceptWithoutPlan adds the stages that are in no usage plan.
	AcceptWithoutPlan bool
	// Stages are the stage names wanted, exactly; none means all.
	Stages []string
}

// Accepts reports whether a stage of that name is wanted.
func (f Filter) Accepts(stage string) bool {
	return len(f.Stages) == 0 || slices.Contains(f.Stages, stage)
}

// Stages holds what GetStages gave, by REST API id. An API that was not asked for is absent; one without stages has an
// empty list.
type Stages map[string][]*gateway.Stage

// Entries turns *complete* listings of one target into its entries, ordered by API name, REST API id and stage.
//
//	pair is                                        | default  | AcceptWithoutPlan
//	in a usage plan, its API listed                | entry    | entry
//	in a usage plan, its API not listed (any more) | left out | left out
//	in a usage plan, GetStages asked and lacks it  | left out | left out
//	in no usage plan, given by GetStages           | left out | entry without plans
//
// and the filter's stage names hold for all.
func Entries(apis []*gateway.RestAPI, plans []*gateway.UsagePlan, stages Stages, f Filter) []Entry {
	inPlans := plansByPair(plans)
	var out []Entry
	for _, api := range apis {
		if api.ID == "" {
			continue // it could not be told apart from others, nor called
		}
		byStage := inPlans[api.ID]
		details, asked := stages[api.ID]
		if !asked {
			for stage, ps := range byStage {
				if f.Accepts(stage) {
					out = append(out, Entry{API: api, Stage: stage, Plans: ps})
				}
			}
			continue
		}
		for _, d := range details {
			ps := byStage[d.Name]
			if d.Name != "" && f.Accepts(d.Name) && (len(ps) > 0 || f.AcceptWithoutPlan) {
				out = append(out, Entry{API: api, Stage: d.Name, Plans: ps, Details: d})
			}
		}
	}
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.API.Name, b.API.Name), cmp.Compare(a.API.ID, b.API.ID), cmp.Compare(a.Stage, b.Stage))
	})
	return out
}

// StagesWanted are the REST APIs whose stages must be asked for before [Entries] is complete: none by default, as usage
// plans name their stages; with AcceptWithoutPlan each API, but those whose wanted stages are all in plans already.
func StagesWanted(apis []*gateway.RestAPI, plans []*gateway.UsagePlan, f Filter) []*gateway.RestAPI {
	if !f.AcceptWithoutPlan {
		return nil
	}
	inPlans := plansByPair(plans)
	var out []*gateway.RestAPI
	for _, api := range apis {
		missing := func(stage string) bool { return len(inPlans[api.ID][stage]) == 0 }
		if len(f.Stages) == 0 || slices.ContainsFunc(f.Stages, missing) {
			out = append(out, api)
		}
	}
	return out
}

// plansByPair turns usage plans round: REST API id -> stage -> plans, each plan once, by id.
func plansByPair(plans []*gateway.UsagePlan) map[string]map[string][]*gateway.UsagePlan {
	out := map[string]map[string][]*gateway.UsagePlan{}
	for _, plan := range plans {
		for _, link := range plan.Stages {
			if link.APIID == "" || link.Stage == "" || plan.ID == "" {
				continue
			}
			byStage := out[link.APIID]
			if byStage == nil {
				byStage = map[string][]*gateway.UsagePlan{}
				out[link.APIID] = byStage
			}
			byStage[link.Stage] = append(byStage[link.Stage], plan)
		}
	}
	for _, byStage := range out {
		for stage, ps := range byStage {
			slices.SortFunc(ps, func(a, b *gateway.UsagePlan) int { return cmp.Compare(a.ID, b.ID) })
			byStage[stage] = slices.CompactFunc(ps, func(a, b *gateway.UsagePlan) bool { return a.ID == b.ID })
		}
	}
	return out
}

// NamedEntry is one API to federate: a (REST API, stage) of a target, with the name that tells it apart.
type NamedEntry struct {
	Target Target
	Entry
	Name string
}

// ID is the API's identity.
func (e NamedEntry) ID() ID { return e.Entry.ID(e.Target) }
