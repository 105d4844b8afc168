//go:build interop

package moto

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	actors "federation-agent/actors/agent"
	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/missing"
	"federation-agent/test/process"
)

const (
	integration = "11111111-2222-3333-4444-555555555555"
	token       = "a-token-that-must-never-be-logged"
	secretKey   = "a-secret-that-must-never-be-logged"
	// caseDeadline ends a case that hangs; the longest takes 15 seconds on an idle machine.
	// The first case may install moto.
	caseDeadline    = 3 * time.Minute
	installDeadline = 10 * time.Minute
	// lookAgain is for what changes without a message.
	lookAgain = 100 * time.Millisecond
	// drainWithin is the agent's own default for an orderly end.
	drainWithin = 8 * time.Second
	// application is who subscribes.
	application = "Shop"
)

// rig is the real agent between moto and our stand-in for APIM, all over sockets of loopback.
type rig struct {
	*Server
	t    *testing.T
	ctx  context.Context
	apim *apimsim.APIM
	// url is where the agent finds APIM; changed holds one token where a message has passed since it was looked at.
	url     string
	changed chan struct{}
	// log is the agent's.
	log process.Output
	// open reads what the agent's settings refer to; nil for nothing.
	open func(config.Secrets) config.SecretReader
	// journal is the agent's; it is there once the agent was started.
	journal *store.FileStore
}

func newRig(t *testing.T) *rig {
	t.Helper()
	// The SDK reads these; nothing of this machine must reach it.
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_PROFILE": "",
		"AWS_REGION":  "", "AWS_DEFAULT_REGION": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
		"AWS_SESSION_TOKEN": "", "NO_PROXY": "*",
	} {
		t.Setenv(name, value)
	}
	starting, cancel := context.WithTimeout(t.Context(), installDeadline)
	defer cancel()
	r := &rig{t: t, changed: make(chan struct{}, 1)}
	var err error
	r.Server, err = Start(starting)
	missing.Require(t, err)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("ending moto: %v", err)
		}
		if t.Failed() {
			t.Logf("the agent logged:\n%s\nmoto logged:\n%s", &r.log, &r.Stderr)
		}
	})
	t.Setenv("AWS_ENDPOINT_URL", r.URL)
	r.ctx, cancel = context.WithTimeout(t.Context(), caseDeadline)
	t.Cleanup(cancel)
	r.startAPIM()
	return r
}

func (r *rig) startAPIM() {
	var err error
	r.apim, err = apimsim.New(apimsim.Options{
		Tokens: []string{token}, Integrations: []apimsim.Integration{{ID: integration}},
		OnMessage: func(apimsim.Message) {
			select {
			case r.changed <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.apim.Serve(listener); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(r.apim.Close)
	r.url = "http://" + listener.Addr().String()
}

// settings are the agent's variables, in the vendor's spelling.
type settings map[string]string

const (
	roles         = "gravitee_integration_providers_0_configuration_roleArn"
	regions       = "gravitee_integration_providers_0_configuration_region"
	keyID         = "gravitee_integration_providers_0_configuration_accessKeyId"
	secret        = "gravitee_integration_providers_0_configuration_secretAccessKey"
	listingMaxAge = "gravitee_agent_discovery_listingMaxAge"
)

// start starts the agent with these settings beside the usual ones, and waits until APIM sees it.
func (r *rig) start(more settings) {
	r.t.Helper()
	all := settings{
		"gravitee_integration_connector_ws_endpoints_0":     r.url,
		"gravitee_integration_connector_ws_headers_0_name":  "Authorization",
		"gravitee_integration_connector_ws_headers_0_value": "bearer " + token,
		"gravitee_integration_providers_0_type":             "aws-api-gateway",
		"gravitee_integration_providers_0_integrationId":    integration,
		regions: "eu-west-1",
		keyID:   "AKIAIOSFODNN7EXAMPLE",
		secret:  secretKey,
		// What a test changes in moto is to be seen at once.
		listingMaxAge: "0s",
	}
	maps.Copy(all, more)
	cfg, warnings, err := config.Load(config.Sources{Environ: process.Environ(all), OpenSecrets: r.open})
	if err != nil || len(warnings) > 0 {
		r.t.Fatalf("configuration: %v, warnings %v", err, warnings)
	}
	r.journal, _ = (&storetest.Model{}).Open(store.Options{})
	agent := actors.Start(life.Env{
		Log: slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: time.Now, NewID: uuid.NewString, Jitter: rand.Float64,
		Keys: store.Policy{KeyJournal: r.journal}, Ingests: r.journal, Listings: r.journal,
		Exports: store.NewMemoryExports(store.DefaultMemoryExportBytes),
	}, cfg)
	r.t.Cleanup(func() {
		if err := agent.Drain(context.Background(), drainWithin); err != nil {
			r.t.Errorf("ending the agent: %v", err)
		}
		for _, text := range []string{token, all[secret]} {
			if strings.Contains(r.log.String(), text) || strings.Contains(r.Stderr.String(), text) {
				r.t.Errorf("the log holds a secret")
			}
		}
	})
	r.await("the agent to be connected", func() bool { return len(r.apim.Agents()) == 1 })
}

// await waits until something is so; it looks whenever a message has passed.
func (r *rig) await(what string, so func() bool) {
	r.t.Helper()
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for !so() {
		select {
		case <-r.changed:
		case <-ticker.C:
		case <-r.ctx.Done():
			r.t.Fatalf("waiting for %s: %v", what, r.ctx.Err())
		}
	}
}

// preview gives the names of what APIM's user sees before an ingest, by id, and whether it is only a part.
func (r *rig) preview() (names map[string]string, partial bool) {
	r.t.Helper()
	preview, err := r.apim.Preview(r.ctx, integration)
	if err != nil {
		r.t.Fatalf("preview: %v", err)
	}
	names = map[string]string{}
	for _, api := range preview.APIs {
		if api.ID != api.UniqueID {
			r.t.Errorf("the id %s and the unique id %s differ", api.ID, api.UniqueID)
		}
		names[api.ID] = api.Name
	}
	return names, preview.Partial
}

// ingest ingests everything, and waits for its end.
func (r *rig) ingest() {
	r.t.Helper()
	job, err := r.apim.StartIngest(r.ctx, integration, nil)
	if err != nil {
		r.t.Fatalf("starting an ingest: %v", err)
	}
	if job.Total > 0 {
		r.await("the ingest to end", func() bool {
			job, err = r.apim.Job(job.ID)
			return err != nil || job.Status != apimsim.JobPending
		})
	}
	if err != nil || job.Status != apimsim.JobSuccess {
		r.t.Fatalf("ingest ended %s: %v", job.Status, err)
	}
}

// stored is an ingested API, by the agent's id.
func (r *rig) stored(id string) apimsim.API {
	r.t.Helper()
	api, err := r.apim.API(id)
	if err != nil {
		r.t.Fatalf("API %s: %v", id, err)
	}
	return api
}

// subscribe subscribes to a plan; what becomes of it is in the subscription.
func (r *rig) subscribe(api, plan string) apimsim.Subscription {
	r.t.Helper()
	s, err := r.apim.Subscribe(r.ctx, api, r.planOf(api, plan), application, "")
	if err != nil {
		r.t.Fatalf("subscribing to %s: %v", api, err)
	}
	return s
}

// accepted subscribes, and fails the test unless that was accepted.
func (r *rig) accepted(api, plan string) apimsim.Subscription {
	r.t.Helper()
	s := r.subscribe(api, plan)
	if s.Status != apimsim.SubscriptionAccepted {
		r.t.Fatalf("the subscription to %s is %s: %s", api, s.Status, s.Reason)
	}
	return s
}

// planOf is APIM's id of an API's plan, by the usage plan's.
func (r *rig) planOf(api, usagePlan string) string {
	r.t.Helper()
	plans := r.stored(api).Plans
	at := slices.IndexFunc(plans, func(p apimsim.Plan) bool { return p.ProviderID == usagePlan })
	if at < 0 {
		r.t.Fatalf("%s has no plan %s, but %+v", api, usagePlan, plans)
	}
	return plans[at].ID
}

// id is what an API of a region is called in APIM.
func (r *Region) id(api, stage string) string {
	return fmt.Sprintf("%s:%s:%s:%s", r.Account, r.Name, api, stage)
}
