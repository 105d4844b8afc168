package config_test

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/config"
	"federation-agent/internal/secret"
)

var sameSecret = cmp.Comparer(func(a, b secret.String) bool { return a.Reveal() == b.Reveal() })

func TestTheVendorsComposeFileLoadsWithoutAWarning(t *testing.T) {
	cfg, warnings := mustLoad(
		t,
		sources(
			seed(
				"ROLE_BASED_AUTH=true",
				"WS_ORG_ID=DEFAULT",
				"INTEGRATION_ID=x",
				"AWS_REGION=us-west-2",
				"GRAVITEE_HOME=/opt",
				"AGENT_ID=7",
			)...),
	)
	wantWarnings(t, warnings)
	want := config.Config{
		Connector: config.Connector{
			Endpoints:    []string{"https://apim.example.com/integration-controller"},
			Headers:      []config.Header{{Name: "Authorization", Value: secret.New(token)}},
			KeepAlive:    true,
			MaxFrameSize: 65536, MaxMessageSize: 13107200,
			SSL: config.SSL{
				VerifyHost: true, KeyStore: config.KeyStore{Type: "none"}, TrustStore: config.TrustStore{Type: "none"},
			},
			Proxy: config.SessionProxy{Server: noProxy},
		},
		System: config.System{Proxy: noProxy},
		Providers: []config.Provider{
			{
				Type:            "aws-api-gateway",
				IntegrationID:   "7a1d6fa5-3a1e-4c8e-9d6f-a53a1e0c8e12",
				Regions:         []string{"eu-west-1"},
				AccessKeyID:     secret.New("AKIAIOSFODNN7EXAMPLE"),
				SecretAccessKey: secret.New(secretKey),
			},
		},
		Secrets: config.Secrets{
			Kubernetes: config.SecretsKubernetes{TimeoutMillis: 3000},
			AWS:        config.SecretsAWS{Auth: config.SecretAuth{Provider: config.AuthChain}, TimeoutMillis: 5000},
		},
		Services: config.Services{
			HTTP: config.NodeHTTP{
				Enabled:        true,
				Port:           18084,
				Host:           "localhost",
				Authentication: config.NodeAuthentication{Type: config.AuthenticationBasic},
				SSL:            noNodeSSL,
			},
			Metrics: config.NodeMetrics{Prometheus: true},
		},
		Agent: config.Agent{
			Cloud:     config.CloudGate{Path: "/apim/integration-controller"},
			APIM:      config.APIM{Timeout: 10 * time.Second},
			Log:       config.Log{Level: slog.LevelInfo, Format: "text"},
			Quota:     config.Quota{Share: 70, Rate: 10, Burst: 40, Scope: config.ScopeAccountRegion},
			AWS:       config.AWS{RoleSessionName: "gravitee-federation-agent"},
			Commands:  config.Commands{MaxOpen: 256},
			Discovery: config.Discovery{ListingMaxAge: time.Minute, CustomDomainsMaxAge: time.Hour, ShareExports: true},
			Ingest: config.Ingest{
				BatchBytes: 1 << 20, BatchCount: 50, BatchDelay: 10 * time.Second, MemoryBytes: 8 << 20,
				StageWorkers: 16, ScheduleJitter: 5 * time.Minute, Gone: "report", GoneAtMost: 10,
			},
			Store:    config.Store{Path: "data"},
			Cache:    config.Cache{Path: "data/exports", MaxBytes: 512 << 20},
			Shutdown: config.Shutdown{Timeout: 8 * time.Second},
		},
	}
	if diff := cmp.Diff(want, cfg, sameSecret); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEveryAgentSettingCanBeSet(t *testing.T) {
	cfg, warnings := mustLoad(t, sources(seed(
		"gravitee_agent_cloud_path=/federation",
		"gravitee_agent_apim_url=https://apim.example.com/management/",
		"gravitee_agent_apim_token=an-apim-token-that-nobody-may-see",
		"gravitee_agent_apim_environmentId=DEFAULT",
		"gravitee_agent_apim_timeout=20s",
		"gravitee_agent_events_queueUrl=https://sqs.eu-west-1.amazonaws.com/123456789012/federation-events",
		"gravitee_agent_events_region=eu-west-1",
		"gravitee_agent_events_roleArn=arn:aws:iam::123456789012:role/events",
		"gravitee_agent_log_level=DEBUG",
		"gravitee_agent_log_format=json",
		"GRAVITEE_AGENT_QUOTA_SHARE=55",
		"gravitee_agent_quota_rate=9.5",
		"gravitee_agent_quota_burst=30",
		"gravitee_agent_quota_scope=account",
		"gravitee_agent_aws_accountId=012345678901",
		"gravitee_agent_aws_roleSessionName=me",
		"gravitee_agent_aws_externalId=ext:1",
		"gravitee_agent_commands_maxOpen=7",
		"gravitee_agent_discovery_listingMaxAge=90s",
		"gravitee_agent_discovery_refreshInterval=1h",
		"gravitee_agent_discovery_customDomains=true",
		"gravitee_agent_discovery_customDomainsMaxAge=2h",
		"gravitee_agent_discovery_shareExports=false",
		"gravitee_agent_ingest_batchBytes=512KiB",
		"gravitee_agent_ingest_batchCount=3",
		"gravitee_agent_ingest_batchDelay=1s",
		"gravitee_agent_ingest_memoryBytes=2MiB",
		"gravitee_agent_ingest_stageWorkers=4",
		"gravitee_agent_ingest_acceptPlanRemovals=true",
		"gravitee_agent_ingest_schedule=@hourly",
		"gravitee_agent_ingest_scheduleJitter=1m",
		"gravitee_agent_ingest_gone=delete",
		"gravitee_agent_ingest_goneAtMost=20",
		"gravitee_agent_ingest_goneWithSubscriptions=true",
		"gravitee_agent_store_path=/var/lib/agent",
		"gravitee_agent_cache_maxBytes=3GiB",
		"gravitee_agent_shutdown_timeout=5s",
	)...))
	wantWarnings(t, warnings)
	want := config.Agent{
		Cloud: config.CloudGate{Path: "/federation"},
		APIM: config.APIM{
			URL: "https://apim.example.com/management", Token: secret.New("an-apim-token-that-nobody-may-see"),
			EnvironmentID: "DEFAULT", Timeout: 20 * time.Second,
		},
		Events: config.Events{
			QueueURL: "https://sqs.eu-west-1.amazonaws.com/123456789012/federation-events", Region: "eu-west-1",
			RoleARN: "arn:aws:iam::123456789012:role/events",
		},
		Log:      config.Log{Level: slog.LevelDebug, Format: "json"},
		Quota:    config.Quota{Share: 55, Rate: 9.5, Burst: 30, Scope: config.ScopeAccount},
		AWS:      config.AWS{AccountID: "012345678901", RoleSessionName: "me", ExternalID: "ext:1"},
		Commands: config.Commands{MaxOpen: 7},
		Discovery: config.Discovery{
			ListingMaxAge: 90 * time.Second, RefreshInterval: time.Hour, CustomDomains: true, CustomDomainsMaxAge: 2 * time.Hour,
		},
		Ingest: config.Ingest{
			BatchBytes:            512 << 10,
			BatchCount:            3,
			BatchDelay:            time.Second,
			MemoryBytes:           2 << 20,
			StageWorkers:          4,
			AcceptPlanRemovals:    true,
			Schedule:              "@hourly",
			ScheduleJitter:        time.Minute,
			Gone:                  "delete",
			GoneAtMost:            20,
			GoneWithSubscriptions: true,
		},
		Store:    config.Store{Path: "/var/lib/agent"},
		Cache:    config.Cache{Path: "/var/lib/agent/exports", MaxBytes: 3 << 30},
		Shutdown: config.Shutdown{Timeout: 5 * time.Second},
	}
	if diff := cmp.Diff(want, cfg.Agent, sameSecret); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAKeyIsFoundUnderEverySpellingOfTheVendor(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/r"
	forms := []string{
		"integration.providers[0].configuration.roleArn", "integration_providers[0]_configuration_roleArn",
		"integration.providers.0.configuration.roleArn", "integration_providers_0_configuration_roleArn",
	}
	for _, prefix := range []string{"gravitee_", "gravitee.", "GRAVITEE_", "GRAVITEE.", ""} {
		for _, form := range forms {
			for _, name := range []string{prefix + form, prefix + strings.ToUpper(form)} {
				cfg, warnings := mustLoad(t, sources(seed(name+"="+role)...))
				if len(warnings) != 0 || len(cfg.Providers[0].RoleARNs) != 1 {
					t.Errorf("%s is not read: %v", name, warnings)
				}
			}
		}
	}
}

func TestNoOtherSpellingIsRead(t *testing.T) {
	for _, name := range []string{
		"Gravitee_integration_providers_0_configuration_roleArn",
		"gravitee_Integration_providers_0_configuration_roleArn",
		provider0 + "configuration_rolearn", "gravitee_integration.providers_0_configuration_roleArn",
		"gravitee_integration_providers_00_configuration_roleArn",
		"gravitee_integration-providers-0-configuration-roleArn",
	} {
		wantFaults(t, faultsOf(t, sources(seed(name+"=arn:aws:iam::123456789012:role/r")...)),
			name+": is not a setting of this agent; did you mean "+
				"gravitee_integration_providers_0_configuration_roleArn? A setting that says whose account")
	}
}

func TestThePrefixedEnvironmentIsStrongerThanThePlainOneAndThatThanYAML(t *testing.T) {
	yaml := files{
		"a.yml": "agent: {commands: {maxOpen: 1}, log: {format: json}}",
		"b.yml": "agent: {commands: {maxOpen: 2}}",
	}
	src := config.Sources{Environ: seed(), Files: []string{"a.yml, b.yml"}, ReadFile: yaml.read}
	want := func(n int) {
		t.Helper()
		cfg, _ := mustLoad(t, src)
		if cfg.Agent.Commands.MaxOpen != n || cfg.Agent.Log.Format != "json" {
			t.Errorf("maxOpen is %d, want %d; format %s", cfg.Agent.Commands.MaxOpen, n, cfg.Agent.Log.Format)
		}
	}
	want(2) // a later file overrides single keys
	src.Environ = append(src.Environ, "AGENT_COMMANDS_MAXOPEN=3")
	want(3)
	for i, prefix := range []string{"GRAVITEE.", "GRAVITEE_", "gravitee.", "gravitee_"} {
		src.Environ = append(src.Environ, prefix+"agent_commands_maxOpen="+strconv.Itoa(4+i))
		want(4 + i)
	}
}

func TestAnEmptyValueIsAnAbsentOne(t *testing.T) {
	src := config.Sources{
		Environ: seed("gravitee_agent_log_format=", "gravitee_agent_commands_maxOpen=  ", ws+"proxy_enabled="),
		Files:   []string{"a.yml"},
		ReadFile: files{
			"a.yml": "agent:\n  log:\n    format: json\n  commands:\n    maxOpen:\n  quota:\n    share: ''\n",
		}.read,
	}
	cfg, warnings := mustLoad(t, src)
	wantWarnings(t, warnings)
	if cfg.Agent.Log.Format != "json" || cfg.Agent.Commands.MaxOpen != 256 || cfg.Agent.Quota.Share != 70 {
		t.Errorf("%+v", cfg.Agent)
	}
}

func TestPlainAWSRegionIsNotTakenForTheRegion(t *testing.T) {
	src := sources(append(without(seed(), provider0+"configuration_region"), "AWS_REGION=eu-west-1")...)
	wantFaults(t, faultsOf(t, src), "gravitee_integration_providers_0_configuration_region: is missing")
}

func TestRegionsAndRolesAreCommaListsWithoutRepeats(t *testing.T) {
	cfg, warnings := mustLoad(t, sources(seed(
		"gravitee_integration_providers_0_configuration_region=eu-west-1, us-east-1,,eu-west-1",
		provider0+"configuration_roleArn=arn:aws:iam::111111111111:role/a,arn:aws:iam::222222222222:role/path/b",
	)...))
	wantWarnings(
		t,
		warnings,
		`gravitee_integration_providers_0_configuration_region: named more than once, counted once: "eu-west-1"`,
	)
	if diff := cmp.Diff([]string{"eu-west-1", "us-east-1"}, cfg.Providers[0].Regions); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(
		[]string{"arn:aws:iam::111111111111:role/a", "arn:aws:iam::222222222222:role/path/b"},
		cfg.Providers[0].RoleARNs,
	); diff != "" {
		t.Error(diff)
	}
}

func TestABlankStageFilterFiltersNothingAndAGapDoesNotOpenTheFilter(t *testing.T) {
	const stem = "gravitee_integration_providers_0_configuration_"
	for name, tc := range map[string]struct {
		environ []string
		want    []string
	}{
		"all blank":         {[]string{stem + "0_stage= "}, nil},
		"0 blank and 1 set": {[]string{stem + "1_stage=dev"}, []string{"dev"}},
		"0 and 1 set": {
			[]string{stem + "0_stage=prod", stem + "1_stage=dev"},
			[]string{"prod", "dev"},
		},
		"only 7 set": {[]string{stem + "7_stage=dev"}, []string{"dev"}},
		"ten in numeric order": {
			[]string{stem + "10_stage=last", stem + "9_stage=first"},
			[]string{"first", "last"},
		},
		"upper case": {[]string{strings.ToUpper(stem) + "3_STAGE=dev"}, []string{"dev"}},
		"the key as it is": {
			[]string{"integration.providers[0].configuration.2_stage=dev"},
			[]string{"dev"},
		},
		"a placeholder that is blank": {
			[]string{stem + "0_stage=${NOTHING:}", stem + "1_stage=${STAGE}", "STAGE=dev"},
			[]string{"dev"},
		},
		"the same twice, counted once": {
			[]string{stem + "0_stage=dev", stem + "1_stage=dev", stem + "2_stage=qa"},
			[]string{"dev", "qa"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := mustLoad(t, sources(append(tc.environ, without(seed(), stem+"0_stage", stem+"1_stage")...)...))
			if diff := cmp.Diff(tc.want, cfg.Providers[0].Stages); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStageFiltersOfTwoProvidersAreKeptApart(t *testing.T) {
	const second = "gravitee_integration_providers_1_"
	cfg, _ := mustLoad(
		t,
		sources(
			seed(second+"type=aws-api-gateway", second+"integrationId=other", second+"configuration_region=us-east-1",
				second+"configuration_4_stage=qa")...),
	)
	if len(cfg.Providers) != 2 || len(cfg.Providers[0].Stages) != 0 || len(cfg.Providers[1].Stages) != 1 ||
		cfg.Providers[1].Stages[0] != "qa" {
		t.Errorf("%+v", cfg.Providers)
	}
}

func TestAMisspelledStageFilterStopsTheStartBecauseItWouldFailOpen(t *testing.T) {
	for _, name := range []string{"stage", "stages", "stage_0", "00_stage", "0_Stage", "0_stages"} {
		variable := "gravitee_integration_providers_0_configuration_" + name
		wantFaults(
			t,
			faultsOf(t, sources(seed(variable+"=dev")...)),
			variable+": is not a setting of this agent; did you mean "+
				"gravitee_integration_providers_0_configuration_0_stage? A stage filter that is not read would let "+
				"every stage through",
		)
	}
	for _, name := range []string{
		"gravitee_integration_provider_0_configuration_0_stage",
		"gravitee_integratin_providers_0_configuration_0_stage", "gravitee_integration_stages",
	} {
		wantFaults(
			t,
			faultsOf(t, sources(seed(name+"=dev")...)),
			name+": is not a setting of this agent; did you mean ",
		)
	}
	yaml := files{"g.yml": "integration:\n  providers:\n    - configuration:\n        stages: [dev]\n"}
	wantFaults(t, faultsOf(t, config.Sources{Environ: seed(), Files: []string{"g.yml"}, ReadFile: yaml.read}),
		"g.yml:4: integration.providers[0].configuration.stages[0]: is not a setting")
}

func TestListsEndAtTheirFirstGapWithAWarning(t *testing.T) {
	cfg, warnings := mustLoad(t, sources(seed(
		"gravitee_integration_connector_ws_endpoints_2=https://c.example.com",
		"gravitee_integration_connector_ws_headers_2_name=X-Two", "gravitee_integration_connector_ws_headers_2_value=v",
		"GRAVITEE_INTEGRATION_PROVIDERS_3_TYPE=aws-api-gateway",
	)...))
	wantWarnings(
		t,
		warnings,
		"integration.connector.ws.endpoints[1] is missing, and the list ends there; not read: "+
			"gravitee_integration_connector_ws_endpoints_2",
		"integration.connector.ws.headers[1] is missing, and the list ends there; not read: "+
			"gravitee_integration_connector_ws_headers_2_name, gravitee_integration_connector_ws_headers_2_value",
		"integration.providers[1] is missing, and the list ends there; not read: GRAVITEE_INTEGRATION_PROVIDERS_3_TYPE",
	)
	if len(cfg.Connector.Endpoints) != 1 || len(cfg.Connector.Headers) != 1 || len(cfg.Providers) != 1 {
		t.Errorf("%+v", cfg)
	}
}

func TestEndpointsAreTakenInOrderAndNormalised(t *testing.T) {
	cfg, _ := mustLoad(t, sources(seed(
		"gravitee_integration_connector_ws_endpoints_0=WSS://apim.example.com/integration-controller/?a=b",
		"gravitee_integration_connector_ws_endpoints_1=ws://[::1]:8072",
		"gravitee_integration_connector_ws_endpoints_2=http://apim:8072//",
		"gravitee_integration_connector_ws_endpoints_3=https://h/a%2Fb",
	)...))
	want := []string{
		"https://apim.example.com/integration-controller", "http://[::1]:8072", "http://apim:8072/", "https://h/a%2Fb",
	}
	if diff := cmp.Diff(want, cfg.Connector.Endpoints); diff != "" {
		t.Error(diff)
	}
}

func TestListsAreInTheOrderOfTheirNumbers(t *testing.T) {
	environ, want := seed(), []string{"https://apim.example.com/integration-controller"}
	for i := 1; i < 12; i++ {
		url := fmt.Sprintf("https://apim-%d.example.com", i)
		environ = append(environ, fmt.Sprintf("gravitee_integration_connector_ws_endpoints_%d=%s", i, url))
		want = append(want, url)
	}
	cfg, _ := mustLoad(t, sources(environ...))
	if diff := cmp.Diff(want, cfg.Connector.Endpoints); diff != "" {
		t.Error(diff)
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	cfg, _ := mustLoad(t, sources(seed()...))
	for _, printed := range []string{fmt.Sprintf("%v", cfg), fmt.Sprintf("%+v", cfg), fmt.Sprintf("%#v", cfg)} {
		if strings.Contains(printed, secretKey) || strings.Contains(printed, token) {
			t.Errorf("%s", printed)
		}
	}
}

func TestOnlyAnAuthorizationHeaderNeedsAScheme(t *testing.T) {
	const header = "gravitee_integration_connector_ws_headers_0_"
	for _, environ := range [][]string{
		seed(header+"name=X-Token", header+"value=3b1f7c2e-0001"),
		seed(header + "value=bearer3b1f7c2e-0001"), // APIM trims what it leaves, so that this one works
		seed(header + "value=Basic 3b1f7c2e-0001"),
	} {
		mustLoad(t, sources(environ...))
	}
}

func TestWithoutAnAuthorizationHeaderThereIsAWarning(t *testing.T) {
	_, warnings := mustLoad(t, sources(without(seed(), ws+"headers_0_name", ws+"headers_0_value")...))
	wantWarnings(t, warnings, "no Authorization header is set")
}
