package federation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"federation-agent/internal/gateway"
	"federation-agent/internal/words"
)

// LeftOut is something that a target has and that is not federated. Stage is empty where it concerns all stages of the
// REST API that are known.
type LeftOut struct {
	RestAPI, Name, Stage string
	Why                  Reason
	// Text says why in words.
	Text string
}

// Reason says why something is not federated. Its values are read by programs.
type Reason string

// The reasons.
const (
	// Filtered: the stage filter does not name the stage, or another filter of stage names refuses it.
	Filtered Reason = "stage-filter"
	// StageTagFiltered, APIFiltered and APITagFiltered: a filter refuses the stage by its tags, or the REST API by its name
	// or tags.
	StageTagFiltered Reason = "stage-tag-filter"
	APIFiltered      Reason = "api-filter"
	APITagFiltered   Reason = "api-tag-filter"
	// Planless: no usage plan contains it.
	Planless Reason = "no-usage-plan"
	// NoStage: the REST API was never deployed, or its stages are deleted.
	NoStage Reason = "no-stage"
	// NoAPI and Vanished: a usage plan names a REST API, or a stage, that AWS does not have any more.
	NoAPI    Reason = "no-rest-api"
	Vanished Reason = "stage-gone"
)

// OfFilter says that a filter is the reason.
func (r Reason) OfFilter() bool { return slices.Contains(reasons[:], r) }

// LeftOuts is what *complete* listings of one target have beyond its [Entries], ordered as these. Of a REST API for which
// GetStages was not called, only the stages in usage plans are known.
func LeftOuts(apis []*gateway.RestAPI, plans []*gateway.UsagePlan, stages Stages, f Filter) []LeftOut {
	inPlans := map[string]map[string][]*gateway.UsagePlan{} // by REST API and stage
	for p, ps := range plansByPair(plans) {
		if inPlans[p.api] == nil {
			inPlans[p.api] = map[string][]*gateway.UsagePlan{}
		}
		inPlans[p.api][p.stage] = ps
	}
	rules := f.All()
	var out []LeftOut
	for _, api := range apis {
		planned := inPlans[api.ID]
		delete(inPlans, api.ID)
		leave := func(stage string, why Reason, text string) {
			out = append(out, LeftOut{RestAPI: api.ID, Name: api.Name, Stage: stage, Why: why, Text: text})
		}
		if no := refusal(rules, Entry{API: api}); no != nil {
			leave("", no.Why, no.Text)
			continue
		}
		details, asked := stages[api.ID]
		there := map[string]bool{}
		for _, d := range details {
			there[d.Name] = true
			no := refusal(rules, Entry{API: api, Stage: d.Name, Details: d})
			switch {
			case no != nil:
				leave(d.Name, no.Why, no.Text)
			case len(planned[d.Name]) == 0 && !f.AcceptWithoutPlan:
				leave(d.Name, Planless, "no usage plan contains it")
			}
		}
		for stage, ps := range planned {
			no := refusal(rules, Entry{API: api, Stage: stage})
			switch {
			case asked && !there[stage]:
				leave(stage, Vanished, "AWS has no such stage, though "+containedIn(ps))
			case !asked && no != nil:
				leave(stage, no.Why, no.Text)
			}
		}
		switch {
		case asked && len(details) == 0:
			leave("", NoStage, "it has no stage: it is not deployed")
		case !asked && len(planned) == 0 && !f.AcceptWithoutPlan:
			leave("", Planless, "no usage plan contains a stage of it")
		}
	}
	for api, planned := range inPlans {
		for stage, ps := range planned {
			out = append(out, LeftOut{
				RestAPI: api, Stage: stage, Why: NoAPI, Text: "AWS lists no such REST API, though " + containedIn(ps),
			})
		}
	}
	slices.SortFunc(out, func(a, b LeftOut) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.RestAPI, b.RestAPI), cmp.Compare(a.Stage, b.Stage))
	})
	return out
}

// containedIn says which usage plans contain a stage.
func containedIn(plans []*gateway.UsagePlan) string {
	names := make([]string, len(plans))
	for i, p := range plans {
		names[i] = strings.TrimSpace(fmt.Sprintf("%s (%s)", line(p.Name), p.ID))
	}
	if len(names) == 1 {
		return "the usage plan " + names[0] + " contains it"
	}
	return "the usage plans " + words.Few(names, words.Some, ", ") + " contain it"
}
