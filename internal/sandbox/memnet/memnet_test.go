package memnet_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/sandbox/memnet"
)

func plan(edit func(*memnet.Plan)) memnet.Plan {
	p := memnet.NoPlan()
	edit(&p)
	return p
}

func TestAWriteReturnsBeforeItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(memnet.NoPlan())
		if n, err := a.Write([]byte("hello")); n != 5 || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
		_ = a.Close()
		got, err := io.ReadAll(b)
		if string(got) != "hello" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestBytesArriveAfterTheirLatencyAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(plan(func(p *memnet.Plan) { p.ToListener.Latency = 80 * time.Millisecond }))
		start := time.Now()
		for _, text := range []string{"one ", "two"} {
			if _, err := a.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		_ = a.Close() // at 20 ms
		got, err := io.ReadAll(b)
		if string(got) != "one two" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if took := time.Since(start); took != 100*time.Millisecond {
			t.Errorf("the end arrived after %v, want 100ms", took)
		}
	})
}

func TestACutLetsExactlySoManyBytesArrive(t *testing.T) {
	for _, limit := range []int64{0, 1, 4, 5} {
		synctest.Test(t, func(t *testing.T) {
			a, b := memnet.Pipe(plan(func(p *memnet.Plan) { p.ToListener.CutAfter = limit }))
			if n, err := a.Write([]byte("hello!")); n != 6 || err != nil {
				t.Fatalf("Write = %d, %v: what is lost on the way is accepted all the same", n, err)
			}
			got, err := io.ReadAll(b)
			if string(got) != "hello!"[:limit] || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read %q, %v", got, err)
			}
			if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("writing after the cut: %v", err)
			}
			if _, err := a.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("reading after the cut: %v", err)
			}
		})
	}
}

func TestACutThatIsNotReachedDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(plan(func(p *memnet.Plan) { p.ToListener.CutAfter = 5 }))
		_, _ = a.Write([]byte("hello"))
		_ = a.Close()
		if got, err := io.ReadAll(b); string(got) != "hello" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestAResetLosesWhatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(plan(func(p *memnet.Plan) {
			p.ToListener.Latency = time.Second
			p.ToDialer.CutAfter = 0
		}))
		_, _ = a.Write([]byte("lost"))
		_, _ = b.Write([]byte("x")) // cuts at once
		if got, err := io.ReadAll(b); len(got) != 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestABlackHoleSwallowsBytesAndTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(plan(func(p *memnet.Plan) {
			p.ToListener.BlackHoleAfter, p.ToListener.Buffer = 3, 10
		}))
		_, _ = a.Write([]byte("hello"))
		buffer := make([]byte, 10)
		if n, err := b.Read(buffer); string(buffer[:n]) != "hel" || err != nil {
			t.Fatalf("read %q, %v", buffer[:n], err)
		}
		_ = a.SetWriteDeadline(time.Now().Add(time.Minute))
		n, err := a.Write(make([]byte, 20))
		if n != 8 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write = %d, %v; swallowed bytes stay in the sender's buffer of 10", n, err)
		}
		_ = a.Close()
		_ = b.SetReadDeadline(time.Now().Add(time.Hour))
		if _, err := b.Read(buffer); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the peer noticed something: %v", err)
		}
	})
}

func TestABlackHoleAtTheLastByteSwallowsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(plan(func(p *memnet.Plan) { p.ToListener.BlackHoleAfter = 5 }))
		_, _ = a.Write([]byte("hello"))
		_ = a.Close()
		_ = b.SetReadDeadline(time.Now().Add(time.Hour))
		if got, err := io.ReadAll(b); string(got) != "hello" || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestAFullBufferHoldsTheWriterUntilItIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(plan(func(p *memnet.Plan) { p.ToListener.Buffer = 4 }))
		sent := bytes.Repeat([]byte("0123456789"), 10)
		done := make(chan error, 1)
		go func() {
			_, err := a.Write(sent)
			_ = a.Close()
			done <- err
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("100 bytes went into a buffer of 4")
		default:
		}
		if got, err := io.ReadAll(b); !bytes.Equal(got, sent) || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestWritingToAClosedPeerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := memnet.Pipe(memnet.NoPlan())
		_ = b.Close()
		if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write: %v", err)
		}
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("reading a closed end: %v", err)
		}
	})
}

func TestADeadlineWakesAWaitingRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := memnet.Pipe(memnet.NoPlan())
		start := time.Now()
		_ = a.SetReadDeadline(start.Add(3 * time.Second))
		_, err := a.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) != 3*time.Second {
			t.Errorf("Read ended with %v after %v", err, time.Since(start))
		}
	})
}

func TestConnectionsAreNamedByDialerAddressAndCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		n := memnet.New(func(id memnet.ID) memnet.Plan {
			seen = append(seen, id.String())
			return memnet.NoPlan()
		})
		l, err := n.Listen("controller:8072")
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range []string{"a", "b", "a"} {
			if _, err := n.Dialer(from)(t.Context(), "tcp", "controller:8072"); err != nil {
				t.Fatal(err)
			}
		}
		got, want := strings.Join(seen, " "), "a->controller:8072#1 b->controller:8072#1 a->controller:8072#2"
		if got != want {
			t.Errorf("planned %s, want %s", got, want)
		}
		_ = l.Close()
	})
}

func TestDiallingFailsAsPlanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plans := map[int]memnet.Plan{
			1: plan(func(p *memnet.Plan) { p.DialError = syscall.ENETUNREACH }),
			2: plan(func(p *memnet.Plan) { p.DialHangs = true }),
			3: memnet.NoPlan(),
		}
		n := memnet.New(func(id memnet.ID) memnet.Plan { return plans[id.N] })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for i, want := range []error{syscall.ENETUNREACH, context.DeadlineExceeded, syscall.ECONNREFUSED} {
			dialled := ctx
			if i == 2 {
				dialled = t.Context()
			}
			if _, err := n.Dial(dialled, "tcp", "nobody:1"); !errors.Is(err, want) {
				t.Errorf("dial %d: %v, want %v", i+1, err, want)
			}
		}
	})
}

func TestAFenceCutsAllAndLetsNothingNewThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(nil)
		l, _ := n.Listen("x:1")
		defer func() { _ = l.Close() }()
		mine, _ := n.Dialer("crashed")(t.Context(), "tcp", "x:1")
		other, _ := n.Dialer("other")(t.Context(), "tcp", "x:1")
		n.Fence("crashed")
		if _, err := mine.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the crashed one can still write: %v", err)
		}
		if _, err := n.Dialer("crashed")(t.Context(), "tcp", "x:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the crashed one can still dial: %v", err)
		}
		if _, err := other.Write([]byte("x")); err != nil {
			t.Errorf("another one suffers: %v", err)
		}
	})
}

func TestACutConnectionSeenFromTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(func(memnet.ID) memnet.Plan {
			return plan(func(p *memnet.Plan) { p.ToListener.Latency = time.Second })
		})
		l, _ := n.Listen("x:1")
		a, _ := n.Dial(t.Context(), "tcp", "x:1")
		b, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = a.Write([]byte("here"))
		time.Sleep(time.Second)
		_, _ = a.Write([]byte("lost"))
		links := n.Links()
		if len(links) != 1 {
			t.Fatalf("%d links", len(links))
		}
		if byDialer, byListener := links[0].Written(); byDialer != 8 || byListener != 0 {
			t.Errorf("written %d and %d", byDialer, byListener)
		}
		links[0].Cut()
		if got, err := io.ReadAll(b); string(got) != "here" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read %q, %v", got, err)
		}
		_, _ = a.Close(), b.Close()
		if left := n.Links(); len(left) != 0 {
			t.Errorf("%d links are left", len(left))
		}
	})
}

func TestALaterBlackHoleLetsArriveWhatIsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(func(memnet.ID) memnet.Plan {
			return plan(func(p *memnet.Plan) { p.ToListener.Latency = time.Second })
		})
		l, _ := n.Listen("x:1")
		a, _ := n.Dial(t.Context(), "tcp", "x:1")
		b, _ := l.Accept()
		_, _ = a.Write([]byte("here"))
		n.Links()[0].BlackHole()
		_, _ = a.Write([]byte("gone"))
		_ = b.SetReadDeadline(time.Now().Add(time.Hour))
		if got, err := io.ReadAll(b); string(got) != "here" || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read %q, %v", got, err)
		}
	})
}

func TestAnAddressIsListenedOnOnceAtATime(t *testing.T) {
	n := memnet.New(nil)
	l, err := n.Listen("x:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen("x:1"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second Listen: %v", err)
	}
	_ = l.Close()
	again, err := n.Listen("x:1")
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	_ = again.Close()
}

func TestHTTPWorksOverItInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(func(memnet.ID) memnet.Plan {
			return plan(func(p *memnet.Plan) {
				p.ToListener.Latency, p.ToDialer.Latency = 20*time.Millisecond, 30*time.Millisecond
			})
		})
		l, _ := n.Listen("web:80")
		server := &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hi") }),
		}
		go func() { _ = server.Serve(l) }()
		transport := &http.Transport{DialContext: n.Dialer("browser")}
		start := time.Now()
		response, err := (&http.Client{Transport: transport}).Get("http://web/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if string(body) != "hi" || time.Since(start) != 100*time.Millisecond {
			t.Errorf("%q after %v, want hi after two round trips of 50ms", body, time.Since(start))
		}
		transport.CloseIdleConnections()
		_ = server.Close()
	})
}

func TestALinkTellsWhenItsFaultWasReached(t *testing.T) {
	for name, edit := range map[string]func(*memnet.Plan){
		"cut":        func(p *memnet.Plan) { p.ToListener.CutAfter = 6 },
		"black hole": func(p *memnet.Plan) { p.ToListener.BlackHoleAfter = 7 },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New(func(memnet.ID) memnet.Plan { return plan(edit) })
				l, err := n.Listen("x:1")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = l.Close() }()
				a, err := n.Dial(t.Context(), "tcp", "x:1")
				if err != nil {
					t.Fatal(err)
				}
				link := n.Links()[0]
				_, _ = a.Write([]byte("here")) // the faults come behind it
				if at := link.Struck(); !at.IsZero() {
					t.Errorf("struck at %v, and no byte has met the fault", at)
				}
				time.Sleep(time.Second)
				reached := time.Now()
				_, _ = a.Write([]byte("gone")) // a write into a fault succeeds
				time.Sleep(time.Second)
				link.Cut()
				if at := link.Struck(); !at.Equal(reached) {
					t.Errorf("struck at %v, want %v: the first fault counts", at, reached)
				}
			})
		})
	}
}

func TestWhatIsHeldUpArrivesAtOnceAndNothingIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(func(memnet.ID) memnet.Plan {
			return plan(func(p *memnet.Plan) { p.ToListener.Latency = time.Second })
		})
		l, _ := n.Listen("x:1")
		a, _ := n.Dial(t.Context(), "tcp", "x:1")
		b, _ := l.Accept()
		start := time.Now()
		_, _ = a.Write([]byte("on its way "))
		n.Links()[0].Hold(10*time.Second, false, true)
		time.Sleep(8 * time.Second)
		_, _ = a.Write([]byte("held up "))
		_, _ = b.Write([]byte("the other way"))
		answer := make([]byte, 100)
		if got, err := a.Read(
			answer,
		); string(answer[:got]) != "the other way" || err != nil ||
			time.Since(start) > 8*time.Second {
			t.Errorf("read %q, %v after %v", answer[:got], err, time.Since(start))
		}
		_ = a.Close()
		if got, err := io.ReadAll(b); string(got) != "on its way held up " || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("it all arrived after %v, want 10s", took)
		}
		if struck := n.Links(); len(struck) == 1 && !struck[0].Struck().IsZero() {
			t.Error("a link that only held something up is not struck")
		}
	})
}
