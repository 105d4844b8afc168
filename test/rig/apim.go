package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// API is one that APIM has.
type API struct {
	ID            string `json:"id"`
	IntegrationID string `json:"integrationId"`
	Plans         []struct {
		ID string `json:"id"`
	} `json:"plans"`
}

// Subscription is one of APIM's, whatever became of it.
type Subscription struct {
	ID            string            `json:"id"`
	IntegrationID string            `json:"integrationId"`
	Status        string            `json:"status"`
	Metadata      map[string]string `json:"metadata"`
}

// Job is an ingest job as APIM has it.
type Job struct {
	ID            string `json:"id"`
	IntegrationID string `json:"integrationId"`
	Status        string `json:"status"`
}

// Agent is a session as APIM sees it.
type Agent struct {
	// Connection counts the connections: the newest of an integration has the highest.
	Connection    int    `json:"connection"`
	IntegrationID string `json:"integrationId"`
	// RemoteAddress is by what [Wire] knows the connection.
	RemoteAddress string `json:"remoteAddress"`
}

// Problem is what an operator of APIM would find wrong.
type Problem struct {
	Code    string `json:"code"`
	Subject string `json:"subject"`
	Detail  string `json:"detail"`
}

// Agents are the sessions that take commands.
func (r *Rig) Agents(ctx context.Context) ([]Agent, error) { return list[Agent](ctx, r, "agents") }

// Jobs are all ingest jobs.
func (r *Rig) Jobs(ctx context.Context) ([]Job, error) { return list[Job](ctx, r, "jobs") }

// APIs are all that was ingested.
func (r *Rig) APIs(ctx context.Context) ([]API, error) { return list[API](ctx, r, "apis") }

// Subscriptions are all that were ever asked for.
func (r *Rig) Subscriptions(ctx context.Context) ([]Subscription, error) {
	return list[Subscription](ctx, r, "subscriptions")
}

// Problems are all that APIM has noticed.
func (r *Rig) Problems(ctx context.Context) ([]Problem, error) {
	return list[Problem](ctx, r, "problems")
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
func (r *Rig) StartIngest(ctx context.Context, integration string) (Job, error) {
	var job Job
	err := r.post(ctx, "ingest", map[string]any{"integrationId": integration}, &job)
	return job, err
}

// Ingest is an ingest of everything, from its beginning to its end as a success.
func (r *Rig) Ingest(ctx context.Context, integration string) error {
	job, err := r.StartIngest(ctx, integration)
	if err != nil {
		return err
	}
	return Await(ctx, Patience, "an ingest to end as a success", func() (bool, error) {
		jobs, err := r.Jobs(ctx)
		for _, j := range jobs {
			if j.ID == job.ID {
				return j.Status == "SUCCESS", nil
			}
		}
		return false, err
	})
}

// Subscribe plays a user who subscribes to the API's first plan. That APIM rejects the subscription is no error.
func (r *Rig) Subscribe(ctx context.Context, api API) error {
	r.mu.Lock()
	r.asked++
	r.mu.Unlock()
	return r.post(ctx, "subscriptions", map[string]any{"apiId": api.ID, "planId": api.Plans[0].ID, "applicationName": "rig"}, nil)
}

// Unsubscribe plays a user who ends a subscription. An error leaves it accepted; [Rig.Settle] asks again.
func (r *Rig) Unsubscribe(ctx context.Context, id string) error {
	r.mu.Lock()
	r.ended[id] = true
	r.mu.Unlock()
	return call(ctx, http.MethodDelete, r.apim+"/_sandbox/apim/subscriptions/"+id, nil, nil)
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
	return call(ctx, http.MethodGet, r.aws+"/_sandbox/aws/keys", nil, into)
}

func (r *Rig) post(ctx context.Context, path string, body, into any) error {
	return call(ctx, http.MethodPost, r.apim+"/_sandbox/apim/"+path, body, into)
}

func list[T any](ctx context.Context, r *Rig, path string) ([]T, error) {
	var all []T
	err := call(ctx, http.MethodGet, r.apim+"/_sandbox/apim/"+path, nil, &all)
	return all, err
}

func call(ctx context.Context, method, url string, body, into any) error {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s", method, url, response.Status)
	}
	if into == nil {
		_, err := io.Copy(io.Discard, response.Body)
		return err
	}
	return json.NewDecoder(response.Body).Decode(into)
}
