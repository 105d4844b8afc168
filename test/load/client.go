package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/outside"
)

const (
	// connectWithin is how long an agent may take to be seen, a JVM on a busy machine included.
	connectWithin = time.Minute
	// ingestWithin ends an ingest that does not end by itself.
	ingestWithin = 30 * time.Minute
)

// client drives the stand-ins over their management surfaces.
type client struct{ apim, aws, rig string }

// awaitAgent waits for an agent that greeted after an instant, and says when it did.
func (c client) awaitAgent(ctx context.Context, integration string, after time.Time) (time.Time, error) {
	var at time.Time
	err := outside.Await(ctx, connectWithin, "the agent's HELLO", func(ctx context.Context) (bool, error) {
		var agents []apimsim.AgentView
		if err := outside.Call(ctx, http.MethodGet, c.apim+"/_sandbox/apim/agents", nil, &agents); err != nil {
			return false, err
		}
		for _, a := range agents {
			if a.IntegrationID == integration && a.ConnectedAt.After(after) {
				at = a.ConnectedAt
				return true, nil
			}
		}
		return false, nil
	})
	return at, err
}

func (c client) preview(ctx context.Context, integration string) (apimsim.Preview, error) {
	var p apimsim.Preview
	return p, outside.Call(ctx, http.MethodPost, c.apim+"/_sandbox/apim/preview", map[string]any{"integrationId": integration}, &p)
}

// ingestRun is one ingest from START_INGEST to the end of its job.
type ingestRun struct {
	job  apimsim.JobView
	took time.Duration
}

// startIngest starts an ingest of the APIs with these ids, or of all.
func (c client) startIngest(ctx context.Context, integration string, ids ...string) (apimsim.JobView, error) {
	var job apimsim.JobView
	return job, outside.Call(ctx, http.MethodPost, c.apim+"/_sandbox/apim/ingest", map[string]any{"integrationId": integration, "apiIds": ids}, &job)
}

// ingest runs one to its end.
func (c client) ingest(ctx context.Context, integration string, ids ...string) (ingestRun, error) {
	began := time.Now()
	job, err := c.startIngest(ctx, integration, ids...)
	if err != nil {
		return ingestRun{}, err
	}
	job, err = c.awaitJob(ctx, job)
	return ingestRun{job: job, took: time.Since(began)}, err
}

func (c client) awaitJob(ctx context.Context, job apimsim.JobView) (apimsim.JobView, error) {
	err := outside.Await(ctx, ingestWithin, "the ingest's end", func(ctx context.Context) (bool, error) {
		var jobs []apimsim.JobView
		if err := outside.Call(ctx, http.MethodGet, c.apim+"/_sandbox/apim/jobs", nil, &jobs); err != nil {
			return false, err
		}
		for _, j := range jobs {
			if j.ID == job.ID {
				job = j
			}
		}
		return job.Status != apimsim.JobPending, nil
	})
	if err == nil && job.Status != apimsim.JobSuccess {
		err = fmt.Errorf("the ingest ended as %s", job.Status)
	}
	return job, err
}

// awaitJobUntil waits for a job's end, or for an instant.
func (c client) awaitJobUntil(ctx context.Context, job apimsim.JobView, end time.Time) error {
	limited, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	_, err := c.awaitJob(limited, job)
	if limited.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

func (c client) apis(ctx context.Context) ([]apimsim.APIView, error) {
	var apis []apimsim.APIView
	return apis, outside.Call(ctx, http.MethodGet, c.apim+"/_sandbox/apim/apis", nil, &apis)
}

func (c client) subscribe(ctx context.Context, api, plan, application string) (apimsim.SubscriptionView, error) {
	var s apimsim.SubscriptionView
	return s, outside.Call(ctx, http.MethodPost, c.apim+"/_sandbox/apim/subscriptions",
		map[string]any{"apiId": api, "planId": plan, "applicationName": application}, &s)
}

// problems counts what a careful operator of APIM would find wrong with an integration.
func (c client) problems(ctx context.Context, integration string) (int, error) {
	var all []apimsim.Problem
	if err := outside.Call(ctx, http.MethodGet, c.apim+"/_sandbox/apim/problems", nil, &all); err != nil {
		return 0, err
	}
	n := 0
	for _, p := range all {
		if p.Integration == integration {
			n++
		}
	}
	return n, nil
}

func (c client) healthChecks(ctx context.Context, ask healthCheckRequest) (roundTrips, error) {
	var took roundTrips
	return took, outside.Call(ctx, http.MethodPost, c.rig+healthCheckPath, ask, &took)
}

// awsCounts is what AWS counted.
type awsCounts struct {
	Counts    []awssim.Count   `json:"counts"`
	Throttled map[string]int64 `json:"throttled"`
}

func (c client) counts(ctx context.Context) (awsCounts, error) {
	var n awsCounts
	return n, outside.Call(ctx, http.MethodGet, c.aws+"/_sandbox/aws/counts", nil, &n)
}

// of adds up the attempts in an account at API Gateway, of one operation or, if it is empty, of all.
func (n awsCounts) of(account, operation string) int {
	total := 0
	for _, c := range n.Counts {
		if c.Account == account && (operation == "" || c.Operation == operation) && c.Operation != awssim.OpGetCallerIdentity && c.Operation != awssim.OpAssumeRole {
			total += int(c.Count)
		}
	}
	return total
}

// throttled adds up the 429s of the quota for one principal of an account.
func (n awsCounts) throttled(account, user string) int {
	return int(n.Throttled["arn:aws:iam::"+account+":user/"+user])
}

func (c client) redeploy(ctx context.Context, account, region, api, stage string) error {
	return outside.Call(ctx, http.MethodPost, c.aws+"/_sandbox/aws/redeploy",
		map[string]any{"account": account, "region": region, "restApi": api, "stage": stage}, nil)
}

func (c client) neighbour(ctx context.Context, n awssim.Neighbour) error {
	return outside.Call(ctx, http.MethodPost, c.aws+"/_sandbox/aws/neighbours", n, nil)
}

func (c client) job(ctx context.Context, id string) (apimsim.JobView, error) {
	var jobs []apimsim.JobView
	if err := outside.Call(ctx, http.MethodGet, c.apim+"/_sandbox/apim/jobs", nil, &jobs); err != nil {
		return apimsim.JobView{}, err
	}
	for _, j := range jobs {
		if j.ID == id {
			return j, nil
		}
	}
	return apimsim.JobView{}, fmt.Errorf("APIM has no job %s", id)
}

// whole is nil if every API of an ingest has arrived and APIM found nothing wrong.
func (c client) whole(ctx context.Context, integration string, run ingestRun) error {
	if run.job.Ingested != int(run.job.Total) {
		return fmt.Errorf("of %d APIs %d arrived", run.job.Total, run.job.Ingested)
	}
	n, err := c.problems(ctx, integration)
	if n > 0 {
		return fmt.Errorf("APIM found %d problems", n)
	}
	return err
}
