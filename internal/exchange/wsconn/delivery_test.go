package wsconn_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/exchange/wsconn"
	"federation-agent/internal/sandbox/memnet"
)

func TestThePongToThePingAfterAMessageProvesItsDelivery(t *testing.T) {
	inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
		var got receipts
		_ = s.send([]byte("a"), got.of(0))
		s.peer.expect(opBinary)
		first := s.peer.expect(opPing)
		synctest.Wait()
		if o := got.once(t, 0); o != "" {
			t.Fatalf("%v before the pong", o)
		}
		s.peer.write(opPong, true, first.payload)
		synctest.Wait()
		if o := got.once(t, 0); o != wsconn.Delivered {
			t.Errorf("%v after the pong", o)
		}
		_ = s.send([]byte("b"), got.of(1))
		s.peer.expect(opBinary)
		if second := s.peer.expect(opPing); second.payload == first.payload {
			t.Error("a ping's payload was used before")
		}
	})
}

func TestAMessageWithoutAReceiptIsFollowedByNoPing(t *testing.T) {
	inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
		_, _ = s.send([]byte("a"), nil), s.send([]byte("b"), nil)
		s.peer.expect(opBinary)
		s.peer.expect(opBinary)
	})
}

func TestOnlyTheRightPongProvesDelivery(t *testing.T) {
	inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
		var got receipts
		_ = s.send([]byte("a"), got.of(0))
		s.peer.expect(opBinary)
		s.peer.expect(opPing)
		for _, payload := range []string{"", "unasked", "0"} {
			s.peer.write(opPong, true, payload)
		}
		synctest.Wait()
		if o := got.once(t, 0); o != "" {
			t.Errorf("%v", o)
		}
	})
}

func TestAPongToALaterPingProvesAllMessagesBeforeIt(t *testing.T) {
	inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
		var got receipts
		for i := range 3 {
			_ = s.send([]byte("x"), got.of(i))
		}
		var pings []string
		for range 3 {
			s.peer.expect(opBinary)
			pings = append(pings, s.peer.expect(opPing).payload)
		}
		s.peer.write(opPong, true, pings[1])
		synctest.Wait()
		a, b, c := got.once(t, 0), got.once(t, 1), got.once(t, 2)
		if a != wsconn.Delivered || b != wsconn.Delivered || c != "" {
			t.Errorf("%v, %v, %v", a, b, c)
		}
	})
}

func TestAMessageWithoutItsPongIsUnprovedWhenTheConnectionEnds(t *testing.T) {
	inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
		var got receipts
		_ = s.send([]byte("a"), got.of(0))
		s.peer.expect(opBinary)
		_ = s.peer.conn.Close()
		s.closed(t)
		if o := got.once(t, 0); o != wsconn.Unproved {
			t.Errorf("%v", o)
		}
	})
}

func TestAMessageInTheQueueIsNeverSentWhenTheConnectionEnds(t *testing.T) {
	inBubble(t, smallBuffer(1000), wsconn.Options{}, func(t *testing.T, s *session) {
		var got receipts
		_ = s.send(make([]byte, 5000), got.of(0))
		synctest.Wait() // it is being written
		_ = s.send([]byte("b"), got.of(1))
		s.closed(t)
		if a, b := got.once(t, 0), got.once(t, 1); a != wsconn.Unproved || b != wsconn.NeverSent {
			t.Errorf("%v, %v", a, b)
		}
		err := s.send([]byte("c"), got.of(2))
		if !errors.Is(err, wsconn.ErrClosed) || got.once(t, 2) != wsconn.NeverSent {
			t.Errorf("after the end: %v, %v", err, got.once(t, 2))
		}
	})
}

func TestAMessageWhoseWriteFailsBeforeItsFirstByteIsNeverSent(t *testing.T) {
	const frameHeader = 2 + 2 + 4 // with a length of 16 bits and a mask
	for size, want := range map[int]wsconn.Outcome{
		1000 - frameHeader:     wsconn.NeverSent, // fills the peer's buffer completely
		1000 - frameHeader - 1: wsconn.Unproved,  // leaves room for one byte
	} {
		inBubble(t, smallBuffer(1000), wsconn.Options{}, func(t *testing.T, s *session) {
			var got receipts
			_ = s.send(make([]byte, size), nil)
			_ = s.send([]byte("x"), got.of(0))
			s.closed(t)
			if o := got.once(t, 0); o != want {
				t.Errorf("after %d bytes: %v, want %v", size, o, want)
			}
		})
	}
}

func TestAMessageIsDroppedIfItsDeadlineCameBeforeItsFirstByte(t *testing.T) {
	inBubble(t, smallBuffer(100), wsconn.Options{}, func(t *testing.T, s *session) {
		var got receipts
		_ = s.send(make([]byte, 1000), nil) // keeps the writer busy until the peer reads
		_ = s.conn.SendBefore(time.Now().Add(2*time.Second), got.of(0), []byte("late"))
		_ = s.conn.SendBefore(time.Now().Add(5*time.Second), got.of(1), []byte("in time"))
		time.Sleep(2 * time.Second)
		s.peer.expect(opBinary)
		if f := s.peer.expect(opBinary); f.payload != "in time" {
			t.Errorf("read %q", f.payload)
		}
		s.peer.write(opPong, true, s.peer.expect(opPing).payload)
		synctest.Wait()
		if a, b := got.once(t, 0), got.once(t, 1); a != wsconn.NeverSent || b != wsconn.Delivered {
			t.Errorf("%v, %v", a, b)
		}
	})
}

func TestSendNeverBlocksAndTheQueueHasALimit(t *testing.T) {
	limits := wsconn.Options{MaxMessageSize: 10_000}
	inBubble(t, smallBuffer(100), limits, func(t *testing.T, s *session) {
		var got receipts
		start := time.Now()
		_ = s.send(make([]byte, 10_000), nil) // is being written, not queued
		synctest.Wait()
		for i := range 3 {
			if err := s.send(make([]byte, 10_000), got.of(i)); err != nil {
				t.Errorf("message %d: %v", i, err)
			}
		}
		err := s.send(make([]byte, 10_000), got.of(3))
		if !errors.Is(err, wsconn.ErrQueueFull) || got.once(t, 3) != wsconn.NeverSent {
			t.Errorf("over the queue's limit: %v, %v", err, got.once(t, 3))
		}
		err = s.send(make([]byte, 10_001), got.of(4))
		if !errors.Is(err, wsconn.ErrTooLarge) || got.once(t, 4) != wsconn.NeverSent {
			t.Errorf("over the message limit: %v, %v", err, got.once(t, 4))
		}
		if time.Since(start) != 0 {
			t.Errorf("SendBefore took %v", time.Since(start))
		}
		s.peer.expect(opBinary)
		for range 3 {
			s.peer.expect(opBinary)
			s.peer.expect(opPing)
		}
		if err := s.send(make([]byte, 10_000), nil); err != nil {
			t.Errorf("when there is room again: %v", err)
		}
	})
}

func TestAShortMessageWaitsOnlyForTheMessageThatIsBeingWritten(t *testing.T) {
	inBubble(t, smallBuffer(100), wsconn.Options{}, func(t *testing.T, s *session) {
		var got receipts
		long := func(name string) []byte { return []byte(name + strings.Repeat("x", 5000)) }
		_ = s.send(long("a"), nil)
		synctest.Wait() // it is being written
		_ = s.conn.SendBefore(time.Time{}, nil, long("b"))
		_ = s.send([]byte("1"), got.of(0))
		_ = s.send(long("c"), nil)
		_ = s.send([]byte("2"), nil)
		var order strings.Builder
		for range 5 {
			order.WriteString(s.peer.expect(opBinary).payload[:1])
			if order.String() == "a1" {
				s.peer.write(opPong, true, s.peer.expect(opPing).payload)
			}
		}
		if order.String() != "a12bc" {
			t.Errorf("they came in the order %s", order.String())
		}
		if o := got.once(t, 0); o != wsconn.Delivered {
			t.Errorf("the short message is %v", o)
		}
	})
}

func TestShortMessagesHaveMoreRoomThanLongOnesButNotWithoutLimit(t *testing.T) {
	limits := wsconn.Options{MaxMessageSize: 10_000}
	inBubble(t, smallBuffer(100), limits, func(t *testing.T, s *session) {
		_ = s.send(make([]byte, 10_000), nil) // is being written, not queued
		synctest.Wait()
		for range 3 {
			_ = s.send(make([]byte, 10_000), nil)
		}
		if err := s.send(make([]byte, 10_000), nil); !errors.Is(err, wsconn.ErrQueueFull) {
			t.Fatalf("the long message: %v", err)
		}
		sent := 0
		for ; sent < 1000; sent++ {
			if err := s.send(make([]byte, 4<<10), nil); err != nil {
				if !errors.Is(err, wsconn.ErrQueueFull) {
					t.Error(err)
				}
				break
			}
		}
		if sent < 200 || sent > 300 { // a mebibyte of them
			t.Errorf("%d short messages had room", sent)
		}
	})
}

func TestTheWriteTimeoutEndsAConnectionWhosePeerDoesNotRead(t *testing.T) {
	inBubble(t, smallBuffer(1000), wsconn.Options{}, func(t *testing.T, s *session) {
		start := time.Now()
		_ = s.send(make([]byte, 5000), nil)
		info := s.closed(t)
		var timeout interface{ Timeout() bool }
		if info.Code != 1006 || !errors.As(info.Err, &timeout) || !timeout.Timeout() ||
			time.Since(start) != wsconn.WriteTimeout {
			t.Errorf("%+v after %v", info, time.Since(start))
		}
	})
}

// The connection is cut at every byte, in both directions. Each message must have exactly one receipt, and a true one.
func TestReceiptsAreTrueWhereverTheConnectionIsCut(t *testing.T) {
	const messages = 4
	sizes := [messages]int{10, 150, 0, 90}
	run := func(t *testing.T, plan memnet.Plan) (int64, int64) {
		var toListener, toDialer int64
		inBubble(t, plan, wsconn.Options{MaxFrameSize: 64}, func(t *testing.T, s *session) {
			read := make(chan []string, 1)
			go func() { read <- s.peer.serve() }()
			var got receipts
			for i, size := range sizes {
				_ = s.send([]byte(strings.Repeat(strconv.Itoa(i), size)), got.of(i))
			}
			s.conn.Close(1000, "")
			s.closed(t)
			toListener, toDialer = s.link.Written()
			_ = s.peer.conn.Close()
			arrived := len(<-read)
			for i := range sizes {
				switch o := got.once(t, i); {
				case o == "":
					t.Errorf("cut %+v: message %d has no receipt", plan, i)
				case o == wsconn.Delivered && i >= arrived:
					t.Errorf("cut %+v: message %d did not arrive and is %v", plan, i, o)
				case o == wsconn.NeverSent && i < arrived:
					t.Errorf("cut %+v: message %d arrived and is %v", plan, i, o)
				}
			}
		})
		return toListener, toDialer
	}
	requestEnds, responseEnds := handshakeSizes(t)
	toListener, toDialer := run(t, memnet.NoPlan())
	for cut := requestEnds; cut <= toListener; cut++ {
		plan := memnet.NoPlan()
		plan.ToListener.CutAfter = cut
		run(t, plan)
	}
	for cut := responseEnds; cut <= toDialer; cut++ {
		plan := memnet.NoPlan()
		plan.ToDialer.CutAfter = cut
		run(t, plan)
	}
}

func handshakeSizes(t *testing.T) (request, response int64) {
	inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(_ *testing.T, s *session) { request, response = s.link.Written() })
	return request, response
}
