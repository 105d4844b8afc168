package federation_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/federated"
	"federation-agent/internal/federation"
)

// recordedParts are the recorded answers from which federated APIs can be built, by kind. Each is one resource's JSON
// as AWS sends it, with the same REST API id, so that they fit together.
func recordedParts(t *testing.T) (apis, stages, plans, documents map[string]string) {
	t.Helper()
	apis, stages, plans, documents = map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}
	for test, steps := range loadRecorded(t) {
		for step, answer := range steps {
			var fields map[string]json.RawMessage
			if err := json.Unmarshal(answer, &fields); err != nil {
				t.Fatal(err)
			}
			path, wired := test+"/"+step, strings.ReplaceAll(string(answer), `"datetime"`, "1700000000")
			switch {
			case fields["rootResourceId"] != nil:
				apis[path] = strings.Replace(wired, string(fields["id"]), `"a1b2c3"`, 1)
			case fields["stageName"] != nil:
				stages[path] = wired
			case fields["apiStages"] != nil:
				plans[path] = strings.Replace(wired, `"apiStages": []`, `"apiStages": [{"apiId": "a1b2c3", "stage": "dev"}]`, 1)
			case strings.Contains(string(fields["body"]), `"openapi"`): // the others are Swagger 2, which is not asked for
				documents[path] = string(fields["body"])
			}
		}
	}
	return apis, stages, plans, documents
}

func TestEveryRecordedAPIStagePlanAndDocumentIsMappedFieldByField(t *testing.T) {
	apis, stages, plans, documents := recordedParts(t)
	if len(apis) != 16 || len(stages) != 7 || len(plans) != 2 || len(documents) != 4 {
		t.Fatalf("%d APIs, %d stages, %d plans and %d documents are recorded; check what has changed in the recording",
			len(apis), len(stages), len(plans), len(documents))
	}
	// There are more APIs than parts of any other kind, so each part is used at least once.
	next := func(parts map[string]string) func() string {
		paths, n := slices.Sorted(maps.Keys(parts)), -1
		return func() string { n++; return paths[n%len(paths)] }
	}
	stage, plan, document := next(stages), next(plans), next(documents)
	for _, api := range slices.Sorted(maps.Keys(apis)) {
		s, p, d := stage(), plan(), document()
		t.Run(api, func(t *testing.T) {
			t.Logf("with %s, %s and %s", s, p, d)
			checkMapping(t, apis[api], stages[s], plans[p], documents[d])
		})
	}
}

// checkMapping sends one API through the SDK's deserialisers and the mapping. It compares the result with the recorded
// fields, which it reads without both.
func checkMapping(t *testing.T, api, stage, plan, document string) {
	t.Helper()
	var raw struct {
		Name, Description, Version string
		Tags                       map[string]string
		EndpointConfiguration      struct{ Types []string }
	}
	var rawStage struct{ StageName, Description string }
	var rawPlan struct {
		ID, Name string
		Throttle *struct{}
	}
	for text, into := range map[string]any{api: &raw, stage: &rawStage, plan: &rawPlan} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	client := apigateway.NewClient(config(replay{
		"/restapis": `{"item":[` + api + `]}`, "/usageplans": `{"item":[` + plan + `]}`,
		"/restapis/a1b2c3/stages": `{"item":[` + stage + `]}`, "/restapis/a1b2c3/stages/dev/exports/oas30": document,
	}), apigateway.Options{})
	ctx, target := t.Context(), federation.Target{Account: "111111111111", Region: "eu-west-1"}
	listed := all(t, apigateway.NewRESTAPIs(client))
	listedPlans := all(t, apigateway.NewUsagePlans(client))
	listedStages, err := apigateway.ListStages(ctx, client, "a1b2c3")
	fail(t, err)
	exported, err := apigateway.Export(ctx, client, "a1b2c3", "dev")
	fail(t, err)
	entries := federation.Entries(listed, listedPlans, federation.Stages{"a1b2c3": listedStages}, federation.Filter{})
	if len(entries) != 1 {
		t.Fatalf("%d entries", len(entries))
	}
	got := federation.Build(federation.Input{
		Target: target, Entry: entries[0],
		Name:     federation.NewNames(federation.NamedOf(target, entries)).Of(entries[0].ID(target), raw.Name),
		Document: exported,
	})

	description := raw.Description
	if rawStage.Description != "" {
		description = strings.TrimPrefix(description+"\n\nStage dev: "+rawStage.Description, "\n\n")
	}
	version := raw.Version
	if version == "" {
		version = "0.0.0" // as APIM itself makes of a missing version
	}
	id := "111111111111:eu-west-1:a1b2c3:dev"
	want := federated.API{
		Summary:     federated.Summary{UniqueID: id, ID: id, Name: raw.Name, Version: version},
		Description: description,
		ConnectionDetails: map[string]string{
			federation.MetadataAccountID: "111111111111",
			federation.MetadataRegion:    "eu-west-1",
			federation.MetadataRestAPIID: "a1b2c3",
			federation.MetadataStage:     "dev",
		},
		Pages: []federated.Page{{Filename: "openapi.json", Content: []byte(document)}},
		Plans: []federated.Plan{
			{ID: rawPlan.ID, Name: rawPlan.Name, Characteristics: []string{"no method asks for an API key"}},
		},
		Metadata: []federated.Metadata{
			{Name: federation.MetadataAccountID, Value: "111111111111"}, {Name: federation.MetadataRegion, Value: "eu-west-1"},
			{Name: federation.MetadataRestAPIID, Value: "a1b2c3"}, {Name: federation.MetadataStage, Value: "dev"},
			{Name: "AWS account", Value: "111111111111"},
			{Name: "AWS region", Value: "eu-west-1"},
			{Name: "AWS stage", Value: "dev"},
			{Name: "AWS endpoint type", Value: raw.EndpointConfiguration.Types[0]},
			{Name: "AWS document", Value: "exported from AWS API Gateway"},
			{Name: "AWS key use", Value: "no method asks for one: calls need no key, and no plan limits them"},
			{Name: "AWS access limits", Value: "none"},
		},
	}
	if rawPlan.Throttle != nil {
		want.Plans[0].Characteristics = []string{"no method asks for an API key", "10 requests per second", "burst 20"}
	}
	for name, value := range raw.Tags {
		want.Metadata = append(want.Metadata, federated.Metadata{Name: "AWS tag " + name, Value: value})
	}
	// Another test covers the invoke URL, which depends on the endpoint's type. Here it must only be there.
	invoke := -1
	for i, m := range got.Metadata {
		if m.Name == "AWS invoke URL" && strings.Contains(m.Value, "a1b2c3") {
			invoke = i
		}
	}
	if invoke < 0 {
		t.Fatalf("no invoke URL among %+v", got.Metadata)
	}
	got.Metadata = append(got.Metadata[:invoke:invoke], got.Metadata[invoke+1:]...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func fail(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
