package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/exchange"
	"federation-agent/internal/exchange/wsconn"
)

// The checks of APIM, in the order in which a connection meets them.
const (
	checkName        = "name"
	checkConnection  = "connection"
	checkProxy       = "proxy"
	checkTLS         = "TLS"
	checkUpgrade     = "upgrade"
	checkIntegration = "integration"
)

// apim opens a connection to each endpoint, and asks the first that opens for the integrations.
func (d *doctor) apim(ctx context.Context) (results []Result) {
	var open *wsconn.Conn
	var at string
	for _, endpoint := range d.Config.Connector.Endpoints {
		w := d.wayTo(endpoint)
		conn, err := w.dial(ctx)
		results = append(results, w.results(err)...)
		switch {
		case conn == nil:
		case open == nil:
			open, at = conn, endpoint
		default:
			leave(conn, nil)
		}
	}
	for _, p := range d.Config.Providers {
		r := row{checkIntegration, p.IntegrationID}
		if at == "" {
			results = append(results, r.behind(checkUpgrade))
			continue
		}
		if open == nil {
			var err error
			if open, err = d.wayTo(at).dial(ctx); err != nil {
				results = append(results, r.attention(parts(err)))
				continue
			}
		}
		results = append(results, d.hello(ctx, open, r))
		open = nil
	}
	return results
}

// way is one connection to an endpoint, and how far it came.
type way struct {
	d         *doctor
	endpoint  string
	url       *url.URL
	connected string // the address
	secured   *tls.ConnectionState
	unchecked bool // the certificate is not
}

func (d *doctor) wayTo(endpoint string) *way {
	u, err := url.Parse(endpoint)
	if err != nil { // the configuration has checked it
		u = &url.URL{}
	}
	return &way{d: d, endpoint: endpoint, url: u}
}

func (w *way) dial(ctx context.Context) (*wsconn.Conn, error) {
	dial := w.d.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	connector := w.d.Config.Connector
	options := wsconn.Options{
		URL: exchange.URL(w.endpoint), Header: connector.Header(ctx),
		MaxFrameSize: connector.MaxFrameSize, MaxMessageSize: connector.MaxMessageSize,
		TLS: w.watched(),
		NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err == nil {
				w.connected = conn.RemoteAddr().String()
			}
			return conn, err
		},
	}
	return wsconn.Dial(ctx, options)
}

// watched is the TLS of the sessions, and notes what was agreed upon.
func (w *way) watched() *tls.Config {
	watched := &tls.Config{MinVersion: tls.VersionTLS12}
	if w.d.TLS != nil {
		watched = w.d.TLS().Clone()
	}
	check := watched.VerifyConnection
	w.unchecked = watched.InsecureSkipVerify && check == nil
	watched.VerifyConnection = func(state tls.ConnectionState) error {
		if check != nil {
			if err := check(state); err != nil {
				return err
			}
		}
		w.secured = &state
		return nil
	}
	return watched
}

// steps are the checks of this way.
func (w *way) steps() []string {
	var steps []string
	_, notAddress := netip.ParseAddr(w.url.Hostname())
	switch {
	case w.d.Proxy != "":
		steps = append(steps, checkProxy)
	case notAddress != nil:
		steps = append(steps, checkName, checkConnection)
	default:
		steps = append(steps, checkConnection)
	}
	if w.url.Scheme == "https" {
		steps = append(steps, checkTLS)
	}
	return append(steps, checkUpgrade)
}

// results are those of a connection that opened, or that came as far as its error says.
func (w *way) results(err error) (results []Result) {
	failed := w.failedAt(err)
	for i, step := range w.steps() {
		r := row{step, w.url.Scheme + "://" + w.url.Host}
		switch {
		case step == failed:
			results = append(results, r.attention(parts(err)))
		case slices.Contains(w.steps()[:i], failed):
			results = append(results, r.behind(failed))
		default:
			results = append(results, r.good(w.reached(step, err)))
		}
	}
	return results
}

// reached says what a step has shown.
func (w *way) reached(step string, err error) string {
	address := w.connected
	if op, ok := errors.AsType[*net.OpError](err); ok && address == "" && op.Addr != nil {
		address = op.Addr.String()
	}
	switch step {
	case checkName:
		host, _, _ := net.SplitHostPort(address)
		return "it has the address " + cmp.Or(host, address, "that was tried")
	case checkConnection:
		return "open to " + address
	case checkProxy:
		return w.d.Proxy + " lets it through"
	case checkTLS:
		return w.agreed()
	}
	return "the token is accepted"
}

func (w *way) agreed() string {
	if w.secured == nil || len(w.secured.PeerCertificates) == 0 {
		return "agreed"
	}
	leaf := w.secured.PeerCertificates[0]
	text := fmt.Sprintf("%s; the certificate is valid until %s",
		tls.VersionName(w.secured.Version), leaf.NotAfter.Format(time.DateOnly))
	if w.unchecked {
		text += ", and nobody checks it (ssl.trustAll)"
	}
	return text
}

// failedAt is the step that a connection did not come past; empty if it opened.
func (w *way) failedAt(err error) string {
	failure, ok := errors.AsType[*wsconn.DialError](err)
	if !ok {
		return ""
	}
	first := checkConnection
	if w.d.Proxy != "" {
		first = checkProxy
	}
	switch failure.Class {
	case wsconn.ClassDNS:
		return checkName
	case wsconn.ClassProxyAuth, wsconn.ClassProxyUnreachable, wsconn.ClassProxyForbids, wsconn.ClassProxyNoTarget,
		wsconn.ClassNoProxy, wsconn.ClassRefused, wsconn.ClassUnreachable:
		if failure.Status == 0 { // else something answered the upgrade as a proxy does
			return first
		}
	case wsconn.ClassTLS, wsconn.ClassNoCertificate, wsconn.ClassCertificateRefused:
		return checkTLS
	case wsconn.ClassTimeout, wsconn.ClassCancelled:
		switch {
		case w.connected == "":
			return first
		case w.secured == nil && slices.Contains(w.steps(), checkTLS):
			return checkTLS
		}
	}
	return checkUpgrade
}

// parts are what happened and what to do about it.
func parts(err error) (text, remedy string) {
	failure, ok := errors.AsType[*wsconn.DialError](err)
	if !ok {
		return err.Error(), ""
	}
	remedy = failure.Advice()
	return strings.TrimSuffix(failure.Error(), ": "+remedy), remedy
}

// nobody is a provider that no integration has. A HELLO in its name is refused, and the refusal tells all that is to be
// known: APIM compares the provider last, after the integration, the organization and what the token's account may do.
// An accepted HELLO would make the doctor one of the integration's agents, and the controller sends a command to any
// one of them: a subscription that came to the doctor would be lost.
const nobody = "federation-agent-doctor"

// expected is how APIM names the provider that it has.
var expected = regexp.MustCompile(`Expected provider \[provider=([^\]]*)\]`)

// hello asks APIM for an integration, and leaves.
func (d *doctor) hello(ctx context.Context, conn *wsconn.Conn, r row) Result {
	frames, ended := make(chan []byte, wsconn.Credits), make(chan wsconn.CloseInfo, 1)
	conn.Start(func(m wsconn.Message) {
		conn.Accepted(m)
		select {
		case frames <- m.Data:
		default: // whoever sends so much before it answers is no controller
		}
	}, func(info wsconn.CloseInfo) { ended <- info })
	defer leave(conn, ended)
	id := d.NewID()
	hello := exchange.AppendHelloAs(nil, id, r.about, nobody)
	if err := conn.SendBefore(time.Time{}, nil, hello); err != nil {
		return r.attention("HELLO cannot be sent: "+err.Error(), retry)
	}
	late := time.After(helloWithin)
	for {
		select {
		case frame := <-frames:
			if reply, ok := replyTo(id, frame); ok {
				return answered(r, reply)
			}
		case info := <-ended:
			ended <- info
			return r.attention("the connection ended before HELLO was answered ("+reasonOf(info)+")", retry)
		case <-late:
			return r.attention("HELLO was not answered within "+helloWithin.String(),
				"check APIM's log, and that the endpoint is its integration controller")
		case <-ctx.Done():
			return r.attention("interrupted", "")
		}
	}
}

const retry = "try again; if it stays so, check APIM's log and what stands between"

func reasonOf(info wsconn.CloseInfo) string {
	if info.Err != nil {
		return info.Err.Error()
	}
	return cmp.Or(info.Reason, fmt.Sprintf("close code %d", info.Code))
}

func replyTo(id string, message []byte) (reply exchange.Reply, ok bool) {
	frame, err := exchange.ReadFrame(message)
	if err != nil || frame.Kind != exchange.KindReply {
		return reply, false
	}
	reply, err = exchange.DecodeReply(frame)
	return reply, err == nil && reply.CommandID == id
}

func answered(r row, reply exchange.Reply) Result {
	if reply.Status != exchange.StatusError {
		return r.good("APIM knows it; it compares no provider, so the doctor was one of its agents for a moment")
	}
	found := expected.FindStringSubmatch(reply.ErrorDetails)
	switch {
	case found == nil:
		return r.attention("APIM says: "+reply.ErrorDetails,
			"check that an AWS API Gateway integration with this id exists in APIM (the provider's integrationId), and that "+
				"the token's service account may use it")
	case found[1] != exchange.Provider:
		return r.attention("it is an integration of the provider "+found[1],
			"set integrationId to an AWS API Gateway integration, or create one in APIM")
	}
	return r.good("APIM knows it, and the token may use it")
}

// leave closes a connection as an agent does that ends, and waits until that is done.
func leave(conn *wsconn.Conn, ended chan wsconn.CloseInfo) {
	if ended == nil {
		ended = make(chan wsconn.CloseInfo, 1)
		conn.Start(func(m wsconn.Message) { conn.Accepted(m) }, func(info wsconn.CloseInfo) { ended <- info })
	}
	conn.Close(exchange.CloseNormal, "the doctor leaves")
	<-ended // within wsconn.CloseTimeout
}
