package quota_test

import (
	"cmp"
	"container/heap"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"federation-agent/internal/gateway"
	"federation-agent/internal/quota"
)

// world is one account in virtual time. What happens in it happens one after the other, in the order of time.
type world struct {
	now     time.Duration
	random  *rand.Rand
	account *aws
	next    agenda
	planned int
}

type event struct {
	at    time.Duration
	order int
	do    func()
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(a[i].at, a[j].at), a[i].order-a[j].order) < 0
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(e any)   { *a = append(*a, e.(event)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func newWorld(seed uint64) *world {
	return &world{random: rand.New(rand.NewPCG(seed, 16)), account: newAWS()}
}

func (w *world) after(d time.Duration, do func()) {
	w.planned++
	heap.Push(&w.next, event{w.now + max(0, d), w.planned, do})
}

// run goes on until a time.
func (w *world) run(end time.Duration) {
	for len(w.next) > 0 && w.next[0].at < end {
		e := heap.Pop(&w.next).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

func (w *world) clock() time.Time { return start().Add(w.now) }

func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.random.Int64N(int64(most-least)+1))
}

// call makes one call: it takes some time to AWS and back, and AWS some time for its answer.
func (w *world) call(took time.Duration, then func(admitted bool)) {
	way := w.between(10*time.Millisecond, 50*time.Millisecond)
	w.after(way, func() {
		if !w.account.admits(w.clock()) {
			w.after(way, func() { then(false) })
			return
		}
		w.after(way+took, func() { then(true) })
	})
}

// client counts what AWS says to somebody.
type client struct {
	calls     int
	throttled []time.Duration // when
}

func (c *client) count(w *world, admitted bool) {
	c.calls++
	if !admitted {
		c.throttled = append(c.throttled, w.now)
	}
}

// later is how many were throttled after a time.
func (c *client) later(at time.Duration) (n int) {
	for _, t := range c.throttled {
		if t > at {
			n++
		}
	}
	return n
}

// agent is this agent in an ingest.
type ingest struct {
	client
	w       *world
	budget  *quota.Budget
	left    int // calls to make
	ticket  uint64
	asked   map[uint64]func()
	planned int // the newest wake
	ended   time.Duration
	free    int
}

const workers = 16

func newIngest(w *world, limits quota.Limits, calls int) *ingest {
	return &ingest{
		w: w, budget: quota.NewBudget(limits, w.clock()), left: calls, asked: map[uint64]func(){}, free: workers,
	}
}

// work has the workers call as long as there is something to call.
func (i *ingest) work() {
	for ; i.free > 0 && i.left > 0; i.left-- {
		i.free--
		took := i.w.between(300*time.Millisecond, 2*time.Second)
		if i.left%4 == 0 {
			took = i.w.between(50*time.Millisecond, 150*time.Millisecond)
		}
		i.attempt(took, gateway.PriorityIngest, func() {
			i.free++
			i.ended = i.w.now
			i.work()
		})
	}
	i.grant()
}

// attempt makes one call until it is admitted.
func (i *ingest) attempt(took time.Duration, p gateway.Priority, done func()) {
	i.ticket++
	ticket := i.ticket
	i.asked[ticket] = func() {
		i.w.call(took, func(admitted bool) {
			i.count(i.w, admitted)
			i.budget.Return(ticket)
			if admitted {
				done()
				i.grant()
				return
			}
			i.budget.Throttled(i.w.clock(), 0)
			i.w.after(i.w.between(0, 2*time.Second), func() { i.attempt(took, p, done); i.grant() })
			i.grant()
		})
	}
	i.budget.Ask(i.w.clock(), ticket, gateway.PermitRequest{Operation: "GetExport", Priority: p})
}

func (i *ingest) grant() {
	d := i.budget.Advance(i.w.clock())
	for _, ticket := range d.Granted {
		begin := i.asked[ticket]
		delete(i.asked, ticket)
		begin()
	}
	if d.Next.IsZero() {
		return
	}
	i.planned++
	mine := i.planned
	i.w.after(d.Next.Sub(i.w.clock()), func() {
		if mine == i.planned {
			i.grant()
		}
	})
}

// retries makes a call as the SDK's standard mode does: most attempts, with exponential delays of at most 20 s.
func retries(w *world, c *client, took func() time.Duration, most int, done func()) {
	attempt := 0
	var try func()
	try = func() {
		w.call(took(), func(admitted bool) {
			c.count(w, admitted)
			if attempt++; admitted || attempt == most {
				done()
				return
			}
			delay := min(20, w.random.Float64()*math.Pow(2, float64(attempt-1)))
			w.after(time.Duration(delay*1e9), try)
		})
	}
	try()
}

// inLine makes calls one after the other.
func inLine(w *world, c *client, calls *int, took func() time.Duration, most int) {
	if *calls == 0 {
		return
	}
	*calls--
	retries(w, c, took, most, func() { inLine(w, c, calls, took, most) })
}

// adaptive is the rate limiter of the SDK's adaptive mode (aws-sdk-go-v2, aws/retry/adaptive_ratelimit.go).
type adaptive struct {
	client
	w                                 *world
	on                                bool
	fill, most, measured              float64
	lastMax, window, bucket           float64
	refilled, throttledAt, measuredAt float64
	requests                          float64
}

func (a *adaptive) update(throttled bool) {
	now := a.w.now.Seconds()
	a.requests++
	if half := math.Floor(now*2) / 2; half > a.measuredAt {
		a.measured = 0.8*a.requests/(half-a.measuredAt) + 0.2*a.measured
		a.requests, a.measuredAt = 0, half
	}
	var rate float64
	if throttled {
		used := a.measured
		if a.on {
			used = min(a.measured, a.fill)
		}
		a.lastMax, a.throttledAt, a.on = used, now, true
		a.window = math.Cbrt(a.lastMax * 0.3 / 0.4)
		rate = used * 0.7
	} else {
		a.window = math.Cbrt(a.lastMax * 0.3 / 0.4)
		since := now - a.throttledAt - a.window
		rate = 0.4*since*since*since + a.lastMax
	}
	a.refill(now)
	a.fill = max(0.5, min(rate, 2*a.measured))
	a.most = max(1, a.fill)
	a.bucket = min(a.bucket, a.most)
}

func (a *adaptive) refill(now float64) {
	a.bucket = min(a.most, a.bucket+(now-a.refilled)*a.fill)
	a.refilled = now
}

func (a *adaptive) worker() {
	a.refill(a.w.now.Seconds())
	if a.on && a.bucket < 1 {
		a.w.after(time.Duration((1-a.bucket)/a.fill*1e9)+time.Millisecond, a.worker)
		return
	}
	if a.on {
		a.bucket--
	}
	a.w.call(a.w.between(300*time.Millisecond, 2*time.Second), func(admitted bool) {
		a.count(a.w, admitted)
		a.update(!admitted)
		delay := time.Duration(0)
		if !admitted {
			delay = time.Duration(a.w.random.Float64() * 1e9)
		}
		a.w.after(delay, a.worker)
	})
}

var neighbours = []struct {
	name  string
	every time.Duration // what the phases divide
	// more is how many more of its calls may be throttled beside auto, in parts of all of them.
	more  float64
	begin func(*world) *client
}{
	{"3 a second in bursts of 15", 5 * time.Second, 0.01, func(w *world) *client {
		c := &client{}
		var burst func()
		burst = func() {
			for range 15 {
				w.call(0, func(admitted bool) { c.count(w, admitted) })
			}
			w.after(5*time.Second, burst)
		}
		burst()
		return c
	}},
	// It begins with 40 calls at once and is throttled from then on, whatever the agent does: 1 % to 2 % more, because
	// the bucket is only half full when it begins.
	{"Terraform, ten in parallel", 5 * time.Second, 0.03, func(w *world) *client {
		c, calls := &client{}, 600
		for range 10 {
			inLine(w, c, &calls, func() time.Duration { return w.between(100*time.Millisecond, 400*time.Millisecond) }, 25)
		}
		return c
	}},
	{"a second agent in auto", 5 * time.Second, 0.01, func(w *world) *client {
		i := newIngest(w, quota.AutoLimits(awsRate, awsBurst, 0.7), math.MaxInt)
		i.work()
		return &i.client
	}},
	{"SDK, adaptive mode", 5 * time.Second, 0.01, func(w *world) *client {
		a := &adaptive{w: w, bucket: 1, most: 1}
		a.measuredAt = w.now.Seconds()
		for range 20 {
			a.worker()
		}
		return &a.client
	}},
	{"a backup that lists everything", 5 * time.Second, 0.01, func(w *world) *client {
		c, calls := &client{}, 3000
		inLine(w, c, &calls, func() time.Duration { return w.between(50*time.Millisecond, 150*time.Millisecond) }, 3)
		return c
	}},
	{"one call a minute", time.Minute, 0.01, func(w *world) *client {
		c := &client{}
		var one func()
		one = func() {
			w.call(0, func(admitted bool) { c.count(w, admitted) })
			w.after(time.Minute, one)
		}
		one()
		return c
	}},
}

// beside has an ingest beside a neighbour. The neighbour begins when the ingest has used the whole rate for a while, or
// before it. The result is of ten minutes of both.
func beside(limits quota.Limits, begin func(*world) *client, comes time.Duration, seed int) (*ingest, *client) {
	w := newWorld(uint64(seed))
	us := newIngest(w, limits, math.MaxInt)
	w.after(ingestBegins, us.work)
	var them *client
	w.after(comes, func() { them = begin(w) })
	w.run(max(comes, ingestBegins) + 10*time.Minute)
	return us, them
}

const ingestBegins = 20 * time.Second

// phases is how many times each neighbour comes, each time at another phase of what it does.
var phases = flag.Int("phases", 2, "runs of each simulation of share=auto")

// TestBesideAutoEachNeighbourLosesWhatItLosesBesideThePoliteShare prints docs/adr/0009-share-auto.md's table with
// -v -args -phases 20.
func TestBesideAutoEachNeighbourLosesWhatItLosesBesideThePoliteShare(t *testing.T) {
	t.Log("| neighbour | its calls | throttled beside 70 % | beside auto | first sign after | later: beside 70 %, auto |")
	for _, n := range neighbours {
		for _, there := range []bool{false, true} {
			var calls, polite, auto, laterPolite, laterAuto, signs int
			var first, last time.Duration
			for phase := range *phases {
				comes := n.every * time.Duration(phase) / time.Duration(*phases)
				if !there {
					comes += 3 * ingestBegins
				}
				_, besidePolite := beside(quota.AWSLimits(awsRate, awsBurst, 0.7), n.begin, comes, phase)
				us, besideAuto := beside(quota.AutoLimits(awsRate, awsBurst, 0.7), n.begin, comes, phase)
				calls += besideAuto.calls
				polite += len(besidePolite.throttled)
				auto += len(besideAuto.throttled)
				if len(us.throttled) == 0 {
					continue
				}
				sign := us.throttled[0]
				signs++
				first += sign - max(comes, ingestBegins)
				last = max(last, sign-max(comes, ingestBegins))
				laterPolite += besidePolite.later(sign + time.Second)
				laterAuto += besideAuto.later(sign + time.Second)
			}
			name, sign := n.name, "-"
			if there {
				name += ", there before"
			}
			if signs > 0 {
				sign = fmt.Sprintf("%.1f s, at most %.1f s", (first / time.Duration(signs)).Seconds(), last.Seconds())
			}
			t.Logf("| %s | %d | %d (%.2f %%) | %d (%.2f %%) | %s | %d, %d |", name, calls, polite, percent(polite, calls),
				auto, percent(auto, calls), sign, laterPolite, laterAuto)
			if most := float64(polite) + n.more*float64(calls); float64(auto) > most {
				t.Errorf("%s: %d are throttled, which is more than %.0f", name, auto, most)
			}
			if polite == 0 && laterAuto > 0 {
				t.Errorf("%s: %d are throttled later than a second after the first sign", name, laterAuto)
			}
			if most := float64(laterPolite) + n.more*float64(calls); float64(laterAuto) > most {
				t.Errorf("%s: %d are throttled later than a second after the first sign, more than %.0f", name, laterAuto, most)
			}
		}
	}
}

func percent(n, of int) float64 { return 100 * float64(n) / float64(max(1, of)) }

func TestAloneAnIngestInAutoTakesLittleLongerThanAWSAllows(t *testing.T) {
	for calls, most := range map[int]time.Duration{2403: 250 * time.Second, 603: 62 * time.Second} {
		for _, idle := range []time.Duration{0, time.Hour} {
			w := newWorld(1)
			us := newIngest(w, quota.AutoLimits(awsRate, awsBurst, 0.7), calls)
			w.after(idle, us.work)
			w.run(idle + time.Hour)
			t.Logf("%d calls after %s: %s, %d throttled", calls, idle, us.ended-idle, len(us.throttled))
			if idle > 0 && us.ended-idle > most {
				t.Errorf("%d calls take %s, more than %s", calls, us.ended-idle, most)
			}
			if len(us.throttled) > 0 {
				t.Errorf("%d calls after %s: %d are throttled", calls, idle, len(us.throttled))
			}
		}
	}
}

func TestInAutoAnIngestIsPoliteAtFirst(t *testing.T) {
	for name, before := range map[string]func(*world, *ingest){
		"a start": func(*world, *ingest) {},
		"an idle night": func(w *world, us *ingest) {
			us.work()
			w.run(8 * time.Hour)
		},
		"a panic": func(w *world, us *ingest) {
			us.left = 1000
			us.work()
			w.run(w.now + time.Minute)
			us.budget = quota.ResumeBudget(quota.AutoLimits(awsRate, awsBurst, 0.7), w.clock())
			us.asked, us.free, w.next = map[uint64]func(){}, workers, nil
		},
		"a clock that is put back": func(w *world, us *ingest) {
			us.left = 1000
			us.work()
			w.run(w.now + time.Minute)
			us.asked, us.free, w.next = map[uint64]func(){}, workers, nil
			us.budget.Advance(w.clock().Add(time.Hour))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(1)
			us := newIngest(w, quota.AutoLimits(awsRate, awsBurst, 0.7), 100)
			before(w, us)
			us.left = 1000
			from, calls := w.now, us.calls
			us.work()
			for second := range 60 {
				w.run(from + time.Duration(second)*time.Second)
				if us.budget.Alone() != (second >= 15) && (second < 10 || second >= 15) {
					t.Errorf("after %d s it takes itself to be alone: %v", second, us.budget.Alone())
				}
				if made := float64(us.calls - calls); second < 10 && made > 28+7*float64(second) {
					t.Errorf("after %d s it has made %g calls", second, made)
				}
			}
		})
	}
}

func TestInAutoKeysDoNotWaitForTheTide(t *testing.T) {
	w := newWorld(1)
	us := newIngest(w, quota.AutoLimits(awsRate, awsBurst, 0.7), math.MaxInt)
	us.work()
	w.run(30 * time.Second)
	var asked, worst time.Duration
	var keys func()
	keys = func() {
		asked = w.now
		us.attempt(0, gateway.PriorityKeys, func() {
			worst = max(worst, w.now-asked)
			w.after(w.between(0, 4*time.Second), keys)
		})
		us.grant()
	}
	keys()
	w.run(10 * time.Minute)
	if worst > 110*time.Millisecond { // the way to AWS and back takes up to 100 ms
		t.Errorf("a call for a key takes %s", worst)
	}
}

func TestAfterASignAnAgentInAutoIsPoliteForHalfAnHour(t *testing.T) {
	w := newWorld(1)
	us := newIngest(w, quota.AutoLimits(awsRate, awsBurst, 0.7), math.MaxInt)
	us.work()
	w.run(time.Minute)
	w.account.tokens = 0
	w.run(70 * time.Second)
	if len(us.throttled) == 0 {
		t.Fatal("an empty bucket is not noticed")
	}
	sign, calls := w.now, us.calls
	if others, _ := us.budget.Others(); others != gateway.OthersSeen {
		t.Errorf("it believes of others: %s", others)
	}
	w.run(sign + 29*time.Minute)
	if made, most := us.calls-calls, 29*60*7; us.budget.Alone() || made > most || made < most*95/100 {
		t.Errorf("%d calls in 29 minutes, where the polite share is %d", made, most)
	}
	w.run(sign + 32*time.Minute)
	if !us.budget.Alone() || len(us.throttled) > workers {
		t.Errorf("later it is alone: %v; %d calls were throttled", us.budget.Alone(), len(us.throttled))
	}
}

func TestInAutoOnlyTheOneHolderOfASharedQuotaIsMoreThanPolite(t *testing.T) {
	w := newWorld(1)
	us := newIngest(w, quota.AutoLimits(awsRate, awsBurst, 0.7), math.MaxInt)
	lease := quota.Lease{Rate: 7, Burst: 28, Until: start().Add(time.Hour), Sole: true}
	us.budget.Use(w.clock(), lease)
	us.work()
	w.run(time.Minute)
	if !us.budget.Alone() || us.calls < 500 {
		t.Errorf("the only holder is alone: %v; it makes %d calls in a minute", us.budget.Alone(), us.calls)
	}
	lease.Sole, lease.Rate, lease.Burst = false, 3, 12
	us.budget.Use(w.clock(), lease)
	calls := us.calls
	w.run(2 * time.Minute)
	if made := us.calls - calls; us.budget.Alone() || made > 3*60+12 || made < 3*60*95/100 {
		t.Errorf("beside another one it is alone: %v; it makes %d calls in a minute", us.budget.Alone(), made)
	}
	lease.Sole = true
	us.budget.Use(w.clock(), lease)
	w.run(2*time.Minute + 9*time.Second)
	if us.budget.Alone() {
		t.Error("it is alone at once")
	}
	lease.Until = w.clock()
	us.budget.Use(w.clock(), lease)
	calls = us.calls
	w.run(3 * time.Minute)
	if made := us.calls - calls; made > workers {
		t.Errorf("without a lease it makes %d calls", made)
	}
}

func TestInAutoALeaseThatEndsAfterASignLeavesNothing(t *testing.T) {
	w := newWorld(1)
	us := newIngest(w, quota.AutoLimits(awsRate, awsBurst, 0.7), math.MaxInt)
	lease := quota.Lease{Rate: 7, Burst: 28, Until: start().Add(time.Minute), Sole: true}
	us.budget.Use(w.clock(), lease)
	us.work()
	w.run(58 * time.Second)
	w.account.tokens = 0
	w.run(61 * time.Second)
	if len(us.throttled) == 0 || us.budget.Alone() {
		t.Fatalf("%d throttled; it takes itself to be alone: %v", len(us.throttled), us.budget.Alone())
	}
	calls := us.calls
	us.attempt(0, gateway.PriorityKeys, func() {})
	us.grant()
	w.run(2 * time.Minute)
	if made := us.calls - calls; made > 0 {
		t.Errorf("without a lease it makes %d calls", made)
	}
}
