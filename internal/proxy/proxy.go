// Package proxy opens connections through a proxy: HTTP, by CONNECT, or SOCKS5. The proxy resolves the target's name.
package proxy

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/proxy"

	"federation-agent/internal/secret"
)

// Server is a proxy, and who uses it.
type Server struct {
	// SOCKS5 says that the proxy speaks SOCKS5 instead of HTTP.
	SOCKS5 bool
	Host   string
	Port   int
	// Username and Password are shown where there are any.
	Username string
	Password secret.String
	// Forward opens the connection to the proxy. Nil means a net.Dialer.
	Forward func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Why says what kept a connection from being made.
type Why int

// The reasons.
const (
	// Unreachable is a proxy that cannot be reached.
	Unreachable Why = iota + 1
	// Credentials is a proxy that wants a user and a password, or other ones.
	Credentials
	// Forbidden is a proxy that does not let the connection through.
	Forbidden
	// NoTarget is a proxy that cannot reach the target.
	NoTarget
	// NoProxy is something that does not speak as this kind of proxy does.
	NoProxy
)

// Error is a connection that the proxy did not make.
type Error struct {
	Why Why
	// Proxy and Target are addresses.
	Proxy, Target string
	// Err is the cause. It holds no password.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	what := map[Why]string{
		Unreachable: "the proxy %[1]s cannot be reached", Credentials: "the proxy %[1]s asks for credentials",
		Forbidden: "the proxy %[1]s does not let the agent through to %[2]s", NoTarget: "the proxy %[1]s cannot reach %[2]s",
		NoProxy: "%[1]s does not speak as a proxy of the configured type does",
	}[e.Why]
	return fmt.Sprintf(what+": %[3]v", e.Proxy, e.Target, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Address is the proxy's host and port.
func (s Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// Dial opens a connection to a target. Its errors are *[Error].
func (s Server) Dial(ctx context.Context, network, target string) (net.Conn, error) {
	fail := func(why Why, err error) error { return &Error{Why: why, Proxy: s.Address(), Target: target, Err: err} }
	s.Password.Refresh(ctx)
	forward := s.Forward
	if forward == nil {
		forward = new(net.Dialer).DialContext
	}
	conn, err := forward(ctx, network, s.Address())
	if err != nil {
		return nil, fail(Unreachable, err)
	}
	// The context ends what is read and written here, and nothing later.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	ask := s.connect
	if s.SOCKS5 {
		ask = s.socks5
	}
	heard := &answer{Conn: conn}
	why, err := ask(ctx, heard, target)
	if err == nil && stop() {
		return conn, nil
	}
	stop()
	_ = conn.Close()
	if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		// A deadline may be noticed before its context. Most proxies wait for a silent target longer than the agent does.
		why, err = NoTarget, cmp.Or(ctx.Err(), context.DeadlineExceeded)
		if s.SOCKS5 && heard.bytes == 0 { // it would greet before it looks for the target
			why = NoProxy
		}
	}
	return nil, fail(why, err)
}

// connect asks for a tunnel (RFC 9110, 9.3.6).
func (s Server) connect(_ context.Context, conn net.Conn, target string) (Why, error) {
	request := &http.Request{
		Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{},
	}
	request.Header.Set("User-Agent", "federation-agent")
	if s.Username != "" {
		credentials := base64.StdEncoding.EncodeToString([]byte(s.Username + ":" + s.Password.Reveal()))
		request.Header.Set("Proxy-Authorization", "Basic "+credentials)
	}
	if err := request.Write(conn); err != nil {
		return NoProxy, err
	}
	// Nobody sends anything behind the answer before the agent does, so the reader holds back nothing.
	response, err := http.ReadResponse(bufio.NewReaderSize(conn, minRead), request) //nolint:bodyclose // a tunnel has no body; closing would read it
	if err != nil {
		return NoProxy, err
	}
	err = errors.New("it answered with " + strings.TrimSpace(strconv.Itoa(response.StatusCode)+" "+
		http.StatusText(response.StatusCode)))
	switch code := response.StatusCode; {
	case code/100 == 2:
		return 0, nil
	case code == http.StatusProxyAuthRequired:
		return Credentials, err
	case code >= http.StatusInternalServerError:
		return NoTarget, err
	}
	return Forbidden, err
}

const (
	// maxAnswer, in bytes, is more than the header of any proxy's answer.
	maxAnswer = 64 << 10
	// minRead is bufio's smallest buffer: a proxy that sends more in one piece than its answer is none.
	minRead = 16
)

// answer is a connection while the proxy's answer is read: it counts, and limits, its bytes.
type answer struct {
	net.Conn
	bytes int
}

func (a *answer) Read(p []byte) (int, error) {
	if a.bytes >= maxAnswer {
		return 0, errors.New("its answer does not end")
	}
	n, err := a.Conn.Read(p[:min(len(p), maxAnswer-a.bytes)])
	a.bytes += n
	return n, err
}

// through gives the connection that is there already.
type through struct{ conn net.Conn }

func (t through) Dial(string, string) (net.Conn, error) { return t.conn, nil }

func (t through) DialContext(context.Context, string, string) (net.Conn, error) { return t.conn, nil }

// socks5 asks as RFC 1928 and 1929 say.
func (s Server) socks5(ctx context.Context, conn net.Conn, target string) (Why, error) {
	var auth *proxy.Auth
	if s.Username != "" {
		auth = &proxy.Auth{User: s.Username, Password: s.Password.Reveal()}
	}
	dialer, err := proxy.SOCKS5("tcp", s.Address(), auth, through{conn})
	if err != nil {
		return NoProxy, err
	}
	_, err = dialer.(proxy.ContextDialer).DialContext(ctx, "tcp", target) //nolint:forcetypeassert // documented
	if err == nil {
		return 0, nil
	}
	if cause, ok := errors.AsType[*net.OpError](err); ok {
		err = cause.Err // without the addresses, which the message has already
	}
	return whyOf(err), err
}

// whyOf reads the library's text, because that is all it gives.
func whyOf(err error) Why {
	text := err.Error()
	for part, why := range map[string]Why{
		"authentication": Credentials, "not allowed by ruleset": Forbidden, "unreachable": NoTarget,
		"connection refused": NoTarget, "TTL expired": NoTarget, "general SOCKS server failure": NoTarget,
	} {
		if strings.Contains(text, part) {
			return why
		}
	}
	return NoProxy
}
