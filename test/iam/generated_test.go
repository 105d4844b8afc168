package iam

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/iam"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// places are a region of each partition that the agent is for.
var places = map[string]string{"aws": "eu-west-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}

// granted is the one document of a kind, for the identity or the role that needs it.
func granted(t *testing.T, n iam.Needs, kind iam.Kind) *iam.Document {
	t.Helper()
	grants, err := n.Grants()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(grants, func(g iam.Grant) bool { return g.Kind == kind })
	if i < 0 {
		t.Fatalf("there is no document of the kind %s", kind)
	}
	for _, r := range grants[i].Reasons {
		if r.Purpose == "" || r.Without == "" {
			t.Errorf("%s: %s is not explained", kind, r.Action)
		}
	}
	for _, s := range grants[i].Document.Statement {
		for _, action := range s.Action {
			if !slices.ContainsFunc(grants[i].Reasons, func(r iam.Reason) bool { return r.Action == action }) {
				t.Errorf("%s: nothing says what %s is for", kind, action)
			}
		}
	}
	return grants[i].Document
}

// generated is a document as the stand-in for AWS reads it.
func generated(t *testing.T, n iam.Needs, kind iam.Kind) *awssim.Policy {
	t.Helper()
	text, err := json.Marshal(granted(t, n, kind))
	if err != nil {
		t.Fatal(err)
	}
	p, err := awssim.ParsePolicy(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// inPlace is an account of a partition, with what estate makes.
func inPlace(partition string, user *awssim.Policy, roles ...awssim.Role) awssim.Options {
	e := awssim.UniformEstate(awssim.UniformOptions{
		APIs: 3, StagesPerAPI: 2, Plans: 2, Regions: []string{places[partition]},
	})
	e.Accounts[0].Partition = partition
	e.Accounts[0].Principals[0].Policy = user
	e.Accounts[0].Roles = roles
	return awssim.Options{Estate: e}
}

func alone(partition string) iam.Needs {
	return iam.Needs{Uses: []iam.Use{{Identity: "me", Regions: []string{places[partition]}}}}
}

func tries(t *testing.T, aws awssim.Options, settings map[string]string, judge func(tried, refused []string, log string)) {
	t.Helper()
	world.Run(t, world.Options{AWS: aws, Settings: outside(settings)}, func(t *testing.T, w *world.World) {
		everything(t, w)
		tried, refused := calls(w)
		judge(tried, refused, w.Log.String())
	})
}

func TestEachCallOfTheAgentIsAllowedByTheGeneratedPolicyInEachPartition(t *testing.T) {
	for partition, region := range places {
		t.Run(partition, func(t *testing.T) {
			p := generated(t, alone(partition), iam.Permissions)
			tries(t, inPlace(partition, p), map[string]string{provider + "region": region},
				func(tried, refused []string, log string) {
					if !slices.Equal(tried, known()) || len(refused) > 0 {
						t.Errorf("tried %v, refused %v\n%s", tried, refused, log)
					}
				})
			for other, elsewhere := range map[string]string{"aws": "eu-west-2", "aws-cn": "cn-northwest-1"} {
				if got := p.Evaluate("apigateway:GET", "arn:"+other+":apigateway:"+elsewhere+"::/restapis"); got == awssim.Allowed {
					t.Errorf("%s is allowed, too", elsewhere)
				}
			}
		})
	}
}

func TestEachStatementOfTheGeneratedPolicyIsNeeded(t *testing.T) {
	for partition, region := range places {
		for i := range generated(t, alone(partition), iam.Permissions).Statement {
			less := generated(t, alone(partition), iam.Permissions)
			dropped := less.Statement[i]
			less.Statement = slices.Delete(less.Statement, i, i+1)
			t.Run(partition+" "+dropped.Action[0], func(t *testing.T) {
				tries(t, inPlace(partition, less), map[string]string{provider + "region": region},
					func(tried, refused []string, _ string) {
						if len(refused) == 0 {
							t.Errorf("nothing was refused of %v", tried)
						}
					})
			})
		}
	}
}

// The identity has nothing but the right to assume, and the role has the rest. Who sends another external id than the
// trust policy asks for does not get in.
func TestTheGeneratedPoliciesOfARoleServeTheAgent(t *testing.T) {
	for partition, region := range places {
		for _, sent := range []string{externalID, "another-one"} {
			t.Run(partition+" "+sent, func(t *testing.T) {
				aws := inPlace(partition, nil)
				role := awssim.RoleARN(aws.Estate.Accounts[0], "GFTR")
				n := iam.Needs{
					Uses:       []iam.Use{{Identity: "me", Regions: []string{region}, Role: role, ExternalID: externalID}},
					Principals: []string{"arn:" + partition + ":iam::100000000000:user/federation-agent"},
				}
				if err := n.CheckPrincipals(); err != nil {
					t.Fatal(err)
				}
				trust := granted(t, n, iam.Trust).Statement[0]
				mayAssume := generated(t, n, iam.AssumeRole)
				if got := mayAssume.Evaluate("sts:AssumeRole", role+"2"); got == awssim.Allowed {
					t.Error("another role may be assumed, too")
				}
				if !slices.Equal(trust.Principal["AWS"], n.Principals) {
					t.Errorf("trusted: %v", trust.Principal)
				}
				aws = inPlace(partition, mayAssume, awssim.Role{
					Name: "GFTR", ExternalID: trust.Condition["StringEquals"]["sts:ExternalId"],
					Policy: generated(t, n, iam.Permissions),
				})
				settings := map[string]string{
					provider + "region": region, provider + "roleArn": role, "gravitee_agent_aws_externalId": sent,
				}
				tries(t, aws, settings, func(tried, refused []string, log string) {
					if sent == externalID && (!slices.Equal(tried, known()) || len(refused) > 0) {
						t.Errorf("tried %v, refused %v\n%s", tried, refused, log)
					}
					if sent != externalID && len(tried) > 0 {
						t.Errorf("the role was assumed with another external id: %v", tried)
					}
				})
			})
		}
	}
}

func TestTheTrustOfEachRoleAsksForItsOwnExternalID(t *testing.T) {
	const one, two, three = "arn:aws:iam::111122223333:role/a", "arn:aws:iam::444455556666:role/b", "arn:aws:iam::777788889999:role/c"
	n := iam.Needs{Uses: []iam.Use{
		{Identity: "me", Role: one, ExternalID: "first", Regions: []string{"eu-west-1"}},
		{Identity: "me", Role: two, ExternalID: "second", Regions: []string{"us-east-1"}},
		{Identity: "me", Role: three, ExternalIDFrom: "agent.aws.externalId", Regions: []string{"us-east-1"}},
	}}
	grants, err := n.Grants()
	if err != nil {
		t.Fatal(err)
	}
	asked, regions := map[string]string{}, map[string]string{}
	for _, g := range grants {
		switch g.Kind {
		case iam.Trust:
			asked[g.For] = g.Document.Statement[0].Condition["StringEquals"]["sts:ExternalId"]
			if hinted := strings.Contains(strings.Join(g.Hints, " "), "set agent.aws.externalId"); hinted != (g.For == three) {
				t.Errorf("%s: %v", g.For, g.Hints)
			}
		case iam.Permissions:
			regions[g.For] = strings.Split(g.Document.Statement[0].Resource[0], ":")[3]
		default:
		}
	}
	if diff := cmp.Diff(map[string]string{one: "first", two: "second", three: ""}, asked); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{one: "eu-west-1", two: "us-east-1", three: "us-east-1"}, regions); diff != "" {
		t.Errorf("the policies' regions: %s", diff)
	}
	var ids []string
	for _, s := range n.Stacks("me") {
		for _, p := range s.Parameters {
			if strings.HasPrefix(p, "ExternalId=") {
				ids = append(ids, p+" "+s.Makes[strings.LastIndex(s.Makes, " ")+1:])
			}
		}
	}
	if diff := cmp.Diff([]string{
		"ExternalId=first " + one, "ExternalId=second " + two,
		"ExternalId=TEXT_OF_YOUR_OWN_ALSO_IN_AGENT.AWS.EXTERNALID " + three,
	}, ids); diff != "" {
		t.Errorf("a stack set has one external id: %s", diff)
	}
}

// The optional grant lists the regions of the own account, and of no other one of the organization.
func TestThePolicyForEveryRegionServesTheAgentAndTellsWhichAreEnabled(t *testing.T) {
	n := iam.Needs{Uses: []iam.Use{{Identity: "me", Regions: []string{"us-east-1", "eu-west-1"}, All: true}}}
	p := generated(t, n, iam.Permissions)
	for _, region := range []string{"eu-west-1", "ap-east-1"} {
		if p.Evaluate("apigateway:GET", "arn:aws:apigateway:"+region+"::/restapis") != awssim.Allowed {
			t.Errorf("%s may not be listed", region)
		}
	}
	const list = "account:ListRegions"
	if p.Evaluate(list, "arn:aws:account::111122223333:account") != awssim.Allowed {
		t.Error("regions may not be listed")
	}
	if p.Evaluate(list, "arn:aws:account::111122223333:account/o-abc/444455556666") == awssim.Allowed {
		t.Error("regions of another account may be listed, too")
	}
	g := granted(t, n, iam.Permissions)
	if text, err := json.Marshal(g); err != nil || len(text) > 2048 {
		t.Errorf("%d characters do not fit a user's inline policy: %v", len(text), err)
	}
	tries(t, inPlace("aws", p), map[string]string{provider + "region": "all"}, func(tried, refused []string, log string) {
		if !slices.Contains(tried, awssim.OpListRegions) || len(refused) > 0 {
			t.Errorf("tried %v, refused %v\n%s", tried, refused, log)
		}
	})
}

// A role that the policy does not name is refused: the right to assume is needed. The stand-in does not refuse
// AssumeRole by the policy of the caller, so the document itself is asked.
func TestWithoutItsStatementNoRoleIsAssumed(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/GFTR"
	p := generated(t, iam.Needs{Uses: []iam.Use{{Identity: "me", Role: role}}}, iam.AssumeRole)
	if got := p.Evaluate("sts:AssumeRole", role); got != awssim.Allowed {
		t.Error("the role may not be assumed")
	}
	p.Statement = nil
	if got := p.Evaluate("sts:AssumeRole", role); got != awssim.ImplicitlyDenied {
		t.Error("the role may be assumed without a statement")
	}
}

func TestTheGeneratedPolicyReadsExactlyTheSecretsThatSettingsReferTo(t *testing.T) {
	for partition, region := range places {
		arn := "arn:" + partition + ":secretsmanager:" + region + ":123456789012:secret:"
		n := iam.Needs{Secrets: iam.Secrets{
			Identity: "me", Region: region, Account: "123456789012",
			Names: []string{"prod/apim", "prod/apim", arn + "whole-AbCdEf", arn + "partial", "with*star"},
		}}
		p := generated(t, n, iam.ReadSecrets)
		for name, want := range map[string]awssim.Decision{
			"prod/apim-x1Y2z3": awssim.Allowed, "whole-AbCdEf": awssim.Allowed, "partial-AbCdEf": awssim.Allowed,
			"prod/apim": awssim.ImplicitlyDenied, "prod/apim-2-x1Y2z3": awssim.ImplicitlyDenied,
			"whole-AbCdEg": awssim.ImplicitlyDenied, "prod/other-x1Y2z3": awssim.ImplicitlyDenied,
		} {
			if got := p.Evaluate("secretsmanager:GetSecretValue", arn+name); got != want {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
		if got := p.Evaluate("secretsmanager:PutSecretValue", arn+"prod/apim-x1Y2z3"); got == awssim.Allowed {
			t.Error("secrets may be written, too")
		}
		resources := p.Statement[0].Resource
		if len(resources) != 4 || !slices.ContainsFunc(resources, func(r string) bool { return strings.Contains(r, "with${*}star") }) {
			t.Errorf("%v", resources)
		}
	}
}

// domainEstate adds custom domain names of each kind.
func domainEstate(aws *awssim.Options) {
	to := []awssim.DomainMapping{{Key: "k", RestAPI: "a000000000", Stage: "dev"}}
	aws.Estate.Accounts[0].Regions[0].Domains = []awssim.CustomDomain{
		{Name: "edge.example.com", Mappings: to},
		{Name: "regional.example.com", Endpoint: "REGIONAL", Mappings: to, RoutingMode: awssim.RoutingRulesThenMappings},
		{Name: "private.example.com", ID: "abcd1234", Endpoint: "PRIVATE", Mappings: to},
	}
}

func TestTheOptionalGrantAllowsEachCallForCustomDomainNamesInEachPartition(t *testing.T) {
	for partition, region := range places {
		t.Run(partition, func(t *testing.T) {
			n := alone(partition)
			n.Domains = true
			aws := inPlace(partition, generated(t, n, iam.Permissions))
			domainEstate(&aws)
			want := slices.Sorted(slices.Values(append(known(), ofDomains()...)))
			tries(t, aws, map[string]string{provider + "region": region, domainsSetting: "true"},
				func(tried, refused []string, log string) {
					if !slices.Equal(tried, want) || len(refused) > 0 {
						t.Errorf("tried %v, refused %v\n%s", tried, refused, log)
					}
				})
		})
	}
}

const domainsSetting = "gravitee_agent_discovery_customDomains"

// Without the grant, or without a part of it, nothing but the base URLs is missing.
func TestEachPartOfTheOptionalGrantForCustomDomainNamesIsNeeded(t *testing.T) {
	parts := generated(t, iam.Needs{Uses: alone("aws").Uses, Domains: true}, iam.Permissions)
	grant := parts.Statement[len(parts.Statement)-1]
	for name, less := range map[string]awssim.Statement{
		"nothing":      {},
		"GET":          {Effect: grant.Effect, Action: awssim.Strings{"apigateway:ListRoutingRules"}, Resource: grant.Resource},
		"rules":        {Effect: grant.Effect, Action: awssim.Strings{"apigateway:GET"}, Resource: grant.Resource},
		"names":        {Effect: grant.Effect, Action: grant.Action, Resource: grant.Resource[1:]},
		"one's own":    {Effect: grant.Effect, Action: grant.Action, Resource: grant.Resource[:1]},
		"with account": {Effect: grant.Effect, Action: grant.Action, Resource: grant.Resource[:2]},
	} {
		t.Run(name, func(t *testing.T) {
			policy := generated(t, alone("aws"), iam.Permissions)
			if less.Effect != "" {
				policy.Statement = append(policy.Statement, less)
			}
			aws := inPlace("aws", policy)
			domainEstate(&aws)
			tries(t, aws, map[string]string{domainsSetting: "true"}, func(tried, refused []string, log string) {
				others := slices.DeleteFunc(slices.Clone(refused), func(o string) bool { return slices.Contains(ofDomains(), o) })
				if len(refused) == 0 || len(others) > 0 || !slices.Contains(tried, awssim.OpDeleteAPIKey) {
					t.Errorf("tried %v, refused %v\n%s", tried, refused, log)
				}
			})
		})
	}
}
