package apigateway

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/account/types"
	"github.com/aws/smithy-go"

	"federation-agent/internal/gateway"
	"federation-agent/internal/region"
)

// EnabledRegions asks which regions the account of a role has enabled (account:ListRegions, one call for 50 regions).
// They are nil where AWS does not tell: the permission is optional, only the partition aws has regions that must be
// enabled, and the service may be out of reach. An error is one of the credentials, so that no other call could be
// made either.
func (c *Credentials) EnabledRegions(ctx context.Context, partition region.Partition, roleARN string) ([]string, error) {
	if partition.ID != "aws" {
		return nil, nil
	}
	ask := account.NewListRegionsPaginator(account.NewFromConfig(c.Config(partition.Home, roleARN)),
		&account.ListRegionsInput{
			MaxResults: aws.Int32(maxRegions),
			RegionOptStatusContains: []types.RegionOptStatus{
				types.RegionOptStatusEnabled, types.RegionOptStatusEnabledByDefault,
			},
		})
	enabled := []string{}
	for ask.HasMorePages() {
		page, err := ask.NextPage(ctx)
		if err != nil {
			if service, _ := origin(err); service != account.ServiceID || errors.As(err, new(*noCredentials)) || IsUnsigned(err) {
				return nil, failed("AssumeRole", "signing in to ask which regions are enabled", err)
			}
			return nil, nil // it is optional
		}
		for _, r := range page.Regions {
			enabled = append(enabled, aws.ToString(r.RegionName))
		}
	}
	return enabled, nil
}

// maxRegions is the largest page of ListRegions.
const maxRegions = 50

type trialKey struct{}

// Try asks for one REST API in a region that nobody has named, to see whether it is enabled. Where it is off, and where
// a service control policy keeps the whole account out of it, the error's class is [gateway.RegionOff].
func Try(ctx context.Context, c Client) error {
	return Probe(context.WithValue(ctx, trialKey{}, true), c)
}

// ofTrial is the class of a failure, if it is one of [Try].
func ofTrial(ctx context.Context, class gateway.Class, err error) gateway.Class {
	answer, answered := errors.AsType[smithy.APIError](err)
	switch {
	case ctx.Value(trialKey{}) == nil:
	case class == gateway.RegionUnavailable, class == gateway.AccessDenied && answered && isClosed(answer.ErrorMessage()):
		return gateway.RegionOff
	}
	return class
}

// isClosed tells that an organization keeps an account out of what was asked.
func isClosed(message string) bool {
	kind, denied := denying(message)
	return denied && strings.Contains(kind, "service control policy")
}
