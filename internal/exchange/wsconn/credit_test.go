package wsconn_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/exchange/wsconn"
	"federation-agent/internal/sandbox/memnet"
)

var workNeedsCredit = wsconn.Options{NeedsCredit: func(message []byte) bool {
	return strings.HasPrefix(string(message), "work")
}}

func TestAMessageThatMakesWorkWaitsForACredit(t *testing.T) {
	inBubble(t, memnet.NoPlan(), workNeedsCredit, func(t *testing.T, s *session) {
		for range wsconn.Credits - 2 {
			s.peer.write(opBinary, true, "work")
			<-s.handler.messages
		}
		for _, m := range []string{"work 1", "work 2", "reply", "health check", "work 3", "reply 2"} {
			s.peer.write(opBinary, true, m)
		}
		for _, want := range []string{"work 1", "work 2", "reply", "health check"} {
			if got := <-s.handler.messages; got != want {
				t.Errorf("got %q, want %q; a message that makes no work needs no credit", got, want)
			}
		}
		synctest.Wait()
		if n := len(s.handler.messages); n != 0 {
			t.Fatalf("%d messages came without a credit", n)
		}
		s.conn.ReturnCredit()
		if a, b := <-s.handler.messages, <-s.handler.messages; a != "work 3" || b != "reply 2" {
			t.Errorf("then %q, %q", a, b)
		}
	})
}

func TestACreditThatIsReturnedTwiceDoesNotRaiseTheLimit(t *testing.T) {
	inBubble(t, memnet.NoPlan(), workNeedsCredit, func(t *testing.T, s *session) {
		for range 10 {
			s.conn.ReturnCredit()
		}
		for range wsconn.Credits + 1 {
			s.peer.write(opBinary, true, "work")
		}
		synctest.Wait()
		if n := len(s.handler.messages); n != wsconn.Credits {
			t.Errorf("%d messages with %d credits", n, wsconn.Credits)
		}
	})
}

func TestASlowCommandDoesNotDelayPongs(t *testing.T) {
	inBubble(t, memnet.NoPlan(), workNeedsCredit, func(t *testing.T, s *session) {
		s.conn.StartPings()
		go s.peer.serve()
		s.peer.write(opBinary, true, "work that takes minutes")
		<-s.handler.messages
		s.conn.ReturnCredit() // accepted, not done
		time.Sleep(5 * time.Minute)
		if len(s.handler.closed) != 0 {
			t.Errorf("%+v", <-s.handler.closed)
		}
	})
}

func TestTheConnectionEndsWithItsReasonIfNoCreditComesBack(t *testing.T) {
	inBubble(t, memnet.NoPlan(), workNeedsCredit, func(t *testing.T, s *session) {
		s.conn.StartPings()
		go s.peer.serve()
		for range wsconn.Credits + 1 {
			s.peer.write(opBinary, true, "work")
		}
		if info := s.closed(t); info.Code != 1006 || !errors.Is(info.Err, wsconn.ErrNoCredit) {
			t.Errorf("%+v", info)
		}
	})
}

func TestCloseDoesNotWaitForACredit(t *testing.T) {
	inBubble(t, memnet.NoPlan(), workNeedsCredit, func(t *testing.T, s *session) {
		for range wsconn.Credits + 1 {
			s.peer.write(opBinary, true, "work")
		}
		synctest.Wait()
		go s.peer.serve()
		start := time.Now()
		s.conn.Close(1000, "")
		if info := s.closed(t); info != (wsconn.CloseInfo{Code: 1000}) || time.Since(start) != 0 {
			t.Errorf("%+v after %v", info, time.Since(start))
		}
	})
}
