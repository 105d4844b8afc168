package config_test

import (
	"strings"
	"testing"

	"federation-agent/config"
)

const (
	ws      = "gravitee_integration_connector_ws_"
	kubeRef = "kubernetes://ns/secrets/aws/key"
)

func TestAnUnknownVariableIsAWarningWithTheNearestName(t *testing.T) {
	for name, nearest := range map[string]string{
		"gravitee_agent_loglevel":                        "gravitee_agent_log_level",
		"Gravitee_agent_quota_share":                     "gravitee_agent_quota_share",
		ws + "max_web_socket_frame_size":                 ws + "maxWebSocketFrameSize",
		"gravitee_agnet_log_level":                       "gravitee_agent_log_level",
		"GRAVITEE_SERVICE_METRICS_ENABLED":               "gravitee_services_metrics_enabled",
		"gravitee_services_core_htp_port":                "gravitee_services_core_http_port",
		provider0 + "configuration_acceptApiNoUsagePlan": provider0 + "configuration_acceptApiWithoutUsagePlan",
		provider0 + "acceptApiWithoutUsagePlan":          provider0 + "configuration_acceptApiWithoutUsagePlan",
		"gravitee_integration_autoReconnect":             ws + "autoReconnect",
	} {
		_, warnings := mustLoad(t, sources(seed(name+"=x")...))
		wantWarnings(t, warnings, name+": is not a setting of this agent; did you mean "+nearest+"?")
	}
	yaml := files{"g.yml": "services:\n  core:\n    htp:\n      port: 1\n"}
	_, warnings := mustLoad(t, config.Sources{Environ: seed(), Files: []string{"g.yml"}, ReadFile: yaml.read})
	wantWarnings(t, warnings,
		"g.yml:4: services.core.htp.port: is not a setting of this agent; did you mean services.core.http.port?")
	_, warnings = mustLoad(t, sources(seed("gravitee_agent_zzzzzz=x", "gravitee_integration_enabled=true")...))
	wantWarnings(t, warnings, "gravitee_agent_zzzzzz: is not a setting of this agent",
		"gravitee_integration_enabled: is APIM's own setting")
}

func TestWhatTheVendorsFilesCarryBesidesIsOneWarningEach(t *testing.T) {
	yaml := files{
		"g.yml": "services:\n  core:\n    http: {port: 18084, host: 0.0.0.0, secured: false, maxHeaderSize: 1}\n  " +
			"reporting: {enabled: true}\nsecrets:\n  kubernetes: {enabled: true}\nplugins:\n  path: [a, b]\n",
	}
	_, warnings := mustLoad(t, config.Sources{
		Environ: seed(
			"GRAVITEE_LOG_FILE=x",
			"gravitee_services_metrics_enabled=true",
			"gravitee_services_metrics_labels_0=x",
			"GRAVITEE_HOME=/opt",
		),
		Files:    []string{"g.yml"},
		ReadFile: yaml.read,
	})
	wantWarnings(
		t,
		warnings,
		"log.* is not read: set gravitee_agent_log_level, or the vendor's GRAVITEE_LOG_LEVEL, instead "+
			"(found: GRAVITEE_LOG_FILE)",
		"plugins.* is not read: this agent has no such settings (found: g.yml:8: plugins.path[0], g.yml:8: "+
			"plugins.path[1])",
		"services.* is not read: this agent has only those settings of services.core.http and services.metrics that "+
			"its documentation names "+
			"(found: gravitee_services_metrics_labels_0, g.yml:3: services.core.http.maxHeaderSize, g.yml:4: "+
			"services.reporting.enabled)",
	)
}

func TestWhatKubernetesGivesForAServiceBesideTheAgentIsNoWord(t *testing.T) {
	for _, service := range []string{"GRAVITEE_AGENT", "GRAVITEE_INTEGRATION_AGENT", "GRAVITEE_CONNECTOR"} {
		links := []string{
			service + "_SERVICE_HOST=10.0.0.1", service + "_SERVICE_PORT=8080", service + "_SERVICE_PORT_HTTP=8080",
			service + "_PORT=tcp://10.0.0.1:8080", service + "_PORT_8080_TCP=tcp://10.0.0.1:8080",
			service + "_PORT_8080_TCP_PROTO=tcp", service + "_PORT_8080_TCP_PORT=8080", service + "_PORT_8080_TCP_ADDR=10.0.0.1",
		}
		if _, warnings := mustLoad(t, sources(seed(links...)...)); len(warnings) > 0 {
			t.Errorf("%s: %q", service, warnings)
		}
		wantFaults(
			t,
			faultsOf(t, sources(seed(service+"_SERVICE_HOST=10.0.0.1")...)),
			service+"_SERVICE_HOST: is not a setting",
		)
	}
}

func TestAWarningNamesOnlySomeOfManySettingsThatAreNotRead(t *testing.T) {
	content := "plugins: [" + strings.Repeat("x, ", 999) + "x]\n"
	_, warnings := mustLoad(t, fromYAML(seed(), content))
	wantWarnings(t, warnings, " and 980 more)")
}

func TestWhatWouldChangeWhomWeTrustOrHowWeConnectStopsTheStart(t *testing.T) {
	for assignment, want := range map[string]string{
		ws + "ssl_trustAll=maybe":                        "is neither true nor false",
		ws + "ssl_keystore_path=/k":                      ws + "ssl_keystore_type: is missing, though " + ws,
		ws + "ssl_truststore_alias=a":                    ws + "ssl_truststore_type: is missing, though " + ws,
		ws + "ssl_truststore_type=JCEKS":                 "is not one of none, pem, pkcs12, jks",
		ws + "proxy_enabled=${NOBODY}":                   "NOBODY",
		ws + "ssl_truststor_path=/t":                     "A setting that says whom the agent trusts is never ignored",
		ws + "proxy_enable=true":                         "A setting that says whom the agent trusts is never ignored",
		provider0 + "integrationId=" + kubeRef:           "refers to a file or a secret store, and nothing here reads",
		provider0 + "integrationId=${X:" + kubeRef + "}": "refers to a file or a secret store, and nothing here reads",
	} {
		wantFaults(t, faultsOf(t, sources(seed(assignment)...)), want)
	}
}

func TestWhatIsSwitchedOffHasNoFaultsAndNoWarnings(t *testing.T) {
	_, warnings := mustLoad(t, sources(seed(
		ws+"ssl_keystore_type=none",
		ws+"ssl_keystore_password=pw",
		ws+"ssl_truststore_type=NONE",
		ws+"ssl_truststore_path=/t",
		ws+"proxy_enabled=false",
		ws+"proxy_host=h",
		"gravitee_system_proxy_host=h",
	)...))
	wantWarnings(t, warnings)
}

func TestAProxyThatIsNotEnabledIsAWarning(t *testing.T) {
	_, warnings := mustLoad(t, sources(seed(ws+"proxy_host=h", "gravitee_system_proxy_port=3128")...))
	wantWarnings(t, warnings,
		ws+"proxy_host: has no effect, because "+ws+"proxy_enabled is not true",
		"gravitee_system_proxy_port: has no effect, because "+ws+"proxy_enabled is not true")
}

func TestARegionOfAKnownAreaThatIsNewIsAWarning(t *testing.T) {
	cfg, warnings := mustLoad(t, sources(seed(provider0+"configuration_region=eu-west-9")...))
	wantWarnings(
		t,
		warnings,
		provider0+`configuration_region: "eu-west-9" is not a region that this version knows; `+
			"check it, unless it is a new one; did you mean eu-west-",
	)
	if cfg.Providers[0].Regions[0] != "eu-west-9" {
		t.Errorf("%v", cfg.Providers[0].Regions)
	}
}

func TestATokenThatGoesInClearTextIsAWarning(t *testing.T) {
	for endpoint, host := range map[string]string{
		"http://apim.example.com:8072":  "apim.example.com",
		"ws://gravitee-apim:8072/x":     "gravitee-apim",
		"HTTP://10.0.0.7":               "10.0.0.7",
		"http://[2001:db8::1]:8072":     "2001:db8::1",
		"http://localhost.evil.example": "localhost.evil.example",
		"https://apim.example.com":      "",
		"wss://apim.example.com":        "",
		"http://localhost:8072":         "",
		"http://LOCALHOST.":             "",
		"http://apim.localhost":         "",
		"ws://127.0.0.2:8072":           "",
		"http://[::1]:8072":             "",
		"http://[::ffff:127.0.0.1]":     "",
	} {
		_, warnings := mustLoad(t, sources(seed(ws+"endpoints_0="+endpoint)...))
		if host == "" {
			wantWarnings(t, warnings)
			continue
		}
		wantWarnings(t, warnings, ws+`endpoints_0: the token goes to "`+host+`" without encryption`)
	}
	_, warnings := mustLoad(t, sources(seed(ws+"endpoints_1=http://apim")...))
	wantWarnings(t, warnings, ws+"endpoints_1: the token goes to")
	noToken := without(seed(ws+"endpoints_0=http://apim"), ws+"headers_0_name", ws+"headers_0_value")
	_, warnings = mustLoad(t, sources(noToken...))
	wantWarnings(t, warnings, "no Authorization header is set")
}

func TestANodeAPIThatIsOpenToOthersIsAWarning(t *testing.T) {
	for _, host := range []string{"0.0.0.0", "::", "10.0.0.7", "agent.example.com"} {
		open := seed(nodeHTTP+"authentication_type=none", nodeHTTP+"host="+host)
		_, warnings := mustLoad(t, sources(open...))
		wantWarnings(t, warnings, nodeHTTP+"authentication_type: the node API is open to every caller that reaches \""+host)
		_, warnings = mustLoad(t, sources(append(open, nodeHTTP+"enabled=false")...))
		wantWarnings(t, warnings)
		_, warnings = mustLoad(t, sources(seed(nodeHTTP+"host="+host, nodeHTTP+"authentication_users_admin=pw")...))
		wantWarnings(t, warnings)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		_, warnings := mustLoad(t, sources(seed(nodeHTTP+"authentication_type=none", nodeHTTP+"host="+host)...))
		wantWarnings(t, warnings)
	}
}
