package awssim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"federation-agent/internal/sandbox/memnet"
)

const (
	accountA    = "111111111111"
	accountB    = "222222222222"
	agentKeyA   = "AKIAAGENTA0000000001"
	adminKeyA   = "AKIAADMINA0000000001"
	agentKeyB   = "AKIAAGENTB0000000001"
	region1     = "eu-west-1"
	offRegion   = "ap-east-1"
	readerRole  = "arn:aws:iam::" + accountB + ":role/reader"
	testAddress = "aws.test:80"
	testBaseURL = "http://" + testAddress
)

func scopeA() Scope { return Scope{accountA, region1} }

// smallEstate has one API with a stage in a plan, one outside, and who may look at them.
func smallEstate() Estate {
	return Estate{Accounts: []Account{
		{
			ID: accountA,
			Principals: []Principal{
				{Name: "agent", AccessKeyID: agentKeyA}, {Name: "admin", AccessKeyID: adminKeyA, Policy: AllowAll()},
			},
			Regions: []Region{
				{
					Name: region1,
					RestAPIs: []RestAPI{
						{
							ID: "orders0001", Name: "Orders", Description: "Places orders", Version: "1.2",
							Tags: map[string]string{"team": "shop"}, EndpointTypes: []string{"REGIONAL"}, Stages: []Stage{
								{
									Name: "prod", DeploymentID: "dep001", DocumentationVersion: "v7", Variables: map[string]string{"a": "b"},
									Canary: &Canary{DeploymentID: "dep002", PercentTraffic: 50, Overrides: map[string]string{"a": "c"}},
								},
								{Name: "dev", DeploymentID: "dep003"},
							},
						},
						{
							ID: "metrics001", Name: "Metrics",
							Stages: []Stage{{Name: "prod", DeploymentID: "dep004", ExportError: ExportErrorModels}},
						},
					},
					UsagePlans: []UsagePlan{
						{
							ID: "gold01", Name: "Gold", Throttle: &Throttle{BurstLimit: 20, RateLimit: 10},
							Quota: &PlanQuota{Limit: 1000, Period: "DAY"}, Tags: map[string]string{"tier": "gold"},
							APIStages: []APIStage{
								{
									RestAPI: "orders0001", Stage: "prod",
									Throttle: map[string]Throttle{"/orders/GET": {BurstLimit: 5, RateLimit: 2.5}},
								},
							},
						},
						{ID: "empty1", Name: "Empty"},
					},
				},
				{Name: offRegion, Disabled: true},
			},
		},
		{
			ID:         accountB,
			Principals: []Principal{{Name: "agent", AccessKeyID: agentKeyB}},
			Roles:      []Role{{Name: "reader", ExternalID: "sesame"}, {Name: "private", TrustedAccounts: []string{accountB}}},
			Regions:    []Region{{Name: region1, RestAPIs: []RestAPI{{ID: "orders0002", Name: "Orders"}}}},
		},
	}}
}

// rig is a server behind an in-memory network, good in a synctest bubble and out of it.
type rig struct {
	*Server
	t    *testing.T
	http *http.Client
}

func newRig(t *testing.T, o Options) *rig {
	t.Helper()
	if o.Estate.Accounts == nil {
		o.Estate = smallEstate()
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	network := memnet.New(nil)
	l, err := network.Listen(testAddress)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	transport := &http.Transport{
		DialContext:       network.Dial,
		DisableKeepAlives: true, // a request must not be sent again behind the test's back
	}
	t.Cleanup(func() {
		cancel()
		transport.CloseIdleConnections()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return &rig{Server: s, t: t, http: &http.Client{Transport: transport}}
}

func (r *rig) config(accessKeyID, token, region string) aws.Config {
	return aws.Config{
		Region: region, HTTPClient: r.http, BaseEndpoint: aws.String(testBaseURL),
		Credentials: credentials.NewStaticCredentialsProvider(accessKeyID, "any secret will do", token),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
	}
}

func (r *rig) gateway(accessKeyID string) *apigateway.Client {
	return apigateway.NewFromConfig(r.config(accessKeyID, "", region1))
}

func (r *rig) sts(accessKeyID string) *sts.Client {
	return sts.NewFromConfig(r.config(accessKeyID, "", region1))
}

func (r *rig) lastCall() Call {
	r.t.Helper()
	calls := r.Calls(0)
	if len(calls) == 0 {
		r.t.Fatal("no call was logged")
	}
	return calls[len(calls)-1]
}

// wantCode fails unless the error is AWS's of that code.
func wantCode(t *testing.T, err error, code string) smithy.APIError {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("got error %v, want %s", err, code)
	}
	if api.ErrorCode() != code {
		t.Fatalf("got %s: %s, want %s", api.ErrorCode(), api.ErrorMessage(), code)
	}
	return api
}

func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func manyAPIs(n int) Estate {
	e := smallEstate()
	e.Accounts[0].Regions[0].RestAPIs = nil
	for i := range n {
		e.Accounts[0].Regions[0].RestAPIs = append(e.Accounts[0].Regions[0].RestAPIs, RestAPI{
			ID: fmt.Sprintf("api%07d", i), Name: "same name",
		})
	}
	return e
}
