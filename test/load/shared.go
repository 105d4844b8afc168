package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"federation-agent/internal/sandbox/awssim"
)

// The accounts of a run in which stages share deployments.
const (
	accountShared = iota
	accountSharedAdaptive
	sharedAccounts
)

// sharedBar is how many calls the first ingest of 600 REST APIs x 3 stages may take whose stages share a deployment: the
// listings, a GetStages and an export for each REST API, and one in twenty of what is shared, which is compared.
const sharedBar = 1270

// measureShared ingests what has one deployment for all stages of a REST API, and has the SDK export all of them.
func measureShared(ctx context.Context, r *rig) ([]table, error) {
	h := &honest{rig: r, apis: pick(r, 600, 40), stages: 3}
	var err error
	h.s, err = r.startStandIns(ctx, standInSpec{
		Estate: awssim.UniformOptions{
			Accounts: sharedAccounts, APIs: h.apis, StagesPerAPI: h.stages, Plans: 30, DocumentBytes: 10_000,
			SharedDeployments: true,
		},
		Scale: 1, LatencyDivisor: 1, Integrations: []string{integrationOf(accountShared)},
	}, -1)
	if err != nil {
		return nil, err
	}
	defer h.s.Close()
	t := table{
		title: fmt.Sprintf("First ingest of %d REST APIs x %d stages that share a deployment, side by side", h.apis,
			h.stages),
		columns: []string{"who", "calls", "of them 429", "lost for good", "stages not exported", "time", "bar", "reached"},
	}
	var ours, adaptive allExported
	var errs [2]error
	var both sync.WaitGroup
	both.Go(func() { adaptive, errs[0] = h.baselineAlone(ctx, accountSharedAdaptive, aws.RetryModeAdaptive) })
	ours, errs[1] = h.sharedIngest(ctx)
	both.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	stages := h.apis * h.stages
	bar := []string{
		fmt.Sprintf("≤ %d calls, none 429", sharedBar), t.verdict(ours.calls <= sharedBar && ours.throttled == 0),
	}
	t.rows = [][]string{
		append(adaptive.row("SDK, adaptive mode, 20 workers, default pages", stages), "", ""),
		append(ours.row("this agent", stages), bar...),
	}
	return []table{t}, nil
}

func (h *honest) sharedIngest(ctx context.Context) (allExported, error) {
	var e allExported
	p, err := h.agent(ctx, accountShared, nil)
	if err != nil {
		return e, err
	}
	defer p.stop()
	run, err := h.s.timedIngest(ctx, integrationOf(accountShared))
	if err != nil {
		return e, err
	}
	if err := h.s.whole(ctx, integrationOf(accountShared), run); err != nil {
		return e, err
	}
	e.missing, e.took, e.lost = h.apis*h.stages-run.job.Ingested, run.took, p.lost()
	e.calls, e.throttled, err = h.callsOf(ctx, accountShared)
	return e, err
}
