package wsconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"unicode"

	"github.com/gorilla/websocket"

	"federation-agent/internal/proxy"
	"federation-agent/internal/secret"
)

// Class says why a connection could not be opened, by what the user must check.
type Class struct {
	name    string
	refusal bool // see [DialError.Refusal]
	advice  string
}

// String implements fmt.Stringer.
func (c *Class) String() string { return c.name }

// The classes.
var (
	ClassCancelled = &Class{"cancelled", false, "the agent cancelled the attempt"}
	ClassOptions   = &Class{"options", true, "check the endpoint and the configured headers"}
	ClassDNS       = &Class{"dns", false, "check the endpoint's host name and this machine's DNS"}
	ClassRefused   = &Class{"connection refused", false,
		"no program listens there: check the endpoint's host and port, and whether APIM runs"}
	ClassTimeout = &Class{"timeout", false,
		"there was no answer in time: check the endpoint's host and port, firewalls, and whether only a " +
			"proxy leads there (integration.connector.ws.proxy)"}
	ClassUnreachable = &Class{"unreachable", false,
		"check this machine's network, firewalls, and whether only a proxy leads there " +
			"(integration.connector.ws.proxy)"}
	ClassTLS = &Class{"tls", true,
		"the TLS handshake failed: check the port, certificates, and proxies on the way"}
	ClassNoCertificate = &Class{"no client certificate", true,
		"the server asks for a client certificate: set integration.connector.ws.ssl.keystore.type, .path and .password"}
	ClassCertificateRefused = &Class{"client certificate refused", true,
		"the server refused this agent's client certificate: check that it has not expired, that APIM trusts its " +
			"issuer, and which key of integration.connector.ws.ssl.keystore it is (alias)"}
	ClassNoAnswer = &Class{"no answer", false,
		"the program that listens there speaks no HTTP or hung up: check the port, and http against https in " +
			"the endpoint"}
	ClassUnauthorized = &Class{"unauthorized", true,
		"check the token in the Authorization header (integration.connector.ws.headers): it must follow the word bearer, " +
			"be of this organization, and be neither expired nor deleted; if a new token is refused, too, APIM's licence " +
			"lacks federation"}
	ClassForbidden = &Class{"forbidden", true,
		"a proxy or firewall before APIM forbids the request: check firewalls, and that the endpoint is the " +
			"integration controller's"}
	ClassNotFound = &Class{"not found", true,
		"there is no integration controller at this path: check the endpoint (usually " +
			"https://HOST/integration-controller; APIM itself listens on 8072 without a path) and that " +
			"federation is enabled in APIM"}
	ClassProxyAuth = &Class{"proxy authentication", true,
		"a proxy wants credentials, or other ones: set enabled, host, port, username and password of " + ownProxy}
	ClassProxyUnreachable = &Class{"proxy unreachable", false,
		"check host and port of " + ownProxy + ", and that the proxy runs"}
	ClassProxyForbids = &Class{"proxy forbids", true,
		"let the proxy allow CONNECT to the endpoint's host and port, or check the endpoint"}
	ClassProxyNoTarget = &Class{"proxy cannot reach APIM", false,
		"check the endpoint's host and port as the proxy sees them: its DNS, its firewalls"}
	ClassNoProxy = &Class{"not a proxy", true,
		"check type, host and port of " + ownProxy}
	ClassGone        = &Class{"gone", true, "the controller is stopping; another node may answer soon"}
	ClassServerError = &Class{"server error", true,
		"APIM failed while it checked the token: check APIM's log, and the token"}
	ClassUnavailable = &Class{"unavailable", false,
		"a gateway answered that APIM is not there: check that APIM's integration controller runs"}
	ClassRedirect = &Class{"redirect", true,
		"redirects are not followed, because the token would be sent there too: check the endpoint"}
	ClassExtension = &Class{"unasked extension", true,
		"the server enabled a websocket extension that was not asked for"}
	ClassNoWebSocket = &Class{"not a websocket", true,
		"the answer is no websocket: check the endpoint, and that proxies and load balancers on the way let " +
			"websockets pass"}
)

// ownProxy is what describes the proxy of the session.
const ownProxy = "integration.connector.ws.proxy (or of system.proxy, where useSystemProxy is true)"

// proxyClasses are the classes of what a proxy did not do.
var proxyClasses = map[proxy.Why]*Class{
	proxy.Unreachable: ClassProxyUnreachable, proxy.Credentials: ClassProxyAuth, proxy.Forbidden: ClassProxyForbids,
	proxy.NoTarget: ClassProxyNoTarget, proxy.NoProxy: ClassNoProxy,
}

// statusClasses are the classes of single HTTP statuses. classOfStatus has the ranges.
var statusClasses = map[int]*Class{
	http.StatusUnauthorized:       ClassUnauthorized,
	http.StatusForbidden:          ClassForbidden,
	http.StatusNotFound:           ClassNotFound,
	http.StatusProxyAuthRequired:  ClassProxyAuth,
	http.StatusGone:               ClassGone,
	http.StatusBadGateway:         ClassUnavailable,
	http.StatusServiceUnavailable: ClassUnavailable,
	http.StatusGatewayTimeout:     ClassUnavailable,
}

func classOfStatus(status int) *Class {
	class, single := statusClasses[status]
	switch {
	case single:
		return class
	case status >= 300 && status < 400:
		return ClassRedirect
	case status >= 500:
		return ClassServerError
	}
	return ClassNoWebSocket
}

// DialError says why a connection could not be opened. It holds no header that was sent.
type DialError struct {
	Class *Class
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int
	// HTML says that the answer is a page for humans: a proxy, a login page or an ingress answered, not APIM.
	HTML bool
	// Location is the target of a redirect, without query and credentials. The redirect is not followed.
	Location string
	// Extension is what the server enabled though it was not asked for.
	Extension string
	// Server is the Server header of the answer.
	Server string
	// Err is the cause, nil for an HTTP answer.
	Err error
}

// Error implements error. It says what happened and what to check.
func (e *DialError) Error() string {
	if e.Status == 0 {
		return e.Err.Error() + ": " + e.Advice()
	}
	status := strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)))
	who := "APIM"
	if e.HTML || e.Server != "" {
		who = strings.TrimSpace("the endpoint " + e.Server)
	}
	return who + " answered " + status + " to the websocket upgrade: " + e.Advice()
}

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// Refusal reports whether a peer answered and refused, so that a new attempt soon does not help. A lost network, an
// unknown name, and a gateway without APIM behind it (502, 503, 504) are no refusals.
func (e *DialError) Refusal() bool { return e.Class.refusal }

// Advice says in one sentence what to check.
func (e *DialError) Advice() string {
	advice := e.Class.advice
	if e.Class == ClassTLS {
		advice = tlsAdvice(e.Err)
	}
	if e.Location != "" {
		advice += ", it points to " + e.Location
	}
	if e.Extension != "" {
		advice += ": " + e.Extension + "; check the proxies and load balancers on the way"
	}
	if e.HTML {
		advice += "; the answer is an HTML page, so a proxy, a login page or an ingress answered instead of APIM"
	}
	return advice
}

func tlsAdvice(err error) string {
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "the server's certificate is signed by an authority that this machine does not trust: " +
			"set integration.connector.ws.ssl.truststore to it, or add it to the file that SSL_CERT_FILE names"
	case errors.As(err, new(x509.HostnameError)):
		return "the server's certificate is for another host name: check the endpoint's host, or give APIM a certificate for " +
			"it; integration.connector.ws.ssl.verifyHost=false does without the name"
	case isInvalid && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not valid yet: renew it, or check this machine's clock"
	case isInvalid:
		return "the server's certificate may not be used for this: check it, and " +
			"integration.connector.ws.ssl.truststore"
	case errors.As(err, new(tls.RecordHeaderError)):
		return "the server does not speak TLS on this port: check the port, and http against https in the endpoint"
	case isAlert(err):
		return "the server refused the TLS handshake: check its TLS versions and cipher suites"
	}
	return ClassTLS.advice
}

// isAlert reports whether the peer ended TLS with an alert. crypto/tls exports no type for an alert, only this
// operation's name. With TLS 1.3, the alert about a missing client certificate comes only after the handshake, instead
// of an answer.
func isAlert(err error) bool {
	operation, ok := errors.AsType[*net.OpError](err)
	return ok && operation.Op == "remote error"
}

// withoutAnswer makes the error of an attempt without an HTTP answer. cause is the error of its context, or nil.
func (a *attempt) withoutAnswer(cause, err error) *DialError {
	class := a.classify(cause, err)
	if (class == ClassTimeout || class == ClassCancelled) && cause != nil {
		err = cause // the interrupted call's own error ("use of closed network connection") would mislead
	}
	return &DialError{Class: class, Err: quoting{err, secretsOf(a.options.Header)}}
}

func (a *attempt) classify(cause, err error) *Class {
	byProxy, ofProxy := errors.AsType[*proxy.Error](err)
	switch {
	case errors.Is(cause, context.Canceled):
		return ClassCancelled
	case !a.dialled:
		return ClassOptions
	case ofProxy:
		return proxyClasses[byProxy.Why]
	case errors.As(err, new(*net.DNSError)):
		return ClassDNS
	case cause != nil, errors.Is(err, os.ErrDeadlineExceeded):
		return ClassTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return ClassRefused
	case a.raw == nil && isTimeout(err):
		return ClassTimeout
	case a.raw == nil:
		return ClassUnreachable
	case a.asked && !a.shown: // by an alert, or by hanging up
		return ClassNoCertificate
	case a.asked && (isAlert(err) || errors.Is(err, syscall.ECONNRESET)): // a reset may overtake the alert
		return ClassCertificateRefused
	case a.tlsFault, isAlert(err):
		return ClassTLS
	}
	return ClassNoAnswer
}

func isTimeout(err error) bool {
	network, ok := errors.AsType[net.Error](err)
	return ok && network.Timeout()
}

// answered makes the error of an attempt with an HTTP answer that is not the websocket that was asked for. err is the
// websocket library's, or nil.
func answered(options Options, response *http.Response, err error) *DialError {
	body, _ := io.ReadAll(response.Body) // the first kilobyte, which gorilla has kept
	hide := secretsOf(options.Header)
	mediaType := strings.ToLower(response.Header.Get("Content-Type"))
	e := &DialError{
		Class:  classOfStatus(response.StatusCode),
		Status: response.StatusCode,
		HTML:   strings.Contains(mediaType, "html") || looksLikeHTML(body),
		Server: printable(hide.Replace(response.Header.Get("Server")), maxServerName),
	}
	if names := response.Header.Values(extensionsHeader); len(names) > 0 && !errors.Is(err, websocket.ErrBadHandshake) {
		e.Class = ClassExtension
		e.Extension = printable(hide.Replace(strings.Join(names, ", ")), maxSnippet)
	}
	if target, err := response.Location(); err == nil && e.Class == ClassRedirect {
		// Without its query and credentials, which may be the state of a login.
		bare := url.URL{Scheme: target.Scheme, Host: target.Host, Path: target.Path}
		e.Location = printable(hide.Replace(bare.String()), maxSnippet)
	}
	return e
}

const (
	// maxSnippet and maxServerName, in characters, keep a log line readable.
	maxSnippet    = 200
	maxServerName = 60
	// minSecret is the shortest header value that is hidden. Shorter values are words such as "v1".
	minSecret = 8
)

// secretsOf hides the header values that were sent, in case a proxy's page repeats them: each value, and each word of
// it ("bearer TOKEN").
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

// printable turns a peer's text into one line of at most limit printable characters.
func printable(text string, limit int) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
	line := []rune(strings.Join(words, " "))
	if len(line) > limit {
		return string(line[:limit]) + "…"
	}
	return string(line)
}

// quoting is an error whose text may quote a peer, which may repeat the secrets that were sent.
type quoting struct {
	err  error
	hide *strings.Replacer
}

func (e quoting) Error() string { return printable(e.hide.Replace(e.err.Error()), maxSnippet) }
func (e quoting) Unwrap() error { return e.err }
