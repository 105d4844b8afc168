package awssim

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"

	"federation-agent/internal/secret"
)

func createKey(name string) *apigateway.CreateApiKeyInput {
	return &apigateway.CreateApiKeyInput{Name: aws.String(name), Enabled: true}
}

func attach(plan, key string) *apigateway.CreateUsagePlanKeyInput {
	return &apigateway.CreateUsagePlanKeyInput{
		UsagePlanId: aws.String(plan), KeyId: aws.String(key), KeyType: aws.String("API_KEY"),
	}
}

func TestAKeyOpensTheStagesOfItsPlanUntilItIsDeleted(t *testing.T) {
	r := newRig(t, Options{})
	ctx, client := context.Background(), r.gateway(agentKeyA)
	key := must(client.CreateApiKey(ctx, createKey("shop")))(t)
	if !key.Enabled || len(*key.Value) != generatedKeyValueLength {
		t.Fatalf("got enabled=%t and a value of %d characters", key.Enabled, len(*key.Value))
	}
	invoke := func() int { return r.Invoke(scopeA(), "orders0001", "prod", *key.Value) }
	if got := invoke(); got != 403 {
		t.Errorf("an unattached key is answered %d", got)
	}
	attached := must(client.CreateUsagePlanKey(ctx, attach("gold01", *key.Id)))(t)
	if *attached.Id != *key.Id || *attached.Type != "API_KEY" || *attached.Name != "shop" ||
		*attached.Value != *key.Value {
		t.Errorf("got %+v", attached)
	}
	if got := invoke(); got != 200 {
		t.Errorf("an attached key is answered %d", got)
	}
	if got := r.Invoke(scopeA(), "orders0001", "dev", *key.Value); got != 403 {
		t.Errorf("a stage outside the plan answers %d", got)
	}
	must(client.DeleteApiKey(ctx, &apigateway.DeleteApiKeyInput{ApiKey: key.Id}))(t)
	if got := invoke(); got != 403 {
		t.Errorf("a deleted key is answered %d", got)
	}
	_, err := client.DeleteApiKey(ctx, &apigateway.DeleteApiKeyInput{ApiKey: key.Id})
	if got := wantCode(t, err, CodeNotFound).ErrorMessage(); got != "Invalid API Key identifier specified" {
		t.Errorf("got message %q", got)
	}
}

func TestAKeyIsMadeDisabledUnlessAskedOtherwise(t *testing.T) {
	r := newRig(t, Options{})
	ctx, client := context.Background(), r.gateway(agentKeyA)
	key := must(client.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{Name: aws.String("off")}))(t)
	must(client.CreateUsagePlanKey(ctx, attach("gold01", *key.Id)))(t)
	if got := r.Invoke(scopeA(), "orders0001", "prod", *key.Value); key.Enabled || got != 403 {
		t.Errorf("got enabled=%t and %d from the data plane", key.Enabled, got)
	}
}

func TestCreateApiKeyRefusesWhatAWSRefuses(t *testing.T) {
	taken := strings.Repeat("v", 20)
	for _, c := range []struct {
		name    string
		in      *apigateway.CreateApiKeyInput
		code    string
		message string
	}{
		{
			"short value", &apigateway.CreateApiKeyInput{Value: aws.String(strings.Repeat("v", 19))}, CodeBadRequest,
			"API Key value should be at least 20 characters",
		},
		{
			"long value", &apigateway.CreateApiKeyInput{Value: aws.String(strings.Repeat("v", 129))}, CodeBadRequest,
			"API Key value exceeds maximum size of 128 characters",
		},
		{
			"long name", &apigateway.CreateApiKeyInput{Name: aws.String(strings.Repeat("n", 1025))}, CodeBadRequest,
			"Invalid API Key name, can be at most 1024 characters.",
		},
		{
			"long description", &apigateway.CreateApiKeyInput{Description: aws.String(strings.Repeat("d", 125_001))},
			CodeBadRequest, "Invalid API Key description specified.",
		},
		{"value taken", &apigateway.CreateApiKeyInput{Value: aws.String(taken)}, CodeConflict, "API Key already exists"},
		{"tags", &apigateway.CreateApiKeyInput{Tags: map[string]string{"a": "b"}}, CodeAccessDenied, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, Options{})
			if _, err := r.PutKey(scopeA(), APIKey{Name: "other", Value: secret.New(taken)}); err != nil {
				t.Fatal(err)
			}
			_, err := r.gateway(agentKeyA).CreateApiKey(context.Background(), c.in)
			if got := wantCode(t, err, c.code).ErrorMessage(); c.message != "" && got != c.message {
				t.Errorf("got message %q, want %q", got, c.message)
			}
			if n := len(r.Keys()); n != 1 {
				t.Errorf("%d keys exist, want the other one alone", n)
			}
		})
	}
}

func TestHardLimitsAreLimitExceededNotThrottles(t *testing.T) {
	r := newRig(t, Options{MaxKeys: 1, MaxPlansPerKey: 1})
	ctx, client := context.Background(), r.gateway(agentKeyA)
	key := must(client.CreateApiKey(ctx, createKey("first")))(t)
	_, err := client.CreateApiKey(ctx, createKey("second"))
	if got := wantCode(t, err, CodeLimitExceeded).ErrorMessage(); !strings.HasPrefix(got, "Maximum number of API keys") {
		t.Errorf("got message %q", got)
	}
	must(client.CreateUsagePlanKey(ctx, attach("gold01", *key.Id)))(t)
	_, err = client.CreateUsagePlanKey(ctx, attach("empty1", *key.Id))
	wantCode(t, err, CodeLimitExceeded)
}

func TestAttachingRefusesUnknownAndAttachedKeys(t *testing.T) {
	r := newRig(t, Options{})
	ctx, client := context.Background(), r.gateway(agentKeyA)
	key := must(client.CreateApiKey(ctx, createKey("k")))(t)
	_, err := client.CreateUsagePlanKey(ctx, attach("nope", *key.Id))
	wantCode(t, err, CodeNotFound)
	_, err = client.CreateUsagePlanKey(ctx, attach("gold01", "nope"))
	wantCode(t, err, CodeNotFound)
	must(client.CreateUsagePlanKey(ctx, attach("gold01", *key.Id)))(t)
	_, err = client.CreateUsagePlanKey(ctx, attach("gold01", *key.Id))
	if got := wantCode(t, err, CodeConflict).ErrorMessage(); strings.Contains(got, "try again later") {
		t.Errorf("a key that is attached already is told to try again: %q", got)
	}
}

func TestParallelAttachmentsConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Latency: AWSLatency()})
		ctx, client := context.Background(), r.gateway(agentKeyA)
		keys := make([]string, 3)
		for i := range keys {
			keys[i] = *must(client.CreateApiKey(ctx, createKey(fmt.Sprintf("k%d", i))))(t).Id
		}
		errs := make([]error, len(keys))
		var wg sync.WaitGroup
		for i, key := range keys {
			wg.Go(func() { _, errs[i] = client.CreateUsagePlanKey(ctx, attach("gold01", key)) })
		}
		wg.Wait()
		refused := 0
		for _, err := range errs {
			if err != nil {
				refused++
				if got := wantCode(t, err, CodeConflict).ErrorMessage(); !strings.HasSuffix(got, "Please try again later.") {
					t.Errorf("got message %q", got)
				}
			}
		}
		if refused != 2 {
			t.Errorf("%d of 3 parallel attachments were refused, want 2", refused)
		}
		must(client.CreateUsagePlanKey(ctx, attach("empty1", keys[0])))(t) // alone again
	})
}

func TestListsOfKeysAreAsRecorded(t *testing.T) {
	r := newRig(t, Options{})
	ctx, client := context.Background(), r.gateway(adminKeyA)
	first := must(client.CreateApiKey(ctx, createKey("key-1")))(t)
	second := must(client.CreateApiKey(ctx, createKey("Key-2")))(t)
	got := must(client.GetApiKeys(ctx, &apigateway.GetApiKeysInput{}))(t)
	if len(got.Items) != 2 || *got.Items[0].Id != *second.Id || got.Items[0].Value != nil {
		t.Errorf("got %+v, want the newest first and no values", got.Items)
	}
	prefix := must(client.GetApiKeys(ctx, &apigateway.GetApiKeysInput{
		NameQuery: aws.String("key"), IncludeValues: aws.Bool(true),
	}))(t)
	if len(prefix.Items) != 1 || *prefix.Items[0].Value != *first.Value {
		t.Errorf("got %d keys by prefix, want the one of that case, with its value", len(prefix.Items))
	}
	page := must(client.GetApiKeys(ctx, &apigateway.GetApiKeysInput{Limit: aws.Int32(1)}))(t)
	rest := must(client.GetApiKeys(ctx, &apigateway.GetApiKeysInput{Limit: aws.Int32(1), Position: page.Position}))(t)
	if *rest.Items[0].Id != *first.Id || rest.Position != nil {
		t.Error("the second page is not the older key alone")
	}
	must(client.CreateUsagePlanKey(ctx, attach("gold01", *first.Id)))(t)
	members := must(client.GetUsagePlanKeys(ctx, &apigateway.GetUsagePlanKeysInput{UsagePlanId: aws.String("gold01")}))(t)
	if len(members.Items) != 1 || *members.Items[0].Value != *first.Value {
		t.Errorf("got members %+v", members.Items)
	}
	none := must(client.GetUsagePlanKeys(ctx, &apigateway.GetUsagePlanKeysInput{UsagePlanId: aws.String("unknown")}))(t)
	if len(none.Items) != 0 {
		t.Errorf("an unknown plan has %d keys", len(none.Items))
	}
	plans := must(client.GetUsagePlans(ctx, &apigateway.GetUsagePlansInput{KeyId: first.Id}))(t)
	if len(plans.Items) != 1 || *plans.Items[0].Id != "gold01" {
		t.Errorf("got plans of a key %+v", plans.Items)
	}
	must(client.DeleteUsagePlanKey(ctx, &apigateway.DeleteUsagePlanKeyInput{
		UsagePlanId: aws.String("gold01"), KeyId: first.Id,
	}))(t)
	if k, ok := r.Key(scopeA(), *first.Id); !ok || len(k.Plans) != 0 {
		t.Errorf("got %+v after taking it out of its plan", k.Plans)
	}
	if got := must(client.GetApiKey(ctx, &apigateway.GetApiKeyInput{
		ApiKey: first.Id, IncludeValue: aws.Bool(true),
	}))(t); *got.Value != *first.Value {
		t.Error("GetApiKey gives another value")
	}
}

func TestANewKeyWorksOnlyAfterPropagation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{KeyPropagation: time.Minute})
		ctx, client := context.Background(), r.gateway(agentKeyA)
		key := must(client.CreateApiKey(ctx, createKey("k")))(t)
		must(client.CreateUsagePlanKey(ctx, attach("gold01", *key.Id)))(t)
		if got := r.Invoke(scopeA(), "orders0001", "prod", *key.Value); got != 403 {
			t.Errorf("got %d at once", got)
		}
		time.Sleep(time.Minute)
		if got := r.Invoke(scopeA(), "orders0001", "prod", *key.Value); got != 200 {
			t.Errorf("got %d after a minute", got)
		}
	})
}

func TestTheSameEventsMakeTheSameKeys(t *testing.T) {
	run := func(seed uint64) []string {
		r := newRig(t, Options{Seed: seed})
		var out []string
		for _, name := range []string{"a", "b", "a"} {
			key := must(r.gateway(agentKeyA).CreateApiKey(context.Background(), createKey(name)))(t)
			out = append(out, *key.Id, *key.Value)
		}
		return out
	}
	one, two, other := run(1), run(1), run(2)
	if strings.Join(one, " ") != strings.Join(two, " ") || one[0] == other[0] {
		t.Errorf("got %v, %v and with another seed %v", one, two, other)
	}
	if one[0] == one[4] || one[1] == one[5] {
		t.Error("two keys of one name share id or value")
	}
}

func TestAKeyPrintsAndLogsNoValue(t *testing.T) {
	r := newRig(t, Options{})
	key := must(r.gateway(agentKeyA).CreateApiKey(context.Background(), createKey("k")))(t)
	stored := r.Keys()
	encoded, err := json.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	calls := fmt.Sprintf("%+v", r.Calls(0))
	for _, text := range []string{string(encoded), fmt.Sprintf("%+v %#v", stored, stored), calls} {
		if strings.Contains(text, *key.Value) {
			t.Error("a key value shows in what is printed")
		}
	}
	if stored[0].Value.Reveal() != *key.Value || r.lastCall().KeyID != *key.Id {
		t.Error("the value or the call's key id is not that of the answer")
	}
}
