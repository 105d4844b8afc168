package apigateway_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"federation-agent/internal/apigateway"
)

// twoPages is an AWS that lists one key on each of two pages.
type twoPages struct {
	apigateway.Client
	t     *testing.T
	asked int
}

func (p *twoPages) GetApiKeys(
	_ context.Context, in *sdk.GetApiKeysInput, _ ...func(*sdk.Options),
) (*sdk.GetApiKeysOutput, error) {
	p.asked++
	if aws.ToString(in.NameQuery) != "Shop / s" || in.IncludeValues != nil || aws.ToInt32(in.Limit) != 500 {
		p.t.Errorf("asked for %q, values %v, limit %d", aws.ToString(in.NameQuery), in.IncludeValues, aws.ToInt32(in.Limit))
	}
	if aws.ToString(in.Position) == "" {
		return &sdk.GetApiKeysOutput{Items: []types.ApiKey{{Id: aws.String("k1"), Name: aws.String("Shop / s")}},
			Position: aws.String("next")}, nil
	}
	return &sdk.GetApiKeysOutput{Items: []types.ApiKey{{Id: aws.String("k2"), Description: aws.String("d")}}}, nil
}

func TestKeysAreFoundOnAllPagesWithoutTheirValues(t *testing.T) {
	aws := &twoPages{t: t}
	found, err := apigateway.FindKeys(context.Background(), aws, "Shop / s")
	if err != nil || len(found) != 2 || found[0].Name != "Shop / s" || found[1].Description != "d" || aws.asked != 2 {
		t.Errorf("%v, %d pages, found %+v", err, aws.asked, found)
	}
}
