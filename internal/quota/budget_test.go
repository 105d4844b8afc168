package quota_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"federation-agent/internal/gateway"
	"federation-agent/internal/quota"
)

// desk is a budget and its clock, which the test sets.
type desk struct {
	t      *testing.T
	budget *quota.Budget
	now    time.Time
	ticket uint64
}

func newDesk(t *testing.T, limits quota.Limits) *desk {
	return &desk{t: t, budget: quota.NewBudget(limits, start()), now: start()}
}

// defaults are the limits of the default share: 7 a second, burst 28.
func defaults() quota.Limits { return quota.AWSLimits(awsRate, int(awsBurst), 0.7) }

func (d *desk) after(wait time.Duration) quota.Decision {
	d.now = d.now.Add(wait)
	return d.budget.Advance(d.now)
}

// ask queues a request that must be granted within a time, 0 for any time. The test fails if it is refused.
func (d *desk) ask(operation gateway.Operation, p gateway.Priority, within time.Duration) uint64 {
	d.t.Helper()
	ticket, refusal, ok := d.try(operation, p, within)
	if !ok {
		d.t.Fatalf("%s refused: %s", operation, refusal.Wait)
	}
	return ticket
}

func (d *desk) try(
	operation gateway.Operation, p gateway.Priority, within time.Duration,
) (uint64, quota.Refusal, bool) {
	d.ticket++
	r := gateway.PermitRequest{Operation: operation, Priority: p}
	if within > 0 {
		r.By = d.now.Add(within)
	}
	refusal, ok := d.budget.Ask(d.now, d.ticket, r)
	return d.ticket, refusal, ok
}

// follow advances only when the budget asks for it, until nothing waits. It returns when each ticket was granted.
func (d *desk) follow(limit time.Duration) map[uint64]time.Duration {
	d.t.Helper()
	begin, granted := d.now, map[uint64]time.Duration{}
	for decision := d.after(0); ; decision = d.budget.Advance(d.now) {
		for _, ticket := range decision.Granted {
			granted[ticket] = d.now.Sub(begin)
			d.budget.Return(ticket)
		}
		if len(decision.Granted) > 0 {
			continue // a returned permit may let the next one go
		}
		if d.budget.Waiting() == 0 {
			return granted
		}
		if decision.Next.IsZero() || !decision.Next.After(d.now) || decision.Next.Sub(begin) > limit {
			d.t.Fatalf(
				"%d wait at %s, and Advance is to be called next at %s", d.budget.Waiting(), d.now.Sub(begin),
				decision.Next.Sub(begin),
			)
		}
		d.now = decision.Next
	}
}

func TestANewProcessStartsWithANearlyEmptyBucket(t *testing.T) {
	d := newDesk(t, defaults())
	for range 40 {
		d.ask("GetStages", gateway.PriorityIngest, 0)
	}
	if got := len(d.after(0).Granted); got != 1 {
		t.Errorf("%d granted at once, want 1", got)
	}
	if got := len(d.after(time.Second).Granted); got != 7 {
		t.Errorf("%d granted in the first second, want 7", got)
	}
}

func TestAnIdleBudgetCollectsItsShareOfTheBurstAndNoMore(t *testing.T) {
	d := newDesk(t, defaults())
	d.after(time.Hour)
	for range 100 {
		d.ask("GetStages", gateway.PriorityIngest, 0)
	}
	if got := len(d.after(0).Granted); got != 28 {
		t.Errorf("%d granted, want 28", got)
	}
}

func TestEachRequestIsGrantedAtATimeThatTheBudgetNames(t *testing.T) {
	d := newDesk(t, defaults())
	for n := range 60 {
		d.ask(
			[]gateway.Operation{"GetExport", "CreateApiKey", "CreateUsagePlanKey", "DeleteApiKey"}[n%4], gateway.Priority(1+n%4),
			0,
		)
	}
	if granted := d.follow(time.Minute); len(granted) != 60 {
		t.Errorf("%d of 60 granted", len(granted))
	}
}

func TestRequestsGoByPriorityThenByRankThenByArrival(t *testing.T) {
	d := newDesk(t, defaults())
	d.after(time.Hour)
	refresh := d.ask("GetExport", gateway.PriorityRefresh, 0)
	ingest1 := d.ask("GetExport", gateway.PriorityIngest, 0)
	ingest2 := d.ask("GetStages", gateway.PriorityIngest, 0)
	preview := d.ask("GetRestApis", gateway.PriorityPreview, 0)
	create := d.ask("CreateApiKey", gateway.PriorityKeys, 0)
	attach := d.ask("CreateUsagePlanKey", gateway.PriorityKeys, 0)
	want := []uint64{attach, create, preview, ingest1, ingest2, refresh}
	if got := d.after(0).Granted; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCreateUsagePlanKeyRunsOneAtATime(t *testing.T) {
	d := newDesk(t, defaults())
	d.after(time.Hour)
	first := d.ask("CreateUsagePlanKey", gateway.PriorityKeys, 0)
	second := d.ask("CreateUsagePlanKey", gateway.PriorityKeys, 0)
	other := d.ask("GetExport", gateway.PriorityIngest, 0)
	if got := d.after(0).Granted; !slices.Equal(got, []uint64{first, other}) {
		t.Fatalf("got %v, want the first and the other operation", got)
	}
	if got := d.after(time.Hour).Granted; len(got) != 0 {
		t.Fatalf("%v granted while the first runs", got)
	}
	d.budget.Return(first)
	if got := d.after(0).Granted; !slices.Equal(got, []uint64{second}) {
		t.Errorf("got %v, want the second", got)
	}
}

// An attempt that was granted before the panic may still run.
func TestAfterAPanicCreateUsagePlanKeyWaitsUntilTheLastOneMustHaveEnded(t *testing.T) {
	d := newDesk(t, defaults())
	d.budget = quota.ResumeBudget(defaults(), d.now)
	alone := gateway.Operation("CreateUsagePlanKey").AttemptTime()
	if _, refusal, ok := d.try("CreateUsagePlanKey", gateway.PriorityKeys, alone-time.Second); ok || refusal.Wait < alone {
		t.Errorf("a request that cannot wait so long was told to wait %s", refusal.Wait)
	}
	attach := d.ask("CreateUsagePlanKey", gateway.PriorityKeys, time.Minute)
	other := d.ask("GetStages", gateway.PriorityIngest, 0)
	granted := d.follow(time.Minute)
	if granted[attach] != alone || granted[other] > time.Second {
		t.Errorf("CreateUsagePlanKey goes after %s, GetStages after %s", granted[attach], granted[other])
	}
}

// With one token after each panic, each panic would allow a call, even if the bucket was empty.
func TestALostBudgetAllowsNoExtraCall(t *testing.T) {
	d := newDesk(t, defaults())
	for range 20 {
		d.budget = quota.ResumeBudget(defaults(), d.now)
		for _, operation := range []gateway.Operation{"GetStages", "CreateApiKey", "DeleteApiKey"} {
			d.ask(operation, gateway.PriorityKeys, 0)
		}
		if granted := d.budget.Advance(d.now).Granted; len(granted) > 0 {
			t.Fatalf("%d calls are granted at the time at which the budget was lost", len(granted))
		}
	}
}

func TestKeyOperationsAlsoKeepTheirOwnLimits(t *testing.T) {
	for _, operation := range []gateway.Operation{"CreateApiKey", "DeleteApiKey"} {
		t.Run(string(operation), func(t *testing.T) {
			d := newDesk(t, defaults())
			for range 36 {
				d.ask(operation, gateway.PriorityKeys, 0)
			}
			granted := d.follow(time.Minute)
			var last time.Duration
			for _, at := range granted {
				last = max(last, at)
			}
			if last < 9900*time.Millisecond || last > 10100*time.Millisecond {
				t.Errorf("36 took %s; at 3.5 a second, the 35 after the first take 10 s", last)
			}
		})
	}
}

func TestARequestThatCannotBeGrantedInTimeIsRefusedAtOnce(t *testing.T) {
	d := newDesk(t, defaults())
	granted := 0
	for n := range 100 {
		if _, refusal, ok := d.try("GetExport", gateway.PriorityPreview, 5*time.Second); ok {
			granted++
		} else if n < 35 || refusal.Wait <= 5*time.Second {
			t.Fatalf("request %d refused for a wait of %s", n, refusal.Wait)
		}
	}
	if granted < 35 || granted > 36 {
		t.Errorf("%d accepted for 5 s at 7 a second and 1 token at the start", granted)
	}
	if got := len(d.follow(time.Minute)); got != granted {
		t.Errorf("%d of the %d accepted were granted; all must be", got, granted)
	}
}

func TestAWaitThatBecomesTooLongIsRefusedBeforeItsDeadline(t *testing.T) {
	t.Run("because the rate went down", func(t *testing.T) {
		d := newDesk(t, defaults())
		d.after(0)
		for range 70 {
			d.ask("GetExport", gateway.PriorityPreview, 10*time.Second)
		}
		d.budget.Throttled(d.now, 0)
		refused := len(d.after(0).Refused)
		if refused < 20 || refused > 25 {
			t.Errorf("%d of 70 refused; at 4.9 a second after half a second's pause, 46 can still be granted", refused)
		}
	})
	t.Run("because AWS said how long to wait", func(t *testing.T) {
		d := newDesk(t, defaults())
		late := d.ask("GetExport", gateway.PriorityPreview, 10*time.Second)
		d.budget.Throttled(d.now, 15*time.Second)
		if got := d.after(0).Refused; len(got) != 1 || got[0].Ticket != late {
			t.Errorf("refused: %v", got)
		}
	})
	t.Run("because more urgent requests came", func(t *testing.T) {
		d := newDesk(t, defaults())
		late := d.ask("GetExport", gateway.PriorityIngest, 2*time.Second)
		for range 20 {
			d.ask("GetRestApis", gateway.PriorityPreview, 0)
		}
		if got := d.after(0).Refused; len(got) != 1 || got[0].Ticket != late {
			t.Errorf("refused: %v", got)
		}
	})
	t.Run("because its operation already runs", func(t *testing.T) {
		d := newDesk(t, defaults())
		d.after(time.Hour)
		d.ask("CreateUsagePlanKey", gateway.PriorityKeys, 0)
		late := d.ask("CreateUsagePlanKey", gateway.PriorityKeys, 3*time.Second)
		decision := d.after(0)
		if wait := decision.Next.Sub(d.now); wait < 3*time.Second || wait > 3100*time.Millisecond {
			t.Fatalf("Advance is to be called next in %s", wait)
		}
		if got := d.after(decision.Next.Sub(d.now)).Refused; len(got) != 1 || got[0].Ticket != late {
			t.Errorf("refused: %v", got)
		}
	})
}

func TestAThrottleLowersTheRateAtOnceAndTheRateComesBackGradually(t *testing.T) {
	d := newDesk(t, defaults())
	d.after(time.Hour)
	if !d.budget.Throttled(d.now, 0) {
		t.Fatal("the first throttle must lower the rate")
	}
	if got := d.budget.Rate(); math.Abs(got-4.9) > 1e-9 {
		t.Errorf("rate %.2f, want 4.9", got)
	}
	d.ask("GetExport", gateway.PriorityKeys, 0)
	if got := d.after(400 * time.Millisecond).Granted; len(got) != 0 {
		t.Error("granted while AWS's bucket is empty")
	}
	before := d.budget.Rate()
	for range 17 {
		d.after(time.Second)
		if got := d.budget.Rate(); got <= before && got < 7 {
			t.Fatalf("the rate stays at %.2f", got)
		} else if got > before+0.2 {
			t.Fatalf("the rate jumps from %.2f to %.2f", before, got)
		}
		before = d.budget.Rate()
	}
	d.after(time.Minute)
	if got := d.budget.Rate(); got != 7 {
		t.Errorf("rate %.2f a minute later, want 7", got)
	}
}

func TestThrottlesWithinASecondLowerTheRateOnce(t *testing.T) {
	d := newDesk(t, defaults())
	d.budget.Throttled(d.now, 0)
	for range 20 {
		d.after(40 * time.Millisecond)
		if d.budget.Throttled(d.now, 0) {
			t.Fatalf("lowered again after %s", d.now.Sub(start()))
		}
	}
	d.after(time.Second)
	if !d.budget.Throttled(d.now, 0) {
		t.Error("a throttle a second later must lower the rate again")
	}
}

func TestTheRateNeverFallsBelowATenthOfTheShare(t *testing.T) {
	d := newDesk(t, defaults())
	for range 100 {
		d.after(1100 * time.Millisecond)
		d.budget.Throttled(d.now, time.Second)
	}
	if got := d.budget.Rate(); got < 0.7 || got > 0.9 {
		t.Errorf("rate %.2f, want about 0.7", got)
	}
}

func TestNothingIsGrantedDuringRetryAfterAndNoBurstFollows(t *testing.T) {
	d := newDesk(t, defaults())
	d.after(time.Hour)
	d.budget.Throttled(d.now, 30*time.Second)
	for range 100 {
		d.ask("GetExport", gateway.PriorityKeys, 0)
	}
	if got := d.after(29900 * time.Millisecond).Granted; len(got) != 0 {
		t.Fatalf("%d granted before the time that AWS named", len(got))
	}
	if got := d.after(1100 * time.Millisecond).Granted; len(got) < 4 || len(got) > 6 {
		t.Errorf("%d granted in the first second after it, want about 5", len(got))
	}
}

func TestATicketIsGrantedOnceEvenIfItAsksAgain(t *testing.T) {
	d := newDesk(t, defaults())
	d.after(time.Hour)
	r := gateway.PermitRequest{Operation: "GetExport", Priority: gateway.PriorityIngest}
	for range 3 {
		if _, ok := d.budget.Ask(d.now, 7, r); !ok {
			t.Fatal("refused")
		}
	}
	if got := d.after(0).Granted; !slices.Equal(got, []uint64{7}) {
		t.Fatalf("granted %v", got)
	}
	if _, ok := d.budget.Ask(d.now, 7, r); !ok || !d.budget.Holds(7) {
		t.Error("a ticket that holds a permit keeps it")
	}
	if got := d.after(time.Hour).Granted; len(got) != 0 {
		t.Errorf("granted again: %v", got)
	}
	d.budget.Return(7)
	if d.budget.Holds(7) {
		t.Error("a returned permit is held")
	}
}

func TestARequestThatStopsWaitingTakesNoPermit(t *testing.T) {
	d := newDesk(t, defaults())
	d.after(0)
	d.ask("GetExport", gateway.PriorityIngest, 0)
	d.after(0)
	gone := d.ask("GetExport", gateway.PriorityIngest, 0)
	stays := d.ask("GetExport", gateway.PriorityIngest, 0)
	d.budget.Return(gone)
	d.budget.Return(99) // unknown
	if got := d.after(time.Second).Granted; !slices.Equal(got, []uint64{stays}) {
		t.Errorf("granted %v, want %d", got, stays)
	}
}
