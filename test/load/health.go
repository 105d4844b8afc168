package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
)

// checkEvery spaces the checks so that 2,000 of them see some ten batches of an ingest: one goes every 10 s.
const checkEvery = 50 * time.Millisecond

// measureHealth asks for HEALTH_CHECKs while an ingest runs: at the honest quota, where a bar stands, and
// at a scaled one, where the agent is busy. Before the first, it asks an agent that does nothing. Beside each check
// goes a bare round trip of TCP: on a machine that others use, its tail is theirs.
func measureHealth(ctx context.Context, r *rig) ([]table, error) {
	t := table{
		title:   "HEALTH_CHECK round trips on loopback, before and during an ingest",
		columns: []string{"measure", "p50", "p95", "p99", "worst", "bar", "reached"},
	}
	count := pick(r, 2000, 300)
	for _, run := range []struct {
		name    string
		scale   float64
		divisor int
		apis    int
	}{
		{"honest quota", 1, 1, pick(r, 250, 60)},
		{"quota x 20, latencies / 20", 20, 20, pick(r, 5000, 1000)},
	} {
		idle, busy, err := r.healthDuringIngest(ctx, run.scale, run.divisor, run.apis, count, run.scale == 1)
		if err != nil {
			return []table{t}, fmt.Errorf("%s: %w", run.name, err)
		}
		bar, verdict := "", ""
		if run.scale == 1 {
			t.percentiles(fmt.Sprintf("%d checks, agent at rest", len(idle.Checks)), idle.Checks, "", "")
			t.percentiles("bare TCP beside them", idle.Bare, "", "")
			bar, verdict = "p99 ≤ 1 ms", notJudged
			if !r.quick {
				verdict = t.verdict(at(busy.Checks, 0.99) <= time.Millisecond)
			}
		}
		t.percentiles(fmt.Sprintf("%d checks during an ingest, %s", len(busy.Checks), run.name), busy.Checks, bar, verdict)
		t.percentiles("bare TCP beside them", busy.Bare, "", "")
	}
	return []table{t}, nil
}

// percentiles adds a row of round trips.
func (t *table) percentiles(measure string, took []time.Duration, bar, verdict string) {
	t.rows = append(t.rows, []string{
		measure, short(middle(took)), short(at(took, 0.95)), short(at(took, 0.99)), short(slices.Max(took)), bar, verdict,
	})
}

// healthDuringIngest also asks an agent at rest first, where that is wanted: its quota makes no difference there.
func (r *rig) healthDuringIngest(
	ctx context.Context, scale float64, divisor, apis, count int, atRest bool,
) (idle, busy roundTrips, err error) {
	const integration = "health"
	s, err := r.startStandIns(ctx, standInSpec{
		Estate: awssim.UniformOptions{APIs: apis, StagesPerAPI: 3, Plans: 3, DocumentBytes: 20_000}, Scale: scale,
		LatencyDivisor: divisor,
		Integrations:   []string{integration},
	}, -1)
	if err != nil {
		return idle, busy, err
	}
	defer s.Close()
	p, _, err := r.connected(ctx, s, agentSpec{
		name: integration, integration: integration, settings: scaled(scale), cpu: -1,
	})
	if err != nil {
		return idle, busy, err
	}
	defer p.stop()
	echo, err := serveEcho()
	if err != nil {
		return idle, busy, err
	}
	defer echo.Close()
	checks := healthCheckRequest{Integration: integration, Count: count, Every: checkEvery, Echo: echo.Addr().String()}
	if atRest {
		if idle, err = s.healthChecks(ctx, checks); err != nil {
			return idle, busy, err
		}
	}
	job, err := s.StartIngest(ctx, integration)
	if err != nil {
		return idle, busy, err
	}
	if busy, err = s.healthChecks(ctx, checks); err != nil {
		return idle, busy, err
	}
	done, err := s.Job(ctx, job.ID)
	if err == nil && (done.Status != apimsim.JobPending || done.Ingested == int(done.Total)) {
		err = fmt.Errorf("the ingest (%s, %d of %d) was over before the checks were: nothing is proved", done.Status,
			done.Ingested, done.Total)
	}
	if err != nil {
		return idle, busy, err
	}
	return idle, busy, nil
}
