package apigateway

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/gateway"
)

// recorded is testdata/recorded.json: test -> step -> AWS's answer as boto3 read it.
type recorded map[string]map[string]json.RawMessage

func loadRecorded(t *testing.T) recorded {
	t.Helper()
	text, err := os.ReadFile("testdata/recorded.json")
	if err != nil {
		t.Fatal(err)
	}
	var r recorded
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// onWire turns a recorded step into the answer that AWS sent: times are numbers, lists are called item, and the code of
// an error is a header.
func onWire(t *testing.T, step json.RawMessage) func(*http.Request) (*http.Response, error) {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(step, &fields); err != nil {
		t.Fatal(err)
	}
	var meta struct{ HTTPStatusCode int }
	if err := json.Unmarshal(fields["ResponseMetadata"], &meta); err != nil {
		t.Fatal(err)
	}
	if raw, isError := fields["Error"]; isError {
		var e struct{ Code, Message string }
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		return fault(meta.HTTPStatusCode, e.Code, e.Message)
	}
	if body, isDocument := fields["body"]; isDocument {
		return ok(meta.HTTPStatusCode, string(body))
	}
	delete(fields, "ResponseMetadata")
	if items, ok := fields["items"]; ok {
		fields["item"] = items
		delete(fields, "items")
	}
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return ok(meta.HTTPStatusCode, strings.ReplaceAll(string(body), `"datetime"`, strconv.Itoa(recordedTime)))
}

// recordedTime replaces every time in the recorded answers, from which the times were removed.
const recordedTime = 1700000000

// listed wraps one recorded resource as the only item of a list.
func listed(t *testing.T, step json.RawMessage) func(*http.Request) (*http.Response, error) {
	t.Helper()
	return ok(200, `{"item":[`+strings.ReplaceAll(string(step), `"datetime"`, strconv.Itoa(recordedTime))+`]}`)
}

func TestRecordedRESTAPIsBecomeValues(t *testing.T) {
	r := loadRecorded(t)
	w := &wire{answer: answers(onWire(
		t, r["TestApiGatewayApiRestApi::test_create_rest_api_with_tags"]["get-rest-apis-w-tags"],
	))}
	got, err := ListRESTAPIs(t.Context(), w.client(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := []*gateway.RestAPI{{
		ID: "<id:1>", Name: "<name:1>", Description: "this is my api",
		EndpointTypes: []string{"EDGE"}, Tags: map[string]string{"MY_TAG1": "MY_VALUE1"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for step, types := range map[string]string{
		"create-with-edge-default":     "EDGE",
		"create-with-regional-default": "REGIONAL",
		"create-with-private-default":  "PRIVATE",
	} {
		w := &wire{answer: answers(listed(t, r["TestApiGatewayApiRestApi::test_create_rest_api_verify_defaults"][step]))}
		got, err := ListRESTAPIs(t.Context(), w.client(nil))
		if err != nil || len(got) != 1 || strings.Join(got[0].EndpointTypes, ",") != types {
			t.Errorf("%s: %+v, error %v", step, got, err)
		}
	}
}

func TestRecordedStagesBecomeValuesWithTheirDeployments(t *testing.T) {
	r := loadRecorded(t)
	w := &wire{answer: answers(onWire(
		t, r["TestApiGatewayStage::test_get_stages_filters_by_deployment_id"]["all-stages"],
	))}
	got, err := ListStages(t.Context(), w.client(nil), "a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*gateway.Stage{
		{Name: "stage1", DeploymentID: "<deployment-id:1>", UpdatedAt: recordedTime},
		{Name: "stage2", DeploymentID: "<deployment-id:2>", UpdatedAt: recordedTime},
	}, got); diff != "" {
		t.Error(diff)
	}
	canary := r["TestStageCrudCanary::test_create_update_stages"]
	deployed := func(step string) (deployment, canaryDeployment string) {
		w := &wire{answer: answers(listed(t, canary[step]))}
		got, err := ListStages(t.Context(), w.client(nil), "a")
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v", step, err)
		}
		return got[0].DeploymentID, got[0].CanaryDeploymentID
	}
	if deployment, canary := deployed("get-stage"); deployment != "<deployment-id:2>" || canary != "<deployment-id:1>" {
		t.Errorf("with a canary: %s and %s", deployment, canary)
	}
	if deployment, canary := deployed("get-stage-after-remove"); deployment != "<deployment-id:2>" || canary != "" {
		t.Errorf("without: %s and %s", deployment, canary)
	}
}

func TestARecordedUsagePlanBecomesAValue(t *testing.T) {
	r := loadRecorded(t)
	w := &wire{answer: answers(listed(
		t, r["TestApigatewayApiKeysCrud::test_create_usage_plan_with_throttle"]["create-usage-plan-burst-gt-rate"],
	))}
	got, err := ListUsagePlans(t.Context(), w.client(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := []*gateway.UsagePlan{{ID: "<id:1>", Name: "<name:1>", Throttle: &gateway.Throttle{Rate: 10, Burst: 20}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRecordedKeysAndAttachmentsAreRead(t *testing.T) {
	r := loadRecorded(t)["TestApigatewayApiKeysCrud::test_get_usage_plan_api_keys"]
	w := &wire{answer: answers(onWire(t, r["create-api-key"]), onWire(t, r["create-up-key"]))}
	id, value, err := CreateKey(t.Context(), w.client(nil), "n", "")
	if err != nil || id != "<id:1>" || value.Reveal() != "<value:1>" {
		t.Errorf("id %q, error %v", id, err)
	}
	if err := AttachKey(t.Context(), w.client(nil), "p", id); err != nil {
		t.Error(err)
	}
}

func TestARecordedExportIsReturnedUnchanged(t *testing.T) {
	r := loadRecorded(t)["test_export_oas30_openapi[TEST_IMPORT_PETS]"]["get-export"]
	w := &wire{answer: answers(onWire(t, r))}
	got, err := Export(t.Context(), w.client(nil), "a", "s")
	if err != nil || !json.Valid(got) || !strings.Contains(string(got), `"openapi": "3.0.1"`) {
		t.Errorf("document %.60s, error %v", got, err)
	}
}

func TestRecordedErrorsHaveTheirClasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := loadRecorded(t)
		const api, keys = "TestApiGatewayApi", "TestApigatewayApiKeysCrud::test_"
		for path, want := range map[string]gateway.Class{
			api + "Authorizer::test_authorizer_crud_no_api/wrong-rest-api-id-create-authorizer": gateway.ConflictRetryable,
			api + "Authorizer::test_authorizer_crud_no_api/wrong-rest-api-id-get-authorizers":   gateway.NotFound,
			api + "RestApi::test_create_rest_api_verify_defaults/" +
				"create-with-empty-ip-address-type-and-wrong-type": gateway.Invalid,
			keys + "create_api_key_with_invalid_name/create-api-key-name-too-long":                 gateway.Invalid,
			keys + "update_api_key_invalid_description_length/create-api-key-description-too-long": gateway.Invalid,
			api + "RestApi::test_get_api_case_insensitive/get-api-upper-case":                      gateway.NotFound,
		} {
			test, step, _ := strings.Cut(path, "/")
			w := &wire{answer: answers(onWire(t, r[test][step]))}
			_, err := ListRESTAPIs(t.Context(), w.client(nil))
			wantClass(t, err, want)
		}
	})
}
