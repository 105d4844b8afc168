package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/config"
)

const wholeYAML = `# what the vendor's chart mounts
integration:
  connector:
    ws:
      endpoints:
        - https://apim.example.com/integration-controller
      headers:
        - name: Authorization
          value: bearer ${TOKEN:none}
      ssl: {trustAll: false, verifyHost: true, keystore: {type: NONE, path: /x}}
      proxy: {enabled: false, host: proxy, useSystemProxy: true}
  providers:
    - type: aws-api-gateway
      integrationId: from-yaml
      configuration:
        region: eu-west-1
        roleArn: arn:aws:iam::012345678901:role/r
        acceptApiWithoutUsagePlan: yes
        0_stage:
        1_stage: dev
agent:
  aws:
    accountId: 012345678901
`

func TestAWholeYAMLFileIsRead(t *testing.T) {
	src := config.Sources{
		Environ: []string{"TOKEN=abc"}, Files: []string{"g.yml"}, ReadFile: files{"g.yml": wholeYAML}.read,
	}
	cfg, warnings := mustLoad(t, src)
	wantWarnings(t, warnings)
	p := cfg.Providers[0]
	if p.IntegrationID != "from-yaml" || !p.AcceptAPIWithoutUsagePlan || len(p.Stages) != 1 || p.Stages[0] != "dev" {
		t.Errorf("%+v", p)
	}
	if got := cfg.Connector.Headers[0].Value.Reveal(); got != "bearer abc" {
		t.Errorf("header %q", got)
	}
	if cfg.Agent.AWS.AccountID != "012345678901" {
		t.Errorf("the account id became %s", cfg.Agent.AWS.AccountID)
	}
}

func TestTheFilesAreNamedByTheFirstSourceThatIsSet(t *testing.T) {
	read := files{}
	for _, name := range []string{"flag", "own", "vendor", "java", "java2", "strongest", "script", "weakest"} {
		read[name] = wholeYAML + "    externalId: " + name + "\n"
	}
	environ := []string{
		"gravitee_agent_config=own", "gravitee_conf=vendor",
		"_JAVA_OPTIONS=-Dgravitee.conf=strongest",
		`JAVA_OPTS=-Dgravitee.conf=script`,
		`JDK_JAVA_OPTIONS=-Xmx1g -Dgravitee.conf=x '-Dgravitee.conf=java,java2' -Dother="a b"`,
		"JAVA_TOOL_OPTIONS=-Dgravitee.conf=weakest",
	}
	for i, want := range []string{"own", "vendor", "strongest", "script", "java2", "weakest"} {
		cfg, _ := mustLoad(t, config.Sources{Environ: environ[i:], ReadFile: read.read})
		if cfg.Agent.AWS.ExternalID != want {
			t.Errorf("%s was read, want %s", cfg.Agent.AWS.ExternalID, want)
		}
	}
	cfg, _ := mustLoad(t, config.Sources{Environ: environ, Files: []string{"own,flag"}, ReadFile: read.read})
	if cfg.Agent.AWS.ExternalID != "flag" {
		t.Errorf("%s was read, want flag", cfg.Agent.AWS.ExternalID)
	}
	for _, name := range []string{"gravitee.conf", "gravitee_conf", "GRAVITEE_CONF", "GRAVITEE.CONF"} {
		cfg, _ := mustLoad(t, config.Sources{Environ: []string{name + "=vendor"}, ReadFile: read.read})
		if cfg.Agent.AWS.ExternalID != "vendor" {
			t.Errorf("%s is not read", name)
		}
	}
}

func TestARealFileIsRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "gravitee.yml")
	if err := os.WriteFile(name, []byte(wholeYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	mustLoad(t, config.Sources{Files: []string{name}})
}

func TestANamedFileThatCannotBeReadStopsTheStart(t *testing.T) {
	const file = "/etc/federation-agent/gravitee.yml"
	examples := map[string]string{
		"--config":                           "--config " + file,
		"GRAVITEE_AGENT_CONFIG":              "GRAVITEE_AGENT_CONFIG=" + file,
		"gravitee_conf":                      "gravitee_conf=" + file,
		"JDK_JAVA_OPTIONS (-Dgravitee.conf)": "JDK_JAVA_OPTIONS=-Dgravitee.conf=" + file,
	}
	for source, src := range map[string]config.Sources{
		"--config":                           {Environ: seed(), Files: []string{"no.yml"}},
		"GRAVITEE_AGENT_CONFIG":              {Environ: seed("GRAVITEE_AGENT_CONFIG=no.yml")},
		"gravitee_conf":                      {Environ: seed("gravitee_conf=no.yml")},
		"JDK_JAVA_OPTIONS (-Dgravitee.conf)": {Environ: seed("JDK_JAVA_OPTIONS=-Dgravitee.conf=no.yml")},
	} {
		src.ReadFile = files{}.read
		faults := faultsOf(t, src)
		wantFaults(t, faults, source+": the file no.yml cannot be read: open no.yml: file does not exist")
		var first config.Fault
		if !errors.As(faults, &first) || first.Example != examples[source] {
			t.Errorf("%s: the example is %s, want %s", source, first.Example, examples[source])
		}
	}
}

// connectorTruststore is what a refused option of a JVM names.
const connectorTruststore = "integration.connector.ws.ssl.truststore.*, …ssl.keystore.* and …proxy.* say the same"

func TestJavaOptionsAreReadForTheFilesOnly(t *testing.T) {
	wantFaults(
		t,
		faultsOf(t, sources(seed(`JDK_JAVA_OPTIONS="-Dgravitee.conf=a.yml`)...)),
		`JDK_JAVA_OPTIONS: has a " that is never closed`,
	)
	wantFaults(
		t,
		faultsOf(t, sources(seed("JDK_JAVA_OPTIONS=-Dintegration.providers[0].configuration.0_stage=dev")...)),
		"JDK_JAVA_OPTIONS: only -Dgravitee.conf is read from it",
	)
	for assignment, want := range map[string]string{
		"JAVA_OPTS=-Dcloud.token=x":                                  "JAVA_OPTS: only -Dgravitee.conf is read",
		"JDK_JAVA_OPTIONS=-Xmx1g -Djavax.net.ssl.trustStore=/t":      "JDK_JAVA_OPTIONS: this agent has no JVM",
		"JAVA_OPTS=-Dsecrets.kubernetes.enabled=true":                "JAVA_OPTS: only -Dgravitee.conf is read",
		"JAVA_OPTS=-Dsystem.proxy.host=proxy":                        "JAVA_OPTS: only -Dgravitee.conf is read",
		"JAVA_OPTS=-Djava.net.useSystemProxies=true":                 "JAVA_OPTS: this agent has no JVM",
		"JAVA_OPTS=-Dhttps.proxyHost=proxy":                          "JAVA_OPTS: this agent has no JVM",
		"JAVA_TOOL_OPTIONS=-DsocksProxyHost=proxy":                   connectorTruststore,
		"_JAVA_OPTIONS=-Djavax.net.ssl.keyStore=/k":                  "_JAVA_OPTIONS: this agent has no JVM",
		"JDK_JAVA_OPTIONS=-Dhttp.proxyHost=p -Dgravitee.conf=no.yml": "JDK_JAVA_OPTIONS: this agent has no JVM",
	} {
		got, _, _ := strings.Cut(faultsOf(t, sources(seed(assignment)...)).Error(), "\n")
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s", assignment, got)
		}
	}
	mustLoad(t, sources(seed("JDK_JAVA_OPTIONS=-Xmx512m -Dfoo='unclosed")...))
}

func TestMalformedYAMLIsNamedWithFileLineAndMessage(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"a tab": {
			"integration:\n\tconnector: x\n",
			"g.yml:2: malformed YAML: found character that cannot start any token",
		},
		"a colon too many": {
			"integration:\n  a: b: c\n",
			"g.yml:2: malformed YAML: mapping values are not allowed in this context",
		},
		"an unknown anchor": {
			"a: 1\nb: *secretThatNobodySees\n",
			"g.yml:2: malformed YAML: unknown anchor; quote a value that begins with *",
		},
		"binary":   {"a: 1\nb: 2\nc: \x01\n", "g.yml:3: malformed YAML: control characters are not allowed"},
		"no UTF-8": {"a: 1\nb: \xff\n", "g.yml:2: malformed YAML: "},
		"line 1":   {"a: b: c\n", "g.yml:1: malformed YAML: mapping values are not allowed"},
		"a list":   {"- a\n- b\n", "g.yml:1: must begin with a mapping"},
		"a key twice": {
			"agent:\n  log:\n    level: info\n    level: debug\n",
			`g.yml:4: the key "level" is twice in the same mapping`,
		},
		"an endless alias": {"a: &a\n  b: *a\n", "is nested too deeply or repeats itself"},
		"doubling aliases": {doublingAliases(), "is nested too deeply or repeats itself"},
		"a key of a list":  {"? [a, b]\n: c\n", "g.yml:1: a key must be a plain word"},
	} {
		t.Run(name, func(t *testing.T) {
			src := config.Sources{Environ: seed(), Files: []string{"g.yml"}, ReadFile: files{"g.yml": tc.content}.read}
			wantFaults(t, faultsOf(t, src), tc.want)
		})
	}
}

func doublingAliases() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [*a%d, *a%d]\n", i, i, i-1, i-1)
	}
	return b.String()
}

func TestAFileThatCannotBeReadIsNotFollowedByAllThatIsMissingWithoutIt(t *testing.T) {
	for want, src := range map[string]config.Sources{
		"g.yml:2: malformed YAML: mapping values are not allowed in this context": {
			Files:    []string{"g.yml"},
			ReadFile: files{"g.yml": "integration:\n  a: b: c\n"}.read,
		},
		"--config: the file g.yml cannot be read": {
			Files:    []string{"g.yml"},
			ReadFile: files{}.read,
		},
	} {
		wantFaults(t, faultsOf(t, src), want)
		_, warnings, _ := config.Load(src)
		wantWarnings(t, warnings)
	}
	src := config.Sources{
		Environ:  []string{"gravitee_agent_quota_share=0"},
		Files:    []string{"g.yml"},
		ReadFile: files{}.read,
	}
	wantFaults(t, faultsOf(t, src), "--config: the file g.yml", "gravitee_agent_quota_share: ")
}

func TestYAMLMergesAndSeveralDocumentsAreFlattened(t *testing.T) {
	content := wholeYAML + `---
defaults: &d {batchCount: 1, stageWorkers: 2}
more: &m {batchCount: 9, batchDelay: 3s}
agent:
  ingest:
    stageWorkers: 3
    <<: [*d, *m]
`
	cfg, _ := mustLoad(t, config.Sources{Files: []string{"g.yml"}, ReadFile: files{"g.yml": content}.read})
	got := []any{cfg.Agent.Ingest.BatchCount, cfg.Agent.Ingest.StageWorkers, cfg.Agent.Ingest.BatchDelay.String()}
	if diff := cmp.Diff([]any{1, 3, "3s"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnEmptyFileIsAnAbsentOne(t *testing.T) {
	for _, content := range []string{"", "# nothing\n", "---\n", "integration:\n"} {
		mustLoad(t, config.Sources{Environ: seed(), Files: []string{"g.yml"}, ReadFile: files{"g.yml": content}.read})
	}
}

func TestPlaceholders(t *testing.T) {
	for name, tc := range map[string]struct{ value, want string }{
		"a plain variable":             {"${NAME}", "ext"},
		"a default":                    {"${NOBODY:ext2}", "ext2"},
		"a default with a colon":       {"${NOBODY:a:b}", "a:b"},
		"an empty value takes default": {"${EMPTY:ext3}", "ext3"},
		"another key":                  {"x${integration.providers[0].type}", "xaws-api-gateway"},
		"a nested default":             {"${NOBODY:${NAME}}", "ext"},
		"a nested name":                {"${${WHICH}}", "ext"},
		"a chain":                      {"${CHAIN}", "ext"},
		"two":                          {"${NAME}/${NAME}", "ext/ext"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, _ := mustLoad(
				t,
				sources(
					seed(
						"gravitee_agent_aws_externalId="+tc.value,
						"NAME=ext",
						"EMPTY=",
						"WHICH=NAME",
						"CHAIN=${NAME}",
					)...),
			)
			if cfg.Agent.AWS.ExternalID != tc.want {
				t.Errorf("%q, want %q", cfg.Agent.AWS.ExternalID, tc.want)
			}
		})
	}
}

func TestAPlaceholderThatCannotBeResolvedStopsTheStart(t *testing.T) {
	const key = "gravitee_agent_aws_externalId"
	wantFaults(
		t,
		faultsOf(t, sources(seed(key+"=${NOBODY}")...)),
		key+`: the placeholder "NOBODY" has no value: set it, or write ${name:default}`,
	)
	wantFaults(
		t,
		faultsOf(t, sources(seed(key+"=${A}", "A=${B}", "B=${A}")...)),
		key+": its ${…} placeholders contain each other or grow without end",
	)
	long := strings.Repeat("x", 1<<10)
	wantFaults(
		t,
		faultsOf(t, sources(seed(key+"="+strings.Repeat("${A}", 100), "A="+long)...)),
		key+": its ${…} placeholders contain each other or grow without end",
	)
	wantFaults(t, faultsOf(t, sources(seed(provider0+"configuration_secretAccessKey=ab${pass}word")...)),
		provider0+"configuration_secretAccessKey: contains a ${…} placeholder that cannot be resolved")
}

func TestOnlyARegularFileOfALimitedSizeIsRead(t *testing.T) {
	directory := t.TempDir()
	pipe, linked := filepath.Join(directory, "pipe"), filepath.Join(directory, "linked")
	fits, large := filepath.Join(directory, "fits"), filepath.Join(directory, "large")
	const limit = 1 << 20
	pad := func(size int) []byte { return []byte(wholeYAML + strings.Repeat("#", size-len(wholeYAML))) }
	if err := errors.Join(
		syscall.Mkfifo(pipe, 0o600), os.WriteFile(fits, pad(limit), 0o600), os.WriteFile(large, pad(limit+1), 0o600),
		os.Symlink("fits", linked), // as Kubernetes mounts a ConfigMap
	); err != nil {
		t.Fatal(err)
	}
	mustLoad(t, config.Sources{Files: []string{linked}})
	for name, want := range map[string]string{
		"/dev/zero": "it is a directory, a device or a pipe; only a regular file of at most 1048576 bytes",
		pipe:        "it is a directory, a device or a pipe",
		directory:   "it is a directory, a device or a pipe", large: "it has more than 1048576 bytes",
	} {
		want = "the file " + name + " cannot be read: " + want
		wantFaults(t, faultsOf(t, config.Sources{Environ: seed(), Files: []string{name}}), "--config: "+want)
		for _, variable := range []string{"SSL_CERT_FILE", "AWS_CA_BUNDLE", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
			wantFaults(t, faultsOf(t, sources(seed(variable+"="+name)...)), variable+": "+want)
		}
	}
	mustLoad(t, sources(seed("SSL_CERT_FILE="+fits, "AWS_CONFIG_FILE="+os.DevNull, "AWS_CA_BUNDLE=/no/such/file")...))
}
