package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/process"
)

const (
	// connectWithin is how long an agent may take to be seen, a JVM on a busy machine included.
	connectWithin = time.Minute
	// ingestWithin ends an ingest that does not end by itself.
	ingestWithin = 30 * time.Minute
)

// client drives the stand-ins over their management surfaces. It is what their process writes of itself, as JSON: the
// URL of each.
type client struct {
	process.APIM
	AWS, Rig string
}

// awaitAgent waits for an agent that greeted after an instant, and says when it did.
func (c client) awaitAgent(ctx context.Context, integration string, after time.Time) (time.Time, error) {
	var at time.Time
	err := process.Await(ctx, connectWithin, "the agent's HELLO", func(ctx context.Context) (bool, error) {
		agents, err := c.Agents(ctx)
		for _, a := range agents {
			if a.IntegrationID == integration && a.ConnectedAt.After(after) {
				at = a.ConnectedAt
				return true, nil
			}
		}
		return false, err
	})
	return at, err
}

// ingestRun is one ingest from START_INGEST to the end of its job.
type ingestRun struct {
	job  apimsim.JobView
	took time.Duration
}

// timedIngest runs one to its end.
func (c client) timedIngest(ctx context.Context, integration string, ids ...string) (ingestRun, error) {
	began := time.Now()
	job, err := c.Ingest(ctx, ingestWithin, integration, ids...)
	return ingestRun{job: job, took: time.Since(began)}, err
}

// awaitJobUntil waits for a job's end, or for an instant.
func (c client) awaitJobUntil(ctx context.Context, job apimsim.JobView, end time.Time) error {
	limited, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	_, err := c.AwaitJob(limited, ingestWithin, job)
	if limited.Err() != nil && ctx.Err() == nil {
		return nil
	}
	return err
}

// problemsOf counts what a careful operator of APIM would find wrong with an integration.
func (c client) problemsOf(ctx context.Context, integration string) (int, error) {
	all, err := c.Problems(ctx)
	n := 0
	for _, p := range all {
		if p.Integration == integration {
			n++
		}
	}
	return n, err
}

func (c client) healthChecks(ctx context.Context, ask healthCheckRequest) (roundTrips, error) {
	return process.Ask[roundTrips](ctx, http.MethodPost, c.Rig+healthCheckPath, ask)
}

// awsCounts is what AWS counted.
type awsCounts struct {
	Counts    []awssim.Count   `json:"counts"`
	Throttled map[string]int64 `json:"throttled"`
}

func (c client) counts(ctx context.Context) (awsCounts, error) {
	return process.Ask[awsCounts](ctx, http.MethodGet, c.AWS+"/_sandbox/aws/counts", nil)
}

// of adds up the attempts in an account at API Gateway, of one operation or, if it is empty, of all.
func (n awsCounts) of(account, operation string) int {
	total := 0
	for _, c := range n.Counts {
		if c.Account == account && (operation == "" || c.Operation == operation) &&
			c.Operation != awssim.OpGetCallerIdentity && c.Operation != awssim.OpAssumeRole {
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
	return process.Tell(ctx, http.MethodPost, c.AWS+"/_sandbox/aws/redeploy",
		map[string]any{"account": account, "region": region, "restApi": api, "stage": stage})
}

func (c client) neighbour(ctx context.Context, n awssim.Neighbour) error {
	return process.Tell(ctx, http.MethodPost, c.AWS+"/_sandbox/aws/neighbours", n)
}

// whole is nil if every API of an ingest has arrived and APIM found nothing wrong.
func (c client) whole(ctx context.Context, integration string, run ingestRun) error {
	if run.job.Ingested != int(run.job.Total) {
		return fmt.Errorf("of %d APIs %d arrived", run.job.Total, run.job.Ingested)
	}
	n, err := c.problemsOf(ctx, integration)
	if n > 0 {
		return fmt.Errorf("APIM found %d problems", n)
	}
	return err
}
