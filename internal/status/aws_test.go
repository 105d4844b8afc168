package status_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/status"
)

func TestAQuotasUseIsKeptByTheMinuteForAnHour(t *testing.T) {
	b := status.NewBoard()
	place := status.Place{Account: "111122223333", Region: "eu-west-1"}
	call := func(minute int, result string) {
		b.Called(status.Call{Place: place, Operation: "GetExport", Result: result}, at(60*minute+30), time.Second)
	}
	for minute := range status.MinutesKept + 3 {
		b.Quota(place, status.Quota{Rate: float64(minute), Share: 7})
		call(minute, "ok")
		call(minute, status.Throttled)
	}
	call(1, "ok") // the clock was put back
	b.Called(status.Call{Place: status.Place{Region: "eu-west-1"}, Operation: "AssumeRole", Result: "ok"}, at(0), time.Second)
	all := b.Read().Minutes
	minutes := all[place]
	if len(all) != 1 || len(minutes) != status.MinutesKept {
		t.Fatalf("%d places, %d minutes", len(all), len(minutes))
	}
	if diff := cmp.Diff(
		status.Minute{At: at(60 * 3), Calls: 2, Throttled: 1, Rate: 3, Share: 7}, minutes[0],
	); diff != "" {
		t.Errorf("the oldest (-want +got)\n%s", diff)
	}
	if newest := minutes[status.MinutesKept-1]; newest.Calls != 3 || !newest.At.Equal(at(60*62)) {
		t.Errorf("the newest: %+v", newest)
	}
}

func TestDurationsFallIntoTheBucketThatEndsThere(t *testing.T) {
	b := status.NewBoard()
	operation := status.Operation{Region: "eu-west-1", Name: "GetExport"}
	for _, took := range []time.Duration{-time.Second, 50 * time.Millisecond, 51 * time.Millisecond, 40 * time.Second, time.Hour} {
		b.Called(status.Call{Place: status.Place{Region: operation.Region}, Operation: operation.Name}, at(0), took)
	}
	got := b.Read().Took[operation]
	if diff := cmp.Diff([]uint64{2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1}, got.Counts); diff != "" || len(got.Bounds) != 10 {
		t.Errorf("%v (-want +got)\n%s", got.Bounds, diff)
	}
}
