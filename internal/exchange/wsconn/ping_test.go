package wsconn_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/exchange"
	"federation-agent/internal/exchange/wsconn"
	"federation-agent/internal/sandbox/memnet"
)

func TestPingsAreSentAtOnceAndEvery5SecondsOnceStarted(t *testing.T) {
	inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
		time.Sleep(time.Minute)
		if byDialer, _ := s.link.Written(); byDialer != requestSize(t, s) {
			t.Error("something was written before the pings were started")
		}
		start := time.Now()
		s.conn.StartPings()
		s.conn.StartPings()
		for i := range 20 {
			f := s.peer.expect(opPing)
			if at := time.Since(start); at != time.Duration(i)*5*time.Second {
				t.Errorf("ping %d after %v", i, at)
			}
			s.peer.write(opPong, true, f.payload)
		}
	})
}

// requestSize is the size of the upgrade request, which is all that was written so far.
func requestSize(t *testing.T, s *session) int64 {
	t.Helper()
	request, _ := s.link.Written()
	return request - int64(s.peer.in.Buffered())
}

func TestAHalfOpenConnectionIsDetectedWithinThePongDeadline(t *testing.T) {
	for name, harm := range map[string]func(*session){
		"both directions swallowed":  func(s *session) { s.link.BlackHole() },
		"the peer answers no ping":   func(*session) {},
		"the peer pings but is deaf": func(s *session) { go chatter(s) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
				start := time.Now()
				s.conn.StartPings()
				harm(s)
				info := s.closed(t)
				if info.Code != 1006 || !errors.Is(info.Err, wsconn.ErrPongTimeout) {
					t.Errorf("%+v", info)
				}
				if took := time.Since(start).Round(time.Second); took != wsconn.PongTimeout {
					t.Errorf("detected after %v, want %v", took, wsconn.PongTimeout)
				}
				time.Sleep(time.Minute) // until chatter has ended
			})
		})
	}
}

// chatter sends a ping every second for half a minute and answers nothing.
func chatter(s *session) {
	for range 30 {
		s.peer.write(opPing, true, "")
		time.Sleep(time.Second)
	}
}

func TestThePingOfAReceiptDetectsAHalfOpenConnectionToo(t *testing.T) {
	inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
		start := time.Now()
		var got receipts
		_ = s.send([]byte("x"), got.of(0))
		info := s.closed(t)
		if !errors.Is(info.Err, wsconn.ErrPongTimeout) || time.Since(start).Round(time.Second) != wsconn.PongTimeout {
			t.Errorf("%+v after %v", info, time.Since(start))
		}
		if o := got.once(t, 0); o != wsconn.Unproved {
			t.Errorf("%v", o)
		}
	})
}

func TestASlowLinkThatDeliversALargeMessageWithin60SecondsIsNotHalfOpen(t *testing.T) {
	plan := memnet.NoPlan()
	plan.ToListener.Buffer = 4 << 20 // as much as a socket holds on Linux
	inBubble(t, plan, wsconn.Options{}, func(t *testing.T, s *session) {
		s.conn.StartPings()
		var got receipts
		_ = s.send(make([]byte, exchange.DefaultMaxMessageSize), got.of(0))
		start := time.Now()
		for done := false; !done; {
			f, err := s.peer.read()
			if err != nil {
				t.Fatalf("after %v: %v, %+v", time.Since(start), err, s.closed(t))
			}
			time.Sleep(time.Duration(len(f.payload)) * 55 * time.Second / exchange.DefaultMaxMessageSize)
			if f.op == opPing {
				s.peer.write(opPong, true, f.payload)
				synctest.Wait()
				done = got.once(t, 0) != ""
			}
		}
		if o := got.once(t, 0); o != wsconn.Delivered {
			t.Errorf("%v after %v", o, time.Since(start))
		}
	})
}

func TestAPeersPingIsAnsweredWithItsPayload(t *testing.T) {
	inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
		for _, payload := range []string{"", "hello"} { // those of the Java side are empty
			s.peer.write(opPing, true, payload)
			if f := s.peer.expect(opPong); f.payload != payload {
				t.Errorf("answered %q with %q", payload, f.payload)
			}
		}
	})
}

func TestAPeersPingIsAnsweredInTheMiddleOfALongMessage(t *testing.T) {
	inBubble(t, smallBuffer(70_000), wsconn.Options{}, func(t *testing.T, s *session) {
		_ = s.send(make([]byte, 1<<20), nil)
		synctest.Wait()
		s.peer.write(opPing, true, "alive?")
		synctest.Wait()
		for {
			f, err := s.peer.read()
			if err != nil || f.final && f.op != opPong {
				t.Fatalf("the message ended without a pong: %v, %v", f, err)
			}
			if f.op == opPong {
				return
			}
		}
	})
}
