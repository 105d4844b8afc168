//go:build interop

package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"federation-agent/test/interop/controller"
	"federation-agent/test/interop/moto"
	"federation-agent/test/missing"
	"federation-agent/test/process"
)

const (
	integration = "7a1d6fa5-3a1e-4c8e-9d6f-a53a1e0c8e12"
	token       = "a-token-that-must-never-be-logged"
	secretKey   = "a-secret/that+must-never-be-logged"
	region      = "eu-west-1"
	// caseDeadline ends a case that hangs; one takes some seconds. Installing moto and the controllers comes before.
	caseDeadline    = 3 * time.Minute
	installDeadline = 10 * time.Minute
)

// versions are the oldest dialect and the current one; the suite beside this holds all of them to more.
var versions = []string{"apim44", "apim49"}

// dataDirectories are what the page leaves the agent with: it names no volume. The agent must serve all the same, and
// say what it then cannot promise.
var dataDirectories = []struct {
	name    string
	prepare func(t *testing.T, root string)
}{
	{"no data directory", func(*testing.T, string) {}},
	{
		"an unwritable data directory",
		func(t *testing.T, root string) { must(t, os.Mkdir(filepath.Join(root, "data"), 0o555)) },
	},
}

func TestTheVendorsComposeFileRunsThisAgent(t *testing.T) {
	// The install comes first, outside of any case's time.
	installing, cancel := context.WithTimeout(t.Context(), installDeadline)
	defer cancel()
	aws, err := moto.Start(installing)
	missing.Require(t, err)
	t.Cleanup(func() { must(t, aws.Close()) })
	binary, err := process.Build(t.Context(), t.TempDir())
	must(t, err)
	for _, id := range versions {
		t.Run(id, func(t *testing.T) {
			var javaLogs bytes.Buffer
			jvm, err := controller.StartProcess(installing, version(t, id), &javaLogs)
			missing.Require(t, err)
			t.Cleanup(func() {
				must(t, jvm.Close())
				if t.Failed() {
					t.Logf("the controller logged:\n%s", javaLogs.String())
				}
			})
			for _, directory := range dataDirectories {
				t.Run(directory.name, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), caseDeadline)
					defer cancel()
					c, err := jvm.NewController(ctx, controller.Options{})
					must(t, err)
					must(t, c.AllowToken(ctx, token))
					must(t, c.PutIntegration(ctx, integration, "aws-api-gateway"))
					follow(ctx, t, c, aws, binary, directory.prepare)
				})
			}
		})
	}
}

func version(t *testing.T, id string) controller.Version {
	t.Helper()
	for _, v := range controller.Versions() {
		if v.ID == id {
			return v
		}
	}
	t.Fatalf("there is no controller %s", id)
	return controller.Version{}
}

// gateway is what stands before APIM at the page's address: TLS, and the prefix that APIM itself does not know.
func gateway(t *testing.T, endpoint string) *httptest.Server {
	t.Helper()
	target, err := url.Parse(endpoint)
	must(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	mux := http.NewServeMux()
	mux.Handle("/integration-controller/", http.StripPrefix("/integration-controller", proxy))
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	return server
}

// follow does what the page says, and then what a user does with a connected agent.
func follow(
	ctx context.Context, t *testing.T, c controller.Controller, aws *moto.Server, binary string,
	prepare func(*testing.T, string),
) {
	front := gateway(t, c.Endpoint())
	there := aws.Region(t, moto.DefaultAccount, region)
	api := there.API("Orders", "Takes orders", "prod")
	plan := there.Plan("Gold", moto.Deployed{API: api, Stage: "prod"})
	t.Cleanup(func() { aws.Reset(t) })

	filled := environment(t, map[string]string{
		"[your-APIM-management-API-host]": strings.TrimPrefix(front.URL, "https://"),
		"[your-token]":                    token,
		"[your-integration-id]":           integration,
		"[organization-id]":               "DEFAULT",
		"[your-aws-region]":               region,
		"[your-key-id]":                   "AKIAIOSFODNN7EXAMPLE",
		"[your-access-key]":               secretKey,
	})
	agent := start(t, binary, append(filled, "AWS_ENDPOINT_URL="+aws.URL), front.Certificate(),
		func(root string) { prepare(t, root) })

	if _, _, err := c.Events().Wait(ctx, 0, controller.HasChannels(integration, 1)); err != nil {
		t.Fatalf("not Connected: %v", err)
	}
	user := user{t: t, ctx: ctx, controller: c}
	id := strings.Join([]string{moto.DefaultAccount, region, api, "prod"}, ":")
	if got := user.preview(); len(got) != 1 || got[0].ID != id || got[0].UniqueID != id || got[0].Name != "Orders" {
		t.Fatalf("preview %+v, want %s", got, id)
	}
	ingested := user.ingest()
	if len(ingested) != 1 || ingested[0].ID != id || len(ingested[0].Plans) != 1 || ingested[0].Plans[0].ID != plan ||
		len(ingested[0].Pages) != 1 {
		t.Fatalf("ingested %+v", ingested)
	}

	subscription := user.subscribe(ingested[0], plan)
	keys, attached := there.Keys(), there.Attached(plan)
	if len(keys) != 1 || len(attached) != 1 || *attached[0].Id != *keys[0].Id {
		t.Fatalf("%d keys, %d attached", len(keys), len(attached))
	}
	if !keys[0].Enabled || subscription.APIKey == "" || *keys[0].Value != subscription.APIKey {
		t.Errorf("enabled %v, APIM got the key's value: %v", keys[0].Enabled, *keys[0].Value == subscription.APIKey)
	}
	user.unsubscribe(ingested[0], subscription)
	if keys := there.Keys(); len(keys) != 0 {
		t.Errorf("%d keys are left", len(keys))
	}

	// As `docker compose down` does.
	if err := agent.End(); err != nil {
		t.Errorf("the agent did not end in order: %v", err)
	}
	log := agent.Stdout.String() + agent.Stderr.String()
	for _, text := range []string{token, secretKey, subscription.APIKey} {
		if strings.Contains(log, text) {
			t.Error("the log holds a secret")
		}
	}
	if !strings.Contains(log, "the store is in memory only") {
		t.Error("the log does not say that nothing is kept on disk")
	}
}

// user is APIM's, at the console.
type user struct {
	t          *testing.T
	ctx        context.Context
	controller controller.Controller
}

// federated is what is looked at of an API.
type federated struct {
	UniqueID, ID, Name string
	ConnectionDetails  map[string]string
	Plans              []struct{ ID string }
	Pages              []struct{ Content string }
}

// subscribed is a subscription as the agent answers it.
type subscribed struct {
	ID       string            `json:"graviteeSubscriptionId"`
	APIKey   string            `json:"apiKey,omitempty"`
	Metadata map[string]string `json:"metadata"`
}

// send sends a command and reads the payload of its reply, which must be a success.
func (u user) send(kind string, payload, into any) {
	u.t.Helper()
	outcome, err := u.controller.Send(u.ctx, controller.Command{Target: integration, Type: kind, Payload: payload})
	must(u.t, err)
	if outcome.Failure != nil {
		u.t.Fatalf("%s: %s: %s", kind, outcome.Failure.Kind, outcome.Failure.Message)
	}
	if outcome.Reply.Status != "SUCCEEDED" {
		u.t.Fatalf("%s: %s", kind, outcome.Reply.Error)
	}
	if into != nil {
		must(u.t, json.Unmarshal(outcome.Reply.Payload, into))
	}
}

func (u user) preview() []federated {
	u.t.Helper()
	kind := "DISCOVER"
	if u.controller.Dialect() == controller.DialectFetch {
		kind = "LIST"
	}
	var found struct{ APIs []federated }
	u.send(kind, nil, &found)
	return found.APIs
}

func (u user) ingest() []federated {
	u.t.Helper()
	var found struct{ APIs []federated }
	if u.controller.Dialect() == controller.DialectFetch {
		u.send("FETCH", map[string]any{"apis": []any{}}, &found)
		return found.APIs
	}
	var begun struct {
		IngestJobID string
		Total       int
	}
	u.send("START_INGEST", map[string]any{"ingestJobId": "job-1", "apiIds": []string{}}, &begun)
	if begun.IngestJobID != "job-1" || begun.Total != 1 {
		u.t.Fatalf("the ingest began as %+v", begun)
	}
	for at, done := 0, false; !done; {
		event, next, err := u.controller.Events().Wait(u.ctx, at, controller.IsIngest)
		must(u.t, err)
		at, done = next, event.Done
		whole, err := u.controller.IngestCommand(u.ctx, event.CommandID)
		must(u.t, err)
		var command struct {
			Payload struct{ APIs []federated }
		}
		must(u.t, json.Unmarshal(whole, &command))
		found.APIs = append(found.APIs, command.Payload.APIs...)
	}
	return found.APIs
}

// subscribe gives the metadata that this version of APIM gives: 4.4 knows the plan alone.
func (u user) subscribe(api federated, plan string) subscribed {
	u.t.Helper()
	metadata := map[string]string{"planId": plan}
	subscription := map[string]any{
		"graviteeSubscriptionId": "sub-1", "graviteeApplicationName": "Shop", "type": "API_KEY", "metadata": metadata,
	}
	if u.controller.Dialect() != controller.DialectFetch {
		subscription["graviteeApplicationId"] = "app-1"
		maps.Copy(metadata, api.ConnectionDetails)
	}
	var answer struct{ Subscription subscribed }
	u.send("SUBSCRIBE", map[string]any{"apiId": api.ID, "subscription": subscription}, &answer)
	return answer.Subscription
}

// unsubscribe gives back what the agent returned, and with later versions the API's connection details.
func (u user) unsubscribe(api federated, s subscribed) {
	u.t.Helper()
	metadata := map[string]string{}
	if u.controller.Dialect() != controller.DialectFetch {
		maps.Copy(metadata, api.ConnectionDetails)
	}
	maps.Copy(metadata, s.Metadata)
	u.send(
		"UNSUBSCRIBE",
		map[string]any{"apiId": api.ID, "subscription": map[string]any{"graviteeSubscriptionId": s.ID, "metadata": metadata}},
		nil,
	)
}
