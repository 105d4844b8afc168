package wsconn_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/exchange/wsconn"
)

// work writes so many messages that make work.
func work(s *session, n int) {
	for range n {
		s.peer.write(opBinary, true, "t:COMMAND;;et:DISCOVER")
	}
}

func TestEachMessageWaitsForACreditWhateverItIs(t *testing.T) {
	for _, kind := range []string{"t:COMMAND;;et:DISCOVER", "t:REPLY;;et:INGEST", "t:COMMAND;;et:HEALTH_CHECK", ""} {
		keeping(t, func(t *testing.T, s *session) {
			for range wsconn.Credits + 2 {
				s.peer.write(opBinary, true, kind)
			}
			synctest.Wait()
			if n := len(s.handler.whole); n != wsconn.Credits {
				t.Fatalf("%q: %d messages came with %d credits", kind, n, wsconn.Credits)
			}
			s.conn.Accepted(<-s.handler.whole)
			synctest.Wait()
			if n := len(s.handler.whole); n != wsconn.Credits {
				t.Errorf("%q: %d messages wait, and one was accepted", kind, n)
			}
		})
	}
}

func TestALargeMessageTakesMoreCreditsAndOneOfTheLargestSizeHasRoom(t *testing.T) {
	for name, c := range map[string]struct{ first, handed int }{
		"a small one":              {1, wsconn.Credits},
		"half of the credits":      {31 * 64 << 10, wsconn.Credits/2 + 1},
		"more than all of them":    {8 << 20, 1},
		"the largest there may be": {13107200, 1},
	} {
		t.Run(name, func(t *testing.T) {
			keeping(t, func(t *testing.T, s *session) {
				go func() { // the largest has no room in the network's buffer
					s.peer.write(opBinary, true, strings.Repeat("x", c.first))
					work(s, wsconn.Credits+1)
				}()
				synctest.Wait()
				if n := len(s.handler.whole); n != c.handed {
					t.Errorf("%d messages were handed over, want %d", n, c.handed)
				}
				s.conn.Accepted(<-s.handler.whole)
				synctest.Wait()
				if n := len(s.handler.whole); n != wsconn.Credits {
					t.Errorf("%d messages wait once the first was accepted, want %d", n, wsconn.Credits)
				}
			})
		})
	}
}

func TestACreditThatIsReturnedTwiceDoesNotRaiseTheLimit(t *testing.T) {
	keeping(t, func(t *testing.T, s *session) {
		work(s, 1)
		first := <-s.handler.whole
		for range 10 {
			s.conn.Accepted(first)
		}
		work(s, wsconn.Credits+1)
		synctest.Wait()
		if n := len(s.handler.whole); n != wsconn.Credits {
			t.Errorf("%d messages with %d credits", n, wsconn.Credits)
		}
	})
}

func TestASlowCommandDoesNotDelayPongs(t *testing.T) {
	keeping(t, func(t *testing.T, s *session) {
		s.conn.StartPings()
		go s.peer.serve()
		work(s, 1)
		s.conn.Accepted(<-s.handler.whole) // accepted, not done
		time.Sleep(5 * time.Minute)
		if len(s.handler.closed) != 0 {
			t.Errorf("%+v", <-s.handler.closed)
		}
	})
}

func TestTheConnectionEndsWithItsReasonIfNoCreditComesBack(t *testing.T) {
	keeping(t, func(t *testing.T, s *session) {
		s.conn.StartPings()
		go s.peer.serve()
		work(s, wsconn.Credits+1)
		if info := s.closed(t); info.Code != 1006 || !errors.Is(info.Err, wsconn.ErrNoCredit) {
			t.Errorf("%+v", info)
		}
	})
}

func TestCloseDoesNotWaitForACredit(t *testing.T) {
	keeping(t, func(t *testing.T, s *session) {
		work(s, wsconn.Credits+1)
		synctest.Wait()
		go s.peer.serve()
		start := time.Now()
		s.conn.Close(1000, "")
		if info := s.closed(t); info != (wsconn.CloseInfo{Code: 1000}) || time.Since(start) != 0 {
			t.Errorf("%+v after %v", info, time.Since(start))
		}
	})
}
