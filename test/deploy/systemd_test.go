package deploy

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

const systemdFolder = "deployments/systemd/"

// option is the value of the last line of its kind in the unit.
func option(t *testing.T, name string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllStringSubmatch(
		read(t, systemdFolder+"federation-agent.service"), -1)
	if len(found) == 0 {
		t.Fatalf("the unit has no %s", name)
	}
	return found[len(found)-1][1]
}

func TestSystemdGivesTheAgentWhatItsExampleSays(t *testing.T) {
	variables, err := dotenv.UnmarshalWithLookup(filled.Replace(read(t, systemdFolder+"environment.example")), nil)
	if err != nil {
		t.Fatal(err)
	}
	var environment []string
	for name, value := range variables {
		environment = append(environment, name+"="+value)
	}
	cfg, warnings := configured(t, environment)
	if len(warnings) > 0 || cfg.Providers[0].IntegrationID != "int-1" {
		t.Errorf("%q, %+v", warnings, cfg)
	}
	readme := read(t, systemdFolder+"README.md")
	for _, text := range []string{
		"environment.example " + option(t, "EnvironmentFile"), "install -m 755 federation-agent /usr/local/bin/\n",
		"`" + option(t, "WorkingDirectory") + "/data`",
	} {
		if !strings.Contains(readme, text) {
			t.Errorf("the README does not say %q", text)
		}
	}
}

func TestSystemdStartsTheAgentAgainOnlyWhereThatHelps(t *testing.T) {
	if got := option(t, "RestartPreventExitStatus"); got != "2 3" {
		t.Errorf("no restart after %s", got)
	}
	for _, row := range []string{"| 2 | configuration fault", "| 3 | APIM dismissed every integration for good"} {
		if !strings.Contains(read(t, "docs/operations.md"), row) {
			t.Errorf("docs/operations.md has no row %q", row)
		}
	}
	patience, err := time.ParseDuration(option(t, "TimeoutStopSec") + "s")
	cfg := ours(t, read(t, "deployments/compose/.env.example"))
	if err != nil || patience <= cfg.Agent.Shutdown.Timeout {
		t.Errorf("killed after %v (%v), while the agent may take %v to end", patience, err, cfg.Agent.Shutdown.Timeout)
	}
	if got, want := option(t, "WorkingDirectory"), "/var/lib/"+option(t, "StateDirectory"); got != want {
		t.Errorf("the journal is kept below %s, and systemd makes %s", got, want)
	}
}
