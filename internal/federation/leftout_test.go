package federation

import (
	"slices"
	"testing"

	"federation-agent/internal/gateway"
)

func TestWhatIsNotFederatedHasItsReason(t *testing.T) {
	api := func(id string) *gateway.RestAPI { return &gateway.RestAPI{ID: id, Name: "API " + id} }
	plan := func(stages ...gateway.PlanStage) []*gateway.UsagePlan {
		return []*gateway.UsagePlan{{ID: "p1", Name: "Gold", Stages: stages}}
	}
	link := func(api, stage string) gateway.PlanStage { return gateway.PlanStage{APIID: api, Stage: stage} }
	stages := func(names ...string) (all []*gateway.Stage) {
		for _, name := range names {
			all = append(all, &gateway.Stage{Name: name})
		}
		return all
	}
	for name, c := range map[string]struct {
		apis   []*gateway.RestAPI
		plans  []*gateway.UsagePlan
		stages Stages
		filter Filter
		want   []LeftOut // without names and texts
	}{
		"all is federated": {apis: []*gateway.RestAPI{api("a")}, plans: plan(link("a", "prod"))},
		"in no plan": {
			apis: []*gateway.RestAPI{api("a"), api("b")}, plans: plan(link("b", "prod")),
			want: []LeftOut{{RestAPI: "a", Why: Planless}},
		},
		"in no plan, which is accepted, as all wanted stages are in plans elsewhere": {
			apis: []*gateway.RestAPI{api("a")}, filter: Filter{AcceptWithoutPlan: true, Stages: []string{"prod"}},
			stages: Stages{"a": stages("prod", "dev")},
			want:   []LeftOut{{RestAPI: "a", Stage: "dev", Why: Filtered}},
		},
		"filtered": {
			apis: []*gateway.RestAPI{api("a")}, plans: plan(link("a", "prod"), link("a", "dev")),
			filter: Filter{Stages: []string{"prod"}}, want: []LeftOut{{RestAPI: "a", Stage: "dev", Why: Filtered}},
		},
		"without a stage": {
			apis: []*gateway.RestAPI{api("a")}, stages: Stages{"a": nil}, filter: Filter{AcceptWithoutPlan: true},
			want: []LeftOut{{RestAPI: "a", Why: NoStage}},
		},
		"a plan names what is gone": {
			apis: []*gateway.RestAPI{api("a")}, plans: plan(link("a", "old"), link("b", "prod")),
			stages: Stages{"a": stages("prod")}, filter: Filter{AcceptWithoutPlan: true},
			want: []LeftOut{{RestAPI: "b", Stage: "prod", Why: NoAPI}, {RestAPI: "a", Stage: "old", Why: Vanished}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []LeftOut
			for _, o := range LeftOuts(c.apis, c.plans, c.stages, c.filter) {
				if o.Text == "" || o.Name == "" && o.Why != NoAPI {
					t.Errorf("%+v says nothing", o)
				}
				o.Name, o.Text = "", ""
				got = append(got, o)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
			for _, e := range Entries(c.apis, c.plans, c.stages, c.filter) {
				if slices.ContainsFunc(got, func(o LeftOut) bool { return o.RestAPI == e.API.ID && o.Stage == e.Stage }) {
					t.Errorf("%s %s is federated and left out", e.API.ID, e.Stage)
				}
			}
		})
	}
}
