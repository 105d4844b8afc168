package wsconn_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/exchange/wsconn"
	"federation-agent/internal/sandbox/memnet"
)

const token = "s3cr3t-token-0123456789"

// refused dials and returns the error, which must be a *DialError in one line without a secret.
func refused(ctx context.Context, t *testing.T, options wsconn.Options) *wsconn.DialError {
	t.Helper()
	options.Header = http.Header{"Authorization": {"bearer " + token}}
	conn, err := wsconn.Dial(ctx, options)
	var fault *wsconn.DialError
	if !errors.As(err, &fault) {
		if conn != nil {
			conn.Abort(errors.New("it was not refused"))
		}
		t.Fatalf("dialled, or failed with another type: %v", err)
	}
	text := fmt.Sprintf("%v %+v", err, *fault)
	if strings.Contains(text, token) {
		t.Errorf("the error shows the token: %s", text)
	}
	if strings.ContainsAny(err.Error(), "\n\r\x00\x1b") || len(err.Error()) > 700 {
		t.Errorf("not a readable line: %q", err)
	}
	return fault
}

func TestARefusedUpgradeSaysWhatToCheck(t *testing.T) {
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		class   *wsconn.Class
		status  int
		refusal bool
		says    string
	}{
		"401": {status(401), wsconn.ClassUnauthorized, 401, true, "check the token"},
		"403": {status(403), wsconn.ClassForbidden, 403, true, "firewalls"},
		"404": {status(404), wsconn.ClassNotFound, 404, true, "check the endpoint"},
		"407": {status(407), wsconn.ClassProxyAuth, 407, true, "a proxy wants credentials"},
		"410": {status(410), wsconn.ClassGone, 410, true, "controller is stopping"},
		"500": {status(500), wsconn.ClassServerError, 500, true, "check APIM's log"},
		"502": {status(502), wsconn.ClassUnavailable, 502, false, "APIM is not there"},
		"503": {status(503), wsconn.ClassUnavailable, 503, false, "APIM is not there"},
		"200": {status(200), wsconn.ClassNoWebSocket, 200, true, "no websocket"},
		"418": {status(418), wsconn.ClassNoWebSocket, 418, true, "no websocket"},
		"a proxy's page": {
			page(200, "text/html; charset=utf-8", "<h1>Welcome</h1>"), wsconn.ClassNoWebSocket, 200, true, "HTML page",
		},
		"an untyped page": {
			page(404, "text/plain", "\n <!DOCTYPE html><p>default backend"), wsconn.ClassNotFound, 404, true, "HTML page",
		},
		"a redirect": {
			redirect("https://sso.example.com/login?state=secret"), wsconn.ClassRedirect, 302, true,
			"https://sso.example.com/login",
		},
		"a redirect's end":  {redirect(""), wsconn.ClassRedirect, 302, true, "redirects are not followed"},
		"a wrong accept":    {wrongAccept, wsconn.ClassNoWebSocket, 101, true, "no websocket"},
		"a page that leaks": {echo, wsconn.ClassUnauthorized, 401, true, "check the token"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.answer)
			defer server.Close()
			fault := refused(t.Context(), t, wsconn.Options{URL: "ws" + strings.TrimPrefix(server.URL, "http")})
			if fault.Class != c.class || fault.Status != c.status || fault.Refusal() != c.refusal {
				t.Errorf("class %q, status %d, refusal %v", fault.Class, fault.Status, fault.Refusal())
			}
			if !strings.Contains(fault.Error(), c.says) {
				t.Errorf("%q does not say %q", fault, c.says)
			}
			if strings.Contains(fault.Error()+fault.Location, "state=secret") {
				t.Errorf("the redirect's query is shown: %v", fault)
			}
		})
	}
}

func TestAnExtensionThatWasNotAskedForIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		lines string
		class *wsconn.Class
		says  string
	}{
		"permessage-deflate": {
			"Sec-WebSocket-Extensions: permessage-deflate\r\n", wsconn.ClassExtension,
			"the server enabled a websocket extension that was not asked for: permessage-deflate; check the proxies",
		},
		"one that the library would take": {
			"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n",
			wsconn.ClassExtension, "not asked for: permessage-deflate; server_no_context_takeover",
		},
		"one that the library does not know": {
			"sec-websocket-extensions: x-webkit-deflate-frame\r\n", wsconn.ClassExtension, "not asked for: x-webkit-deflate-frame",
		},
		"several": {
			"Sec-WebSocket-Extensions: a\r\nSec-WebSocket-Extensions: b; x=" + token + "\r\n", wsconn.ClassExtension,
			"not asked for: a, b; x=",
		},
		"and it is no websocket at all": {
			"Sec-WebSocket-Extensions: a\r\nSec-WebSocket-Accept: wrong\r\n", wsconn.ClassNoWebSocket, "no websocket",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, _, _ := w.(http.Hijacker).Hijack()
				defer conn.Close()
				sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
				answer := fmt.Sprintf(upgradeAnswer, base64.StdEncoding.EncodeToString(sum[:]))
				if strings.Contains(c.lines, "Accept") {
					answer = strings.Replace(answer, "Sec-WebSocket-Accept", "X-Accept", 1)
				}
				_, _ = io.WriteString(conn, strings.TrimSuffix(answer, "\r\n")+c.lines+"\r\n")
			}))
			defer server.Close()
			fault := refused(t.Context(), t, wsconn.Options{URL: "ws" + strings.TrimPrefix(server.URL, "http")})
			if fault.Class != c.class || fault.Status != 101 || !fault.Refusal() || !strings.Contains(fault.Error(), c.says) {
				t.Errorf("class %q, status %d: %v", fault.Class, fault.Status, fault)
			}
		})
	}
}

func status(code int) http.HandlerFunc { return page(code, "application/json", `{"message":"no"}`) }

func page(code int, mediaType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if to != "" {
			w.Header().Set("Location", to)
		}
		w.WriteHeader(http.StatusFound)
	}
}

func wrongAccept(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = fmt.Fprintf(conn, upgradeAnswer, "AAAA")
	_ = conn.Close()
}

func TestAnAnswerThatIsNoHTTPShowsNoSecret(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 403 Forbidden\r\nX-Echo: \x1b%s\r\n\r\n", r.Header.Get("Authorization"))
	}))
	defer server.Close()
	fault := refused(t.Context(), t, wsconn.Options{URL: "ws" + strings.TrimPrefix(server.URL, "http")})
	if !strings.Contains(fault.Error(), "[redacted]") {
		t.Errorf("the error does not show the line that cannot be read: %v", fault)
	}
}

// echo is a page that shows the request, as some proxies' pages do.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "proxy \u00a0 "+r.Header.Get("Authorization")+strings.Repeat(" x", 200))
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = fmt.Fprintf(w, "\x1b[31mdenied\r\n\x00 %s %s", r.Header.Get("Authorization"), strings.Repeat("x", 5000))
}

func TestTheAnswersTextIsShortAndPrintable(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	fault := refused(t.Context(), t, wsconn.Options{URL: "ws" + strings.TrimPrefix(server.URL, "http")})
	if !strings.HasPrefix(fault.Server, "proxy [redacted] x x") || len([]rune(fault.Server)) != 61 {
		t.Errorf("server %q", fault.Server)
	}
}

func TestATLSFaultSaysWhatToCheck(t *testing.T) {
	server := httptest.NewUnstartedServer(status(404))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	plain := httptest.NewServer(status(404))
	defer plain.Close()
	strict := httptest.NewUnstartedServer(status(404))
	strict.Config.ErrorLog = log.New(io.Discard, "", 0)
	strict.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	strict.StartTLS()
	defer strict.Close()
	mutual := httptest.NewUnstartedServer(status(404))
	mutual.Config.ErrorLog = log.New(io.Discard, "", 0)
	mutual.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, VerifyConnection: func(tls.ConnectionState) error {
		return errors.New("no certificate is good enough")
	}}
	mutual.StartTLS()
	defer mutual.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())

	address := func(s *httptest.Server) string { return "wss://" + s.Listener.Addr().String() }
	for name, c := range map[string]struct {
		url    string
		config *tls.Config
		says   string
	}{
		"an unknown authority": {address(server), nil, "set integration.connector.ws.ssl.truststore"},
		"another host name": {
			address(server), &tls.Config{RootCAs: trusted, ServerName: "other.test"}, "another host name",
		},
		"an expired one": {
			address(server),
			&tls.Config{RootCAs: trusted, Time: func() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }},
			"expired",
		},
		"no TLS there": {address(plain), nil, "does not speak TLS"},
		"no version in common": {
			address(strict), &tls.Config{RootCAs: trusted, MaxVersion: tls.VersionTLS12}, "refused the TLS handshake",
		},
		"no client certificate": {
			address(mutual), &tls.Config{RootCAs: trusted}, "set integration.connector.ws.ssl.keystore.type, .path and .password",
		},
		"a client certificate that is refused": {
			address(mutual), &tls.Config{RootCAs: trusted, GetClientCertificate: anyCertificate(server)}, "APIM trusts its issuer",
		},
	} {
		t.Run(name, func(t *testing.T) {
			fault := refused(t.Context(), t, wsconn.Options{URL: c.url, TLS: c.config})
			class := cmp.Or(map[string]*wsconn.Class{
				"no client certificate":                wsconn.ClassNoCertificate,
				"a client certificate that is refused": wsconn.ClassCertificateRefused,
			}[name], wsconn.ClassTLS)
			if fault.Class != class || !fault.Refusal() || !strings.Contains(fault.Error(), c.says) {
				t.Errorf("class %q: %v", fault.Class, fault)
			}
		})
	}
}

// anyCertificate shows the server's own certificate as a client's.
func anyCertificate(server *httptest.Server) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &server.TLS.Certificates[0], nil }
}

func TestAConnectionOverTLSWorks(t *testing.T) {
	accepted := make(chan *peer, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	server.StartTLS()
	config := server.TLS.Clone()
	config.NextProtos = []string{"h2", "http/1.1"} // the server prefers HTTP/2, which has no such upgrade
	certificate := server.Certificate()
	server.Close()

	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			p, _ := accept(t, conn)
			accepted <- p
		}
	}()
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	conn, err := wsconn.Dial(t.Context(), wsconn.Options{
		URL: "wss://" + listener.Addr().String() + "/x", TLS: &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	handler, p, done := newRecorder(), <-accepted, make(chan []string, 1)
	if protocol := p.conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; protocol != "http/1.1" {
		t.Errorf("negotiated %q", protocol)
	}
	handler.start(conn)
	go func() { done <- p.serve() }()
	delivered := make(chan wsconn.Outcome, 1)
	_ = conn.SendBefore(time.Time{}, func(o wsconn.Outcome) { delivered <- o }, []byte(strings.Repeat("x", 300_000)))
	if o := <-delivered; o != wsconn.Delivered {
		t.Errorf("%v", o)
	}
	conn.Close(1000, "")
	if info := <-handler.closed; info != (wsconn.CloseInfo{Code: 1000}) {
		t.Errorf("%+v", info)
	}
	if messages := <-done; len(messages) != 1 || len(messages[0]) != 300_000 {
		t.Errorf("%d messages arrived", len(messages))
	}
}

func TestAMissingAnswerIsNoRefusal(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	dialError := func(err error) func(context.Context, string, string) (net.Conn, error) {
		return func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
		}
	}
	unknownName := &net.DNSError{Err: "no such host", Name: "apim.test", IsNotFound: true}
	for name, c := range map[string]struct {
		options wsconn.Options
		class   *wsconn.Class
		says    string
	}{
		"nothing listens": {wsconn.Options{URL: "ws://" + closed.Addr().String()}, wsconn.ClassRefused, "host and port"},
		"the name is unknown": {
			wsconn.Options{URL: "ws://apim.test", NetDial: dialError(unknownName)}, wsconn.ClassDNS, "host name",
		},
		"no route": {
			wsconn.Options{URL: "ws://apim.test", NetDial: dialError(syscall.ENETUNREACH)}, wsconn.ClassUnreachable, "network",
		},
		"the kernel gave up": {
			wsconn.Options{URL: "ws://apim.test", NetDial: dialError(syscall.ETIMEDOUT)}, wsconn.ClassTimeout, "in time",
		},
		"it hangs up": {wsconn.Options{URL: "ws://apim.test", NetDial: answers("")}, wsconn.ClassNoAnswer, "hung up"},
		"it speaks SSH": {
			wsconn.Options{URL: "ws://apim.test", NetDial: answers("SSH-2.0-OpenSSH\x1b[0m\r\n")},
			wsconn.ClassNoAnswer, "speaks no HTTP",
		},
		"it never stops": {
			wsconn.Options{URL: "ws://apim.test", NetDial: answers("HTTP/1.1 101 OK\r\nX: " + strings.Repeat("x", 1<<20))},
			wsconn.ClassNoAnswer, "does not end",
		},
	} {
		t.Run(name, func(t *testing.T) {
			fault := refused(t.Context(), t, c.options)
			if fault.Class != c.class || fault.Refusal() || !strings.Contains(fault.Error(), c.says) {
				t.Errorf("class %q, refusal %v: %v", fault.Class, fault.Refusal(), fault)
			}
		})
	}
}

// answers dials a peer that reads a request, answers with a text, and hangs up.
func answers(text string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		dialer, listener := memnet.Pipe(memnet.NoPlan())
		go func() {
			_, _ = http.ReadRequest(bufio.NewReader(listener))
			_, _ = io.WriteString(listener, text)
			_ = listener.Close()
		}()
		return dialer, nil
	}
}

func TestFaultyOptionsHaveTheirOwnClass(t *testing.T) {
	for name, options := range map[string]wsconn.Options{
		"no URL":           {},
		"another scheme":   {URL: "https://h"},
		"user information": {URL: "ws://user:" + token + "@h"},
	} {
		if fault := refused(t.Context(), t, options); fault.Class != wsconn.ClassOptions {
			t.Errorf("%s: class %q: %v", name, fault.Class, fault)
		}
	}
	_, err := wsconn.Dial(t.Context(), wsconn.Options{URL: "ws://h", Header: http.Header{"Upgrade": {"x"}}})
	var fault *wsconn.DialError
	if !errors.As(err, &fault) || fault.Class != wsconn.ClassOptions {
		t.Errorf("a header that the websocket sets itself: %v", err)
	}
}

func TestDiallingEndsAfterTheHandshakeTimeout(t *testing.T) {
	swallow, hang := memnet.NoPlan(), memnet.NoPlan()
	swallow.ToListener.BlackHoleAfter = 0
	hang.DialHangs = true
	for name, plan := range map[string]memnet.Plan{"the dial hangs": hang, "nothing is answered": swallow} {
		for _, url := range []string{"ws://x:1", "wss://x:1"} {
			t.Run(name+" "+url, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					network := memnet.New(func(memnet.ID) memnet.Plan { return plan })
					listener, _ := network.Listen("x:1")
					defer func() { _ = listener.Close() }()
					start := time.Now()
					fault := refused(context.Background(), t, wsconn.Options{URL: url, NetDial: network.Dial})
					if fault.Class != wsconn.ClassTimeout || fault.Refusal() || time.Since(start) != wsconn.HandshakeTimeout {
						t.Errorf("%v after %v", fault, time.Since(start))
					}
				})
			})
		}
	}
}

func TestDiallingEndsWithItsContext(t *testing.T) {
	for _, url := range []string{"ws://x:1", "wss://x:1"} {
		synctest.Test(t, func(t *testing.T) {
			network := memnet.New(nil)
			listener, _ := network.Listen("x:1")
			defer func() { _ = listener.Close() }()
			ctx, cancel := context.WithCancel(context.Background())
			start := time.Now()
			time.AfterFunc(time.Second, cancel)
			fault := refused(ctx, t, wsconn.Options{URL: url, NetDial: network.Dial})
			if fault.Class != wsconn.ClassCancelled || !errors.Is(fault, context.Canceled) || time.Since(start) != time.Second {
				t.Errorf("%v after %v", fault, time.Since(start))
			}
		})
	}
}
