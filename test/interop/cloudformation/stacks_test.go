//go:build interop

package cloudformation

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
	"federation-agent/test/interop/moto"
	"federation-agent/test/missing"
	"federation-agent/test/process"
)

var image = flag.String("image", "", "an image of this project for an engine to start; without it, the container is a process")

const (
	region     = "eu-west-1"
	loopback   = "127.0.0.1"
	externalID = "an-external-id"
	// caseDeadline ends a test that hangs. Installing moto comes before. An engine that knows no start interval looks for
	// the first time after 30 s whether a container is healthy.
	caseDeadline    = 5 * time.Minute
	installDeadline = 10 * time.Minute
)

func start(t *testing.T) aws {
	t.Helper()
	installing, cancel := context.WithTimeout(t.Context(), installDeadline)
	defer cancel()
	server, err := moto.Start(installing)
	missing.Require(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	return aws{Server: server, t: t, region: region}
}

func TestTheAgentsRoleIsMadeForEachPrincipal(t *testing.T) {
	a := start(t)
	const role = "arn:aws:iam::111122223333:role/GFTR-111122223333-eu-west-1"
	for runsOn, trusted := range map[string][]string{
		"ec2":          {`"Service":"ec2.amazonaws.com"`},
		"ecs":          {`"Service":"ecs-tasks.amazonaws.com"`, `"aws:SourceAccount":"` + moto.DefaultAccount + `"`},
		"pod-identity": {`"Service":"pods.eks.amazonaws.com"`, `"sts:TagSession"`},
		"irsa": {
			`"Federated":"arn:aws:iam::` + moto.DefaultAccount + `:oidc-provider/oidc.example.com/id/1"`,
			`"oidc.example.com/id/1:sub":"system:serviceaccount:gravitee-apim:federation-agent-aws-api-gateway"`,
			`"oidc.example.com/id/1:aud":"sts.amazonaws.com"`,
		},
	} {
		for stack, policy := range map[string]string{
			"one": "FederationAPIGatewayAccess", "many": "AllowAssumeFederationRole",
		} {
			parameters := map[string]string{"AgentRunsOn": runsOn, "OidcIssuer": "oidc.example.com/id/1", "RoleArns": ""}
			if stack == "many" {
				parameters["RoleArns"] = role
			}
			outputs := a.stack(runsOn+"-"+stack, "GraviteeFederationAgentRole.yml", parameters)
			name := outputs["RoleName"]
			if got := a.policies(name); !slices.Equal(got, []string{policy}) {
				t.Errorf("%s, %s: policies %v", runsOn, stack, got)
			}
			for _, words := range trusted {
				if got := a.trust(name); !strings.Contains(got, words) {
					t.Errorf("%s: trusts %s, want %s", runsOn, got, words)
				}
			}
			if stack == "many" && !strings.Contains(a.allowed(name, policy), role) {
				t.Errorf("%s may assume %s", name, a.allowed(name, policy))
			}
			if profile := outputs["InstanceProfileName"]; (profile != "") != (runsOn == "ec2") {
				t.Errorf("%s: instance profile %q", runsOn, profile)
			}
		}
	}
}

func TestTheRolesOfAStackSetDoNotCollideInSeveralRegions(t *testing.T) {
	a := start(t)
	want, err := os.ReadFile("../../../deployments/iam/minimum-policy.json")
	must(t, err)
	for _, region := range []string{"eu-west-1", "us-east-1"} {
		a.region = region
		outputs := a.stack("GraviteeFederationRoles", "GraviteeFederationRoles.yml", map[string]string{
			"ManagementAccountId": "111122223333", "AgentRoleName": "the-agent", "ExternalId": externalID,
		})
		name := "GFTR-" + moto.DefaultAccount + "-" + region
		if got := outputs["RoleArn"]; got != moto.RoleARN(moto.DefaultAccount, name) {
			t.Fatalf("role %s", got)
		}
		trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":` +
			`"arn:aws:iam::111122223333:role/the-agent"},"Action":"sts:AssumeRole",` +
			`"Condition":{"StringEquals":{"sts:ExternalId":"an-external-id"}}}]}`
		if diff := gocmp.Diff(trust, a.trust(name)); diff != "" {
			t.Error(diff)
		}
		if diff := gocmp.Diff(decoded(t, string(want)), decoded(t, a.allowed(name, "AllowAPIGatewayReadAccess"))); diff != "" {
			t.Error(diff)
		}
	}
}

func decoded(t *testing.T, text string) (value any) {
	t.Helper()
	must(t, json.Unmarshal([]byte(text), &value))
	return value
}

// The service is deployed, and what ECS would start is started: the built agent, with the environment of the task's
// container, its secrets from Secrets Manager, and credentials from where ECS puts them. It gets Connected, and reads the
// account that it should. With -image it is a container of that image, with all that its definition says but the log's
// driver.
func TestTheServicesContainerGetsConnected(t *testing.T) {
	a := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), caseDeadline)
	defer cancel()
	binary, err := process.Build(ctx, t.TempDir())
	must(t, err)
	own, other := awssim.UniformAccount(0), awssim.UniformAccount(1)
	role := "GFTR-" + other + "-" + region
	address := loopback
	if *image != "" {
		address = network(t)
	}
	s := startSandbox(ctx, t, binary, address, role)
	token := a.secret("token", "bearer "+demo.DefaultToken)
	key := a.secret("key", `{"accessKeyId": "`+awssim.UniformAccessKeyID(1)+`", "secretAccessKey": "s"}`)
	a.json("ecs", ecsTarget+"CreateCluster", map[string]string{"clusterName": "there"}, new(struct{}))
	vpc, subnets := a.network()
	for name, c := range map[string]struct {
		parameters map[string]string
		account    string
		policies   []string
	}{
		"one-account": {account: own, policies: []string{"FederationAPIGatewayAccess"}},
		"many-accounts": {
			parameters: map[string]string{
				"RoleArns": moto.RoleARN(other, role), "ExternalId": externalID, "ClusterName": "there", "SecurityGroupIds": "sg-1",
				"JournalFileSystemId": a.fileSystem(),
				"ApimUrl":             strings.TrimSuffix(s.endpoint, demo.PathPrefix) + "/management",
				"ApimTokenSecretArn":  a.secret("rest-token", demo.AdministratorToken), "ApimEnvironmentId": "DEFAULT",
				"IngestSchedule": "0 * * * *", "CustomDomains": "true",
			},
			account: other, policies: []string{"AssumeTargetAccountRoles", "MountJournal"},
		},
		"access-key": {
			parameters: map[string]string{
				"RoleBasedAuth": "false", "AccessKeySecretArn": key,
				"ReadableSecretArns": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:other",
			},
			account: other, policies: []string{"ReadSecrets"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := a
			a.t = t
			parameters := map[string]string{
				// moto's CloudFormation makes no secrets, so that GraviteeAuth cannot be tried.
				"GraviteeFederationUrl": s.endpoint, "GraviteeAuthSecretArn": token,
				"GraviteeIntegrationId": demo.DefaultIntegrationID, "GraviteeFederationRegion": region,
				"GraviteeFederationImage": cmp.Or(*image, "registry.example.com/agent:1"), "VpcId": vpc, "SubnetIds": subnets,
			}
			maps.Copy(parameters, c.parameters)
			outputs := a.stack(name, "GraviteeFederationAgent.yml", parameters)
			if got := a.policies(outputs["TaskRoleName"]); !slices.Equal(got, c.policies) {
				t.Errorf("the task's role has %v", got)
			}
			if outputs["FederationAgentService"] == "" || outputs["ECSClusterName"] == "" || outputs["LogGroup"] == "" {
				t.Errorf("outputs %v", outputs)
			}
			run(ctx, t, a, s, binary, a.container(name), c.account)
		})
	}
}

// sandbox are both stand-ins, in a process of their own.
type sandbox struct {
	apim          process.APIM
	endpoint, aws string
}

func startSandbox(ctx context.Context, t *testing.T, binary, address, role string) sandbox {
	t.Helper()
	estate := awssim.UniformEstate(awssim.UniformOptions{Accounts: 2, APIs: 2, StagesPerAPI: 1, Plans: 1})
	estate.Accounts[1].Roles = []awssim.Role{
		{Name: role, ExternalID: externalID, TrustedAccounts: []string{estate.Accounts[0].ID}},
	}
	text, err := json.Marshal(estate)
	must(t, err)
	file := filepath.Join(t.TempDir(), "estate.json")
	must(t, os.WriteFile(file, text, 0o600))
	p, err := process.Start(exec.Command(binary, "sandbox", "--apim", address+":0", "--aws", address+":0",
		"--estate", file))
	must(t, err)
	t.Cleanup(func() { must(t, p.End()) })
	printed := func(name string) string {
		line, err := p.Await(ctx, &p.Stdout, "export "+name+"=")
		must(t, err)
		_, value, _ := strings.Cut(line, name+"=")
		return strings.Trim(strings.TrimSpace(value), "'")
	}
	s := sandbox{
		endpoint: printed("gravitee_integration_connector_ws_endpoints_0"), aws: printed(demo.AWSEndpointVariable),
	}
	s.apim = process.APIM(strings.TrimSuffix(s.endpoint, demo.PathPrefix))
	return s
}

// run starts what a stack's container is, waits until APIM sees it, asks for its health as ECS does, and ends it as ECS
// does.
func run(
	ctx context.Context, t *testing.T, a aws, s sandbox, binary string, container containerDefinition, account string,
) {
	t.Helper()
	// The image's entry point is the agent, and its working directory /opt/federation-agent.
	if len(container.EntryPoint)+len(container.Command) > 0 ||
		container.MountPoints[0].ContainerPath != "/opt/federation-agent/data" {
		t.Fatalf("%+v", container)
	}
	// What the stand-ins need, beside what ECS gives.
	environ := append(a.environ(container), demo.AWSEndpointVariable+"="+s.aws)
	var started agent
	if *image == "" {
		started = startProcess(t, binary, environ)
	} else {
		started = startContainer(t, container, environ)
	}
	defer func() {
		log := started.end()
		if t.Failed() {
			t.Log(log)
		}
		if !strings.Contains(log, "ended in order") {
			t.Errorf("the agent's log:\n%s", log)
		}
	}()
	must(t, process.Await(ctx, process.Patience, "the agent to be connected", func(ctx context.Context) (bool, error) {
		agents, err := s.apim.Agents(ctx)
		return len(agents) == 1, err
	}))
	preview, err := s.apim.Preview(ctx, demo.DefaultIntegrationID)
	must(t, err)
	if len(preview.APIs) != 2 {
		t.Errorf("preview: %+v", preview)
	}
	for _, api := range preview.APIs {
		if !strings.HasPrefix(api.ID, account+":"+region+":") {
			t.Errorf("an API of another account: %s", api.ID)
		}
	}
	if err := started.journal("federation-agent.db"); err != nil {
		t.Error(err)
	}
	if container.HealthCheck.Command[0] != "CMD" || container.HealthCheck.Command[1] != "/federation-agent" {
		t.Fatalf("health check %v", container.HealthCheck.Command)
	}
	if err := started.healthy(ctx, container.HealthCheck.Command[2:]); err != nil {
		t.Errorf("health: %v", err)
	}
}

// credentials is what ECS serves to a task: keys of its role.
func credentials(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, `{"AccessKeyId": %q, "SecretAccessKey": "s", "Token": "", "Expiration": %q}`,
		awssim.UniformAccessKeyID(0), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
}
