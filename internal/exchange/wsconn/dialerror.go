package wsconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"unicode"

	"federation-agent/internal/secret"
)

// Class tells why a connection could not be opened, by what the user must check.
type Class string

// The classes.
const (
	ClassCancelled    Class = "cancelled"
	ClassOptions      Class = "options"
	ClassDNS          Class = "dns"
	ClassRefused      Class = "connection refused"
	ClassTimeout      Class = "timeout"
	ClassUnreachable  Class = "unreachable"
	ClassTLS          Class = "tls"
	ClassNoAnswer     Class = "no answer"
	ClassUnauthorized Class = "unauthorized"
	ClassForbidden    Class = "forbidden"
	ClassNotFound     Class = "not found"
	ClassProxyAuth    Class = "proxy authentication"
	ClassGone         Class = "gone"
	ClassServerError  Class = "server error"
	ClassUnavailable  Class = "unavailable"
	ClassRedirect     Class = "redirect"
	ClassNoWebSocket  Class = "not a websocket"
)

// DialError says why a connection could not be opened. It holds no header that was sent.
type DialError struct {
	Class Class
	// Status is the HTTP status of the answer, 0 where there was none.
	Status int
	// Body is the beginning of the answer, at most 200 printable characters, without the secrets that were sent.
	Body string
	// HTML tells that the answer is a page for humans: a proxy, a login page or an ingress answered, not APIM.
	HTML bool
	// Location is where a redirect points, without query and credentials. It is not followed.
	Location string
	// Server is who says to have answered (the Server header).
	Server string
	// Err is the fault beneath, nil for an HTTP answer.
	Err error
}

// Error implements error: what happened and what to check.
func (e *DialError) Error() string {
	var text strings.Builder
	switch {
	case e.Status != 0:
		fmt.Fprintf(&text, "the upgrade was answered with %d", e.Status)
		if name := http.StatusText(e.Status); name != "" {
			text.WriteString(" " + name)
		}
		if e.Server != "" {
			text.WriteString(" by " + e.Server)
		}
	case e.Err != nil:
		text.WriteString(e.Err.Error())
	default:
		text.WriteString(string(e.Class))
	}
	return text.String() + ": " + e.Advice()
}

// Unwrap gives the fault beneath.
func (e *DialError) Unwrap() error { return e.Err }

// Refusal reports whether something answered and said no, so that trying again soon helps nobody. A lost network, a name that does
// not resolve and a gateway without a backend (502, 503, 504) are no refusals.
func (e *DialError) Refusal() bool {
	switch e.Class {
	case ClassCancelled, ClassDNS, ClassRefused, ClassTimeout, ClassUnreachable, ClassNoAnswer, ClassUnavailable:
		return false
	}
	return true
}

// Advice tells in one sentence what to check.
func (e *DialError) Advice() string {
	advice := e.advice()
	if e.HTML {
		advice += "; the answer is an HTML page, so a proxy, a login page or an ingress answered in APIM's place"
	}
	return advice
}

func (e *DialError) advice() string {
	switch e.Class {
	case ClassCancelled:
		return "the agent gave the attempt up"
	case ClassOptions:
		return "check the endpoint and the configured headers"
	case ClassDNS:
		return "check the endpoint's host name and this machine's DNS"
	case ClassRefused:
		return "nothing listens there: check the endpoint's host and port, and that APIM runs"
	case ClassTimeout:
		return "nothing answered in time: check the endpoint's host and port, firewalls, and whether only a proxy leads there, which this version cannot use"
	case ClassUnreachable:
		return "check this machine's network, firewalls, and whether only a proxy leads there, which this version cannot use"
	case ClassTLS:
		return tlsAdvice(e.Err)
	case ClassNoAnswer:
		return "what listens there speaks no HTTP or hung up: check the port, and http against https in the endpoint"
	case ClassUnauthorized:
		return "check the token in the Authorization header (integration.connector.ws.headers; bearer, not expired, of this organization) and that APIM's licence includes federation"
	case ClassForbidden:
		return "something before APIM forbids the request: check firewalls, and that the endpoint is the integration controller's"
	case ClassNotFound:
		return "no integration controller at this path: check the endpoint (usually https://HOST/integration-controller; APIM itself listens on 8072 without a path) and that federation is enabled in APIM"
	case ClassProxyAuth:
		return "a proxy answered in APIM's place and wants credentials: check the endpoint; this version cannot go through a proxy"
	case ClassGone:
		return "the controller is stopping; another node may answer soon"
	case ClassServerError:
		return "APIM failed while it checked the token: check APIM's log, and the token"
	case ClassUnavailable:
		return "a gateway answered that APIM is not there: check that APIM's integration controller runs"
	case ClassRedirect:
		if e.Location != "" {
			return "redirects are not followed, for the token would go along: check the endpoint, it points to " + e.Location
		}
		return "redirects are not followed, for the token would go along: check the endpoint"
	}
	return "what answered is no websocket: check the endpoint, and that proxies and load balancers on the way let websockets pass"
}

func tlsAdvice(err error) string {
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &authority):
		return "the server's certificate is signed by an authority that this machine does not trust: add it to the trust store"
	case errors.As(err, &hostname):
		return "the server's certificate is for another host name: check the endpoint's host"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not valid yet: renew it, or check this machine's clock"
	case errors.As(err, &invalid):
		return "the server's certificate may not be used for this: check it, and the trust store"
	case errors.As(err, &record):
		return "the server does not speak TLS on this port: check the port, and http against https in the endpoint"
	case isAlert(err):
		return "the server refused the TLS handshake: check whether it asks for a client certificate, and its TLS versions"
	}
	return "the TLS handshake failed: check the port, certificates, and proxies on the way"
}

// isAlert reports whether the peer ended TLS with an alert. crypto/tls has no exported type for that, but this operation's name. With
// TLS 1.3 an alert over a missing client certificate comes only after the handshake, in place of an answer.
func isAlert(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "remote error"
}

// phase is how far an attempt came before it failed without an HTTP answer.
type phase uint8

const (
	phasePreparing phase = iota // no connection was asked for: URL or headers are at fault
	phaseDialing                // no connection was had
	phaseTalking                // a connection was had
)

// withoutAnswer makes the error of an attempt that no HTTP answer came to. cause is why its context ended, or nil.
func withoutAnswer(reached phase, cause, err error) *DialError {
	class := classify(reached, cause, err)
	if (class == ClassTimeout || class == ClassCancelled) && cause != nil {
		err = cause // what the interrupted call says of it ("use of closed network connection") misleads
	}
	return &DialError{Class: class, Err: boundedError(err)}
}

func classify(reached phase, cause, err error) Class {
	var dns *net.DNSError
	var secured *tlsError
	switch {
	case errors.Is(cause, context.Canceled):
		return ClassCancelled
	case reached == phasePreparing:
		return ClassOptions
	case errors.As(err, &dns):
		return ClassDNS
	case cause != nil, errors.Is(err, os.ErrDeadlineExceeded):
		return ClassTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return ClassRefused
	case reached == phaseDialing:
		var network net.Error
		if errors.As(err, &network) && network.Timeout() {
			return ClassTimeout
		}
		return ClassUnreachable
	case errors.As(err, &secured), isAlert(err):
		return ClassTLS
	}
	return ClassNoAnswer
}

// answered makes the error of an attempt that was answered, but not with a websocket.
func answered(options Options, response *http.Response) *DialError {
	body := readSnippet(response)
	hide := secretsOf(options.Header)
	mediaType := strings.ToLower(response.Header.Get("Content-Type"))
	e := &DialError{
		Class:  classOfStatus(response.StatusCode),
		Status: response.StatusCode,
		Body:   printable(hide.Replace(string(body)), maxSnippet),
		HTML:   strings.Contains(mediaType, "html") || looksLikeHTML(body),
		Server: printable(hide.Replace(response.Header.Get("Server")), maxServerName),
	}
	if e.Class == ClassRedirect {
		e.Location = printable(hide.Replace(redirectTarget(response)), maxSnippet)
	}
	return e
}

func classOfStatus(status int) Class {
	switch status {
	case http.StatusUnauthorized:
		return ClassUnauthorized
	case http.StatusForbidden:
		return ClassForbidden
	case http.StatusNotFound:
		return ClassNotFound
	case http.StatusProxyAuthRequired:
		return ClassProxyAuth
	case http.StatusGone:
		return ClassGone
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return ClassUnavailable
	}
	switch {
	case status >= 300 && status < 400:
		return ClassRedirect
	case status >= 500:
		return ClassServerError
	}
	return ClassNoWebSocket
}

// redirectTarget is where a redirect points, without its query and credentials, which may be a login's state.
func redirectTarget(response *http.Response) string {
	target, err := response.Location()
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: target.Scheme, Host: target.Host, Path: target.Path}).String()
}

const (
	// maxSnippet and maxServerName, in characters, keep a log line readable.
	maxSnippet    = 200
	maxServerName = 60
	// minSecret is the shortest header value that is hidden: shorter ones are words such as "v1".
	minSecret = 8
)

// secretsOf hides what was sent in headers, should a proxy's page repeat it: each value, and each word of it ("bearer TOKEN").
func secretsOf(header http.Header) *strings.Replacer {
	var pairs []string
	for _, values := range header {
		for _, value := range values {
			for _, text := range append([]string{strings.TrimSpace(value)}, strings.Fields(value)...) {
				if len(text) >= minSecret {
					pairs = append(pairs, text, secret.Redacted)
				}
			}
		}
	}
	return strings.NewReplacer(pairs...)
}

func looksLikeHTML(body []byte) bool {
	start := strings.ToLower(strings.TrimSpace(string(body[:min(len(body), maxSnippet)])))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html")
}

// printable turns text from outside into at most limit harmless characters on one line.
func printable(text string, limit int) string {
	var out strings.Builder
	count := 0
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		if count > 0 {
			out.WriteByte(' ')
			count++
		}
		for _, r := range word {
			if count >= limit {
				return out.String() + "…"
			}
			out.WriteRune(r)
			count++
		}
	}
	return out.String()
}

// bounded is an error whose text may quote what a peer sent.
type bounded struct{ err error }

func (e bounded) Error() string { return printable(e.err.Error(), maxSnippet) }
func (e bounded) Unwrap() error { return e.err }

func boundedError(err error) error {
	if err == nil {
		return nil
	}
	return bounded{err}
}
