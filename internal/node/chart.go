package node

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"federation-agent/internal/status"
)

const (
	// maxCharts is how many accounts and regions have a chart: more than fit a screen, and the JSON form has all.
	maxCharts = 12
	// chartMinutes, barApart and chartHeight are the picture: a bar for each minute of the hour.
	chartMinutes = 60
	barApart     = 10
	chartHeight  = 100.0
	// shareAbove is how much higher than the highest bar the share may be to be drawn: bars must stay visible.
	shareAbove = 4
)

// chart is how the quota of an account and region was used in the last hour.
type chart struct {
	status.Place
	Bars []bar
	// Share is the height of the line; empty where the share is far above every bar.
	Share string
	// Said is the picture in words.
	Said string

	calls, throttled uint32
}

type bar struct {
	Class     string
	X         int
	Y, Height string
}

// charts draws the places that were called in the last hour: those first that AWS throttled, then those that were called
// most. It also says how many are not drawn.
func charts(quotas []quota, now time.Time) (drawn []chart, more int) {
	for _, q := range quotas {
		if len(q.LastHour) > 0 {
			drawn = append(drawn, draw(q, now))
		}
	}
	slices.SortStableFunc(drawn, func(a, b chart) int {
		return cmp.Or(cmp.Compare(b.throttled, a.throttled), cmp.Compare(b.calls, a.calls))
	})
	more = max(len(drawn)-maxCharts, 0)
	return drawn[:len(drawn)-more], more
}

func draw(q quota, now time.Time) chart {
	c := chart{Place: q.Place}
	most := uint32(0)
	for _, m := range q.LastHour {
		c.calls, c.throttled, most = c.calls+m.Calls, c.throttled+m.Throttled, max(most, m.Calls)
	}
	share := q.Share * time.Minute.Seconds()
	top := max(float64(most), 1)
	if share <= top*shareAbove {
		top = max(top, share)
		c.Share = fmt.Sprintf("%.1f", chartHeight*(1-share/top)+1) // 1: the line's own width
	}
	first := now.Truncate(time.Minute).Add(-(chartMinutes - 1) * time.Minute)
	for _, m := range q.LastHour {
		x := int(m.At.Sub(first)/time.Minute) * barApart
		if x < 0 {
			continue
		}
		add := func(class string, from, calls uint32) {
			if calls > 0 {
				height := chartHeight * float64(calls) / top
				y := chartHeight - chartHeight*float64(from)/top - height
				c.Bars = append(c.Bars, bar{class, x, fmt.Sprintf("%.1f", y), fmt.Sprintf("%.1f", height)})
			}
		}
		add("calls", m.Throttled, m.Calls-m.Throttled)
		add("throttled", 0, m.Throttled)
	}
	c.Said = fmt.Sprintf("%s, at most %d in a minute; the share allows %.0f; %d throttled",
		count(int(c.calls), "call"), most, share, c.throttled)
	return c
}
