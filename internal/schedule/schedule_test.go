package schedule_test

import (
	"strings"
	"testing"
	"time"

	"federation-agent/internal/schedule"
)

func TestASchedulesNextTimes(t *testing.T) {
	friday := time.Date(2026, time.November, 27, 21, 30, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"@hourly":                          "2026-11-27 22:00, 23:00, 2026-11-28 00:00 UTC",
		"*/15 22 * * *":                    "2026-11-27 22:00, 22:15, 22:30 UTC",
		" 0 3 * * MON-FRI ":                "2026-11-30 03:00, 2026-12-01 03:00, 2026-12-02 03:00 UTC",
		"@daily":                           "2026-11-28 00:00, 2026-11-29 00:00, 2026-11-30 00:00 UTC",
		"CRON_TZ=Europe/Paris 0 6 * * *":   "2026-11-28 05:00, 2026-11-29 05:00, 2026-11-30 05:00 UTC",
		"TZ=America/New_York @daily":       "2026-11-28 05:00, 2026-11-29 05:00, 2026-11-30 05:00 UTC",
		"0 0 1 * SUN":                      "2026-11-29 00:00, 2026-12-01 00:00, 2026-12-06 00:00 UTC", // either of the two
		"0 12 29 2 *":                      "2028-02-29 12:00, 2032-02-29 12:00, 2036-02-29 12:00 UTC",
		"30 2 * * *":                       "2026-11-28 02:30, 2026-11-29 02:30, 2026-11-30 02:30 UTC",
		"CRON_TZ=Europe/Paris 30 2 28 3 *": "2027-03-28 01:30, 2028-03-28 00:30, 2029-03-28 00:30 UTC", // 02:30 is skipped in 2027
		"":                                 "never",
	} {
		s, err := schedule.Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := s.Words(friday); got != want {
			t.Errorf("%q comes at %s, want %s", text, got, want)
		}
		if s.IsOn() != (text != "") {
			t.Errorf("%q: on is %v", text, s.IsOn())
		}
	}
}

func TestWhatIsNoScheduleIsRefusedWithWhatIsAccepted(t *testing.T) {
	for text, want := range map[string]string{
		"hourly":                      "five fields (minute, hour,",
		"0 3 * *":                     "five fields (minute, hour,",
		"0 0 3 * * *":                 "five fields (minute, hour,", // seconds
		"61 * * * *":                  "five fields (minute, hour,",
		"@fortnightly":                "@hourly, @daily",
		"@every 1h":                   "counts from the agent's start",
		"CRON_TZ=Mars/Olympus @daily": "Mars/Olympus",
		"0 0 31 2 *":                  "never comes",
		"* * * * *":                   "twice within 5m0s",
		"0,3 4 * * *":                 "twice within 5m0s",
		strings.Repeat("1", 5000):     "five fields",
	} {
		if _, err := schedule.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want an error with %q", text, err, want)
		} else if len(err.Error()) > 700 {
			t.Errorf("%.40q: the error has %d bytes", text, len(err.Error()))
		}
	}
}

func TestARunIsNotPutOffSoFarThatTheNextOneFollowsAtOnce(t *testing.T) {
	friday := time.Date(2026, time.November, 27, 21, 30, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"*/5 * * * *":    0,
		"*/6 * * * *":    time.Minute,
		"0,8 22,3 * * *": 5 * time.Minute, // the second of the next three is followed hours later
		"@hourly":        5 * time.Minute,
		"":               0,
	} {
		s, err := schedule.Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := s.MostJitter(friday, 5*time.Minute); got != want {
			t.Errorf("%q: at most %s late, want %s", text, got, want)
		}
	}
}
