package acceptance

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// oneRegion is one account's region with so many REST APIs, stages each, and usage plans.
func oneRegion(apis, stages, plans int) awssim.Options {
	return awssim.Options{
		Estate: awssim.UniformEstate(awssim.UniformOptions{APIs: apis, StagesPerAPI: stages, Plans: plans}),
	}
}

// withLatency is the same with AWS's latencies.
func withLatency(o awssim.Options) awssim.Options {
	o.Latency = awssim.AWSLatency()
	return o
}

// twoRegions is the small estate in eu-west-1 and us-east-1.
func twoRegions(o world.Options) world.Options {
	o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{
		APIs: 4, StagesPerAPI: 2, Plans: 2, Regions: []string{"eu-west-1", "us-east-1"},
	})
	if o.Settings == nil {
		o.Settings = map[string]string{}
	}
	o.Settings["gravitee_integration_providers_0_configuration_region"] = "eu-west-1,us-east-1"
	return o
}

func acceptAll(o world.Options) world.Options {
	if o.Settings == nil {
		o.Settings = map[string]string{}
	}
	o.Settings["gravitee_integration_providers_0_configuration_acceptApiWithoutUsagePlan"] = "true"
	return o
}

// otherIntegration is what [twoIntegrations] adds.
const otherIntegration = "99999999-2222-3333-4444-555555555555"

// twoIntegrations lets the agent serve two, both of the same account and region.
func twoIntegrations(o world.Options) world.Options {
	o.APIM.Integrations = []apimsim.Integration{
		{ID: world.Integration, Env: "DEFAULT"}, {ID: otherIntegration, Env: "DEFAULT"},
	}
	o.Settings = map[string]string{
		"gravitee_integration_providers_1_type":                          "aws-api-gateway",
		"gravitee_integration_providers_1_integrationId":                 otherIntegration,
		"gravitee_integration_providers_1_configuration_region":          "eu-west-1",
		"gravitee_integration_providers_1_configuration_accessKeyId":     awssim.UniformAccessKeyID(0),
		"gravitee_integration_providers_1_configuration_secretAccessKey": world.Secret,
	}
	return o
}

// healthy holds a world without faults to what an operator of APIM would find: nothing.
func healthy(t *testing.T, w *world.World) {
	t.Helper()
	if problems := w.APIM.Problems(); len(problems) > 0 {
		t.Errorf("APIM noticed %v", problems)
	}
}

func preview(w *world.World) apimsim.Preview {
	w.T.Helper()
	p, err := w.APIM.Preview(context.Background(), world.Integration)
	if err != nil {
		w.T.Fatalf("preview: %v\n%s", err, w.Log)
	}
	return p
}

// succeed is an ingest that ends as a success.
func succeed(w *world.World, ids ...string) apimsim.Job {
	w.T.Helper()
	return endsAs(w, apimsim.JobSuccess, ids)
}

// incomplete is an ingest that sends what it can and does not end as a success.
func incomplete(w *world.World, ids ...string) apimsim.Job {
	w.T.Helper()
	return endsAs(w, apimsim.JobTimedOut, ids)
}

func endsAs(w *world.World, want string, ids []string) apimsim.Job {
	w.T.Helper()
	job := w.Ingest(ids...)
	if job.Status != want {
		w.T.Fatalf("job: %+v\n%s", job, w.Log)
	}
	return job
}

// startIngest is a START_INGEST whose job goes on behind it.
func startIngest(w *world.World, ids ...string) apimsim.Job {
	w.T.Helper()
	job, err := w.APIM.StartIngest(context.Background(), world.Integration, ids)
	if err != nil {
		w.T.Fatalf("starting an ingest: %v\n%s", err, w.Log)
	}
	return job
}

func ended(w *world.World, job apimsim.Job) apimsim.Job {
	w.T.Helper()
	w.Await("the ingest to end", func() bool {
		j, err := w.APIM.Job(job.ID)
		job = j
		return err != nil || j.Status != apimsim.JobPending
	})
	return job
}

// counts is how often each operation was called since the last time.
func counts(w *world.World) map[string]int64 {
	got := map[string]int64{}
	for _, op := range []string{
		awssim.OpGetRestAPIs, awssim.OpGetUsagePlans, awssim.OpGetStages, awssim.OpGetExport, awssim.OpGetCallerIdentity,
		awssim.OpGetDomainNames, awssim.OpGetAPIMappings, awssim.OpGetBasePathMappings, awssim.OpListRoutingRules,
		awssim.OpReceiveMessage, awssim.OpDeleteMessageBatch,
	} {
		if n := w.AWS.CallCount(op); n > 0 {
			got[op] = n
		}
	}
	total := w.AWS.CallCount("")
	for _, n := range got {
		total -= n
	}
	if total > 0 {
		got["others"] = total
	}
	w.AWS.ResetCalls()
	return got
}

// names are the APIs' names in APIM by provider id.
func names(w *world.World) map[string]string {
	got := map[string]string{}
	for _, api := range w.APIM.APIs() {
		got[api.ProviderID] = api.Name
	}
	return got
}

// ingests records the INGESTs that APIM gets.
type ingests struct {
	mu    sync.Mutex
	got   []seenIngest
	fault func(apimsim.IngestEvent) apimsim.IngestFault
}

type seenIngest struct {
	apimsim.IngestEvent
	at time.Time
}

func (i *ingests) script() *apimsim.Script {
	return &apimsim.Script{Ingest: func(e apimsim.IngestEvent) apimsim.IngestFault {
		i.mu.Lock()
		i.got = append(i.got, seenIngest{e, time.Now()})
		i.mu.Unlock()
		if i.fault != nil {
			return i.fault(e)
		}
		return apimsim.IngestFault{}
	}}
}

func (i *ingests) seen() []seenIngest {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]seenIngest(nil), i.got...)
}

// providerID is a uniform estate's federated id.
func providerIDs(w *world.World) []string {
	var ids []string
	for _, api := range w.APIM.APIs() {
		ids = append(ids, api.ProviderID)
	}
	return ids
}

// partOf splits a federated id into its scope, REST API and stage.
func partOf(id string) (awssim.Scope, string, string) {
	p := strings.Split(id, ":")
	return awssim.Scope{Account: p[0], Region: p[1]}, p[2], p[3]
}

// typeName is a message's type as the log would name it.
func typeName(m any) string { return fmt.Sprintf("%T", m) }
