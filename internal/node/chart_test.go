package node

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/status"
)

var chartNow = time.Date(2026, 1, 2, 12, 0, 30, 0, time.UTC)

func minute(ago int, calls, throttled uint32) status.Minute {
	at := chartNow.Truncate(time.Minute).Add(-time.Duration(ago) * time.Minute)
	return status.Minute{At: at, Calls: calls, Throttled: throttled}
}

func TestAChartHasABarForEachMinuteAndALineForTheShare(t *testing.T) {
	q := quota{
		Quota:    status.Quota{Share: 1}, // 60 a minute
		LastHour: []status.Minute{minute(60, 9, 0), minute(59, 30, 0), minute(1, 40, 10), minute(0, 5, 5)},
	}
	got := draw(q, chartNow)
	want := []bar{
		{"calls", 0, "50.0", "50.0"},
		{"calls", 580, "33.3", "50.0"},
		{"throttled", 580, "83.3", "16.7"},
		{"throttled", 590, "91.7", "8.3"},
	}
	if diff := cmp.Diff(want, got.Bars); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got.Share != "1.0" || got.Said != "84 calls, at most 40 in a minute; the share allows 60; 15 throttled" {
		t.Errorf("the line is at %s, and the picture says %q", got.Share, got.Said)
	}
	q.Share = 100
	if got := draw(q, chartNow); got.Share != "" || got.Bars[2].Height != "25.0" {
		t.Errorf("a share far above the bars makes them %+v, with a line at %q", got.Bars, got.Share)
	}
}

func TestTheChartsOfManyPlacesAreTheMostTelling(t *testing.T) {
	var quotas []quota
	add := func(region string, minutes ...status.Minute) {
		quotas = append(quotas, quota{Place: status.Place{Region: region}, LastHour: minutes})
	}
	add("never called")
	for n := range maxCharts {
		add(fmt.Sprint(n), minute(1, 1, 0))
	}
	add("busy", minute(1, 2, 0))
	add("throttled", minute(1, 1, 1))
	drawn, more := charts(quotas, chartNow)
	if len(drawn) != maxCharts || more != 2 || drawn[0].Region != "throttled" || drawn[1].Region != "busy" {
		t.Errorf("%d more, and %+v", more, drawn)
	}
}
