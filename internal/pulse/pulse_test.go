package pulse_test

import (
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/pulse"
)

func TestAGapSinceTheLastBeatIsSeenByWhoeverAsksAndStaysSeen(t *testing.T) {
	for name, c := range map[string]struct{ gap, want time.Duration }{
		"as usual":         {pulse.Every, 0},
		"a busy machine":   {pulse.Standstill, 0},
		"a stopped one":    {pulse.Standstill + 1, pulse.Standstill + 1},
		"for a day":        {24 * time.Hour, 24 * time.Hour},
		"a clock put back": {-time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				p := pulse.Start(start, nil, func() {})
				defer p.Stop()
				if got := p.Gap(start.Add(c.gap)); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
				time.Sleep(time.Minute)
				if got := p.Gap(time.Now()); got != c.want {
					t.Errorf("a minute later: %s, want %s", got, c.want)
				}
			})
		})
	}
}

func TestABeatThatSeesAStandstillTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		p := pulse.Start(time.Now().Add(-pulse.Standstill), nil, func() { told++ })
		time.Sleep(pulse.Every)
		synctest.Wait()
		if told != 1 || p.Gap(time.Now()) != pulse.Standstill+pulse.Every {
			t.Errorf("told %d times, %s", told, p.Gap(time.Now()))
		}
		p.Stop()
		time.Sleep(time.Hour)
		if told != 1 {
			t.Errorf("a pulse that was stopped has told %d times", told)
		}
	})
}

func TestAProcessThatRunsHasNoGapHoweverLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pulse.Start(time.Now(), nil, func() { t.Error("told of a standstill") })
		time.Sleep(time.Hour)
		if gap := p.Gap(time.Now()); gap != 0 {
			t.Errorf("%s", gap)
		}
		p.Stop()
		(*pulse.Pulse)(nil).Stop()
	})
}

func TestASuspendedMachineIsSeenByItsWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		p := pulse.Start(now.Round(0).Add(-time.Hour), nil, func() {}) // as if the monotonic clock had stood still
		defer p.Stop()
		if got := p.Gap(now); got != time.Hour {
			t.Errorf("%s", got)
		}
	})
}
