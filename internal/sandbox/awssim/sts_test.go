package awssim

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func patchOf(op, path, value string) []types.PatchOperation {
	return []types.PatchOperation{{Op: types.Op(op), Path: aws.String(path), Value: aws.String(value)}}
}

func assume() *sts.AssumeRoleInput {
	return &sts.AssumeRoleInput{
		RoleArn: aws.String(readerRole), RoleSessionName: aws.String("test"), ExternalId: aws.String("sesame"),
		DurationSeconds: aws.Int32(900),
	}
}

func TestGetCallerIdentityTellsTheAccountOfTheAccessKey(t *testing.T) {
	r := newRig(t, Options{})
	got := must(r.sts(agentKeyA).GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{}))(t)
	if *got.Account != accountA || *got.Arn != "arn:aws:iam::"+accountA+":user/agent" ||
		!strings.HasPrefix(*got.UserId, "AIDA") {
		t.Errorf("got %s %s %s", *got.Account, *got.Arn, *got.UserId)
	}
}

func TestASessionActsInItsRolesAccountUntilItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		ctx := context.Background()
		out := must(r.sts(agentKeyA).AssumeRole(ctx, assume()))(t)
		if *out.AssumedRoleUser.Arn != "arn:aws:sts::"+accountB+":assumed-role/reader/test" ||
			!out.Credentials.Expiration.Equal(time.Now().Add(15*time.Minute)) {
			t.Errorf("got %s until %s", *out.AssumedRoleUser.Arn, out.Credentials.Expiration)
		}
		config := r.config(*out.Credentials.AccessKeyId, *out.Credentials.SessionToken, region1)
		client := apigateway.NewFromConfig(config)
		apis := must(client.GetRestApis(ctx, &apigateway.GetRestApisInput{}))(t)
		if len(apis.Items) != 1 || *apis.Items[0].Id != "orders0002" {
			t.Errorf("got %d APIs, want the other account's one", len(apis.Items))
		}
		if got := r.lastCall(); got.Principal != readerRole || got.Account != accountB {
			t.Errorf("logged as %s in %s", got.Principal, got.Account)
		}
		_, err := client.GetApiKeys(ctx, &apigateway.GetApiKeysInput{})
		if got := wantCode(t, err, CodeAccessDenied).ErrorMessage(); !strings.Contains(
			got, ":assumed-role/reader/test is not authorized",
		) {
			t.Errorf("got message %q", got)
		}
		who := must(sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
		if *who.Account != accountB {
			t.Errorf("the session is of account %s", *who.Account)
		}

		_, err = apigateway.NewFromConfig(r.config(*out.Credentials.AccessKeyId, "forged", region1)).GetRestApis(ctx,
			&apigateway.GetRestApisInput{})
		wantCode(t, err, CodeUnrecognizedClient)

		time.Sleep(15 * time.Minute)
		_, err = client.GetRestApis(ctx, &apigateway.GetRestApisInput{})
		wantCode(t, err, CodeExpiredToken)
		_, err = sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		wantCode(t, err, "ExpiredToken")
	})
}

func TestSessionsCanBeEndedEarly(t *testing.T) {
	r := newRig(t, Options{})
	ctx := context.Background()
	out := must(r.sts(agentKeyA).AssumeRole(ctx, assume()))(t)
	if n := r.ExpireSessions(readerRole); n != 1 {
		t.Errorf("ended %d sessions", n)
	}
	_, err := apigateway.NewFromConfig(
		r.config(*out.Credentials.AccessKeyId, *out.Credentials.SessionToken, region1),
	).GetRestApis(ctx, &apigateway.GetRestApisInput{})
	wantCode(t, err, CodeExpiredToken)
}

func TestAssumeRoleRefusesWhatSTSRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*sts.AssumeRoleInput)
		code string
	}{
		{
			"unknown role", func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String("arn:aws:iam::" + accountB + ":role/none") },
			"AccessDenied",
		},
		{"no external id", func(in *sts.AssumeRoleInput) { in.ExternalId = nil }, "AccessDenied"},
		{"wrong external id", func(in *sts.AssumeRoleInput) { in.ExternalId = aws.String("guess") }, "AccessDenied"},
		{
			"not trusted",
			func(in *sts.AssumeRoleInput) { in.RoleArn = aws.String("arn:aws:iam::" + accountB + ":role/private") },
			"AccessDenied",
		},
		{"too short", func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(899) }, "ValidationError"},
		{"too long", func(in *sts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(3601) }, "ValidationError"},
		{"bad session name", func(in *sts.AssumeRoleInput) { in.RoleSessionName = aws.String("a b") }, "ValidationError"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := assume()
			c.edit(in)
			_, err := newRig(t, Options{}).sts(agentKeyA).AssumeRole(context.Background(), in)
			wantCode(t, err, c.code)
		})
	}
}

func TestAChainedRoleGetsAnHourAtMost(t *testing.T) {
	e := smallEstate()
	e.Accounts[1].Roles[0].MaxSessionSeconds = 7200
	r := newRig(t, Options{Estate: e})
	ctx, in := context.Background(), assume()
	in.DurationSeconds = aws.Int32(7200)
	first := must(r.sts(agentKeyA).AssumeRole(ctx, in))(t).Credentials
	chained := sts.NewFromConfig(r.config(*first.AccessKeyId, *first.SessionToken, region1))
	_, err := chained.AssumeRole(ctx, in)
	wantCode(t, err, "ValidationError")
	in.DurationSeconds = aws.Int32(3600)
	must(chained.AssumeRole(ctx, in))(t)
}

func TestSTSDoesNotUseUpTheGatewaysQuota(t *testing.T) {
	r := newRig(t, Options{Quota: Quota{Burst: 1, Rate: 0.001}})
	ctx := context.Background()
	for range 3 {
		must(r.sts(agentKeyA).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	}
	must(r.gateway(agentKeyA).GetRestApis(ctx, &apigateway.GetRestApisInput{}))(t)
	_, err := r.sts(agentKeyA).GetSessionToken(ctx, &sts.GetSessionTokenInput{})
	wantCode(t, err, "InvalidAction")
}

func TestUnknownKeysAndDisabledRegionsAreUnrecognizedClients(t *testing.T) {
	r := newRig(t, Options{})
	ctx := context.Background()
	_, err := r.gateway("AKIANOBODY0000000001").GetRestApis(ctx, &apigateway.GetRestApisInput{})
	const want = "The security token included in the request is invalid."
	if got := wantCode(t, err, CodeUnrecognizedClient).ErrorMessage(); got != want {
		t.Errorf("got message %q", got)
	}
	_, err = r.sts("AKIANOBODY0000000001").GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, err, "InvalidClientTokenId")
	_, err = apigateway.NewFromConfig(r.config(agentKeyA, "", offRegion)).GetRestApis(ctx, &apigateway.GetRestApisInput{})
	wantCode(t, err, CodeUnrecognizedClient)
	_, err = sts.NewFromConfig(r.config(agentKeyA, "", offRegion)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantCode(t, err, "InvalidClientTokenId")
	_, err = apigateway.NewFromConfig(r.config(agentKeyA, "", "utopia")).GetRestApis(ctx, &apigateway.GetRestApisInput{})
	wantCode(t, err, CodeInvalidSignature)
	if err := r.SetDisabled(Scope{accountA, offRegion}, false); err != nil {
		t.Fatal(err)
	}
	must(apigateway.NewFromConfig(r.config(agentKeyA, "", offRegion)).GetRestApis(ctx, &apigateway.GetRestApisInput{}))(t)
	north := apigateway.NewFromConfig(r.config(agentKeyA, "", "eu-north-1"))
	if got := must(north.GetRestApis(ctx, &apigateway.GetRestApisInput{}))(t); len(got.Items) != 0 {
		t.Errorf("a region with nothing in it has %d APIs", len(got.Items))
	}
}

func TestTheAuthorizationHeaderMustBeWellFormed(t *testing.T) {
	r := newRig(t, Options{})
	good := authorization(agentKeyA, region1, serviceAPIGateway)
	for _, c := range []struct{ name, header, code string }{
		{"none", "", CodeMissingAuthentication},
		{"another scheme", "Bearer token", CodeIncompleteSignature},
		{"no signature", strings.Split(good, ", Signature")[0], CodeIncompleteSignature},
		{"no pair", strings.Replace(good, "SignedHeaders=", "SignedHeaders", 1), CodeIncompleteSignature},
		{"signature of another kind", strings.Replace(good, strings.Repeat("0", 64), "abc", 1), CodeInvalidSignature},
		{"short scope", strings.Replace(good, "/aws4_request", "", 1), CodeIncompleteSignature},
		{"another service", strings.Replace(good, "/apigateway/", "/s3/", 1), CodeInvalidSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			request, err := http.NewRequest(http.MethodGet, testBaseURL+"/restapis", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("X-Amz-Date", "20240102T030405Z")
			if c.header != "" {
				request.Header.Set("Authorization", c.header)
			}
			got := r.send(request)
			if got.status != http.StatusForbidden || got.header.Get("x-amzn-ErrorType") != c.code {
				t.Errorf("got %d %s, want 403 %s", got.status, got.header.Get("x-amzn-ErrorType"), c.code)
			}
		})
	}
}
