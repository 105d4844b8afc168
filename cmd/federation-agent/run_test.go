package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	actors "federation-agent/actors/agent"
	"federation-agent/config"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
	"federation-agent/internal/store"
)

// oneByOne makes an ingest of many batches, and holds APIM's answer to the second.
func oneByOne(t *testing.T) (change func(*demo.Options), more []string, release func()) {
	hold := make(chan struct{})
	change = func(o *demo.Options) {
		o.Script = &apimsim.Script{Ingest: func(e apimsim.IngestEvent) apimsim.IngestFault {
			if e.Nth == 2 {
				return apimsim.IngestFault{Hold: hold}
			}
			return apimsim.IngestFault{}
		}}
	}
	return change, []string{"gravitee_agent_ingest_batchCount=1"}, func() { close(hold) }
}

func midIngest(t *testing.T, s *demo.Sandbox) apimsim.Job {
	t.Helper()
	job, err := s.APIM.StartIngest(context.Background(), demo.DefaultIntegrationID, nil)
	if err != nil {
		t.Fatal(err)
	}
	await(t, s, "the middle of the ingest", func() bool {
		now, err := s.APIM.Job(job.ID)
		return err == nil && now.Ingested >= 2
	})
	return job
}

func TestSIGTERMInTheMiddleOfAnIngestEndsInOrderWithin10Seconds(t *testing.T) {
	t.Parallel()
	change, more, release := oneByOne(t)
	s := newSandbox(t, change)
	defer release()
	agent := start(t, settings(t, s, more...), "run")
	connected(t, s)
	job := midIngest(t, s)
	began := time.Now()
	agent.signal(syscall.SIGTERM)
	if code := agent.exit(); code != exitOrderly {
		t.Fatalf("exit code %d\n%s", code, agent.log())
	}
	agent.says("ended in order", "took=", "ingests_left=1")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	await(t, s, "the end of the session", func() bool { return len(s.APIM.EndedSessions()) > 0 })
	if ended := s.APIM.EndedSessions(); ended[0].Code != 1000 {
		t.Errorf("close code %d %q, want 1000", ended[0].Code, ended[0].Text)
	}
	if now, err := s.APIM.Job(job.ID); err != nil || now.Status != apimsim.JobPending {
		t.Errorf("job %+v, %v: an ingest that was cut must not look done", now, err)
	}
}

func TestAnIngestGoesOnAfterKill9AndRestart(t *testing.T) {
	t.Parallel()
	change, more, release := oneByOne(t)
	s := newSandbox(t, change)
	environ := settings(t, s, more...)
	agent := start(t, environ)
	connected(t, s)
	job := midIngest(t, s)
	agent.signal(syscall.SIGKILL)
	agent.exit()
	await(t, s, "the loss of the session", func() bool { return len(s.APIM.Agents()) == 0 })
	release()
	again := start(t, environ)
	await(t, s, "the end of the ingest", func() bool {
		now, err := s.APIM.Job(job.ID)
		return err == nil && now.Status != apimsim.JobPending
	})
	if now, err := s.APIM.Job(job.ID); err != nil || now.Status != apimsim.JobSuccess || len(s.APIM.APIs()) != 12 {
		t.Errorf("job %+v, %d APIs, %v\n%s", now, len(s.APIM.APIs()), err, again.log())
	}
	if problems := s.APIM.Problems(); len(problems) > 0 {
		t.Errorf("APIM noticed %v\n%s", problems, again.log())
	}
	again.signal(os.Interrupt)
	if code := again.exit(); code != exitOrderly {
		t.Errorf("exit code %d after SIGINT\n%s", code, again.log())
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	s.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateAPIKey, Fault: awssim.Of(awssim.FaultHang)})
	agent := start(t, settings(t, s, "gravitee_agent_shutdown_timeout=5m"))
	connected(t, s)
	ingested(t, s)
	api := s.APIM.APIs()[0]
	go s.APIM.Subscribe(context.Background(), api.ID, api.Plans[0].ID, "Shop", "") // it is never answered
	await(t, s, "the question for a key", func() bool {
		for _, c := range s.AWS.Calls(0) {
			if c.Operation == awssim.OpCreateAPIKey {
				return true
			}
		}
		return false
	})
	agent.signal(syscall.SIGTERM)
	agent.says("ending in order")
	agent.signal(syscall.SIGTERM) // within a second
	agent.says("the same signal once more")
	agent.signalUntil(syscall.SIGTERM, "a second signal: ending at once")
	if code := agent.exit(); code != exitSignal+int(syscall.SIGTERM) {
		t.Errorf("exit code %d\n%s", code, agent.log())
	}
	agent.says("level=WARN", "a second signal: ending at once")
}

func TestAnAgentThatAPIMDismissesForGoodExitsWith3(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	agent := start(t, settings(t, s))
	connected(t, s)
	s.APIM.GoodBye(demo.DefaultIntegrationID, false)
	if code := agent.exit(); code != exitDismissed {
		t.Errorf("exit code %d\n%s", code, agent.log())
	}
}

func TestAJournalOfANewerVersionEndsTheStartWith2AndStaysAsItIs(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	path := filepath.Join(t.TempDir(), store.FileName)
	const journal = "federation-agent journal, schema 7, 000000000000 lines\n"
	if err := os.WriteFile(path, []byte(journal), 0o600); err != nil {
		t.Fatal(err)
	}
	agent := start(t, settings(t, s, storePath+"="+filepath.Dir(path)), "run")
	if code := agent.exit(); code != exitConfiguration {
		t.Errorf("exit code %d", code)
	}
	agent.says("fault: "+storePath, path, "newer version", "version 7", "up to 2")
	if now, err := os.ReadFile(path); err != nil || string(now) != journal {
		t.Errorf("the journal is %q now, %v", now, err)
	}
}

func TestNoSecretReachesTheLog(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	agent := start(t, settings(t, s, "gravitee_agent_log_level=debug", "gravitee_agent_log_format=json"))
	connected(t, s)
	agent.says(`"msg":"federation agent starts"`, `"version":`, `"commit":`, `"go":`)
	agent.signal(syscall.SIGTERM)
	agent.exit()
	for _, secret := range []string{demo.DefaultToken, "sandbox-secret"} {
		if strings.Contains(agent.log(), secret) {
			t.Errorf("the log holds %q\n%s", secret, agent.log())
		}
	}
}

// Each of these is a mistake that a newcomer makes; the message says what to change.
func TestBadInputIsAnsweredWithWhatToChange(t *testing.T) {
	t.Parallel()
	const provider = "gravitee_integration_providers_0_"
	endpoint := func(url string) string { return "gravitee_integration_connector_ws_endpoints_0=" + url }
	for name, c := range map[string]struct {
		setting string
		// preview is whether the mistake shows only when AWS is asked.
		preview bool
		says    []string
		exit    int
	}{
		"wrong token": {
			setting: "gravitee_integration_connector_ws_headers_0_value=bearer wrong",
			says:    []string{"level=ERROR", "401 Unauthorized", "check the token in the Authorization header"},
		},
		"wrong integration id": {
			setting: provider + "integrationId=00000000-0000-0000-0000-000000000000",
			says:    []string{"level=ERROR", "APIM refused this agent", "not found", "integrationId"},
		},
		"wrong provider": {
			setting: provider + "type=solace", exit: exitConfiguration,
			says: []string{"fault: " + provider + "type", `"solace" is not served`, "for example", "=aws-api-gateway"},
		},
		"unreachable endpoint": {
			setting: endpoint("http://127.0.0.1:1/integration-controller"),
			says:    []string{"level=ERROR", "cannot connect to APIM", "check the endpoint's host and port"},
		},
		"wrong path": {
			setting: endpoint("%s/elsewhere"),
			says:    []string{"level=ERROR", "404 Not Found", "no integration controller at this path"},
		},
		"malformed region": {
			setting: provider + "configuration_region=europe", exit: exitConfiguration,
			says: []string{"fault: " + provider + "configuration_region", `"europe" is not an AWS region`, "=eu-west-1"},
		},
		"unknown region": {
			setting: provider + "configuration_region=eu-west-9",
			says:    []string{"level=WARN", "eu-west-9", "is not a region that this version knows"},
		},
		"disabled region": {
			setting: provider + "configuration_region=ap-east-1", preview: true,
			says: []string{"level=ERROR", "enable the region for the account"},
		},
		"unknown access key": {
			setting: provider + "configuration_accessKeyId=AKIAIOSFODNN7EXAMPLE",
			says:    []string{"level=ERROR", "check accessKeyId and secretAccessKey"},
		},
		"keys without permission": {
			setting: provider + "configuration_accessKeyId=" + powerless, preview: true,
			says: []string{
				"level=ERROR", "the credentials lack the permission apigateway:GET on arn:aws:apigateway:eu-west-1::/",
			},
		},
		"unknown stage": {
			setting: provider + "configuration_0_stage=prd", preview: true,
			says: []string{"level=WARN", "nothing is to be federated", "stage filter", "0_stage"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, withPowerlessUser)
			setting := c.setting
			if strings.Contains(setting, "%s") {
				setting = fmt.Sprintf(setting, s.APIMURL())
			}
			agent := start(t, settings(t, s, setting), "run")
			if c.preview {
				connected(t, s)
				_, _ = s.APIM.Preview(t.Context(), demo.DefaultIntegrationID) // the log tells
			}
			agent.says(c.says...)
			if c.exit == exitOrderly {
				agent.signal(syscall.SIGTERM)
			}
			if code := agent.exit(); code != c.exit {
				t.Errorf("exit code %d, want %d\n%s", code, c.exit, agent.log())
			}
		})
	}
}

// powerless is the access key of a user without any permission.
const powerless = "AKIAPOWERLESS0000001"

func withPowerlessUser(o *demo.Options) {
	account := &o.Estate.Accounts[0]
	account.Regions = append(account.Regions, awssim.Region{Name: "ap-east-1", Disabled: true})
	account.Principals = append(account.Principals, awssim.Principal{
		Name: "powerless", AccessKeyID: powerless, Policy: &awssim.Policy{Version: "2012-10-17"},
	})
}

func TestAnEndThatIsNotInOrderExitsWith1(t *testing.T) {
	for ending, want := range map[actors.Ending]int{
		actors.Drained: exitOrderly, actors.Disorderly: exitInternal, actors.Failed: exitInternal,
		actors.Dismissed: exitDismissed,
	} {
		code := exitOrderly
		if exit, ok := errors.AsType[*exitError](ended(ending)); ok {
			code = exit.code
		}
		if code != want {
			t.Errorf("ending %v exits with %d, want %d", ending, code, want)
		}
	}
}

func TestAContainerThatIsTooSmallForTheSettingsIsNamedAtTheStart(t *testing.T) {
	var cfg config.Config
	cfg.Providers = make([]config.Provider, 1)
	cfg.Connector.MaxMessageSize, cfg.Agent.Ingest.MemoryBytes = 13_107_200, 8<<20 // the defaults
	for limit, warns := range map[uint64]bool{40 << 20: true, 57 << 20: true, 59 << 20: false, 128 << 20: false, 0: false} {
		var log strings.Builder
		warnOfLittleMemory(newLogger(&log, config.Log{}).Logger, cfg, func() (uint64, error) {
			if limit == 0 {
				return 0, errors.New("memory is not limited")
			}
			return limit, nil
		})
		if got := strings.Contains(log.String(), "container's memory limit is small"); got != warns ||
			warns && !strings.Contains(log.String(), fmt.Sprint("container_limit=", limit, " at_least=6")) {
			t.Errorf("%d MiB: %q", limit>>20, log.String())
		}
	}
}

func TestSIGHUPDoesNoHarm(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	agent := start(t, settings(t, s))
	connected(t, s)
	agent.signal(syscall.SIGHUP)
	agent.says("level=INFO", "SIGHUP changes nothing")
	ingested(t, s)
	agent.signal(syscall.SIGTERM)
	if code := agent.exit(); code != exitOrderly {
		t.Errorf("exit code %d\n%s", code, agent.log())
	}
}

// Whoever reads the log by a program reads why nothing was started, too.
func TestALogInJSONHasNothingElse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		environ, args []string
		says          string
	}{
		"faults":                  {nil, nil, `"level":"ERROR","msg":"fault: `},
		"faults of run":           {nil, []string{"run"}, `"level":"ERROR","msg":"fault: `},
		"a warning beside them":   {nil, nil, `"level":"WARN","msg":"warning: gravitee_integration_connector_ws_headers_0_name: `},
		"a flag that is unknown":  {nil, []string{"run", "--wrong"}, `"level":"ERROR","msg":"unknown flag: --wrong"`},
		"a command that is none":  {nil, []string{"rum"}, `"level":"ERROR","msg":"unknown command`},
		"a file that is missing":  {nil, []string{"--config", "/does/not/exist.yml"}, `"level":"ERROR","msg":"fault: `},
		"the form is in the file": {[]string{"gravitee_agent_log_format="}, []string{"--config", "testdata/json.yml"}, `"level":"ERROR","msg":"fault: `},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := start(t, append([]string{"gravitee_agent_log_format=json"}, c.environ...), c.args...)
			if code := agent.exit(); code != exitConfiguration {
				t.Errorf("exit code %d", code)
			}
			for line := range strings.Lines(agent.log()) {
				if !json.Valid([]byte(line)) {
					t.Errorf("no JSON: %s", line)
				}
			}
			if !strings.Contains(agent.log(), c.says) {
				t.Errorf("%s\nwithout %s", agent.log(), c.says)
			}
		})
	}
}
