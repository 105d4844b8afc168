package apigateway

import (
	"context"
	"slices"
	"time"

	"federation-agent/internal/gateway"
	"federation-agent/internal/region"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// stsTime bounds what one region may take, the SDK's repeats included. Without it, one STS connection that is dead without
// a word holds up every call with that role for good: the SDK fetches credentials once for all who wait, apart from their
// contexts.
const stsTime = 15 * time.Second

// stsRegions asks STS in one region after the other. A region that is not enabled does not know anybody's access key, and a
// region may be out of reach: neither says that the credentials are bad while another region has not been asked.
type stsRegions []*sts.Client

// sts makes STS clients with a configuration's credentials for its own region, the integration's other regions, and last a
// region that is always enabled.
func (c *Credentials) sts(cfg aws.Config) stsRegions {
	regions := append([]string{cfg.Region}, c.options.Regions...)
	regions = append(regions, region.PartitionOf(cfg.Region).Home)
	var clients stsRegions
	for i, name := range regions {
		if slices.Contains(regions[:i], name) {
			continue
		}
		clients = append(clients, sts.NewFromConfig(cfg, func(o *sts.Options) { o.Region = name }))
	}
	return clients
}

// AssumeRole implements stscreds.AssumeRoleAPIClient.
func (s stsRegions) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput, options ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	return firstThatKnows(ctx, s, func(ctx context.Context, c *sts.Client) (*sts.AssumeRoleOutput, error) {
		return c.AssumeRole(ctx, in, options...)
	})
}

// GetCallerIdentity has the SDK's signature.
func (s stsRegions) GetCallerIdentity(ctx context.Context, in *sts.GetCallerIdentityInput, options ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error) {
	return firstThatKnows(ctx, s, func(ctx context.Context, c *sts.Client) (*sts.GetCallerIdentityOutput, error) {
		return c.GetCallerIdentity(ctx, in, options...)
	})
}

func firstThatKnows[T any](ctx context.Context, clients stsRegions, ask func(context.Context, *sts.Client) (*T, error)) (*T, error) {
	var first error
	for _, c := range clients {
		regionCtx, cancel := context.WithTimeout(ctx, stsTime)
		out, err := ask(regionCtx, c)
		cancel()
		if err == nil {
			return out, nil
		}
		if first == nil {
			first = err
		}
		switch Classify(err) {
		case gateway.BadCredentials, gateway.Unreachable, gateway.Unavailable:
		default:
			return nil, err
		}
	}
	return nil, first
}
