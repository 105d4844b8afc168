package apigateway

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"federation-agent/internal/gateway"
	"federation-agent/internal/region"
)

// stsTime limits the time in one region, the SDK's retries included. The SDK fetches a role's credentials once for all
// calls that wait, without their contexts. So without a limit, one STS connection that stays silent would block all
// calls with that role for ever.
const stsTime = 15 * time.Second

// stsRegions calls STS in one region after the other. A region that is not enabled knows no access key at all, and a
// region may not answer. Neither means that the credentials are wrong as long as another region has not been asked.
type stsRegions struct {
	clients     []*sts.Client
	credentials aws.CredentialsProvider // the agent's own
}

// toldSTS has each attempt to call STS told. Calls to other services, and attempts that fail for want of credentials
// before they are sent, are not.
func toldSTS(
	tell func(string, gateway.Operation, gateway.Outcome),
) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		if _, signs := stack.Finalize.Get("GetIdentity"); tell == nil || !signs {
			return nil
		}
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc(toldID, func(
			ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
		) (middleware.FinalizeOutput, middleware.Metadata, error) {
			began := time.Now()
			out, metadata, err := next.HandleFinalize(ctx, in)
			if service := awsmiddleware.GetServiceID(ctx); service == serviceSTS {
				operation, class := awsmiddleware.GetOperationName(ctx), gateway.OK
				if err != nil { // it gets its service and operation only behind this
					class = Classify(&smithy.OperationError{ServiceID: service, OperationName: operation, Err: err})
				}
				tell(awsmiddleware.GetRegion(ctx), gateway.Operation(operation),
					gateway.Outcome{Took: time.Since(began), Class: class, Request: requestOf(metadata, err)})
			}
			return out, metadata, err
		}), "GetIdentity", middleware.After)
	}
}

const toldID = "FederationAgentTold"

// sts makes STS clients with a configuration's credentials: for its own region, then for the integration's other
// regions, and last for a region that is always enabled.
func (c *Credentials) sts(cfg aws.Config) stsRegions {
	regions := append([]string{cfg.Region}, c.options.Regions...)
	regions = append(regions, region.PartitionOf(cfg.Region).Home)
	s := stsRegions{credentials: c.base.Credentials}
	for i, name := range regions {
		if slices.Contains(regions[:i], name) {
			continue
		}
		s.clients = append(s.clients, sts.NewFromConfig(cfg, func(o *sts.Options) { o.Region = name }))
	}
	return s
}

// AssumeRole implements stscreds.AssumeRoleAPIClient.
func (s stsRegions) AssumeRole(
	ctx context.Context, in *sts.AssumeRoleInput, options ...func(*sts.Options),
) (*sts.AssumeRoleOutput, error) {
	return firstThatKnows(ctx, s, func(ctx context.Context, c *sts.Client) (*sts.AssumeRoleOutput, error) {
		return c.AssumeRole(ctx, in, options...)
	})
}

// GetCallerIdentity has the SDK's signature.
func (s stsRegions) GetCallerIdentity(
	ctx context.Context, in *sts.GetCallerIdentityInput, options ...func(*sts.Options),
) (*sts.GetCallerIdentityOutput, error) {
	return firstThatKnows(ctx, s, func(ctx context.Context, c *sts.Client) (*sts.GetCallerIdentityOutput, error) {
		return c.GetCallerIdentity(ctx, in, options...)
	})
}

// firstThatKnows returns the first region's answer that is not a failure which another region may not have. If all
// regions fail so, it returns the first error.
func firstThatKnows[T any](
	ctx context.Context, s stsRegions, ask func(context.Context, *sts.Client) (*T, error),
) (*T, error) {
	var first error
	clients := s.clients
	for again := true; len(clients) > 0; {
		regionCtx, cancel := context.WithTimeout(ctx, stsTime)
		out, err := ask(regionCtx, clients[0])
		cancel()
		if err == nil {
			return out, nil
		}
		if first == nil {
			first = err
		}
		class := Classify(err)
		if (class == gateway.BadCredentials || class == gateway.ExpiredCredentials) && again && readAgain(s.credentials) {
			again = false // the same region, with keys that are read again
			continue
		}
		switch class {
		case gateway.BadCredentials, gateway.Unreachable, gateway.Unavailable:
			clients = clients[1:]
		default:
			return nil, err
		}
	}
	return nil, first
}
