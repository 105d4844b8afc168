package wsconn_test

import (
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/exchange/wsconn"
)

func TestAMessageIsYoungerThanTheNewestPingWhosePongWasReadBeforeIt(t *testing.T) {
	keeping(t, func(t *testing.T, s *session) {
		s.peer.write(opBinary, true, "before any pong")
		time.Sleep(time.Minute)
		start := time.Now()
		s.conn.StartPings()
		first := s.peer.expect(opPing)
		time.Sleep(time.Second)
		s.peer.write(opPong, true, first.payload)
		s.peer.write(opBinary, true, "behind the first")
		second := s.peer.expect(opPing)
		s.peer.write(opPong, true, "a payload that nobody sent")
		s.peer.write(opBinary, true, "behind a pong to nothing")
		s.peer.write(opBinary, false, "begun ")
		s.peer.write(opPong, true, second.payload)
		s.peer.write(opContinuation, true, "before the second pong")
		time.Sleep(3 * time.Second) // in a socket nobody can see how long
		s.peer.write(opBinary, true, "behind the second")
		for _, want := range []struct {
			text string
			sent time.Duration
		}{
			{"before any pong", -1}, {"behind the first", 0}, {"behind a pong to nothing", 0},
			{"begun before the second pong", 0}, {"behind the second", wsconn.PingInterval},
		} {
			m := <-s.handler.whole
			if string(m.Data) != want.text || m.NotBefore.IsZero() != (want.sent < 0) {
				t.Fatalf("%q not before %v, want %q", m.Data, m.NotBefore, want.text)
			}
			if got := m.NotBefore.Sub(start); want.sent >= 0 && got != want.sent {
				t.Errorf("%q is not before the ping after %v, want %v", m.Data, got, want.sent)
			}
		}
	})
}

func TestThePeersEmptyPingsAreCountedAndThoseOfAProxyAreNot(t *testing.T) {
	keeping(t, func(t *testing.T, s *session) {
		s.peer.write(opPing, true, "")
		s.peer.write(opPing, true, "proxy")
		s.peer.write(opBinary, false, "behind ")
		s.peer.write(opPing, true, "")
		s.peer.write(opContinuation, true, "one")
		s.peer.write(opBinary, true, "behind two")
		s.peer.write(opPing, true, "")
		synctest.Wait()
		for text, want := range map[string]uint64{"behind one": 1, "behind two": 2} {
			found := false
			for range len(s.handler.whole) {
				m := <-s.handler.whole
				if found = string(m.Data) == text; found {
					if m.PeerPings != want {
						t.Errorf("%q has %d pings before it, want %d", text, m.PeerPings, want)
					}
					break
				}
				s.handler.whole <- m
			}
			if !found {
				t.Errorf("%q did not come", text)
			}
		}
		if n := s.conn.PeerPings(); n != 3 {
			t.Errorf("%d pings were read, want 3", n)
		}
	})
}
