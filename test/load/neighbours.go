package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"federation-agent/internal/sandbox/awssim"
)

// neighbourFigures are what a neighbour's presence came to.
type neighbourFigures struct {
	calls, throttled, lost        int
	neighbours, neighboursRefused int
}

func (f neighbourFigures) ours() string {
	return fmt.Sprintf("%d calls, %d answered 429 (%.1f %%), %d lost for good", f.calls, f.throttled, 100*f.rate(), f.lost)
}

func (f neighbourFigures) rate() float64 { return float64(f.throttled) / float64(max(1, f.calls)) }

func (f neighbourFigures) theirs() string {
	return fmt.Sprintf("%d of %d (%.1f %%)", f.neighboursRefused, f.neighbours,
		100*float64(f.neighboursRefused)/float64(max(1, f.neighbours)))
}

// neighbours has somebody else take 3 requests a second, in bursts of 15 every 5 s, while ingests of
// everything run one after the other, nothing cached.
func (h *honest) neighbours(ctx context.Context) (table, error) {
	d := pick(h.rig, 10*time.Minute, time.Minute)
	t := table{
		title:   fmt.Sprintf("A neighbour at 3 requests a second, in bursts of 15 every 5 s, %s", d),
		columns: []string{"who is there", "its own calls", "429s of the neighbour", "bar", "reached"},
	}
	arms := []struct {
		name    string
		account int
		work    func(context.Context, int, time.Duration) (lost int, err error)
		bar     string
		reached func(neighbourFigures) bool
		long    bool // a minute is too short to judge it
	}{
		{
			"(c) this agent, default share (70 %)", accountNeighbour, h.ingestFor(nil),
			"0 / 0 lost / 0", func(f neighbourFigures) bool {
				return f.throttled == 0 && f.lost == 0 && f.neighboursRefused == 0
			}, false,
		},
		{
			"(c) this agent, share 100 %", accountFullShare, h.ingestFor(map[string]string{"gravitee_agent_quota_share": "100"}),
			"< 2 %, none lost", func(f neighbourFigures) bool {
				return f.rate() < 0.02 && f.lost == 0
			}, true,
		},
		{
			"(c) this agent, share=auto", accountNeighbourAuto, h.ingestFor(shareAuto()),
			"neighbour ≤ 1 %, none lost", func(f neighbourFigures) bool {
				return 100*f.neighboursRefused <= f.neighbours && f.lost == 0
			}, true,
		},
		{
			"(a) SDK, standard retries, 20 workers", accountNeighbourStandard, h.baselineFor(aws.RetryModeStandard), "", nil,
			false,
		},
		{
			"(b) SDK, adaptive mode, 20 workers", accountNeighbourAdaptive, h.baselineFor(aws.RetryModeAdaptive), "", nil, false,
		},
	}
	figures := make([]neighbourFigures, len(arms))
	errs := make([]error, len(arms))
	var all sync.WaitGroup
	for i, arm := range arms {
		all.Go(func() { figures[i], errs[i] = h.besideNeighbour(ctx, arm.account, d, arm.work) })
	}
	all.Wait()
	for i, arm := range arms {
		f, verdict := figures[i], ""
		if arm.reached != nil {
			verdict = notJudged
			if errs[i] != nil || !h.quick || !arm.long {
				verdict = t.verdict(errs[i] == nil && arm.reached(f))
			}
		}
		t.rows = append(t.rows, []string{arm.name, f.ours(), f.theirs(), arm.bar, verdict})
	}
	return t, errors.Join(errs...)
}

func (h *honest) besideNeighbour(
	ctx context.Context, account int, d time.Duration, work func(context.Context, int, time.Duration) (int, error),
) (neighbourFigures, error) {
	var f neighbourFigures
	err := h.s.neighbour(ctx, awssim.Neighbour{
		AccessKeyID: awssim.UniformNeighbourKeyID(account), Region: "eu-west-1", Burst: 15, Every: 5 * time.Second,
		Operation: neighbourOperation,
	})
	if err != nil {
		return f, err
	}
	if f.lost, err = work(ctx, account, d); err != nil {
		return f, err
	}
	n, err := h.s.counts(ctx)
	id := awssim.UniformAccount(account)
	f.neighbours = n.of(id, neighbourOperation)
	f.neighboursRefused = n.throttled(id, neighbourUser)
	f.calls = n.of(id, "") - f.neighbours
	f.throttled = n.throttled(id, agentUser)
	return f, err
}

// neighbourOperation is one that the agent never calls, so that the two are told apart in the counters.
const neighbourOperation = awssim.OpGetDeployments

// leftOut is how the agent's log says at the end of an ingest how many APIs' calls were lost for one reason.
var leftOut = regexp.MustCompile(`APIs are left out of this ingest.* apis=(\d+)`)

// lost is how many APIs the ended ingests have left out.
func (p *program) lost() int {
	lost := 0
	for _, line := range leftOut.FindAllStringSubmatch(p.Stderr.String(), -1) {
		n, _ := strconv.Atoi(line[1]) // it is digits
		lost += n
	}
	return lost
}

// ingestFor ingests everything again and again, nothing cached, and says how many APIs were left out.
func (h *honest) ingestFor(settings map[string]string) func(context.Context, int, time.Duration) (int, error) {
	return func(ctx context.Context, account int, d time.Duration) (int, error) {
		uncached := map[string]string{"gravitee_agent_cache_maxBytes": "0"}
		maps.Copy(uncached, settings)
		p, err := h.agent(ctx, account, uncached)
		if err != nil {
			return 0, err
		}
		defer p.stop()
		for end := time.Now().Add(d); time.Now().Before(end); {
			job, err := h.s.StartIngest(ctx, integrationOf(account))
			if err != nil {
				return 0, err
			}
			if err := h.s.awaitJobUntil(ctx, job, end); err != nil {
				return 0, err
			}
		}
		return p.lost(), nil
	}
}

func (h *honest) baselineFor(mode aws.RetryMode) func(context.Context, int, time.Duration) (int, error) {
	return func(ctx context.Context, account int, d time.Duration) (int, error) {
		b := newBaseline(h.s, account, mode)
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		for ctx.Err() == nil {
			b.pass(ctx, h.apis, h.stages)
		}
		return int(b.lost.Load()), nil
	}
}
