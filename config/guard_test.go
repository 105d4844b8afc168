package config_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"federation-agent/config"
)

// keyOf gives a pattern the index 0, and a user's password the user admin.
func keyOf(pattern string) string {
	return strings.NewReplacer("#", "0", "NAME", "admin").Replace(pattern)
}

// nested writes a key as nested YAML, with text as its value. A list has one element.
func nested(key, text string) string {
	var b strings.Builder
	depth := 0
	for part := range strings.SplitSeq(strings.ReplaceAll(key, "[0]", ".-"), ".") {
		if part == "-" {
			b.WriteString("\n" + strings.Repeat(" ", depth) + "- ")
			depth += 2
			continue
		}
		if !strings.HasSuffix(b.String(), "- ") {
			b.WriteString("\n" + strings.Repeat(" ", depth))
		}
		b.WriteString(part + ":")
		depth++ // behind a hyphen, this is one more than the column
	}
	return b.String() + " " + text + "\n"
}

func fromYAML(environ []string, content string) config.Sources {
	return config.Sources{Environ: environ, Files: []string{"g.yml"}, ReadFile: files{"g.yml": content}.read}
}

func TestTheSettingsThatAreNeverIgnored(t *testing.T) {
	served := config.Guarded()
	want := strings.Fields(`integration.connector.ws.endpoints[#] integration.connector.ws.headers[#].name
		integration.connector.ws.headers[#].value
		integration.connector.ws.ssl.trustAll integration.connector.ws.ssl.verifyHost
		integration.connector.ws.ssl.keystore.type integration.connector.ws.ssl.keystore.path
		integration.connector.ws.ssl.keystore.password integration.connector.ws.ssl.keystore.alias
		integration.connector.ws.ssl.truststore.type integration.connector.ws.ssl.truststore.path
		integration.connector.ws.ssl.truststore.content integration.connector.ws.ssl.truststore.password
		integration.connector.ws.ssl.truststore.alias
		integration.connector.ws.proxy.enabled integration.connector.ws.proxy.useSystemProxy
		integration.connector.ws.proxy.type integration.connector.ws.proxy.host integration.connector.ws.proxy.username
		integration.connector.ws.proxy.password system.proxy.type system.proxy.host system.proxy.username
		system.proxy.password
		integration.providers[#].type integration.providers[#].integrationId
		integration.providers[#].configuration.region integration.providers[#].configuration.roleArn
		integration.providers[#].configuration.accounts[#].roleArn
		integration.providers[#].configuration.accounts[#].externalId
		integration.providers[#].configuration.accounts[#].regions
		integration.providers[#].configuration.accessKeyId integration.providers[#].configuration.secretAccessKey
		integration.providers[#].configuration.sessionToken integration.providers[#].configuration.#_stage
		integration.providers[#].configuration.filter.includeApis[#]
		integration.providers[#].configuration.filter.excludeApis[#]
		integration.providers[#].configuration.filter.includeApiTags[#]
		integration.providers[#].configuration.filter.excludeApiTags[#]
		integration.providers[#].configuration.filter.includeStages[#]
		integration.providers[#].configuration.filter.excludeStages[#]
		integration.providers[#].configuration.filter.includeStageTags[#]
		integration.providers[#].configuration.filter.excludeStageTags[#] cloud.token
		secrets.kubernetes.namespace secrets.kubernetes.kubeConfigFile secrets.aws.region secrets.aws.auth.provider
		secrets.aws.auth.config.accessKeyId secrets.aws.auth.config.secretAccessKey secrets.aws.endpointOverride
		services.core.http.host services.core.http.authentication.type
		services.core.http.authentication.users.NAME
		services.core.http.secured services.core.http.ssl.tlsProtocols services.core.http.ssl.tlsCiphers
		services.core.http.ssl.clientAuth
		services.core.http.ssl.keystore.type services.core.http.ssl.keystore.path services.core.http.ssl.keystore.password
		services.core.http.ssl.keystore.alias services.core.http.ssl.truststore.type services.core.http.ssl.truststore.path
		services.core.http.ssl.truststore.content services.core.http.ssl.truststore.password
		services.core.http.ssl.truststore.alias
		agent.node.hostNames agent.cloud.path agent.apim.url agent.apim.token agent.apim.environmentId agent.events.roleArn
		agent.aws.accountId agent.aws.roleSessionName agent.aws.externalId agent.store.table.name agent.store.table.region
		agent.store.table.roleArn agent.store.table.externalId agent.store.table.endpoint`)
	if !slices.Equal(served, want) {
		t.Errorf("%s", strings.Join(served, "\n"))
	}
}

// takesSeveral are the settings that take several values with commas, and so may be lists.
var takesSeveral = regexp.MustCompile(`\.(configuration\.(region|roleArn)|regions|tlsProtocols|tlsCiphers|hostNames)$`)

func TestASettingThatIsNeverIgnoredRefusesEachWrongShape(t *testing.T) {
	for _, pattern := range config.Guarded() {
		key := keyOf(pattern)
		environ := without(seed(), config.VariableName(pattern))
		for _, shape := range []string{
			"[AKIAIOSFODNN7EXAMPLE]", "[your-value]", "['eu-west-1', us-east-1]", "[]", "[[x]]", "[{a: b}]", "[null]",
			"{}", "{value: x}", "{a: {b: c}}", "&a [x]", "!!seq [x]",
		} {
			for name, content := range map[string]string{
				"nested":    nested(key, shape),
				"one line":  `"` + key + `": ` + shape + "\n",
				"an anchor": "x: &x " + shape + nested(key, "*x"),
			} {
				if name != "nested" && shape != "[AKIAIOSFODNN7EXAMPLE]" && shape != "{value: x}" {
					continue
				}
				want := "must be one value"
				switch isListed := takesSeveral.MatchString(pattern); {
				case isListed && shape == "[your-value]":
					want = "still contains a placeholder"
				case isListed && (shape == "[]" || shape == "[[x]]" || shape == "[{a: b}]" || shape == "[null]"):
					want = "element"
				case isListed && !strings.Contains(shape, "{"):
					continue // TestSeveralValuesMayBeAListInYAML
				}
				faults := strings.Split(faultsOf(t, fromYAML(environ, content)).Error(), "\n")
				if !strings.Contains(faults[0], key+": ") || !strings.Contains(faults[0], want) {
					t.Errorf("%s, %s:%s\n%s", name, key, content, faults[0])
				}
				if len(faults) > 1 && !strings.Contains(pattern, "connector") && !strings.Contains(pattern, "#_stage") {
					t.Errorf("%s has more than one fault: %s", key, strings.Join(faults, "\n"))
				}
			}
		}
	}
}

// choices are the last names of settings that take some words only, with those of them that are tried below.
var choices = map[string]string{
	"type": "None", "clientAuth": "None true FALSE", "trustAll": "true FALSE", "verifyHost": "true FALSE",
	"enabled": "true FALSE", "useSystemProxy": "true FALSE", "secured": "true FALSE",
	"provider": "",
}

func TestASettingThatIsNeverIgnoredRefusesWhatIsNotTheValueItself(t *testing.T) {
	served := config.Guarded()
	for _, pattern := range served {
		variable := strings.ReplaceAll(config.VariableName(pattern), "NAME", "admin")
		for value, want := range map[string]string{
			`"AKIAIOSFODNN7EXAMPLE"`: "a quote", `'bearer x'`: "a quote", "“eu-west-1”": "a quote", "``": "a quote",
			`""`: "a quote", "«x»": "a quote", "‘x’": "a quote", "„x“": "a quote",
			"[AKIAIOSFODNN7EXAMPLE]": "in brackets", "[]": "in brackets", "<token>": "in brackets", "{x}": "in brackets",
			`["x", "y"]`: "in brackets", "[a],[b]": "in brackets", "[your-value]": "placeholder",
			"null": "stands for no value", "None": "stands for no value", "<no value>": "in brackets",
			"undefined": "stands for no value", "true": "stands for no value", "FALSE": "stands for no value",
		} {
			if words, isChoice := choices[pattern[strings.LastIndex(pattern, ".")+1:]]; isChoice &&
				pattern != "integration.providers[#].type" {
				if slices.Contains(strings.Fields(words), value) && (value != "None" || !strings.Contains(pattern, "proxy")) {
					continue // one of the words
				}
				want = "is n" // not one of …, neither true nor false
			}
			for name, src := range map[string]config.Sources{
				variable: sources(seed(variable + "=" + value)...),
				keyOf(pattern): fromYAML(without(seed(), config.VariableName(pattern)),
					nested(keyOf(pattern), "'"+strings.ReplaceAll(value, "'", "''")+"'")),
			} {
				if name == keyOf(pattern) && !strings.ContainsAny(value, `"[`) {
					continue // the same check for both sources
				}
				got, _, _ := strings.Cut(faultsOf(t, src).Error(), "\n")
				if !strings.Contains(got, name+": ") || !strings.Contains(got, want) {
					t.Errorf("%s=%s: %s", name, value, got)
				}
			}
		}
	}
}

func TestAListOrAMappingOfTheWrongShapeIsAFault(t *testing.T) {
	for content, want := range map[string]string{
		"integration: {providers: {type: aws-api-gateway}}":                          "providers: must be a list",
		"integration: {providers: aws-api-gateway}":                                  "providers: must be a list",
		"integration: {providers: [aws-api-gateway]}":                                "providers[0]: must be a mapping",
		"integration: {providers: [[x]]}":                                            "providers[0]: must be a mapping",
		"integration: {providers: [{configuration: [x]}]}":                           "configuration: must be a mapping",
		"integration: {providers: [{configuration: x}]}":                             "configuration: must be a mapping",
		"integration: {connector: {ws: {endpoints: https://x.example}}}":             "ws.endpoints: must be a list",
		"integration: {connector: {ws: {endpoints: {0: https://x.example}}}}":        "ws.endpoints: must be a list",
		"integration: {connector: {ws: {endpoints: [x, {url: https://x.example}]}}}": "ws.endpoints[1]: is a mapping",
		"integration: {connector: {ws: {headers: {Authorization: bearer x}}}}":       "ws.headers: must be a list",
		"integration: {connector: {ws: {headers: [Authorization: {value: x}]}}}":     "Authorization.value: is not",
		"integration: {connector: {ws: {ssl: true}}}":                                "ws.ssl: must be a mapping",
		"integration: {connector: {ws: {proxy: [x]}}}":                               "ws.proxy: must be a mapping",
		"integration: x":      "integration: must be a mapping",
		"cloud: x":            "cloud: must be a mapping",
		"cloud: [{token: x}]": "cloud: must be a mapping",
		"services: {core: {http: {authentication: none}}}":                        "authentication: must be a mapping",
		"services: {core: {http: {authentication: {users: [admin]}}}}":            "users: must be a mapping",
		"services: {core: {http: {authentication: {users: 'admin:x'}}}}":          "users: must be a mapping",
		"services: {core: {http: {authentication: {users: {a: {password: x}}}}}}": "users.a: is a mapping",
		"agent: {log: {level: [debug]}}":                                          "agent.log.level: is a list",
		"agent: {aws: []}\nservices: {core: {http: {enabled: [false]}}}":          "http.enabled: is a list",
		"x: &x text\nintegration: {connector: {<<: *x}}":                          "integration.connector: must be a mapping",
		"agent: {aws: {externalId: ab}}\nagent.aws.externalId: cd":                "is set twice",
		"agent: {aws: {accountId: '123456789012', accountid: '210987654321'}}":    "did you mean agent.aws.accountId?",
		"integration: {connector: {ws: {ssl: {trustAll: [false]}}}}":              "ssl.trustAll: is a list",
		"x: &x {aws: {externalId: ab}}\nagent: {<<: *x, aws: {externalId: [cd]}}": "agent.aws.externalId: is a list",
	} {
		faults := strings.Split(faultsOf(t, fromYAML(seed(), content+"\n")).Error(), "\n")
		if len(faults) != 1 || !strings.Contains(faults[0], want) {
			t.Errorf("%s\n%s\nwant %s", content, strings.Join(faults, "\n"), want)
		}
	}
}

func TestAWrongShapeThatIsOverriddenIsNoFault(t *testing.T) {
	environ := seed(provider0 + "configuration_roleArn=arn:aws:iam::123456789012:role/r")
	cfg, warnings := mustLoad(t, fromYAML(environ,
		"integration: {providers: [{configuration: {roleArn: [x], accessKeyId: [y], region: }}]}\n"+
			"agent: {log: {}, aws: }\nservices: {core: {http: {authentication: {users: {}}}}}\ncloud: ''\n"))
	wantWarnings(t, warnings)
	if roles := cfg.Providers[0].RoleARNs; len(roles) != 1 || cfg.Providers[0].AccessKeyID.Reveal() != "AKIAIOSFODNN7EXAMPLE" {
		t.Errorf("%v", roles)
	}
}

func TestSeveralValuesMayBeAListInYAML(t *testing.T) {
	const one, two = "arn:aws:iam::123456789012:role/a", "arn:aws:iam::210987654321:role/b"
	environ := without(seed(), provider0+"configuration_region")
	cfg, warnings := mustLoad(t, fromYAML(environ, `regions: &regions [eu-west-1, "us-east-1"]
integration:
  providers:
    - configuration:
        region: *regions
        roleArn:
          - `+one+`
        accounts: [{roleArn: `+two+`, regions: [eu-central-1]}]
agent: {node: {hostNames: [a.example, b.example]}}
`))
	wantWarnings(t, warnings, "regions.* is not read: this agent has no such settings "+
		"(found: g.yml:1: regions[0], g.yml:1: regions[1])")
	p := cfg.Providers[0]
	got := slices.Concat(p.Regions, p.RoleARNs, p.Accounts[0].Regions, cfg.Agent.Node.HostNames)
	want := []string{"eu-west-1", "us-east-1", one, "eu-central-1", "a.example", "b.example"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for value, want := range map[string]string{
		"[]":                         "is a list without elements",
		"[eu-west-1, ]":              "",
		"[eu-west-1, 'us-east-1,b']": "without a comma in it",
		"[eu-west-1, ~]":             "each be one plain value",
		"[eu-west-1, '']":            "each be one plain value",
		"[[eu-west-1]]":              "each be one plain value",
		"[{name: eu-west-1}]":        "each be one plain value",
		"[your-aws-region]":          "still contains a placeholder of the example file",
		"[aws-region]":               `"aws-region" is not an AWS region`,
		"['[eu-west-1]']":            "is in brackets",
		"'[eu-west-1]'":              "is in brackets",
		"[eu-west-1, eu-west-1]":     "",
	} {
		src := fromYAML(environ, "integration: {providers: [{configuration: {region: "+value+"}}]}")
		if want == "" {
			if cfg, _ := mustLoad(t, src); !slices.Equal(cfg.Providers[0].Regions, []string{"eu-west-1"}) {
				t.Errorf("%s: %q", value, cfg.Providers[0].Regions)
			}
			continue
		}
		wantFaults(t, faultsOf(t, src), want)
	}
}

func TestANumberOrAWordIsTakenAsItIsWritten(t *testing.T) {
	cfg, _ := mustLoad(t, fromYAML(without(seed(), provider0+"integrationId"), `integration:
  providers:
    - integrationId: 0123
      configuration: {0_stage: 012, 1_stage: yes, accessKeyId: null}
agent: {aws: {accountId: 012345678901, externalId: 0x1F, roleSessionName: 1e3}}
services: {core: {http: {authentication: {users: {admin: 0777}}}}}
`))
	p, a := cfg.Providers[0], cfg.Agent.AWS
	got := []string{p.IntegrationID, p.Stages[0], p.Stages[1], a.AccountID, a.ExternalID, a.RoleSessionName,
		cfg.Services.HTTP.Authentication.Users["admin"].Reveal()}
	if want := []string{"0123", "012", "yes", "012345678901", "0x1F", "1e3", "0777"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAnAccessKeyHasTheFormOfOne(t *testing.T) {
	id, key := provider0+"configuration_accessKeyId", provider0+"configuration_secretAccessKey"
	for assignment, want := range map[string]string{
		id + "=012":                             "has not the form of an access key id",
		id + `="AKIAIOSFODNN7EXAMPLE`:           "has not the form of an access key id",
		id + "=export AKIAIOSFODNN7EXAMPLE":     "has not the form of an access key id",
		id + "=AKIAIOSFODNN7EXAMPLE, ":          "has not the form of an access key id",
		id + "=" + secretKey:                    "has not the form of an access key id",
		id + "=ASIAIOSFODNN7EXAMPLE":            "sessionToken: is missing: the access key is a temporary one (ASIA…)",
		key + "=012":                            "has not the form of a secret access key",
		key + "=" + secretKey + `"`:             "has not the form of a secret access key",
		key + "=”" + secretKey:                  "has not the form of a secret access key",
		key + "=export " + secretKey:            "has not the form of a secret access key",
		key + "=" + secretKey + " # of staging": "has not the form of a secret access key",
	} {
		faults := faultsOf(t, sources(seed(assignment)...))
		wantFaults(t, faults, want)
		if strings.Contains(faults.Error(), secretKey) {
			t.Errorf("%v", faults)
		}
	}
}

func TestAMisspeltNameOfWhatIsNeverIgnoredIsAFaultWithTheNearestByMeaning(t *testing.T) {
	const configuration = provider0 + "configuration_"
	for name, nearest := range map[string]string{
		provider0 + "stage":                                configuration + "0_stage",
		provider0 + "0_stage":                              configuration + "0_stage",
		provider0 + "stages":                               configuration + "0_stage",
		configuration + "stage":                            configuration + "0_stage",
		configuration + "stages_0":                         configuration + "0_stage",
		provider0 + "roleArn":                              configuration + "roleArn",
		provider0 + "role_arns":                            configuration + "roleArn",
		provider0 + "region":                               configuration + "region",
		provider0 + "aws_region":                           configuration + "region",
		provider0 + "accessKeyId":                          configuration + "accessKeyId",
		provider0 + "secretAccessKey":                      configuration + "secretAccessKey",
		provider0 + "sessionToken":                         configuration + "sessionToken",
		provider0 + "externalId":                           "gravitee_agent_aws_externalId",
		configuration + "externalId":                       configuration + "accounts_0_externalId",
		configuration + "accounts_0_region":                configuration + "accounts_0_regions",
		configuration + "accounts_1_role":                  configuration + "accounts_1_roleArn",
		configuration + "accountId":                        "gravitee_agent_aws_accountId",
		configuration + "roleArn_0":                        configuration + "roleArn",
		configuration + "region_0":                         configuration + "region",
		configuration + "role":                             configuration + "roleArn",
		configuration + "roles_0":                          configuration + "roleArn",
		configuration + "secretKey":                        configuration + "secretAccessKey",
		configuration + "secret":                           configuration + "secretAccessKey",
		configuration + "access_key":                       configuration + "accessKeyId",
		provider0 + "integration":                          provider0 + "integrationId",
		configuration + "integrationId":                    provider0 + "integrationId",
		configuration + "type":                             provider0 + "type",
		"gravitee_integration_integrationId":               provider0 + "integrationId",
		"gravitee_integration_type":                        provider0 + "type",
		"gravitee_integration_region":                      configuration + "region",
		"gravitee_integration_0_roleArn":                   configuration + "roleArn",
		"gravitee_integration_endpoints_0":                 ws + "endpoints_0",
		"gravitee_integration_connector_endpoints":         ws + "endpoints_0",
		"gravitee_integration_connector_endpoints_1":       ws + "endpoints_1",
		"gravitee_integration_connector_headers_0_value":   ws + "headers_0_value",
		"gravitee_connector_ws_endpoints_0":                ws + "endpoints_0",
		"gravitee_providers_0_configuration_roleArn":       configuration + "roleArn",
		"gravitee_integrations_providers_0_roleArn":        configuration + "roleArn",
		"gravitee_integratin_connector_ws_endpoints_1":     ws + "endpoints_1",
		"export " + configuration + "roleArn":              configuration + "roleArn",
		provider0 + "integrationid":                        provider0 + "integrationId",
		"integration_providers_0_configuration_acessKeyId": configuration + "accessKeyId",
		"GRAVITEE_INTEGRATION_PROVIDERS_1_CONFIGURATION_ROLE_ARN": "" +
			"gravitee_integration_providers_1_configuration_roleArn",
		ws + "endpoint_0":                    ws + "endpoints_0",
		ws + "endpoints":                     ws + "endpoints_0",
		ws + "headers_3_nme":                 ws + "headers_3_name",
		ws + "trustAll":                      ws + "ssl_trustAll",
		"gravitee_agent_accountId":           "gravitee_agent_aws_accountId",
		"gravitee_cloud_tokens":              "gravitee_cloud_token",
		"gravitee_cloud_token_0":             "gravitee_cloud_token",
		nodeHTTP + "authentication_typ":      nodeHTTP + "authentication_type",
		"gravitee_services_core_http_securd": nodeHTTP + "secured",
	} {
		wantFaults(t, faultsOf(t, sources(seed(name+"=x")...)),
			name+": is not a setting of this agent; did you mean "+nearest+"? ")
	}
	for content, nearest := range map[string]string{
		"integration: {providers: [{stage: x}]}":                   "integration.providers[0].configuration.0_stage",
		"integration: {providers: [{configuration: {stages: x}}]}": "integration.providers[0].configuration.0_stage",
		"integration: {providers: [{roleArn: x}]}":                 "integration.providers[0].configuration.roleArn",
		"integration: {provider: [{roleArn: [x]}]}":                "integration.providers[0].configuration.roleArn",
		"integrations: {providers: [{roleArn: x}]}":                "integration.providers[0].configuration.roleArn",
		"integration: {connector: {endpoints: [x]}}":               "integration.connector.ws.endpoints[0]",
		"gravitee_integration_providers_0_type: x":                 "integration.providers[0].type",
		"gravitee: {integration: {providers: [{typ: x}]}}":         "integration.providers[0].type",
		"providers: [{configuration: {roleArn: x}}]":               "integration.providers[0].configuration.roleArn",
		"connector: {ws: {endpoints: [x]}}":                        "integration.connector.ws.endpoints[0]",
		"integration: {integrationId: x}":                          "integration.providers[0].integrationId",
		"cloud: {tokn: x}":                                         "cloud.token",
	} {
		wantFaults(t, faultsOf(t, fromYAML(seed(), content+"\n")),
			"is not a setting of this agent; did you mean "+nearest+"? ")
	}
	for _, name := range []string{
		configuration + "profile", configuration + "credentials_0", ws + "zzz", nodeHTTP + "authentication_user_admin",
		nodeHTTP + "user_admin", nodeHTTP + "password_of_admin", "gravitee_services_http_zz", nodeHTTP + "auth_zz",
		"gravitee_services_core_auth_zz", "gravitee_agent_aws_profile", nodeHTTP + "authentication",
	} {
		wantFaults(t, faultsOf(t, sources(seed(name+"=x")...)), name+": is not a setting of this agent; below ")
	}
}
