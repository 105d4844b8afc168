package apigateway

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/gateway"
)

func TestAKeyIsCreatedEnabledAndWithoutTags(t *testing.T) {
	w := &wire{answer: answers(keyMade)}
	if _, _, err := CreateKey(t.Context(), w.client(nil), "App / sub", "text"); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	r := w.requests()[0]
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		t.Fatal(err)
	}
	// AWS creates a disabled key unless enabled is sent. Tags need a permission beyond the minimum policy. AWS chooses the
	// key's value.
	if diff := cmp.Diff(map[string]any{"name": "App / sub", "description": "text", "enabled": true}, got); diff != "" {
		t.Error(diff)
	}
	if r.request.Method != "POST" || r.request.URL.Path != "/apikeys" {
		t.Errorf("%s %s", r.request.Method, r.request.URL.Path)
	}
}

func TestTheIDOfAKeyWithoutAValueIsReturnedSoThatItCanBeDeleted(t *testing.T) {
	w := &wire{answer: answers(ok(201, `{"id":"key1"}`))}
	id, value, err := CreateKey(t.Context(), w.client(nil), "n", "")
	wantClass(t, err, gateway.Internal)
	if id != "key1" || !value.IsZero() {
		t.Errorf("id = %q", id)
	}
}

func TestAttachingAKeyThatIsAttachedAlreadyIsASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(reset, fault(409, "ConflictException", "Usage plan key already exists"))}
		if err := AttachKey(t.Context(), w.client(nil), "plan1", "key1"); err != nil {
			t.Fatal(err)
		}
		wantCalls(t, w, 2)
		r := w.requests()[1]
		if r.request.URL.Path != "/usageplans/plan1/keys" || r.body != `{"keyId":"key1","keyType":"API_KEY"}` {
			t.Errorf("%s %s", r.request.URL.Path, r.body)
		}
	})
}

func TestAttachingWaitsForAnotherChangeToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(busy, busy, busy, ok(201, `{}`))}
		if err := AttachKey(t.Context(), w.client(nil), "p", "k"); err != nil {
			t.Fatal(err)
		}
		wantCalls(t, w, 4)
	})
}

func TestAttachingToAPlanThatDoesNotExistFails(t *testing.T) {
	w := &wire{answer: answers(fault(404, "NotFoundException", "Invalid Usage Plan identifier specified"))}
	wantClass(t, AttachKey(t.Context(), w.client(nil), "p", "k"), gateway.NotFound)
}

func TestDeletingAKeyThatDoesNotExistIsASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(reset, fault(404, "NotFoundException", "Invalid API Key identifier specified"))}
		if was, err := DeleteKey(t.Context(), w.client(nil), "key1"); was || err != nil {
			t.Fatalf("there was one: %t, %v", was, err)
		}
		r := w.requests()[0].request
		if r.Method != "DELETE" || r.URL.Path != "/apikeys/key1" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
	})
}

func TestA404OfAProxyDoesNotCountAsADeletedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(html(404))}
		wantClass(t, deleteK(t.Context(), w.client(nil)), gateway.Unavailable)
	})
}

// deleteK deletes the key k.
func deleteK(ctx context.Context, c Client) error {
	_, err := DeleteKey(ctx, c, "k")
	return err
}

func TestAnExportIsOpenAPI3InJSONWithoutAWSsExtensions(t *testing.T) {
	const document = `{"openapi":"3.0.1", "info":{"title":"a;;b"}}`
	w := &wire{answer: answers(ok(200, document))}
	got, err := Export(t.Context(), w.client(nil), "api1", "prod")
	if err != nil || string(got) != document {
		t.Fatalf("document %q, error %v", got, err)
	}
	r := w.requests()[0].request
	if r.URL.Path != "/restapis/api1/stages/prod/exports/oas30" || r.Header.Get("Accept") != "application/json" {
		t.Errorf("%s, Accept %q", r.URL.Path, r.Header.Get("Accept"))
	}
	if strings.Contains(r.URL.RawQuery, "extensions") || strings.Contains(r.URL.RawQuery, "parameters") {
		t.Errorf("query %q", r.URL.RawQuery)
	}
}

func TestAnEmptyExportIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(ok(200, ""))}
		_, err := Export(t.Context(), w.client(nil), "api1", "prod")
		wantClass(t, err, gateway.Unavailable)
	})
}

func TestOneCallListsAllStagesWithWhatTheirExportsDependOn(t *testing.T) {
	w := &wire{answer: answers(ok(200, `{"item":[
		{"stageName":"prod","deploymentId":"d1","documentationVersion":"7",
		 "canarySettings":{"deploymentId":"d2","stageVariableOverrides":{"password":"hunter2"}},
		 "variables":{"password":"hunter2"},"lastUpdatedDate":1700000000,"description":"live","tags":{"team":"a"}},
		{"stageName":"dev","deploymentId":"d1","webAclArn":"arn:aws:wafv2:eu-west-1:111111111111:regional/webacl/w/1",
		 "methodSettings":{"*/*":{"throttlingRateLimit":5.5,"throttlingBurstLimit":7},
		  "~1pets~1{id}/GET":{"throttlingRateLimit":0,"throttlingBurstLimit":0},
		  "~1logs/GET":{"throttlingRateLimit":-1,"throttlingBurstLimit":-1}}}]}`))}
	got, err := ListStages(t.Context(), w.client(nil), "api1")
	if err != nil {
		t.Fatal(err)
	}
	wantCalls(t, w, 1)
	want := []*gateway.Stage{
		{
			Name: "prod", Description: "live", DeploymentID: "d1", DocumentationVersion: "7", CanaryDeploymentID: "d2",
			UpdatedAt: 1700000000, Tags: map[string]string{"team": "a"},
		},
		{Name: "dev", DeploymentID: "d1", WebACL: true, Throttle: map[string]gateway.Throttle{
			"*/*": {Rate: 5.5, Burst: 7}, "/pets/{id}/GET": {},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
