package awssim

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

func TestThePolicyEvaluatorDecidesAsIAMDoes(t *testing.T) {
	const policy = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"apigateway:GET",
			"Resource":["arn:aws:apigateway:*::/restapis/*","arn:aws:apigateway:eu-?est-1::/usageplans"]},
		{"Effect":"Allow","Action":["APIGATEWAY:p*"],"Resource":"*"},
		{"Effect":"Deny","Action":"*","Resource":"arn:aws:apigateway:*::/restapis/secret*"}]}`
	p, err := ParsePolicy([]byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		action, resource string
		want             Decision
	}{
		{"apigateway:GET", "arn:aws:apigateway:eu-west-1::/restapis/a/stages/b/exports/c", Allowed}, // `*` crosses `/`
		{"apigateway:GET", "arn:aws:apigateway:eu-west-1::/restapis", ImplicitlyDenied},
		{"apigateway:GET", "arn:aws:apigateway:eu-west-1::/usageplans", Allowed},
		{"apigateway:GET", "arn:aws:apigateway:eu-west-1::/usageplans/a", ImplicitlyDenied},
		{"apigateway:GET", "arn:aws:apigateway:eu-north-1::/usageplans", ImplicitlyDenied},
		{"apigateway:POST", "anything", Allowed},
		{"apigateway:DELETE", "anything", ImplicitlyDenied},
		{"apigateway:POST", "arn:aws:apigateway:eu-west-1::/restapis/secret1", ExplicitlyDenied},
	} {
		if got := p.Evaluate(c.action, c.resource); got != c.want {
			t.Errorf("%s on %s: got %d, want %d", c.action, c.resource, got, c.want)
		}
	}
	if (*Policy)(nil).Evaluate("a", "b") != ImplicitlyDenied {
		t.Error("no policy allows something")
	}
}

func TestAPolicyThatCannotBeHonouredIsRefused(t *testing.T) {
	for _, policy := range []string{
		`{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{}}]}`,
		`{"Statement":[{"Effect":"Allow","NotAction":"*","Resource":"*"}]}`,
		`{"Statement":[{"Effect":"Perhaps","Action":"*","Resource":"*"}]}`,
		`{"Statement":[{"Effect":"Allow","Action":"*"}]}`,
		`nonsense`,
	} {
		if _, err := ParsePolicy([]byte(policy)); err == nil {
			t.Errorf("%s was taken", policy)
		}
	}
}

func TestTheMinimumPolicyDeniesAllThatTheAgentMustNotNeed(t *testing.T) {
	r := newRig(t, Options{})
	ctx, c := context.Background(), r.gateway(agentKeyA)
	plan, key, api := aws.String("gold01"), aws.String("somekey"), aws.String("orders0001")
	for name, call := range map[string]func() error{
		"GetApiKey":  func() error { _, err := c.GetApiKey(ctx, &apigateway.GetApiKeyInput{ApiKey: key}); return err },
		"GetApiKeys": func() error { _, err := c.GetApiKeys(ctx, &apigateway.GetApiKeysInput{}); return err },
		"UpdateApiKey": func() error {
			_, err := c.UpdateApiKey(ctx, &apigateway.UpdateApiKeyInput{ApiKey: key})
			return err
		},
		"GetUsagePlan": func() error {
			_, err := c.GetUsagePlan(ctx, &apigateway.GetUsagePlanInput{UsagePlanId: plan})
			return err
		},
		"UpdateUsagePlan": func() error {
			_, err := c.UpdateUsagePlan(ctx, &apigateway.UpdateUsagePlanInput{UsagePlanId: plan})
			return err
		},
		"GetUsagePlanKeys": func() error {
			_, err := c.GetUsagePlanKeys(ctx, &apigateway.GetUsagePlanKeysInput{UsagePlanId: plan})
			return err
		},
		"DeleteUsagePlanKey": func() error {
			_, err := c.DeleteUsagePlanKey(ctx, &apigateway.DeleteUsagePlanKeyInput{UsagePlanId: plan, KeyId: key})
			return err
		},
		"GetTags": func() error {
			_, err := c.GetTags(ctx, &apigateway.GetTagsInput{
				ResourceArn: aws.String("arn:aws:apigateway:eu-west-1::/restapis/a"),
			})
			return err
		},
		"GetDomainNames": func() error { _, err := c.GetDomainNames(ctx, &apigateway.GetDomainNamesInput{}); return err },
		"DeleteRestApi": func() error {
			_, err := c.DeleteRestApi(ctx, &apigateway.DeleteRestApiInput{RestApiId: api})
			return err
		},
	} {
		got := wantCode(t, call(), CodeAccessDenied).ErrorMessage()
		if !strings.HasPrefix(got, "User: arn:aws:iam::"+accountA+":user/agent is not authorized to perform: apigateway:") {
			t.Errorf("%s: got message %q", name, got)
		}
	}
	_, err := c.GetUsagePlan(ctx, &apigateway.GetUsagePlanInput{UsagePlanId: plan})
	want := "is not authorized to perform: apigateway:GET on resource: arn:aws:apigateway:eu-west-1::/usageplans/gold01"
	if got := wantCode(t, err, CodeAccessDenied).ErrorMessage(); !strings.Contains(got, want) {
		t.Errorf("got message %q", got)
	}
}

func TestWhatIsNotServedSaysSoToWhoMayAsk(t *testing.T) {
	r := newRig(t, Options{})
	_, err := r.gateway(adminKeyA).GetSdkTypes(context.Background(), &apigateway.GetSdkTypesInput{})
	wantCode(t, err, CodeUnknownOperation)
	got := must(r.gateway(adminKeyA).GetDomainNames(context.Background(), &apigateway.GetDomainNamesInput{}))(t)
	if len(got.Items) != 0 {
		t.Errorf("got %d domain names", len(got.Items))
	}
}

func TestANeighbourMayEditUsagePlans(t *testing.T) {
	r := newRig(t, Options{Quota: Quota{Off: true}})
	ctx, c := context.Background(), r.gateway(adminKeyA)
	patch := func(op, path, value string) error {
		_, err := c.UpdateUsagePlan(ctx, &apigateway.UpdateUsagePlanInput{
			UsagePlanId: aws.String("gold01"), PatchOperations: patchOf(op, path, value),
		})
		return err
	}
	for _, p := range [][3]string{
		{"replace", "/name", "Golden"}, {"replace", "/description", "better"}, {"replace", "/throttle/rateLimit", "77.5"},
		{"replace", "/throttle/burstLimit", "99"}, {"remove", "/apiStages", "orders0001:prod"},
		{"add", "/apiStages", "orders0001:dev"},
	} {
		if err := patch(p[0], p[1], p[2]); err != nil {
			t.Errorf("%v: %v", p, err)
		}
	}
	for _, p := range [][3]string{
		{"replace", "/id", "x"}, {"add", "/apiStages", "x"}, {"replace", "/throttle/rateLimit", "x"},
		{"replace", "/throttle/x", "1"},
	} {
		wantCode(t, patch(p[0], p[1], p[2]), CodeBadRequest)
	}
	content, err := r.Snapshot(scopeA())
	if err != nil {
		t.Fatal(err)
	}
	plan := content.UsagePlans[0]
	if plan.Name != "Golden" || plan.Description != "better" ||
		*plan.Throttle != (Throttle{BurstLimit: 99, RateLimit: 77.5}) ||
		len(plan.APIStages) != 1 || plan.APIStages[0].Stage != "dev" {
		t.Errorf("got %+v", plan)
	}
}
