package compose

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const pageName = "seed-aws-api-gateway-agent.md"

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", pageName))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// environment is what a user gets who follows the page and fills in what it asks for, and nothing else.
func environment(t *testing.T, placeholders map[string]string) []string {
	t.Helper()
	file, err := Block(page(t), "yaml", "services:")
	if err != nil {
		t.Fatal(err)
	}
	template, err := Block(page(t), "bash", "INTEGRATION_ID=")
	if err != nil {
		t.Fatal(err)
	}
	dotenv, err := Fill(template, placeholders)
	if err != nil {
		t.Fatal(err)
	}
	environment, err := Environment(file, dotenv, "integration-agent")
	if err != nil {
		t.Fatal(err)
	}
	return environment
}

func TestThePageGivesTheEnvironmentThatComposeGives(t *testing.T) {
	got := environment(t, map[string]string{
		"[your-APIM-management-API-host]": "apim.example.com", "[your-token]": "t0ken", "[your-integration-id]": "int-1",
		"[organization-id]": "DEFAULT", "[your-aws-region]": "us-west-2", "[your-key-id]": "AKIAIOSFODNN7EXAMPLE",
		"[your-access-key]": "s/ecret+1",
	})
	want := []string{
		"gravitee_integration_connector_ws_endpoints_0=https://apim.example.com/integration-controller",
		"gravitee_integration_connector_ws_headers_0_name=Authorization",
		"gravitee_integration_connector_ws_headers_0_value=bearer t0ken",
		"gravitee_integration_providers_0_configuration_0_stage=",
		"gravitee_integration_providers_0_configuration_1_stage=",
		"gravitee_integration_providers_0_configuration_accessKeyId=AKIAIOSFODNN7EXAMPLE",
		"gravitee_integration_providers_0_configuration_region=us-west-2",
		"gravitee_integration_providers_0_configuration_secretAccessKey=s/ecret+1",
		"gravitee_integration_providers_0_integrationId=int-1",
		"gravitee_integration_providers_0_type=aws-api-gateway",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestADotEnvHasCommentsQuotesAndSpaces(t *testing.T) {
	const file = "services:\n  s:\n    image: i\n    environment:\n" +
		"      - A=${A}\n      - B=${B}\n      - C=${C}\n      - D=${D:-gone}\n"
	got, err := Environment(file, "# first\n\nA=x # why\nB=\"y z\"\nC='$A'\n# D=commented\n", "s")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"A=x", "B=y z", "C=$A", "D=gone"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyKnownPlaceholdersAreFilledAndAllOfThem(t *testing.T) {
	if got, err := Fill("A=[a] B=[b-c]", map[string]string{"[a]": "1", "[b-c]": "2"}); err != nil || got != "A=1 B=2" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := Fill("A=[a] B=[b]", map[string]string{"[a]": "1"}); err == nil || !strings.Contains(err.Error(), "[b]") {
		t.Errorf("a placeholder without a value: %v", err)
	}
	if _, err := Fill("A=1", map[string]string{"[a]": "1"}); err == nil {
		t.Error("a value without a placeholder passes")
	}
}
