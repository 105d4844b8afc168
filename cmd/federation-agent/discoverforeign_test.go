package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/drift"
	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/demo"
)

// elsewhere is an integration of the vendor's agent alone.
const elsewhere = "11111111-2222-3333-4444-555555555555"

func TestDiscoverShowsWhatReplacesTheAPIsOfAnotherAgent(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	environ := settings(t, s)
	c := start(t, environ, "discover", "--foreign")
	if code := c.exit(); code != exitConfiguration || !strings.Contains(c.log(), "--foreign needs gravitee_agent_apim_url") {
		t.Errorf("exit code %d\n%s", code, c.log())
	}
	const token = "administrator"
	s.APIM.Allow(token, apimsim.Account{Admin: true})
	s.APIM.AddIntegration(apimsim.Integration{ID: elsewhere, Name: "the vendor's"})
	environ = append(environ, "gravitee_agent_apim_url="+s.APIMURL()+"/management",
		"gravitee_agent_apim_token="+token, "gravitee_agent_apim_environmentId=DEFAULT")
	agent := start(t, environ)
	connected(t, s)
	ingested(t, s)
	ours := s.APIM.APIs()
	first, err := federation.ParseID(ours[0].ProviderID)
	if err != nil {
		t.Fatal(err)
	}
	ourPlan := planReplacement{ID: ours[0].Plans[0].ProviderID, APIMID: ours[0].Plans[0].ID, Name: ours[0].Plans[0].Name}
	// As the vendor's agent seems to do it: one API for a REST API, by its bare id.
	there := func(integration, uniqueID, name string, metadata ...apimsim.Metadata) apimsim.API {
		id := federation.APIMID("DEFAULT", integration, uniqueID)
		plan := ours[0].Plans[0]
		plan.ID = federation.APIMPlanID(id, plan.ProviderID)
		api := apimsim.API{
			ID: id, IntegrationID: integration, UniqueID: uniqueID, ProviderID: uniqueID, Name: name, Metadata: metadata,
			Plans: []apimsim.Plan{plan}, Lifecycle: apimsim.LifecyclePublished,
		}
		s.APIM.AddAPI(api)
		return api
	}
	stage := apimsim.Metadata{Key: "stage", Name: "stage", Value: first.Stage}
	theirs := there(demo.DefaultIntegrationID, first.RestAPI, "A theirs", stage)
	there(demo.DefaultIntegrationID, "other-agent-made-it", "B nobody's")
	there(elsewhere, "random", "C elsewhere", stage, apimsim.Metadata{
		Key: "api-id", Name: "api-id", Value: first.RestAPI,
	})
	for n := range 3 { // the running agent makes and ends keys for APIs of the vendor's, too
		sub, err := s.APIM.Subscribe(t.Context(), theirs.ID, theirs.Plans[0].ID, fmt.Sprint("app ", n), "")
		if err != nil || sub.Status != apimsim.SubscriptionAccepted {
			t.Fatalf("%+v, %v", sub, err)
		}
		if n == 0 {
			err = s.APIM.Pause(sub.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	agent.signal(os.Interrupt)
	agent.exit()

	foreign := func(wantCode int, args ...string) (found foreignReport, requests []string) {
		t.Helper()
		before := len(s.APIM.RESTRequests())
		c := start(t, environ, append([]string{"discover", "--json"}, args...)...)
		code := c.exit()
		var r compared
		if err := json.Unmarshal([]byte(c.Stdout.String()), &r); err != nil || len(r.Foreign) != 1 || len(r.Drift) != 0 {
			t.Fatalf("%v\n%s\n%s", err, c.Stdout.String(), c.log())
		}
		if code != wantCode {
			t.Errorf("exit code %d\n%s", code, c.Stdout.String())
		}
		for _, request := range s.APIM.RESTRequests()[before:] {
			requests = append(requests, request.Operation)
		}
		return r.Foreign[0], requests
	}
	list := "GET /integrations/{integrationId}/apis"
	each := []string{
		"GET /apis/{apiId}", "GET /apis/{apiId}/metadata", "GET /apis/{apiId}/plans", "GET /apis/{apiId}/subscriptions",
	}
	found, requests := foreign(exitOrderly, "--foreign")
	if want := slices.Concat([]string{list}, each, each); !slices.Equal(requests, want) {
		t.Errorf("APIM was asked %q", requests)
	}
	if len(found.APIs) != 2 {
		t.Fatalf("%+v", found)
	}
	a, b := found.APIs[0], found.APIs[1]
	if a.APIMID != theirs.ID || !a.Asked || a.Lifecycle != "PUBLISHED" || a.Match != drift.One || a.By != drift.ByID ||
		len(a.ReplacedBy) != 1 || a.ReplacedBy[0].ID != first.String() || a.ReplacedBy[0].APIMID != ours[0].ID ||
		a.ReplacedBy[0].InAPIM == nil || !*a.ReplacedBy[0].InAPIM ||
		a.Counts["PAUSED"] != 1 || a.Counts["ACCEPTED"] != 2 || a.Counts["PENDING"] != 0 || len(a.Subscriptions) != 3 ||
		len(a.Plans) != 1 || a.Plans[0].ReplacedBy == nil || *a.Plans[0].ReplacedBy != ourPlan || a.Subscriptions[0].Plan != a.Plans[0].ID {
		t.Errorf("%+v", a)
	}
	if b.Match != drift.None || b.By != "" || len(b.ReplacedBy) != 0 || len(b.Subscriptions) != 0 {
		t.Errorf("%+v", b)
	}
	// Without a question for each, the id alone tells the REST API, but not which of its stages.
	found, requests = foreign(exitOrderly, "--foreign", "--limit", "0")
	if a := found.APIs[0]; !slices.Equal(requests, []string{list}) || a.Asked || a.Match != drift.Several || len(a.ReplacedBy) != 2 {
		t.Errorf("asked %q: %+v", requests, a)
	}
	if found, requests = foreign(exitOrderly, "--foreign", "--name", "nobody"); len(requests) != 1+len(each) || len(found.APIs) != 1 {
		t.Errorf("asked %q: %+v", requests, found)
	}
	found, requests = foreign(exitOrderly, "--from", elsewhere)
	if want := slices.Concat([]string{list, list}, each); !slices.Equal(requests, want) {
		t.Errorf("APIM was asked %q", requests)
	}
	if found.Integration != elsewhere || len(found.APIs) != 1 || found.APIs[0].By != drift.ByMetadata ||
		len(found.APIs[0].ReplacedBy) != 1 || found.APIs[0].ReplacedBy[0].ID != first.String() ||
		found.APIs[0].ReplacedBy[0].Integration != demo.DefaultIntegrationID {
		t.Errorf("%+v", found)
	}
	c = start(t, environ, "discover", "--foreign")
	c.exit()
	c.says("note: integration " + demo.DefaultIntegrationID + " has 2 APIs of another agent; APIM is asked for 2 of them " +
		"(--limit), with 8 requests")
	c.prints("2 APIs: 1 replaced by one, 0 by one of several, 1 by none; APIM told all of 2")
	c.prints("APIM's id is computed from the REST API " + first.RestAPI)
	c.prints(a.Subscriptions[0].ID)

	// The owner of the integration is no member of the APIs that somebody else had ingested.
	environ = append(environ, "gravitee_agent_apim_token="+demo.DefaultToken)
	found, requests = foreign(exitInternal, "--foreign")
	if !slices.Equal(requests, []string{list, each[0], each[0]}) || found.APIs[0].Failure == "" || found.APIs[0].Match != drift.Several {
		t.Errorf("asked %q: %+v", requests, found)
	}
}
