package federation

import (
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/gateway"
)

func TestAPatternMatchesWithStarsAndQuestionMarks(t *testing.T) {
	for pattern, texts := range map[string]struct{ yes, no string }{
		"orders":   {"orders", "Orders|orders-v2|order|"},
		"orders-*": {"orders-|orders-v2|orders-a*b", "orders|my-orders-v2"},
		"*-v2":     {"-v2|orders-v2|a-v2-v2", "orders-v2x"},
		"*a*b*":    {"ab|xaxbx|aabb", "ba|a"},
		"v?":       {"v1|vü|v?", "v|v10"},
		"*":        {"|anything", ""},
		"a[b]*":    {"a[b]|a[b]c", "ab|abc"},
		`a\\*`:     {`a\\|a\\b`, "a*|ab"},
		"":         {"", "a"},
		"?*?":      {"ab|abc", "a"},
	} {
		for text := range strings.SplitSeq(texts.yes, "|") {
			if !Matches(pattern, text) {
				t.Errorf("%q does not match %q", pattern, text)
			}
		}
		if texts.no == "" {
			continue
		}
		for text := range strings.SplitSeq(texts.no, "|") {
			if Matches(pattern, text) {
				t.Errorf("%q matches %q", pattern, text)
			}
		}
	}
	if Matches(strings.Repeat("*a", 60)+"b", strings.Repeat("a", 5000)) {
		t.Error("what does not match took time and matched")
	}
}

func include(of Subject, entries ...string) Rule {
	return Rule{Setting: "include", Of: of, Entries: entries}
}

func exclude(of Subject, entries ...string) Rule {
	return Rule{Setting: "exclude", Of: of, Exclude: true, Entries: entries}
}

func by(rules ...Rule) Filter { return Filter{Rules: rules} }

func TestAFilterLetsThroughWhatAllOfItsRulesAccept(t *testing.T) {
	orders := &gateway.RestAPI{ID: "o", Name: "orders-v2", Tags: map[string]string{"team": "shop", "open": "", "a": "b=c"}}
	prod := &gateway.Stage{Name: "prod", Tags: map[string]string{"visibility": "public"}}
	for name, c := range map[string]struct {
		filter  Filter
		details *gateway.Stage
		why     Reason
		text    string
	}{
		"nothing is asked for":     {},
		"a name":                   {filter: by(include(APIName, "billing", "orders-*"))},
		"another name":             {filter: by(include(APIName, "billing")), why: APIFiltered, text: "include names only billing"},
		"exclude wins":             {filter: by(exclude(APIName, "x", "*-v2"), include(APIName, "*")), why: APIFiltered, text: "exclude names *-v2"},
		"a tag's key":              {filter: by(include(APITag, "team"))},
		"a tag":                    {filter: by(include(APITag, "t??m=sh*"))},
		"another value":            {filter: by(include(APITag, "team=shops")), why: APITagFiltered, text: "include names only team=shops"},
		"an empty value":           {filter: by(include(APITag, "open="))},
		"no empty value":           {filter: by(include(APITag, "team=")), why: APITagFiltered},
		"the first = ends the key": {filter: by(include(APITag, "a=b=c"))},
		"excluded by its tag":      {filter: by(exclude(APITag, "Team", "team=*")), why: APITagFiltered, text: "exclude names team=*"},
		"a stage":                  {filter: by(include(StageName, "pr?d"))},
		"another stage":            {filter: by(exclude(StageName, "p*")), why: Filtered},
		"the stage filter":         {filter: Filter{Stages: []string{"dev"}}, why: Filtered, text: "the stage filter names only dev"},
		"both stage filters": {
			filter: Filter{Stages: []string{"prod"}, Rules: []Rule{include(StageName, "dev")}}, why: Filtered, text: "include names only dev",
		},
		"a stage's tag":         {filter: by(include(StageTag, "visibility=public")), details: prod},
		"a stage's tag unknown": {filter: by(include(StageTag, "visibility=private"))},
		"another stage's tag":   {filter: by(include(StageTag, "visibility=private")), details: prod, why: StageTagFiltered},
		"every rule must accept": {
			filter: by(include(APIName, "orders-*"), include(APITag, "team=bank")), why: APITagFiltered, text: "team=bank",
		},
	} {
		t.Run(name, func(t *testing.T) {
			no := c.filter.Refuses(orders, "prod", c.details)
			switch {
			case no == nil:
				if c.why != "" {
					t.Errorf("it passes, want %s", c.why)
				}
			case no.Why != c.why || !strings.Contains(no.Text, c.text):
				t.Errorf("%+v, want %s, %s", no, c.why, c.text)
			}
		})
	}
}

// Four APIs: two tags, two names; all but the last in a plan. Only d is asked about its stages by default.
func TestAFilterSaysWhichStagesMustBeAskedForAndWhatIsLeftOut(t *testing.T) {
	public := map[string]string{"public": "yes"}
	apis := []*gateway.RestAPI{
		{ID: "a", Name: "Alpha", Tags: public}, {ID: "b", Name: "Beta"}, {ID: "c", Name: "Gamma", Tags: public},
		{ID: "d", Name: "Delta", Tags: public},
	}
	plans := []*gateway.UsagePlan{plan("p1", "a/prod", "a/dev", "b/prod", "c/dev")}
	tagged := func(name string, tags map[string]string) *gateway.Stage {
		return &gateway.Stage{Name: name, Tags: tags}
	}
	all := Stages{
		"a": {tagged("prod", public), tagged("dev", nil), tagged("x", public)}, "b": {tagged("prod", public)},
		"c": {tagged("dev", public)}, "d": {tagged("prod", public), tagged("dev", nil)},
	}
	for name, c := range map[string]struct {
		filter         Filter
		asked          string // API ids
		entries, outed string
	}{
		"none": {by(), "", "a/dev a/prod b/prod c/dev", "d:no-usage-plan"},
		"by API": {
			by(include(APITag, "public"), exclude(APIName, "G*")), "", "a/dev a/prod",
			"b:api-tag-filter c:api-filter d:no-usage-plan",
		},
		"by stage name": {by(include(StageName, "pro?")), "", "a/prod b/prod", "a/dev:stage-filter c/dev:stage-filter d:no-usage-plan"},
		"by stage tag": {
			by(include(StageTag, "public=yes")), "abc", "a/prod b/prod c/dev",
			"a/dev:stage-tag-filter a/x:no-usage-plan d:no-usage-plan",
		},
		"by stage tag and more": {
			by(exclude(APIName, "Beta"), include(StageName, "prod"), include(StageTag, "public")), "a", "a/prod",
			"a/dev:stage-filter a/x:stage-filter b:api-filter c/dev:stage-filter d:no-usage-plan",
		},
		"without plans": {
			Filter{AcceptWithoutPlan: true, Rules: []Rule{exclude(APIName, "Alpha")}}, "bcd", "b/prod c/dev d/dev d/prod", "a:api-filter",
		},
		"without plans, all wanted stages in plans": {
			Filter{AcceptWithoutPlan: true, Rules: []Rule{include(StageName, "prod", "dev"), exclude(StageName, "d*")}}, "cd",
			"a/prod b/prod d/prod", "a/dev:stage-filter c/dev:stage-filter d/dev:stage-filter",
		},
		"without plans, by stage tag": {
			Filter{AcceptWithoutPlan: true, Stages: []string{"prod"}, Rules: []Rule{exclude(StageTag, "public")}}, "abcd", "",
			"a/dev:stage-filter a/prod:stage-tag-filter a/x:stage-filter b/prod:stage-tag-filter c/dev:stage-filter " +
				"d/dev:stage-filter d/prod:stage-tag-filter",
		},
	} {
		t.Run(name, func(t *testing.T) {
			asked, stages := "", Stages{}
			for _, api := range StagesWanted(apis, plans, c.filter) {
				asked += api.ID
				stages[api.ID] = all[api.ID]
			}
			if asked != c.asked {
				t.Errorf("%s are asked for their stages, want %s", asked, c.asked)
			}
			var entries, outed []string
			for _, e := range Entries(apis, plans, stages, c.filter) {
				entries = append(entries, e.API.ID+"/"+e.Stage)
				if !c.filter.Decides(e) {
					t.Errorf("%s/%s is not decided", e.API.ID, e.Stage)
				}
			}
			slices.Sort(entries)
			if got := strings.Join(entries, " "); got != c.entries {
				t.Errorf("entries %s, want %s", got, c.entries)
			}
			for _, o := range LeftOuts(apis, plans, stages, c.filter) {
				outed = append(outed, strings.TrimSuffix(o.RestAPI+"/"+o.Stage, "/")+":"+string(o.Why))
				if o.Why.OfFilter() == (o.Why == Planless) {
					t.Errorf("%s is of a filter: %v", o.Why, o.Why.OfFilter())
				}
			}
			slices.Sort(outed)
			if got := strings.Join(outed, " "); got != c.outed {
				t.Errorf("left out %s, want %s", got, c.outed)
			}
		})
	}
	if undecided := Entries(apis, plans, nil, by(include(StageTag, "x"))); len(undecided) != 4 {
		t.Errorf("%v: what is not decided is not among the entries", texts(undecided))
	}
}
