package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
)

// measureHealth asks for HEALTH_CHECKs while an ingest runs: at the honest quota, where a bar stands, and
// at a scaled one, where the agent is busy. Before, it asks an agent that does nothing. Beside each check goes a bare
// round trip of TCP: on a machine that others use, its tail is theirs.
func measureHealth(ctx context.Context, r *rig) ([]table, error) {
	t := measures("HEALTH_CHECK round trips on loopback during an ingest")
	count := pick(r, 2000, 300)
	for _, run := range []struct {
		name    string
		scale   float64
		divisor int
		apis    int
	}{
		{"honest quota", 1, 1, pick(r, 200, 40)},
		{"quota x 20, latencies / 20", 20, 20, pick(r, 1300, 600)},
	} {
		idle, busy, err := r.healthDuringIngest(ctx, run.scale, run.divisor, run.apis, count)
		if err != nil {
			return []table{t}, fmt.Errorf("%s: %w", run.name, err)
		}
		measure := fmt.Sprintf("%d checks, %s", len(busy.Checks), run.name)
		if run.scale == 1 {
			t.told(fmt.Sprintf("%d checks, nothing else to do", len(idle.Checks)), percentiles(idle.Checks))
			t.told("bare TCP round trips beside them", percentiles(idle.Bare))
			t.judged(r, measure, percentiles(busy.Checks), "p99 ≤ 1 ms", at(busy.Checks, 0.99) <= time.Millisecond)
		} else {
			t.told(measure, percentiles(busy.Checks))
		}
		t.told("bare TCP round trips beside them", percentiles(busy.Bare))
	}
	return []table{t}, nil
}

func percentiles(took []time.Duration) string {
	return fmt.Sprintf("p50 %s, p95 %s, p99 %s, worst %s",
		short(middle(took)), short(at(took, 0.95)), short(at(took, 0.99)), short(slices.Max(took)))
}

func (r *rig) healthDuringIngest(ctx context.Context, scale float64, divisor, apis, count int) (idle, busy roundTrips, err error) {
	const integration = "health"
	s, err := r.startStandIns(ctx, standInSpec{
		Estate: awssim.UniformOptions{APIs: apis, StagesPerAPI: 3, Plans: 3, DocumentBytes: 20_000}, Scale: scale, LatencyDivisor: divisor,
		Integrations: []string{integration},
	}, -1)
	if err != nil {
		return idle, busy, err
	}
	defer s.close()
	p, _, err := r.connected(ctx, s, agentSpec{name: integration, integration: integration, settings: scaled(scale), cpu: -1})
	if err != nil {
		return idle, busy, err
	}
	defer p.stop()
	echo, err := serveEcho()
	if err != nil {
		return idle, busy, err
	}
	defer echo.Close()
	checks := healthCheckRequest{Integration: integration, Count: count, Every: 10 * time.Millisecond, Echo: echo.Addr().String()}
	if idle, err = s.healthChecks(ctx, checks); err != nil {
		return idle, busy, err
	}
	job, err := s.startIngest(ctx, integration)
	if err != nil {
		return idle, busy, err
	}
	if busy, err = s.healthChecks(ctx, checks); err != nil {
		return idle, busy, err
	}
	done, err := s.job(ctx, job.ID)
	if err == nil && (done.Status != apimsim.JobPending || done.Ingested == int(done.Total)) {
		err = fmt.Errorf("the ingest (%s, %d of %d) was over before the checks were: nothing is proved", done.Status, done.Ingested, done.Total)
	}
	if err != nil {
		return idle, busy, err
	}
	return idle, busy, nil
}
