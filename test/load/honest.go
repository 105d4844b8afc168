package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/process"
)

// The accounts of an honest run. Each has a quota of its own, so all of these run side by side: what they
// do is wait, and the machine has nothing else to do.
const (
	accountCalls = iota
	accountStandard
	accountAdaptive
	accountAuto
	accountNeighbour
	accountNeighbourAuto
	accountFullShare
	accountNeighbourStandard
	accountNeighbourAdaptive
	accountSubscribe
	accountRestarts
	honestAccounts
)

const (
	agentUser     = "federation-agent"
	neighbourUser = "deployer"
	// refill is how long an idle agent's bucket takes from empty to full: burst 28 at 7 a second, and a margin.
	refill = 5 * time.Second
)

// honest is one run at AWS's real quota.
type honest struct {
	*rig
	s            *standIns
	apis, stages int

	mu     sync.Mutex
	tables map[int][]table
	errs   []error
}

// measureHonest makes every measurement that must not be scaled.
func measureHonest(ctx context.Context, r *rig) ([]table, error) {
	h := &honest{rig: r, apis: pick(r, 600, 40), stages: 3, tables: map[int][]table{}}
	spec := standInSpec{
		Estate: awssim.UniformOptions{
			Accounts: honestAccounts, APIs: h.apis, StagesPerAPI: h.stages, Plans: 30, DocumentBytes: 10_000,
		},
		Scale: 1, LatencyDivisor: 1,
	}
	for i := range honestAccounts {
		spec.Integrations = append(spec.Integrations, integrationOf(i))
	}
	var err error
	if h.s, err = r.startStandIns(ctx, spec, -1); err != nil {
		return nil, err
	}
	defer h.s.Close()
	var all sync.WaitGroup
	parts := []func(context.Context) ([]table, error){
		h.calls, alone(h.neighbours), alone(h.subscriptions), alone(h.restarts),
	}
	for i, part := range parts {
		all.Go(func() {
			made, err := part(ctx)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.tables[i] = made
			h.errs = append(h.errs, err)
		})
	}
	all.Wait()
	var tables []table
	for i := range parts {
		for _, t := range h.tables[i] {
			if len(t.rows) > 0 {
				tables = append(tables, t)
			}
		}
	}
	return tables, errors.Join(h.errs...)
}

// alone is a part that makes one table.
func alone(part func(context.Context) (table, error)) func(context.Context) ([]table, error) {
	return func(ctx context.Context) ([]table, error) {
		t, err := part(ctx)
		return []table{t}, err
	}
}

func integrationOf(account int) string { return fmt.Sprintf("honest-%d", account) }

// agent starts the agent of one of the accounts.
func (h *honest) agent(ctx context.Context, account int, settings map[string]string) (*program, error) {
	p, _, err := h.connected(ctx, h.s, agentSpec{
		name: integrationOf(account), integration: integrationOf(account), account: account, settings: settings, cpu: -1,
	})
	return p, err
}

// callsOf counts an account's attempts and 429s so far.
func (h *honest) callsOf(ctx context.Context, account int) (calls, throttled int, err error) {
	n, err := h.s.counts(ctx)
	id := awssim.UniformAccount(account)
	return n.of(id, ""), n.throttled(id, agentUser), err
}

// allExported is what it took to list an account and to export all of its stages, from nothing.
type allExported struct {
	calls, throttled, lost, missing int
	took                            time.Duration
}

func (e allExported) row(who string, stages int) []string {
	return []string{
		who, fmt.Sprint(e.calls), fmt.Sprint(e.throttled), fmt.Sprint(e.lost), fmt.Sprintf("%d of %d", e.missing, stages),
		short(e.took),
	}
}

// calls counts the calls of preview, ingest and re-ingest, times the ingest, and has the SDK do the same work.
func (h *honest) calls(ctx context.Context) ([]table, error) {
	t := measures(fmt.Sprintf("Calls and time of %d REST APIs x %d stages, nobody else there", h.apis, h.stages))
	beside := table{
		title:   "The same work from nothing, side by side",
		columns: []string{"who", "calls", "of them 429", "lost for good", "stages not exported", "time"},
	}
	var others [2]allExported
	var errs [4]error
	var all sync.WaitGroup
	for i, mode := range []aws.RetryMode{aws.RetryModeStandard, aws.RetryModeAdaptive} {
		all.Go(func() { others[i], errs[i] = h.baselineAlone(ctx, accountStandard+i, mode) })
	}
	var ours, auto allExported
	all.Go(func() { auto, errs[3] = h.autoAlone(ctx) })
	ours, errs[2] = h.ourCalls(ctx, &t)
	all.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return []table{t}, err
	}
	stages := h.apis * h.stages
	t.judged(h.rig, fmt.Sprintf("first ingest, share=auto, alone, %d calls: its time, 429s", auto.calls),
		fmt.Sprintf("%s, %d", short(auto.took), auto.throttled), "≤ 250 s, 0",
		auto.took <= 250*time.Second && auto.throttled == 0)
	beside.rows = [][]string{
		others[0].row("(a) SDK, standard retries, 20 workers, default pages", stages),
		others[1].row("(b) SDK, adaptive mode, 20 workers, default pages", stages),
		ours.row("(c) this agent", stages),
		auto.row("(d) this agent, share=auto", stages),
	}
	return []table{t, beside}, nil
}

func (h *honest) baselineAlone(ctx context.Context, account int, mode aws.RetryMode) (allExported, error) {
	b := newBaseline(h.s, account, mode)
	e := allExported{took: b.pass(ctx, h.apis, h.stages)}
	var err error
	e.calls, e.throttled, err = h.callsOf(ctx, account)
	e.lost, e.missing = int(b.lost.Load()), int(b.missing.Load())
	return e, err
}

// shareAuto is the setting by which the agent uses nearly all while it notices nobody else.
func shareAuto() map[string]string { return map[string]string{"gravitee_agent_quota_share": "auto"} }

// autoAlone is a first ingest with share=auto and nobody else there. It begins with the process, so it is polite first.
func (h *honest) autoAlone(ctx context.Context) (allExported, error) {
	var e allExported
	p, err := h.agent(ctx, accountAuto, shareAuto())
	if err != nil {
		return e, err
	}
	defer p.stop()
	run, err := h.s.timedIngest(ctx, integrationOf(accountAuto))
	if err != nil {
		return e, err
	}
	e = allExported{missing: h.apis*h.stages - run.job.Ingested, took: run.took, lost: p.lost()}
	e.calls, e.throttled, err = h.callsOf(ctx, accountAuto)
	return e, err
}

func (h *honest) ourCalls(ctx context.Context, t *table) (allExported, error) {
	var first allExported
	integration, account := integrationOf(accountCalls), awssim.UniformAccount(accountCalls)
	p, err := h.agent(ctx, accountCalls, nil)
	if err != nil {
		return first, err
	}
	defer p.stop()
	made := 0
	since := func() (int, error) {
		calls, _, err := h.callsOf(ctx, accountCalls)
		fresh := calls - made
		made = calls
		return fresh, err
	}
	pages := func(things int) int { return (things + 499) / 500 }
	listings := pages(h.apis) + pages(30)

	if _, err := h.s.Preview(ctx, integration); err != nil {
		return first, err
	}
	calls, err := since()
	if err != nil {
		return first, err
	}
	bar := 2 + pages(30)
	t.row("calls of a preview", fmt.Sprint(calls), fmt.Sprintf("≤ %d (2 + usage-plan pages)", bar), calls <= bar)

	// The listing of the preview must not be young enough to be used again, or the counts would flatter.
	if err := process.Sleep(ctx, pick(h.rig, 65*time.Second, refill)); err != nil {
		return first, err
	}
	run, err := h.s.timedIngest(ctx, integration)
	if err != nil {
		return first, err
	}
	if err := h.s.whole(ctx, integration, run); err != nil {
		return first, err
	}
	if calls, err = since(); err != nil {
		return first, err
	}
	first = allExported{calls: calls, missing: h.apis*h.stages - run.job.Ingested, took: run.took}
	if _, first.throttled, err = h.callsOf(ctx, accountCalls); err != nil {
		return first, err
	}
	first.lost = p.lost()
	// The bucket was full: its burst costs no time.
	allowed := time.Duration((float64(calls) - 0.7*awssim.AWSBurst) / shareOfQuota * float64(time.Second))
	ratio := run.took.Seconds() / allowed.Seconds()
	// The listings and the last exports' latency are seconds: of a short ingest they are more than 3 %.
	t.judged(h.rig,
		fmt.Sprintf("first ingest, %d calls: its time / the time that 7 calls a second after a burst of 28 take", calls),
		fmt.Sprintf("%s / %s = %.3f", short(run.took), short(allowed), ratio), "≤ 1.03", ratio <= 1.03)

	for _, redeployed := range []int{0, 5} {
		for i := range redeployed {
			if err := h.s.redeploy(ctx, account, "eu-west-1", fmt.Sprintf("a%09d", i*7), "prod"); err != nil {
				return first, err
			}
		}
		if err := process.Sleep(ctx, pick(h.rig, 65*time.Second, refill)); err != nil {
			return first, err
		}
		if _, err := since(); err != nil {
			return first, err
		}
		run, err := h.s.timedIngest(ctx, integration)
		if err != nil {
			return first, err
		}
		if calls, err = since(); err != nil {
			return first, err
		}
		bar := listings + h.apis + redeployed
		t.row(fmt.Sprintf("calls of a re-ingest, %d stages redeployed (%s)", redeployed, short(run.took)), fmt.Sprint(calls),
			fmt.Sprintf("≤ %d (listings + %d + %d)", bar, h.apis, redeployed), calls <= bar)
	}
	_, throttled, err := h.callsOf(ctx, accountCalls)
	t.row("429s in all of this", fmt.Sprint(throttled), "0", throttled == 0)
	return first, err
}
