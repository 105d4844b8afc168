package quota_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"federation-agent/internal/gateway"
	"federation-agent/internal/quota"
)

// AWS's quota as AWS documents it. The test must not take it from the code under test.
const (
	awsRate  = 10.0
	awsBurst = 40.0
)

// start is the beginning of virtual time.
func start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// aws is the account's quota in AWS: one bucket for all clients. A refusal costs no token.
type aws struct {
	tokens float64
	at     time.Time
}

func newAWS() *aws { return &aws{tokens: awsBurst, at: start()} }

func (a *aws) admits(now time.Time) bool {
	a.tokens = min(awsBurst, a.tokens+now.Sub(a.at).Seconds()*awsRate)
	a.at = now
	if a.tokens < 1-1e-6 {
		return false
	}
	a.tokens--
	return true
}

// run is the result of a simulation.
type run struct {
	calls, throttled                   int // ours: attempts
	neighbourCalls, neighbourThrottled int
	done                               map[gateway.Priority]int
	longest                            map[gateway.Priority]time.Duration // wait for a permit
	rates                              []float64                          // each second
}

// scene is one account for some time: workers of each priority that call without a pause, AWS's latencies, and a
// neighbour that calls in bursts.
type scene struct {
	share          float64
	length         time.Duration
	workers        map[gateway.Priority]int
	neighbourBurst int
	neighbourEvery time.Duration
}

// worker makes one call after the other. It repeats a throttled one after a delay, as the SDK's loop does.
type worker struct {
	priority gateway.Priority
	ticket   uint64 // of the permit that it waits for or holds, 0 if none
	asked    time.Time
	free     time.Time // when the attempt ends, or the next one may begin
	calling  bool
}

// play runs the scene in steps of 5 ms, which are shorter than all delays in it.
func (s scene) play() run {
	const step = 5 * time.Millisecond
	random := rand.New(rand.NewPCG(1, 2))
	begin := start()
	account := newAWS()
	budget := quota.NewBudget(quota.AWSLimits(awsRate, awsBurst, s.share), begin)
	result := run{done: map[gateway.Priority]int{}, longest: map[gateway.Priority]time.Duration{}}
	var workers []*worker
	for priority, n := range s.workers {
		for range n {
			workers = append(workers, &worker{priority: priority})
		}
	}
	byTicket := map[uint64]*worker{}
	ticket := uint64(0)
	for now := begin; now.Before(begin.Add(s.length)); now = now.Add(step) {
		elapsed := now.Sub(begin)
		if elapsed%time.Second == 0 {
			result.rates = append(result.rates, budget.Rate())
		}
		if s.neighbourEvery > 0 && elapsed%s.neighbourEvery == 0 {
			for range s.neighbourBurst {
				result.neighbourCalls++
				if !account.admits(now) {
					result.neighbourThrottled++
				}
			}
		}
		for _, w := range workers {
			if w.calling && !now.Before(w.free) {
				budget.Return(w.ticket)
				delete(byTicket, w.ticket)
				w.calling, w.ticket = false, 0
				result.done[w.priority]++
			}
			if w.ticket == 0 && !now.Before(w.free) {
				ticket++
				w.ticket, w.asked = ticket, now
				byTicket[ticket] = w
				budget.Ask(now, ticket, gateway.PermitRequest{Operation: "GetExport", Priority: w.priority})
			}
		}
		for _, granted := range budget.Advance(now).Granted {
			w := byTicket[granted]
			result.longest[w.priority] = max(result.longest[w.priority], now.Sub(w.asked))
			result.calls++
			if account.admits(now) {
				w.calling = true
				w.free = now.Add(300*time.Millisecond + time.Duration(random.Int64N(int64(1700*time.Millisecond))))
				continue
			}
			result.throttled++
			budget.Return(granted)
			budget.Throttled(now, 0)
			delete(byTicket, granted)
			w.ticket, w.free = 0, now.Add(400*time.Millisecond)
		}
	}
	return result
}

func TestAtTheDefaultShareNoClientIsThrottledBesideANeighbourInBursts(t *testing.T) {
	for name, every := range map[string]time.Duration{"alone": 0, "neighbour": 5 * time.Second} {
		t.Run(name, func(t *testing.T) {
			got := scene{
				share: 0.7, length: 10 * time.Minute, neighbourBurst: 15, neighbourEvery: every,
				workers: map[gateway.Priority]int{gateway.PriorityIngest: 24},
			}.play()
			if got.throttled != 0 || got.neighbourThrottled != 0 {
				t.Errorf(
					"throttled: %d of our %d, %d of the neighbour's %d", got.throttled, got.calls, got.neighbourThrottled,
					got.neighbourCalls,
				)
			}
			if want := 7.0 * 600; float64(got.calls) < want*0.99 {
				t.Errorf("%d calls in 10 minutes; the share allows %.0f", got.calls, want)
			}
		})
	}
}

func TestAtTheFullShareLessThanTwoPercentAreThrottledAndTheAgentStillWorks(t *testing.T) {
	got := scene{
		share: 1, length: 10 * time.Minute, neighbourBurst: 15, neighbourEvery: 5 * time.Second,
		workers: map[gateway.Priority]int{gateway.PriorityIngest: 24},
	}.play()
	t.Logf(
		"%d calls, %d throttled; the neighbour's: %d of %d", got.calls, got.throttled, got.neighbourThrottled,
		got.neighbourCalls,
	)
	if share := float64(got.throttled) / float64(got.calls); got.throttled == 0 || share >= 0.02 {
		t.Errorf(
			"%d of %d throttled (%.1f %%); it must be more than none and less than 2 %%", got.throttled, got.calls, 100*share,
		)
	}
	if got.calls < 5*600 {
		t.Errorf("%d calls in 10 minutes; the agent must still work", got.calls)
	}
}

func TestNoPriorityStarves(t *testing.T) {
	got := scene{
		share: 0.7, length: 5 * time.Minute,
		workers: map[gateway.Priority]int{
			gateway.PriorityKeys: 20, gateway.PriorityPreview: 20, gateway.PriorityIngest: 20, gateway.PriorityRefresh: 4,
		},
	}.play()
	t.Logf("done %v, longest waits %v", got.done, got.longest)
	// The urgent workers together use less than the share. The others get the rest, and every 16th grant, which goes to
	// the oldest request.
	for _, p := range []gateway.Priority{
		gateway.PriorityKeys, gateway.PriorityPreview, gateway.PriorityIngest, gateway.PriorityRefresh,
	} {
		if got.done[p] == 0 {
			t.Errorf("%d starved", p)
		}
	}
	if got.done[gateway.PriorityKeys] < 10*got.done[gateway.PriorityIngest] {
		t.Errorf("keys must go first: %v", got.done)
	}
}

func TestTwentyRestartsInAMinuteAreNotThrottled(t *testing.T) {
	account := newAWS()
	ticket := uint64(0)
	for restart := range 20 {
		from := start().Add(time.Duration(restart) * 3 * time.Second)
		budget := quota.NewBudget(quota.AWSLimits(awsRate, awsBurst, 0.7), from)
		for range 100 { // many more than can be granted
			ticket++
			budget.Ask(from, ticket, gateway.PermitRequest{Operation: "GetStages", Priority: gateway.PriorityIngest})
		}
		for now := from; now.Before(from.Add(3 * time.Second)); now = now.Add(5 * time.Millisecond) {
			for range budget.Advance(now).Granted {
				if !account.admits(now) {
					t.Fatalf("restart %d: throttled after %s", restart, now.Sub(start()))
				}
			}
		}
	}
}
