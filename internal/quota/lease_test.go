package quota_test

import (
	"fmt"
	"testing"
	"time"

	"federation-agent/internal/gateway"
	"federation-agent/internal/quota"
)

// leased is a desk whose budget uses a lease.
func leased(t *testing.T, l quota.Lease) *desk {
	d := newDesk(t, defaults())
	d.budget.Use(d.now, l)
	return d
}

// granted asks for many permits and counts those that are granted at once.
func (d *desk) granted(p gateway.Priority) int {
	d.t.Helper()
	for range 60 {
		d.ask("GetStages", p, 0)
	}
	got := d.after(0).Granted
	for _, ticket := range got {
		d.budget.Return(ticket)
	}
	return len(got)
}

func TestALeaseThatHasEndedLeavesNothing(t *testing.T) {
	lease := quota.Lease{Rate: 7, Burst: 28, Until: start().Add(4 * time.Second), Soon: 7}
	d := leased(t, lease)
	d.after(time.Hour) // frozen
	if got := d.granted(gateway.PriorityKeys); got != 0 {
		t.Errorf("%d granted behind the end", got)
	}
	if d.budget.Rate() != 0 {
		t.Errorf("the rate is %v", d.budget.Rate())
	}
	lease.Until = d.now.Add(4 * time.Second)
	d.budget.Use(d.now, lease)
	if got := len(d.after(0).Granted); got != 0 {
		t.Errorf("%d granted at once: tokens have survived", got)
	}
	if got := len(d.after(time.Second).Granted); got != 7 {
		t.Errorf("%d granted in a second, want 7", got)
	}
}

func TestALeaseBringsTheTokensItNamesAndTakesThoseThatAreTooMany(t *testing.T) {
	d := leased(t, quota.Lease{Rate: 7, Burst: 28, Tokens: 20, Until: start().Add(time.Hour)})
	d.budget.Use(d.now, quota.Lease{Rate: 1, Burst: 4, Until: start().Add(time.Hour)})
	d.budget.Use(d.now, quota.Lease{Rate: 7, Burst: 28, Until: start().Add(time.Hour)})
	if got := d.granted(gateway.PriorityKeys); got != 4 {
		t.Errorf("%d granted, want the 4 that the lower burst left", got)
	}
}

func TestTheLastTwoTokensOfALeaseAreForKeys(t *testing.T) {
	d := leased(t, quota.Lease{Rate: 1, Burst: 4, Tokens: 4, Until: start().Add(time.Hour)})
	if got := d.granted(gateway.PriorityIngest); got != 2 {
		t.Errorf("%d granted for an ingest, want 2", got)
	}
	if got := d.granted(gateway.PriorityKeys); got != 2 {
		t.Errorf("%d granted for keys, want 2", got)
	}
	small := leased(t, quota.Lease{Rate: 0.25, Burst: 1, Tokens: 1, Until: start().Add(time.Hour)})
	if got := small.granted(gateway.PriorityIngest); got != 1 {
		t.Errorf("%d granted of a burst of 1", got)
	}
}

func TestAWaitIsJudgedByTheLeaseThatIsExpected(t *testing.T) {
	d := leased(t, quota.Lease{Soon: 7})
	d.ask("GetStages", gateway.PriorityPreview, 10*time.Second)
	if decision := d.after(0); !decision.Next.After(d.now.Add(9 * time.Second)) {
		t.Errorf("without a rate there is nothing to wake for before the request is late: %+v", decision)
	}
	for range 200 {
		d.ask("GetStages", gateway.PriorityPreview, 0)
	}
	if _, refusal, ok := d.try("GetStages", gateway.PriorityPreview, 10*time.Second); ok || refusal.Wait < 20*time.Second {
		t.Errorf("taken %v, %+v", ok, refusal)
	}
}

func TestAThrottleOfALeasePausesAndLeavesTheRateToTheLease(t *testing.T) {
	d := leased(t, quota.Lease{Rate: 7, Burst: 28, Tokens: 28, Until: start().Add(time.Hour)})
	if !d.budget.Throttled(d.now, 0) || d.budget.Throttled(d.now, 0) {
		t.Error("two throttles at once are one congestion")
	}
	if got := d.granted(gateway.PriorityKeys); got != 0 || d.budget.Rate() != 7 {
		t.Errorf("%d granted in the pause; the rate is %v", got, d.budget.Rate())
	}
}

// The end of a subscription does not wait for the table of the leases, and nothing else goes without one.
func TestWithoutALeaseAKeyIsDeletedNowAndThen(t *testing.T) {
	d := leased(t, quota.Lease{Soon: 7})
	for range 3 {
		d.ask("GetStages", gateway.PriorityKeys, 0)
		d.ask(gateway.CreateAPIKey, gateway.PriorityKeys, 0)
		d.ask(gateway.DeleteAPIKey, gateway.PriorityKeys, 0)
	}
	var after []int
	for second := 1; second <= 40; second++ {
		for range d.after(time.Second).Granted {
			after = append(after, second)
		}
	}
	if fmt.Sprint(after) != "[10 20 30]" || d.budget.Demand().Waiting != 6 {
		t.Errorf("granted after %v seconds, %d wait", after, d.budget.Demand().Waiting)
	}
	d.ask(gateway.DeleteAPIKey, gateway.PriorityKeys, 0)
	if next := d.after(0).Next; !next.Equal(d.now.Add(10 * time.Second)) {
		t.Errorf("the next one may go at %s, %s from now", next, next.Sub(d.now))
	}
	d.budget.Use(d.now, quota.Lease{Rate: 7, Burst: 28, Until: d.now.Add(4 * time.Second)})
	if got := len(d.after(time.Second).Granted); got != 7 {
		t.Errorf("with a lease %d are granted within a second, want all 7", got)
	}
}

// What is kept for keys is filled by a lease and outlives it; it makes one key.
func TestWhatIsKeptForKeysOutlivesTheLease(t *testing.T) {
	d := leased(t, quota.Lease{Rate: 7, Burst: 20, Until: start().Add(4 * time.Second)})
	d.budget.Keep(d.now, 4)
	d.after(3900 * time.Millisecond)
	d.after(time.Hour)
	if got := d.budget.Demand().Tokens; got != 4 {
		t.Errorf("%v tokens are left", got)
	}
	d.ask("GetStages", gateway.PriorityPreview, 0)
	if got := d.after(0).Granted; len(got) > 0 {
		t.Errorf("a preview took %v", got)
	}
	for range 2 {
		d.ask("GetStages", gateway.PriorityKeys, 0)
		d.ask(gateway.CreateAPIKey, gateway.PriorityKeys, 0)
	}
	if got := d.after(0).Granted; len(got) != 3 {
		t.Errorf("%d granted, want two lists and one CreateApiKey", len(got))
	}
	d.budget.Keep(d.now, 0) // others may think that the process is gone
	d.budget.Keep(d.now, 4)
	if got := d.granted(gateway.PriorityKeys); got != 0 {
		t.Errorf("%d granted of what was lost", got)
	}
}
