package wsconn_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/exchange"
	"federation-agent/internal/exchange/wsconn"
	"federation-agent/internal/sandbox/memnet"
)

func smallBuffer(toListener int) memnet.Plan {
	plan := memnet.NoPlan()
	plan.ToListener.Buffer = toListener
	return plan
}

func TestTheUpgradeRequestCarriesHeadersAndProtocol(t *testing.T) {
	header := http.Header{"Authorization": {"bearer t"}, "X-Gravitee-Exchange-Protocol": {"v9"}}
	inBubble(t, memnet.NoPlan(), wsconn.Options{Header: header}, func(t *testing.T, s *session) {
		got := s.peer.request
		if got.URL.Path != "/exchange/controller" || got.Header.Get("Authorization") != "bearer t" {
			t.Errorf("asked for %s with %v", got.URL, got.Header)
		}
		// Without it, or with an unknown value, the controller speaks the legacy protocol.
		if protocol := got.Header.Values(exchange.ProtocolHeader); len(protocol) != 1 || protocol[0] != "v1" {
			t.Errorf("protocol %v", protocol)
		}
	})
	if header.Get(exchange.ProtocolHeader) != "v9" {
		t.Error("the caller's header was changed")
	}
}

func TestAFrameNeverHoldsMoreThan65536Bytes(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 65537, 131072, 200000, exchange.DefaultMaxMessageSize} {
		inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
			message := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
			if err := s.send(message, nil); err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for i := 0; ; i++ {
				f, err := s.peer.read()
				if err != nil {
					t.Fatal(err)
				}
				if first := i == 0; (f.op == opBinary) != first || (f.op == opContinuation) == first {
					t.Fatalf("frame %d has op %d", i, f.op)
				}
				if len(f.payload) > 65536 {
					t.Errorf("a frame of %d bytes", len(f.payload))
				}
				got.WriteString(f.payload)
				if f.final {
					break
				}
				if len(f.payload) != 65536 {
					t.Errorf("a frame before the last one is not full: %d bytes", len(f.payload))
				}
			}
			if got.String() != string(message) {
				t.Errorf("%d bytes arrived differently", size)
			}
		})
	}
}

func TestAMessageInPartsIsWrittenInTheSameFramesAsAWholeMessage(t *testing.T) {
	message := bytes.Repeat([]byte("0123456789abcdef"), 3*65536/16)
	for name, cuts := range map[string][]int{
		"small ones":               {0, 1, 7, 7, 40, 65535, 65536, 65537},
		"at the edges of frames":   {65536, 131072},
		"one over several frames":  {10, len(message) - 10},
		"one that fills no frame":  {len(message) - 1},
		"an empty one at each end": {0, len(message)},
	} {
		inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
			var parts [][]byte
			from := 0
			for _, cut := range append(cuts, len(message)) {
				parts = append(parts, message[from:cut])
				from = cut
			}
			if err := s.conn.SendBefore(time.Time{}, nil, parts...); err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for i := range 3 {
				f, err := s.peer.read()
				if err != nil {
					t.Fatal(err)
				}
				if len(f.payload) != 65536 || f.final != (i == 2) {
					t.Errorf("%s: frame %d has %d bytes, final %v", name, i, len(f.payload), f.final)
				}
				got.WriteString(f.payload)
			}
			if got.String() != string(message) {
				t.Errorf("%s: other bytes arrived", name)
			}
		})
	}
}

func TestTheSizeLimitIsForAllPartsTogether(t *testing.T) {
	inBubble(t, memnet.NoPlan(), wsconn.Options{MaxMessageSize: 1000}, func(t *testing.T, s *session) {
		err := s.conn.SendBefore(time.Time{}, nil, make([]byte, 500), make([]byte, 501))
		if !errors.Is(err, wsconn.ErrTooLarge) {
			t.Errorf("%v", err)
		}
	})
}

func TestMessagesOfTheLargestSizeAreReadInContinuationFrames(t *testing.T) {
	inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
		message := strings.Repeat("x", exchange.DefaultMaxMessageSize)
		go func() {
			for i := 0; i < len(message); i += 65536 {
				op := byte(opContinuation)
				if i == 0 {
					op = opBinary
				}
				end := min(i+65536, len(message))
				s.peer.write(op, end == len(message), message[i:end])
			}
			s.peer.write(opBinary, true, "next")
		}()
		if got := <-s.handler.messages; got != message {
			t.Errorf("%d bytes arrived differently", len(got))
		}
		if got := <-s.handler.messages; got != "next" {
			t.Errorf("then %q", got)
		}
	})
}

func TestEachMessageMayBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := connect(t, memnet.NoPlan(), wsconn.Options{})
		kept := make(chan []byte, 2)
		s.conn.Start(func(m wsconn.Message) { kept <- m.Data }, func(wsconn.CloseInfo) {})
		s.peer.write(opBinary, true, "first")
		s.peer.write(opBinary, true, "OTHER")
		first, second := <-kept, <-kept
		if string(first) != "first" || string(second) != "OTHER" {
			t.Errorf("%q, %q", first, second)
		}
		s.conn.Abort(errors.New("the test is over"))
		_ = s.peer.conn.Close()
	})
}

func TestATextMessageIsClosedWith1003(t *testing.T) {
	inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
		s.peer.write(opText, true, "hello")
		f := s.peer.expect(opClose)
		if f.payload != closeFrame(1003, "Unsupported text frame") {
			t.Errorf("closed with %q", f.payload)
		}
		s.peer.write(opClose, true, f.payload)
		if info := s.closed(t); info.Code != 1003 || info.Remote || !errors.Is(info.Err, wsconn.ErrTextMessage) {
			t.Errorf("%+v", info)
		}
		if len(s.handler.messages) != 0 {
			t.Error("the text was handed over")
		}
	})
}

func TestATooLargeMessageIsClosedWith1009(t *testing.T) {
	for name, frames := range map[string][]int{
		"in one frame":           {1001},
		"in continuation frames": {600, 600},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, memnet.NoPlan(), wsconn.Options{MaxMessageSize: 1000}, func(t *testing.T, s *session) {
				for i, size := range frames {
					op := byte(opContinuation)
					if i == 0 {
						op = opBinary
					}
					s.peer.write(op, i == len(frames)-1, strings.Repeat("x", size))
				}
				if f := s.peer.expect(opClose); f.payload != closeFrame(1009, "") {
					t.Errorf("closed with %q", f.payload)
				}
				_ = s.peer.conn.Close()
				if info := s.closed(t); info.Code != 1009 || !errors.Is(info.Err, wsconn.ErrMessageTooBig) {
					t.Errorf("%+v", info)
				}
			})
		})
	}
}

func TestAPeerThatBreaksTheFramingIsClosedWith1002(t *testing.T) {
	for name, raw := range map[string]string{
		"an unknown opcode":              "\x83\x00",
		"a masked frame":                 "\x82\x81\x00\x00\x00\x00x",
		"a continuation without a start": "\x80\x01x",
		"a reserved bit":                 "\xc2\x01x",
		"a fragmented ping":              "\x09\x01x",
		"an impossible close code":       "\x88\x02\x03\xed", // 1005
		"a length below zero":            "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
				_, _ = s.peer.conn.Write([]byte(raw))
				go func() { time.Sleep(time.Second); _ = s.peer.conn.Close() }()
				if info := s.closed(t); info.Err == nil || info.Remote || (info.Code != 1002 && info.Code != 1009) {
					t.Errorf("%+v", info)
				}
			})
		})
	}
}

func TestThePeersCloseIsAnsweredAndReported(t *testing.T) {
	for name, c := range map[string]struct {
		sent, answer string
		want         wsconn.CloseInfo
	}{
		"1013 with a reason": {
			closeFrame(1013, "GoodBye Command with reconnection requested."), closeFrame(1013, ""),
			wsconn.CloseInfo{Code: 1013, Reason: "GoodBye Command with reconnection requested.", Remote: true},
		},
		"1000":           {closeFrame(1000, ""), closeFrame(1000, ""), wsconn.CloseInfo{Code: 1000, Remote: true}},
		"without a code": {"", "", wsconn.CloseInfo{Code: 1005, Remote: true}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
				s.peer.write(opClose, true, c.sent)
				if f := s.peer.expect(opClose); f.payload != c.answer {
					t.Errorf("answered %q", f.payload)
				}
				if info := s.closed(t); info != c.want {
					t.Errorf("%+v", info)
				}
			})
		})
	}
}

func TestThePeersCloseIsAnsweredInTheMiddleOfALongMessage(t *testing.T) {
	inBubble(t, smallBuffer(100_000), wsconn.Options{}, func(t *testing.T, s *session) {
		var got receipts
		_ = s.send(make([]byte, 1<<20), got.of(0))
		synctest.Wait() // it is being written
		_ = s.send([]byte("never"), got.of(1))
		synctest.Wait()
		s.peer.write(opClose, true, closeFrame(1001, ""))
		for {
			f, err := s.peer.read()
			if err != nil {
				t.Fatalf("no answer to the close frame: %v", err)
			}
			if f.op == opClose {
				break
			}
			if f.final {
				t.Fatal("the long message was finished first")
			}
		}
		if info := s.closed(t); info.Code != 1001 || !info.Remote || info.Err != nil {
			t.Errorf("%+v", info)
		}
		if a, b := got.once(t, 0), got.once(t, 1); a != wsconn.Unproved || b != wsconn.NeverSent {
			t.Errorf("receipts %v, %v", a, b)
		}
	})
}

func TestALostConnectionHasCode1006(t *testing.T) {
	for name, lose := range map[string]func(*session){
		"the peer hangs up without a close frame": func(s *session) { _ = s.peer.conn.Close() },
		"the connection is reset":                 func(s *session) { s.link.Cut() },
		"half a frame": func(s *session) {
			_, _ = s.peer.conn.Write([]byte("\x82\x05ab"))
			_ = s.peer.conn.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
				lose(s)
				if info := s.closed(t); info.Code != 1006 || info.Remote || info.Err == nil {
					t.Errorf("%+v", info)
				}
			})
		})
	}
}

func TestAFailedWriteDoesNotHideTheReasonOfAPeerThatHungUp(t *testing.T) {
	plan := memnet.NoPlan()
	plan.ToDialer.Latency = 100 * time.Millisecond
	inBubble(t, plan, wsconn.Options{}, func(t *testing.T, s *session) {
		s.peer.write(opClose, true, closeFrame(1013, "bye"))
		_ = s.peer.conn.Close()
		time.Sleep(100 * time.Millisecond) // the close frame and the end of the connection arrive together
		_ = s.send([]byte("x"), nil)
		if info := s.closed(t); info.Code != 1013 || info.Reason != "bye" || !info.Remote {
			t.Errorf("%+v", info)
		}
	})
}

func TestCloseWritesTheQueueThenTheCloseFrame(t *testing.T) {
	inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
		var got receipts
		_ = s.send([]byte("last words"), got.of(0))
		s.conn.Close(1000, "stopping")
		s.conn.Close(1011, "a second close changes nothing")
		if err := s.send([]byte("too late"), got.of(1)); !errors.Is(err, wsconn.ErrClosed) {
			t.Errorf("Send after Close: %v", err)
		}
		if f := s.peer.expect(opBinary); f.payload != "last words" {
			t.Errorf("read %v", f)
		}
		ping := s.peer.expect(opPing)
		if f := s.peer.expect(opClose); f.payload != closeFrame(1000, "stopping") {
			t.Errorf("closed with %q", f.payload)
		}
		s.peer.write(opPong, true, ping.payload)
		s.peer.write(opBinary, true, "too late")
		s.peer.write(opClose, true, closeFrame(1000, ""))
		if info := s.closed(t); info != (wsconn.CloseInfo{Code: 1000, Reason: "stopping"}) {
			t.Errorf("%+v", info)
		}
		if a, b := got.once(t, 0), got.once(t, 1); a != wsconn.Delivered || b != wsconn.NeverSent {
			t.Errorf("receipts %v, %v", a, b)
		}
		if len(s.handler.messages) != 0 {
			t.Error("a message was handed over after Close")
		}
	})
}

func TestCloseEndsInTimeWhenThePeerDoesNotAnswer(t *testing.T) {
	for name, plan := range map[string]memnet.Plan{
		"it reads but is silent": memnet.NoPlan(),
		"it does not read":       smallBuffer(1000),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, plan, wsconn.Options{}, func(t *testing.T, s *session) {
				var got receipts
				_ = s.send(make([]byte, 10_000), got.of(0))
				_ = s.send([]byte("x"), got.of(1))
				start := time.Now()
				s.conn.Close(1000, "")
				info := s.closed(t)
				if took := time.Since(start); took != wsconn.CloseTimeout {
					t.Errorf("it took %v", took)
				}
				if info.Code != 1000 || !errors.Is(info.Err, wsconn.ErrCloseTimeout) {
					t.Errorf("%+v", info)
				}
				if got.once(t, 0) != wsconn.Unproved || got.once(t, 1) == "" {
					t.Errorf("receipts %v", got.seen)
				}
			})
		})
	}
}

func TestAConnectionThatWasNeverStartedCanBeClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := connect(t, memnet.NoPlan(), wsconn.Options{})
		s.conn.Close(1000, strings.Repeat("é", 100))
		f := s.peer.expect(opClose)
		if want := closeFrame(1000, strings.Repeat("é", 61)); f.payload != want {
			t.Errorf("closed with %q; a reason is cut after a whole character within 123 bytes", f.payload)
		}
		s.peer.write(opClose, true, f.payload)
		_ = s.peer.conn.Close()
	})
}

func TestACodeThatMayNotBeSentIsLeftOut(t *testing.T) {
	for _, code := range []int{1005, 1006, 1015} {
		inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
			s.conn.Close(code, "x")
			if f := s.peer.expect(opClose); f.payload != "" {
				t.Errorf("closed with %q", f.payload)
			}
		})
	}
}

func TestAbortDropsTheConnectionAtOnce(t *testing.T) {
	crashed := errors.New("crashed")
	inBubble(t, memnet.NoPlan(), wsconn.Options{}, func(t *testing.T, s *session) {
		s.conn.Abort(crashed)
		if info := s.closed(t); info.Code != 1006 || !errors.Is(info.Err, crashed) {
			t.Errorf("%+v", info)
		}
		if _, err := s.peer.read(); err == nil {
			t.Error("something was written")
		}
	})
}
