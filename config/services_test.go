package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/config"
	"federation-agent/internal/secret"
)

const nodeHTTP = "gravitee_services_core_http_"

func TestTheNodeAPIIsSetAsTheVendorsChartSetsIt(t *testing.T) {
	chart := files{"g.yml": `services:
  core:
    http:
      enabled: true
      port: 18085
      host: 0.0.0.0
      authentication:
        type: Basic
        users:
          admin: adminadmin
  metrics:
    enabled: true
    prometheus:
      enabled: false
`}
	want := config.Services{
		HTTP: config.NodeHTTP{
			Enabled: true,
			Port:    18085,
			Host:    "0.0.0.0",
			Authentication: config.NodeAuthentication{
				Type:  config.AuthenticationBasic,
				Users: map[string]secret.String{"admin": secret.New("adminadmin")},
			},
			SSL: noNodeSSL,
		},
		Metrics: config.NodeMetrics{Enabled: true},
	}
	for name, src := range map[string]config.Sources{
		"YAML": {Environ: seed(), Files: []string{"g.yml"}, ReadFile: chart.read},
		"environment": sources(seed(nodeHTTP+"enabled=true", nodeHTTP+"port=18085", nodeHTTP+"host=0.0.0.0",
			nodeHTTP+"authentication_type=basic", nodeHTTP+"authentication_users_admin=adminadmin",
			"gravitee_services_metrics_enabled=true", "gravitee_services_metrics_prometheus_enabled=false")...),
	} {
		cfg, warnings := mustLoad(t, src)
		wantWarnings(t, warnings)
		if diff := cmp.Diff(want, cfg.Services, sameSecret); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestUsersAreFoundUnderEverySpellingOfTheVendor(t *testing.T) {
	for variable, want := range map[string]string{
		"gravitee_services_core_http_authentication_users_john_doe": "john_doe",
		"gravitee.services.core.http.authentication.users.j.doe":    "j.doe",
		"GRAVITEE_SERVICES_CORE_HTTP_AUTHENTICATION_USERS_ADMIN":    "admin",
		"services_core_http_authentication_users_007":               "007",
		"gravitee_services_core_http_authentication_users_a-b":      "a-b",
	} {
		cfg, warnings := mustLoad(t, sources(seed(variable+"=pw")...))
		wantWarnings(t, warnings)
		if diff := cmp.Diff(
			map[string]secret.String{want: secret.New("pw")},
			cfg.Services.HTTP.Authentication.Users,
			sameSecret,
		); diff != "" {
			t.Errorf("%s (-want +got)\n%s", variable, diff)
		}
	}
	wantFaults(t, faultsOf(t, sources(seed(nodeHTTP+"authentication_users_j.doe=pw")...)), // a mixture of spellings
		"is not a setting of this agent; below services.core.http.auth, nothing is ignored")
}

func TestTheEnvironmentsPasswordIsStrongerThanTheFiles(t *testing.T) {
	yaml := files{"g.yml": "services: {core: {http: {authentication: {users: {admin: weak, other: theirs}}}}}\n"}
	cfg, _ := mustLoad(t, config.Sources{
		Environ: seed(nodeHTTP + "authentication_users_admin=strong"), Files: []string{"g.yml"}, ReadFile: yaml.read,
	})
	want := map[string]secret.String{"admin": secret.New("strong"), "other": secret.New("theirs")}
	if diff := cmp.Diff(want, cfg.Services.HTTP.Authentication.Users, sameSecret); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAFaultyNodeAPIIsNamedByItsVariable(t *testing.T) {
	for assignment, want := range map[string]string{
		nodeHTTP + "port=65536": `"65536" is not between 0 and 65535 (for example ` +
			nodeHTTP + "port=18084)",
		nodeHTTP + "port=http":                         `"http" is not a whole number`,
		nodeHTTP + "host=http://localhost":             "must be only a host name or an address",
		nodeHTTP + "enabled=perhaps":                   `"perhaps" is neither true nor false`,
		nodeHTTP + "authentication_type=digest":        `"digest" is not one of basic, none`,
		"gravitee_agent_node_hostNames=a.example:80":   "\"a.example:80\" is not a host name",
		nodeHTTP + "host=[::]":                         "is in brackets",
		nodeHTTP + "secured=maybe":                     `"maybe" is neither true nor false`,
		nodeHTTP + "authentication_users_a:b=password": "names a user with a colon",
		"gravitee_services_metrics_enabled=2":          `"2" is neither true nor false`,
		nodeHTTP + "authentication_users_a=${nothing}": "contains a ${…} placeholder that cannot be resolved",
		nodeHTTP + "authentication_users_a=" + kubeRef: "refers to a file or a secret store, and nothing here reads them",
	} {
		wantFaults(t, faultsOf(t, sources(seed(assignment)...)), want)
	}
}

func TestThePasswordsOfTheNodeAPIAreNotPrinted(t *testing.T) {
	cfg, _ := mustLoad(t, sources(seed(nodeHTTP+"authentication_users_admin=hunter2-hunter2")...))
	for _, printed := range []string{fmt.Sprintf("%v", cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg)} {
		if strings.Contains(printed, "hunter2") || len(cfg.Services.HTTP.Authentication.Users) != 1 {
			t.Errorf("printed: %s", printed)
		}
	}
}
