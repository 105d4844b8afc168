package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/process"
)

const (
	// leastSubscribes is how many are wanted while an ingest runs.
	leastSubscribes = 100
	subscribeGap    = 2 * time.Second
	// answerWithin is how long the agent has for a command.
	answerWithin = 50 * time.Second
)

// subscriptions subscribes one at a time from an ingest's beginning to its end, then 100 times at once.
func (h *honest) subscriptions(ctx context.Context) (table, error) {
	t := measures("SUBSCRIBE")
	integration := integrationOf(accountSubscribe)
	p, err := h.agent(ctx, accountSubscribe, nil)
	if err != nil {
		return t, err
	}
	defer p.stop()
	api, err := h.firstAPI(ctx, integration)
	if err != nil {
		return t, err
	}
	job, err := h.s.StartIngest(ctx, integration)
	if err != nil {
		return t, err
	}
	took, refused, err := h.subscribeDuring(ctx, job, api)
	if err != nil {
		return t, err
	}
	enough := len(took) >= pick(h.rig, leastSubscribes, 1) && refused == 0
	t.row(fmt.Sprintf("%d one at a time during an ingest, gaps averaging 2 s: the median", len(took)), short(middle(took)),
		"< 1.5 s", enough && middle(took) < 1500*time.Millisecond)
	t.row("the same: the worst", short(slices.Max(took)), "< 4 s", enough && slices.Max(took) < 4*time.Second)

	if err := process.Sleep(ctx, refill); err != nil {
		return t, err
	}
	at, accepted, err := h.subscribeAtOnce(ctx, api, leastSubscribes)
	t.row("100 at once: accepted", fmt.Sprint(accepted), "100", accepted == leastSubscribes)
	t.row("100 at once: the last answer (CreateApiKey's own limit allows 3.5 a second at the default share: 28 s)",
		short(slices.Max(at)), "< 50 s", slices.Max(at) < answerWithin)
	_, throttled, countErr := h.callsOf(ctx, accountSubscribe)
	t.row("429s in all of this", fmt.Sprint(throttled), "0", throttled == 0)
	return t, errors.Join(err, countErr)
}

// firstAPI ingests one API, so that there is something to subscribe to before the ingest that is measured.
func (h *honest) firstAPI(ctx context.Context, integration string) (apimsim.APIView, error) {
	preview, err := h.s.Preview(ctx, integration)
	if err != nil {
		return apimsim.APIView{}, err
	}
	if _, err := h.s.timedIngest(ctx, integration, preview.APIs[0].ID); err != nil {
		return apimsim.APIView{}, err
	}
	apis, err := h.s.APIs(ctx)
	for _, api := range apis {
		if api.IntegrationID == integration && len(api.Plans) > 0 {
			return api, nil
		}
	}
	return apimsim.APIView{}, errors.Join(err, errors.New("nothing to subscribe to"))
}

func (h *honest) subscribeDuring(
	ctx context.Context, job apimsim.JobView, api apimsim.APIView,
) (took []time.Duration, refused int, err error) {
	random := rand.New(rand.NewPCG(seed, seed))
	for i := 0; ; i++ {
		if err := process.Sleep(ctx, time.Duration(random.ExpFloat64()*float64(subscribeGap))); err != nil {
			return nil, 0, err
		}
		if now, err := h.s.Job(ctx, job.ID); err != nil || now.Status != apimsim.JobPending {
			return took, refused, err
		}
		began := time.Now()
		s, err := h.s.Subscribe(ctx, api.ID, api.Plans[0].ID, fmt.Sprintf("one-by-one-%d", i))
		if err != nil {
			return nil, 0, err
		}
		took = append(took, time.Since(began))
		if s.Status != apimsim.SubscriptionAccepted {
			refused++
		}
	}
}

func (h *honest) subscribeAtOnce(ctx context.Context, api apimsim.APIView, n int) ([]time.Duration, int, error) {
	var mu sync.Mutex
	var errs []error
	var at []time.Duration
	accepted := 0
	began := time.Now()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			s, err := h.s.Subscribe(ctx, api.ID, api.Plans[0].ID, fmt.Sprintf("at-once-%d", i))
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(began))
			errs = append(errs, err)
			if s.Status == apimsim.SubscriptionAccepted {
				accepted++
			}
		})
	}
	all.Wait()
	return at, accepted, errors.Join(errs...)
}

// restarts starts the agent 20 times in a minute, each with an ingest, and each killed.
func (h *honest) restarts(ctx context.Context) (table, error) {
	t := measures("Restarts")
	const times = 20
	ticker := time.NewTicker(time.Minute / times)
	defer ticker.Stop()
	for range times {
		p, err := h.agent(ctx, accountRestarts, nil)
		if err != nil {
			return t, err
		}
		if _, err := h.s.StartIngest(ctx, integrationOf(accountRestarts)); err != nil {
			p.stop()
			return t, err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
		p.kill()
	}
	calls, throttled, err := h.callsOf(ctx, accountRestarts)
	t.row(fmt.Sprintf("429s in %d calls, 20 starts in a minute, each begins an ingest and is killed", calls),
		fmt.Sprint(throttled), "0", throttled == 0)
	return t, err
}
