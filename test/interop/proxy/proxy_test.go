package proxy_test

import (
	"io"
	"net"
	"testing"

	"federation-agent/test/interop/proxy"
	"federation-agent/test/loopback"
)

// echo answers everything with itself.
func echo(t *testing.T) string {
	t.Helper()
	return loopback.Listen(t, func(conn net.Conn) {
		_, _ = io.Copy(conn, conn)
		_ = conn.Close()
	})
}

func through(t *testing.T, trigger *proxy.Trigger) (*proxy.Proxy, net.Conn) {
	t.Helper()
	p, err := proxy.New(echo(t), func(n int) *proxy.Trigger {
		if n == 1 {
			return trigger
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	conn, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return p, conn
}

func TestATriggerCutsAtItsPlaceAndNowhereElse(t *testing.T) {
	for name, test := range map[string]struct {
		trigger proxy.Trigger
		sent    []string
		want    string
	}{
		"before a text": {
			proxy.Trigger{Direction: proxy.ToClient, Text: "cd", Action: proxy.CutBefore}, []string{"ab", "cdef"}, "ab",
		},
		"behind a text": {
			proxy.Trigger{Direction: proxy.ToClient, Text: "cd", Action: proxy.CutBehind}, []string{"abcdef"}, "abcd",
		},
		"behind a text in two pieces": {
			proxy.Trigger{Direction: proxy.ToClient, Text: "bc", Action: proxy.CutBehind}, []string{"ab", "cd"}, "abc",
		},
		"behind the second of two": {
			proxy.Trigger{Direction: proxy.ToClient, Text: "x", Nth: 2, Action: proxy.CutBehind}, []string{"x", "yx", "z"},
			"xyx",
		},
		"after so many bytes to the target": {
			proxy.Trigger{Direction: proxy.ToTarget, Bytes: 3, Action: proxy.CutBehind}, []string{"abc", "def"}, "abc"},
		"in one direction after a text in the other": {proxy.Trigger{
			Direction: proxy.ToClient, Text: "go",
			Then: &proxy.Trigger{Direction: proxy.ToTarget, Bytes: 2, Action: proxy.CutBehind},
		}, []string{"..go", "12", "34"}, "..go12"},
	} {
		t.Run(name, func(t *testing.T) {
			p, conn := through(t, &test.trigger)
			var got []byte
			for _, text := range test.sent {
				if _, err := conn.Write([]byte(text)); err != nil {
					break
				}
				// Each piece travels by itself: its echo comes before the next is sent.
				echoed := make([]byte, len(text))
				n, err := io.ReadFull(conn, echoed)
				got = append(got, echoed[:n]...)
				if err != nil {
					break
				}
			}
			if n := <-p.Reached(); n != 1 || string(got) != test.want {
				t.Errorf("connection %d let %q through, want %q", n, got, test.want)
			}
			second, err := net.Dial("tcp", p.Address())
			if err != nil {
				t.Fatal(err)
			}
			defer second.Close() // the test is over
			if _, err := second.Write([]byte("abcdxx")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(second, make([]byte, 6)); err != nil {
				t.Errorf("the second connection: %v", err)
			}
		})
	}
}

func TestASilencedConnectionStaysOpenAndSaysNothing(t *testing.T) {
	p, conn := through(t, nil)
	if _, err := conn.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	p.Silence()
	read := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 1))
		read <- err
	}()
	for range 100 {
		if _, err := conn.Write([]byte("b")); err != nil {
			t.Fatalf("a silenced connection does not take what is written: %v", err)
		}
	}
	select {
	case err := <-read:
		t.Fatalf("something came back: %v", err)
	default:
	}
	p.Cut()
	if err := <-read; err == nil {
		t.Error("a byte came through")
	}
}
