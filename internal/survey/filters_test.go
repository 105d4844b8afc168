package survey_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/survey"
)

func TestEachEntryOfAFilterSaysWhatItDoes(t *testing.T) {
	at := federation.Target{Account: "111122223333", Region: "eu-west-1"}
	link := func(api, stage string) gateway.PlanStage { return gateway.PlanStage{APIID: api, Stage: stage} }
	plans := []*gateway.UsagePlan{{ID: "g", Stages: []gateway.PlanStage{
		link("o", "prod"), link("o", "dev"), link("l", "prod"), link("i", "prod"),
	}}}
	apis := []*gateway.RestAPI{
		{ID: "o", Name: "Orders", Tags: map[string]string{"team": "shop"}}, {ID: "l", Name: "Legacy"},
		{ID: "i", Name: "Internal"}, {ID: "x", Name: "Unplanned"},
	}
	filter := federation.Filter{Stages: []string{"prod"}, Rules: []federation.Rule{
		{Setting: "excludeApis", Of: federation.APIName, Exclude: true, Entries: []string{"Leg*", "unplanned", "I*"}},
		{Setting: "includeApis", Of: federation.APIName, Entries: []string{"Orders", "Legacy", "Oders", "Unplanned"}},
		{Setting: "excludeApiTags", Of: federation.APITag, Exclude: true, Entries: []string{"Team", "tema=shop"}},
		{Setting: "excludeStages", Of: federation.StageName, Exclude: true, Entries: []string{"d?v"}},
		{Setting: "excludeStageTags", Of: federation.StageTag, Exclude: true, Entries: []string{"x"}},
	}}
	listing := survey.Listing{Target: at, Complete: true, APIs: apis, Plans: plans}
	found := survey.Found{Integration: "i", Filter: filter, Listings: []survey.Listing{listing, listing, {Target: at}}}
	for _, e := range federation.Entries(apis, plans, nil, filter) {
		named := federation.NamedEntry{Target: at, Entry: e, Name: e.API.Name}
		found.APIs, found.Whole = append(found.APIs, named), append(found.Whole, named)
	}
	r := survey.Of([]survey.Found{found}, nil, quota())
	i := r.Integrations[0]
	const byAPI, byStage = survey.Counted("restApis"), survey.Counted("stages")
	want := []survey.Filtering{
		{Setting: "configuration.0_stage", Entry: "prod", Keeps: 1, Of: byStage},
		{Setting: "excludeApis", Entry: "Leg*", Drops: 1, Of: byAPI},
		{Setting: "excludeApis", Entry: "unplanned", Of: byAPI, Unused: true},
		{Setting: "excludeApis", Entry: "I*", Drops: 1, Of: byAPI},
		{Setting: "includeApis", Entry: "Orders", Keeps: 1, Of: byAPI},
		{Setting: "includeApis", Entry: "Legacy", Of: byAPI, Unused: true},
		{Setting: "includeApis", Entry: "Oders", Of: byAPI, Unused: true},
		{Setting: "includeApis", Entry: "Unplanned", Of: byAPI, Unused: true},
		{Setting: "excludeApiTags", Entry: "Team", Of: byAPI, Unused: true},
		{Setting: "excludeApiTags", Entry: "tema=shop", Of: byAPI, Unused: true},
		{Setting: "excludeStages", Entry: "d?v", Drops: 1, Of: byStage},
		{Setting: "excludeStageTags", Entry: "x", Of: byStage, Unused: true},
	}
	if diff := cmp.Diff(want, i.Filters); diff != "" {
		t.Error(diff)
	}
	names := []string{"Internal", "Legacy", "Orders", "Unplanned"}
	vain := []survey.Unused{
		{Setting: "excludeApis", Names: []string{"unplanned"}, Meant: []string{"Unplanned"}, Known: names},
		{Setting: "includeApis", Names: []string{"Legacy", "Oders", "Unplanned"}, Meant: []string{"Orders"}, Known: names,
			LeftOut: []string{"Legacy", "Unplanned"}},
		{
			Setting: "excludeApiTags", Names: []string{"Team", "tema=shop"}, Meant: []string{"team", "team=shop"},
			Known: []string{"team=shop"},
		},
		{Setting: "excludeStageTags", Names: []string{"x"}},
	}
	if diff := cmp.Diff(vain, i.UnusedFilters); diff != "" || i.UnusedStages != nil || r.Healthy {
		t.Errorf("%v %v %s", r.Healthy, i.UnusedStages, diff)
	}
	var text strings.Builder
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"ATTENTION: includeApis has entries that do nothing: Legacy, Oders, Unplanned; did you mean Orders? " +
			"Spelt right, and left out by another setting or for want of a usage plan: Legacy, Unplanned. There are: Internal,",
		"ATTENTION: excludeStageTags has entries that do nothing: x. None is known\n",
		"FILTER                 ENTRY      DOES\n", "excludeApis            Leg*       drops 1 of the REST APIs\n",
		"excludeApiTags         Team       nothing\n", "configuration.0_stage  prod       keeps 1 of the stages\n",
		"Legacy (l)     excludeApis names Leg*\n", "the stage filter names only prod\n",
	} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("without %q:\n%s", line, text.String())
		}
	}
}

func TestAnEntryThatIsSpeltRightIsNotListedAmongWhatThereIs(t *testing.T) {
	at := federation.Target{Account: "111122223333", Region: "eu-west-1"}
	apis := []*gateway.RestAPI{
		{ID: "a", Name: "Orders", Tags: map[string]string{"team": "Shop"}}, {ID: "b", Name: "orders", Tags: map[string]string{"team": "shop"}},
	}
	filter := federation.Filter{Rules: []federation.Rule{
		{Setting: "includeApis", Of: federation.APIName, Entries: []string{"orders"}},
		{Setting: "excludeApis", Of: federation.APIName, Exclude: true, Entries: []string{"ORDERS", "ordres"}},
		{Setting: "includeApiTags", Of: federation.APITag, Entries: []string{"Team=shop", "team = shop", "x"}},
	}}
	_, vain := survey.Filters(filter, nil, []survey.Listing{{Target: at, Complete: true, APIs: apis}})
	for n, want := range []string{
		"orders. Spelt right, and left out by another setting or for want of a usage plan: orders",
		"ORDERS, ordres; did you mean Orders, orders? There are: Orders, orders",
		"Team=shop, team = shop, x; did you mean team=Shop, team=shop? There are: team=Shop, team=shop",
	} {
		if got := vain[n].String(); got != want {
			t.Errorf("%s", got)
		}
	}
}
