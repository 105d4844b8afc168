package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"federation-agent/config"
	"federation-agent/internal/node"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
	"federation-agent/internal/secret"
)

const nodePassword = "a-password-that-must-never-be-shown"

// withNode are the settings that let a child serve its node API on a port of its own.
func withNode(more ...string) []string {
	return append([]string{
		nodeEnabled + "=true", nodePort + "=0", nodeUsers + "admin=" + nodePassword, "gravitee_services_metrics_enabled=true",
	}, more...)
}

// nodeURL is where a child serves it.
func nodeURL(c *child) string {
	c.t.Helper()
	line := c.says("the node API is served", "address=127.0.0.1:")
	found := regexp.MustCompile(`address=(127\.0\.0\.1:\d+)`).FindStringSubmatch(line)
	return "http://" + found[1]
}

// look asks a child's node API under its address, lookAs under a host name.
func look(t *testing.T, url, accept string) (code int, body string) {
	t.Helper()
	return lookAs(t, url, accept, "")
}

func lookAs(t *testing.T, url, accept, host string) (code int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("admin", nodePassword)
	request.Header.Set("Accept", accept)
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestTheNodeAPILivesAsLongAsTheAgentAndShowsNoSecret(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	agent := start(t, settings(t, s, withNode("gravitee_agent_log_level=debug",
		"gravitee_agent_node_hostNames=agent.example.com")...))
	connected(t, s)
	url := nodeURL(agent)
	for _, path := range []string{"/_node", "/_node/health", "/_node/federation", "/_node/metrics/prometheus"} {
		for _, accept := range []string{"application/json", "text/html"} {
			code, body := look(t, url+path, accept)
			if code != http.StatusOK {
				t.Errorf("%s: %d %s", path, code, body)
			}
			for _, secret := range []string{demo.DefaultToken, "sandbox-secret", nodePassword} {
				if strings.Contains(body, secret) || strings.Contains(agent.log(), secret) {
					t.Errorf("%s, or the log, shows %q\n%s", path, secret, body)
				}
			}
		}
	}
	for host, want := range map[string]int{
		"agent.example.com": http.StatusOK, "evil.example": http.StatusMisdirectedRequest,
	} {
		if code, body := lookAs(t, url+"/_node/federation", "", host); code != want {
			t.Errorf("as %s: %d %s", host, code, body)
		}
	}
	if response, err := http.Get(url + "/_node/health"); err != nil || response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a password: %v %v", response, err)
	}
	agent.signal(syscall.SIGTERM)
	if code := agent.exit(); code != exitOrderly {
		t.Errorf("exit code %d\n%s", code, agent.log())
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		t.Error("the port is still served")
	}
}

func TestAPortThatIsTakenStopsTheStartAndNamesTheVariables(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := newSandbox(t, nil)
	agent := start(t,
		settings(t, s, nodeEnabled+"=true", fmt.Sprintf("%s=%d", nodePort, taken.Addr().(*net.TCPAddr).Port)))
	if code := agent.exit(); code != exitConfiguration {
		t.Errorf("exit code %d", code)
	}
	agent.says("fault: ", nodePort, "address already in use", nodeEnabled+"=false")
	if len(s.APIM.Agents()) > 0 {
		t.Error("it connected all the same")
	}
}

func TestWithoutAUserNobodyIsLetInAndTheLogSaysWhatToSet(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	agent := start(t, settings(t, s, nodeEnabled+"=true", nodePort+"=0"))
	url := nodeURL(agent)
	agent.says("nobody is let in, as no user is configured; set " + nodeUsers + "NAME")
	if code, body := look(t, url+"/_node/health", ""); code != http.StatusUnauthorized {
		t.Errorf("%d %s", code, body)
	}
}

func TestAKeyLostToKill9IsOnTheStatusOfTheNextProcess(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	environ := settings(t, s, withNode()...)
	agent := start(t, environ)
	connected(t, s)
	ingested(t, s)
	s.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateAPIKey, Fault: awssim.Of(awssim.FaultHangAfter)})
	api := s.APIM.APIs()[0]
	go s.APIM.Subscribe(t.Context(), api.ID, api.Plans[0].ID, "Shop", "") // it is never answered
	await(t, s, "the key that nobody hears of", func() bool { return len(s.AWS.Keys()) > 0 })
	agent.signal(syscall.SIGKILL)
	agent.exit()

	again := start(t, environ)
	url := nodeURL(again)
	again.says("the answer to CreateApiKey was lost")
	var status struct {
		Keys struct {
			LostCreates []struct{ KeyName, Account, Region, Subscription, Do string }
		}
	}
	_, body := look(t, url+"/_node/federation", "")
	if err := json.Unmarshal([]byte(body), &status); err != nil {
		t.Fatal(err)
	}
	key := s.AWS.Keys()[0]
	if lost := status.Keys.LostCreates; len(lost) != 1 || lost[0].KeyName != key.Name || lost[0].Region != "eu-west-1" ||
		!strings.Contains(lost[0].Do, "delete it") {
		t.Errorf("the status lists %+v, and AWS has %q\n%s", lost, key.Name, again.log())
	}
	if _, page := look(t, url+"/_node/federation", "text/html"); !strings.Contains(page, "Lost creates: 1") {
		t.Errorf("the page does not list it\n%s", page)
	}
}

// healthOf asks the agent that has a configuration.
func healthOf(t *testing.T, cfg config.NodeHTTP, out io.Writer) error {
	t.Helper()
	agent, err := peerOf(cfg)
	if err != nil {
		return err
	}
	return show(t.Context(), process{stdout: out}, agent, "/_node/health")
}

func TestHealthAndStatusAskTheRunningAgent(t *testing.T) {
	code := http.StatusOK
	asked := ""
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !ok || user != "admin" || password != nodePassword {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		asked = r.URL.Path
		w.WriteHeader(code)
		fmt.Fprintln(w, "what it says")
	}))
	defer agent.Close()
	port := agent.Listener.Addr().(*net.TCPAddr).Port
	users := map[string]secret.String{"admin": secret.New(nodePassword), "other": secret.New("x")}
	good := config.NodeHTTP{
		Enabled: true, Host: "0.0.0.0", Port: port,
		Authentication: config.NodeAuthentication{Type: config.AuthenticationBasic, Users: users},
	}
	stranger, off, anyPort := good, good, good
	stranger.Authentication.Users, off.Enabled, anyPort.Port = nil, false, 0
	for name, c := range map[string]struct {
		cfg           config.NodeHTTP
		answer        int
		exit          int
		prints, tells string
	}{
		"healthy":     {good, http.StatusOK, exitOrderly, "what it says\n", ""},
		"unhealthy":   {good, http.StatusInternalServerError, exitInternal, "what it says\n", "500"},
		"a stranger":  {stranger, http.StatusOK, exitInternal, "", "accepts no user"},
		"off":         {off, http.StatusOK, exitConfiguration, "", nodeEnabled},
		"on any port": {anyPort, http.StatusOK, exitConfiguration, "", nodePort},
	} {
		code = c.answer
		var out bytes.Buffer
		exit, text := exitOrderly, ""
		if failed, ok := errors.AsType[*exitError](healthOf(t, c.cfg, &out)); ok {
			exit, text = failed.code, failed.text
		}
		if exit != c.exit || out.String() != c.prints || !strings.Contains(text, c.tells) {
			t.Errorf("%s: exit %d %q, printed %q", name, exit, text, out.String())
		}
	}
	if asked != "/_node/health" {
		t.Errorf("asked for %q", asked)
	}
	agent.Close()
	var nobody *exitError
	err := healthOf(t, good, io.Discard)
	if !errors.As(err, &nobody) || nobody.code != exitInternal || !strings.Contains(nobody.text, "no agent answers here") {
		t.Errorf("nobody answers: %v", err)
	}
}

func TestEachFlagOfHealthAsksForItsOwnProbe(t *testing.T) {
	var asked []string
	agent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
	}))
	defer agent.Close()
	environ := []string{
		"gravitee_integration_connector_ws_endpoints_0=https://apim.example.com",
		"gravitee_integration_providers_0_type=aws-api-gateway", "gravitee_integration_providers_0_integrationId=i",
		"gravitee_integration_providers_0_configuration_region=eu-west-1",
		fmt.Sprint("gravitee_services_core_http_port=", agent.Listener.Addr().(*net.TCPAddr).Port),
	}
	for _, args := range [][]string{{"health"}, {"health", "--live"}, {"health", "--ready"}} {
		var out bytes.Buffer
		if code := execute(process{args: args, environ: environ, stdout: &out, stderr: &out}); code != exitOrderly {
			t.Errorf("%q: exit %d %s", args, code, out.String())
		}
	}
	if want := []string{"/_node/health", "/_node/live", "/_node/ready"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q", asked)
	}
	if code := execute(process{args: []string{"health", "--live", "--ready"}, environ: environ, stderr: io.Discard,
		stdout: io.Discard}); code != exitConfiguration {
		t.Errorf("both at once: exit %d", code)
	}
}

func TestTheAgentIsAskedWhereItListens(t *testing.T) {
	for _, host := range []string{"localhost", "127.0.0.1", "0.0.0.0", "::"} {
		listener, err := node.Listen(host, 0)
		if host == "::" && err != nil {
			continue // a machine without IPv6
		}
		if err != nil {
			t.Fatal(err)
		}
		agent := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "what it says")
		})}
		go agent.Serve(listener)
		cfg := config.NodeHTTP{Enabled: true, Host: host, Port: listener.Addr().(*net.TCPAddr).Port}
		var out bytes.Buffer
		if err := healthOf(t, cfg, &out); err != nil || out.String() != "what it says\n" {
			t.Errorf("%s: %v, printed %q", host, err, out.String())
		}
		agent.Close()
	}
	if got := node.Address("localhost", 18084); got != "127.0.0.1:18084" {
		t.Errorf("localhost is looked up: %s", got) // an image without /etc/hosts does not know it
	}
}

func TestTheSandboxNamesThePortThatTheAgentTakes(t *testing.T) {
	cfg, _, err := load(config.Sources{Environ: settings(t, newSandbox(t, nil))})
	if err != nil || cfg.Services.HTTP.Port != demo.NodePort {
		t.Errorf("%v, port %d, and the sandbox names %d", err, cfg.Services.HTTP.Port, demo.NodePort)
	}
}
