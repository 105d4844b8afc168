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
	first := sdk.NewFromConfig(cfg, func(so *sdk.Options) {
		so.Retryer = retryer{}
		so.APIOptions = append(so.APIOptions, each...)
	})
	var made sync.Once
	var only *sdk2.Client
	second := func() *sdk2.Client { // made when it is first used: most agents never do
		made.Do(func() {
			only = sdk2.NewFromConfig(cfg, func(so *sdk2.Options) {
				so.Retryer = retryer{}
				so.APIOptions = append(so.APIOptions, each...)
			})
		})
		return only
	}
	return client{
		getRestApis:         first.GetRestApis,
		getUsagePlans:       first.GetUsagePlans,
		getStages:           first.GetStages,
		getExport:           first.GetExport,
		createApiKey:        first.CreateApiKey,
		createUsagePlanKey:  first.CreateUsagePlanKey,
		deleteApiKey:        first.DeleteApiKey,
		getApiKeys:          first.GetApiKeys,
		getDomainNames:      first.GetDomainNames,
		getBasePathMappings: first.GetBasePathMappings,
		getApiMappings: func(ctx context.Context, in *sdk2.GetApiMappingsInput, o ...func(*sdk2.Options)) (*sdk2.GetApiMappingsOutput, error) {
			return second().GetApiMappings(ctx, in, o...)
		},
		listRoutingRules: func(ctx context.Context, in *sdk2.ListRoutingRulesInput, o ...func(*sdk2.Options)) (*sdk2.ListRoutingRulesOutput, error) {
			return second().ListRoutingRules(ctx, in, o...)
		},
	}
}

// operation is one of an SDK.
type operation[In, Out, Options any] func(context.Context, *In, ...func(*Options)) (*Out, error)

// client is of both of API Gateway's APIs. It holds their operations one by one, and not the SDK's clients: the linker
// keeps every method of a type that an interface may hold, and these have 200 that nobody calls.
type client struct {
	getRestApis         operation[sdk.GetRestApisInput, sdk.GetRestApisOutput, sdk.Options]
	getUsagePlans       operation[sdk.GetUsagePlansInput, sdk.GetUsagePlansOutput, sdk.Options]
	getStages           operation[sdk.GetStagesInput, sdk.GetStagesOutput, sdk.Options]
	getExport           operation[sdk.GetExportInput, sdk.GetExportOutput, sdk.Options]
	createApiKey        operation[sdk.CreateApiKeyInput, sdk.CreateApiKeyOutput, sdk.Options]
	createUsagePlanKey  operation[sdk.CreateUsagePlanKeyInput, sdk.CreateUsagePlanKeyOutput, sdk.Options]
	deleteApiKey        operation[sdk.DeleteApiKeyInput, sdk.DeleteApiKeyOutput, sdk.Options]
	getApiKeys          operation[sdk.GetApiKeysInput, sdk.GetApiKeysOutput, sdk.Options]
	getDomainNames      operation[sdk.GetDomainNamesInput, sdk.GetDomainNamesOutput, sdk.Options]
	getBasePathMappings operation[sdk.GetBasePathMappingsInput, sdk.GetBasePathMappingsOutput, sdk.Options]
	getApiMappings      operation[sdk2.GetApiMappingsInput, sdk2.GetApiMappingsOutput, sdk2.Options]
	listRoutingRules    operation[sdk2.ListRoutingRulesInput, sdk2.ListRoutingRulesOutput, sdk2.Options]
}

// GetRestApis implements [Client].
func (c client) GetRestApis(
	ctx context.Context, in *sdk.GetRestApisInput, o ...func(*sdk.Options),
) (*sdk.GetRestApisOutput, error) {
	return c.getRestApis(ctx, in, o...)
}

// GetUsagePlans implements [Client].
func (c client) GetUsagePlans(
	ctx context.Context, in *sdk.GetUsagePlansInput, o ...func(*sdk.Options),
) (*sdk.GetUsagePlansOutput, error) {
	return c.getUsagePlans(ctx, in, o...)
}

// GetStages implements [Client].
func (c client) GetStages(
	ctx context.Context, in *sdk.GetStagesInput, o ...func(*sdk.Options),
) (*sdk.GetStagesOutput, error) {
	return c.getStages(ctx, in, o...)
}

// GetExport implements [Client].
func (c client) GetExport(
	ctx context.Context, in *sdk.GetExportInput, o ...func(*sdk.Options),
) (*sdk.GetExportOutput, error) {
	return c.getExport(ctx, in, o...)
}

// CreateApiKey implements [Client].
func (c client) CreateApiKey(
	ctx context.Context, in *sdk.CreateApiKeyInput, o ...func(*sdk.Options),
) (*sdk.CreateApiKeyOutput, error) {
	return c.createApiKey(ctx, in, o...)
}

// CreateUsagePlanKey implements [Client].
func (c client) CreateUsagePlanKey(
	ctx context.Context, in *sdk.CreateUsagePlanKeyInput, o ...func(*sdk.Options),
) (*sdk.CreateUsagePlanKeyOutput, error) {
	return c.createUsagePlanKey(ctx, in, o...)
}

// DeleteApiKey implements [Client].
func (c client) DeleteApiKey(
	ctx context.Context, in *sdk.DeleteApiKeyInput, o ...func(*sdk.Options),
) (*sdk.DeleteApiKeyOutput, error) {
	return c.deleteApiKey(ctx, in, o...)
}

// GetApiKeys implements [Client].
func (c client) GetApiKeys(
	ctx context.Context, in *sdk.GetApiKeysInput, o ...func(*sdk.Options),
) (*sdk.GetApiKeysOutput, error) {
	return c.getApiKeys(ctx, in, o...)
}

// GetDomainNames implements [Client].
func (c client) GetDomainNames(
	ctx context.Context, in *sdk.GetDomainNamesInput, o ...func(*sdk.Options),
) (*sdk.GetDomainNamesOutput, error) {
	return c.getDomainNames(ctx, in, o...)
}

// GetBasePathMappings implements [Client].
func (c client) GetBasePathMappings(
	ctx context.Context, in *sdk.GetBasePathMappingsInput, o ...func(*sdk.Options),
) (*sdk.GetBasePathMappingsOutput, error) {
	return c.getBasePathMappings(ctx, in, o...)
}

// GetApiMappings implements [Client].
func (c client) GetApiMappings(
	ctx context.Context, in *sdk2.GetApiMappingsInput, o ...func(*sdk2.Options),
) (*sdk2.GetApiMappingsOutput, error) {
	return c.getApiMappings(ctx, in, o...)
}

// ListRoutingRules implements [Client].
func (c client) ListRoutingRules(
	ctx context.Context, in *sdk2.ListRoutingRulesInput, o ...func(*sdk2.Options),
) (*sdk2.ListRoutingRulesOutput, error) {
	return c.listRoutingRules(ctx, in, o...)
}
