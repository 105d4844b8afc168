package apigateway

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/gateway"
)

// every returns all recorded steps by "test/step", so that no shape of an answer is forgotten.
func every(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	steps := map[string]json.RawMessage{}
	for test, recorded := range loadRecorded(t) {
		for step, text := range recorded {
			steps[test+"/"+step] = text
		}
	}
	return steps
}

// shape reads a step by the recording's own field names, without the SDK's types.
func shape[T any](t *testing.T, text json.RawMessage) (fields map[string]json.RawMessage, value T) {
	t.Helper()
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return fields, value
}

// known checks the number of steps of a kind, so that a test fails if it finds no steps any more.
func known(t *testing.T, seen, want int) {
	t.Helper()
	if seen != want {
		t.Errorf("%d recorded steps are of this kind, not %d; check what has changed in the recording", seen, want)
	}
}

type recordedAPI struct {
	ID, Name, Description, Version, APIKeySource string
	DisableExecuteAPIEndpoint                    bool
	EndpointConfiguration                        struct{ Types, VpcEndpointIDs []string }
	Tags                                         map[string]string
}

func (r recordedAPI) value() *gateway.RestAPI {
	return &gateway.RestAPI{
		ID: r.ID, Name: r.Name, Description: r.Description, Version: r.Version,
		EndpointTypes: r.EndpointConfiguration.Types, VPCEndpointIDs: r.EndpointConfiguration.VpcEndpointIDs,
		EndpointDisabled: r.DisableExecuteAPIEndpoint, Tags: r.Tags,
	}
}

func TestEveryRecordedRESTAPIBecomesItsValueFieldByField(t *testing.T) {
	seen := 0
	for path, text := range every(t) {
		fields, one := shape[recordedAPI](t, text)
		_, list := shape[struct{ Items []recordedAPI }](t, text)
		answer, recorded := listed(t, text), []recordedAPI{one}
		switch {
		case fields["rootResourceId"] != nil:
		case len(list.Items) > 0 && list.Items[0].APIKeySource != "":
			answer, recorded = onWire(t, text), list.Items
		default:
			continue
		}
		seen++
		var want []*gateway.RestAPI
		for _, r := range recorded {
			want = append(want, r.value())
		}
		got, err := ListRESTAPIs(t.Context(), (&wire{answer: answers(answer)}).client(nil))
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
	known(t, seen, 19)
}

type recordedStage struct {
	StageName, Description, DeploymentID, DocumentationVersion, LastUpdatedDate string

	CanarySettings struct{ DeploymentID string }
	Tags           map[string]string
}

func TestEveryRecordedStageBecomesItsValueFieldByField(t *testing.T) {
	seen := 0
	for path, text := range every(t) {
		fields, one := shape[recordedStage](t, text)
		_, list := shape[struct{ Item []recordedStage }](t, text)
		answer, recorded := listed(t, text), []recordedStage{one}
		switch {
		case fields["stageName"] != nil:
		case len(list.Item) > 0:
			answer, recorded = onWire(t, text), list.Item
		default:
			continue
		}
		seen++
		var want []*gateway.Stage
		for _, r := range recorded {
			s := &gateway.Stage{
				Name: r.StageName, Description: r.Description, DeploymentID: r.DeploymentID,
				DocumentationVersion: r.DocumentationVersion, CanaryDeploymentID: r.CanarySettings.DeploymentID, Tags: r.Tags,
			}
			if r.LastUpdatedDate != "" {
				s.UpdatedAt = recordedTime
			}
			want = append(want, s)
		}
		got, err := ListStages(t.Context(), (&wire{answer: answers(answer)}).client(nil), "a")
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
	known(t, seen, 10)
}

func TestEveryRecordedUsagePlanBecomesItsValueFieldByField(t *testing.T) {
	seen := 0
	for path, text := range every(t) {
		fields, r := shape[struct {
			ID, Name string
			Throttle *struct {
				RateLimit  float64
				BurstLimit int32
			}
		}](t, text)
		if fields["apiStages"] == nil {
			continue
		}
		seen++
		want := &gateway.UsagePlan{ID: r.ID, Name: r.Name}
		if r.Throttle != nil {
			want.Throttle = &gateway.Throttle{Rate: r.Throttle.RateLimit, Burst: r.Throttle.BurstLimit}
		}
		got, err := ListUsagePlans(t.Context(), (&wire{answer: answers(listed(t, text))}).client(nil))
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if diff := cmp.Diff([]*gateway.UsagePlan{want}, got); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
	known(t, seen, 2)
}

func TestEveryRecordedNewKeyAndAttachmentIsRead(t *testing.T) {
	keys, attached := 0, 0
	for path, text := range every(t) {
		fields, r := shape[struct {
			ID, Value, Type  string
			ResponseMetadata struct{ HTTPStatusCode int }
		}](t, text)
		client := (&wire{answer: answers(onWire(t, text))}).client(nil)
		switch {
		case r.ResponseMetadata.HTTPStatusCode == 201 && fields["enabled"] != nil:
			keys++
			id, value, err := CreateKey(t.Context(), client, "n", "")
			if err != nil || id != r.ID || value.Reveal() != r.Value || r.Value == "" {
				t.Errorf("%s: id %q, error %v", path, id, err)
			}
		case r.Type == "API_KEY":
			attached++
			if err := AttachKey(t.Context(), client, "p", r.ID); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	known(t, keys, 8)
	known(t, attached, 2)
}

func TestEveryRecordedExportIsReturnedUnchanged(t *testing.T) {
	seen, swagger := 0, 0
	for path, text := range every(t) {
		fields, _ := shape[struct{}](t, text)
		if fields["body"] == nil {
			continue
		}
		if strings.Contains(string(fields["body"]), `"swagger"`) {
			swagger++ // another export type than the agent asks for
			continue
		}
		seen++
		got, err := Export(t.Context(), (&wire{answer: answers(onWire(t, text))}).client(nil), "a", "s")
		if err != nil || string(got) != string(fields["body"]) {
			t.Errorf("%s: %d bytes of %d, error %v", path, len(got), len(fields["body"]), err)
		}
	}
	known(t, seen, 4)
	known(t, swagger, 4)
}

// recordedClasses are the classes of the recorded refusals, by AWS's code and the beginning of its message.
var recordedClasses = map[string]gateway.Class{
	"ConflictException/Unable to complete operation due to concurrent": gateway.ConflictRetryable,
	"NotFoundException/Invalid API identifier specified":               gateway.NotFound,
	"ValidationException/1 validation error detected":                  gateway.Invalid,
	"BadRequestException/Description cannot be an empty string":        gateway.Invalid,
	"BadRequestException/Invalid minimum compression size":             gateway.Invalid,
	"BadRequestException/Invalid API Key name, can be at most":         gateway.Invalid,
	"BadRequestException/API Key value exceeds maximum size":           gateway.Invalid,
	"BadRequestException/API Key value should be at least":             gateway.Invalid,
	"BadRequestException/Invalid patch path":                           gateway.Invalid,
	"BadRequestException/Invalid API Key description specified":        gateway.Invalid,
}

func TestEveryRecordedRefusalHasItsClassInEachOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := 0
		for path, text := range every(t) {
			_, r := shape[struct {
				Error struct{ Code, Message string }
			}](t, text)
			if r.Error.Code == "" {
				continue
			}
			seen++
			want, said := gateway.Internal, false
			for beginning, class := range recordedClasses {
				if strings.HasPrefix(r.Error.Code+"/"+r.Error.Message, beginning) {
					want, said = class, true
				}
			}
			if !said {
				t.Errorf("%s: no class is given for %s %q", path, r.Error.Code, r.Error.Message)
				continue
			}
			refused := answers(onWire(t, text))
			_, err := ListRESTAPIs(t.Context(), (&wire{answer: refused}).client(nil))
			wantClass(t, err, want)
			_, err = ListUsagePlans(t.Context(), (&wire{answer: refused}).client(nil))
			wantClass(t, err, want)
			_, err = ListStages(t.Context(), (&wire{answer: refused}).client(nil), "a")
			wantClass(t, err, want)
			_, err = Export(t.Context(), (&wire{answer: refused}).client(nil), "a", "s")
			wantClass(t, err, want)
			_, _, err = CreateKey(t.Context(), (&wire{answer: refused}).client(nil), "n", "")
			wantClass(t, err, want)
			wantClass(t, AttachKey(t.Context(), (&wire{answer: refused}).client(nil), "p", "k"), want)
			if want == gateway.NotFound { // a key that does not exist any more is a success
				want = gateway.OK
			}
			wantClass(t, deleteK(t.Context(), (&wire{answer: refused}).client(nil)), want)
		}
		known(t, seen, 12)
	})
}

// foreign are the recorded steps of operations that the agent does not use.
var foreign = []string{
	"get-api-keys", "get-apis-keys", "get-up-keys", "update-api-key", "create-deployment", "create-canary-deployment",
	"delete-rest-api",
}

func TestEveryRecordedStepIsReadByATest(t *testing.T) {
	for path, text := range every(t) {
		fields, r := shape[struct {
			Items []map[string]json.RawMessage
			Type  string
		}](t, text)
		read := r.Type == "API_KEY" || len(r.Items) > 0 && r.Items[0]["apiKeySource"] != nil
		for _, field := range []string{"rootResourceId", "stageName", "item", "apiStages", "enabled", "body", "Error"} {
			read = read || fields[field] != nil
		}
		_, step, _ := strings.Cut(path, "/")
		ours := !slices.ContainsFunc(foreign, func(name string) bool { return strings.HasPrefix(step, name) })
		if ours && !read {
			t.Errorf("%s is read by no test", path)
		}
	}
}
