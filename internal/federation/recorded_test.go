package federation_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/federated"
	"federation-agent/internal/federation"
)

// replay answers API Gateway's paths with recorded answers of AWS. The README of recorded.json says where they come
// from.
type replay map[string]string

func (r replay) Do(in *http.Request) (*http.Response, error) {
	body, ok := r[in.URL.Path]
	if !ok {
		return nil, fmt.Errorf("nothing recorded for %s", in.URL.Path)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: in, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)),
	}, nil
}

// loadRecorded reads AWS's answers as boto3 read them: test -> step -> answer.
func loadRecorded(t *testing.T) map[string]map[string]json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("../apigateway/testdata/recorded.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded map[string]map[string]json.RawMessage
	if err := json.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	return recorded
}

func TestRecordedAnswersOfAWSBecomeTheModel(t *testing.T) {
	recorded := loadRecorded(t)
	// step is a recorded answer as AWS sends it, with ids instead of the recording's placeholders.
	step := func(test, name string) string {
		s := string(recorded[test][name])
		if s == "" {
			t.Fatalf("%s/%s is not recorded", test, name)
		}
		return strings.NewReplacer(
			`"datetime"`, "1700000000", "<api-id:1>", "a1b2c3", "<id:1>", "plan01", "<name:1>", "Basic",
		).Replace(s)
	}
	const pets = "test_export_oas30_openapi[TEST_IMPORT_PETS]"
	var export struct{ Body json.RawMessage }
	if err := json.Unmarshal([]byte(step(pets, "get-export")), &export); err != nil {
		t.Fatal(err)
	}
	const throttled = "TestApigatewayApiKeysCrud::test_create_usage_plan_with_throttle"
	planText := strings.Replace(step(throttled, "create-usage-plan-burst-gt-rate"),
		`"apiStages": []`, `"apiStages": [{"apiId": "a1b2c3", "stage": "dev"}]`, 1)
	aws := replay{
		"/restapis":               `{"item":[` + step(pets, "import-api") + `]}`,
		"/usageplans":             `{"item":[` + planText + `]}`,
		"/restapis/a1b2c3/stages": `{"item":[` + step("TestStageCrudCanary::test_create_update_stages", "get-stage") + `]}`,
		"/restapis/a1b2c3/stages/dev/exports/oas30": string(export.Body),
	}
	client := apigateway.NewClient(config(aws), apigateway.Options{})

	ctx, target := t.Context(), federation.Target{Account: "111111111111", Region: "eu-west-1"}
	apis := all(t, apigateway.NewRESTAPIs(client))
	plans := all(t, apigateway.NewUsagePlans(client))
	stages, err := apigateway.ListStages(ctx, client, "a1b2c3")
	if err != nil {
		t.Fatal(err)
	}
	document, err := apigateway.Export(ctx, client, "a1b2c3", "dev")
	if err != nil {
		t.Fatal(err)
	}
	entries := federation.Entries(apis, plans, federation.Stages{"a1b2c3": stages}, federation.Filter{})
	if len(entries) != 1 {
		t.Fatalf("%d entries", len(entries))
	}
	names := federation.NewNames(federation.NamedOf(target, entries))
	got := federation.Build(federation.Input{
		Target: target, Entry: entries[0], Name: names.Of(entries[0].ID(target), apis[0].Name), Document: document,
	})

	want := federated.API{
		Summary: federated.Summary{
			UniqueID: "111111111111:eu-west-1:a1b2c3:dev", ID: "111111111111:eu-west-1:a1b2c3:dev",
			Name: "Simple PetStore (Swagger)", Version: "1.0.0",
		},
		Description: "Stage dev: dev stage",
		ConnectionDetails: map[string]string{
			federation.MetadataAccountID: "111111111111",
			federation.MetadataRegion:    "eu-west-1",
			federation.MetadataRestAPIID: "a1b2c3",
			federation.MetadataStage:     "dev",
		},
		Pages: []federated.Page{{Filename: "openapi.json", Content: export.Body}},
		Plans: []federated.Plan{{ID: "plan01", Name: "Basic", Characteristics: []string{
			"no method asks for an API key", "10 requests per second", "burst 20",
		}}},
		Metadata: []federated.Metadata{
			{Name: federation.MetadataAccountID, Value: "111111111111"}, {Name: federation.MetadataRegion, Value: "eu-west-1"},
			{Name: federation.MetadataRestAPIID, Value: "a1b2c3"}, {Name: federation.MetadataStage, Value: "dev"},
			{Name: "AWS account", Value: "111111111111"},
			{Name: "AWS region", Value: "eu-west-1"},
			{Name: "AWS stage", Value: "dev"},
			{Name: "AWS endpoint type", Value: "EDGE"},
			{Name: "AWS invoke URL", Value: "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/dev"},
			{Name: "AWS document", Value: "exported from AWS API Gateway"},
			{Name: "AWS key use", Value: "no method asks for one: calls need no key, and no plan limits them"},
			{Name: "AWS access limits", Value: "none"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// The recorded stage has variables. They may be secrets and must not be sent.
	if text := fmt.Sprint(got); strings.Contains(text, "testVar") {
		t.Error("a stage variable is in the API")
	}
}

func config(client aws.HTTPClient) aws.Config {
	return aws.Config{
		Region: "eu-west-1", HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	}
}

// all reads a listing to its end.
func all[T any](t *testing.T, l *apigateway.PagedList[T]) []T {
	t.Helper()
	if err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	items, _ := l.All()
	return items
}
