package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"federation-agent/config"
	"federation-agent/internal/iam"
	"federation-agent/internal/region"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/secrets"
)

// said runs a command that starts nothing, in this process.
func said(environ []string, args ...string) (stdout, stderr string, code int) {
	var out, faults strings.Builder
	code = execute(process{"federation-agent", args, environ, &out, &faults, nil, nil, secrets.New()})
	return out.String(), faults.String(), code
}

const (
	firstProvider  = "gravitee_integration_providers_0_configuration_"
	secondProvider = "gravitee_integration_providers_1_configuration_"
	aRole          = "arn:aws:iam::111122223333:role/federation"
	anotherRole    = "arn:aws:iam::444455556666:role/federation"
	hiddenKey      = "wJalrXUtnFEMI/K7MDENG/SECRETthatNobodySees"
)

// twoProviders are a good configuration: one by the default chain, one by an access key.
func twoProviders(more ...string) []string {
	return append([]string{
		"gravitee_integration_connector_ws_endpoints_0=https://apim.example.com/integration-controller",
		"gravitee_integration_connector_ws_headers_0_name=Authorization",
		"gravitee_integration_connector_ws_headers_0_value=secret://aws/prod/apim:token",
		"gravitee_secrets_aws_enabled=true", "gravitee_secrets_aws_region=eu-west-1",
		"gravitee_integration_providers_0_type=aws-api-gateway", "gravitee_integration_providers_0_integrationId=one",
		"gravitee_integration_providers_1_type=aws-api-gateway", "gravitee_integration_providers_1_integrationId=two",
		firstProvider + "region=eu-west-1", secondProvider + "region=us-east-1",
		secondProvider + "accessKeyId=AKIAIOSFODNN7EXAMPLE", secondProvider + "secretAccessKey=" + hiddenKey,
	}, more...)
}

func TestPolicyNamesWhatEachIdentityAndRoleNeeds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		more, want []string
	}{
		"no roles": {nil, []string{"permissions default-chain", "secrets default-chain", "permissions providers[1]"}},
		"a role of both": {
			[]string{firstProvider + "roleArn=" + aRole, secondProvider + "roleArn=" + aRole + "," + anotherRole},
			[]string{
				"assume-role default-chain", "secrets default-chain", "assume-role providers[1]",
				"permissions " + aRole, "trust " + aRole, "permissions " + anotherRole, "trust " + anotherRole,
			},
		},
		"one key for both, and one for the secrets": {
			[]string{
				firstProvider + "accessKeyId=AKIAIOSFODNN7EXAMPLE", firstProvider + "secretAccessKey=" + hiddenKey,
				"gravitee_secrets_aws_auth_provider=static", "gravitee_secrets_aws_auth_config_accessKeyId_FILE=/id",
				"gravitee_secrets_aws_auth_config_secretAccessKey_FILE=/key",
			},
			[]string{"permissions providers[0]", "secrets secrets.aws"},
		},
		"keys that are references": {
			[]string{firstProvider + "accessKeyId_FILE=/run/a", firstProvider + "secretAccessKey_FILE=/run/b"},
			[]string{"permissions providers[0]", "permissions providers[1]", "secrets default-chain"},
		},
	} {
		out, faults, code := said(twoProviders(c.more...), "policy", "--json")
		var got struct{ Grants []iam.Grant }
		if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitOrderly {
			t.Errorf("%s: %v, exit code %d\n%s", name, err, code, faults)
		}
		var grants []string
		for _, g := range got.Grants {
			grants = append(grants, string(g.Kind)+" "+g.For)
		}
		if !slices.Equal(grants, c.want) || strings.Contains(out, hiddenKey) {
			t.Errorf("%s: %q, want %q", name, grants, c.want)
		}
	}
}

func TestPolicyPrintsOneDocumentThatIAMTakes(t *testing.T) {
	t.Parallel()
	environ := twoProviders()
	out, notes, code := said(environ, "policy", "--of=permissions", "--for=default-chain")
	p, err := awssim.ParsePolicy([]byte(out))
	if err != nil || code != exitOrderly || notes != "" {
		t.Fatalf("%v, exit code %d, %s\n%s", err, code, notes, out)
	}
	for region, want := range map[string]awssim.Decision{"eu-west-1": awssim.Allowed, "us-east-1": awssim.ImplicitlyDenied} {
		if got := p.Evaluate("apigateway:GET", "arn:aws:apigateway:"+region+"::/restapis"); got != want {
			t.Errorf("%s: %v", region, got)
		}
	}
	out, notes, _ = said(environ, "policy", "--of=secrets")
	if p, err = awssim.ParsePolicy([]byte(out)); err != nil || !strings.Contains(notes, "kms:Decrypt") {
		t.Fatalf("%v\n%s%s", err, out, notes)
	}
	const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/apim-AbCdEf"
	if got := p.Evaluate("secretsmanager:GetSecretValue", arn); got != awssim.Allowed {
		t.Error(got)
	}
	roles := append(environ, firstProvider+"roleArn="+aRole, secondProvider+"roleArn="+anotherRole)
	out, notes, code = said(roles, "policy", "--of=trust", "--principal=arn:aws:iam::123456789012:role/AGENT")
	if code != exitOrderly || !strings.Contains(out, ":role/AGENT") || !strings.Contains(notes, "asks for no external id") {
		t.Errorf("one trust policy for both: exit code %d\n%s%s", code, out, notes)
	}
	out, _, _ = said(roles, "policy")
	for _, want := range []string{"put the agent's identity in the place of", "Without it, ", "RoleArns=" + aRole, "# The role " + aRole} {
		if !strings.Contains(out, want) {
			t.Errorf("not printed: %s\n%s", want, out)
		}
	}
}

func TestPolicySaysWhatToDoWhereItHasNoOneDocument(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		more, args []string
		want       string
	}{
		{nil, []string{"--of=permissions"}, "there are several; choose one by --for:\n  default-chain\n  providers[1]"},
		{nil, []string{"--of=trust"}, "this configuration needs nothing of that"},
		{nil, []string{"--for=nobody"}, "this configuration needs nothing of that"},
		{nil, []string{"--of=secrets", "--principal=arn:aws:iam::123456789012:role/A"}, "--principal is for trust policies"},
		{nil, []string{"--of=policy"}, "there are only permissions, assume-role, trust, secrets, events"},
		{[]string{firstProvider + "roleArn=" + aRole}, []string{"--of=trust"}, "name who is trusted by --principal"},
		{nil, []string{"--principal=arn:aws:sts::123456789012:assumed-role/A/S"}, "aws iam get-role"},
		{
			[]string{firstProvider + "roleArn=" + aRole}, []string{"--principal=arn:aws-cn:iam::123456789012:role/A"},
			"in another partition",
		},
		{
			[]string{"gravitee_agent_aws_externalId=secret://aws/prod/id:x"}, nil,
			"gravitee_agent_aws_externalId: refers to secret://aws/prod/id:x, which is not read here",
		},
		{[]string{firstProvider + "roleArn=me"}, nil, "role 1 of 1 is not the ARN of an IAM role"},
	} {
		out, faults, code := said(twoProviders(c.more...), append([]string{"policy"}, c.args...)...)
		if code != exitConfiguration || out != "" || !strings.Contains(faults, c.want) {
			t.Errorf("%v: exit code %d, %q, %s", c.args, code, out, faults)
		}
	}
}

// The policies are made where the agent does not run yet: without its token, its certificates and its integration.
func TestPolicyNeedsOnlyWhatConcernsAWS(t *testing.T) {
	t.Parallel()
	environ := []string{
		firstProvider + "region=eu-west-1", "gravitee_integration_providers_0_type=aws-api-gateway",
		"gravitee_integration_connector_ws_headers_0_name=Authorization",
		"gravitee_integration_connector_ws_ssl_truststore_type=PEM",
		"gravitee_integration_connector_ws_ssl_truststore_path=/is/not/here",
	}
	if out, faults, code := said(environ, "policy", "--of=permissions"); code != exitOrderly || !strings.Contains(out, "eu-west-1") {
		t.Errorf("exit code %d\n%s%s", code, out, faults)
	}
	environ = append(environ, firstProvider+"rolearn="+aRole)
	if out, faults, code := said(environ, "policy", "--of=permissions"); code != exitConfiguration || out != "" {
		t.Errorf("a misspelt role: exit code %d\n%s%s", code, out, faults)
	}
}

// The documents of many regions outgrow what IAM takes; a note says so before IAM does.
func TestPolicyNotesWhereADocumentIsTooLongForIAM(t *testing.T) {
	t.Parallel()
	all := region.All()
	for n, want := range map[int]string{
		1: "", 8: "too long for an inline policy of a user", 20: "fits only a role's inline policies",
		len(all): "too long for IAM (10240)",
	} {
		set := twoProviders(secondProvider + "region=" + strings.Join(all[:n], ","))
		set = slices.DeleteFunc(set, func(s string) bool { return s == secondProvider+"region=us-east-1" })
		_, notes, code := said(set, "policy", "--of=permissions", "--for=providers[1]")
		if code != exitOrderly || !strings.Contains(notes, want) || (want == "") != (notes == "") {
			t.Errorf("%d regions: exit code %d, %s", n, code, notes)
		}
	}
}

func TestPolicySaysWhatEachOptionalGrantDoesAndHasItOnlyWhereItIsSet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ set, off, on, statement string }{
		{
			"gravitee_agent_keys_lookup=", "Optional: with agent.keys.lookup=true",
			"Optional: apigateway:GET on /apikeys is for agent.keys.lookup", `"LookForKeys"`,
		},
		{
			"gravitee_agent_discovery_customDomains=", "Optional: with agent.discovery.customDomains=true",
			"on /domainnames are for agent.discovery.customDomains", `"ReadCustomDomains"`,
		},
	} {
		for value, want := range map[string]string{"false": c.off, "true": c.on} {
			set := append(twoProviders(), c.set+value)
			out, _, _ := said(set, "policy")
			document, notes, code := said(set, "policy", "--of=permissions", "--for=providers[1]")
			granted := strings.Contains(document, c.statement)
			if code != exitOrderly || !strings.Contains(out, want) || granted != (value == "true") || notes != "" {
				t.Errorf("%s%s: exit code %d %s\n%s\n%s", c.set, value, code, notes, document, out)
			}
		}
	}
}

// oneProvider is the first one alone, with a queue of events, and without anything of APIM.
func oneProvider(more ...string) []string {
	return append([]string{
		"gravitee_integration_providers_0_type=aws-api-gateway", firstProvider + "region=us-east-1",
		"gravitee_agent_events_queueUrl=https://sqs.eu-west-1.amazonaws.com/123456789012/federation-events",
	}, more...)
}

func TestPolicyGrantsTheQueueOfEventsToWhomReadsIt(t *testing.T) {
	t.Parallel()
	const role = "arn:aws:iam::111122223333:role/team/events"
	const queue = "arn:aws:sqs:eu-west-1:123456789012:federation-events"
	for name, c := range map[string]struct {
		more      []string
		holder    string
		printed   []string
		unprinted string
	}{
		"the identity": {
			holder: "default-chain",
			printed: []string{
				"sqs:DeleteMessage: deletes each event", "Without it, the agent hears of no change", "not of account 123456789012",
				"Optional: sqs:ReceiveMessage and sqs:DeleteMessage are for agent.events.queueUrl", "RoleName=NAME_OF_THE_ROLE",
			},
			unprinted: "--of assume-role",
		},
		"a role of its own": {
			more:   []string{"gravitee_agent_events_roleArn=" + role, "gravitee_agent_aws_externalId=my-organization"},
			holder: role,
			printed: []string{
				"--of assume-role --for default-chain", "--of permissions --for default-chain", "--of trust --for " + role,
				`"sts:ExternalId": "my-organization"`, "RoleName=events", "kms:Decrypt",
				"the role is of account 111122223333, and the queue of 123456789012",
			},
			unprinted: "RoleArns=",
		},
		"a role that reads APIs, too": {
			more:    []string{"gravitee_agent_events_roleArn=" + aRole, firstProvider + "roleArn=" + aRole},
			holder:  aRole,
			printed: []string{"--of permissions --for " + aRole, "RoleArns=" + aRole + "\n"},
		},
	} {
		set := oneProvider(c.more...)
		out, faults, code := said(set, "policy")
		for _, words := range c.printed {
			if !strings.Contains(out, words) {
				t.Errorf("%s: not printed: %s\n%s", name, words, out)
			}
		}
		if code != exitOrderly || c.unprinted != "" && strings.Contains(out, c.unprinted) ||
			strings.Contains(out, "with agent.events.queueUrl") || !strings.Contains(out, "GraviteeFederationEvents.yml makes") {
			t.Errorf("%s: exit code %d %s\n%s", name, code, faults, out)
		}
		document, _, _ := said(set, "policy", "--of=events", "--for="+c.holder)
		p, err := awssim.ParsePolicy([]byte(document))
		if err != nil || len(p.Statement) != 1 || len(p.Statement[0].Action) != 2 ||
			!slices.Equal(p.Statement[0].Resource, []string{queue}) {
			t.Errorf("%s: %v\n%s", name, err, document)
		}
	}
	out, _, _ := said(twoProviders(), "policy")
	if !strings.Contains(out, "Optional: with agent.events.queueUrl, sqs:ReceiveMessage and sqs:DeleteMessage on that queue") ||
		strings.Contains(out, "GraviteeFederationEvents") {
		t.Errorf("without a queue:\n%s", out)
	}
	if _, faults, code := said(oneProvider("gravitee_agent_events_region=Frankfurt"), "policy"); code != exitConfiguration ||
		!strings.Contains(faults, "gravitee_agent_events_region: ") {
		t.Errorf("exit code %d, %s", code, faults)
	}
}

func TestPolicyGrantsTheTableOfTheJournalApartFromItsMaking(t *testing.T) {
	t.Parallel()
	const role = "arn:aws:iam::111122223333:role/journal"
	for name, c := range map[string]struct {
		more          []string
		holder, table string
		printed       []string
	}{
		"the identity": {
			[]string{"gravitee_agent_aws_accountId=123456789012"}, "default-chain",
			"arn:aws:dynamodb:eu-west-1:123456789012:table/fed", []string{"dynamodb:DescribeTable: tells a restored table"},
		},
		"a role of its own": {
			[]string{"gravitee_agent_store_table_roleArn=" + role, "gravitee_agent_store_table_externalId=ours"}, role,
			"arn:aws:dynamodb:eu-west-1:111122223333:table/fed",
			[]string{"--of trust --for " + role, `"sts:ExternalId": "ours"`, "--of assume-role --for default-chain"},
		},
	} {
		set := oneProvider(append(c.more, "gravitee_agent_store_table_name=fed", "gravitee_agent_store_table_region=eu-west-1")...)
		out, faults, code := said(set, "policy")
		for _, words := range append(c.printed, "for federation-agent store create alone") {
			if !strings.Contains(out, words) {
				t.Errorf("%s: not printed: %s\n%s", name, words, out)
			}
		}
		if code != exitOrderly {
			t.Errorf("%s: exit code %d, %s", name, code, faults)
		}
		for kind, want := range map[string]struct {
			actions   int
			resources []string
		}{"table": {5, []string{c.table, c.table + "/index/open"}}, "create-table": {7, []string{c.table}}} {
			document, _, _ := said(set, "policy", "--of="+kind, "--for="+c.holder)
			p, err := awssim.ParsePolicy([]byte(document))
			if err != nil || len(p.Statement) != 1 || len(p.Statement[0].Action) != want.actions ||
				!slices.Equal(p.Statement[0].Resource, want.resources) {
				t.Errorf("%s, %s: %v\n%s", name, kind, err, document)
			}
		}
	}
	if out, _, _ := said(oneProvider(), "policy"); strings.Contains(out, "dynamodb") {
		t.Errorf("without a table:\n%s", out)
	}
}

func TestPolicyNamesTheTemplateOfOptionalGrantsWithThoseThatAreSet(t *testing.T) {
	t.Parallel()
	for want, set := range map[string][]string{
		"":                   {"gravitee_agent_discovery_customDomains=false", "gravitee_agent_keys_lookup=false"},
		"CustomDomains=true": {"gravitee_agent_discovery_customDomains=true"},
		"KeyLookup=true":     {"gravitee_agent_keys_lookup=true"},
		"ListRegions=true": {
			secondProvider + "accounts_0_roleArn=" + anotherRole, secondProvider + "accounts_0_regions=all",
		},
		"CustomDomains=true KeyLookup=true": {
			"gravitee_agent_discovery_customDomains=true", "gravitee_agent_keys_lookup=true",
		},
	} {
		out, _, code := said(twoProviders(append(set, secondProvider+"roleArn=arn:aws:iam::111122223333:role/GFTR")...), "policy")
		_, after, named := strings.Cut(out, "GraviteeFederationOptionalGrants.yml makes what")
		_, after, _ = strings.Cut(after, "RoleName=NAME_OF_THE_ROLE_THAT_READS")
		if got := strings.Join(strings.Fields(after), " "); code != exitOrderly || named != (want != "") || got != want ||
			!strings.Contains(out, "GraviteeFederationRoles.yml makes") {
			t.Errorf("%s: exit code %d, %q\n%s", want, code, got, out)
		}
	}
}

func TestConfigPrintShowsOriginsAndNoSecret(t *testing.T) {
	t.Parallel()
	environ := twoProviders("gravitee_agent_store_path=/var/lib/${MY_NAME}", "MY_NAME=agent",
		"gravitee_agent_apim_url=https://apim.example.com/management", "gravitee_agent_apim_token="+hiddenKey,
		"gravitee_agent_apim_environmentId=DEFAULT", "gravitee_agent_ingest_schedule=30 4 * * *")
	for _, args := range [][]string{nil, {"--all"}, {"--json"}, {"--all", "--json"}} {
		out, warnings, code := said(environ, append([]string{"config", "print"}, args...)...)
		if code != exitOrderly || strings.Contains(out+warnings, hiddenKey) || strings.Contains(out, "AKIAIOSFODNN7EXAMPLE") {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, warnings)
		}
		if isAll := slices.Contains(args, "--all"); strings.Contains(out, "agent.quota.share") != isAll {
			t.Errorf("%v: defaults\n%s", args, out)
		}
	}
	out, _, _ := said(environ, "config", "print")
	columns := regexp.MustCompile(" {2,}").ReplaceAllString(out, "|")
	for _, line := range []string{
		"integration.connector.ws.headers[0].value|secret://aws/prod/apim:token|gravitee_integration_connector_ws_headers_0_value",
		"integration.providers[1].configuration.secretAccessKey|[redacted]|" + secondProvider + "secretAccessKey",
		"agent.store.path|/var/lib/agent|gravitee_agent_store_path, with MY_NAME",
	} {
		if !strings.Contains(columns, "\n"+line+"\n") {
			t.Errorf("not printed: %s\n%s", line, columns)
		}
	}
	if !strings.Contains(out, "30 4 * * * (next at ") {
		t.Errorf("the next scheduled ingests are not shown\n%s", out)
	}
	out, _, _ = said(environ, "config", "print", "--json")
	var settings []config.Setting
	if err := json.Unmarshal([]byte(out), &settings); err != nil || len(settings) != 18 {
		t.Errorf("%v, %d settings\n%s", err, len(settings), out)
	}
}

// What is wrong is printed behind what was found, with the exit code of a faulty configuration.
func TestConfigPrintShowsAFaultyConfigurationToo(t *testing.T) {
	t.Parallel()
	out, faults, code := said(twoProviders("gravitee_agent_quota_share="+hiddenKey), "config", "print")
	if code != exitConfiguration || !strings.Contains(out, "(faulty)") || !strings.Contains(out, "aws-api-gateway") ||
		!strings.Contains(faults, "fault: gravitee_agent_quota_share: ") || strings.Contains(out+faults, hiddenKey) {
		t.Errorf("exit code %d\n%s%s", code, out, faults)
	}
	if out, _, code = said(nil, "config"); code != exitOrderly || !strings.Contains(out, "print  ") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if out, _, _ = said(nil, "config", "print", "--json"); strings.TrimSpace(out) != "[]" {
		t.Errorf("nothing set is %s", out)
	}
}
