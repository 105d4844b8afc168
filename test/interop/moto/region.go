package moto

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// DefaultAccount is the account of every access key that moto does not know.
const DefaultAccount = "123456789012"

// RoleARN is a role of an account. moto lets anybody assume any role, also one that does not exist.
func RoleARN(account, name string) string { return "arn:aws:iam::" + account + ":role/" + name }

// Region is API Gateway of one account and region, as its owner sees it: with every permission, and with the operations
// that the agent has no use for. What fails there fails the test.
type Region struct {
	Account, Name string
	// Client is the SDK's own.
	Client *apigateway.Client
	t      testing.TB
}

// Region gives a region of any account of twelve digits.
func (s *Server) Region(t testing.TB, account, name string) *Region {
	cfg := aws.Config{
		Region: name, BaseEndpoint: &s.URL,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "unchecked", ""),
	}
	if account != DefaultAccount {
		cfg.Credentials = aws.NewCredentialsCache(
			stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), RoleARN(account, "owner")),
		)
	}
	return &Region{Account: account, Name: name, Client: apigateway.NewFromConfig(cfg), t: t}
}

// check fails the test for an operation that failed.
func (r *Region) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("%s:%s: %v", r.Account, r.Name, err)
	}
}

// API makes a REST API with one method, deployed to each of the stages, and returns its id.
func (r *Region) API(name, description string, stages ...string) string {
	r.t.Helper()
	ctx, get := r.t.Context(), aws.String("GET")
	api, err := r.Client.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: &name, Description: &description})
	r.check(err)
	_, err = r.Client.PutMethod(ctx, &apigateway.PutMethodInput{
		RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: get, AuthorizationType: aws.String("NONE"),
		ApiKeyRequired: true,
	})
	r.check(err)
	_, err = r.Client.PutIntegration(ctx, &apigateway.PutIntegrationInput{
		RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: get, Type: types.IntegrationTypeMock,
	})
	r.check(err)
	for _, stage := range stages {
		_, err = r.Client.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: &stage})
		r.check(err)
	}
	return *api.Id
}

// Deployed is a stage of a REST API.
type Deployed struct{ API, Stage string }

// Plan makes a usage plan of 5 requests a second, burst 10, 1,000 a day, and returns its id.
func (r *Region) Plan(name string, stages ...Deployed) string {
	r.t.Helper()
	input := &apigateway.CreateUsagePlanInput{
		Name:     &name,
		Throttle: &types.ThrottleSettings{RateLimit: 5, BurstLimit: 10},
		Quota:    &types.QuotaSettings{Limit: 1000, Period: types.QuotaPeriodTypeDay},
	}
	for _, s := range stages {
		input.ApiStages = append(input.ApiStages, types.ApiStage{ApiId: &s.API, Stage: &s.Stage})
	}
	plan, err := r.Client.CreateUsagePlan(r.t.Context(), input)
	r.check(err)
	return *plan.Id
}

// Keys lists all API keys, with their values.
func (r *Region) Keys() []types.ApiKey {
	r.t.Helper()
	keys, err := r.Client.GetApiKeys(r.t.Context(), &apigateway.GetApiKeysInput{IncludeValues: aws.Bool(true)})
	r.check(err)
	return keys.Items
}

// Attached lists the keys of a usage plan.
func (r *Region) Attached(plan string) []types.UsagePlanKey {
	r.t.Helper()
	keys, err := r.Client.GetUsagePlanKeys(r.t.Context(), &apigateway.GetUsagePlanKeysInput{UsagePlanId: &plan})
	r.check(err)
	return keys.Items
}
