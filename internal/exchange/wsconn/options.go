package wsconn

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"federation-agent/internal/exchange"
)

const (
	// PingInterval is the interval of both sides of Gravitee's exchange.
	PingInterval = 5 * time.Second
	// PongTimeout detects a half-open connection long before the 60 s after which the sender of a command gives up.
	// It still allows for a garbage collection of the controller.
	PongTimeout = 15 * time.Second
	// WriteTimeout limits the writing of one frame to a peer that does not read.
	WriteTimeout = 10 * time.Second
	// HandshakeTimeout limits DNS, TCP, TLS and the upgrade together.
	HandshakeTimeout = 15 * time.Second
	// CloseTimeout limits a whole close, including the messages in the queue. An agent that must stop has 10 s in
	// all.
	CloseTimeout = 5 * time.Second
	// Credits is how many messages may be handed over and not yet be accepted ([Conn.Accepted]): enough never to wait in
	// practice, few enough that memory is bounded.
	Credits = 64
	// bytesPerCredit is the size from which on a message takes more credits than one, all of them at most. So what waits
	// is 4 MiB and one message of the largest size at most.
	bytesPerCredit = 64 << 10
	// queuedMessages is how many messages of the largest size may wait to be written. It limits the memory for many
	// commands with long answers, even if the peer does not read. One message always has room, and messages of at most
	// 4 KiB have 1 MiB more.
	queuedMessages = 4

	// echoTimeout is how long the answer to the peer's close frame may take. The peer leaves in any case.
	echoTimeout = time.Second
	// minThroughput in bytes a second is the slowest link that can deliver a message of the largest size within the 60 s
	// that its sender waits. The deadline of a ping is extended by the time that this link needs for the unproved bytes
	// before it.
	minThroughput = exchange.DefaultMaxMessageSize / 60
	// handshakeBytes limits what the peer may send before the upgrade is done. A real answer has a few hundred bytes.
	handshakeBytes = 256 << 10
)

// Options say how to connect. The zero value of a number means its default.
type Options struct {
	// URL is a ws or wss URL; see exchange.URL.
	URL string
	// Header is sent with the upgrade request. [exchange.ProtocolHeader] is added. Its values are secrets and stand in no
	// error.
	Header http.Header
	// NetDial opens the TCP connection, or its stand-in. Nil means a net.Dialer. Package proxy has another one.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is for wss. Nil means the system's roots. An empty ServerName means the URL's host. A client certificate comes
	// from its GetClientCertificate.
	TLS *tls.Config

	// MaxFrameSize and MaxMessageSize in bytes are never exceeded in writing. In reading, a message may not exceed
	// MaxMessageSize. Frames larger than MaxFrameSize are read, because that costs nothing.
	MaxFrameSize   int
	MaxMessageSize int
}

func (o Options) withDefaults() Options {
	o.MaxFrameSize = cmp.Or(o.MaxFrameSize, exchange.DefaultMaxFrameSize)
	o.MaxMessageSize = cmp.Or(o.MaxMessageSize, exchange.DefaultMaxMessageSize)
	if o.NetDial == nil {
		o.NetDial = new(net.Dialer).DialContext
	}
	return o
}
