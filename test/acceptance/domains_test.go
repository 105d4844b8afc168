package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"federation-agent/deployments/iam"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// mayReadDomains is the minimum policy with the optional grant.
func mayReadDomains(t *testing.T) *awssim.Policy {
	t.Helper()
	policy, err := awssim.MinimumPolicy()
	if err != nil {
		t.Fatal(err)
	}
	more, err := awssim.ParsePolicy(iam.CustomDomainsPolicy)
	if err != nil {
		t.Fatal(err)
	}
	policy.Statement = append(policy.Statement, more.Statement...)
	return policy
}

// withDomains lets AWS have custom domain names, and the agent ask for them, with the minimum policy.
func withDomains(o awssim.Options, domains ...awssim.CustomDomain) world.Options {
	o.Estate.Accounts[0].Regions[0].Domains = domains
	return world.Options{AWS: o, Settings: map[string]string{"gravitee_agent_discovery_customDomains": "true"}}
}

// granted is the same with the optional grant.
func granted(t *testing.T, o awssim.Options, domains ...awssim.CustomDomain) world.Options {
	t.Helper()
	o.Estate.Accounts[0].Principals[0].Policy = mayReadDomains(t)
	return withDomains(o, domains...)
}

// regional is a regional domain name that leads to stage dev of the nth API of a uniform estate.
func regional(n int) awssim.CustomDomain {
	return awssim.CustomDomain{
		Name: fmt.Sprintf("api%03d.example.com", n), Endpoint: "REGIONAL",
		Mappings: []awssim.DomainMapping{{Key: "shop/v1", RestAPI: fmt.Sprintf("a%09d", n), Stage: "dev"}},
	}
}

// ofDomains are the counts of the calls for custom domain names.
func ofDomains(w *world.World) map[string]int64 {
	all := counts(w)
	for name := range all {
		if !slices.Contains([]string{
			awssim.OpGetDomainNames, awssim.OpGetAPIMappings, awssim.OpGetBasePathMappings, awssim.OpListRoutingRules,
		}, name) {
			delete(all, name)
		}
	}
	return all
}

// theAPI is what APIM has of stage dev of the nth API.
func theAPI(t *testing.T, w *world.World, n int) apimsim.API {
	t.Helper()
	for _, api := range w.APIM.APIs() {
		if strings.HasSuffix(api.ProviderID, fmt.Sprintf(":a%09d:dev", n)) {
			return api
		}
	}
	t.Fatalf("APIM has no API %d", n)
	return apimsim.API{}
}

func metadataOf(api apimsim.API, name string) string {
	for _, m := range api.Metadata {
		if m.Name == name {
			return m.Value
		}
	}
	return ""
}

func firstServer(t *testing.T, api apimsim.API) string {
	t.Helper()
	var document struct{ Servers []struct{ URL string } }
	if err := json.Unmarshal([]byte(api.Pages[0].Content), &document); err != nil {
		t.Fatal(err)
	}
	return document.Servers[0].URL
}

// 600 REST APIs and 100 domain names, of which 30 are edge, 20 have rules beside mappings and 10 nothing but rules.
func TestCustomDomainNamesCostACallEachAndOneMoreForRulesOncePerMaxAge(t *testing.T) {
	var domains []awssim.CustomDomain
	for n := range 100 {
		d := regional(n)
		switch {
		case n < 30:
			d.Endpoint = "EDGE"
		case n < 50:
			d.RoutingMode = awssim.RoutingRulesThenMappings
		case n < 60:
			d.RoutingMode = awssim.RoutingRules
		}
		domains = append(domains, d)
	}
	listings := map[string]int64{awssim.OpGetRestAPIs: 2, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: 600}
	run(t, granted(t, withLatency(oneRegion(600, 1, 20)), domains...), func(t *testing.T, w *world.World) {
		w.Connected()
		preview(w)
		if diff := cmp.Diff(map[string]int64{}, ofDomains(w)); diff != "" {
			t.Errorf("a preview: %s", diff)
		}
		pass(2 * time.Minute)
		counts(w)
		succeed(w)
		want := map[string]int64{
			awssim.OpGetRestAPIs: 2, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: 600, awssim.OpGetExport: 600,
			awssim.OpGetDomainNames: 1, awssim.OpGetBasePathMappings: 30, awssim.OpGetAPIMappings: 60, awssim.OpListRoutingRules: 30,
		}
		if diff := cmp.Diff(want, counts(w)); diff != "" {
			t.Errorf("the first: %s", diff)
		}
		if got := firstServer(t, theAPI(t, w, 70)); got != "https://api070.example.com/shop/v1" {
			t.Errorf("the first server is %s", got)
		}
		pass(10 * time.Minute)
		counts(w)
		succeed(w)
		if diff := cmp.Diff(listings, counts(w)); diff != "" {
			t.Errorf("within the hour: %s", diff)
		}
		pass(time.Hour)
		counts(w)
		succeed(w)
		delete(want, awssim.OpGetExport)
		if diff := cmp.Diff(want, counts(w)); diff != "" {
			t.Errorf("after an hour: %s", diff)
		}
		healthy(t, w)
	})
}

func TestARegionWithoutAPIsIsNotAskedForDomainNames(t *testing.T) {
	o := granted(t, oneRegion(1, 1, 1), regional(0))
	o.Settings[provider0+"configuration_region"] = "eu-west-1,us-east-1,us-west-2"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		want := map[string]int64{awssim.OpGetDomainNames: 1, awssim.OpGetAPIMappings: 1}
		if diff := cmp.Diff(want, ofDomains(w)); diff != "" {
			t.Error(diff)
		}
		if got := firstServer(t, theAPI(t, w, 0)); got != "https://api000.example.com/shop/v1" {
			t.Errorf("the first server is %s", got)
		}
		healthy(t, w)
	})
}

func TestBaseURLsFollowWhatIsMappedAndTheCachedDocumentStays(t *testing.T) {
	o := granted(t, oneRegion(2, 1, 1), regional(0))
	o.Settings["gravitee_agent_discovery_customDomainsMaxAge"] = "5m"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		api := theAPI(t, w, 0)
		const base, invoke = "https://api000.example.com/shop/v1", "https://a000000000.execute-api.eu-west-1.amazonaws.com/dev"
		if got := firstServer(t, api); got != base || metadataOf(api, "AWS base URL") != base ||
			metadataOf(api, "AWS invoke URL") != invoke || !strings.HasSuffix(api.Description, "Base URL: "+base) {
			t.Errorf("first server %s; description %q; metadata %v", got, api.Description, api.Metadata)
		}
		other := theAPI(t, w, 1)
		if got := metadataOf(other, "AWS base URL"); got != "none: no custom domain name leads here, callers use the invoke URL" {
			t.Errorf("of the other API: %s", got)
		}
		moved := regional(0)
		moved.Mappings[0].Key = "v2"
		if err := w.AWS.PutDomain(uniform(), moved); err != nil {
			t.Fatal(err)
		}
		counts(w)
		pass(6 * time.Minute)
		succeed(w)
		if got := firstServer(t, theAPI(t, w, 0)); got != "https://api000.example.com/v2" {
			t.Errorf("the first server is %s", got)
		}
		if err := w.AWS.DeleteDomain(uniform(), moved.Name, ""); err != nil {
			t.Fatal(err)
		}
		pass(6 * time.Minute)
		succeed(w)
		if got := theAPI(t, w, 0); strings.Contains(got.Pages[0].Content+got.Description, "example.com") {
			t.Errorf("it is still there: %s", got.Pages[0].Content)
		}
		if n := counts(w)[awssim.OpGetExport]; n != 0 {
			t.Errorf("%d documents were fetched again", n)
		}
		healthy(t, w)
	})
}

func TestAMissingGrantIsToldOnceAndKeepsNothingBack(t *testing.T) {
	o := withDomains(oneRegion(3, 1, 1), regional(0))
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		for range 3 {
			succeed(w)
			pass(2 * time.Minute)
		}
		if diff := cmp.Diff(map[string]int64{awssim.OpGetDomainNames: 1}, ofDomains(w)); diff != "" {
			t.Errorf("within the hour: %s", diff)
		}
		pass(time.Hour)
		succeed(w)
		if diff := cmp.Diff(map[string]int64{awssim.OpGetDomainNames: 1}, ofDomains(w)); diff != "" {
			t.Errorf("after the hour: %s", diff)
		}
		const line = "AWS does not list all custom domain names"
		if n := w.Log.Count("level=ERROR", line, "agent.discovery.customDomains", "federation-agent policy"); n != 1 {
			t.Errorf("it was told %d times", n)
		}
		api := theAPI(t, w, 0)
		if got := metadataOf(api, "AWS base URL"); got != "not known: the agent may not list custom domain names" {
			t.Errorf("base URL: %s", got)
		}
		if page := textOf(nodeOf(agent)); !strings.Contains(page, line) || !strings.Contains(page, "apigateway:GET on arn:aws:apigateway:") {
			t.Error("the page does not say it")
		}
		healthy(t, w)
	})
}

func TestWhatWasKnownLastStaysInUseWhenTheGrantIsTakenAway(t *testing.T) {
	for operation, gap := range map[string]string{
		awssim.OpGetDomainNames: "the agent may not list custom domain names",
		awssim.OpGetAPIMappings: "AWS did not list all that leads from custom domain names",
	} {
		t.Run(operation, func(t *testing.T) {
			var denied atomic.Bool
			o := granted(t, oneRegion(1, 1, 1), regional(0))
			o.AWS.Faults = func(e awssim.Event) awssim.Fault {
				if denied.Load() && e.Operation == operation {
					return awssim.Answer(403, awssim.CodeAccessDenied, "User: x is not authorized to perform: apigateway:GET")
				}
				return awssim.Fault{}
			}
			run(t, o, func(t *testing.T, w *world.World) {
				w.Connected()
				const base = "https://api000.example.com/shop/v1"
				for _, is := range []bool{false, true, true, false} {
					denied.Store(is)
					succeed(w)
					want := base
					if is {
						want += "; there may be others: " + gap
					}
					if got := metadataOf(theAPI(t, w, 0), "AWS base URL"); got != want {
						t.Errorf("denied %v: base URL: %s", is, got)
					}
					pass(2 * time.Hour)
				}
				if !w.Log.Has("custom domain names can be listed now") {
					t.Error("the end of it was not told")
				}
			})
		})
	}
}

func TestAPassingFailureLeavesWhatWasKnownAndIsTriedByTheNextIngest(t *testing.T) {
	var down atomic.Bool
	o := granted(t, oneRegion(1, 1, 1), regional(0), regional(1))
	o.Settings["gravitee_agent_discovery_customDomainsMaxAge"] = "0s"
	o.AWS.Faults = func(e awssim.Event) awssim.Fault {
		if down.Load() && e.Operation == awssim.OpGetAPIMappings && e.Domain == "api001.example.com" {
			return awssim.Of(awssim.FaultCloseBefore)
		}
		return awssim.Fault{}
	}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		counts(w)
		down.Store(true)
		pass(2 * time.Minute)
		succeed(w)
		if got := firstServer(t, theAPI(t, w, 0)); got != "https://api000.example.com/shop/v1" {
			t.Errorf("the first server is %s", got)
		}
		if !w.Log.Has("custom domain names cannot be listed for now") {
			t.Error("it was not told")
		}
		down.Store(false)
		pass(2 * time.Minute)
		ofDomains(w)
		succeed(w)
		if diff := cmp.Diff(map[string]int64{awssim.OpGetAPIMappings: 1}, ofDomains(w)); diff != "" {
			t.Errorf("it did not go on where it stopped: %s", diff)
		}
	})
}

// A START_INGEST must be answered within a minute. With so little of the quota, domain names alone take longer.
func TestAnIngestThatWaitsForDomainNamesIsAnsweredInTimeAndSendsThem(t *testing.T) {
	var domains []awssim.CustomDomain
	for n := range 100 {
		domains = append(domains, regional(n))
	}
	o := granted(t, withLatency(oneRegion(3, 1, 1)), domains...)
	o.Settings["gravitee_agent_quota_share"] = "10"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		before := time.Now()
		preview(w)
		if took := time.Since(before); took > 5*time.Second {
			t.Errorf("a preview took %s", took)
		}
		succeed(w)
		if took := time.Since(before); took < time.Minute {
			t.Errorf("it took only %s", took)
		}
		if got := firstServer(t, theAPI(t, w, 2)); got != "https://api002.example.com/shop/v1" {
			t.Errorf("the first server is %s", got)
		}
		healthy(t, w)
	})
}

// A FETCH of APIM 4.4 must carry everything within a minute. It goes out without what takes longer, and the next one has it.
func TestAFETCHDoesNotWaitForDomainNamesBeyondItsTime(t *testing.T) {
	var domains []awssim.CustomDomain
	for n := range 100 {
		domains = append(domains, regional(n))
	}
	o := granted(t, withLatency(oneRegion(3, 1, 1)), domains...)
	o.Settings["gravitee_agent_quota_share"] = "10"
	o.APIM.Version = "4.4"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		before := time.Now()
		succeed(w)
		if took := time.Since(before); took > time.Minute {
			t.Errorf("a FETCH took %s", took)
		}
		if got := firstServer(t, theAPI(t, w, 2)); strings.Contains(got, "example.com") {
			t.Errorf("the first server is %s: nothing had to wait", got)
		}
		pass(5 * time.Minute)
		succeed(w)
		if got := firstServer(t, theAPI(t, w, 2)); got != "https://api002.example.com/shop/v1" {
			t.Errorf("the first server is %s", got)
		}
		healthy(t, w)
	})
}

func TestADisabledEndpointThatNothingLeadsToIsCalledNotReachable(t *testing.T) {
	o := granted(t, oneRegion(2, 1, 1), regional(0))
	for n := range o.AWS.Estate.Accounts[0].Regions[0].RestAPIs {
		o.AWS.Estate.Accounts[0].Regions[0].RestAPIs[n].DisableExecuteEndpoint = true
	}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		const none = "none: the default endpoint is disabled, "
		if got := metadataOf(theAPI(t, w, 0), "AWS invoke URL"); got != none+"callers use a custom domain name" {
			t.Errorf("the first: %s", got)
		}
		api := theAPI(t, w, 1)
		if got := metadataOf(api, "AWS invoke URL"); got != none+"and no custom domain name leads here: not reachable" ||
			!strings.Contains(api.Description, "Not reachable: ") || !strings.Contains(api.Pages[0].Content, "not reachable") {
			t.Errorf("the second: %s, %q", got, api.Description)
		}
	})
}

// The learner and the discoverer behind it are parts of the target, and fail with it: who waits for a document asks again.
func TestAnIngestWithDomainNamesSurvivesAPanicInWhatItStandsOn(t *testing.T) {
	for message, nth := range map[string]int64{
		"discovery.stageDone": 3, "discovery.listingStep": 1, "domains.domainsRead": 1, "messages.TargetListing": 1,
	} {
		t.Run(message, func(t *testing.T) {
			o := granted(t, withLatency(oneRegion(6, 2, 2)), regional(0))
			o.Faults = panicOnce("discoverer-", message, nth)
			run(t, o, func(t *testing.T, w *world.World) {
				w.Connected()
				began := time.Now()
				if job := ended(w, startIngest(w)); job.Status != apimsim.JobSuccess || job.Ingested < 11 {
					t.Errorf("it ended as %+v", job)
				}
				if took := time.Since(began); took > 12*time.Minute || !w.Log.Has("an actor panicked") {
					t.Errorf("it took %s", took)
				}
				if got := firstServer(t, theAPI(t, w, 0)); got != "https://api000.example.com/shop/v1" {
					t.Errorf("the first server is %s", got)
				}
				oneReplyEach(t, w)
			})
		})
	}
}

// Each kind of domain name, mapping and rule gives servers that OpenAPI's own rules take.
func TestDocumentsWithBaseURLsAreValidOpenAPI(t *testing.T) {
	to := []awssim.DomainMapping{{RestAPI: "a000000000", Stage: "dev"}, {Key: "shop/v1 {odd}", RestAPI: "a000000000"}}
	rules := []awssim.RoutingRule{
		{ID: "1", Priority: 1, BasePaths: []string{"x"}, Headers: []awssim.HeaderGlob{{Header: "h", Value: "\"*\""}},
			RestAPI: "a000000000", Stage: "dev", StripBasePath: true},
		{ID: "2", Priority: 2, BasePaths: []string{"y"}, RestAPI: "a000000000", Stage: "dev"},
	}
	domains := []awssim.CustomDomain{
		{Name: "edge.example.com", Mappings: to[:1]}, {Name: "reg.example.com", Endpoint: "REGIONAL", Mappings: to, MutualTLS: true},
		{Name: "*.wild.example.com", Endpoint: "REGIONAL", Mappings: to},
		{Name: "in.example.com", ID: "abcd1234", Endpoint: "PRIVATE", Mappings: to},
		{Name: "rules.example.com", Endpoint: "REGIONAL", RoutingMode: awssim.RoutingRules, Rules: rules},
	}
	o := granted(t, oneRegion(3, 1, 1), domains...)
	apis := o.AWS.Estate.Accounts[0].Regions[0].RestAPIs
	apis[1].DisableExecuteEndpoint = true
	apis[2].EndpointTypes, apis[2].VPCEndpointIDs = []string{"PRIVATE"}, []string{"vpce-1"}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		if n := strings.Count(theAPI(t, w, 0).Pages[0].Content, "example.com"); n < 8 {
			t.Errorf("only %d base URLs:\n%s", n, theAPI(t, w, 0).Pages[0].Content)
		}
		for _, api := range w.APIM.APIs() {
			document, err := openapi3.NewLoader().LoadFromData([]byte(api.Pages[0].Content))
			if err == nil {
				err = document.Validate(t.Context())
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", api.Name, err, api.Pages[0].Content)
			}
		}
		keepDocuments(t, w)
	})
}

// keepDocuments writes the documents where another program shall look at them, too.
func keepDocuments(t *testing.T, w *world.World) {
	t.Helper()
	folder := os.Getenv("FEDERATION_AGENT_DOCUMENTS")
	if folder == "" {
		return
	}
	for n, api := range w.APIM.APIs() {
		file := filepath.Join(folder, fmt.Sprintf("%d.json", n))
		if err := os.WriteFile(file, []byte(api.Pages[0].Content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
