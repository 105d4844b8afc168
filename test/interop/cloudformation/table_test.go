//go:build interop

package cloudformation

import (
	"context"
	"os"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	static "github.com/aws/aws-sdk-go-v2/credentials"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"federation-agent/internal/dynamodb"
	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
	"federation-agent/test/process"
)

const tableTemplate = "GraviteeFederationJournal.yml"

// table is the agent's client of a table of moto.
func (a aws) table(name string) *dynamodb.Table {
	return dynamodb.New(sdk.Config{
		Region: a.region, Credentials: static.NewStaticCredentialsProvider(awssim.UniformAccessKeyID(0), "unchecked", ""),
	}, a.URL, name)
}

// described is a table as DescribeTable has it, but for what makes it another one.
func (a aws) described(name string) map[string]any {
	a.t.Helper()
	var answer struct{ Table map[string]any }
	a.json("dynamodb", "DynamoDB_20120810.DescribeTable", map[string]string{"TableName": name}, &answer)
	for _, own := range []string{"TableName", "TableArn", "TableId", "CreationDateTime"} {
		delete(answer.Table, own)
	}
	return answer.Table
}

// The template makes the table that the command makes: its keys, index, billing, encryption and protection. moto's
// CloudFormation makes no time to live and no point-in-time recovery, so these are read in the template.
func TestTheTemplateMakesTheTableThatTheCommandMakes(t *testing.T) {
	a := start(t)
	const byTemplate, byCommand = "by-template", "by-command"
	outputs := a.stack("journal", tableTemplate, map[string]string{"TableName": byTemplate})
	if outputs["TableName"] != byTemplate {
		t.Errorf("outputs %v", outputs)
	}
	must(t, a.table(byCommand).Create(t.Context()))
	if diff := gocmp.Diff(a.described(byCommand), a.described(byTemplate)); diff != "" {
		t.Errorf("by the command and by the template:\n%s", diff)
	}
	if lacks, err := a.table(byCommand).Lacks(t.Context()); err != nil || len(lacks) > 0 {
		t.Errorf("the command's table lacks %v, %v", lacks, err)
	}
	text, err := os.ReadFile("../../../deployments/cloudformation/" + tableTemplate)
	must(t, err)
	for _, property := range []string{
		"TimeToLiveSpecification: {AttributeName: " + table.Expires + ", Enabled: true}",
		"PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}",
	} {
		if !strings.Contains(string(text), property) {
			t.Errorf("the template has no %s", property)
		}
	}
}

// Two tasks of the service have no volume, and share the table of the other template: one makes a key, the other knows of
// it. moto runs no service, so each task is a process.
func TestTwoTasksShareATable(t *testing.T) {
	a := start(t)
	ctx, cancel := context.WithTimeout(t.Context(), caseDeadline)
	defer cancel()
	binary, err := process.Build(ctx, t.TempDir())
	must(t, err)
	s := startSandbox(ctx, t, binary, loopback, "no-role")
	const shared = "shared"
	a.stack("journal", tableTemplate, map[string]string{"TableName": shared})
	vpc, subnets := a.network()
	outputs := a.stack("agents", "GraviteeFederationAgent.yml", map[string]string{
		"GraviteeFederationUrl": s.endpoint, "GraviteeAuthSecretArn": a.secret("token", "bearer "+demo.DefaultToken),
		"GraviteeIntegrationId": demo.DefaultIntegrationID, "GraviteeFederationRegion": region,
		"GraviteeFederationImage": "registry.example.com/agent:1", "VpcId": vpc, "SubnetIds": subnets, "JournalTableName": shared,
	})
	container := a.container("agents")
	if len(container.MountPoints) > 0 || !container.ReadonlyRootFilesystem || container.StopTimeout != 90 {
		t.Errorf("%+v", container)
	}
	if n := a.desired(outputs["ECSClusterName"], outputs["FederationAgentService"]); n != 2 {
		t.Errorf("%d tasks are to run", n)
	}
	// What ECS gives a task beside its environment, what leads it to moto and to the stand-ins, and a short handover.
	environ := append(a.environ(container), "AWS_REGION="+region, "gravitee_agent_store_table_endpoint="+a.URL,
		demo.AWSEndpointVariable+"="+s.aws, "gravitee_agent_shutdown_handover=1s")
	tasks := []agent{startProcess(t, binary, environ), startProcess(t, binary, environ)}
	agents := func(n int) {
		t.Helper()
		must(t, process.Await(ctx, process.Patience, "the tasks to be connected", func(ctx context.Context) (bool, error) {
			connected, err := s.apim.Agents(ctx)
			return len(connected) == n, err
		}))
	}
	agents(len(tasks))
	for _, task := range tasks {
		must(t, task.healthy(ctx, container.HealthCheck.Command[2:]))
	}
	_, err = s.apim.Ingest(ctx, process.Patience, demo.DefaultIntegrationID)
	must(t, err)
	journal := tablestore.New(a.table(shared), uuid.NewString)
	for n := range 2 { // the second by the task that is left
		subscribe(ctx, t, s)
		records, err := store.Records(ctx, journal, store.Filter{}, false)
		must(t, err)
		if len(records) != n+1 {
			t.Fatalf("%d keys in the table, want %d", len(records), n+1)
		}
		for _, r := range records {
			if r.State != keys.Delivered && r.State != keys.Answered {
				t.Errorf("the table has %+v", r)
			}
		}
		tasks[n].end()
		agents(len(tasks) - n - 1)
	}
}

// desired is how many tasks a service is to have.
func (a aws) desired(cluster, service string) int {
	a.t.Helper()
	var got struct{ Services []struct{ DesiredCount int } }
	a.json("ecs", ecsTarget+"DescribeServices", map[string]any{"cluster": cluster, "services": []string{service}}, &got)
	if len(got.Services) != 1 {
		a.t.Fatalf("service %s of cluster %s: %+v", service, cluster, got)
	}
	return got.Services[0].DesiredCount
}

func subscribe(ctx context.Context, t *testing.T, s sandbox) {
	t.Helper()
	apis, err := s.apim.APIs(ctx)
	must(t, err)
	made, err := s.apim.Subscribe(ctx, apis[0].ID, apis[0].Plans[0].ID, "a shop")
	must(t, err)
	if made.Status != apimsim.SubscriptionAccepted {
		t.Fatalf("%+v", made)
	}
}
