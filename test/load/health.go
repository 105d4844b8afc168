package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"federation-agent/internal/sandbox/awssim"
)

// measureHealth asks for HEALTH_CHECKs while an ingest runs: at the honest quota, where a bar stands, and
// at a scaled one, where the agent is busy.
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
		took, err := r.healthDuringIngest(ctx, run.scale, run.divisor, run.apis, count)
		if err != nil {
			return []table{t}, fmt.Errorf("%s: %w", run.name, err)
		}
		p99 := at(took, 0.99)
		figure := fmt.Sprintf("p50 %s, p99 %s, worst %s", short(middle(took)), short(p99), short(slices.Max(took)))
		measure := fmt.Sprintf("%d checks, %s", len(took), run.name)
		if run.scale == 1 {
			t.row(measure, figure, "p99 ≤ 1 ms", p99 <= time.Millisecond)
		} else {
			t.told(measure, figure)
		}
	}
	return []table{t}, nil
}

func (r *rig) healthDuringIngest(ctx context.Context, scale float64, divisor, apis, count int) ([]time.Duration, error) {
	const integration = "health"
	s, err := r.startStandIns(ctx, standInSpec{
		Estate: awssim.UniformOptions{APIs: apis, StagesPerAPI: 3, Plans: 3, DocumentBytes: 20_000}, Scale: scale, LatencyDivisor: divisor,
		Integrations: []string{integration},
	}, -1)
	if err != nil {
		return nil, err
	}
	defer s.close()
	p, _, err := r.connected(ctx, s, agentSpec{name: integration, integration: integration, settings: scaled(scale), cpu: -1})
	if err != nil {
		return nil, err
	}
	defer p.stop()
	job, err := s.startIngest(ctx, integration)
	if err != nil {
		return nil, err
	}
	took, err := s.healthChecks(ctx, healthCheckRequest{Integration: integration, Count: count, Every: 10 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	if done, err := s.job(ctx, job.ID); err != nil || done.Ingested == int(done.Total) {
		return nil, fmt.Errorf("the ingest was over before the checks were: nothing is proved (%w)", err)
	}
	return took, nil
}
