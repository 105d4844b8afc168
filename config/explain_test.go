package config_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/config"
)

// lines are settings as one line each: key, what stands for the value, origin.
func lines(settings []config.Setting) (lines []string) {
	for _, s := range settings {
		value := s.Value
		switch {
		case s.Faulty:
			value = "FAULTY"
		case s.Secret:
			value = "SECRET"
		case s.Reference != "":
			value = "-> " + s.Reference
		}
		lines = append(lines, strings.Join(append([]string{s.Key, value, s.Origin}, s.Placeholders...), " | "))
	}
	return lines
}

func TestEachSettingIsExplainedByItsOrigin(t *testing.T) {
	src := sources(
		"GRAVITEE_INTEGRATION_PROVIDERS_0_TYPE=aws-api-gateway",
		"integration.providers[0].integrationId=first",
		"gravitee_integration_providers_0_configuration_accessKeyId_FILE=/run/secrets/id",
		"gravitee_integration_providers_0_configuration_secretAccessKey=secret://aws/prod/keys:secret",
		"gravitee_secrets_aws_enabled=true", "gravitee_secrets_aws_region=eu-west-1",
		"gravitee_integration_connector_ws_headers_0_value="+token,
		"gravitee_secrets_aws_auth_config_secretAccessKey=secret://kubernetes/not:enabled",
		"gravitee_services_core_http_authentication_users_admin="+secretKey,
		"ENVIRONMENT=prod", "MY_REGION=eu-central-1", "GRAVITEE_LOG_LEVEL=DEBUG",
		"gravitee_integration_providers_0_configuration_accounts_0_roleArn=arn:aws:iam::210987654321:role/b",
		"gravitee_integration_providers_0_configuration_accounts_0_regions=eu-west-3",
		"gravitee_integration_providers_0_configuration_accounts_1_regions=eu-west-2",
	)
	src.Files = []string{"/etc/a.yml", "/etc/b.yml"}
	src.ReadFile = files{
		"/etc/a.yml": `integration:
  connector:
    ws:
      endpoints:
        - https://apim.example.com/controller/?token=` + secretKey + `
      headers:
        - name: Authorization
  providers:
    - configuration:
        region: ${MY_REGION}
        0_stage: ${ENVIRONMENT}
        1_stage: ""
        2_stage: ${STAGE:fallback}
agent:
  store:
    path: /here
`,
		"/etc/b.yml": "agent:\n  store:\n    path: /var/${environment:lib}/${ENVIRONMENT}\n",
	}.read
	x, err := config.Explain(src, false)
	if err != nil {
		t.Fatal(err)
	}
	const configuration = "integration.providers[0].configuration."
	want := []string{
		"integration.connector.ws.endpoints[0] | https://apim.example.com/controller | /etc/a.yml:5",
		"integration.connector.ws.headers[0].name | Authorization | /etc/a.yml:7",
		"integration.connector.ws.headers[0].value | SECRET | gravitee_integration_connector_ws_headers_0_value",
		"integration.providers[0].type | aws-api-gateway | GRAVITEE_INTEGRATION_PROVIDERS_0_TYPE",
		"integration.providers[0].integrationId | first | integration.providers[0].integrationId",
		configuration + "region | eu-central-1 | /etc/a.yml:10 | MY_REGION",
		configuration + "accounts[0].roleArn | arn:aws:iam::210987654321:role/b | " +
			"gravitee_integration_providers_0_configuration_accounts_0_roleArn",
		configuration + "accounts[0].regions | eu-west-3 | gravitee_integration_providers_0_configuration_accounts_0_regions",
		configuration + "accounts[1].regions | eu-west-2 | gravitee_integration_providers_0_configuration_accounts_1_regions",
		configuration + "accessKeyId | -> the file /run/secrets/id | " +
			"gravitee_integration_providers_0_configuration_accessKeyId_FILE",
		configuration + "secretAccessKey | -> secret://aws/prod/keys:secret | " +
			"gravitee_integration_providers_0_configuration_secretAccessKey",
		configuration + "0_stage | prod | /etc/a.yml:11 | ENVIRONMENT",
		configuration + "1_stage | fallback | /etc/a.yml:13",
		"secrets.aws.enabled | true | gravitee_secrets_aws_enabled",
		"secrets.aws.region | eu-west-1 | gravitee_secrets_aws_region",
		"secrets.aws.auth.config.secretAccessKey | SECRET | gravitee_secrets_aws_auth_config_secretAccessKey",
		"services.core.http.authentication.users.admin | SECRET | gravitee_services_core_http_authentication_users_admin",
		"agent.log.level | debug | GRAVITEE_LOG_LEVEL",
		"agent.store.path | /var/prod/prod | /etc/b.yml:3 | ENVIRONMENT | ENVIRONMENT",
	}
	if diff := cmp.Diff(want, lines(x.Settings)); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(x.Config.Providers[0].Regions, []string{"eu-central-1"}) || !x.Config.Providers[0].AccessKeyID.IsZero() {
		t.Errorf("%+v", x.Config.Providers)
	}
	full, err := config.Explain(src, true)
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]config.Setting{}
	for _, s := range full.Settings {
		if _, twice := explained[s.Key]; twice {
			t.Errorf("%s is there twice", s.Key)
		}
		explained[s.Key] = s
	}
	for key, value := range map[string]string{
		"agent.cache.path": "/var/prod/prod/exports", "agent.ingest.batchBytes": "1MiB", "agent.log.format": "text",
		configuration + "acceptApiWithoutUsagePlan": "false", configuration + "roleArn": "",
		configuration + "accounts[0].externalId": "", configuration + "accounts[1].roleArn": "",
	} {
		if s, found := explained[key]; !found || s.Value != value || s.Origin != config.OriginDefault {
			t.Errorf("%s is %+v", key, s)
		}
	}
	for _, line := range lines(x.Settings) {
		if !slices.Contains(lines(full.Settings), line) {
			t.Errorf("not among all: %s", line)
		}
	}
	for _, pattern := range config.Patterns() {
		if !slices.ContainsFunc(full.Settings, func(s config.Setting) bool { return config.PatternOf(s.Key) == pattern }) {
			t.Errorf("%s is not among all", pattern)
		}
	}
}

// A list that ends at a gap ends for references, too, and ten comes after nine.
func TestSettingsAreInTheOrderOfTheReferencePage(t *testing.T) {
	environ := seed("gravitee_integration_connector_ws_headers_13_value_FILE=/beyond")
	for i := range 12 {
		environ = append(environ, fmt.Sprintf("gravitee_integration_connector_ws_headers_%d_name=H%d", i, i),
			fmt.Sprintf("gravitee_integration_connector_ws_headers_%d_value=%s%d", i, "some-secret-", i))
	}
	x, err := config.Explain(sources(environ...), false)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, s := range x.Settings {
		keys = append(keys, strings.TrimPrefix(s.Key, "integration."))
	}
	want := []string{"connector.ws.endpoints[0]"}
	for i := range 12 {
		want = append(want, fmt.Sprintf("connector.ws.headers[%d].name", i), fmt.Sprintf("connector.ws.headers[%d].value", i))
	}
	for _, last := range []string{"type", "integrationId", "configuration.region", "configuration.accessKeyId",
		"configuration.secretAccessKey"} {
		want = append(want, "providers[0]."+last)
	}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Error(diff)
	}
}

func TestAFaultyConfigurationIsExplainedWithoutTheFaultyValues(t *testing.T) {
	src := sources(seed("gravitee_integration_providers_0_configuration_region="+secretKey,
		"gravitee_agent_quota_share=many", "gravitee_integration_connector_ws_endpoints_0=https://me:"+secretKey+"@apim")...)
	x, err := config.Explain(src, true)
	if err == nil {
		t.Fatal("it is good")
	}
	for _, key := range []string{
		"integration.connector.ws.endpoints[0]", "integration.providers[0].configuration.region", "agent.quota.share",
	} {
		if !slices.ContainsFunc(x.Settings, func(s config.Setting) bool { return s.Key == key && s.Faulty && s.Value == "" }) {
			t.Errorf("%s is not faulty", key)
		}
	}
	showsNone(t, x, err, secretKey)
}

func showsNone(t *testing.T, x config.Explanation, err error, secrets ...string) {
	t.Helper()
	text, marshalled := json.Marshal(x.Settings)
	if marshalled != nil {
		t.Fatal(marshalled)
	}
	for _, hidden := range secrets {
		if all := fmt.Sprint(string(text), x.Warnings, err); strings.Contains(all, hidden) {
			t.Errorf("shows %s", hidden)
		}
	}
}

// Each secret setting is set to a text of its own, and other settings hold some of them by placeholders.
func TestNoSecretIsExplained(t *testing.T) {
	environ := []string{
		"gravitee_integration_connector_ws_proxy_enabled=true",
		"gravitee_integration_connector_ws_proxy_host=proxy.example.com",
		"gravitee_integration_connector_ws_proxy_username=${gravitee_integration_connector_ws_proxy_password}",
		"gravitee_agent_store_path=/data/${integration.providers[0].configuration.secretAccessKey}/x",
		"gravitee_agent_aws_externalId=${integration.connector.ws.headers[0].value}",
		"gravitee_secrets_aws_enabled=true", "gravitee_secrets_aws_region=eu-west-1",
		"gravitee_secrets_aws_endpointOverride=https://me:pass-of-an-url@vpce.example.com",
		"gravitee_integration_providers_0_configuration_0_stage=secret://aws/${services.core.http.authentication.users.NAME}",
	}
	hidden := []string{"pass-of-an-url"}
	for i, pattern := range config.SecretPatterns() {
		text := fmt.Sprintf("AKIAhidden%08dtext", i)
		environ, hidden = append(environ, config.VariableName(pattern)+"=bearer "+text), append(hidden, text)
	}
	if len(hidden) < 12 {
		t.Fatalf("only %d secrets", len(hidden))
	}
	x, err := config.Explain(sources(environ...), true)
	showsNone(t, x, err, hidden...) // faulty, most of them
	good := slices.Concat([]string{
		"gravitee_agent_store_path=/data/${integration.providers[0].configuration.secretAccessKey}/x",
		"gravitee_services_core_http_authentication_users_me=a-long-password",
		"gravitee_agent_aws_roleSessionName=a-${services.core.http.authentication.users.me}",
	}, seed())
	x, err = config.Explain(sources(good...), true)
	if err != nil {
		t.Fatal(err)
	}
	showsNone(t, x, err, secretKey, token, strings.TrimPrefix(token, "bearer "), "a-long-password", "AKIAIOSFODNN7EXAMPLE")
}
