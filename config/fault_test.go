package config_test

import (
	"errors"
	"strings"
	"testing"

	"federation-agent/config"
)

const provider0 = "gravitee_integration_providers_0_"

func TestAFaultIsOneLineWithTheVariableAndAnAcceptedExample(t *testing.T) {
	for name, tc := range map[string]struct {
		environ []string
		want    string
	}{
		"bad region": {seed(provider0 + "configuration_region=eu-wset-1"),
			provider0 + `configuration_region: "eu-wset-1" is not an AWS region; did you mean eu-west-1? ` +
				"(for example gravitee_integration_providers_0_configuration_region=eu-west-1)"},
		"missing endpoint": {without(seed(), "gravitee_integration_connector_ws_endpoints_0"),
			ws + "endpoints_0: is missing: the address of APIM's integration controller " +
				"(for example " + ws + "endpoints_0=https://apim.example.com/integration-controller)"},
		"missing integration id": {without(seed(), provider0+"integrationId"),
			provider0 + "integrationId: is missing: the id that the integration's Overview page in the APIM console shows " +
				"(for example " + provider0 + "integrationId=7a1d6fa5-3a1e-4c8e-9d6f-a53a1e0c8e12)"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := faultsOf(t, sources(tc.environ...)).Error(); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}

func TestAFaultNamesTheVariableAsTheUserSpelledIt(t *testing.T) {
	for _, name := range []string{"GRAVITEE_AGENT_QUOTA_SHARE", "gravitee.agent.quota.share", "agent_quota_share"} {
		wantFaults(
			t,
			faultsOf(t, sources(seed(name+"=700")...)),
			name+`: "700" is not between 1 and 100 (for example `+name+"=50)",
		)
	}
	yaml := files{"conf/g.yml": "agent:\n  quota:\n    share: seventy\n"}
	wantFaults(t, faultsOf(t, config.Sources{Environ: seed(), Files: []string{"conf/g.yml"}, ReadFile: yaml.read}),
		`conf/g.yml:3: agent.quota.share: "seventy" is not a whole number, or auto (for example agent.quota.share: 50)`)
}

func TestAFaultOfAStageBehindBlanksNamesItsOwnVariable(t *testing.T) {
	wantFaults(t, faultsOf(t, sources(seed(provider0+"configuration_5_stage=prod,dev")...)),
		provider0+`configuration_5_stage: "prod,dev" is not a stage name`)
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	faults := faultsOf(t, sources(seed(
		"gravitee_agent_log_level=loud",
		"gravitee_agent_commands_maxOpen=99999999999999999999",
		provider0+"configuration_acceptApiWithoutUsagePlan=maybe",
		ws+"endpoints_0=ftp://x",
		provider0+"type=kong",
		provider0+"configuration_region=a,us-east-1,b",
		"gravitee_agent_ingest_batchDelay=10",
		"gravitee_agent_ingest_batchBytes=12 parsecs",
		"gravitee_agent_quota_rate=NaN",
		"gravitee_agent_cache_maxBytes=-1",
	)...))
	wantFaults(t, faults,
		`gravitee_agent_cache_maxBytes: "-1" is not a size such as 65536, 512KiB or 8MiB`,
		`gravitee_agent_commands_maxOpen: "99999999999999999999" is not a whole number`,
		`gravitee_agent_ingest_batchBytes: "12 parsecs" is not a size`,
		`gravitee_agent_ingest_batchDelay: "10" is not a duration such as 500ms, 10s or 1m30s`,
		`gravitee_agent_log_level: "loud" is not one of debug, info, warn, error`,
		`gravitee_agent_quota_rate: "NaN" is not a number`,
		provider0+`configuration_acceptApiWithoutUsagePlan: "maybe" is neither true nor false`,
		`gravitee_integration_connector_ws_endpoints_0: has the scheme "ftp"`,
		provider0+`type: "kong" is not served; this agent is for aws-api-gateway`,
		provider0+`configuration_region: "a" is not an AWS region`,
		provider0+`configuration_region: "b" is not an AWS region`,
	)
	var first config.Fault
	if !errors.As(faults, &first) || first.Variable != "gravitee_agent_cache_maxBytes" {
		t.Errorf("errors.As gives %+v", first)
	}
}

func TestALaterProviderIsCheckedThoughNothingOfTheFirstOneCanBeRead(t *testing.T) {
	const first, second = "gravitee_integration_providers_0_", "gravitee_integration_providers_1_"
	environ := append([]string{second + "type=kong"}, without(seed(), first+"type", first+"configuration_region",
		first+"configuration_accessKeyId", first+"configuration_secretAccessKey", first+"integrationId")...)
	wantFaults(
		t,
		faultsOf(t, sources(append(environ, first+"type=${NOBODY}")...)),
		first+"type: the placeholder",
		first+"integrationId: is missing",
		first+"configuration_region: is missing",
		second+`type: "kong" is not served`,
		second+"integrationId: is missing",
		second+"configuration_region: is missing",
	)
}

func TestAnEmptyEnvironmentNamesAllThatIsNeeded(t *testing.T) {
	wantFaults(
		t,
		faultsOf(t, sources()),
		"gravitee_integration_connector_ws_endpoints_0: is missing",
		provider0+"type: is missing",
		provider0+"integrationId: is missing",
		provider0+"configuration_region: is missing",
	)
}

func TestValuesThatAreRefused(t *testing.T) {
	endpoint, header := "gravitee_integration_connector_ws_endpoints_0", "gravitee_integration_connector_ws_headers_0_"
	roles := provider0 + "configuration_roleArn"
	for name, tc := range map[string]struct{ assignment, want string }{
		"endpoint without scheme":   {endpoint + "=apim.example.com", endpoint + ": has no scheme"},
		"endpoint of host and port": {endpoint + "=apim.example.com:8072", endpoint + ": has the scheme"},
		"endpoint that is a path":   {endpoint + "=/just/a/path", endpoint + ": has no scheme"},
		"endpoint with a bad port and a password": {
			endpoint + "=https://user:hunter2secret@h:bad", endpoint + ": is not a URL",
		},
		"endpoint without host":    {endpoint + "=https:///x", endpoint + ": names no host"},
		"endpoint with a password": {endpoint + "=https://u:" + secretKey + "@h", endpoint + ": "},
		"endpoint with userinfo": {
			endpoint + "=https://u:p@h",
			endpoint + ": must not contain a user name or password",
		},
		"endpoint with a fragment":     {endpoint + "=https://h/#x", endpoint + ": must not contain a fragment"},
		"endpoint with a port of 0":    {endpoint + "=https://h:0", endpoint + ": has a port that is not between"},
		"endpoint with a port too big": {endpoint + "=https://h:65536", endpoint + ": has a port that is not between"},
		"endpoint in quotes":           {endpoint + `="https://h"`, endpoint + ": contains a quote"},
		"endpoint template": {
			endpoint + "=https://[your-APIM-management-API-host]/x",
			endpoint + ": still contains a placeholder",
		},
		"endpoint that is no URL": {endpoint + "=https://%zz", endpoint + ": is not a URL"},
		"header name with a blank": {
			header + "name=Authori zation",
			header + `name: "Authori zation" is not the name of an HTTP header`,
		},
		"header of the handshake": {
			header + "name=Sec-WebSocket-Key",
			header + "name: \"Sec-WebSocket-Key\" is set by the connection itself",
		},
		"bearer without a token": {header + "value=bearer ", header + "value: has no token"},
		"token without a scheme": {
			header + "value=3b1f7c2e-0001",
			header + "value: has no scheme; write the word bearer and a space before the token",
		},
		"token template": {
			header + "value=bearer [your-token]",
			header + "value: still contains a placeholder",
		},
		"token with a line break":     {header + "value=bearer a\nb", header + "value: contains a line break"},
		"second header without value": {ws + "headers_1_name=X", ws + "headers_1_value: is missing"},
		"second header without name":  {ws + "headers_1_value=X", ws + "headers_1_name: is missing"},
		"integration id template": {
			provider0 + "integrationId=[your-integration-id]",
			provider0 + "integrationId: still contains a placeholder",
		},
		"integration id in quotes": {
			provider0 + `integrationId="x"`,
			provider0 + "integrationId: contains a quote at each end",
		},
		"integration id with a quote": {
			provider0 + `integrationId=x"y`,
			provider0 + "integrationId: contains a space or a quote",
		},
		"region template": {
			provider0 + "configuration_region=[your-aws-region]",
			provider0 + "configuration_region: still contains a placeholder",
		},
		"region in words": {
			provider0 + "configuration_region=Ireland",
			provider0 + `configuration_region: "Ireland" is not an AWS region (for example`,
		},
		"region in upper case": {provider0 + "configuration_region=EU-WEST-1", "did you mean eu-west-1?"},
		"role that is a user": {
			roles + "=arn:aws:iam::123456789012:user/x",
			roles + ": role 1 of 1 is not the ARN of an IAM role",
		},
		"role of 11 digits": {
			roles + "=arn:aws:iam::12345678901:role/x",
			roles + ": role 1 of 1 is not the ARN",
		},
		"role of another partition": {
			roles + "=arn:aws-cn:iam::123456789012:role/x",
			roles + ": role 1 of 1 is in the partition aws-cn, but a region is in aws",
		},
		"key id template": {
			provider0 + "configuration_accessKeyId=[your-key-id]",
			provider0 + "configuration_accessKeyId: still contains a placeholder",
		},
		"account id of 11 digits": {
			"gravitee_agent_aws_accountId=12345678901",
			"gravitee_agent_aws_accountId: is not an account id of 12 digits",
		},
		"session name with a blank": {
			"gravitee_agent_aws_roleSessionName=a b",
			"gravitee_agent_aws_roleSessionName: must be",
		},
		"external id of one letter": {"gravitee_agent_aws_externalId=a", "gravitee_agent_aws_externalId: must be"},
		"external id too long": {
			"gravitee_agent_aws_externalId=" + strings.Repeat("a", 1225),
			"gravitee_agent_aws_externalId: must be",
		},
		"batch over the message": {
			ws + "maxWebSocketMessageSize=1000000",
			"agent_ingest_batchBytes: 1048576 is more than the largest message",
		},
		"memory under a batch": {
			"gravitee_agent_ingest_memoryBytes=1MiB\x00",
			"gravitee_agent_ingest_memoryBytes: contains a line break or another control character",
		},
		"memory less than a batch": {
			"gravitee_agent_ingest_memoryBytes=2048",
			"gravitee_agent_ingest_memoryBytes: 2048 is less than one batch",
		},
		"quota scope": {
			"gravitee_agent_quota_scope=region",
			"gravitee_agent_quota_scope: \"region\" is not one of account-region, account",
		},
		"duration out of range": {
			"gravitee_agent_shutdown_timeout=1h",
			"gravitee_agent_shutdown_timeout: \"1h\" is not between 1s and 5m",
		},
	} {
		t.Run(name, func(t *testing.T) { wantFaults(t, faultsOf(t, sources(seed(tc.assignment)...)), tc.want) })
	}
}

func TestAnAccessKeyNeedsBothHalvesOrNeither(t *testing.T) {
	id, key := provider0+"configuration_accessKeyId", provider0+"configuration_secretAccessKey"
	wantFaults(t, faultsOf(t, sources(without(seed(), id)...)), id+": is missing, though the secret access key is set")
	wantFaults(t, faultsOf(t, sources(without(seed(), key)...)), key+": is missing, though the access key id is set")
	mustLoad(t, sources(without(seed(), id, key)...))
}

func TestTwoProvidersMayNotShareAnIntegration(t *testing.T) {
	const second = "gravitee_integration_providers_1_"
	wantFaults(t, faultsOf(t, sources(seed(
		second+"type=aws-api-gateway",
		second+"configuration_region=us-east-1",
		second+"integrationId=7a1d6fa5-3a1e-4c8e-9d6f-a53a1e0c8e12",
	)...)), second+"integrationId: is already the integration of providers[0]")
}

func TestASecretInTheWrongVariableIsNotRepeated(t *testing.T) {
	for _, variable := range []string{
		provider0 + "configuration_region", provider0 + "type", provider0 + "configuration_0_stage",
		provider0 + "configuration_roleArn",
		provider0 + "integrationId", "gravitee_agent_quota_share", "gravitee_agent_log_level",
		"gravitee_agent_shutdown_timeout",
		"gravitee_agent_cache_maxBytes", ws + "endpoints_0", ws + "keepAlive",
		ws + "headers_0_name", "gravitee_agent_aws_accountId", ws + "ssl_trustAll",
	} {
		faultsOf(t, sources(seed(variable+"="+secretKey+" "+token)...))
	}
}

func TestValidateNamesTheVariablesOfAConfigurationThatCodeMade(t *testing.T) {
	cfg, _ := mustLoad(t, sources(seed()...))
	cfg.Agent.Quota.Share, cfg.Agent.Log.Format, cfg.Providers[0].Regions = 0, "xml", nil
	faults := cfg.Validate()
	if faults == nil {
		t.Fatal("taken")
	}
	wantFaults(
		t,
		faults,
		provider0+"configuration_region: is missing",
		`gravitee_agent_log_format: "xml" is not one of text, json`,
		`gravitee_agent_quota_share: "0" is not between 1 and 100`,
	)
}

func TestATokenThatAPIMWouldNotFindIsRefused(t *testing.T) {
	const name = ws + "headers_0_value"
	for value, want := range map[string]string{
		"bearer Bearer x":         "has the word bearer twice",
		"Bearer bearer x":         "has the word bearer twice",
		"BEARER bEARER x":         "has the word bearer twice",
		"bearer   Bearer":         "has the word bearer twice",
		"bearerbearer x":          "has the word bearer twice",
		"bearer bearerx":          "has the word bearer twice",
		"bearerBearerx":           "has the word bearer twice",
		"bearer: Bearer x":        "has the word bearer twice",
		"bearer x bearer y":       "has the word bearer twice",
		"Authorization: bearer x": "has the word bearer twice, or behind another word",
		"Token bearer x":          "has the word bearer twice, or behind another word",
		"bearer: x":               "must be the word bearer",
		"bearer:x":                "must be the word bearer",
		"bearer=x":                "must be the word bearer",
		"bearer = x":              "must be the word bearer",
		"bearers x":               "must be the word bearer",
		"bearer x y":              "must be the word bearer",
		"bearer x # staging":      "must be the word bearer",
		`bearer "x"`:              "must be the word bearer",
		`bearer 'x`:               "must be the word bearer",
		"bearer “x”":              "must be the word bearer",
		"bearer [x]":              "must be the word bearer",
		"bearer <x>":              "must be the word bearer",
		"bearer \u200bx":          "must be the word bearer",
		"bearer\u00a0\u00a0":      "has no token",
		"bearer":                  "has no token",
		"Bearer ${NOTHING:}":      "has no token",
		"x":                       "has no scheme",
		"bearer x\r\nCookie: y":   "contains a line break",
		"bearer x\ty":             "contains a line break or another control character",
		`"bearer x"`:              "contains a quote at each end",
		"[bearer x]":              "is in brackets",
	} {
		wantFaults(t, faultsOf(t, sources(seed(name+"="+value)...)), name+": "+want)
	}
	for _, value := range []string{
		"bearer x", "Bearer   3b1f7c2e-4d5a-4c8e-9d6f-a53a1e0c8e12", "bearerx", "BEARER eyJhbGciOi.eyJz-_.c2ln+/==",
		"Basic dXNlcjpw", "apikey bear-er",
	} {
		mustLoad(t, sources(seed(name+"="+value)...))
	}
	mustLoad(t, sources(seed(ws+"headers_1_name=X-Note", ws+"headers_1_value=two words: and more")...))
	wantFaults(t, faultsOf(t, sources(seed(ws+"headers_1_name=authorization", ws+"headers_1_value=bearer y")...)),
		ws+"headers_1_name: is the name of headers[0], too")
}
