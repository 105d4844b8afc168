package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/proxy"
	"federation-agent/internal/secret"
)

const target = "apim.example:443"

// to makes a server out of a function that plays a proxy on one connection.
func to(play func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			play(far)
			_ = far.Close()
		}()
		return near, nil
	}
}

func server(play func(net.Conn)) proxy.Server {
	return proxy.Server{Host: "proxy.example", Port: 3128, Forward: to(play)}
}

// answers plays an HTTP proxy that gives one answer, and then repeats what it is sent.
func answers(t *testing.T, status string, look func(*http.Request)) func(net.Conn) {
	return func(conn net.Conn) {
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			t.Error(err)
			return
		}
		look(request)
		_, _ = io.WriteString(conn, "HTTP/1.1 "+status+"\r\nTransfer-Encoding: chunked\r\n\r\n")
		_, _ = io.Copy(conn, conn)
	}
}

// socks plays a SOCKS5 proxy: it takes a user and password, if it asks for them, and gives one reply.
func socks(t *testing.T, method, verdict, reply byte) func(net.Conn) {
	return func(conn net.Conn) {
		read := func(n int) []byte {
			b := make([]byte, n)
			if _, err := io.ReadFull(conn, b); err != nil {
				t.Error(err)
			}
			return b
		}
		read(int(read(2)[1])) // version, methods
		_, _ = conn.Write([]byte{5, method})
		switch method {
		case 0xFF:
			return
		case 2:
			user := read(int(read(2)[1]))
			if word := read(int(read(1)[0])); string(user) != "me" || string(word) != "hidden" {
				t.Errorf("%s, %s", user, word)
			}
			_, _ = conn.Write([]byte{1, verdict})
			if verdict != 0 {
				return
			}
		}
		head := read(5)
		if host := read(int(head[4])); string(host) != "apim.example" || head[3] != 3 {
			t.Errorf("asks for %s", host)
		}
		read(2)
		_, _ = conn.Write([]byte{5, reply, 0, 1, 0, 0, 0, 0, 0, 0})
		_, _ = io.Copy(conn, conn)
	}
}

func TestAConnectionIsMadeThroughAProxy(t *testing.T) {
	look := func(r *http.Request) {
		r.Header.Set("Authorization", r.Header.Get("Proxy-Authorization"))
		user, word, ok := r.BasicAuth()
		if r.Method != http.MethodConnect || r.Host != target || !ok || user != "me" || word != "hidden" {
			t.Errorf("%s %s %s %s", r.Method, r.Host, user, word)
		}
	}
	for name, s := range map[string]proxy.Server{
		"HTTP":   server(answers(t, "200 OK", look)),
		"SOCKS5": server(socks(t, 2, 0, 0)),
	} {
		t.Run(name, func(t *testing.T) {
			s.SOCKS5 = name == "SOCKS5"
			s.Username, s.Password = "me", secret.New("hidden")
			conn, err := s.Dial(t.Context(), "tcp", target)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 4)
			if _, err := io.WriteString(conn, "ping"); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != "ping" {
				t.Errorf("%q %v", got, err)
			}
			_ = conn.Close()
		})
	}
}

// renewed is a password that was another one before it was read again.
type renewed struct{ text string }

func (r *renewed) Text() string            { return r.text }
func (r *renewed) Refresh(context.Context) { r.text = "hidden" }

func TestAPasswordThatWasRotatedIsUsedFromTheNextConnectionOn(t *testing.T) {
	s := server(socks(t, 2, 0, 0))
	s.SOCKS5, s.Username, s.Password = true, "me", secret.Live(&renewed{"old"})
	conn, err := s.Dial(t.Context(), "tcp", target)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestAProxyThatMakesNoConnectionSaysWhy(t *testing.T) {
	status := func(line string) func(net.Conn) { return answers(t, line, func(*http.Request) {}) }
	says := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 1000))
			_, _ = io.WriteString(conn, text)
		}
	}
	for name, c := range map[string]struct {
		play  func(net.Conn)
		socks bool
		why   proxy.Why
		says  string
	}{
		"407":               {status("407 Proxy Authentication Required"), false, proxy.Credentials, "asks for credentials"},
		"403":               {status("403 Forbidden"), false, proxy.Forbidden, "does not let the agent through to " + target},
		"503":               {status("503 Service Unavailable"), false, proxy.NoTarget, "cannot reach " + target},
		"no HTTP":           {says("SSH-2.0-x\r\n"), false, proxy.NoProxy, "does not speak as a proxy"},
		"no end":            {says("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 20_000)), false, proxy.NoProxy, "does not speak"},
		"hangs up":          {says(""), false, proxy.NoProxy, "EOF"},
		"no SOCKS5":         {says("HTTP/1.1 400 Bad Request\r\n\r\n"), true, proxy.NoProxy, "unexpected protocol version"},
		"no method":         {socks(t, 0xFF, 0, 0), true, proxy.Credentials, "asks for credentials"},
		"wrong password":    {socks(t, 2, 1, 0), true, proxy.Credentials, "authentication failed"},
		"SOCKS5 forbids":    {socks(t, 2, 0, 2), true, proxy.Forbidden, "ruleset"},
		"SOCKS5 no host":    {socks(t, 2, 0, 4), true, proxy.NoTarget, "host unreachable"},
		"SOCKS5 refused":    {socks(t, 2, 0, 5), true, proxy.NoTarget, "connection refused"},
		"SOCKS5 no CONNECT": {socks(t, 2, 0, 7), true, proxy.NoProxy, "command not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(c.play)
			s.SOCKS5, s.Username, s.Password = c.socks, "me", secret.New("hidden")
			_, err := s.Dial(t.Context(), "tcp", target)
			fault, ok := errors.AsType[*proxy.Error](err)
			if !ok || fault.Why != c.why || !strings.Contains(err.Error(), c.says) ||
				!strings.Contains(err.Error(), "proxy.example:3128") || strings.Contains(err.Error(), "hidden") {
				t.Errorf("why %d: %v", fault.Why, err)
			}
		})
	}
}

func TestAProxyThatIsNotThere(t *testing.T) {
	s := server(nil)
	s.Forward = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") }
	_, err := s.Dial(t.Context(), "tcp", target)
	if fault, ok := errors.AsType[*proxy.Error](err); !ok || fault.Why != proxy.Unreachable {
		t.Errorf("%v", err)
	}
}

func TestASilentProxyEndsWithTheContext(t *testing.T) {
	for isSOCKS, why := range map[bool]proxy.Why{false: proxy.NoTarget, true: proxy.NoProxy} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s := server(func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
			s.SOCKS5 = isSOCKS
			_, err := s.Dial(ctx, "tcp", target)
			if fault, ok := errors.AsType[*proxy.Error](err); !ok || fault.Why != why ||
				!errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
	}
}
