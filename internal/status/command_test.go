package status_test

import (
	"strconv"
	"testing"
	"time"

	"federation-agent/internal/status"
)

func TestFailedCommandsAreKeptTheNewestFirst(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	for n := range status.FailuresKept + 5 {
		b.TurnedAway("i", failed("SUBSCRIBE", strconv.Itoa(n)))
	}
	b.Opened("i", "SUBSCRIBE")
	b.Answered("i", status.FailedCommand{
		Command: status.Command{Type: "SUBSCRIBE", Outcome: status.Succeeded}, ID: "good",
	}, time.Second)
	b.TurnedAway("i", status.FailedCommand{
		Command: status.Command{Type: status.Unreadable, Outcome: status.Unanswered},
	})
	got := b.Read().Integrations[0]
	if len(got.Failures) != status.FailuresKept || got.Failures[0].ID != "24" || got.Failures[19].ID != "5" {
		t.Errorf("%+v", got.Failures)
	}
	if n := got.Counts[status.Command{Type: "SUBSCRIBE", Outcome: status.Refused}]; n != status.FailuresKept+5 {
		t.Errorf("%d are counted", n)
	}
}

func TestFailedSubscriptionsOfTheLastHourAreCountedHoweverManyThereAre(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	fail := func(kind string, second int) {
		c := failed(kind, strconv.Itoa(second))
		c.At = at(second)
		b.TurnedAway("i", c)
	}
	for minute := range 3 * 60 {
		for range 10 {
			fail("UNSUBSCRIBE", minute*60)
		}
	}
	last := 3*60*60 - 60
	for range status.FailuresKept {
		fail("DISCOVER", last)
	}
	got := b.Read().Integrations[0].Subscriptions
	if n := got.Since(at(last - 59*60)); n != 600 || got.Last.Type != "UNSUBSCRIBE" {
		t.Errorf("%d, the last of them %+v", n, got.Last)
	}
	if n := got.Since(at(last + 60)); n != 0 {
		t.Errorf("%d since the last minute", n)
	}
}

func TestACommandIsOpenUntilItIsAnswered(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	open := func() int { return b.Read().Integrations[0].Open["DISCOVER"] }
	b.Opened("i", "DISCOVER")
	b.Opened("i", "DISCOVER")
	b.TurnedAway("i", failed("DISCOVER", "busy"))
	if got := open(); got != 2 {
		t.Errorf("%d are open, one was turned away", got)
	}
	b.Answered("i", failed("DISCOVER", "1"), 15*time.Second)
	if got := open(); got != 1 {
		t.Errorf("%d are open after one was answered", got)
	}
	took := b.Read().Integrations[0].Took["DISCOVER"]
	if took.Sum != 15 || took.Counts[6] != 1 || took.Bounds[6] != 20 {
		t.Errorf("%+v", took)
	}
}
