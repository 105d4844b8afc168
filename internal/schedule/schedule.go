// Package schedule reads when something is to be done again and again, in the form of cron, and says when that is next.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the container has no files of time zones

	"github.com/netresearch/go-cron"

	"federation-agent/internal/words"
)

// Shortest is the least time between two runs. Each one lists all targets, and has APIM check its token a few times,
// which is dear for APIM.
const Shortest = 5 * time.Minute

// looked is how many runs are looked at for one that follows too soon: two days of the most frequent that are allowed.
const looked = 600

// shown is how many of the next times are said.
const shown = 3

const form = "five fields (minute, hour, day, month, weekday), or @hourly, @daily, @weekly, " +
	"@monthly or @yearly; CRON_TZ=Europe/Paris before it says in which time zone, UTC without"

// Schedule is when something is to be done. The zero value is never.
type Schedule struct{ cron cron.Schedule }

// Parse reads a schedule. An empty text is never. Its errors say what is accepted.
func Parse(text string) (Schedule, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Schedule{}, nil
	}
	if strings.Contains(text, "@every") {
		return Schedule{}, errors.New("@every counts from the agent's start, which says nothing about when: write " + form)
	}
	zoned := text
	if !strings.HasPrefix(text, "CRON_TZ=") && !strings.HasPrefix(text, "TZ=") {
		zoned = "CRON_TZ=UTC " + text
	}
	// A day of the month and one of the week mean either, as in every crontab.
	parsed, err := cron.MustNewParser(
		cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom).Parse(zoned)
	if err != nil {
		return Schedule{}, fmt.Errorf("%q is no schedule: %w; write %s", words.Short(text), err, form)
	}
	s := Schedule{cron: parsed}
	last := s.Next(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC))
	if last.IsZero() {
		return Schedule{}, fmt.Errorf("%q never comes: there is no such day", words.Short(text))
	}
	for range looked {
		next := s.Next(last)
		if next.Sub(last) < Shortest && !next.IsZero() {
			return Schedule{}, fmt.Errorf("%q comes twice within %s: that asks too much of APIM, of which each request is dear",
				words.Short(text), Shortest)
		}
		last = next
	}
	return s, nil
}

// IsOn says that there is a schedule at all.
func (s Schedule) IsOn() bool { return s.cron != nil }

// Next is the first time after another one, in UTC. It is zero if there is none.
func (s Schedule) Next(after time.Time) time.Time {
	if !s.IsOn() {
		return time.Time{}
	}
	next := s.cron.Next(after)
	if next.IsZero() {
		return next
	}
	return next.UTC()
}

// Jitter is how much later than at one of its times a run may begin, of what is wanted: none must be left out, or follow
// at once.
func (s Schedule) Jitter(at time.Time, wanted time.Duration) time.Duration {
	next := s.Next(at)
	if next.IsZero() {
		return wanted
	}
	return min(wanted, next.Sub(at)-Shortest)
}

// MostJitter is the greatest jitter of the next times, as many as [Schedule.Words] says.
func (s Schedule) MostJitter(after time.Time, wanted time.Duration) (most time.Duration) {
	for range shown {
		if after = s.Next(after); after.IsZero() {
			break
		}
		most = max(most, s.Jitter(after, wanted))
	}
	return most
}

// Words says the next times in words, as in "2026-11-27 22:00, 23:00, 2026-11-28 00:00 UTC".
func (s Schedule) Words(after time.Time) string {
	var times []string
	day := ""
	for range shown {
		after = s.Next(after)
		if after.IsZero() {
			break
		}
		text := after.Format("15:04")
		if of := after.Format(time.DateOnly); of != day {
			day, text = of, of+" "+text
		}
		times = append(times, text)
	}
	if len(times) == 0 {
		return "never"
	}
	return strings.Join(times, ", ") + " UTC"
}
