package wsconn

import (
	"cmp"
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"

	"github.com/gorilla/websocket"

	"federation-agent/internal/exchange"
)

// Dial opens the connection, including TLS and the upgrade. It takes at most HandshakeTimeout and follows no redirect.
// Its errors are *[DialError]. Call [Conn.Start] next, or [Conn.Close].
func Dial(ctx context.Context, options Options) (*Conn, error) {
	options = options.withDefaults()
	dialing, cancel := context.WithTimeout(ctx, HandshakeTimeout)
	defer cancel()

	a := attempt{options: options}
	dialer := websocket.Dialer{
		NetDialContext:    a.dialPlain,
		NetDialTLSContext: a.dialTLS,
		WriteBufferSize:   options.MaxFrameSize, // gorilla divides a client's message into frames of exactly this payload
	}
	header := http.Header{}
	maps.Copy(header, options.Header)
	header.Set(exchange.ProtocolHeader, exchange.ProtocolV1)

	ws, response, err := dialer.DialContext(dialing, options.URL, header) //nolint:bodyclose // gorilla has closed it
	interrupted := a.stop != nil && !a.stop()
	switch {
	case err == nil && interrupted:
		_ = ws.Close()
		return nil, a.withoutAnswer(dialing.Err(), dialing.Err())
	case err == nil && response.Header.Get(extensionsHeader) != "":
		_ = ws.Close()
		return nil, answered(options, response, nil)
	case err != nil && response != nil:
		return nil, answered(options, response, err)
	case err != nil:
		return nil, a.withoutAnswer(dialing.Err(), err)
	}
	a.raw.budget.Store(unlimited)
	return newConn(options, ws, a.raw, a.top), nil
}

// extensionsHeader names the extensions that the server enables. None was asked for, so none may be (RFC 6455, 4.1):
// gorilla would take permessage-deflate even so, and read other ones as if they were not there.
const extensionsHeader = "Sec-WebSocket-Extensions"

// attempt keeps the connection that gorilla dials, to count its bytes and to close it when the context ends.
type attempt struct {
	options  Options
	dialled  bool        // a connection was asked for
	tlsFault bool        // the TLS handshake failed
	asked    bool        // the server asked for a client certificate
	shown    bool        // and was shown one
	raw      *meter      // the connection, nil as long as there is none
	top      *meter      // what the websocket reads: raw, or the TLS connection above it
	stop     func() bool // false if the context has ended and closed the connection
}

func (a *attempt) dialPlain(ctx context.Context, network, addr string) (net.Conn, error) {
	a.dialled = true
	conn, err := a.options.NetDial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	a.raw = newMeter(conn, handshakeBytes)
	a.top = a.raw
	// gorilla observes the context's deadline, but not its cancellation.
	a.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	return a.raw, nil
}

func (a *attempt) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := a.dialPlain(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	config := cmp.Or(a.options.TLS, &tls.Config{}).Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(addr) // gorilla always adds the port
	}
	config.NextProtos = []string{"http/1.1"} // gorilla cannot open a websocket over HTTP/2
	given := config.GetClientCertificate
	config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		a.asked = true
		if given == nil {
			return &tls.Certificate{}, nil
		}
		a.shown = true
		return given(info)
	}
	secured := tls.Client(raw, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		a.tlsFault = true
		return nil, err
	}
	a.top = newMeter(secured, unlimited)
	return a.top, nil
}
