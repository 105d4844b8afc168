// Package apigateway reaches AWS API Gateway (REST APIs) and STS through one narrow interface: credentials for each
// target, listings that can be continued, exports, key writes, error classes, and one permit for every attempt.
//
// It knows nothing of actors, configuration or the exchange protocol.
package apigateway

import (
	"context"
	"math/rand/v2"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

// Client is all that the agent ever asks of API Gateway, with the SDK's exact signatures. Each of these operations is
// possible under the minimum policy, and no other is needed.
type Client interface {
	GetRestApis(context.Context, *apigateway.GetRestApisInput, ...func(*apigateway.Options)) (*apigateway.GetRestApisOutput, error)
	GetUsagePlans(context.Context, *apigateway.GetUsagePlansInput, ...func(*apigateway.Options)) (*apigateway.GetUsagePlansOutput, error)
	GetStages(context.Context, *apigateway.GetStagesInput, ...func(*apigateway.Options)) (*apigateway.GetStagesOutput, error)
	GetExport(context.Context, *apigateway.GetExportInput, ...func(*apigateway.Options)) (*apigateway.GetExportOutput, error)
	CreateApiKey(context.Context, *apigateway.CreateApiKeyInput, ...func(*apigateway.Options)) (*apigateway.CreateApiKeyOutput, error)
	CreateUsagePlanKey(context.Context, *apigateway.CreateUsagePlanKeyInput, ...func(*apigateway.Options)) (*apigateway.CreateUsagePlanKeyOutput, error)
	DeleteApiKey(context.Context, *apigateway.DeleteApiKeyInput, ...func(*apigateway.Options)) (*apigateway.DeleteApiKeyOutput, error)
}

// Options are what a client of one target (account x region) needs beside the SDK's own configuration.
type Options struct {
	// Permits is asked before every attempt, retries included. Nil means that no permit is needed.
	Permits Permits
	// Jitter yields numbers in [0, 1) that spread the delays between attempts. Nil means math/rand.
	Jitter func() float64
}

// NewClient makes the client of one target. cfg comes from [Credentials.Config]; clients share nothing but the HTTP
// client and the credentials in it.
func NewClient(cfg aws.Config, o Options) Client {
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	renew := func() {}
	if cache, ok := cfg.Credentials.(interface{ Invalidate() }); ok {
		renew = cache.Invalidate
	}
	return apigateway.NewFromConfig(cfg, func(so *apigateway.Options) {
		so.Retryer = retryer{}
		so.APIOptions = append(so.APIOptions, attempts{permits: o.Permits, jitter: o.Jitter, renew: renew}.install)
	})
}
