package config

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/template"
)

const (
	noSecretStore = "No `secret://` reference to it is read: with one, the agent does not start."
	ownServer     = "The node API's server has limits of its own."
	ownMetrics    = "Metrics have names and labels of their own ([operations.md](operations.md))."
	ownHealth     = "The probes are fixed ([operations.md](operations.md))."
	noReports     = "Nothing is reported; metrics say the same."
	noTraces      = "No traces are written."
	noCluster     = "Agents share nothing: APIM itself says which of several is primary."
	noJVM         = "There is no JVM. The container's memory limit is kept."
)

// VendorKeys are the keys that the vendor's agent reads: those of gravitee-node, of its secret providers, of the exchange
// connector and its own. A key with a reason is ignored for it. One without is served, or refused with a fault that says
// why.
var VendorKeys = map[string]string{
	"cloud.token":                                                      "",
	"integration.connector.ws.endpoints[#]":                            "",
	"integration.connector.ws.headers[#].name":                         "",
	"integration.connector.ws.headers[#].value":                        "",
	"integration.connector.ws.autoReconnect":                           "",
	"integration.connector.ws.keepAlive":                               "",
	"integration.connector.ws.maxWebSocketFrameSize":                   "",
	"integration.connector.ws.maxWebSocketMessageSize":                 "",
	"integration.providers[#].type":                                    "",
	"integration.providers[#].integrationId":                           "",
	"integration.providers[#].configuration.region":                    "",
	"integration.providers[#].configuration.accessKeyId":               "",
	"integration.providers[#].configuration.secretAccessKey":           "",
	"integration.providers[#].configuration.roleArn":                   "",
	"integration.providers[#].configuration.acceptApiWithoutUsagePlan": "",
	"integration.providers[#].configuration.#_stage":                   "",
	"services.core.http.enabled":                                       "",
	"services.core.http.port":                                          "",
	"services.core.http.host":                                          "",
	"services.core.http.authentication.type":                           "",
	"services.core.http.authentication.users.NAME":                     "",
	"services.core.http.secured":                                       "",
	"services.metrics.enabled":                                         "",
	"services.metrics.prometheus.enabled":                              "",

	"integration.connector.ws.ssl.trustAll":               "",
	"integration.connector.ws.ssl.verifyHost":             "",
	"integration.connector.ws.ssl.keystore.type":          "",
	"integration.connector.ws.ssl.keystore.path":          "",
	"integration.connector.ws.ssl.keystore.password":      "",
	"integration.connector.ws.ssl.truststore.type":        "",
	"integration.connector.ws.ssl.truststore.path":        "",
	"integration.connector.ws.ssl.truststore.content":     "",
	"integration.connector.ws.ssl.truststore.password":    "",
	"integration.connector.ws.ssl.truststore.alias":       "",
	"integration.connector.ws.proxy.enabled":              "",
	"integration.connector.ws.proxy.type":                 "",
	"integration.connector.ws.proxy.host":                 "",
	"integration.connector.ws.proxy.port":                 "",
	"integration.connector.ws.proxy.username":             "",
	"integration.connector.ws.proxy.password":             "",
	"integration.connector.ws.proxy.useSystemProxy":       "",
	"system.proxy.type":                                   "",
	"system.proxy.host":                                   "",
	"system.proxy.port":                                   "",
	"system.proxy.username":                               "",
	"system.proxy.password":                               "",
	"integration.providers[#].configuration.sessionToken": "",

	"secrets.loadFirst":                        noSecretStore,
	"secrets.kubernetes.enabled":               noSecretStore,
	"secrets.kubernetes.namespace":             noSecretStore,
	"secrets.kubernetes.kubeConfigFile":        noSecretStore,
	"secrets.kubernetes.timeoutMs":             noSecretStore,
	"secrets.aws.enabled":                      noSecretStore,
	"secrets.aws.region":                       noSecretStore,
	"secrets.aws.auth.provider":                noSecretStore,
	"secrets.vault.enabled":                    noSecretStore,
	"secrets.vault.host":                       noSecretStore,
	"secrets.vault.port":                       noSecretStore,
	"secrets.vault.auth.method":                noSecretStore,
	"secrets.azure-keyvault.enabled":           noSecretStore,
	"services.core.http.maxHeaderSize":         ownServer,
	"services.core.http.maxChunkSize":          ownServer,
	"services.core.http.tcpKeepAlive":          ownServer,
	"services.core.http.compressionSupported":  ownServer,
	"services.metrics.labels[#]":               ownMetrics,
	"services.metrics.include":                 ownMetrics,
	"services.metrics.exclude":                 ownMetrics,
	"services.health.enabled":                  ownHealth,
	"services.health.delay":                    ownHealth,
	"services.health.unit":                     ownHealth,
	"services.health.threshold.cpu":            ownHealth,
	"services.health.threshold.memory":         ownHealth,
	"services.monitoring.enabled":              noReports,
	"services.monitoring.delay":                noReports,
	"services.monitoring.unit":                 noReports,
	"services.tracing.enabled":                 noTraces,
	"services.opentelemetry.enabled":           noTraces,
	"services.opentelemetry.exporter.endpoint": noTraces,
	"cloud.enabled":                            "Of Gravitee Cloud, only the token is the agent's; the rest is APIM's.",
	"cluster.type":                             noCluster,
	"cache.type":                               noCluster,
	"reporters.console.enabled":                noReports,
	"plugins.path[#]":                          "There are no plug-ins.",
	"license.key":                              "No licence is needed.",
}

// VendorVariables are those of the vendor's files that are no keys. Nothing reads them, and they change nothing.
var VendorVariables = map[string]string{
	"ROLE_BASED_AUTH":             "Read by no agent: a role is used where `configuration.roleArn` names one.",
	"WS_ORG_ID":                   "Read by no agent.",
	"INTEGRATION_ID":              "A variable of the compose files, which they give the agent under its own name.",
	"GRAVITEE_HOME":               "This image has its own home. A file elsewhere is named by `agent.config`.",
	"GIO_MIN_MEM":                 noJVM,
	"GIO_MAX_MEM":                 noJVM,
	"GIO_DISABLE_STARTING_MEMORY": noJVM,
}

func TestTheVendorsPageIsGenerated(t *testing.T) {
	rows := map[string]string{
		keyVendorFiles:       "[served](configuration.md#files)",
		"GRAVITEE_LOG_LEVEL": "[served](configuration.md#" + anchor(logTitle) + ")",
	}
	for key, reason := range VendorKeys {
		what := "ignored, with a warning"
		if reason == "" {
			what, reason = "refused", "Not served by this version; the fault says what to do."
		}
		rows[withIndexes(key)] = what + ": " + reason
	}
	for _, f := range schema() {
		if !strings.HasPrefix(f.pattern, "agent.") && f.guard != guardFilter {
			rows[withIndexes(f.pattern)] = "[served](configuration.md#" + anchor(f.title) + ")"
		}
	}
	page, err := template.ParseFiles("testdata/vendor-keys.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, map[string]any{
		"Keys": slices.Sorted(maps.Keys(rows)), "Rows": rows, "Variables": VendorVariables, "Java": javaVariables,
	}); err != nil {
		t.Fatal(err)
	}
	generated(t, "../docs/vendor-keys.md", out.Bytes())
}

// logTitle is the section of the reference page that says how the log is settled.
const logTitle = "Level and form of the log"

// anchor is what a title's link ends with.
func anchor(title string) string {
	return strings.NewReplacer(" ", "-", ":", "", ",", "", "'", "").Replace(strings.ToLower(title))
}
