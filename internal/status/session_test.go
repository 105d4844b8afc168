package status_test

import (
	"testing"

	"federation-agent/internal/status"
)

func TestTheNextTryIsShownOnlyWhileItIsWaitedFor(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	next := func() bool { return !b.Read().Integrations[0].Session.NextTry.IsZero() }
	b.SessionNext("i", at(5))
	if got := b.Read().Integrations[0].Session.NextTry; !got.Equal(at(5)) {
		t.Errorf("%s", got)
	}
	b.SessionUp("i", "https://apim", at(5))
	if next() {
		t.Error("shown with a session")
	}
	b.SessionNext("i", at(9))
	b.SessionEnded("i", at(8))
	if next() {
		t.Error("shown after the end")
	}
}

func TestLostSessionsAreCountedByReason(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	for _, why := range []status.Loss{status.LostSilent, status.LostNetwork, status.LostSilent} {
		b.SessionLost("i", why)
	}
	lost := b.Read().Integrations[0].Session.Lost
	if lost[status.LostSilent] != 2 || lost[status.LostNetwork] != 1 || len(lost) != 2 {
		t.Errorf("%v", lost)
	}
}
