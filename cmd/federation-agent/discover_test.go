package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/drift"
	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
	"federation-agent/internal/survey"
)

// discovered runs discover --json.
func discovered(t *testing.T, environ []string, args ...string) (r survey.Report, code int) {
	t.Helper()
	c := start(t, environ, append([]string{"discover", "--json"}, args...)...)
	code = c.exit()
	if err := json.Unmarshal([]byte(c.Stdout.String()), &r); err != nil {
		t.Fatalf("%v: the standard output is for machines\n%s\n%s", err, c.Stdout.String(), c.log())
	}
	if r.Healthy != (code == exitOrderly) {
		t.Errorf("exit code %d with %+v", code, r)
	}
	if strings.Contains(c.log(), "\x1b") || strings.Contains(c.log(), "\r") {
		t.Errorf("progress is drawn though nobody watches\n%q", c.log())
	}
	return r, code
}

// counted fails unless AWS was called exactly so since the last time.
func counted(t *testing.T, s *demo.Sandbox, want map[string]int64) {
	t.Helper()
	for _, c := range s.AWS.Counts() {
		if want[c.Operation] -= c.Count; want[c.Operation] < 0 {
			t.Errorf("%s was called %d times too often", c.Operation, -want[c.Operation])
		}
	}
	for operation, left := range want {
		if left > 0 {
			t.Errorf("%s was called %d times too rarely", operation, left)
		}
	}
	s.AWS.ResetCalls()
}

// changesOf are the APIs by what is different.
func changesOf(r survey.Report) map[survey.Change][]survey.API {
	found := map[survey.Change][]survey.API{}
	for _, a := range r.Integrations[0].APIs {
		found[a.Change] = append(found[a.Change], a)
	}
	return found
}

func TestDiscoverShowsWhatTheNextIngestSends(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	environ := settings(t, s)
	here := awssim.Scope{Account: awssim.UniformAccount(0), Region: "eu-west-1"}
	r, code := discovered(t, environ)
	counted(t, s, map[string]int64{"GetCallerIdentity": 1, "GetRestApis": 1, "GetUsagePlans": 1})
	i := r.Integrations[0]
	if code != exitOrderly || len(i.APIs) != 12 || i.Compared || !strings.Contains(i.NotCompared, "remembers none") ||
		r.Calls != 2 || r.Ingest.LeastCalls != 2+6 || r.Ingest.MostCalls != 2+6+12 || i.APIs[0].Change != "" {
		t.Errorf("exit code %d, %+v", code, r)
	}
	agent := start(t, environ)
	connected(t, s)
	ingested(t, s)
	counted(t, s, map[string]int64{
		"GetCallerIdentity": 1, "GetRestApis": 1, "GetUsagePlans": 1, "GetStages": 6, "GetExport": 12,
	})
	sent := map[string]string{}
	for _, api := range s.APIM.APIs() {
		sent[api.ProviderID] = api.Name
	}
	for _, a := range i.APIs {
		if sent[a.ID] != a.Name {
			t.Errorf("%s is discovered as %q, and ingested as %q", a.ID, a.Name, sent[a.ID])
		}
	}
	// Beside the agent, which has the journal.
	beside := start(t, environ, "discover")
	if code := beside.exit(); code != exitOrderly {
		t.Errorf("exit code %d\n%s", code, beside.log())
	}
	beside.says("note: an agent uses the journal, so AWS is asked 50 times a second at most") // 10 % of the stand-in's
	beside.prints("Compared with what was last sent: 0 new, 0 changed, 12 as before, 0 gone")
	r, _ = discovered(t, environ)
	if c := changesOf(r); len(c[survey.Same]) != 12 || len(c) != 1 || !r.Integrations[0].Compared {
		t.Errorf("%+v", r)
	}
	plan, other := i.APIs[0].Plans[0].ID, i.APIs[11]
	err := s.AWS.PutUsagePlan(here, awssim.UsagePlan{ID: "zz9zz9", Name: "Platinum"})
	if err == nil {
		err = s.AWS.Link(here, "zz9zz9", i.APIs[0].RestAPI, i.APIs[0].Stage)
	}
	if err == nil {
		err = s.AWS.PutStage(here, other.RestAPI, awssim.Stage{Name: "canary", DeploymentID: "d1"})
	}
	if err == nil {
		err = s.AWS.Link(here, plan, other.RestAPI, "canary")
	}
	if err == nil {
		err = s.AWS.DeleteRestAPI(here, i.APIs[4].RestAPI)
	}
	if err != nil {
		t.Fatal(err)
	}
	r, _ = discovered(t, environ)
	c := changesOf(r)
	if len(c[survey.Fresh]) != 1 || c[survey.Fresh][0].Stage != "canary" || len(c[survey.Changed]) != 1 ||
		!slices.Equal(c[survey.Changed][0].Changes, []string{"plan Platinum (zz9zz9) is new"}) ||
		len(c[survey.Same]) != 12-1-2 || len(r.Integrations[0].Gone) != 2 {
		t.Errorf("%+v, gone %+v", c, r.Integrations[0].Gone)
	}
	only, _ := discovered(t, environ, "--changed", "--stage", "canary")
	if i := only.Integrations[0]; len(i.APIs) != 1 || len(i.Gone) != 0 || len(i.LeftOut) != 0 {
		t.Errorf("%+v", i)
	}
	agent.signal(os.Interrupt)
	if code := agent.exit(); code != exitOrderly || strings.Count(agent.log(), "connected to APIM") != 1 {
		t.Errorf("exit code %d\n%s", code, agent.log())
	}
}

func TestDiscoverComparesWithWhatAPIMHas(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	environ := settings(t, s)
	c := start(t, environ, "discover", "--diff")
	if code := c.exit(); code != exitConfiguration || !strings.Contains(c.log(), "--diff needs gravitee_agent_apim_url") {
		t.Errorf("exit code %d\n%s", code, c.log())
	}
	environ = append(environ, "gravitee_agent_apim_url="+s.APIMURL()+"/management",
		"gravitee_agent_apim_token="+demo.DefaultToken, "gravitee_agent_apim_environmentId=DEFAULT")
	diff := func(args ...string) (d driftReport, code int) {
		t.Helper()
		c := start(t, environ, append([]string{"discover", "--diff", "--json"}, args...)...)
		code = c.exit()
		var r compared
		if err := json.Unmarshal([]byte(c.Stdout.String()), &r); err != nil || len(r.Drift) != 1 {
			t.Fatalf("%v\n%s\n%s", err, c.Stdout.String(), c.log())
		}
		return r.Drift[0], code
	}
	if d, code := diff(); code != exitOrderly || d.InAPIM != 0 || d.Counts["new"] != 12 || len(d.APIs[drift.New]) != 12 {
		t.Errorf("exit code %d, %+v", code, d)
	}
	agent := start(t, environ)
	connected(t, s)
	ingested(t, s)
	agent.signal(os.Interrupt)
	agent.exit()
	if d, code := diff(); code != exitOrderly || d.InAPIM != 12 || d.Counts["new"]+d.Counts["changed"]+d.Counts["gone"] != 0 {
		t.Errorf("exit code %d, %+v", code, d)
	}
	gone := s.APIM.APIs()[0]
	id, err := federation.ParseID(gone.ProviderID)
	if err == nil {
		err = s.AWS.DeleteRestAPI(awssim.Scope{Account: id.Account, Region: id.Region}, id.RestAPI)
	}
	if err != nil {
		t.Fatal(err)
	}
	d, code := diff("--stage", id.Stage)
	if code != exitInternal || d.Counts["gone"] != 1 || d.APIs[drift.Gone][0].APIMID != gone.ID ||
		d.APIs[drift.Gone][0].Name != gone.Name || d.APIs[drift.Gone][0].ID != gone.ProviderID {
		t.Errorf("exit code %d, %+v", code, d)
	}
	c = start(t, environ, "discover", "--diff")
	c.exit()
	c.prints("12 in APIM: 0 new, 0 changed, 0 missing, 0 renamed, 2 gone, 0 omitted, 0 foreign")
	c.prints("AWS has no such REST API any more")
	c = start(t, append(environ, "gravitee_agent_apim_token=another-token"), "discover", "--diff")
	if code := c.exit(); code != exitInternal {
		t.Errorf("exit code %d", code)
	}
	c.prints("ATTENTION: APIM does not tell what it has: ")
}

func TestOneBadRegionHidesNoOther(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, func(o *demo.Options) {
		o.Estate = awssim.UniformEstate(awssim.UniformOptions{
			APIs: 2, StagesPerAPI: 2, Plans: 1, Regions: []string{"eu-west-1", "ap-east-1"},
		})
		o.Estate.Accounts[0].Regions[1].Disabled = true
	})
	stages := awssim.UniformEstate(awssim.UniformOptions{APIs: 1, StagesPerAPI: 2}).Accounts[0].Regions[0].RestAPIs[0].Stages
	environ := settings(t, s, "gravitee_integration_providers_0_configuration_region=eu-west-1,ap-east-1",
		"gravitee_integration_providers_0_configuration_0_stage="+stages[0].Name,
		"gravitee_integration_providers_0_configuration_1_stage="+strings.ToUpper(stages[1].Name))
	r, code := discovered(t, environ)
	i := r.Integrations[0]
	if code != exitInternal || len(i.APIs) != 2 || len(i.LeftOut) != 2 || i.LeftOut[0].Why != federation.Filtered ||
		i.UnusedStages == nil || !slices.Equal(i.UnusedStages.Meant, []string{stages[1].Name}) {
		t.Errorf("exit code %d, %+v", code, i)
	}
	c := start(t, environ, "discover")
	if code := c.exit(); code != exitInternal {
		t.Errorf("exit code %d", code)
	}
	c.prints("ATTENTION: 100000000000:ap-east-1 is not listed: ", "enable the region for the account")
	c.prints("  AWS: listing ", "UnrecognizedClientException") // whichever list failed last
	c.prints("did you mean " + stages[1].Name + "?")
	c.prints("2 APIs to federate, 2 left out, 0 gone")
}

func TestCtrlCEndsADiscoverAtOnce(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	s.AWS.Script().Add(awssim.Rule{Operation: "GetRestApis", Fault: awssim.Of(awssim.FaultHang)})
	c := start(t, settings(t, s), "discover")
	await(t, s, "a call that hangs", func() bool { return len(s.AWS.Calls(0)) > 1 })
	c.signal(os.Interrupt)
	if code := c.exit(); code != exitInternal || c.Stdout.String() != "" {
		t.Errorf("exit code %d\n%s", code, c.Stdout.String())
	}
	c.says("interrupted; nothing was changed")
}

func TestDiscoverReadsTheTableAndWritesNothingToIt(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	environ := shared(t, s)
	r, code := discovered(t, environ)
	why := r.Integrations[0].NotCompared
	if code != exitOrderly || !strings.Contains(why, sharedTable) || !strings.Contains(why, "agent.store.table.name") ||
		!strings.Contains(why, "there is no such table") {
		t.Errorf("without the table: exit code %d, %s", code, why)
	}
	ends(t, environ, exitOrderly, "", "store", "create")
	if r, code = discovered(t, environ); code != exitOrderly ||
		!strings.Contains(r.Integrations[0].NotCompared, "(agent.store.table.name) remembers none") {
		t.Errorf("with a new table: exit code %d, %+v", code, r.Integrations[0])
	}
	agent := start(t, environ)
	connected(t, s)
	ingested(t, s)
	beside := ends(t, environ, exitOrderly, "", "discover")
	if !strings.Contains(beside.log(), "note: an agent uses the journal, so AWS is asked") {
		t.Error(beside.log())
	}
	leaves(t, s, agent)
	s.AWS.ResetCalls()
	if r, code = discovered(t, environ); code != exitOrderly || !r.Integrations[0].Compared ||
		len(changesOf(r)[survey.Same]) != len(s.APIM.APIs()) {
		t.Errorf("exit code %d, %+v", code, r.Integrations[0])
	}
	for _, c := range s.AWS.Counts() {
		if c.Operation == "UpdateItem" || c.Operation == "DeleteItem" {
			t.Errorf("%s was called %d times", c.Operation, c.Count)
		}
	}
	environ = append(environ, tableRegion+"=")
	if c := ends(t, environ, exitConfiguration, tableRegion, "discover"); strings.Contains(c.log(), "panic") {
		t.Error(c.log())
	}
}
