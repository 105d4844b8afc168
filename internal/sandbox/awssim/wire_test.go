package awssim

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestASDKClientReadsEveryFieldOfTheEstate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		ctx, client := context.Background(), r.gateway(agentKeyA)
		start := time.Now()

		apis := must(client.GetRestApis(ctx, &apigateway.GetRestApisInput{}))(t)
		want := types.RestApi{
			Id: aws.String("orders0001"), Name: aws.String("Orders"), Description: aws.String("Places orders"),
			Version: aws.String("1.2"),
			Tags:    map[string]string{"team": "shop"}, ApiKeySource: types.ApiKeySourceTypeHeader, CreatedDate: aws.Time(start),
			EndpointConfiguration: &types.EndpointConfiguration{
				Types: []types.EndpointType{types.EndpointTypeRegional}, IpAddressType: types.IpAddressTypeIpv4,
			},
			RootResourceId: aws.String(rootResourceID("orders0001")),
		}
		if diff := cmp.Diff(want, apis.Items[0],
			cmpopts.IgnoreUnexported(types.RestApi{}, types.EndpointConfiguration{})); diff != "" {
			t.Errorf("REST API (-want +got):\n%s", diff)
		}

		stages := must(client.GetStages(ctx, &apigateway.GetStagesInput{RestApiId: aws.String("orders0001")}))(t)
		wantStage := types.Stage{
			StageName: aws.String("prod"), DeploymentId: aws.String("dep001"), DocumentationVersion: aws.String("v7"),
			Variables: map[string]string{"a": "b"}, CacheClusterStatus: types.CacheClusterStatusNotAvailable,
			MethodSettings: map[string]types.MethodSetting{},
			CreatedDate:    aws.Time(start), LastUpdatedDate: aws.Time(start),
			CanarySettings: &types.CanarySettings{
				DeploymentId: aws.String("dep002"), PercentTraffic: 50, StageVariableOverrides: map[string]string{"a": "c"},
			},
		}
		if diff := cmp.Diff(wantStage, stages.Item[0],
			cmpopts.IgnoreUnexported(types.Stage{}, types.CanarySettings{})); diff != "" {
			t.Errorf("stage (-want +got):\n%s", diff)
		}
		if len(stages.Item) != 2 {
			t.Errorf("got %d stages, want 2", len(stages.Item))
		}

		plans := must(client.GetUsagePlans(ctx, &apigateway.GetUsagePlansInput{}))(t)
		wantPlan := types.UsagePlan{
			Id: aws.String("gold01"), Name: aws.String("Gold"), Tags: map[string]string{"tier": "gold"},
			Throttle: &types.ThrottleSettings{BurstLimit: 20, RateLimit: 10},
			Quota:    &types.QuotaSettings{Limit: 1000, Period: types.QuotaPeriodTypeDay},
			ApiStages: []types.ApiStage{
				{ApiId: aws.String("orders0001"), Stage: aws.String("prod"), Throttle: map[string]types.ThrottleSettings{
					"/orders/GET": {BurstLimit: 5, RateLimit: 2.5},
				}},
			},
		}
		ignore := cmpopts.IgnoreUnexported(types.UsagePlan{}, types.ThrottleSettings{}, types.QuotaSettings{},
			types.ApiStage{})
		if diff := cmp.Diff(wantPlan, plans.Items[0], ignore); diff != "" {
			t.Errorf("usage plan (-want +got):\n%s", diff)
		}
	})
}

func TestOtherReadsOfTheMinimumPolicyAnswer(t *testing.T) {
	r := newRig(t, Options{})
	ctx, client := context.Background(), r.gateway(agentKeyA)
	api := aws.String("orders0001")
	if got := must(client.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: api}))(t); *got.Name != "Orders" {
		t.Errorf("got API %q", *got.Name)
	}
	if got := must(client.GetStage(ctx, &apigateway.GetStageInput{
		RestApiId: api, StageName: aws.String("dev"),
	}))(t); *got.DeploymentId != "dep003" {
		t.Errorf("got deployment %q", *got.DeploymentId)
	}
	if got := must(client.GetStages(ctx, &apigateway.GetStagesInput{
		RestApiId: api, DeploymentId: aws.String("dep003"),
	}))(t); len(got.Item) != 1 {
		t.Errorf("got %d stages of one deployment", len(got.Item))
	}
	if got := must(client.GetDeployments(ctx, &apigateway.GetDeploymentsInput{RestApiId: api}))(t); len(got.Items) != 3 {
		t.Errorf("got %d deployments, want those of two stages and a canary", len(got.Items))
	}
	if got := must(client.GetResources(ctx, &apigateway.GetResourcesInput{RestApiId: api}))(t); *got.Items[0].Path != "/" {
		t.Errorf("got path %q", *got.Items[0].Path)
	}
	if got := must(client.GetAuthorizers(ctx, &apigateway.GetAuthorizersInput{RestApiId: api}))(t); len(got.Items) != 0 {
		t.Errorf("got %d authorizers", len(got.Items))
	}
}

func TestWhatDoesNotExistIsNotFoundInAWSsWords(t *testing.T) {
	r := newRig(t, Options{})
	ctx, client := context.Background(), r.gateway(agentKeyA)
	_, err := client.GetStages(ctx, &apigateway.GetStagesInput{RestApiId: aws.String("ORDERS0001")})
	got := wantCode(t, err, CodeNotFound).ErrorMessage()
	if got != "Invalid API identifier specified "+accountA+":ORDERS0001" {
		t.Errorf("got message %q", got)
	}
	_, err = client.GetExport(ctx, &apigateway.GetExportInput{
		RestApiId: aws.String("orders0001"), StageName: aws.String("none"), ExportType: aws.String("oas30"),
	})
	wantCode(t, err, CodeNotFound)
}

func TestListingsHave25ItemsUnlessAskedAndNeverMoreThan500(t *testing.T) {
	const total = 600
	r := newRig(t, Options{Estate: manyAPIs(total), Quota: Quota{Off: true}})
	ctx, client := context.Background(), r.gateway(agentKeyA)
	for _, c := range []struct {
		name  string
		limit *int32
		want  int
	}{
		{"default", nil, 25}, {"ten", aws.Int32(10), 10}, {"most", aws.Int32(500), 500}, {"beyond", aws.Int32(1000), 500},
		{"negative", aws.Int32(-1), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := must(client.GetRestApis(ctx, &apigateway.GetRestApisInput{Limit: c.limit}))(t)
			if len(out.Items) != c.want {
				t.Errorf("got %d items, want %d", len(out.Items), c.want)
			}
		})
	}

	seen := map[string]bool{}
	pages := apigateway.NewGetRestApisPaginator(client, &apigateway.GetRestApisInput{Limit: aws.Int32(500)})
	n := 0
	for ; pages.HasMorePages(); n++ {
		for _, api := range must(pages.NextPage(ctx))(t).Items {
			seen[*api.Id] = true
		}
	}
	if n != 2 || len(seen) != total {
		t.Errorf("got %d APIs in %d pages, want %d in 2", len(seen), n, total)
	}
	_, err := client.GetRestApis(ctx, &apigateway.GetRestApisInput{Position: aws.String("nonsense")})
	wantCode(t, err, CodeBadRequest)
}

func TestAPositionStaysGoodWhileAPIsComeAndGo(t *testing.T) {
	r := newRig(t, Options{Estate: manyAPIs(6)})
	ctx, client := context.Background(), r.gateway(agentKeyA)
	first := must(client.GetRestApis(ctx, &apigateway.GetRestApisInput{Limit: aws.Int32(3)}))(t)
	for _, gone := range []string{"api0000000", "api0000002"} { // one before the position and the one it points to
		if err := r.DeleteRestAPI(scopeA(), gone); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.PutRestAPI(scopeA(), RestAPI{ID: "new0000001", Name: "new"}); err != nil {
		t.Fatal(err)
	}
	second := must(client.GetRestApis(ctx, &apigateway.GetRestApisInput{
		Limit: aws.Int32(10), Position: first.Position,
	}))(t)
	var got []string
	for _, api := range second.Items {
		got = append(got, *api.Id)
	}
	if diff := cmp.Diff([]string{"api0000003", "api0000004", "api0000005", "new0000001"}, got); diff != "" {
		t.Error(diff)
	}
	if second.Position != nil {
		t.Errorf("the last page has position %q", *second.Position)
	}
}

func TestAnswersHaveTheFieldsThatWereRecorded(t *testing.T) {
	r := newRig(t, Options{})
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		fields                   string
	}{
		{
			"CreateApiKey", "POST", "/apikeys", `{"name":"k"}`, 201,
			"createdDate enabled id lastUpdatedDate name stageKeys value",
		},
		{
			"CreateApiKey without name", "POST", "/apikeys", `{"name":""}`, 201,
			"createdDate enabled id lastUpdatedDate stageKeys value",
		},
		{
			"GetRestApi", "GET", "/restapis/orders0001", "", 200,
			"apiKeySource createdDate description disableExecuteApiEndpoint endpointConfiguration id name " +
				"rootResourceId tags version",
		},
		{
			"GetStage", "GET", "/restapis/orders0001/stages/dev", "", 200,
			"cacheClusterEnabled cacheClusterStatus createdDate deploymentId lastUpdatedDate methodSettings " +
				"stageName tracingEnabled",
		},
		{"GetUsagePlan", "GET", "/usageplans/empty1", "", 200, "apiStages id name"},
		{"GetStages", "GET", "/restapis/orders0001/stages", "", 200, "item"},
		{"an error", "GET", "/restapis/none", "", 404, "message"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := r.raw(c.method, c.path, c.body, adminKeyA)
			var got map[string]any
			if err := json.Unmarshal(answer.body, &got); err != nil {
				t.Fatalf("%v in %s", err, answer.body)
			}
			if fields := strings.Join(sortedKeys(got), " "); answer.status != c.status || fields != c.fields {
				t.Errorf("got %d with %s\nwant %d with %s", answer.status, fields, c.status, c.fields)
			}
		})
	}
	if got := r.raw("GET", "/restapis/none", "", adminKeyA).header.Get("x-amzn-ErrorType"); got != CodeNotFound {
		t.Errorf("got x-amzn-ErrorType %q", got)
	}
}

type rawAnswer struct {
	status int
	header http.Header
	body   []byte
}

// raw sends a request with a well-formed Authorization header, past the SDK.
func (r *rig) raw(method, path, body, accessKeyID string) rawAnswer {
	r.t.Helper()
	request, err := http.NewRequest(method, testBaseURL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("X-Amz-Date", "20240102T030405Z")
	request.Header.Set("Authorization", authorization(accessKeyID, region1, serviceAPIGateway))
	return r.send(request)
}

func authorization(accessKeyID, region, service string) string {
	return "AWS4-HMAC-SHA256 Credential=" + accessKeyID + "/20240102/" + region + "/" + service +
		"/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64)
}

func (r *rig) send(request *http.Request) rawAnswer {
	r.t.Helper()
	answer, err := r.http.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return rawAnswer{answer.StatusCode, answer.Header, body}
}
