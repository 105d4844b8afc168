package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/process"
)

const (
	// shareOfQuota is the agent's default share, in requests a second.
	shareOfQuota = 0.7 * awssim.AWSRate
	targetsBar   = 0.97
)

// regions are of any names that the SDK knows.
func regions() []string {
	return []string{
		"eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1",
		"us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1",
	}
}

// measureTargets lets one process with one core work for many accounts and regions at once, the stand-ins
// on the other core.
func measureTargets(ctx context.Context, r *rig) ([]table, error) {
	accounts := pick(r, 20, 3)
	t := measures(fmt.Sprintf("%d targets in one process, GOMAXPROCS=1, the stand-ins on the other core, honest quota",
		accounts*len(regions())))
	for _, bytes := range []int{2_000, 100_000} {
		f, err := r.targetsAtWork(ctx, accounts, bytes)
		if err != nil {
			return []table{t}, fmt.Errorf("documents of %d bytes: %w", bytes, err)
		}
		least, most := slices.Min(f.shares), slices.Max(f.shares)
		figure := fmt.Sprintf("%.1f %% the least, %.1f %% the median, %.1f %% the most; 429s: %d", 100*least,
			100*middle(f.shares), 100*most, f.throttled)
		measure := fmt.Sprintf("%d KB documents: each target's calls over %s, as a part of its share", bytes/1000,
			f.window.Round(time.Second))
		if bytes == 2_000 {
			t.judged(r, measure, figure, "≥ 97 %", least >= targetsBar)
		} else {
			t.told(measure, figure)
		}
		t.told(fmt.Sprintf("%d KB documents: the core's use; highest RssAnon", bytes/1000),
			fmt.Sprintf("%.0f %%; %s", 100*f.processor, inMiB(f.peak.Anonymous)))
	}
	return []table{t}, nil
}

type targetFigures struct {
	shares    []float64
	window    time.Duration
	processor float64
	throttled int
	peak      process.Memory
}

func (r *rig) targetsAtWork(ctx context.Context, accounts, bytes int) (targetFigures, error) {
	const integration = "targets"
	var f targetFigures
	// Enough calls for the listing, the way up, and the window.
	window := pick(r, 60*time.Second, 15*time.Second)
	apis := int((window + 30*time.Second).Seconds() * shareOfQuota / 4)
	s, err := r.startStandIns(ctx, standInSpec{
		Estate: awssim.UniformOptions{
			Accounts: accounts, Regions: regions(), APIs: apis, StagesPerAPI: 3, Plans: 3, DocumentBytes: bytes,
		},
		Scale: 1, LatencyDivisor: 1, Integrations: []string{integration},
	}, 1)
	if err != nil {
		return f, err
	}
	defer s.Close()
	var roles []string
	for i := range accounts {
		roles = append(roles, awssim.UniformRoleARN(i))
	}
	p, _, err := r.connected(ctx, s,
		agentSpec{name: integration, integration: integration, cpu: 0, settings: map[string]string{
			"GOMAXPROCS": "1",
			// Some 1,500 documents are under way at a time; the default of 8 MiB is for a few targets.
			"gravitee_agent_ingest_memoryBytes":                      "64MiB",
			"gravitee_integration_providers_0_configuration_region":  strings.Join(regions(), ","),
			"gravitee_integration_providers_0_configuration_roleArn": strings.Join(roles, ","),
		}})
	if err != nil {
		return f, err
	}
	defer p.stop()
	// A burst that was saved up before would flatter the figures: it is spent before the window begins.
	if _, err := s.StartIngest(ctx, integration); err != nil {
		return f, err
	}
	if err := process.Sleep(ctx, 15*time.Second); err != nil {
		return f, err
	}
	before, began, cpuBefore, err := s.callsByTarget(ctx, p)
	if err != nil {
		return f, err
	}
	if err := process.Sleep(ctx, window); err != nil {
		return f, err
	}
	after, ended, cpuAfter, err := s.callsByTarget(ctx, p)
	if err != nil {
		return f, err
	}
	f.window = ended.Sub(began)
	f.processor = (cpuAfter - cpuBefore).Seconds() / f.window.Seconds()
	f.peak = p.peak()
	for target, calls := range after {
		f.shares = append(f.shares, float64(calls-before[target])/(f.window.Seconds()*shareOfQuota))
	}
	if len(f.shares) != accounts*len(regions()) {
		return f, fmt.Errorf("only %d targets were called", len(f.shares))
	}
	n, err := s.counts(ctx)
	for _, count := range n.Throttled {
		f.throttled += int(count)
	}
	return f, err
}

// callsByTarget counts the attempts so far, and says when that was and what the agent has used of its core.
func (s *standIns) callsByTarget(
	ctx context.Context, p *program,
) (map[awssim.Scope]int64, time.Time, time.Duration, error) {
	n, err := s.counts(ctx)
	if err != nil {
		return nil, time.Time{}, 0, err
	}
	now := time.Now()
	calls := map[awssim.Scope]int64{}
	for _, c := range n.Counts {
		if c.Operation != awssim.OpAssumeRole && c.Operation != awssim.OpGetCallerIdentity {
			calls[awssim.Scope{Account: c.Account, Region: c.Region}] += c.Count
		}
	}
	processor, err := p.ProcessorTime()
	return calls, now, processor, err
}
