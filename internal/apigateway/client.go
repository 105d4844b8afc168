// Package apigateway calls AWS API Gateway (REST APIs) and STS through one narrow interface. It holds the credentials
// of each target, listings that can be resumed, exports, calls that create and delete keys, the classes of AWS's
// errors, and the permit that each attempt needs.
//
// It does not know the actors, the configuration or the exchange protocol.
package apigateway

import (
	"context"
	"math/rand/v2"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/apigateway"
	sdk2 "github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/smithy-go/middleware"
)

// Client is everything that the agent asks of API Gateway, with the SDK's exact signatures. The minimum policy allows
// each of these operations but GetApiKeys and those of custom domain names, and the agent needs no other.
type Client interface {
	GetRestApis(context.Context, *sdk.GetRestApisInput, ...func(*sdk.Options)) (*sdk.GetRestApisOutput, error)
	GetUsagePlans(context.Context, *sdk.GetUsagePlansInput, ...func(*sdk.Options)) (*sdk.GetUsagePlansOutput, error)
	GetStages(context.Context, *sdk.GetStagesInput, ...func(*sdk.Options)) (*sdk.GetStagesOutput, error)
	GetExport(context.Context, *sdk.GetExportInput, ...func(*sdk.Options)) (*sdk.GetExportOutput, error)
	CreateApiKey(context.Context, *sdk.CreateApiKeyInput, ...func(*sdk.Options)) (*sdk.CreateApiKeyOutput, error)
	CreateUsagePlanKey(
		context.Context, *sdk.CreateUsagePlanKeyInput, ...func(*sdk.Options),
	) (*sdk.CreateUsagePlanKeyOutput, error)
	DeleteApiKey(context.Context, *sdk.DeleteApiKeyInput, ...func(*sdk.Options)) (*sdk.DeleteApiKeyOutput, error)
	GetApiKeys(context.Context, *sdk.GetApiKeysInput, ...func(*sdk.Options)) (*sdk.GetApiKeysOutput, error)

	GetDomainNames(context.Context, *sdk.GetDomainNamesInput, ...func(*sdk.Options)) (*sdk.GetDomainNamesOutput, error)
	GetBasePathMappings(
		context.Context, *sdk.GetBasePathMappingsInput, ...func(*sdk.Options),
	) (*sdk.GetBasePathMappingsOutput, error)
	GetApiMappings(context.Context, *sdk2.GetApiMappingsInput, ...func(*sdk2.Options)) (*sdk2.GetApiMappingsOutput, error)
	ListRoutingRules(
		context.Context, *sdk2.ListRoutingRulesInput, ...func(*sdk2.Options),
	) (*sdk2.ListRoutingRulesOutput, error)
}

// Options are what a client of one target (account x region) needs in addition to the SDK's own configuration.
type Options struct {
	// Permits is asked before every attempt, retries included. Nil means that no permit is needed.
	Permits Permits
	// Jitter yields numbers in [0, 1) that spread the delays between attempts. Nil means math/rand.
	Jitter func() float64
}

// NewClient makes the client of one target. cfg comes from [Credentials.Config]. Clients share only the HTTP client and
// the credentials in it.
func NewClient(cfg aws.Config, o Options) Client {
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	renew := func() {}
	if cache, ok := cfg.Credentials.(interface{ Invalidate() }); ok {
		renew = cache.Invalidate
	}
	each := []func(*middleware.Stack) error{attempts{
		permits: o.Permits, jitter: o.Jitter, renew: renew, credentials: cfg.Credentials,
	}.install}
	return client{
		Client: sdk.NewFromConfig(cfg, func(so *sdk.Options) {
			so.Retryer = retryer{}
			so.APIOptions = append(so.APIOptions, each...)
		}),
		second: sync.OnceValue(func() *sdk2.Client {
			return sdk2.NewFromConfig(cfg, func(so *sdk2.Options) {
				so.Retryer = retryer{}
				so.APIOptions = append(so.APIOptions, each...)
			})
		}),
	}
}

// client is of both of API Gateway's APIs. The second one is made when it is first used: most agents never do.
type client struct {
	*sdk.Client
	second func() *sdk2.Client
}

// GetApiMappings implements [Client].
func (c client) GetApiMappings(
	ctx context.Context, in *sdk2.GetApiMappingsInput, o ...func(*sdk2.Options),
) (*sdk2.GetApiMappingsOutput, error) {
	return c.second().GetApiMappings(ctx, in, o...)
}

// ListRoutingRules implements [Client].
func (c client) ListRoutingRules(
	ctx context.Context, in *sdk2.ListRoutingRulesInput, o ...func(*sdk2.Options),
) (*sdk2.ListRoutingRulesOutput, error) {
	return c.second().ListRoutingRules(ctx, in, o...)
}
