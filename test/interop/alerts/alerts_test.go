//go:build interop

package alerts

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/missing"
	"federation-agent/test/process"
)

const (
	token    = "a-token-that-must-never-be-shown"
	password = "a-password-that-must-never-be-shown"
	// within ends a run that hangs. It takes some 40 s on an idle machine.
	within = 90 * time.Second
)

// faults are what goes wrong, each with an agent of its own, by the agent's integration.
var faults = map[string]struct {
	// settings are the provider's beyond the uniform estate's first account in eu-west-1.
	settings map[string]string
	// alerts must arrive, each as its name with some of its labels.
	alerts []string
}{
	"wrong-key": {
		map[string]string{"accessKeyId": "AKIAUNKNOWN000000001"},
		[]string{`FederationAgentTargetDown account= region=eu-west-1`},
	},
	"wrong-role": {
		map[string]string{"roleArn": "arn:aws:iam::100000000001:role/nobody"},
		[]string{
			`FederationAgentTargetDown account=100000000001 role=arn:aws:iam::100000000001:role/nobody`,
			`FederationAgentCallsDenied operation=AssumeRole result=access_denied`,
		},
	},
	"no-export": {
		map[string]string{"roleArn": awssim.UniformRoleARN(2) + "," + awssim.UniformRoleARN(3)},
		[]string{
			`FederationAgentIngestFailed result=failed`,
			`FederationAgentIngestLeftOut reason=access_denied`,
			`FederationAgentCallsDenied account=100000000003 operation=GetExport`,
		},
	},
	"region-off": {
		map[string]string{"accessKeyId": awssim.UniformAccessKeyID(4), "region": "eu-west-1,us-east-1"},
		[]string{`FederationAgentTargetDown account=100000000004 region=us-east-1`},
	},
	"apim-away": {nil, []string{`FederationAgentNoSession`}},
}

// rig is the stand-ins, an agent for each fault, Prometheus, Alertmanager and the webhook.
type rig struct {
	t          *testing.T
	ctx        context.Context
	dir        string
	aws        *awssim.Server
	apim, away *apimsim.APIM // away is the one that goes
	agents     map[string]string
	hook       hook
}

// hook collects the alerts that arrive.
type hook struct {
	mu    sync.Mutex
	fired []map[string]string // their labels
	texts []string
}

func (h *hook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var m struct {
		Alerts []struct {
			Status              string
			Labels, Annotations map[string]string
		}
	}
	if json.NewDecoder(r.Body).Decode(&m) != nil {
		return // what does not arrive is missed
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range m.Alerts {
		if a.Status == "firing" {
			h.fired = append(h.fired, a.Labels)
			h.texts = append(h.texts, fmt.Sprint(a.Labels, a.Annotations))
		}
	}
}

// has says whether an alert has come of an agent, which its instance tells.
func (h *hook) has(instance, alert string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	want := strings.Fields(alert)
	return slices.ContainsFunc(h.fired, func(labels map[string]string) bool {
		for _, pair := range want[1:] {
			if name, value, _ := strings.Cut(pair, "="); labels[name] != value {
				return false
			}
		}
		return labels["alertname"] == want[0] && labels["instance"] == instance
	})
}

func TestAlertsArriveForFaultsMadeOnPurpose(t *testing.T) {
	for _, program := range []string{"prometheus", "promtool", "prometheus-alertmanager"} {
		if _, err := exec.LookPath(program); err != nil {
			missing.Require(t, &missing.Error{
				What: program, Install: "apt-get install -y prometheus prometheus-alertmanager", Err: err,
			})
		}
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), within, fmt.Errorf("%s have passed", within))
	defer cancel()
	r := &rig{t: t, ctx: ctx, dir: t.TempDir(), agents: map[string]string{}}
	r.startStandIns()
	r.startAgents()
	prometheus := r.startMonitoring()
	r.await("two scrapes of each agent", func() bool { return r.scraped(prometheus) })

	r.aws.Script().Add(
		awssim.Rule{
			Account: awssim.UniformAccount(3), Operation: awssim.OpGetExport,
			Fault: awssim.Answer(http.StatusForbidden, awssim.CodeAccessDenied, "not authorized to perform apigateway:GET"),
		},
		awssim.Rule{
			Account: awssim.UniformAccount(4), Region: "us-east-1",
			Fault: awssim.Answer(http.StatusForbidden, awssim.CodeUnrecognizedClient, "the security token is invalid"),
		},
	)
	for _, integration := range []string{"wrong-role", "region-off"} {
		_, _ = r.apim.Preview(ctx, integration) // AWS refuses it, or a part of it
	}
	if _, err := r.apim.StartIngest(ctx, "no-export", nil); err != nil {
		t.Error(err)
	}
	r.away.Close()

	for integration, f := range faults {
		for _, alert := range f.alerts {
			r.await(alert+" of "+integration, func() bool { return r.hook.has(r.agents[integration], alert) })
		}
	}
	for integration, address := range r.agents {
		r.check(integration, address)
	}
	r.hook.mu.Lock()
	defer r.hook.mu.Unlock()
	for _, text := range r.hook.texts {
		if strings.Contains(text, token) || strings.Contains(text, password) {
			t.Errorf("an alert shows a secret: %s", text)
		}
	}
}

func (r *rig) await(what string, so func() bool) {
	r.t.Helper()
	err := process.Await(r.ctx, within, what, func(context.Context) (bool, error) { return so(), nil })
	if err != nil {
		r.hook.mu.Lock()
		defer r.hook.mu.Unlock()
		r.t.Fatalf("%v\nthese alerts came: %q", err, r.hook.texts)
	}
}

func (r *rig) startStandIns() {
	var err error
	r.aws, err = awssim.New(awssim.Options{Estate: awssim.UniformEstate(awssim.UniformOptions{
		Accounts: 5, Regions: []string{"eu-west-1", "us-east-1"}, APIs: 4, StagesPerAPI: 1, Plans: 1,
	})})
	if err != nil {
		r.t.Fatal(err)
	}
	options := apimsim.Options{Tokens: []string{token}}
	for integration := range faults {
		options.Integrations = append(options.Integrations, apimsim.Integration{ID: integration})
	}
	for _, apim := range []**apimsim.APIM{&r.apim, &r.away} {
		if *apim, err = apimsim.New(options); err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup((*apim).Close)
	}
}

// serve has a stand-in answer on the loopback interface, until the test ends, and gives its address.
func (r *rig) serve(serve func(net.Listener) error) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	go func() { _ = serve(l) }() // it ends with its stand-in; before that nothing works
	return "http://" + l.Addr().String()
}

// run starts a program that the test's end ends.
func (r *rig) run(environ []string, program string, arguments ...string) *process.Process {
	r.t.Helper()
	cmd := exec.Command(program, arguments...)
	cmd.Env, cmd.Dir = environ, r.dir
	p, err := process.Start(cmd)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := p.End(); err != nil {
			r.t.Errorf("%s: %v", filepath.Base(program), err)
		}
		if r.t.Failed() {
			r.t.Logf("%s %q wrote:\n%s%s", program, arguments, &p.Stdout, &p.Stderr)
		}
	})
	return p
}

// startAgents starts an agent for each fault, which gives its metrics to a user.
func (r *rig) startAgents() {
	program, err := process.Build(r.ctx, r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	aws := r.serve(func(l net.Listener) error { return r.aws.Serve(r.t.Context(), l) })
	apim, away := r.serve(r.apim.Serve), r.serve(r.away.Serve)
	served := regexp.MustCompile(`address="?(127\.0\.0\.1:\d+)`)
	for integration, f := range faults {
		const provider = "gravitee_integration_providers_0_"
		settings := map[string]string{
			"gravitee_integration_connector_ws_endpoints_0":     apim,
			"gravitee_integration_connector_ws_headers_0_name":  "Authorization",
			"gravitee_integration_connector_ws_headers_0_value": "bearer " + token,
			provider + "type":                                        "aws-api-gateway",
			provider + "integrationId":                               integration,
			provider + "configuration_region":                        "eu-west-1",
			provider + "configuration_accessKeyId":                   awssim.UniformAccessKeyID(0),
			provider + "configuration_secretAccessKey":               "not-looked-at",
			"gravitee_services_core_http_port":                       "0",
			"gravitee_services_core_http_authentication_users_admin": password,
			"gravitee_services_metrics_enabled":                      "true",
			"gravitee_agent_store_path":                              filepath.Join(r.dir, integration),
			"AWS_ENDPOINT_URL":                                       aws, "AWS_EC2_METADATA_DISABLED": "true", "HOME": r.dir,
		}
		if integration == "apim-away" {
			settings["gravitee_integration_connector_ws_endpoints_0"] = away
		}
		for name, value := range f.settings {
			settings[provider+"configuration_"+name] = value
		}
		p := r.run(process.Environ(settings), program)
		line, err := p.Await(r.ctx, &p.Stderr, "the node API is served")
		if err != nil {
			r.t.Fatalf("%v\n%s", err, &p.Stderr)
		}
		if _, err := p.Await(r.ctx, &p.Stderr, "connected to APIM"); err != nil {
			r.t.Fatalf("%v\n%s", err, &p.Stderr)
		}
		r.agents[integration] = served.FindStringSubmatch(line)[1]
	}
}

// startMonitoring starts Prometheus and Alertmanager with the files of deployments/monitoring, and gives Prometheus's
// address. Only what names a place or a time to wait is another one.
func (r *rig) startMonitoring() string {
	hook := httptest.NewServer(&r.hook)
	r.t.Cleanup(hook.Close)
	manager, prometheus := r.free(), r.free()
	var targets []string
	for _, address := range r.agents {
		targets = append(targets, strconv.Quote(address))
	}
	r.write("federation-agent.password", password)
	r.adapt("rules.yml", `for: \d+m`, "for: 1s")
	r.adapt("prometheus.yml", `interval: 30s`, "interval: 1s", `federation-agent:18084`, strings.Join(targets, ", "),
		`alertmanager:9093`, manager, `(?m)^rule_files`, "global: {evaluation_interval: 1s}\nrule_files")
	r.adapt("alertmanager.yml", `http://alerts\.example\.com/`, hook.URL, `group_wait: 30s`, "group_wait: 1s",
		`group_interval: 5m`, "group_interval: 1s")
	environ := []string{"PATH=" + os.Getenv("PATH")}
	r.run(environ, "prometheus-alertmanager", "--config.file=alertmanager.yml", "--web.listen-address="+manager,
		"--cluster.listen-address=", "--storage.path=alertmanager")
	r.run(environ, "prometheus", "--config.file=prometheus.yml", "--web.listen-address="+prometheus,
		"--storage.tsdb.path=prometheus")
	return prometheus
}

// free is an address of the loopback interface that is free now: these two programs do not say which one they took.
func (r *rig) free() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (r *rig) write(name, text string) {
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// adapt copies a file of deployments/monitoring with other texts in the place of some, each of which must be there.
func (r *rig) adapt(name string, pairs ...string) {
	r.t.Helper()
	text, err := os.ReadFile("../../../deployments/monitoring/" + name)
	if err != nil {
		r.t.Fatal(err)
	}
	changed := string(text)
	for pair := range slices.Chunk(pairs, 2) {
		from := regexp.MustCompile(pair[0])
		if !from.MatchString(changed) {
			r.t.Fatalf("%s does not have %s", name, pair[0])
		}
		changed = from.ReplaceAllLiteralString(changed, pair[1])
	}
	r.write(name, changed)
}

// check has promtool read the metrics of an agent that has seen its fault.
func (r *rig) check(integration, address string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.ctx, http.MethodGet, "http://"+address+"/_node/metrics/prometheus", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.SetBasicAuth("admin", password)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	promtool := exec.CommandContext(r.ctx, "promtool", "check", "metrics")
	promtool.Stdin = answer.Body
	if said, err := promtool.CombinedOutput(); err != nil || len(said) > 0 || answer.StatusCode != http.StatusOK {
		r.t.Errorf("the metrics of %s: %d, %v: %s", integration, answer.StatusCode, err, said)
	}
}

// scraped says whether Prometheus has read each agent twice: an increase needs something to increase from.
func (r *rig) scraped(prometheus string) bool {
	request, err := http.NewRequestWithContext(r.ctx, http.MethodGet,
		"http://"+prometheus+"/api/v1/query?query=count(count_over_time(federation_agent_build_info[1m])>1)", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false // it is starting
	}
	defer answer.Body.Close()
	var found struct {
		Data struct {
			Result []struct{ Value []any }
		}
	}
	err = json.NewDecoder(answer.Body).Decode(&found)
	return err == nil && len(found.Data.Result) == 1 && found.Data.Result[0].Value[1] == strconv.Itoa(len(r.agents))
}
