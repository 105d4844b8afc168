package awssim

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	types2 "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func domainsEstate() Estate {
	e := smallEstate()
	e.Accounts[0].Regions[0].Domains = []CustomDomain{
		{
			Name: "api.example.com", Endpoint: endpointRegional, MutualTLS: true, RoutingMode: RoutingRulesThenMappings,
			Tags: map[string]string{"team": "shop"},
			Mappings: []DomainMapping{
				{RestAPI: "orders0001", Stage: "prod"}, {Key: "shop/orders", RestAPI: "orders0001", Stage: "dev"},
			},
			Rules: []RoutingRule{{
				ID: "r1", Priority: 10, BasePaths: []string{"v2"}, Headers: []HeaderGlob{{"x-beta", "y*"}},
				RestAPI: "orders0001", Stage: "dev", StripBasePath: true,
			}},
		},
		{Name: "edge.example.com", Mappings: []DomainMapping{{Key: "orders", RestAPI: "orders0001"}}},
		{
			Name: "in.example.com", ID: "abcd1234", Endpoint: endpointPrivate,
			Mappings: []DomainMapping{{RestAPI: "orders0001", Stage: "prod"}},
		},
	}
	return e
}

func (r *rig) second(accessKeyID string) *apigatewayv2.Client {
	return apigatewayv2.NewFromConfig(r.config(accessKeyID, "", region1))
}

func TestASDKClientReadsCustomDomainNamesMappingsAndRules(t *testing.T) {
	r := newRig(t, Options{Estate: domainsEstate()})
	ctx, first, second := context.Background(), r.gateway(adminKeyA), r.second(adminKeyA)

	names := must(first.GetDomainNames(ctx, &apigateway.GetDomainNamesInput{}))(t)
	want := types.DomainName{
		DomainName: aws.String("api.example.com"), DomainNameStatus: types.DomainNameStatusAvailable,
		DomainNameArn: aws.String("arn:aws:apigateway:eu-west-1::/domainnames/api.example.com"),
		EndpointConfiguration: &types.EndpointConfiguration{
			Types: []types.EndpointType{types.EndpointTypeRegional}, IpAddressType: types.IpAddressTypeIpv4,
		},
		MutualTlsAuthentication: &types.MutualTlsAuthentication{TruststoreUri: aws.String("s3://truststore/api.example.com.pem")},
		SecurityPolicy:          types.SecurityPolicyTls12, RoutingMode: types.RoutingModeRoutingRuleThenBasePathMapping,
		Tags: map[string]string{"team": "shop"},
	}
	if diff := cmp.Diff(want, names.Items[0], cmpopts.IgnoreUnexported(
		types.DomainName{}, types.EndpointConfiguration{}, types.MutualTlsAuthentication{})); diff != "" {
		t.Error(diff)
	}

	edge := must(first.GetBasePathMappings(ctx, &apigateway.GetBasePathMappingsInput{DomainName: names.Items[1].DomainName}))(t)
	wantEdge := []types.BasePathMapping{{BasePath: aws.String("orders"), RestApiId: aws.String("orders0001")}}
	if diff := cmp.Diff(wantEdge, edge.Items, cmpopts.IgnoreUnexported(types.BasePathMapping{})); diff != "" {
		t.Error(diff)
	}
	in := must(first.GetBasePathMappings(ctx, &apigateway.GetBasePathMappingsInput{
		DomainName: names.Items[2].DomainName, DomainNameId: names.Items[2].DomainNameId,
	}))(t)
	if len(in.Items) != 1 || aws.ToString(in.Items[0].BasePath) != "(none)" {
		t.Errorf("private: %+v", in.Items)
	}

	pages := []types2.ApiMapping{}
	for token := (*string)(nil); ; {
		page := must(second.GetApiMappings(ctx, &apigatewayv2.GetApiMappingsInput{
			DomainName: names.Items[0].DomainName, MaxResults: aws.String("1"), NextToken: token,
		}))(t)
		pages = append(pages, page.Items...)
		if token = page.NextToken; aws.ToString(token) == "" {
			break
		}
	}
	if len(pages) != 2 || aws.ToString(pages[1].ApiMappingKey) != "shop/orders" || aws.ToString(pages[1].Stage) != "dev" {
		t.Errorf("API mappings: %+v", pages)
	}
	rules := must(second.ListRoutingRules(ctx, &apigatewayv2.ListRoutingRulesInput{DomainName: names.Items[0].DomainName}))(t)
	wantRule := types2.RoutingRule{
		RoutingRuleId: aws.String("r1"), Priority: aws.Int32(10),
		RoutingRuleArn: aws.String("arn:aws:apigateway:eu-west-1:" + accountA + ":/domainnames/api.example.com/routingrules/r1"),
		Conditions: []types2.RoutingRuleCondition{
			{MatchBasePaths: &types2.RoutingRuleMatchBasePaths{AnyOf: []string{"v2"}}},
			{MatchHeaders: &types2.RoutingRuleMatchHeaders{AnyOf: []types2.RoutingRuleMatchHeaderValue{
				{Header: aws.String("x-beta"), ValueGlob: aws.String("y*")},
			}}},
		},
		Actions: []types2.RoutingRuleAction{{InvokeApi: &types2.RoutingRuleActionInvokeApi{
			ApiId: aws.String("orders0001"), Stage: aws.String("dev"), StripBasePath: aws.Bool(true),
		}}},
	}
	if diff := cmp.Diff([]types2.RoutingRule{wantRule}, rules.RoutingRules, cmpopts.IgnoreUnexported(
		types2.RoutingRule{}, types2.RoutingRuleAction{}, types2.RoutingRuleActionInvokeApi{}, types2.RoutingRuleCondition{},
		types2.RoutingRuleMatchBasePaths{}, types2.RoutingRuleMatchHeaders{}, types2.RoutingRuleMatchHeaderValue{},
	)); diff != "" {
		t.Error(diff)
	}
}

func TestTheSecondAPIKnowsOnlyRegionalDomainNames(t *testing.T) {
	r := newRig(t, Options{Estate: domainsEstate()})
	ctx, c := context.Background(), r.second(adminKeyA)
	mappings := func(name string) error {
		_, err := c.GetApiMappings(ctx, &apigatewayv2.GetApiMappingsInput{DomainName: &name})
		return err
	}
	wantCode(t, mappings("edge.example.com"), CodeBadRequest)
	wantCode(t, mappings("in.example.com"), CodeNotFound) // its id is no parameter of this call
	wantCode(t, mappings("no.example.com"), CodeNotFound)
	if err := mappings("api.example.com"); err != nil {
		t.Error(err)
	}
	e := domainsEstate()
	e.Accounts[0].Regions[0].NoSecondAPI = true
	c = newRig(t, Options{Estate: e}).second(adminKeyA)
	wantCode(t, mappings("api.example.com"), CodeBadRequest)
}

// Resources have no version; those of private domain names, and of routing rules, have the account.
func TestCustomDomainNamesAskForPermissionsOfTheirOwn(t *testing.T) {
	const here = "arn:aws:apigateway:eu-west-1:"
	for resource, reads := range map[string]map[string]bool{
		here + ":/domainnames/*":                                         {"edge": true, "api": true},
		here + accountA + ":/domainnames/*":                              {"in": true},
		here + accountA + ":/domainnames/in*+abcd1234/basepathmappings":  {"in": true},
		here + accountA + ":/domainnames/api.example.com/routingrules/*": {},
	} {
		e := domainsEstate()
		e.Accounts[0].Principals[0].Policy = &Policy{Statement: []Statement{{
			Effect: EffectAllow, Action: Strings{"apigateway:GET"}, Resource: Strings{resource},
		}, {
			Effect: EffectAllow, Action: Strings{"apigateway:ListRoutingRules"},
			Resource: Strings{here + accountA + ":/domainnames/api.example.com/routingrules/*"},
		}}}
		r := newRig(t, Options{Estate: e})
		ctx, first, second := context.Background(), r.gateway(agentKeyA), r.second(agentKeyA)
		got := map[string]bool{}
		for name, call := range map[string]func() error{
			"edge": func() error {
				_, err := first.GetBasePathMappings(ctx, &apigateway.GetBasePathMappingsInput{DomainName: aws.String("edge.example.com")})
				return err
			},
			"in": func() error {
				_, err := first.GetBasePathMappings(ctx, &apigateway.GetBasePathMappingsInput{
					DomainName: aws.String("in.example.com"), DomainNameId: aws.String("abcd1234"),
				})
				return err
			},
			"api": func() error {
				_, err := second.GetApiMappings(ctx, &apigatewayv2.GetApiMappingsInput{DomainName: aws.String("api.example.com")})
				return err
			},
		} {
			if err := call(); err == nil {
				got[name] = true
			} else {
				wantCode(t, err, CodeAccessDenied)
			}
		}
		if diff := cmp.Diff(reads, got); diff != "" {
			t.Errorf("%s: %s", resource, diff)
		}
		rules := &apigatewayv2.ListRoutingRulesInput{DomainName: aws.String("api.example.com")}
		if _, err := second.ListRoutingRules(ctx, rules); err != nil {
			t.Errorf("routing rules: %v", err)
		}
		wantCode(t, must2(second.ListRoutingRules(ctx, &apigatewayv2.ListRoutingRulesInput{
			DomainName: aws.String("edge.example.com"),
		})), CodeAccessDenied)
	}
}

func must2[T any](_ T, err error) error { return err }

func TestACustomDomainNameIsPutAndDeleted(t *testing.T) {
	r := newRig(t, Options{Estate: domainsEstate()})
	d := CustomDomain{Name: "new.example.com"}
	if err := r.PutDomain(scopeA(), d); err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteDomain(scopeA(), "in.example.com", "abcd1234"); err != nil {
		t.Fatal(err)
	}
	var names []string
	content := must(r.Snapshot(scopeA()))(t)
	for _, d := range content.Domains {
		names = append(names, d.Name)
	}
	if diff := cmp.Diff([]string{"api.example.com", "edge.example.com", "new.example.com"}, names); diff != "" {
		t.Error(diff)
	}
	for _, err := range []error{
		r.DeleteDomain(scopeA(), "in.example.com", ""), r.PutDomain(scopeA(), CustomDomain{Name: "x", ID: "y"}),
		r.PutDomain(scopeA(), CustomDomain{Name: "x", Endpoint: endpointPrivate}), r.PutDomain(scopeA(), CustomDomain{}),
	} {
		if err == nil {
			t.Error("it was taken")
		}
	}
}
