package federation

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/federated"
	"federation-agent/internal/gateway"
)

// sample is an input in which every field is set.
var west = Target{Account: one, Region: "eu-west-1"}

func sample() Input {
	gold := &gateway.UsagePlan{ID: "gold", Name: "Gold", Description: "For partners", ProductCode: "1a2b3c",
		Throttle: &gateway.Throttle{Rate: 10, Burst: 20}, Quota: &gateway.Quota{Limit: 5000, Offset: 1, Period: "MONTH"},
		Stages: []gateway.PlanStage{
			{APIID: "a1b2c3", Stage: "prod", Throttle: map[string]gateway.Throttle{
				"/pets/GET": {Rate: 0.5, Burst: 1},
				"//POST":    {Rate: 1},
			}},
			{APIID: "a1b2c3", Stage: "dev", Throttle: map[string]gateway.Throttle{"/dev/GET": {Rate: 99}}},
			{APIID: "other", Stage: "prod", Throttle: map[string]gateway.Throttle{"/other/GET": {Rate: 98}}},
		}}
	return Input{
		Target: west,
		Entry: Entry{
			API: &gateway.RestAPI{
				ID: "a1b2c3", Name: "Orders", Description: "All orders", Version: "1.2",
				EndpointTypes: []string{"REGIONAL"}, KeyFromAuthorizer: true, ResourcePolicy: true, TLSPolicy: "TLS_1_2",
				AccessMode: "STRICT", Tags: map[string]string{"team": "shop", "Cost Center": "42"},
			},
			Stage: "prod", Plans: []*gateway.UsagePlan{gold},
			Details: &gateway.Stage{Name: "prod", Description: "live traffic", Tags: map[string]string{"team": "ops"},
				WebACL: true, Throttle: map[string]gateway.Throttle{"*/*": {Rate: 100, Burst: 50}, "/pets/GET": {}}},
		},
		Name:     "Orders",
		Document: []byte(`{"openapi":"3.0.1"}`),
	}
}

func TestEveryFieldOfAnAPIIsMapped(t *testing.T) {
	want := federated.API{
		Summary: federated.Summary{
			UniqueID: "111111111111:eu-west-1:a1b2c3:prod", ID: "111111111111:eu-west-1:a1b2c3:prod",
			Name: "Orders", Version: "1.2",
		},
		Description: "All orders\n\nStage prod: live traffic",
		ConnectionDetails: map[string]string{
			"aws-api-gateway-account-id":  one,
			"aws-api-gateway-region":      "eu-west-1",
			"aws-api-gateway-rest-api-id": "a1b2c3",
			"aws-api-gateway-stage":       "prod",
		},
		Pages: []federated.Page{{Filename: "openapi.json", Content: []byte(`{"openapi":"3.0.1"}`)}},
		Plans: []federated.Plan{{ID: "gold", Name: "Gold", Description: "For partners", Characteristics: []string{
			"key comes from a Lambda authorizer, not from x-api-key",
			"10 requests per second",
			"burst 20",
			"5,000 requests per month",
			"1 fewer in the first month",
			"sold on AWS Marketplace: 1a2b3c",
			"POST /: 1 request per second",
			"GET /pets: 0.5 requests per second, burst 1",
		}}},
		Metadata: []federated.Metadata{
			{Name: "aws-api-gateway-account-id", Value: one},
			{Name: "aws-api-gateway-region", Value: "eu-west-1"},
			{Name: "aws-api-gateway-rest-api-id", Value: "a1b2c3"},
			{Name: "aws-api-gateway-stage", Value: "prod"},
			{Name: "AWS account", Value: one},
			{Name: "AWS region", Value: "eu-west-1"},
			{Name: "AWS stage", Value: "prod"},
			{Name: "AWS endpoint type", Value: "REGIONAL"},
			{Name: "AWS invoke URL", Value: "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/prod"},
			{Name: "AWS document", Value: "exported from AWS API Gateway"},
			{Name: "AWS key use", Value: "taken from the answer of a Lambda authorizer, and not from the header x-api-key; " +
				"the methods that ask for it are not known"},
			{Name: "AWS access limits", Value: "a resource policy may refuse callers, whatever their key; " +
				"TLS policy TLS_1_2; endpoint access mode STRICT; a web ACL may refuse callers, whatever their key; " +
				"all methods: 100 requests per second, burst 50; GET /pets: 0 requests per second, burst 0"},
			{Name: "AWS tag Cost Center", Value: "42"},
			{Name: "AWS tag team", Value: "shop"},
			{Name: "AWS stage tag team", Value: "ops"},
		},
	}
	if diff := cmp.Diff(want, Build(sample())); diff != "" {
		t.Error(diff)
	}
}

func TestUniqueIDAndPlanIDsDependOnlyOnAWSsIDs(t *testing.T) {
	before := Build(sample())
	in := sample()
	in.Name, in.Missing = "Something else [prod]", NeverExportable
	in.Entry.Details = nil
	api, plan := *in.Entry.API, *in.Entry.Plans[0]
	api.Name, api.Description, api.Version = "n", "d", "v"
	api.Tags, api.EndpointTypes = nil, nil
	plan.Name, plan.Description, plan.Throttle, plan.Quota, plan.Stages = "n", "d", nil, nil, nil
	in.Entry.API, in.Entry.Plans = &api, []*gateway.UsagePlan{&plan}
	after := Build(in)
	if before.UniqueID != after.UniqueID || before.ID != after.ID || before.Plans[0].ID != after.Plans[0].ID {
		t.Errorf("ids changed: %s -> %s, %s -> %s", before.UniqueID, after.UniqueID, before.Plans[0].ID, after.Plans[0].ID)
	}
}

func TestAPageAlwaysHasTheSameFileName(t *testing.T) {
	in := sample()
	in.Name = strings.Repeat("another name ", 20)
	a, b := Build(sample()).Pages[0].Filename, Build(in).Pages[0].Filename
	if a != b || a == "" || width(a) > MaxPageName {
		t.Errorf("file names %q and %q", a, b)
	}
}

func TestPagesAreAnEmptyListWithoutADocument(t *testing.T) {
	for missing, says := range map[Missing]string{
		NeverExportable: "cannot export", TooLarge: "larger than one message", NotMissing: "exported from",
	} {
		in := sample()
		in.Missing = missing
		api := Build(in)
		if missing != NotMissing && (api.Pages == nil || len(api.Pages) != 0) {
			t.Errorf("pages = %v", api.Pages)
		}
		// APIM keeps metadata that are left out later, so the entry is always there and says what is true now.
		if text := valueOf(api, "AWS document"); !strings.Contains(text, says) {
			t.Errorf("metadata say %q", text)
		}
	}
}

func valueOf(api federated.API, name string) string {
	for _, m := range api.Metadata {
		if m.Name == name {
			return m.Value
		}
	}
	return ""
}

func TestNothingIsNullInAnEmptyAPI(t *testing.T) {
	api := Build(Input{
		Target: west, Entry: Entry{API: &gateway.RestAPI{ID: "a"}, Stage: "s", Plans: []*gateway.UsagePlan{{ID: "p"}}},
		Name: "a",
	})
	if api.Pages == nil || api.Plans == nil || api.Metadata == nil || api.ConnectionDetails == nil ||
		api.Plans[0].Characteristics == nil {
		t.Errorf("something is null: %+v", api)
	}
	if api.Version != "0.0.0" {
		t.Errorf("version = %q", api.Version)
	}
	if api.Plans[0].Name != "p" {
		t.Errorf("a plan without a name is called %q", api.Plans[0].Name)
	}
	for _, m := range api.Metadata {
		if m.Name == "" || m.Value == "" {
			t.Errorf("empty metadata %+v", m)
		}
	}
	none := Build(Input{Target: west, Entry: Entry{API: &gateway.RestAPI{ID: "a"}, Stage: "s"}, Name: "a"})
	if none.Plans == nil {
		t.Error("plans are null")
	}
}

func TestPreviewAndIngestShowTheSameIDsNameAndVersion(t *testing.T) {
	in := sample()
	api, s := Build(in), Summarize(in.Target, in.Entry, in.Name)
	if s != api.Summary {
		t.Errorf("preview %+v, ingest %+v", s, api)
	}
}

func TestDuplicatePlanIDsAreSentOnce(t *testing.T) {
	in := sample()
	in.Entry.Plans = append(in.Entry.Plans, in.Entry.Plans[0])
	if got := Build(in).Plans; len(got) != 1 {
		t.Errorf("%d plans", len(got))
	}
}

func TestTheDocumentIsNotCopiedOrChanged(t *testing.T) {
	in := sample()
	in.Document = []byte("{\"a\":\"é;;\x00\"}  ")
	if got := Build(in).Pages[0].Content; &got[0] != &in.Document[0] || len(got) != len(in.Document) {
		t.Error("the document was copied or changed")
	}
}

func TestTheSameDescriptionIsNotWrittenTwice(t *testing.T) {
	in := sample()
	in.Entry.Details = &gateway.Stage{Name: "prod", Description: "All orders"}
	if got := Build(in).Description; got != "All orders" {
		t.Errorf("description = %q", got)
	}
	api := *in.Entry.API
	api.Description, in.Entry.API = "", &api
	in.Entry.Details = &gateway.Stage{Name: "prod", Description: "live"}
	if got := Build(in).Description; got != "Stage prod: live" {
		t.Errorf("description = %q", got)
	}
}

func TestEveryTextIsWithinTheLimitsOfTheSQLBackendAndCutsAreMarked(t *testing.T) {
	long := strings.Repeat("wörd🚀", 700)
	in := sample()
	in.Name = NewNames(nil).Of(prod, long)
	methods := map[string]gateway.Throttle{}
	for i := range 60 {
		methods[fmt.Sprintf("/%s/%d/GET", strings.Repeat("long", 30), i)] = gateway.Throttle{Rate: 1234.5, Burst: 98765}
	}
	in.Entry.API = &gateway.RestAPI{
		ID: "a1b2c3", Name: long, Description: long, Version: long,
		Tags: map[string]string{long: long, long + "2": long, "": ""}, TLSPolicy: long, AccessMode: long,
	}
	in.Document = []byte(`{"paths":{"/a":{"get":{"security":[{"` + long + `":[]}]}}}}`)
	in.Entry.Plans = []*gateway.UsagePlan{{
		ID: "p", Name: long, Description: long, ProductCode: long, Throttle: &gateway.Throttle{Rate: 1e12, Burst: 1 << 30},
		Stages: []gateway.PlanStage{{APIID: "a1b2c3", Stage: "prod", Throttle: methods}},
	}}
	in.Entry.Details = &gateway.Stage{Name: "prod", Description: long, Tags: map[string]string{long: long}}
	api := Build(in)
	wantWithinLimits(t, api)
	p := api.Plans[0]
	for _, cut := range []string{api.Name, api.Version, api.Description, p.Name, p.Description} {
		if !strings.Contains(cut, ellipsis) {
			t.Errorf("%.30q… was cut without a mark", cut)
		}
	}
	for _, c := range p.Characteristics[5:] { // after two notes, the rate, the burst and the product
		if !strings.Contains(c, "1,234.5 requests per second, burst 98,765") && !strings.Contains(c, "more methods") {
			t.Errorf("the numbers were cut off: %q", c)
		}
	}
	if last := p.Characteristics[len(p.Characteristics)-1]; last != "and limits for 10 more methods" {
		t.Errorf("last characteristic %q", last)
	}
}

func wantWithinLimits(t *testing.T, api federated.API) {
	t.Helper()
	check := func(what, text string, limit int) {
		if width(text) > limit {
			t.Errorf("%s has %d characters, the limit is %d", what, width(text), limit)
		}
	}
	check("name", api.Name, MaxAPIName)
	for _, p := range api.Plans {
		check("plan name", p.Name, MaxPlanName)
		for _, c := range p.Characteristics {
			check("characteristic", c, MaxCharacteristic)
		}
	}
	for _, p := range api.Pages {
		check("page name", p.Filename, MaxPageName)
	}
	keys := map[string]bool{}
	for _, m := range api.Metadata {
		check("metadata name", m.Name, MaxMetadataKey)
		check("metadata key", metadataKey(m.Name), MaxMetadataKey)
		check("metadata value", m.Value, MaxMetadataValue)
		if m.Name == "" || m.Value == "" || keys[metadataKey(m.Name)] {
			t.Errorf("metadata %+v are empty or double", m)
		}
		keys[metadataKey(m.Name)] = true
	}
}

func FuzzWhateverAWSSaysTheAPIIsWithinTheLimits(f *testing.F) {
	f.Add("Orders", "text", "1.0", "team", "shop", "/pets/GET", 1.5, int32(3))
	f.Add("", "", "", "", "", "", 0.0, int32(0))
	f.Add("\xff", "\x00", strings.Repeat("v", 100), "é", "\u202e", "///", -1.0, int32(-1))
	f.Fuzz(func(t *testing.T, name, description, version, tag, value, method string, rate float64, burst int32) {
		in := sample()
		in.Name = NewNames(nil).Of(prod, name)
		in.Entry.API = &gateway.RestAPI{
			ID: "a1b2c3", Name: name, Description: description, Version: version,
			Tags: map[string]string{tag: value, tag + " ": value, strings.ToUpper(tag): value},
		}
		throttle := gateway.Throttle{Rate: rate, Burst: burst}
		in.Entry.Plans = []*gateway.UsagePlan{{
			ID: "p", Name: name, Description: description, Throttle: &throttle,
			Quota: &gateway.Quota{Limit: burst, Period: tag},
			Stages: []gateway.PlanStage{{
				APIID: "a1b2c3", Stage: "prod", Throttle: map[string]gateway.Throttle{method: throttle},
			}},
		}}
		api := Build(in)
		wantWithinLimits(t, api)
		if diff := cmp.Diff(api, Build(in)); diff != "" {
			t.Errorf("the same input gave another API: %s", diff)
		}
	})
}
