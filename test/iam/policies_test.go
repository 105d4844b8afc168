// Package iam tries every call of the agent with exactly the policies that people deploy: the one in deployments/iam, and
// those in the CloudFormation templates. The stand-in for AWS decides by them as IAM does.
package iam

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/iam"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

const (
	deployments = "../../deployments/"
	minimumFile = "iam/minimum-policy.json"
	agentStack  = "cloudformation/GraviteeFederationAgent.yml"
	agentRole   = "cloudformation/GraviteeFederationAgentRole.yml"
	stackSet    = "cloudformation/GraviteeFederationRoles.yml"

	provider   = "gravitee_integration_providers_0_configuration_"
	externalID = "an-external-id"
)

// files are all that hold the minimum policy.
var files = []string{minimumFile, agentStack, agentRole, stackSet}

// statement is one of a policy document. What the stand-in's evaluator does not know is kept out of its way.
type statement struct {
	Sid       string `yaml:"Sid"`
	Effect    string `yaml:"Effect"`
	Action    texts  `yaml:"Action"`
	Resource  texts  `yaml:"Resource"`
	Principal any    `yaml:"Principal"`
	Condition any    `yaml:"Condition"`
}

// texts is a list, or one text. A function of CloudFormation is its argument: !Sub's text with what is known put in, and
// what !Ref refers to.
type texts []string

func (t *texts) UnmarshalYAML(node *yaml.Node) error {
	nodes := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		nodes = node.Content
	}
	for _, n := range nodes {
		*t = append(*t, strings.ReplaceAll(n.Value, "${AWS::Partition}", "aws"))
	}
	return nil
}

// statements gives all statements of a file, in its order. JSON is YAML.
func statements(t *testing.T, file string) []statement {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deployments, file))
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	var found []statement
	var walk func(*yaml.Node)
	walk = func(node *yaml.Node) {
		for i, child := range node.Content {
			if node.Kind == yaml.MappingNode && i%2 == 0 && child.Value == "Statement" {
				var some []statement
				var err error
				if one := node.Content[i+1]; one.Kind == yaml.MappingNode {
					some = make([]statement, 1)
					err = one.Decode(&some[0])
				} else {
					err = one.Decode(&some)
				}
				if err != nil {
					t.Fatalf("%s, line %d: %v", file, child.Line, err)
				}
				found = append(found, some...)
			}
			walk(child)
		}
	}
	walk(&root)
	return found
}

// policy is made of those statements of a file that allow any action of a service.
func policy(t *testing.T, file, service string) *awssim.Policy {
	t.Helper()
	p := &awssim.Policy{Version: "2012-10-17"}
	for _, s := range statements(t, file) {
		if s.Principal == nil && strings.HasPrefix(s.Action[0], service+":") {
			p.Statement = append(p.Statement, awssim.Statement{
				Sid: s.Sid, Effect: s.Effect, Action: awssim.Strings(s.Action), Resource: awssim.Strings(s.Resource),
			})
		}
	}
	if len(p.Statement) == 0 {
		t.Fatalf("%s allows nothing of %s", file, service)
	}
	return p
}

// estate has one account with a user who has this policy, and with roles.
func estate(user *awssim.Policy, roles ...awssim.Role) awssim.Options {
	e := awssim.UniformEstate(awssim.UniformOptions{APIs: 3, StagesPerAPI: 2, Plans: 2})
	e.Accounts[0].Principals[0].Policy = user
	e.Accounts[0].Roles = roles
	return awssim.Options{Estate: e}
}

// everything has the agent make every call that it knows. After a refusal it goes on with what can still be done.
func everything(t *testing.T, w *world.World) {
	t.Helper()
	w.Connected()
	if _, err := w.APIM.Preview(context.Background(), world.Integration); err != nil {
		t.Log("preview:", err)
	}
	if job, err := w.APIM.StartIngest(context.Background(), world.Integration, nil); err != nil {
		t.Log("ingest:", err)
	} else if job.Total > 0 {
		w.Await("the ingest to end", func() bool {
			job, err = w.APIM.Job(job.ID)
			return err != nil || job.Status != apimsim.JobPending
		})
	}
	for _, api := range w.APIM.APIs() {
		if len(api.Plans) == 0 {
			continue
		}
		s, err := w.APIM.Subscribe(context.Background(), api.ID, api.Plans[0].ID, "Shop", "")
		if err != nil || s.Status != apimsim.SubscriptionAccepted {
			t.Log("subscribe:", s.Status, s.Reason, err)
			return
		}
		if err := w.APIM.Unsubscribe(context.Background(), s.ID); err != nil {
			t.Log("unsubscribe:", err)
		}
		return
	}
}

// calls says which operations of API Gateway were tried, and which of them were refused.
func calls(w *world.World) (tried, refused []string) {
	for _, c := range w.AWS.Counts() {
		if c.Operation == awssim.OpGetCallerIdentity || c.Operation == awssim.OpAssumeRole {
			continue
		}
		tried = append(tried, c.Operation)
		if c.Status == 403 {
			refused = append(refused, c.Operation)
		}
	}
	slices.Sort(tried)
	return slices.Compact(tried), refused
}

// ofDomains are the operations that agent.discovery.customDomains needs.
func ofDomains() []string {
	return []string{
		awssim.OpGetAPIMappings, awssim.OpGetBasePathMappings, awssim.OpGetDomainNames, awssim.OpListRoutingRules,
	}
}

// known are the operations that the agent can call without a further grant.
func known() []string {
	optional := append(ofDomains(), awssim.OpGetAPIKeys)
	var names []string
	for method := range reflect.TypeFor[apigateway.Client]().Methods() {
		if !slices.Contains(optional, method.Name) {
			names = append(names, method.Name)
		}
	}
	slices.Sort(names)
	return names
}

func outside(settings map[string]string) map[string]string {
	settings[provider+"acceptApiWithoutUsagePlan"] = "true" // else GetStages is not called
	return settings
}

func TestEachCallOfTheAgentIsAllowedByThePolicyInEachFile(t *testing.T) {
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			o := world.Options{AWS: estate(policy(t, file, "apigateway")), Settings: outside(map[string]string{})}
			world.Run(t, o, func(t *testing.T, w *world.World) {
				everything(t, w)
				tried, refused := calls(w)
				if diff := cmp.Diff(known(), tried); diff != "" {
					t.Errorf("not every call was tried: %s", diff)
				}
				if len(refused) > 0 || len(w.AWS.Keys()) > 0 {
					t.Errorf("refused: %v; keys left: %d\n%s", refused, len(w.AWS.Keys()), w.Log)
				}
			})
		})
	}
}

func TestEachStatementOfThePolicyIsNeeded(t *testing.T) {
	for i, dropped := range policy(t, minimumFile, "apigateway").Statement {
		t.Run(dropped.Action[0], func(t *testing.T) {
			less := policy(t, minimumFile, "apigateway")
			less.Statement = slices.Delete(less.Statement, i, i+1)
			refusedWith(t, less)
		})
	}
}

func TestEachResourceOfThePolicyIsNeeded(t *testing.T) {
	// `*` crosses the slash in IAM, so restapis/* covers it. The vendor's policy has it, and people compare the two.
	const covered = "arn:aws:apigateway:*::/restapis/*/stages/*"
	for i, s := range policy(t, minimumFile, "apigateway").Statement {
		for j, dropped := range s.Resource {
			if len(s.Resource) == 1 || dropped == covered {
				continue
			}
			t.Run(dropped, func(t *testing.T) {
				less := policy(t, minimumFile, "apigateway")
				less.Statement[i].Resource = slices.Delete(less.Statement[i].Resource, j, j+1)
				refusedWith(t, less)
			})
		}
	}
}

func refusedWith(t *testing.T, p *awssim.Policy) {
	t.Helper()
	o := world.Options{AWS: estate(p), Settings: outside(map[string]string{})}
	world.Run(t, o, func(t *testing.T, w *world.World) {
		everything(t, w)
		if tried, refused := calls(w); len(refused) == 0 {
			t.Errorf("nothing was refused of %v", tried)
		}
	})
}

// What the template grants is what the program prints, which is what the files say.
func TestTheTemplateOfTheOptionalGrantsHasTheStatementsOfTheProgram(t *testing.T) {
	const template = "cloudformation/GraviteeFederationOptionalGrants.yml"
	minimum := iam.Needs{Uses: []iam.Use{{Identity: "me", Regions: []string{"eu-west-1"}, All: true}}}
	for name, c := range map[string]struct {
		file, service, sid string
		lookup, domains    bool
	}{
		"custom domain names": {"iam/custom-domains-policy.json", "apigateway", "ReadCustomDomains", false, true},
		"keys":                {"iam/key-lookup-policy.json", "apigateway", "LookForKeys", true, false},
		"regions":             {"iam/list-regions-policy.json", "account", "ListEnabledRegions", false, false},
	} {
		n := minimum
		n.Lookup, n.Domains = c.lookup, c.domains
		others := func(s awssim.Statement) bool { return s.Sid != c.sid }
		want := policy(t, c.file, c.service).Statement
		got := slices.DeleteFunc(policy(t, template, c.service).Statement, others)
		printed := slices.DeleteFunc(generated(t, n, iam.Permissions).Statement, others)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the template has %s", name, diff)
		}
		if diff := cmp.Diff(want, printed); diff != "" {
			t.Errorf("%s: the program prints %s", name, diff)
		}
	}
	if n := len(statements(t, template)); n != 3 {
		t.Errorf("the template has %d statements", n)
	}
}

func TestTheTemplatesHaveTheStatementsOfTheFile(t *testing.T) {
	want := policy(t, minimumFile, "apigateway")
	for _, file := range files {
		if diff := cmp.Diff(want, policy(t, file, "apigateway")); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
	// The stand-in holds the agent to it in all other tests.
	held, err := awssim.MinimumPolicy()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, held); diff != "" {
		t.Errorf("the stand-in's policy: %s", diff)
	}
}

// The agent's role may assume the roles that the stack was told, and those alone.
func TestTheAgentsRoleAssumesTheRolesOfItsParameterAndNoOther(t *testing.T) {
	for _, file := range []string{agentStack, agentRole} {
		p := policy(t, file, "sts")
		if len(p.Statement) != 1 || !slices.Equal(p.Statement[0].Resource, []string{"RoleArns"}) {
			t.Fatalf("%s: %+v", file, p.Statement)
		}
		const role = "arn:aws:iam::123456789012:role/GFTR-123456789012-eu-west-1"
		p.Statement[0].Resource = awssim.Strings{role}
		if got := p.Evaluate("sts:AssumeRole", role); got != awssim.Allowed {
			t.Errorf("%s: the role is not allowed", file)
		}
		if got := p.Evaluate("sts:AssumeRole", role+"2"); got != awssim.ImplicitlyDenied {
			t.Errorf("%s: another role is allowed", file)
		}
	}
}

// The agent gets into the roles of the StackSet with the external id alone, and does everything with their policy, while
// its own has nothing of API Gateway.
func TestTheRolesOfTheStackSetServeTheAgentThatKnowsTheExternalID(t *testing.T) {
	for id, allowed := range map[string]bool{externalID: true, "another-one": false} {
		t.Run(id, func(t *testing.T) {
			role := awssim.Role{Name: "GFTR", ExternalID: externalID, Policy: policy(t, stackSet, "apigateway")}
			aws := estate(policy(t, agentStack, "sts"), role)
			o := world.Options{AWS: aws, Settings: outside(map[string]string{
				provider + "roleArn":            awssim.RoleARN(aws.Estate.Accounts[0], role.Name),
				"gravitee_agent_aws_externalId": id,
			})}
			world.Run(t, o, func(t *testing.T, w *world.World) {
				everything(t, w)
				tried, refused := calls(w)
				if allowed && (!slices.Equal(tried, known()) || len(refused) > 0) {
					t.Errorf("tried %v, refused %v\n%s", tried, refused, w.Log)
				}
				if !allowed && len(tried) > 0 {
					t.Errorf("the role was assumed with another external id: %v", tried)
				}
			})
		})
	}
}

// trusts are the statements of a file that say who may take on a role. One of them is JSON in a text.
func trusts(t *testing.T, file string) []statement {
	t.Helper()
	var found []statement
	for _, s := range statements(t, file) {
		if s.Principal != nil {
			found = append(found, s)
		}
	}
	return found
}

func TestARoleIsTakenOnByNobodyButWhoItIsFor(t *testing.T) {
	for file, want := range map[string][]string{
		// Principal and condition, as the templates have them; a function is its argument.
		agentStack: {
			`{"Service":"ecs-tasks.amazonaws.com"} {"ArnLike":{"aws:SourceArn":` +
				`"arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:*"},` +
				`"StringEquals":{"aws:SourceAccount":"AWS::AccountId"}}`,
			`{"Service":"ecs-tasks.amazonaws.com"} {"ArnLike":{"aws:SourceArn":` +
				`"arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:*"},` +
				`"StringEquals":{"aws:SourceAccount":"AWS::AccountId"}}`,
		},
		agentRole: {
			`{"Service":"ec2.${AWS::URLSuffix}"} null`,
			`{"Service":"ecs-tasks.amazonaws.com"} {"ArnLike":{"aws:SourceArn":` +
				`"arn:${AWS::Partition}:ecs:*:${AWS::AccountId}:*"},"StringEquals":{"aws:SourceAccount":"AWS::AccountId"}}`,
			`{"Service":"pods.eks.amazonaws.com"} {"StringEquals":{"aws:SourceAccount":"AWS::AccountId"}}`,
		},
		stackSet: {
			`{"AWS":["TrustsWholeAccount","arn:${AWS::Partition}:iam::${ManagementAccountId}:root",` +
				`"arn:${AWS::Partition}:iam::${ManagementAccountId}:role/${AgentRoleName}"]} ` +
				`{"StringEquals":{"sts:ExternalId":"ExternalId"}}`,
		},
	} {
		var got []string
		for _, s := range trusts(t, file) {
			principal, _ := json.Marshal(s.Principal)
			condition, _ := json.Marshal(s.Condition)
			got = append(got, string(principal)+" "+string(condition))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}
