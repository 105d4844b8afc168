package federation

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/gateway"
)

func api(id, name string) *gateway.RestAPI { return &gateway.RestAPI{ID: id, Name: name} }

// plan is a usage plan with links written "api/stage".
func plan(id string, links ...string) *gateway.UsagePlan {
	p := &gateway.UsagePlan{ID: id, Name: "plan " + id}
	for _, l := range links {
		a, s, _ := strings.Cut(l, "/")
		p.Stages = append(p.Stages, gateway.PlanStage{APIID: a, Stage: s})
	}
	return p
}

func stage(names ...string) []*gateway.Stage {
	out := []*gateway.Stage{}
	for _, n := range names {
		out = append(out, &gateway.Stage{Name: n})
	}
	return out
}

// texts writes entries as "api/stage:plan,plan", with "!" where the stage's details are known.
func texts(entries []Entry) []string {
	out := []string{}
	for _, e := range entries {
		ids := []string{}
		for _, p := range e.Plans {
			ids = append(ids, p.ID)
		}
		text := e.API.ID + "/" + e.Stage + ":" + strings.Join(ids, ",")
		if e.Details != nil {
			text += "!"
		}
		out = append(out, text)
	}
	return out
}

func TestUsagePlansAndStagesGiveTheEntries(t *testing.T) {
	apis := []*gateway.RestAPI{api("b", "Beta"), api("a", "Alpha"), api("c", "Alpha"), api("", "Nameless")}
	plans := []*gateway.UsagePlan{
		plan("p2", "a/prod", "b/prod", "gone/prod"), plan("p1", "a/prod", "a/dev", "a/prod"), plan("p3"),
		plan("p1", "a/prod"),
	}
	for name, c := range map[string]struct {
		stages Stages
		filter Filter
		want   []string
	}{
		"by default only pairs in plans, ordered, no call per API": {
			nil, Filter{}, []string{"a/dev:p1", "a/prod:p1,p2", "b/prod:p2"}},
		"an API in a plan that is no longer listed is left out": {
			Stages{"gone": stage("prod")}, Filter{}, []string{"a/dev:p1", "a/prod:p1,p2", "b/prod:p2"}},
		"a stage that GetStages lacks is left out": {
			Stages{"a": stage("prod"), "b": {}}, Filter{}, []string{"a/prod:p1,p2!"}},
		"stages outside plans only when they are accepted": {
			Stages{"a": stage("prod", "dev", "test"), "c": stage("v1")}, Filter{},
			[]string{"a/dev:p1!", "a/prod:p1,p2!", "b/prod:p2"}},
		"accepted": {
			Stages{"a": stage("prod", "dev", "test"), "c": stage("v1")}, Filter{AcceptWithoutPlan: true},
			[]string{"a/dev:p1!", "a/prod:p1,p2!", "a/test:!", "c/v1:!", "b/prod:p2"}},
		"a filter": {
			Stages{"c": stage("v1", "prod")}, Filter{AcceptWithoutPlan: true, Stages: []string{"prod"}},
			[]string{"a/prod:p1,p2", "c/prod:!", "b/prod:p2"}},
		"a stage without a name is none": {
			Stages{"a": stage("", "prod")}, Filter{AcceptWithoutPlan: true}, []string{"a/prod:p1,p2!", "b/prod:p2"}},
		"a filter is exact": {nil, Filter{Stages: []string{"Prod", "pro"}}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, texts(Entries(apis, plans, c.stages, c.filter))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEntriesDoNotDependOnTheOrderOfTheListings(t *testing.T) {
	apis := []*gateway.RestAPI{api("a", "X"), api("b", "X"), api("c", "W")}
	plans := []*gateway.UsagePlan{plan("p1", "a/s", "b/s", "c/s"), plan("p2", "b/s", "a/t")}
	want := texts(Entries(apis, plans, nil, Filter{}))
	slices.Reverse(apis)
	slices.Reverse(plans)
	if diff := cmp.Diff(want, texts(Entries(apis, plans, nil, Filter{}))); diff != "" {
		t.Error(diff)
	}
}

func TestGetStagesIsNeededOnlyWhereUsagePlansDoNotNameAllStages(t *testing.T) {
	apis := []*gateway.RestAPI{api("a", "A"), api("b", "B")}
	plans := []*gateway.UsagePlan{plan("p1", "a/prod", "a/dev", "b/prod")}
	for _, c := range []struct {
		filter Filter
		want   string
	}{
		{Filter{}, ""},
		{Filter{Stages: []string{"x"}}, ""},
		{Filter{AcceptWithoutPlan: true}, "ab"},
		{Filter{AcceptWithoutPlan: true, Stages: []string{"prod"}}, ""},
		{Filter{AcceptWithoutPlan: true, Stages: []string{"prod", "dev"}}, "b"},
	} {
		var got strings.Builder
		for _, a := range StagesWanted(apis, plans, c.filter) {
			got.WriteString(a.ID)
		}
		if got.String() != c.want {
			t.Errorf("%+v: %q, want %q", c.filter, got.String(), c.want)
		}
	}
}

func TestWhatGetStagesSaidLastIsRemembered(t *testing.T) {
	a, b := api("a", "A"), api("b", "B")
	living := Living{}
	living.Note("a", stage("prod"))
	living.Note("c", stage("prod"))
	given := []Entry{
		{
			API:   a,
			Stage: "prod",
		},
		{API: a, Stage: "dev"},
		{API: a, Stage: "new", Details: stage("new")[0]},
		{API: b, Stage: "prod"},
	}
	existence := func() []Existence {
		var out []Existence
		for _, e := range living.Mark(given) {
			out = append(out, e.Existence)
		}
		return out
	}
	if got := existence(); !slices.Equal(got, []Existence{Exists, Gone, Exists, Unasked}) {
		t.Errorf("%v", got)
	}
	if given[1].Existence != Unasked {
		t.Error("the listing itself was changed")
	}
	living.Note("a", stage("prod", "dev")) // it was made again
	living.Note("b", nil)                  // it was deleted
	if got := existence(); !slices.Equal(got, []Existence{Exists, Exists, Exists, Gone}) {
		t.Errorf("%v", got)
	}
	living.Relist([]*gateway.RestAPI{a}, given, given[:3])
	if len(living) != 1 || living["a"] == nil {
		t.Errorf("%v is remembered", living)
	}
}

// A usage plan contains the stage, GetStages did not tell it, and it may have been made since.
func TestAStageThatIsNewInUsagePlansCountsAsOneThatExists(t *testing.T) {
	a := api("a", "A")
	apis := []*gateway.RestAPI{a}
	prod, dev, fresh := Entry{API: a, Stage: "prod"}, Entry{API: a, Stage: "dev"}, Entry{API: a, Stage: "fresh"}
	for name, c := range map[string]struct {
		before, now []Entry
		want        []Existence
	}{
		"it was there, and its stage was not": {[]Entry{prod, dev}, []Entry{prod, dev}, []Existence{Exists, Gone}},
		"it is new":                           {[]Entry{prod}, []Entry{prod, fresh}, []Existence{Unasked, Unasked}},
		"one like it is not":                  {[]Entry{prod, dev}, []Entry{dev, fresh}, []Existence{Unasked, Unasked}},
		"GetStages has told it since":         {nil, []Entry{{API: a, Stage: "prod", Details: stage("prod")[0]}}, []Existence{Exists}},
	} {
		t.Run(name, func(t *testing.T) {
			living := Living{}
			living.Note("a", stage("prod"))
			living.Relist(apis, c.before, c.now)
			var got []Existence
			for _, e := range living.Mark(c.now) {
				got = append(got, e.Existence)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestAPlanIsCheckedForOneStageOrForAnyOfABareId(t *testing.T) {
	apis := []*gateway.RestAPI{api("a", "Alpha"), api("b", "Beta")}
	plans := []*gateway.UsagePlan{plan("p1", "a/prod", "gone/prod"), plan("p2", "a/dev"), plan("p3")}
	whole := func(api, stage string) Ref { return Ref{ID: ID{"1", "r", api, stage}, RestAPI: api} }
	for name, c := range map[string]struct {
		ref  Ref
		plan string
		says string
	}{
		"in its plan":            {whole("a", "prod"), "p1", ""},
		"in another plan":        {whole("a", "prod"), "p2", " p2 (p2) does not contain stage prod of REST API a"},
		"stages differ in case":  {whole("a", "Prod"), "p1", "does not contain stage Prod"},
		"another API's stage":    {whole("b", "prod"), "p1", "does not contain stage prod of REST API b"},
		"an empty plan":          {whole("a", "prod"), "p3", "does not contain"},
		"no such plan":           {whole("a", "prod"), "p4", "no usage plan p4"},
		"no such API":            {whole("gone", "prod"), "p1", "no REST API gone"},
		"bare, any stage":        {Ref{RestAPI: "a"}, "p2", ""},
		"bare, none of its own":  {Ref{RestAPI: "b"}, "p1", "does not contain any stage of REST API b"},
		"bare, no such REST API": {Ref{RestAPI: "gone"}, "p1", "no REST API gone"},
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckPlan(c.ref, c.plan, apis, plans)
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
}

func TestCandidatesAreAllThatIsKnownWhateverTheFilter(t *testing.T) {
	apis := []*gateway.RestAPI{api("a", "Alpha"), api("b", "Beta"), api("c", "Gamma"), api("d", "Delta")}
	plans := []*gateway.UsagePlan{plan("p1", "a/prod", "b/prod", "b/dead", "gone/never")}
	got := texts(Candidates(apis, plans, Stages{"b": stage("test", "prod"), "d": nil}))
	if want := []string{"a/prod:p1", "b/prod:p1!", "b/test:!", "c/:", "d/:"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestANarrowListingHasEachAPIThatIsAskedForOnce(t *testing.T) {
	target := Target{Account: "1", Region: "r"}
	id := func(api, stage string) ID { return ID{Account: "1", Region: "r", RestAPI: api, Stage: stage} }
	filter := Filter{AcceptWithoutPlan: true, Stages: []string{"prod", "dev"}, Rules: []Rule{exclude(APIName, "Hidden")}}
	apis := []*gateway.RestAPI{api("a", "A"), api("b", "B"), api("c", "C"), api("h", "Hidden")}
	plans := []*gateway.UsagePlan{plan("p", "a/prod", "b/prod", "h/prod")}
	stages := Stages{"c": stage("prod")}
	elsewhere := id("b", "dev")
	elsewhere.Region = "s"
	asked := []ID{
		id("a", "prod"), id("a", "dev"), id("a", "dev"), id("a", "prod"), // in a plan, and in none
		id("c", "prod"), id("c", "dev"), // as GetStages said
		id("b", "test"), id("h", "prod"), id("h", "dev"), id("x", "prod"), elsewhere, // filtered out, deleted, of another target
	}
	var got []ID
	for _, e := range Only(target, asked, Entries(apis, plans, stages, filter), apis, stages, filter) {
		got = append(got, e.ID(target))
	}
	if want := []ID{id("a", "prod"), id("c", "prod"), id("a", "dev")}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
