package wsconn

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/gorilla/websocket"

	"federation-agent/internal/exchange"
)

// Dial opens the connection, TLS and the upgrade included. It takes at most HandshakeTimeout and follows no redirect. Its errors are
// *[DialError]. Call [Conn.Start] next, or [Conn.Close].
func Dial(ctx context.Context, options Options) (*Conn, error) {
	options = options.withDefaults()
	dialing, cancel := context.WithTimeout(ctx, options.HandshakeTimeout)
	defer cancel()

	var attempt attempt
	attempt.options = options
	dialer := websocket.Dialer{
		NetDialContext:    attempt.dialPlain,
		NetDialTLSContext: attempt.dialTLS,
		WriteBufferSize:   options.MaxFrameSize, // gorilla cuts a client's message into frames of exactly this payload
	}
	header := options.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set(exchange.ProtocolHeader, exchange.ProtocolV1)

	ws, response, err := dialer.DialContext(dialing, options.URL, header) //nolint:bodyclose // gorilla has read and closed it
	interrupted := attempt.stopWatching()
	switch {
	case err == nil && interrupted:
		_ = ws.Close()
		return nil, withoutAnswer(phaseTalking, dialing.Err(), dialing.Err())
	case err != nil && response != nil:
		return nil, answered(options, response)
	case err != nil:
		return nil, withoutAnswer(attempt.reached, dialing.Err(), err)
	}
	attempt.raw.upgrading.Store(false)
	return newConn(options, ws, attempt.raw, attempt.top), nil
}

// attempt keeps hold of the connection that gorilla dials, to count on it and to break it off when the context ends.
type attempt struct {
	options Options
	raw     *meter // beneath TLS
	top     *meter // what the websocket reads
	reached phase
	stop    func() bool
}

func (a *attempt) dialPlain(ctx context.Context, network, addr string) (net.Conn, error) {
	a.reached = phaseDialing
	conn, err := a.options.NetDial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	a.reached = phaseTalking
	a.raw = &meter{Conn: conn}
	a.raw.budget.Store(handshakeBytes)
	a.raw.upgrading.Store(true)
	a.top = a.raw
	// gorilla heeds the context's deadline but not its cancellation.
	a.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	return a.raw, nil
}

func (a *attempt) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := a.dialPlain(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.options.TLS != nil {
		config = a.options.TLS.Clone()
	}
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			host = strings.Trim(addr, "[]")
		}
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"} // a websocket cannot be opened over HTTP/2 by this library
	secured := tls.Client(raw, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, &tlsError{err}
	}
	a.top = &meter{Conn: secured}
	return a.top, nil
}

// stopWatching reports whether the context ended the attempt.
func (a *attempt) stopWatching() bool { return a.stop != nil && !a.stop() }

// tlsError marks a fault of the TLS handshake.
type tlsError struct{ err error }

func (e *tlsError) Error() string { return e.err.Error() }
func (e *tlsError) Unwrap() error { return e.err }

// readSnippet reads what gorilla kept of a refusal's body, at most a kilobyte.
func readSnippet(response *http.Response) []byte {
	if response.Body == nil {
		return nil
	}
	body, _ := io.ReadAll(response.Body)
	return body
}
