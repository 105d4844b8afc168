//go:build interop

package cloudformation

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"

	"federation-agent/test/interop/moto"
)

// aws asks moto what the SDK's small part that the agent is built with cannot: four services, by their wire protocols.
type aws struct {
	*moto.Server
	t      *testing.T
	region string
}

// do sends a request and gives the answer, which must be a 200.
func (a aws) do(method, path, service, contentType, target, body string) []byte {
	a.t.Helper()
	request, err := http.NewRequestWithContext(a.t.Context(), method, a.URL+path, strings.NewReader(body))
	must(a.t, err)
	request.Header.Set("Content-Type", contentType)
	// All that moto looks at: which service and region are meant.
	request.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 "+
		"Credential=AKIAIOSFODNN7EXAMPLE/20250101/%s/%s/aws4_request, SignedHeaders=host, Signature=0", a.region, service))
	if target != "" {
		request.Header.Set("X-Amz-Target", target)
	}
	response, err := http.DefaultClient.Do(request)
	must(a.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(a.t, err)
	if response.StatusCode/100 != 2 {
		a.t.Fatalf("moto answered %s %s with %s: %s", service, target, response.Status, text)
	}
	return text
}

// query calls a service of the query protocol.
func (a aws) query(service, version string, into any, pairs ...string) {
	a.t.Helper()
	form := url.Values{"Version": {version}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	answer := a.do(http.MethodPost, "/", service, "application/x-www-form-urlencoded", "", form.Encode())
	must(a.t, xml.Unmarshal(answer, into))
}

// json calls a service of the JSON protocol.
func (a aws) json(service, target string, body, into any) {
	a.t.Helper()
	text, err := json.Marshal(body)
	must(a.t, err)
	answer := a.do(http.MethodPost, "/", service, "application/x-amz-json-1.1", target, string(text))
	must(a.t, json.Unmarshal(answer, into))
}

// stack deploys a template of deployments/cloudformation and gives its outputs.
func (a aws) stack(name, template string, parameters map[string]string) map[string]string {
	a.t.Helper()
	body, err := os.ReadFile("../../../deployments/cloudformation/" + template)
	must(a.t, err)
	pairs := []string{
		"Action", "CreateStack", "StackName", name, "TemplateBody", string(body),
		"Capabilities.member.1", "CAPABILITY_NAMED_IAM",
	}
	n := 0
	for key, value := range parameters {
		n++
		member := fmt.Sprintf("Parameters.member.%d.", n)
		pairs = append(pairs, member+"ParameterKey", key, member+"ParameterValue", value)
	}
	const version = "2010-05-15"
	a.query("cloudformation", version, new(struct{}), pairs...)
	var described struct {
		Stacks []struct {
			Status  string `xml:"StackStatus"`
			Outputs []struct {
				Key   string `xml:"OutputKey"`
				Value string `xml:"OutputValue"`
			} `xml:"Outputs>member"`
		} `xml:"DescribeStacksResult>Stacks>member"`
	}
	a.query("cloudformation", version, &described, "Action", "DescribeStacks", "StackName", name)
	if len(described.Stacks) != 1 || described.Stacks[0].Status != "CREATE_COMPLETE" {
		a.t.Fatalf("stack %s: %+v", name, described)
	}
	outputs := map[string]string{}
	for _, o := range described.Stacks[0].Outputs {
		outputs[o.Key] = o.Value
	}
	return outputs
}

const iamVersion = "2010-05-08"

// policies are the names of a role's policies.
func (a aws) policies(role string) []string {
	a.t.Helper()
	var listed struct {
		Names []string `xml:"ListRolePoliciesResult>PolicyNames>member"`
	}
	a.query("iam", iamVersion, &listed, "Action", "ListRolePolicies", "RoleName", role)
	return listed.Names
}

// trust is a role's trust policy, as JSON.
func (a aws) trust(role string) string {
	a.t.Helper()
	var got struct {
		Document string `xml:"GetRoleResult>Role>AssumeRolePolicyDocument"`
	}
	a.query("iam", iamVersion, &got, "Action", "GetRole", "RoleName", role)
	document, err := url.QueryUnescape(got.Document)
	must(a.t, err)
	var compact bytes.Buffer
	must(a.t, json.Compact(&compact, []byte(document)))
	return compact.String()
}

// allowed is one policy of a role, as JSON. moto writes one that stands in the role itself as Python does.
func (a aws) allowed(role, policy string) string {
	a.t.Helper()
	var got struct {
		Document string `xml:"GetRolePolicyResult>PolicyDocument"`
	}
	a.query("iam", iamVersion, &got, "Action", "GetRolePolicy", "RoleName", role, "PolicyName", policy)
	document, err := url.QueryUnescape(got.Document)
	must(a.t, err)
	return strings.ReplaceAll(document, "'", `"`)
}

// network is a VPC of the region and two of its subnets: moto has them from the start.
func (a aws) network() (vpc, subnets string) {
	a.t.Helper()
	var got struct {
		Subnets []struct {
			ID  string `xml:"subnetId"`
			VPC string `xml:"vpcId"`
		} `xml:"subnetSet>item"`
	}
	a.query("ec2", "2016-11-15", &got, "Action", "DescribeSubnets")
	if len(got.Subnets) < 2 {
		a.t.Fatalf("moto has %d subnets", len(got.Subnets))
	}
	return got.Subnets[0].VPC, got.Subnets[0].ID + "," + got.Subnets[1].ID
}

// fileSystem makes one in EFS.
func (a aws) fileSystem() string {
	a.t.Helper()
	var made struct{ FileSystemId string }
	must(a.t, json.Unmarshal(a.do(http.MethodPost, "/2015-02-01/file-systems", "elasticfilesystem", "application/json", "",
		`{"CreationToken": "journal"}`), &made))
	return made.FileSystemId
}

const ecsTarget = "AmazonEC2ContainerServiceV20141113."

// taskDefinition is what of it a container gets. moto gives no file system of a volume.
type taskDefinition struct{ ContainerDefinitions []containerDefinition }

type containerDefinition struct {
	Image, User            string
	EntryPoint, Command    []string
	Environment            []struct{ Name, Value string }
	Secrets                []struct{ Name, ValueFrom string }
	ReadonlyRootFilesystem bool
	LinuxParameters        struct {
		InitProcessEnabled bool
		Capabilities       struct{ Drop []string }
	}
	// StopTimeout and the check's durations are seconds.
	StopTimeout int
	HealthCheck struct {
		Command                                 []string
		Interval, Timeout, Retries, StartPeriod int
	}
	MountPoints []struct {
		SourceVolume, ContainerPath string
		ReadOnly                    bool
	}
}

// container is the only one in the task definition of a stack.
func (a aws) container(stack string) containerDefinition {
	a.t.Helper()
	var got struct{ TaskDefinition taskDefinition }
	a.json("ecs", ecsTarget+"DescribeTaskDefinition",
		map[string]string{"taskDefinition": "gravitee-federation-agent-" + stack}, &got)
	if len(got.TaskDefinition.ContainerDefinitions) != 1 {
		a.t.Fatalf("%+v", got)
	}
	return got.TaskDefinition.ContainerDefinitions[0]
}

// environ is what ECS starts a container with: its environment, and its secrets, which Secrets Manager gives.
func (a aws) environ(container containerDefinition) []string {
	a.t.Helper()
	var environ []string
	for _, v := range container.Environment {
		if v.Name == "" {
			continue // as below
		}
		environ = append(environ, v.Name+"="+v.Value)
	}
	for _, s := range container.Secrets {
		if s.Name == "" {
			continue // moto leaves what !If gives as AWS::NoValue in a list
		}
		// arn:partition:secretsmanager:region:account:secret:name, and perhaps :key::
		id, key := s.ValueFrom, ""
		if part := strings.Split(id, ":"); len(part) > 7 {
			id, key = strings.Join(part[:7], ":"), part[7]
		}
		var got struct{ SecretString string }
		a.json("secretsmanager", "secretsmanager.GetSecretValue", map[string]string{"SecretId": id}, &got)
		value := got.SecretString
		if key != "" {
			var values map[string]string
			must(a.t, json.Unmarshal([]byte(value), &values))
			value = values[key]
		}
		environ = append(environ, s.Name+"="+value)
	}
	return environ
}

// secret makes one in Secrets Manager and gives its ARN.
func (a aws) secret(name, value string) string {
	a.t.Helper()
	var made struct{ ARN string }
	a.json("secretsmanager", "secretsmanager.CreateSecret", map[string]string{
		"Name": name, "SecretString": value, "ClientRequestToken": uuid.NewString(),
	}, &made)
	return made.ARN
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
