//go:build interop

package secure

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"federation-agent/test/interop/controller"
	"federation-agent/test/missing"
	"federation-agent/test/process"
)

const (
	integration = "11111111-2222-3333-4444-555555555555"
	token       = "a-token-that-must-never-be-logged"
	password    = "a-password-that-must-never-be-logged"
	// caseDeadline ends a case that hangs. The first one may build the harness and the agent.
	caseDeadline = 5 * time.Minute

	ws = "gravitee_integration_connector_ws_"
)

// binary is the agent, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "federation-agent-secure-")
	if err != nil {
		return "", err
	}
	return process.Build(context.Background(), dir)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if program, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(program)) // it is below the temporary folder in any case
	}
	os.Exit(code)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// site is one controller, and agents that look for it.
type site struct {
	*controller.Gravitee
	t   *testing.T
	ctx context.Context
}

// open starts the newest controller with these settings of its websocket server.
func open(t *testing.T, settings map[string]string) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), caseDeadline)
	t.Cleanup(cancel)
	versions := controller.Versions()
	logs := &process.Output{}
	jvm, err := controller.StartProcess(ctx, versions[len(versions)-1], logs)
	missing.Require(t, err)
	t.Cleanup(func() {
		_ = jvm.Close()
		if t.Failed() {
			t.Logf("the controller logged:\n%s", logs)
		}
	})
	own := map[string]string{}
	for name, value := range settings {
		own["controller.ws."+name] = value
	}
	c, err := jvm.NewController(ctx, controller.Options{Settings: own})
	must(t, err)
	must(t, c.AllowToken(ctx, token))
	must(t, c.PutIntegration(ctx, integration, "aws-api-gateway"))
	return &site{Gravitee: c, t: t, ctx: ctx}
}

// address is the controller's.
func (s *site) address() string { return strings.TrimPrefix(s.Endpoint(), "http://") }

// agent starts the built agent. It is ended with the test.
func (s *site) agent(more map[string]string) *process.Process {
	s.t.Helper()
	program, err := binary()
	must(s.t, err)
	cmd := exec.Command(program)
	cmd.Dir = s.t.TempDir()
	settings := map[string]string{
		ws + "endpoints_0":                                               "https://" + s.address(),
		ws + "headers_0_name":                                            "Authorization",
		ws + "headers_0_value":                                           "bearer " + token,
		"gravitee_integration_providers_0_type":                          "aws-api-gateway",
		"gravitee_integration_providers_0_integrationId":                 integration,
		"gravitee_integration_providers_0_configuration_region":          "eu-west-1",
		"gravitee_integration_providers_0_configuration_accessKeyId":     "test",
		"gravitee_integration_providers_0_configuration_secretAccessKey": "test",
		"gravitee_services_core_http_enabled":                            "false",
		"AWS_ENDPOINT_URL":                                               "http://127.0.0.1:1",
	}
	maps.Copy(settings, more)
	cmd.Env = process.Environ(settings)
	agent, err := process.Start(cmd)
	must(s.t, err)
	s.t.Cleanup(func() {
		_ = agent.Kill()
		if text := agent.Stderr.String(); strings.Contains(text, token) || strings.Contains(text, password) {
			s.t.Errorf("a secret is in the log:\n%s", text)
		}
	})
	return agent
}

// connects starts an agent that must reach the controller.
func (s *site) connects(more map[string]string) {
	s.t.Helper()
	from := s.Events().Len()
	agent := s.agent(more)
	if _, err := agent.Await(s.ctx, &agent.Stderr, "connected to APIM"); err != nil {
		s.t.Fatalf("%v\n%s", err, &agent.Stderr)
	}
	_, _, err := s.Events().Wait(s.ctx, from, controller.HasChannels(integration, 1))
	must(s.t, err)
	must(s.t, agent.Kill())
	_, _, err = s.Events().Wait(s.ctx, from, controller.HasChannels(integration, 0))
	must(s.t, err)
}

// fails starts an agent that must say these texts in one line.
func (s *site) fails(more map[string]string, texts ...string) {
	s.t.Helper()
	agent := s.agent(more)
	if _, err := agent.Await(s.ctx, &agent.Stderr, append(texts, "cannot connect to APIM")...); err != nil {
		s.t.Fatalf("%v\n%s", err, &agent.Stderr)
	}
	must(s.t, agent.Kill())
}

func merged(sets ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, set := range sets {
		maps.Copy(all, set)
	}
	return all
}

// freePort is one below those that the system hands out, so that nobody is given it meanwhile.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20_000 + rand.IntN(12_000)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// command runs a program to its end.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// write puts a file where a program that gives up its rights can read it.
func write(t *testing.T, dir, name, format string, args ...any) string {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o644))
	return path
}
