package quota_test

import (
	"math"
	"testing"
	"time"

	"federation-agent/internal/quota"
)

// ledger is the table, without faults: what each write finds.
type ledger struct{ is quota.Ledger }

// member is a process with a share, and its clock.
type member struct {
	t     *testing.T
	share *quota.Share
	table *ledger
	now   time.Time
	// demand is what its calls want.
	demand quota.Demand
	// lease is what the last beat brought.
	lease quota.Lease
}

func newMember(t *testing.T, table *ledger, id string) *member {
	return &member{t: t, share: quota.NewShare(id, defaults(), nil), table: table, now: start()}
}

// busy has more calls wait than the quota allows.
func (m *member) busy() *member { m.demand.Waiting = 50; return m }

// beat writes until a write is taken, and gives the rate that may be used then.
func (m *member) beat() float64 {
	m.t.Helper()
	for range 3 {
		from, to, ok := m.share.Beat(m.now, m.demand)
		if !ok {
			m.t.Fatal("there is nothing to write")
		}
		if from.Version == m.table.is.Version {
			m.table.is = to
			m.share.Written(m.now, to)
			m.lease = m.share.Lease()
			return m.lease.Rate
		}
		m.share.Refused(m.now, m.table.is)
	}
	m.t.Fatal("refused again and again")
	return 0
}

// sum is what the ledger has given away. It must never be above the share.
func (l *ledger) sum(t *testing.T) (sum int64) {
	t.Helper()
	for _, h := range l.is.Holders {
		sum += h.Rate
	}
	if most := int64(7000); sum > most {
		t.Errorf("%d thousandths are given, of %d", sum, most)
	}
	return sum
}

func near(got, want float64) bool { return math.Abs(got-want) < 0.02 }

func TestAloneAProcessHasAllOfItOnceThatIsWritten(t *testing.T) {
	m := newMember(t, &ledger{}, "a").busy()
	from, to, ok := m.share.Beat(m.now, m.demand)
	if !ok || m.share.Lease().Rate != 0 {
		t.Fatal("it uses a rate that is not confirmed")
	}
	began := m.now
	m.now = m.now.Add(3 * time.Second)
	m.share.Written(m.now, to)
	lease := m.share.Lease()
	if lease.Rate != 7 || lease.Burst != 28 || lease.Tokens != 0 || !lease.Until.Equal(began.Add(4*time.Second)) {
		t.Errorf("%+v, from %+v", lease, from)
	}
}

func TestTwoProcessesHaveHalfEach(t *testing.T) {
	table := &ledger{}
	a, b := newMember(t, table, "a").busy(), newMember(t, table, "b").busy()
	if got := a.beat(); got != 7 {
		t.Fatalf("a has %v", got)
	}
	if got := b.beat(); got != 0 {
		t.Fatalf("b has %v before a gave anything up", got)
	}
	for range 3 {
		a.now, b.now = a.now.Add(time.Second), b.now.Add(time.Second)
		a.beat()
		table.sum(t)
		b.beat()
		table.sum(t)
	}
	if x, y := a.share.Lease().Rate, b.share.Lease().Rate; x != 3.5 || y != 3.5 {
		t.Errorf("a has %v, b %v", x, y)
	}
}

func TestALowerRateIsUsedBeforeItIsWritten(t *testing.T) {
	table := &ledger{}
	a, b := newMember(t, table, "a").busy(), newMember(t, table, "b").busy()
	a.beat()
	b.beat()
	a.now = a.now.Add(time.Second)
	a.share.Beat(a.now, a.demand)
	a.share.Refused(a.now, table.is)
	a.share.Beat(a.now, a.demand)
	if got := a.share.Lease().Rate; got != 3.5 {
		t.Errorf("it uses %v while it waits for the answer", got)
	}
	a.share.Failed()
	if got := a.share.Lease().Rate; got != 3.5 {
		t.Errorf("it uses %v after the answer was lost", got)
	}
}

func TestASilentProcessIsReplacedAfterEightSecondsOfOnesOwn(t *testing.T) {
	table := &ledger{}
	newMember(t, table, "a").busy().beat()
	b := newMember(t, table, "b").busy()
	b.now = b.now.Add(1000 * time.Hour) // another clock
	first := b.now
	for b.beat() == 0 && b.now.Sub(first) < time.Minute {
		b.now = b.now.Add(time.Second)
	}
	if waited := b.now.Sub(first); waited != 8*time.Second {
		t.Errorf("it took the rate over after %s", waited)
	}
	if got := b.share.Lease(); got.Rate != 7 || got.Tokens != 0 {
		t.Errorf("%+v", got)
	}
}

func TestAWriteWhoseAnswerIsLostCountsFromItsStartOnceItIsSeen(t *testing.T) {
	table := &ledger{}
	a, b := newMember(t, table, "a").busy(), newMember(t, table, "b").busy()
	began := a.now
	_, table.is, _ = a.share.Beat(a.now, a.demand) // taken
	a.share.Failed()
	b.beat()
	a.now = a.now.Add(1500 * time.Millisecond)
	if a.share.Lease().Rate != 0 {
		t.Fatal("it uses what nobody confirmed")
	}
	a.share.Beat(a.now, a.demand)
	a.share.Refused(a.now, table.is)
	if got := a.share.Lease(); got.Rate != 7 || !got.Until.Equal(began.Add(4*time.Second)) {
		t.Errorf("%+v", got)
	}
}

func TestWithoutWorkNothingIsHeldAndNothingIsWritten(t *testing.T) {
	table := &ledger{}
	a := newMember(t, table, "a").busy()
	a.beat()
	a.demand = quota.Demand{Granted: 50, LastGranted: a.now}
	for range 3 {
		if at := a.share.Next(a.now, a.demand); at.IsZero() {
			break
		}
		a.now = a.now.Add(time.Second)
		a.beat()
	}
	if got := a.share.Lease().Rate; got != 0 || len(table.is.Holders) > 0 {
		t.Errorf("it has %v, and the ledger %+v", got, table.is)
	}
	if _, _, ok := a.share.Beat(a.now, a.demand); ok || !a.share.Next(a.now, a.demand).IsZero() {
		t.Error("it goes on writing")
	}
	// Nobody has changed the ledger meanwhile, so nobody had these tokens.
	a.now = a.now.Add(3 * time.Second)
	if a.busy().beat(); a.lease.Rate != 7 || !near(a.lease.Tokens, 21) {
		t.Errorf("it comes back after 3 s with %+v, want 21 tokens", a.lease)
	}
}

func TestKeysGoBeforeTheRestOfAllProcesses(t *testing.T) {
	table := &ledger{}
	a, b := newMember(t, table, "a").busy(), newMember(t, table, "b")
	a.beat()
	b.demand = quota.Demand{Waiting: 20, WaitingKeys: 20}
	for range 3 {
		b.beat()
		table.sum(t)
		a.now, b.now = a.now.Add(time.Second), b.now.Add(time.Second)
		a.beat()
		table.sum(t)
	}
	// What is left to the rest is a burst of one request.
	if x, y := a.share.Lease().Rate, b.share.Lease().Rate; x != 0.25 || y != 6.75 {
		t.Errorf("the rest has %v, keys have %v", x, y)
	}
}

func TestAThrottleSlowsAllAndIsOver(t *testing.T) {
	table := &ledger{}
	a, b := newMember(t, table, "a").busy(), newMember(t, table, "b").busy()
	each := func(do func(*member)) {
		for _, m := range []*member{a, b} {
			do(m)
			table.sum(t)
		}
	}
	second := func() {
		each(func(m *member) { m.now = m.now.Add(time.Second) })
		each(func(m *member) { m.beat() })
	}
	for range 4 {
		second()
	}
	each(func(m *member) { m.share.Throttled(m.now) })
	if got := a.share.Lease().Rate; !near(got, 3.5*0.7) {
		t.Errorf("it calls at %v until it has written that", got)
	}
	if !a.share.Next(a.now, a.demand).Equal(a.now) {
		t.Error("it does not tell the others at once")
	}
	each(func(m *member) { m.beat() })
	if got := table.is.Lowered; got != 300 {
		t.Errorf("two throttles of one moment have lowered the rate by %d", got)
	}
	second()
	if x, y := a.share.Lease().Rate, b.share.Lease().Rate; x+y > 7*0.75 || x+y < 7*0.65 {
		t.Errorf("a has %v, b %v", x, y)
	}
	seconds := 0
	for ; table.is.Lowered > 0 && seconds < 100; seconds++ {
		second()
	}
	if seconds < 15 || seconds > 30 { // 0.3 of it at a sixtieth a second
		t.Errorf("the rate was back after %d s", seconds)
	}
}

func TestTheLeastShareIsSharedOut(t *testing.T) {
	table := &ledger{}
	a := newMember(t, table, "a").busy()
	b := &member{t: t, share: quota.NewShare("b", quota.AWSLimits(awsRate, int(awsBurst), 0.3), nil), table: table, now: start()}
	b.busy()
	for range 4 {
		a.beat()
		b.beat()
		a.now, b.now = a.now.Add(time.Second), b.now.Add(time.Second)
	}
	if x, y := a.share.Lease(), b.share.Lease(); x.Rate != 1.5 || y.Rate != 1.5 || !near(x.Burst+y.Burst, 12) {
		t.Errorf("a has %+v, b %+v", x, y)
	}
}

// alive is a member that has lived since a time, among others that are gone or not.
type alive struct {
	id    string
	since time.Time
	gone  map[string]bool
}

func (a *alive) ID() string                         { return a.id }
func (a *alive) Since(time.Time) time.Time          { return a.since }
func (a *alive) Others(_ time.Time, id string) bool { return id != a.id && !a.gone[id] }
func (m *member) of(a *alive) *member               { m.share = quota.NewShare(a.id, defaults(), a); return m }
func (m *member) later(d time.Duration, more ...*member) {
	for _, x := range append(more, m) {
		x.now = x.now.Add(d)
	}
}

func TestEachMemberKeepsTheCallsOfASubscribe(t *testing.T) {
	table := &ledger{}
	aLife, bLife := &alive{id: "A", since: start(), gone: map[string]bool{}}, &alive{id: "B", since: start(), gone: map[string]bool{}}
	a, b := newMember(t, table, "a").of(aLife).busy(), newMember(t, table, "b").of(bLife)
	a.beat()
	if a.lease.Burst != 24 || a.share.Kept(a.now) != 0 {
		t.Fatalf("%+v, %v kept at once", a.lease, a.share.Kept(a.now))
	}
	b.beat() // without work, as it lacks what it is to keep
	for range 5 {
		b.later(time.Second, a)
		a.beat()
		b.beat()
	}
	if a.lease.Burst+b.lease.Burst > 20 || a.share.Kept(a.now) != 4 || b.share.Kept(b.now) != 4 {
		t.Errorf("bursts of %v and %v, kept are %v and %v", a.lease.Burst, b.lease.Burst, a.share.Kept(a.now), b.share.Kept(b.now))
	}
	b.demand.Tokens = 4
	for range 3 {
		b.later(time.Second, a)
		if at := b.share.Next(b.now, b.demand); !at.IsZero() {
			b.beat()
		}
	}
	if at := b.share.Next(b.now, b.demand); !at.IsZero() || len(table.is.Holders) != 1 {
		t.Errorf("it has what it keeps, and writes at %s", at)
	}
	b.later(time.Hour, a)
	if b.share.Kept(b.now) != 4 {
		t.Error("what is kept ends with the lease")
	}
	// Others may have thought that it was gone.
	bLife.since = bLife.since.Add(time.Hour)
	if b.share.Kept(b.now) != 0 || b.share.Next(b.now, b.demand).IsZero() {
		t.Error("what it kept in its life before counts")
	}
	aLife.gone["B"] = true
	a.beat()
	if _, kept := table.is.Kept["B"]; kept || a.lease.Burst != 24 {
		t.Errorf("what a member kept that is gone is not lent again: %+v", table.is)
	}
}

func TestAtASmallQuotaNothingIsKept(t *testing.T) {
	m := &member{t: t, table: &ledger{}, now: start()}
	m.share = quota.NewShare("a", quota.AWSLimits(awsRate, int(awsBurst), 0.1), &alive{id: "A", since: start()})
	if m.busy().beat(); m.lease.Burst != 4 || len(m.table.is.Kept) > 0 {
		t.Errorf("%+v, kept %v", m.lease, m.table.is.Kept)
	}
}
