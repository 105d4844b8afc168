package demo

import (
	"math"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/sandbox/awssim"
)

func TestTheBusiestSecondIsAnySecondNotACalendarOne(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		milliseconds []int
		busiest      int
		average      float64
	}{
		"no call":                      {nil, 0, 0},
		"one call":                     {[]int{0}, 1, 0},
		"across the turn of a second":  {[]int{0, 900, 1000, 1100, 1899}, 4, 4 / 1.899},
		"exactly a second apart":       {[]int{0, 1000}, 1, 1},
		"a pause is nobody's use":      {[]int{0, 60_000, 60_500, 61_000}, 2, 2},
		"all at once, without a pause": {[]int{5, 5, 5}, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var times []time.Time
			for _, ms := range c.milliseconds {
				times = append(times, start.Add(time.Duration(ms)*time.Millisecond))
			}
			if got := busiest(times, time.Second); got != c.busiest {
				t.Errorf("busiest second: %d, want %d", got, c.busiest)
			}
			if got := average(times); math.Abs(got-c.average) > 1e-9 {
				t.Errorf("average: %g, want %g", got, c.average)
			}
		})
	}
}

func TestAnAgentIsToldTheQuotaThatTheStandInKeeps(t *testing.T) {
	for name, c := range map[string]struct {
		quota awssim.Quota
		rate  float64
		burst int
	}{
		"AWS's own":     {awssim.Quota{}, 10, 40},
		"scaled":        {awssim.Quota{Scale: 2.5}, 25, 100},
		"of its own":    {awssim.Quota{Rate: 3, Burst: 5}, 3, 5},
		"off":           {awssim.Quota{Off: true}, unlimitedRate, unlimitedBurst},
		"beyond limits": {awssim.Quota{Scale: 1e9}, unlimitedRate, unlimitedBurst},
	} {
		if rate, burst := agentQuota(c.quota); rate != c.rate || burst != c.burst {
			t.Errorf("%s: %g and %d, want %g and %d", name, rate, burst, c.rate, c.burst)
		}
	}
}

func TestTheCensusCountsOnlyStagesThatAnAgentMustFind(t *testing.T) {
	if c := take(awssim.DemoEstate(DefaultSeed)); c != (census{
		accounts: 2, regions: 2, apis: 40, stages: 120, planned: 117,
	}) {
		t.Errorf("%+v", c)
	}
	outside := awssim.UniformEstate(awssim.UniformOptions{APIs: 2, StagesPerAPI: 3})
	if c := take(outside); c.planned != 0 || c.stages != 6 {
		t.Errorf("%+v", c)
	}
}

func TestTheTableSaysWhySomeStagesAreNotFound(t *testing.T) {
	for want, s := range map[string]Summary{
		"117 stages, all that are in a usage plan; 3 of 120 are in none": {
			Stages: 120, Expected: 117, Found: 117,
		},
		"6 stages, all that are in a usage plan": {
			Stages: 6, Expected: 6, Found: 6,
		},
		"5 of 6 stages in a usage plan (only a part was found in time); 2 of 8 are in none": {
			Stages: 8, Expected: 6, Found: 5, Partial: true,
		},
	} {
		if got := foundText(s); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTheTableSaysWhyABusySecondIsWithinTheQuota(t *testing.T) {
	for want, u := range map[string]Usage{
		"15 in the busiest second is within the burst of 40": {Busiest: 15, Rate: 10, Burst: 40},
		"": {Busiest: 41, Rate: 10, Burst: 40},
	} {
		var told strings.Builder
		(&Narrator{Out: &told}).Table(Summary{OK: true, QuotaScale: 1, Usage: []Usage{u}})
		if got := told.String(); strings.Contains(got, "busiest second is within") != (want != "") ||
			!strings.Contains(got, want) {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
}

func TestTheTableSaysWhySomeAPIsHaveNoDocument(t *testing.T) {
	for documents, want := range map[int]string{
		117: "117, 117 of them with their OpenAPI document\n",
		114: "117, 114 of them with their OpenAPI document; AWS cannot export the other 3",
	} {
		var told strings.Builder
		(&Narrator{Out: &told}).Table(Summary{OK: true, QuotaScale: 1, Ingested: 117, Documents: documents})
		if !strings.Contains(told.String(), want) {
			t.Errorf("no %q in\n%s", want, told.String())
		}
	}
}

func TestOnATerminalProgressIsDrawnOverAndElsewhereEachIsALine(t *testing.T) {
	tell := func(live bool) string {
		var told strings.Builder
		n := Narrator{Out: &told, Live: live}
		n.Busy("Preview", "waiting")
		n.Progress("Ingest", "1 of 2")
		n.Progress("Ingest", "2 of 2")
		n.Step(Step{Name: "Ingest", Detail: "2 of 2 APIs", OK: true, Seconds: 1})
		return told.String()
	}
	lines := "  ...    Ingest       1 of 2\n  ...    Ingest       2 of 2\n  ok     Ingest       2 of 2 APIs (1.0 s)\n"
	if got := tell(false); got != lines {
		t.Errorf("elsewhere:\n%q, want\n%q", got, lines)
	}
	const erase = "\r\x1b[K"
	want := "  ...    Preview      waiting" + erase + "  ...    Ingest       1 of 2" + erase +
		"  ...    Ingest       2 of 2" + erase + "  ok     Ingest       2 of 2 APIs (1.0 s)\n"
	if got := tell(true); got != want {
		t.Errorf("on a terminal:\n%q, want\n%q", got, want)
	}
}
