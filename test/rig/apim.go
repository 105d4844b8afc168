package rig

import (
	"context"
	"encoding/json"
	"net/http"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/outside"
)

// Agents are the sessions that take commands.
func (r *Rig) Agents(ctx context.Context) ([]apimsim.AgentView, error) {
	return list[apimsim.AgentView](ctx, r, "agents")
}

// Jobs are all ingest jobs.
func (r *Rig) Jobs(ctx context.Context) ([]apimsim.JobView, error) {
	return list[apimsim.JobView](ctx, r, "jobs")
}

// APIs are all that was ingested.
func (r *Rig) APIs(ctx context.Context) ([]apimsim.APIView, error) {
	return list[apimsim.APIView](ctx, r, "apis")
}

// Subscriptions are all that were ever asked for.
func (r *Rig) Subscriptions(ctx context.Context) ([]apimsim.SubscriptionView, error) {
	return list[apimsim.SubscriptionView](ctx, r, "subscriptions")
}

// Problems are all that APIM has noticed.
func (r *Rig) Problems(ctx context.Context) ([]apimsim.Problem, error) {
	return list[apimsim.Problem](ctx, r, "problems")
}

// Preview asks an integration's agent what it would ingest, and gives how many APIs that is.
func (r *Rig) Preview(ctx context.Context, integration string) (int, error) {
	var preview struct {
		APIs []json.RawMessage `json:"apis"`
	}
	err := r.post(ctx, "preview", map[string]any{"integrationId": integration}, &preview)
	return len(preview.APIs), err
}

// StartIngest starts an ingest of all of an integration's APIs.
func (r *Rig) StartIngest(ctx context.Context, integration string) (apimsim.JobView, error) {
	var job apimsim.JobView
	err := r.post(ctx, "ingest", map[string]any{"integrationId": integration}, &job)
	return job, err
}

// Ingest is an ingest of everything, from its beginning to its end as a success.
func (r *Rig) Ingest(ctx context.Context, integration string) error {
	job, err := r.StartIngest(ctx, integration)
	if err != nil {
		return err
	}
	return outside.Await(ctx, Patience, "an ingest to end as a success", func(ctx context.Context) (bool, error) {
		jobs, err := r.Jobs(ctx)
		for _, j := range jobs {
			if j.ID == job.ID {
				return j.Status == apimsim.JobSuccess, nil
			}
		}
		return false, err
	})
}

// Subscribe plays a user who subscribes to the API's first plan. That APIM rejects the subscription is no error.
func (r *Rig) Subscribe(ctx context.Context, api apimsim.APIView) error {
	r.mu.Lock()
	r.asked++
	r.mu.Unlock()
	return r.post(ctx, "subscriptions", map[string]any{"apiId": api.ID, "planId": api.Plans[0].ID, "applicationName": "rig"}, nil)
}

// AnAccepted chooses one of an integration's accepted subscriptions, by any number. It gives none while there are no
// more than keep of them, or APIM does not answer.
func (r *Rig) AnAccepted(ctx context.Context, integration string, keep, which int) string {
	subscriptions, err := r.Subscriptions(ctx)
	if err != nil {
		return ""
	}
	var accepted []string
	for _, s := range subscriptions {
		if s.IntegrationID == integration && s.Status == apimsim.SubscriptionAccepted {
			accepted = append(accepted, s.ID)
		}
	}
	if len(accepted) <= keep {
		return ""
	}
	return accepted[which%len(accepted)]
}

// Unsubscribe plays a user who ends a subscription. An error leaves it accepted; [Rig.Settle] asks again.
func (r *Rig) Unsubscribe(ctx context.Context, id string) error {
	r.mu.Lock()
	r.ended[id] = true
	r.mu.Unlock()
	return outside.Call(ctx, http.MethodDelete, r.apim+"/_sandbox/apim/subscriptions/"+id, nil, nil)
}

// GoodBye makes APIM say good-bye to an integration's agents and ask them back.
func (r *Rig) GoodBye(ctx context.Context, integration string) error {
	return r.post(ctx, "good-bye", map[string]any{"integrationId": integration, "reconnect": true}, nil)
}

// RefuseUpgrades makes APIM answer the next n requests for a websocket with 503, as a proxy in front of it does
// while it restarts.
func (r *Rig) RefuseUpgrades(ctx context.Context, n int) error {
	return r.post(ctx, "refuse-upgrades", map[string]any{"count": n, "status": http.StatusServiceUnavailable}, nil)
}

func (r *Rig) keys(ctx context.Context, into any) error {
	return outside.Call(ctx, http.MethodGet, r.aws+"/_sandbox/aws/keys", nil, into)
}

func (r *Rig) post(ctx context.Context, path string, body, into any) error {
	return outside.Call(ctx, http.MethodPost, r.apim+"/_sandbox/apim/"+path, body, into)
}

func list[T any](ctx context.Context, r *Rig, path string) ([]T, error) {
	var all []T
	err := outside.Call(ctx, http.MethodGet, r.apim+"/_sandbox/apim/"+path, nil, &all)
	return all, err
}
