package drift_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/drift"
	"federation-agent/internal/federated"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/survey"
)

const here = "111122223333:eu-west-1:"

var (
	target = federation.Target{Account: "111122223333", Region: "eu-west-1"}
	away   = federation.Target{Account: "111122223333", Region: "us-east-1"}
)

// scene is one target with a REST API for each case, all in plan p unless the case says otherwise.
type scene struct {
	apis    []*gateway.RestAPI
	plan    gateway.UsagePlan
	filter  federation.Filter
	asked   federation.Stages
	gone    map[string]bool // stages that a plan contains and AWS does not have
	held    []drift.API
	sent    map[string][]string
	changed map[federation.ID]bool
	more    []survey.Listing
	off     []federation.Target
	without map[string]string // REST APIs whose stages are not listed
	guarded map[federation.ID]bool
	omitted map[federation.ID]gateway.Omission
}

func newScene() *scene {
	return &scene{
		plan: gateway.UsagePlan{ID: "p", Name: "Gold"}, sent: map[string][]string{}, asked: federation.Stages{},
		changed: map[federation.ID]bool{}, without: map[string]string{}, guarded: map[federation.ID]bool{},
		omitted: map[federation.ID]gateway.Omission{}, gone: map[string]bool{},
	}
}

func id(text string) federation.ID {
	id, err := federation.ParseID(text)
	if err != nil {
		panic(err)
	}
	return id
}

func apimID(uniqueID string) string { return "apim(" + uniqueID + ")" }

// api adds a REST API with stage prod, in the plan or not.
func (s *scene) api(name string, planned bool) *scene {
	s.apis = append(s.apis, &gateway.RestAPI{ID: name, Name: name, Version: "1"})
	if planned {
		s.plan.Stages = append(s.plan.Stages, gateway.PlanStage{APIID: name, Stage: "prod"})
	}
	return s
}

// has adds an API to APIM's list, under a name, and to what was sent.
func (s *scene) has(text, name, version string) *scene {
	s.held = append(s.held, drift.API{ID: apimID(text), Name: name, Version: version})
	s.sent[text] = []string{"p"}
	return s
}

func (s *scene) input() drift.Input {
	plans := []*gateway.UsagePlan{&s.plan}
	found := survey.Found{Integration: "i", Filter: s.filter, Unconfirmed: s.guarded, Off: s.off, Listings: append([]survey.Listing{{
		Target: target, Complete: true, APIs: s.apis, Plans: plans, Asked: s.asked, Unlisted: s.without,
	}}, s.more...)}
	for _, e := range federation.Entries(s.apis, plans, s.asked, s.filter) {
		named := federation.NamedEntry{Target: target, Entry: e, Name: e.API.Name}
		found.Whole = append(found.Whole, named)
		if !s.gone[e.API.ID] {
			found.APIs = append(found.APIs, named)
		}
	}
	return drift.Input{
		Found: found, Sent: s.sent, Held: drift.NewHeld(s.held, apimID), Changed: s.changed, Omissions: s.omitted,
	}
}

// told is a report in short, as in "gone x".
func told(r drift.Report) string {
	var all []string
	for _, kind := range drift.Kinds() {
		for _, item := range r.Items[kind] {
			what := strings.TrimSuffix(strings.TrimPrefix(item.ID, here), ":prod")
			if item.ID == "" {
				what = item.APIMID
			}
			if item.Why != "" {
				what += " (" + item.Why + ")"
			}
			all = append(all, string(kind)+" "+what)
		}
	}
	return strings.Join(all, ", ")
}

func TestHowAWSAndAPIMDiffer(t *testing.T) {
	for name, c := range map[string]struct {
		scene *scene
		want  string
	}{
		"all is as it was sent":                       {newScene().api("a", true).has(here+"a:prod", "a", "1"), ""},
		"APIM 4.5 tells no version":                   {newScene().api("a", true).has(here+"a:prod", "a", ""), ""},
		"never sent":                                  {newScene().api("a", true), "new a"},
		"in no usage plan, and APIM does not have it": {newScene().api("a", false), ""},
		"sent, and deleted in APIM": {func() *scene {
			s := newScene().api("a", true)
			s.sent[here+"a:prod"] = nil
			return s
		}(), "missing a"},
		"APIM has it though nothing is remembered of it": {func() *scene {
			s := newScene().api("a", true).has(here+"a:prod", "a", "1")
			clear(s.sent)
			return s
		}(), ""},
		"changed": {func() *scene {
			s := newScene().api("a", true).has(here+"a:prod", "old", "1")
			s.changed[id(here+"a:prod")] = true
			return s
		}(), "changed a"},
		"renamed in APIM":         {newScene().api("a", true).has(here+"a:prod", "Mine", "1"), "renamed a"},
		"another version in APIM": {newScene().api("a", true).has(here+"a:prod", "a", "2"), "renamed a"},
		"REST API deleted":        {newScene().has(here+"x:prod", "x", "1"), "gone x"},
		"REST API deleted, and APIM does not have it": {func() *scene {
			s := newScene()
			s.sent[here+"x:prod"] = nil
			return s
		}(), ""},
		"stage deleted, a plan still contains it": {func() *scene {
			s := newScene().api("a", true).has(here+"a:prod", "a", "1")
			s.gone["a"] = true
			return s
		}(), "gone a"},
		"stage deleted, as its export has found": {func() *scene {
			s := newScene().api("a", true).has(here+"a:prod", "a", "1")
			s.omitted[id(here+"a:prod")] = gateway.Omission{Reason: gateway.NotFound.Reason()}
			return s
		}(), "gone a"},
		"stage deleted, as GetStages has said": {func() *scene {
			s := newScene().api("a", false).has(here+"a:prod", "a", "1")
			s.asked["a"] = []*gateway.Stage{{Name: "dev"}}
			return s
		}(), "gone a"},
		"in no usage plan any more": {func() *scene {
			s := newScene().api("a", false).has(here+"a:prod", "a", "1")
			s.omitted[id(here+"a:prod")] = gateway.Omission{Reason: gateway.Planless}
			return s
		}(), "omitted a (no_usage_plan)"},
		"in no usage plan any more, or deleted": {
			newScene().api("a", false).has(here+"a:prod", "a", "1"), "omitted a (no-usage-plan)"},
		"filtered": {func() *scene {
			s := newScene().api("a", true).has(here+"a:prod", "a", "1")
			s.filter.Stages = []string{"dev"}
			return s
		}(), "omitted a (stage-filter)"},
		"filtered, and nothing is remembered of it": {func() *scene {
			s := newScene().api("a", true).has(here+"a:prod", "a", "1")
			s.filter.Stages = []string{"dev"}
			clear(s.sent)
			return s
		}(), "omitted a (stage-filter)"},
		"held back by the plan guard": {func() *scene {
			s := newScene().api("a", true).has(here+"a:prod", "a", "1")
			s.guarded[id(here+"a:prod")] = true
			return s
		}(), "omitted a (plan-guard)"},
		"its document could not be had": {func() *scene {
			s := newScene().api("a", true).has(here+"a:prod", "a", "1")
			s.omitted[id(here+"a:prod")] = gateway.Omission{Reason: gateway.TooLate}
			return s
		}(), "omitted a (too_late)"},
		"its document could not be had, and APIM does not have it": {func() *scene {
			s := newScene().api("a", true)
			s.omitted[id(here+"a:prod")] = gateway.Omission{Reason: gateway.TooLate}
			return s
		}(), ""},
		"stages not listed": {func() *scene {
			s := newScene().api("a", false).has(here+"a:prod", "a", "1")
			s.without["a"] = "AccessDenied"
			return s
		}(), "omitted a (stages-not-listed)"},
		"account not configured any more": {
			newScene().api("a", true).has(here+"a:prod", "a", "1").has("999999999999:eu-west-1:x:prod", "x", "1"),
			"omitted 999999999999:eu-west-1:x (not-configured)"},
		"region that is off": {func() *scene {
			s := newScene().api("a", true).has(here+"a:prod", "a", "1").has("111122223333:us-east-1:x:prod", "x", "1")
			s.off = []federation.Target{away}
			return s
		}(), "omitted 111122223333:us-east-1:x (region-off)"},
		"target that could not be listed": {func() *scene {
			s := newScene().api("a", true).has(here+"a:prod", "a", "1").has("111122223333:us-east-1:x:prod", "x", "1")
			s.more = []survey.Listing{{Target: away, Failure: "AWS is out of reach"}}
			return s
		}(), ""},
		"target without a known account": {func() *scene {
			s := newScene().api("a", true).has(here+"a:prod", "a", "1").has("111122223333:us-east-1:x:prod", "x", "1")
			s.more = []survey.Listing{{Target: federation.Target{Region: "us-east-1"}, Failure: "no credentials"}}
			return s
		}(), ""},
		"made by another agent": {func() *scene {
			s := newScene().api("a", true).has(here+"a:prod", "a", "1")
			s.held = append(s.held, drift.API{ID: "other", Name: "Other"})
			return s
		}(), "foreign other"},
		"unknown in APIM, while nothing is known of a target": {func() *scene {
			s := newScene().api("a", true).has(here+"a:prod", "a", "1")
			s.held = append(s.held, drift.API{ID: "other", Name: "Other"})
			s.more = []survey.Listing{{Target: away, Failure: "AWS is out of reach"}}
			return s
		}(), ""},
	} {
		if got := told(drift.Of(c.scene.input())); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestOnlyWhatAnIngestBringsIsToBeSent(t *testing.T) {
	s := newScene().api("new", true).api("changed", true).api("missing", true).api("renamed", true).api("same", true)
	for _, name := range []string{"changed", "same", "gone"} {
		s.has(here+name+":prod", name, "1")
	}
	s.has(here+"renamed:prod", "Mine", "1")
	s.sent[here+"missing:prod"] = nil
	s.changed[id(here+"changed:prod")] = true
	r := drift.Of(s.input())
	want := []string{here + "changed:prod", here + "missing:prod", here + "new:prod"}
	if got := r.ToSend(); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if r.InAPIM != 4 || r.Doubt != "" || len(r.Unlisted) > 0 {
		t.Errorf("%+v", r)
	}
	if i := r.Items[drift.New][0]; i.APIMID != apimID(here+"new:prod") || i.Name != "new" {
		t.Errorf("%+v", i)
	}
	if i := r.Items[drift.Renamed][0]; i.Name != "Mine" || !strings.Contains(i.Text, `"renamed"`) {
		t.Errorf("%+v", i)
	}
}

func TestAReportThatMeetsNoneOfItsAPIsIsDoubted(t *testing.T) {
	s := newScene().api("a", true)
	s.sent[here+"a:prod"] = nil
	s.held = []drift.API{{ID: "by another environment's id", Name: "a"}}
	if r := drift.Of(s.input()); !strings.Contains(r.Doubt, "agent.apim.environmentId") {
		t.Errorf("%+v", r)
	}
	s.held = nil
	if r := drift.Of(s.input()); r.Doubt != "" {
		t.Errorf("everything may be deleted: %+v", r)
	}
}

func TestTargetsThatCouldNotBeListedAreNamedOnce(t *testing.T) {
	s := newScene().api("a", true)
	s.more = []survey.Listing{
		{Target: target, Failure: "by another role it cannot be listed"}, {Target: away, Failure: "AccessDenied"},
		{Target: federation.Target{Region: "ap-east-1"}},
	}
	want := []string{"111122223333:us-east-1: AccessDenied", "ap-east-1: it could not be listed in time"}
	if r := drift.Of(s.input()); !slices.Equal(r.Unlisted, want) {
		t.Errorf("%q", r.Unlisted)
	}
}

func TestOfDoubtfulStagesOnlyAWSCouldSayWhetherTheyExist(t *testing.T) {
	s := newScene().api("planned", true).api("planless", false).api("asked", false).api("denied", false).api("other", false)
	s.asked["asked"] = nil
	s.without["denied"] = "AccessDenied"
	s.filter.Stages = []string{"prod"}
	for _, text := range []string{"planned:prod", "planless:prod", "asked:prod", "denied:prod", "other:dev", "gone:prod"} {
		s.sent[here+text] = nil
	}
	in := s.input()
	var got []string
	for _, e := range drift.Doubtful(in.Found, in.Sent) {
		got = append(got, fmt.Sprint(e.ID(), " ", e.API.Name))
	}
	if want := []string{here + "planless:prod planless"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestAPIMHasAnAPIUnderItsNameAndVersion(t *testing.T) {
	h := drift.NewHeld([]drift.API{{ID: apimID("a"), Name: "A", Version: "1"}, {ID: apimID("b"), Name: "B"}}, apimID)
	for s, want := range map[federated.Summary]bool{
		{UniqueID: "a", Name: "A", Version: "1"}: true, {UniqueID: "a", Name: "B", Version: "1"}: false,
		{UniqueID: "a", Name: "A", Version: "2"}: false, {UniqueID: "b", Name: "B", Version: "2"}: true,
		{UniqueID: "c", Name: "A", Version: "1"}: false,
	} {
		if h.Has(s) != want {
			t.Errorf("%+v: %v", s, !want)
		}
	}
}
