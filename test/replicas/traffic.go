package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/process"
)

// traffic is what APIM's users do all the time: they subscribe, look, end subscriptions and ingest.
type traffic struct {
	p     *pair
	ctx   context.Context // of what is asked
	going context.Context // of the asking
	stop  context.CancelFunc
	all   sync.WaitGroup

	mu      sync.Mutex
	asks    []asked
	ingests []ingested
	errs    []error
	// previews that were answered, and not.
	previews, blind int
}

// asked is one SUBSCRIBE.
type asked struct {
	at, answered time.Time
	accepted     bool
	reason       string
}

// ingested is one ingest that APIM has begun.
type ingested struct {
	job  apimsim.JobView
	took time.Duration
}

const (
	previewEvery = 2 * time.Second
	endEvery     = time.Second
	// keepAccepted subscriptions are never ended: enough must be left at the end.
	keepAccepted = 20
	// jobWithin ends an ingest that does not end by itself: longer than APIM holds one.
	jobWithin = 8 * time.Minute
)

// begin begins with SUBSCRIBEs.
func (p *pair) begin(ctx context.Context, gap time.Duration) *traffic {
	t := &traffic{p: p, ctx: ctx}
	t.going, t.stop = context.WithCancel(ctx)
	t.every(gap, t.subscribe)
	return t
}

func (t *traffic) every(gap time.Duration, do func(random int)) {
	t.all.Go(func() {
		dice := rand.New(rand.NewPCG(seed, uint64(gap)))
		for process.Sleep(t.going, gap) == nil {
			t.all.Go(func() { do(dice.IntN(1 << 16)) })
		}
	})
}

// lookAndEnd has users look at previews, and end subscriptions.
func (t *traffic) lookAndEnd() {
	t.every(previewEvery, t.preview)
	t.every(endEvery, func(random int) {
		if id := t.p.AnAccepted(t.ctx, integration, keepAccepted, random); id != "" {
			_ = t.p.Unsubscribe(t.ctx, id) // a fault in the middle leaves it ACCEPTED, see settle
		}
	})
}

// ingestAll has them ingest everything, again and again.
func (t *traffic) ingestAll() {
	t.all.Go(func() {
		for t.going.Err() == nil {
			t.ingest()
			_ = process.Sleep(t.going, time.Second)
		}
	})
}

// end stops it, and waits for what was begun.
func (t *traffic) end() error {
	t.stop()
	t.all.Wait()
	return errors.Join(t.errs...)
}

func (t *traffic) subscribe(random int) {
	ask := asked{at: time.Now()}
	sub, err := t.p.Subscribe(t.ctx, t.p.apis[random%len(t.p.apis)])
	ask.answered, ask.accepted, ask.reason = time.Now(), sub.Status == apimsim.SubscriptionAccepted, sub.Reason
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asks = append(t.asks, ask)
	t.errs = append(t.errs, err)
}

func (t *traffic) preview(int) {
	_, err := t.p.Users.APIM.Preview(t.ctx, integration)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.previews++; err != nil {
		t.blind++
	}
}

// ingest is no error where it does not begin: nobody serves, or who does is gone before it has answered.
func (t *traffic) ingest() {
	began := time.Now()
	job, err := t.p.Users.APIM.StartIngest(t.ctx, integration)
	if err != nil {
		return
	}
	job, err = t.p.Users.APIM.AwaitJob(t.ctx, jobWithin, job)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ingests = append(t.ingests, ingested{job, time.Since(began)})
	if err != nil {
		t.errs = append(t.errs, fmt.Errorf("ingest %s: %w", job.ID, err))
	}
}

// next waits for the next SUBSCRIBE that is asked for after an instant, and accepted, and says how long that took.
func (t *traffic) next(ctx context.Context, after time.Time, within time.Duration) (took time.Duration, err error) {
	err = process.Await(ctx, within, "the next accepted SUBSCRIBE", func(context.Context) (bool, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, ask := range slices.Backward(t.asks) {
			if ask.accepted && ask.at.After(after) {
				took = ask.answered.Sub(after)
			}
			if ask.answered.Before(after) { // they are in the order of their answers
				break
			}
		}
		return took > 0, nil
	})
	return took, err
}

// rejected are the reasons of those that were.
func (t *traffic) rejected() []string {
	var reasons []string
	for _, ask := range t.asks {
		if !ask.accepted {
			reasons = append(reasons, ask.reason)
		}
	}
	return reasons
}

// tell adds what came of it.
func (t *traffic) tell(f *figures) {
	longest, notEnded := time.Duration(0), []string{}
	for _, i := range t.ingests {
		longest = max(longest, i.took)
		if i.job.Status != apimsim.JobSuccess {
			notEnded = append(notEnded, i.job.ID+" "+i.job.Status)
		}
	}
	f.tell("SUBSCRIBEs; previews, of them failed", fmt.Sprintf("%d; %d, %d", len(t.asks), t.previews, t.blind))
	reasons := map[string]int{}
	for _, reason := range t.rejected() {
		reasons[strings.ReplaceAll(reason, "|", "/")]++
	}
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		f.tell("SUBSCRIBEs rejected: "+reason, fmt.Sprint(reasons[reason]))
	}
	if len(t.ingests) == 0 {
		return
	}
	f.tell("ingests that APIM began; the longest", fmt.Sprintf("%d; %s", len(t.ingests), short(longest)))
	f.none("of them, not ended as a success", notEnded)
}

// short rounds to what can be read.
func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// middle is the median; of an even number, the upper one.
func middle(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(all))[len(all)/2]
}

func middleAndWorst(all []time.Duration) string {
	if len(all) == 0 {
		return "none"
	}
	return fmt.Sprintf("%s (%s) of %d", short(middle(all)), short(slices.Max(all)), len(all))
}
