package survey_test

import (
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/store"
	"federation-agent/internal/survey"
)

// oneTarget has three REST APIs: Orders with two plans, Legacy with a stage that is gone, and Held.
func oneTarget() (found survey.Found, before survey.Before) {
	at := federation.Target{Account: "111122223333", Region: "eu-west-1"}
	link := func(api, stage string) gateway.PlanStage { return gateway.PlanStage{APIID: api, Stage: stage} }
	gold := &gateway.UsagePlan{ID: "g", Name: "Gold", Stages: []gateway.PlanStage{
		link("o", "prod"), link("l", "old"), link("h", "prod"),
	}}
	silver := &gateway.UsagePlan{ID: "s", Name: "Silver", Stages: []gateway.PlanStage{link("o", "prod")}}
	apis := []*gateway.RestAPI{
		{ID: "h", Name: "Held"}, {ID: "l", Name: "Legacy"}, {ID: "o", Name: "Orders", ResourcePolicy: true},
	}
	listing := survey.Listing{Target: at, Complete: true, APIs: apis, Plans: []*gateway.UsagePlan{gold, silver}}
	found = survey.Found{Integration: "i", Listings: []survey.Listing{listing, {
		Target: federation.Target{Region: "ap-east-1"}, Failure: "enable the region", Cause: "api error X",
	}}, Unconfirmed: map[federation.ID]bool{}, Off: []federation.Target{
		{Account: at.Account, Region: "me-south-1"}, {Account: at.Account, Region: "af-south-1"},
	}}
	for _, e := range federation.Entries(apis, listing.Plans, nil, federation.Filter{}) {
		named := federation.NamedEntry{Target: at, Entry: e, Name: e.API.Name}
		found.Whole = append(found.Whole, named)
		if e.API.ID != "l" {
			found.APIs = append(found.APIs, named)
		}
		found.Unconfirmed[named.ID()] = e.API.ID == "h"
	}
	before = survey.Before{
		Plans: map[string][]string{
			"111122223333:eu-west-1:o:prod": {"g", "bronze"}, "111122223333:eu-west-1:h:prod": {"g", "s"},
			"111122223333:eu-west-1:x:prod": {"g"}, "999999999999:eu-west-1:x:prod": {"g"},
		},
		Listings: map[string][]store.RememberedAPI{
			at.String(): {{ID: "111122223333:eu-west-1:o:prod", Name: "Bestellungen"}},
		},
	}
	return found, before
}

func quota() survey.Quota {
	return survey.Quota{Rate: 7, Name: func(account, region string) string { return account + region }}
}

func TestAnIngestIsForetold(t *testing.T) {
	found, before := oneTarget()
	r := survey.Of([]survey.Found{found}, map[string]survey.Before{"i": before}, quota())
	i := r.Integrations[0]
	if r.Healthy || len(i.APIs) != 1 {
		t.Fatalf("%+v", r)
	}
	a := i.APIs[0]
	if a.Change != survey.Changed || !slices.Equal(a.Changes, []string{
		"plan Silver (s) is new", "plan bronze is gone: APIM will end its subscriptions", "it was called Bestellungen",
	}) || !strings.Contains(a.Limits, "resource policy") {
		t.Errorf("%+v", a)
	}
	var left []string
	for _, l := range i.LeftOut {
		left = append(left, l.RestAPI+" "+string(l.Why))
	}
	if !slices.Equal(left, []string{"h plan-guard", "l stage-gone"}) || !strings.Contains(i.LeftOut[0].Text, "plan s,") {
		t.Errorf("%+v", i.LeftOut)
	}
	if len(i.Gone) != 1 || i.Gone[0].ID != "111122223333:eu-west-1:x:prod" {
		t.Errorf("of a target that is not listed nobody knows what is gone: %+v", i.Gone)
	}
	// Two lists, one GetStages, one GetExport.
	if r.Ingest.LeastCalls != 3 || r.Ingest.MostCalls != 4 || r.Ingest.MostSeconds != 4.0/7 {
		t.Errorf("%+v", r.Ingest)
	}
	var text strings.Builder
	if err := r.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Compared with what was last sent: 0 new, 1 changed, 0 as before, 1 gone\n",
		"Off for the account, and not asked: 111122223333:af-south-1, 111122223333:me-south-1\n",
		"ATTENTION: ap-east-1 is not listed: enable the region\n  AWS: api error X\n",
		"111122223333:eu-west-1  prod   Orders  Gold, Silver  changed  plan Silver (s) is new; plan bronze is gone",
		"Shown: 1 APIs to federate, 2 left out, 1 gone\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("it does not say %q\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), " \n") {
		t.Errorf("a line ends with blanks\n%s", text.String())
	}
}

func TestStagesThatAreAskedForCostACallEachAndWhatIsNotListedIsNamed(t *testing.T) {
	found, _ := oneTarget()
	found.Unconfirmed, found.Listings = nil, found.Listings[:1]
	l := &found.Listings[0]
	l.Asked = federation.Stages{"o": {{Name: "prod"}}}
	l.Unlisted = map[string]string{"h": "access denied"}
	r := survey.Of([]survey.Found{found}, nil, quota())
	if i := r.Integrations[0]; r.Healthy || i.Compared || r.Ingest.LeastCalls != 2+1+1 ||
		!slices.ContainsFunc(i.LeftOut, func(o survey.LeftOut) bool {
			return o.RestAPI == "h" && o.Text == "AWS does not list its stages: access denied"
		}) {
		t.Errorf("%+v", r)
	}
}

func TestOneShowsWhatMatches(t *testing.T) {
	for name, c := range map[string]struct {
		target, stage, name string
		changed             bool
		apis, left, gone    int
	}{
		"everything":        {apis: 1, left: 2, gone: 1},
		"a region":          {target: "EU-west", apis: 1, left: 2, gone: 1},
		"another region":    {target: "ap-east-1"},
		"a stage":           {stage: "prod", apis: 1, left: 1, gone: 1},
		"a name":            {name: "order", apis: 1},
		"what is different": {changed: true, apis: 1, gone: 1},
	} {
		t.Run(name, func(t *testing.T) {
			found, before := oneTarget()
			r := survey.Of([]survey.Found{found}, map[string]survey.Before{"i": before}, quota())
			r.Matching(survey.Match{Target: c.target, Stage: c.stage, Name: c.name}, c.changed)
			if i := r.Integrations[0]; len(i.APIs) != c.apis || len(i.LeftOut) != c.left || len(i.Gone) != c.gone {
				t.Errorf("%+v", i)
			}
		})
	}
}

func TestBaseURLsHaveAColumnOnlyWhereTheyAreAskedFor(t *testing.T) {
	printed := func(found survey.Found) (survey.Report, string) {
		var text strings.Builder
		r := survey.Of([]survey.Found{found}, nil, quota())
		if err := r.Print(&text); err != nil {
			t.Fatal(err)
		}
		return r, text.String()
	}
	found, _ := oneTarget()
	found.Unconfirmed = nil
	without, text := printed(found)
	if strings.Contains(text, "BASE URL") || strings.Contains(text, "Base URLs") {
		t.Error(text)
	}
	to := func(key string) gateway.Mapping { return gateway.Mapping{Key: key, APIID: "o", Stage: "prod"} }
	known := federation.NewBaseURLs([]*gateway.Domain{
		{Name: "shop.com", Mappings: []gateway.Mapping{to("a"), to("b")}},
	}, "")
	for n := range found.Whole {
		found.Whole[n].Bases = known.Of(found.Whole[n].API.ID, found.Whole[n].Stage)
	}
	for n, e := range found.Whole {
		if e.API.ID == "h" {
			hidden := *e.API
			hidden.EndpointDisabled, found.Whole[n].API = true, &hidden
		}
	}
	found.Domains, found.Listings[0].DomainCalls, found.Listings[0].DomainGap = true, 7, "the credentials lack it"
	with, text := printed(found)
	for _, line := range []string{
		"BASE URL", "https://shop.com/a and 1 more", "not reachable: its default endpoint", "Base URLs of 111122223333:eu-west-1 are not all known: the credentials lack it",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("%q is not in:\n%s", line, text)
		}
	}
	if more := with.Ingest.MostCalls - without.Ingest.MostCalls; more != 7 || with.Ingest.LeastCalls != without.Ingest.LeastCalls {
		t.Errorf("an ingest costs %d more, and at least %d", more, with.Ingest.LeastCalls)
	}
	for _, a := range with.Integrations[0].APIs {
		if want := a.RestAPI == "o"; slices.Equal(a.BaseURLs, []string{"https://shop.com/a", "https://shop.com/b"}) != want {
			t.Errorf("%s: %q", a.RestAPI, a.BaseURLs)
		}
	}
}
