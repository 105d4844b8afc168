package session

import (
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/exchange"
	"federation-agent/internal/exchange/wsconn"
	"federation-agent/messages"
)

func TestAPongProvesAnAnswerOnlyWhileTheControllerWaits(t *testing.T) {
	for name, c := range map[string]struct {
		outcome wsconn.Outcome
		age     time.Duration
		pings   uint64 // of the controller, read behind the command
		kept    bool
		want    messages.Delivery
	}{
		"at once":                          {wsconn.Delivered, 0, 0, false, messages.Delivered},
		"just in time":                     {wsconn.Delivered, controllerWaits - 1, overAfter - 1, false, messages.Delivered},
		"when its time is over":            {wsconn.Delivered, controllerWaits, 0, false, messages.Unproved},
		"behind a minute of its own pings": {wsconn.Delivered, 0, overAfter, false, messages.Unproved},
		"to a command that was kept":       {wsconn.Delivered, 0, 0, true, messages.Unproved},
		"without a pong":                   {wsconn.Unproved, 0, 0, false, messages.Unproved},
		"that never left":                  {wsconn.NeverSent, controllerWaits, overAfter, true, messages.NeverSent},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := &wsconn.Conn{}
				// What was read before counts from any number on: a connection's first ping is 0.
				a := asked{notBefore: time.Now(), pings: conn.PeerPings() - c.pings, kept: c.kept}
				time.Sleep(c.age)
				if got := a.delivery(c.outcome, conn); got != c.want {
					t.Errorf("it is %v, want %v", got, c.want)
				}
			})
		})
	}
}

func TestACommandIsAsOldAsTheLastProofThatItWasNotSentYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hello := time.Now()
		s := &session{helloAt: hello, readyAt: hello}
		time.Sleep(keptWithin - 1)
		if a := s.askedBy(wsconn.Message{}, exchange.Command{}); !a.notBefore.Equal(hello) || !a.kept {
			t.Errorf("without a ping it is not before %s (HELLO was at %s), kept: %t", a.notBefore, hello, a.kept)
		}
		ping := time.Now()
		time.Sleep(time.Minute)
		if a := s.askedBy(wsconn.Message{NotBefore: ping, PeerPings: 3}, exchange.Command{}); !a.notBefore.Equal(ping) ||
			a.kept || a.pings != 3 {
			t.Errorf("behind a ping at %s it is not before %s, kept: %t, behind %d pings", ping, a.notBefore, a.kept, a.pings)
		}
	})
}
