package process

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"federation-agent/internal/sandbox/apimsim"
)

// APIM is the management surface of the stand-in for APIM, by the stand-in's URL.
type APIM string

// Agents are the sessions that take commands.
func (a APIM) Agents(ctx context.Context) ([]apimsim.AgentView, error) {
	return Ask[[]apimsim.AgentView](ctx, http.MethodGet, a.url("agents"), nil)
}

// Jobs are all ingest jobs.
func (a APIM) Jobs(ctx context.Context) ([]apimsim.JobView, error) {
	return Ask[[]apimsim.JobView](ctx, http.MethodGet, a.url("jobs"), nil)
}

// Job is one of them.
func (a APIM) Job(ctx context.Context, id string) (apimsim.JobView, error) {
	jobs, err := a.Jobs(ctx)
	for _, j := range jobs {
		if j.ID == id {
			return j, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("APIM has no job %s", id)
	}
	return apimsim.JobView{}, err
}

// APIs are all that was ingested.
func (a APIM) APIs(ctx context.Context) ([]apimsim.APIView, error) {
	return Ask[[]apimsim.APIView](ctx, http.MethodGet, a.url("apis"), nil)
}

// Subscriptions are all that were ever asked for.
func (a APIM) Subscriptions(ctx context.Context) ([]apimsim.SubscriptionView, error) {
	return Ask[[]apimsim.SubscriptionView](ctx, http.MethodGet, a.url("subscriptions"), nil)
}

// Problems are all that APIM has noticed.
func (a APIM) Problems(ctx context.Context) ([]apimsim.Problem, error) {
	return Ask[[]apimsim.Problem](ctx, http.MethodGet, a.url("problems"), nil)
}

// Preview asks an integration's agent what it would ingest.
func (a APIM) Preview(ctx context.Context, integration string) (apimsim.Preview, error) {
	return Ask[apimsim.Preview](ctx, http.MethodPost, a.url("preview"), of(integration))
}

// StartIngest starts an ingest of the APIs with these ids, or of all.
func (a APIM) StartIngest(ctx context.Context, integration string, ids ...string) (apimsim.JobView, error) {
	body := map[string]any{"integrationId": integration, "apiIds": ids}
	return Ask[apimsim.JobView](ctx, http.MethodPost, a.url("ingest"), body)
}

// AwaitJob waits for an ingest's end, and gives the job as it is then. Errors: any end but a success.
func (a APIM) AwaitJob(ctx context.Context, within time.Duration, job apimsim.JobView) (apimsim.JobView, error) {
	err := Await(ctx, within, "the ingest's end", func(ctx context.Context) (ended bool, err error) {
		job, err = a.Job(ctx, job.ID)
		return job.Status != apimsim.JobPending, err
	})
	if err == nil && job.Status != apimsim.JobSuccess {
		err = fmt.Errorf("the ingest ended as %s", job.Status)
	}
	return job, err
}

// Ingest is an ingest from its beginning to its end as a success, of the APIs with these ids or of all.
func (a APIM) Ingest(
	ctx context.Context, within time.Duration, integration string, ids ...string,
) (apimsim.JobView, error) {
	job, err := a.StartIngest(ctx, integration, ids...)
	if err != nil {
		return job, err
	}
	return a.AwaitJob(ctx, within, job)
}

// Subscribe plays a user. That APIM rejects the subscription is no error.
func (a APIM) Subscribe(ctx context.Context, api, plan, application string) (apimsim.SubscriptionView, error) {
	body := map[string]any{"apiId": api, "planId": plan, "applicationName": application}
	return Ask[apimsim.SubscriptionView](ctx, http.MethodPost, a.url("subscriptions"), body)
}

// Unsubscribe plays a user who ends a subscription. An error leaves it accepted.
func (a APIM) Unsubscribe(ctx context.Context, id string) error {
	return Tell(ctx, http.MethodDelete, a.url("subscriptions/"+id), nil)
}

// GoodBye makes APIM say good-bye to an integration's agents and ask them back.
func (a APIM) GoodBye(ctx context.Context, integration string) error {
	body := map[string]any{"integrationId": integration, "reconnect": true}
	return Tell(ctx, http.MethodPost, a.url("good-bye"), body)
}

// RefuseUpgrades makes APIM answer the next n requests for a websocket with 503, as a proxy in front of it does
// while it restarts.
func (a APIM) RefuseUpgrades(ctx context.Context, n int) error {
	body := map[string]any{"count": n, "status": http.StatusServiceUnavailable}
	return Tell(ctx, http.MethodPost, a.url("refuse-upgrades"), body)
}

// AddIntegration makes an integration.
func (a APIM) AddIntegration(ctx context.Context, id string) error {
	return Tell(ctx, http.MethodPost, a.url("integrations"), of(id))
}

func of(integration string) map[string]any { return map[string]any{"integrationId": integration} }

func (a APIM) url(path string) string { return string(a) + "/_sandbox/apim/" + path }
