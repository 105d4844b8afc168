package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/sandbox/demo"
)

// quick takes AWS's latencies away and scales its quota up: a test has no time for honesty.
var quick = []string{"--latency=false", "--quota-scale=100"}

func TestTheDemoPlaysTheMainJobOnRealSockets(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"today's dialect": nil, "the 4.4 dialect": {"--apim-version=4.4"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, nil, append(append([]string{"demo", "--once", "--json"}, quick...), args...)...)
			if code := c.exit(); code != exitOrderly {
				t.Fatalf("exit code %d\n%s", code, c.log())
			}
			var summary demo.Summary
			if err := json.Unmarshal([]byte(c.Stdout.String()), &summary); err != nil {
				t.Fatalf("%v: the standard output is for machines\n%s", err, c.Stdout.String())
			}
			// 39 of the 40 APIs are in a usage plan, with three stages each; one of them cannot be exported.
			if !summary.OK || summary.Found != 117 || summary.Ingested != 117 || summary.Documents != 114 ||
				summary.KeysCreated != 1 || summary.KeysDeleted != 1 || summary.KeysLeft != 0 || len(summary.Usage) != 4 {
				t.Errorf("%+v\n%s", summary, c.log())
			}
			if strings.Contains(c.log(), "\x1b") || strings.Contains(c.log(), "\r") {
				t.Errorf("lines are drawn over though nobody watches\n%q", c.log())
			}
		})
	}
}

func TestADemoOfWhichAStepFailsSaysWhichAndWhy(t *testing.T) {
	t.Parallel()
	c := start(t, nil, append([]string{"demo", "--once", "--estate=uniform", "--apis=2", "--plans=0"}, quick...)...)
	if code := c.exit(); code != exitInternal {
		t.Errorf("exit code %d", code)
	}
	c.says("the demo failed at Subscribe: no ingested API has a plan to subscribe to")
}

// logOfADemo runs one to its end, gives the log's name, and fails unless that is the log of this demo alone.
func logOfADemo(t *testing.T, environ ...string) string {
	t.Helper()
	c := start(t, environ, append([]string{"demo", "--once"}, quick...)...)
	if code := c.exit(); code != exitOrderly {
		t.Fatalf("exit code %d\n%s", code, c.log())
	}
	_, after, _ := strings.Cut(c.Stdout.String(), "Agent's log")
	name := strings.Fields(after)[0]
	log, err := os.ReadFile(name)
	if err != nil || strings.Count(string(log), "connected to APIM") != 1 {
		t.Errorf("%v\n%s", err, log)
	}
	return name
}

func TestTheLogThatADemoPointsAtIsThereUntilTheNextDemo(t *testing.T) {
	t.Parallel()
	home, temporary := t.TempDir(), t.TempDir()
	first := logOfADemo(t, "HOME="+home, "XDG_CACHE_HOME=", "TMPDIR="+temporary)
	second := logOfADemo(t, "HOME="+home, "XDG_CACHE_HOME=", "TMPDIR="+temporary)
	if first != second || !strings.HasPrefix(first, home) {
		t.Errorf("the logs are %s and %s, want one below %s", first, second, home)
	}
	for _, directory := range []string{temporary, filepath.Dir(first)} {
		left, err := os.ReadDir(directory)
		left = slices.DeleteFunc(left, func(e os.DirEntry) bool { return filepath.Join(directory, e.Name()) == first })
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func TestWithoutAHomeADemosLogIsAmongTheTemporaryFiles(t *testing.T) {
	t.Parallel()
	temporary := t.TempDir()
	if name := logOfADemo(t, "HOME=", "XDG_CACHE_HOME=", "TMPDIR="+temporary); filepath.Dir(name) != temporary {
		t.Errorf("the log is %s, want one in %s", name, temporary)
	}
}

func TestCtrlCIsNoFailureOfTheDemo(t *testing.T) {
	t.Parallel()
	c := start(t, nil, "demo", "--once", "--quota-scale=0.05") // so slow that the first step is not the last
	c.prints("ok     Connect")
	c.signal(os.Interrupt)
	if code := c.exit(); code != exitInternal {
		t.Errorf("exit code %d", code)
	}
	c.says("the demo was interrupted at ")
	if all := c.log() + c.Stdout.String(); strings.Contains(strings.ToLower(all), "failed") {
		t.Errorf("an interruption is called a failure\n%s", all)
	}
}

func TestABadFlagLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for _, flag := range []string{"--estate=nope", "--apim-version=3.20"} {
		if c := start(t, []string{"TMPDIR=" + directory, "HOME=" + directory}, "demo", flag); c.exit() != exitConfiguration {
			t.Errorf("%s: exit code %d\n%s", flag, c.exit(), c.log())
		}
	}
	if left, err := os.ReadDir(directory); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestADemoStaysUpUntilItIsTold(t *testing.T) {
	t.Parallel()
	c := start(t, nil, append([]string{"demo", "--verbose", "--json"}, quick...)...)
	line := c.says("Still running", "is APIM's page", "is the agent's")
	page := regexp.MustCompile(`(\S+)/ is the agent's`).FindStringSubmatch(line)[1]
	if code, body := look(t, page+"/", "text/html"); code != http.StatusOK || !strings.Contains(body, "Federated APIs") {
		t.Errorf("%s: %d %s", page, code, body)
	}
	c.signal(os.Interrupt)
	if code := c.exit(); code != exitOrderly {
		t.Errorf("exit code %d\n%s", code, c.log())
	}
}

func TestTheSettingsThatASandboxPrintsLeadAnAgentToIt(t *testing.T) {
	t.Parallel()
	sandbox := start(t, nil, append([]string{"sandbox", "--apim=127.0.0.1:0", "--aws=127.0.0.1:0"}, quick...)...)
	sandbox.prints("# export gravitee_integration_providers_0_configuration_roleArn")
	sandbox.prints("export gravitee_agent_store_path='")
	sandbox.prints("unset AWS_ENDPOINT_URL")
	var environ []string
	for line := range strings.Lines(sandbox.Stdout.String()) {
		if setting, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			environ = append(environ, strings.ReplaceAll(setting, "'", ""))
		}
	}
	agent := start(t, environ)
	agent.says("connected to APIM")
	agent.says("AWS account and region are known", "111122223333:us-east-1")
	agent.signal(os.Interrupt)
	if code := agent.exit(); code != exitOrderly {
		t.Errorf("the agent's exit code is %d\n%s", code, agent.log())
	}
	sandbox.signal(os.Interrupt)
	if code := sandbox.exit(); code != exitOrderly {
		t.Errorf("the sandbox's exit code is %d\n%s", code, sandbox.log())
	}
}

func TestASandboxSaysHowTheProgramIsCalledAgain(t *testing.T) {
	for program, want := range map[string]string{
		"federation-agent": "federation-agent", "./bin/federation-agent": "./bin/federation-agent",
		"/tmp/go-build123/b001/exe/federation-agent":        "go run ./cmd/federation-agent",
		"/home/me/.cache/go-build/1a/2b-d/federation-agent": "go run ./cmd/federation-agent",
	} {
		if got := (process{program: program}).invoked(); got != want {
			t.Errorf("%s is called by %q, want %q", program, got, want)
		}
	}
}

func TestAStoreThatCannotBeWrittenIsToldOnce(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	blocked := filepath.Join(t.TempDir(), "a file, and no directory")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	agent := start(t, settings(t, s, "gravitee_agent_store_path="+blocked))
	connected(t, s)
	agent.signal(os.Interrupt)
	agent.says("level=ERROR", "the store's disk did not come back")
	agent.exit()
	if n := strings.Count(agent.log(), "the store is in memory only"); n != 1 {
		t.Errorf("the log says %d times that the store is in memory only\n%s", n, agent.log())
	}
}

func TestValidateTellsGoodFromBad(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	good := start(t, append(settings(t, s), "GRAVITEE_LOG_LEVEL=WARN"), "validate")
	if code := good.exit(); code != exitOrderly || !strings.Contains(good.Stdout.String(), "The configuration is good.") {
		t.Errorf("exit code %d\n%s%s", code, good.Stdout.String(), good.log())
	}
	good.says("note: the log has the level warn by GRAVITEE_LOG_LEVEL")
	if strings.Contains(good.Stdout.String(), demo.DefaultToken) ||
		strings.Contains(good.Stdout.String(), "sandbox-secret") {
		t.Errorf("a secret is shown\n%s", good.Stdout.String())
	}
	bad := start(t, []string{"gravitee_integration_providers_0_type=solace"}, "validate")
	if code := bad.exit(); code != exitConfiguration {
		t.Errorf("exit code %d\n%s", code, bad.log())
	}
	bad.says("fault: ", "endpoints_0: is missing")
	bad.says("fault: ", `"solace" is not served`)
}

func TestValidateShowsTheRESTAPIWithoutItsToken(t *testing.T) {
	t.Parallel()
	const rest, token = "gravitee_agent_apim_", "rest-token-that-must-never-be-seen"
	c := start(t, append(settings(t, newSandbox(t, nil)), rest+"url=https://apim.example.com/management/",
		rest+"environmentId=env-1", rest+"token="+token, "gravitee_agent_ingest_schedule=30 4 * * *",
		"gravitee_agent_events_queueUrl=https://sqs.eu-west-1.amazonaws.com/123456789012/changes", "gravitee_agent_ingest_gone=unpublish"), "validate")
	code, shown := c.exit(), c.Stdout.String()
	if code != exitOrderly || !strings.Contains(shown, "https://apim.example.com/management, environment env-1\n") ||
		!strings.Contains(shown, " 04:30 UTC, each up to 5m0s later\n") ||
		!strings.Contains(shown, " unpublish in APIM, 10 at a time at most, none that has subscriptions\n") ||
		!strings.Contains(shown, "queue changes of 123456789012 in eu-west-1, read by the agent's identity\n") ||
		strings.Contains(shown+c.log(), token) {
		t.Errorf("exit code %d\n%s%s", code, shown, c.log())
	}
}

func TestValidateShowsOptionsAndTheScheduleAsTheyAreUsed(t *testing.T) {
	t.Parallel()
	environ := settings(t, newSandbox(t, nil))
	off := start(t, environ, "validate")
	if code, shown := off.exit(), off.Stdout.String(); code != exitOrderly ||
		!regexp.MustCompile(`Custom domains +off\n +Key lookup +off\n`).MatchString(shown) {
		t.Errorf("exit code %d\n%s%s", code, shown, off.log())
	}
	const rest = "gravitee_agent_apim_"
	on := start(t, append(environ, rest+"url=https://apim.example.com/management", rest+"environmentId=DEFAULT", rest+"token=t",
		"gravitee_agent_ingest_schedule=*/5 * * * *", "gravitee_agent_discovery_customDomains=true",
		"gravitee_agent_keys_lookup=true"), "validate")
	if code, shown := on.exit(), on.Stdout.String(); code != exitOrderly || !strings.Contains(shown, " UTC, each at once\n") ||
		!regexp.MustCompile(`Custom domains +on\n +Key lookup +on\n`).MatchString(shown) {
		t.Errorf("exit code %d\n%s%s", code, shown, on.log())
	}
}

func TestMalformedYAMLNamesFileAndLine(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "gravitee.yml")
	broken := []byte("integration:\n  providers:\n    - type: aws-api-gateway\n   integrationId: x\n")
	if err := os.WriteFile(file, broken, 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, nil, "run", "--config", file)
	if code := c.exit(); code != exitConfiguration {
		t.Errorf("exit code %d", code)
	}
	c.says("fault: ", "gravitee.yml:", "malformed YAML")
}

func TestACommandLineThatCannotBeReadIsAConfigurationFault(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--confg", "x"}, {"start"}, {"sandbox", "--quota-scale=-1"}, {"demo", "--estate=no-such-file"},
		{"sandbox", "--apim-version=3.20"},
	} {
		if c := start(t, nil, args...); c.exit() != exitConfiguration || c.log() == "" {
			t.Errorf("%q: exit code %d\n%s", args, c.exit(), c.log())
		}
	}
}

func TestALimitOfDiscoverThatMeansNothingIsAFault(t *testing.T) {
	t.Parallel()
	environ := settings(t, newSandbox(t, nil))
	for text, args := range map[string][]string{
		"--limit: 0 at least":     {"--foreign", "--limit=-1"},
		"add --foreign or --from": {"--diff", "--limit=5"},
	} {
		c := start(t, environ, append([]string{"discover"}, args...)...)
		if code := c.exit(); code != exitConfiguration {
			t.Errorf("%q: exit code %d", args, code)
		}
		c.says(text)
	}
}

func TestVersionSaysWhatWasBuilt(t *testing.T) {
	t.Parallel()
	for _, spelling := range []string{"version", "--version"} {
		c := start(t, nil, spelling)
		if code := c.exit(); code != exitOrderly || !strings.Contains(c.Stdout.String(), "federation-agent ") ||
			!strings.Contains(c.Stdout.String(), "go1.") {
			t.Errorf("%s: exit code %d\n%s", spelling, code, c.Stdout.String())
		}
	}
}

func TestAWrongFlagAndATakenPortSayWhereToLook(t *testing.T) {
	t.Parallel()
	c := start(t, nil, "sandbox", "--prot=1")
	c.exit()
	c.says("unknown flag: --prot")
	c.says("Run federation-agent sandbox --help")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c = start(t, nil, "sandbox", "--apim=127.0.0.1:0", "--aws="+taken.Addr().String())
	c.exit()
	c.says("the AWS stand-in cannot listen", "--aws takes another address")
}
