package tablestore_test

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"federation-agent/internal/gateway"
	"federation-agent/internal/members"
	"federation-agent/internal/quota"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table/tablesim"
)

// AWS's quota as AWS documents it, and the share of it.
const (
	awsRate, awsBurst = 10.0, 40.0
	ours              = 0.7
)

// bucket is a quota as AWS keeps it.
type bucket struct {
	rate, burst, tokens float64
	at                  time.Duration
}

func (b *bucket) take(now time.Duration) bool {
	b.tokens = min(b.burst, b.tokens+(now-b.at).Seconds()*b.rate)
	b.at = now
	b.tokens--
	return b.tokens > -1e-6
}

// quotaWorld is several processes that share a quota by a table, in virtual time.
type quotaWorld struct {
	dice   *rand.Rand
	now    time.Duration // true time
	events events
	number int
	model  *tablesim.Model
	all    []*process
	// lost is how many of 1000 calls of the table lose their answer, in each of three ways.
	lost int
	// lives is the members' counters. With them, each keeps tokens for keys.
	lives map[string]int64

	aws, share bucket
	calls      int
	writes     int
	broken     string
	keyWaits   []time.Duration
}

type event struct {
	at     time.Duration
	number int
	do     func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(a, b int) bool {
	return e[a].at < e[b].at || e[a].at == e[b].at && e[a].number < e[b].number
}
func (e events) Swap(a, b int) { e[a], e[b] = e[b], e[a] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	*e = (*e)[:last]
	return x
}

func newQuotaWorld(seed uint64, fastest float64) *quotaWorld {
	return &quotaWorld{
		dice: rand.New(rand.NewPCG(seed, 15)), model: tablesim.New(nil), lives: map[string]int64{},
		aws:   bucket{rate: awsRate, burst: awsBurst, tokens: awsBurst},
		share: bucket{rate: awsRate * ours * fastest, burst: awsBurst * ours, tokens: awsBurst * ours},
	}
}

func (w *quotaWorld) after(d time.Duration, do func()) {
	w.number++
	heap.Push(&w.events, event{w.now + d, w.number, do})
}

func (w *quotaWorld) run(until time.Duration) {
	for len(w.events) > 0 && w.events[0].at <= until && w.broken == "" {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
		w.check()
	}
	w.now = until
}

// check adds up what the processes may use at this moment. It finds what the bucket forgives while it is full.
func (w *quotaWorld) check() {
	rate, burst := 0.0, 0.0
	for _, p := range w.all {
		if !p.ended && p.clock().Before(p.lease.Until) {
			rate += p.lease.Rate
			burst += p.lease.Burst
		}
		if !p.ended {
			burst += p.share.Kept(p.clock())
		}
	}
	if w.broken == "" && (rate > awsRate*ours+1e-9 || burst > awsBurst*ours+1e-9) {
		w.broken = fmt.Sprintf("at %s there are leases of %.3f a second, burst %.3f", w.now, rate, burst)
	}
}

// between is a random time.
func (w *quotaWorld) between(from, to time.Duration) time.Duration {
	return from + time.Duration(w.dice.Int64N(int64(to-from)))
}

// process is one agent: its clock, its share, its budget, and the workers that call.
type process struct {
	w         *quotaWorld
	id        string
	drift     float64 // how much faster its clock goes
	table     *tablestore.Store
	self      *members.Self
	share     *quota.Share
	budget    *quota.Budget
	lease     quota.Lease
	frozen    time.Duration // until
	cut       time.Duration // until
	throttled time.Duration // until
	ended     bool
	inbox     []func()
	wake      int // the last one counts

	workers int // that are to run
	busy    int // that do
	tickets uint64
	keys    map[uint64]time.Duration // the tickets of calls for keys, and since when they wait
}

func (w *quotaWorld) start(id string, drift float64) *process {
	p := &process{w: w, id: id, drift: drift, keys: map[uint64]time.Duration{}}
	limits := quota.AWSLimits(awsRate, awsBurst, ours)
	p.table = open(w.model, id)
	p.self = members.NewSelf(id)
	p.share = quota.NewShare(id, limits, p.self)
	p.live()
	p.budget = quota.NewBudget(limits, p.clock())
	p.use()
	w.all = append(w.all, p)
	w.after(0, p.step)
	return p
}

// live shows the process to the others, and looks for them, while it can.
func (p *process) live() {
	w := p.w
	if p.ended {
		return
	}
	if w.now >= p.frozen && w.now >= p.cut && w.now >= p.throttled {
		sent := p.clock()
		w.lives[p.id]++
		if w.dice.IntN(1000) >= w.lost { // else its answer is lost
			p.self.Raised(sent)
		}
		var all []members.Member
		for id, count := range w.lives {
			all = append(all, members.Member{ID: id, Count: count})
		}
		p.self.See(sent, all)
	}
	w.after(members.RaiseEvery, p.live)
}

// clock is the process's own: it has its own beginning, too.
func (p *process) clock() time.Time {
	return start.Add(time.Duration(len(p.id)) * time.Hour).Add(time.Duration(float64(p.w.now) * (1 + p.drift)))
}

// at wakes the process at a time of its clock.
func (p *process) at(t time.Time) {
	if t.IsZero() {
		return
	}
	p.wake++
	number := p.wake
	p.w.after(max(0, time.Duration(float64(t.Sub(p.clock()))/(1+p.drift))+time.Microsecond), func() {
		if number == p.wake {
			p.step()
		}
	})
}

// use has the budget keep to the share.
func (p *process) use() {
	p.lease = p.share.Lease()
	p.budget.Use(p.clock(), p.lease)
}

// tell has the process do something, now or when it is not frozen any more.
func (p *process) tell(do func()) {
	p.inbox = append(p.inbox, do)
	p.step()
}

// step is what the actor does with each message.
func (p *process) step() {
	if p.ended {
		return
	}
	if p.w.now < p.frozen {
		p.wake++
		number := p.wake
		p.w.after(p.frozen-p.w.now, func() {
			if number == p.wake {
				p.step()
			}
		})
		return
	}
	for len(p.inbox) > 0 {
		do := p.inbox[0]
		p.inbox = p.inbox[1:]
		do()
	}
	now := p.clock()
	p.budget.Keep(now, p.share.Kept(now))
	decision := p.budget.Advance(now)
	for _, ticket := range decision.Granted {
		p.call(ticket)
	}
	next := p.share.Next(now, p.budget.Demand())
	if !next.IsZero() && !next.After(now) {
		if from, to, ok := p.share.Beat(now, p.budget.Demand()); ok {
			p.use()
			p.write(from, to)
		}
		next = p.share.Next(now, p.budget.Demand())
		decision = p.budget.Advance(now)
		for _, ticket := range decision.Granted {
			p.call(ticket)
		}
	}
	if next.IsZero() || !decision.Next.IsZero() && decision.Next.Before(next) {
		next = decision.Next
	}
	p.at(next)
}

// write sends a change of the ledger over a network that loses things.
func (p *process) write(from, to quota.Ledger) {
	const timeOut = 1500 * time.Millisecond
	w := p.w
	w.writes++
	fault, roll := tablesim.None, w.dice.IntN(1000)
	late := time.Duration(0)
	switch {
	case w.now < p.throttled:
		fault = tablesim.Throttled
	case w.now < p.cut:
		roll = w.dice.IntN(4) * max(1, w.lost)
		fallthrough
	default:
		switch {
		case roll < w.lost:
			fault = tablesim.LostAfter
		case roll < 2*w.lost:
			fault, late = tablesim.LostAfter, w.between(0, 12*time.Second)
		case roll < 3*w.lost || w.now < p.cut:
			fault = tablesim.LostBefore
		}
	}
	if w.lost > 0 && roll%100 == 7 {
		p.frozen = w.now + w.between(time.Second, 40*time.Second)
	}
	there, back := w.between(time.Millisecond, 20*time.Millisecond), w.between(time.Millisecond, 20*time.Millisecond)
	if roll%50 == 0 {
		back += w.between(0, timeOut)
	}
	w.after(there+late, func() {
		if fault == tablesim.Throttled || fault == tablesim.LostBefore {
			return
		}
		is, taken, err := p.table.Change(context.Background(), "123456789012", "eu-west-1", from, to)
		if err != nil {
			panic(err)
		}
		if fault == tablesim.None {
			w.after(back, func() {
				p.tell(func() {
					if taken {
						p.share.Written(p.clock(), is)
					} else {
						p.share.Refused(p.clock(), is)
					}
					p.use()
				})
			})
		}
	})
	if fault != tablesim.None {
		wait := timeOut
		if fault == tablesim.Throttled {
			wait = back
		}
		w.after(wait, func() { p.tell(p.share.Failed) })
	}
}

// call is one call of AWS.
func (p *process) call(ticket uint64) {
	w := p.w
	w.calls++
	if !w.share.take(w.now) {
		w.broken = fmt.Sprintf("%s: the share was exceeded by %.3f at %s", p.id, -w.share.tokens, w.now)
	}
	if !w.aws.take(w.now) {
		w.broken = fmt.Sprintf("%s: AWS's bucket ran out at %s", p.id, w.now)
	}
	if since, ok := p.keys[ticket]; ok {
		w.keyWaits = append(w.keyWaits, w.now-since)
		delete(p.keys, ticket)
	}
	w.after(w.between(300*time.Millisecond, 2*time.Second), func() {
		p.tell(func() {
			p.budget.Return(ticket)
			if p.busy--; p.busy < p.workers {
				p.ask(gateway.PriorityIngest)
			}
		})
	})
}

// throttle is a 429.
func (p *process) throttle() {
	if p.budget.Throttled(p.clock(), 0) {
		p.share.Throttled(p.clock())
		p.use()
	}
}

func (p *process) ask(priority gateway.Priority) { p.askFor("GetExport", priority) }

func (p *process) askFor(operation gateway.Operation, priority gateway.Priority) {
	p.tickets++
	p.busy++
	if priority == gateway.PriorityKeys {
		p.keys[p.tickets] = p.w.now
	}
	p.budget.Ask(p.clock(), p.tickets, gateway.PermitRequest{Operation: operation, Priority: priority})
}

// work has so many workers call without a pause from now on. Those that are too many end after their call.
func (p *process) work(workers int) {
	p.tell(func() {
		p.workers = workers
		for p.busy < p.workers {
			p.ask(gateway.PriorityIngest)
		}
		for ; workers == 0 && p.tickets > 0 && p.budget.Demand().Waiting > 0; p.busy-- {
			p.forget()
		}
	})
}

// forget takes one request back that waits.
func (p *process) forget() {
	before := p.budget.Demand().Waiting
	for ticket := p.tickets; ticket > 0; ticket-- {
		if !p.budget.Holds(ticket) {
			p.budget.Return(ticket)
		}
		if p.budget.Demand().Waiting < before {
			return
		}
	}
}

// neighbour calls AWS for ever, at what the share leaves.
func (w *quotaWorld) neighbour() {
	rate := awsRate - w.share.rate
	w.after(time.Duration(float64(time.Second)/rate), func() {
		if !w.aws.take(w.now) {
			w.broken = fmt.Sprintf("the neighbour found AWS's bucket empty at %s", w.now)
		}
		w.neighbour()
	})
}

// TestProcessesTogetherNeverExceedTheShare has three processes freeze, lose the table, die and start, while their loads
// change. Each has its own clock.
func TestProcessesTogetherNeverExceedTheShare(t *testing.T) {
	const (
		seeds  = 200
		length = 2 * time.Minute
	)
	used, writes := 0.0, 0
	for seed := range uint64(seeds) {
		// A clock that is off by 3 % makes its process call at 3 % more, with a table as without.
		drift := []float64{0.03, 0}[seed%2]
		w := newQuotaWorld(seed, 1+drift)
		w.lost = 10
		w.neighbour()
		for n := range 3 {
			w.trouble(n, 0, drift)
		}
		w.run(length)
		if w.broken != "" {
			t.Fatalf("seed %d: %s", seed, w.broken)
		}
		used += float64(w.calls) / (awsRate * ours * length.Seconds()) / seeds
		writes += w.writes
	}
	t.Logf("%d seeds of %s: %.1f %% of the share used under faults, %.2f writes a second",
		seeds, length, 100*used, float64(writes)/seeds/length.Seconds())
}

// trouble starts a process, and gives it work and faults until it dies and the next one comes.
func (w *quotaWorld) trouble(n, incarnation int, drift float64) {
	p := w.start(fmt.Sprint("p", n, "-", incarnation), drift*(2*w.dice.Float64()-1))
	for at := time.Duration(0); at < 2*time.Minute; at += w.between(0, 30*time.Second) {
		do := []func(){
			func() { p.work(24) },
			func() { p.work(24) },
			func() { p.work(2) },
			func() { p.work(0) },
			func() { p.frozen = w.now + w.between(time.Second, 40*time.Second) },
			func() { p.cut = w.now + w.between(time.Second, 40*time.Second) },
			func() { p.throttled = w.now + w.between(time.Second, 20*time.Second) },
			func() { p.tell(func() { p.ask(gateway.PriorityKeys) }) },
			func() { p.tell(p.throttle) },
			func() {
				if p.ended = w.dice.IntN(3) == 0; p.ended {
					w.trouble(n, incarnation+1, drift)
				}
			},
		}[w.dice.IntN(10)]
		w.after(at, func() {
			if !p.ended {
				do()
			}
		})
	}
}

// steady is a scene without faults: the share of the quota that was used, and the writes a second.
func steady(t *testing.T, name string, least float64, play func(*quotaWorld)) *quotaWorld {
	const length = 10 * time.Minute
	w := newQuotaWorld(1, 1)
	w.neighbour()
	play(w)
	w.run(length)
	if w.broken != "" {
		t.Errorf("%s: %s", name, w.broken)
	}
	used := float64(w.calls) / (awsRate * ours * length.Seconds())
	t.Logf("%s: %.1f %% of the share used, %.2f writes a second", name, 100*used, float64(w.writes)/length.Seconds())
	if used < least {
		t.Errorf("%s: %.1f %% of the share used, want %.0f %%", name, 100*used, 100*least)
	}
	return w
}

func TestTheShareIsUsed(t *testing.T) {
	steady(t, "alone", 0.97, func(w *quotaWorld) { w.start("a", 0).work(24) })
	steady(t, "two busy", 0.97, func(w *quotaWorld) {
		w.start("a", 0).work(24)
		w.after(300*time.Millisecond, func() { w.start("bb", 0).work(24) })
	})
	steady(t, "one busy, one with two workers", 0.95, func(w *quotaWorld) {
		w.start("a", 0).work(24)
		w.after(300*time.Millisecond, func() { w.start("bb", 0).work(2) })
	})
	steady(t, "the load changes sides every 20 s", 0.90, func(w *quotaWorld) {
		a, b := w.start("a", 0), w.start("bb", 0)
		var turn func()
		turn = func() {
			a.work(24)
			b.work(0)
			a, b = b, a
			w.after(20*time.Second, turn)
		}
		turn()
	})
	w := steady(t, "at rest", 0, func(w *quotaWorld) {
		a := w.start("a", 0)
		a.work(1)
		w.after(time.Second, func() { a.work(0) })
	})
	if w.writes > 20 {
		t.Errorf("a process without work writes: %d", w.writes)
	}
}

// TestAKeyDoesNotWaitForAnotherProcessesIngest: a process that has had no work gets what a key needs from one that uses
// all of the share.
func TestAKeyDoesNotWaitForAnotherProcessesIngest(t *testing.T) {
	w := steady(t, "two calls for keys every 7 s beside an ingest", 0.85, func(w *quotaWorld) {
		w.start("a", 0).work(24)
		b := w.start("bb", 0)
		var key func()
		key = func() {
			b.tell(func() {
				b.ask(gateway.PriorityKeys)
				b.ask(gateway.PriorityKeys)
			})
			w.after(w.between(5*time.Second, 9*time.Second), key)
		}
		key()
	})
	slices.Sort(w.keyWaits)
	median, longest := w.keyWaits[len(w.keyWaits)/2], w.keyWaits[len(w.keyWaits)-1]
	t.Logf("%d calls for keys waited %s at the median, %s at most", len(w.keyWaits), median, longest)
	if longest > 5*time.Second {
		t.Errorf("a call for a key waited %s", longest)
	}
}

// TestAKeyDoesNotWaitForAProcessThatWasKilled: the rate of a process that ends without a word is lent again only after
// it has been silent for eight seconds.
func TestAKeyDoesNotWaitForAProcessThatWasKilled(t *testing.T) {
	w := newQuotaWorld(1, 1)
	w.neighbour()
	a, b := w.start("a", 0), w.start("bb", 0)
	a.work(24)
	w.run(time.Minute)
	for kill := range 3 {
		a.ended = true
		delete(w.lives, a.id)
		w.keyWaits = nil
		b.tell(func() {
			for _, operation := range []gateway.Operation{"GetStages", "GetUsagePlans", gateway.CreateAPIKey, gateway.CreateUsagePlanKey} {
				b.askFor(operation, gateway.PriorityKeys)
			}
		})
		w.run(w.now + 100*time.Millisecond)
		if len(w.keyWaits) != 4 {
			t.Errorf("kill %d: %d of a SUBSCRIBE's 4 calls are made at once, %.2f are kept", kill, len(w.keyWaits), b.share.Kept(b.clock()))
		}
		b.tell(func() {
			b.ask(gateway.PriorityKeys)
		})
		w.run(w.now + 20*time.Second)
		if longest := slices.Max(w.keyWaits); len(w.keyWaits) != 5 || longest > 10*time.Second {
			t.Errorf("kill %d: the next call waits %s", kill, longest)
		}
		a = w.start(fmt.Sprint("a", kill), 0)
		a.work(24)
		w.run(w.now + time.Minute)
	}
	if w.broken != "" {
		t.Error(w.broken)
	}
}
