package acceptance

import (
	"context"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/faults"
	"federation-agent/test/world"
)

// fault is one of the table in docs/operations.md: how its world is made, and what happens in it.
type fault struct {
	world func(*world.Options)
	cause func(*world.World)
}

const (
	provider0 = "gravitee_integration_providers_0_"
	token0    = "gravitee_integration_connector_ws_headers_0_value"
)

// previewed has a preview; what APIM is told is not looked at.
func previewed(w *world.World) { _, _ = w.APIM.Preview(context.Background(), world.Integration) }

// setting changes the agent's settings.
func setting(name, value string) func(*world.Options) {
	return func(o *world.Options) { o.Settings = map[string]string{name: value} }
}

func causedFaults() map[string]fault {
	denies := func(action, path string) func(*world.Options) {
		return func(o *world.Options) {
			o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{APIs: 2, StagesPerAPI: 2, Plans: 1})
			policy := awssim.AllowAll()
			policy.Statement = append(policy.Statement, awssim.Statement{
				Effect: awssim.EffectDeny, Action: awssim.Strings{action},
				Resource: awssim.Strings{"arn:aws:apigateway:eu-west-1::" + path},
			})
			o.AWS.Estate.Accounts[0].Principals[0].Policy = policy
		}
	}
	answers := func(operation string, f awssim.Fault) func(*world.World) {
		return func(w *world.World) { w.AWS.Script().Add(awssim.Rule{Operation: operation, Fault: f}) }
	}
	return map[string]fault{
		"wrong access key": {
			world: setting(provider0+"configuration_accessKeyId", "AKIAIOSFODNN7EXAMPLE"),
			cause: previewed,
		},
		"role that cannot be assumed": {
			world: setting(provider0+"configuration_roleArn",
				"arn:aws:iam::"+awssim.UniformAccount(0)+":role/agent-of-another-name"),
			cause: previewed,
		},
		"one account without GetExport": {
			world: denies("apigateway:GET", "/restapis/*/stages/*/exports/*"),
			cause: func(w *world.World) { w.Ingest() },
		},
		"one region off": {
			world: func(o *world.Options) {
				o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{
					APIs: 1, StagesPerAPI: 1, Plans: 1, Regions: []string{"eu-west-1", "ap-east-1"},
				})
				o.AWS.Estate.Accounts[0].Regions[1].Disabled = true
				setting(provider0+"configuration_region", "eu-west-1,ap-east-1")(o)
			},
			cause: previewed,
		},
		"APIM away": {cause: func(w *world.World) {
			w.APIM.Close()
			pass(6 * time.Minute)
		}},
		"token revoked": {
			world: setting(token0, "bearer a-revoked-token"),
			cause: func(*world.World) { pass(6 * time.Minute) },
		},
		"disk full": {cause: func(w *world.World) {
			w.Disk.Decide(func(storetest.Write) storetest.Outcome { return storetest.Outcome{Err: syscall.ENOSPC} })
			w.Ingest()
		}},
		"quota taken by a neighbour": {cause: func(w *world.World) {
			w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetExport, Fault: awssim.Throttling(0), Times: 2})
			w.Ingest()
		}},
		"key limit reached": {cause: func(w *world.World) {
			w.Ingest()
			answers("CreateApiKey", awssim.Answer(http.StatusTooManyRequests, "LimitExceededException",
				"Maximum number of API keys for this account has been reached."))(w)
			subscribe(w, w.APIM.APIs()[0])
		}},
		"DeleteApiKey denied": {
			world: denies("apigateway:DELETE", "/apikeys/*"),
			cause: func(w *world.World) {
				w.Ingest()
				sub := accepted(w, w.APIM.APIs()[0])
				_ = w.APIM.Unsubscribe(context.Background(), sub.ID) // it fails
				pass(time.Minute)
			},
		},
		"clock off": {cause: func(w *world.World) {
			answers("", awssim.Answer(http.StatusForbidden, "InvalidSignatureException",
				"Signature expired: 20000101T000000Z is now earlier than 20000101T001000Z"))(w)
			previewed(w)
		}},
		"stage that does not exist": {
			world: setting(provider0+"configuration_0_stage", "DEV"),
			cause: previewed,
		},
	}
}

// textOf is the status page as a reader sees it.
func textOf(h http.Handler) string {
	request := httptest.NewRequest(http.MethodGet, "http://localhost/_node/federation", nil)
	request.Header.Set("Accept", "text/html")
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, request)
	return html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(answer.Body.String(), ""))
}

// saysHealth looks for the words in the message of the probe that is named first. Without words every probe is silent.
func saysHealth(t *testing.T, answer string, words []string) {
	t.Helper()
	var probes map[string]struct {
		Healthy bool
		Message string
	}
	if err := json.Unmarshal([]byte(answer), &probes); err != nil {
		t.Fatal(err)
	}
	for name, probe := range probes {
		if len(words) == 0 && probe.Message != "" {
			t.Errorf("the table has no word of health, and %s says %q", name, probe.Message)
		}
	}
	if len(words) > 0 {
		says(t, "health's "+words[0], probes[words[0]].Message, words[1:])
	}
}

func says(t *testing.T, who, text string, words []string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s does not say %q, but\n%s", who, w, text)
		}
	}
}

var series = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})?(?: (\S+))?$`)

// shows looks for a metric with these labels, perhaps among others, and with this value, or at least 1.
func shows(metrics, want string) bool {
	w := series.FindStringSubmatch(want)
	for line := range strings.Lines(metrics) {
		m := series.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || m[1] != w[1] || slices.ContainsFunc(strings.Split(w[2], ","), func(label string) bool {
			return !strings.Contains(m[2], label)
		}) {
			continue
		}
		if value, err := strconv.ParseFloat(m[3], 64); m[3] == w[3] || w[3] == "" && err == nil && value >= 1 {
			return true
		}
	}
	return false
}

func TestEachFaultIsToldAsTheTableOfFaultsSays(t *testing.T) {
	rows, err := faults.Rows()
	if err != nil {
		t.Fatal(err)
	}
	causes := causedFaults()
	for _, row := range rows {
		f, known := causes[row.Fault]
		delete(causes, row.Fault)
		if !known {
			t.Errorf("no test causes %q", row.Fault)
			continue
		}
		t.Run(row.Fault, func(t *testing.T) {
			o := world.Options{}
			if f.world != nil {
				f.world(&o)
			}
			run(t, o, func(t *testing.T, w *world.World) {
				agent := w.StartAgent()
				pass(5 * time.Second)
				f.cause(w)
				pass(time.Second)
				h := nodeOf(agent)
				_, health := ask(h, "/_node/health")
				_, metrics := ask(h, "/_node/metrics/prometheus")
				for _, column := range []string{"page", "metrics", "log"} {
					if len(row.Said[column]) == 0 {
						t.Errorf("the table says nothing of %s", column)
					}
				}
				saysHealth(t, health, row.Said["health"])
				says(t, "the page", textOf(h), row.Said["page"])
				// The log quotes what is quoted.
				says(t, "the log", strings.ReplaceAll(w.Log.String(), `\"`, `"`), row.Said["log"])
				for _, want := range row.Said["metrics"] {
					if !shows(metrics, want) {
						t.Errorf("the metrics do not show %s", want)
					}
				}
			})
		})
	}
	for name := range causes {
		t.Errorf("the table lacks %q", name)
	}
}
