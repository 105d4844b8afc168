package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/process"
)

// memoryScale is how far quota and latencies are scaled, for 13,200 exports would take half an hour.
const memoryScale = 100

// measureMemory watches a large ingest from the agent's start to its end.
func measureMemory(ctx context.Context, r *rig) ([]table, error) {
	t := measures(
		fmt.Sprintf("Peak memory, %d REST APIs x 10 stages x 100 KB documents, quota x %d", pick(r, 1320, 132), memoryScale),
	)
	for _, run := range []struct {
		what string
		big  int
		// together: the big ones are all stages of two REST APIs, else they lie far apart.
		together bool
		gogc     string // empty: what the agent chooses itself
		bar      int64  // 0: none
	}{
		{what: "100 KB documents", bar: 64 * mib},
		{what: "20 documents of 6 MB among them, far apart", big: 20, bar: 64 * mib},
		{what: "20 documents of 6 MB among them, two REST APIs", big: 20, together: true, bar: 64 * mib},
		{what: "100 KB documents, with Go's own GOGC=100", gogc: "100"},
	} {
		settings := scaled(memoryScale)
		settings["GOGC"] = run.gogc
		peak, took, processor, err := r.peakOfIngest(ctx, run.big, run.together, settings)
		if err != nil {
			return []table{t}, fmt.Errorf("%s: %w", run.what, err)
		}
		if run.bar > 0 {
			t.row(run.what+": highest RssAnon", inMiB(peak.Anonymous), "≤ "+inMiB(run.bar), peak.Anonymous <= run.bar)
		} else {
			t.told(run.what+": highest RssAnon", inMiB(peak.Anonymous))
		}
		t.told(run.what+": VmHWM; the ingest's time; processor time",
			fmt.Sprintf("%s; %s; %s", inMiB(peak.HighWater), short(took), short(processor)))
	}
	return []table{t}, nil
}

func (r *rig) peakOfIngest(
	ctx context.Context, big int, together bool, settings map[string]string,
) (process.Memory, time.Duration, time.Duration, error) {
	const integration = "memory"
	s, err := r.startStandIns(ctx, standInSpec{
		Estate: awssim.UniformOptions{
			APIs: pick(r, 1320, 132), StagesPerAPI: 10, Plans: 100, DocumentBytes: 100_000, BigDocuments: big,
			BigDocumentBytes: 6_000_000,
			BigTogether:      together,
		},
		Scale: memoryScale, LatencyDivisor: memoryScale / 5,
		Integrations: []string{integration},
	}, -1)
	if err != nil {
		return process.Memory{}, 0, 0, err
	}
	defer s.Close()
	p, _, err := r.connected(ctx, s, agentSpec{name: integration, integration: integration, settings: settings, cpu: -1})
	if err != nil {
		return process.Memory{}, 0, 0, err
	}
	defer p.stop()
	run, err := s.timedIngest(ctx, integration)
	if err != nil {
		return process.Memory{}, 0, 0, err
	}
	if err := s.whole(ctx, integration, run); err != nil {
		return process.Memory{}, 0, 0, err
	}
	processor, err := p.ProcessorTime()
	return p.peak(), run.took, processor, err
}

// scaled are the settings that tell an agent of a scaled quota.
func scaled(scale float64) map[string]string {
	return map[string]string{
		"gravitee_agent_quota_rate":  strconv.FormatFloat(awssim.AWSRate*scale, 'f', -1, 64),
		"gravitee_agent_quota_burst": strconv.Itoa(int(awssim.AWSBurst * scale)),
	}
}
