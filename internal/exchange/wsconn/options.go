package wsconn

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"federation-agent/internal/exchange"
)

const (
	// DefaultPingInterval is what both sides of Gravitee's exchange use.
	DefaultPingInterval = 5 * time.Second
	// DefaultPongTimeout notices a half-open connection well within the 60 s after which a command is lost to its sender, and
	// forgives a controller's garbage collection.
	DefaultPongTimeout = 15 * time.Second
	// DefaultWriteTimeout bounds the writing of one frame to a peer that does not read.
	DefaultWriteTimeout = 10 * time.Second
	// DefaultHandshakeTimeout bounds DNS, TCP, TLS and the upgrade together.
	DefaultHandshakeTimeout = 15 * time.Second
	// DefaultCloseTimeout bounds a whole close, what is queued included; an agent that is told to stop has 10 s in all.
	DefaultCloseTimeout = 5 * time.Second
	// DefaultCredits is how many messages that make work may wait to be taken over.
	DefaultCredits = 64
	// queuedMessages is how many messages of the largest size may wait to be written. It bounds what a burst of commands with long
	// answers may hold, whatever the peer reads.
	queuedMessages = 4

	// echoTimeout is how long the answer to the peer's close frame may take: the peer is leaving anyway.
	echoTimeout = time.Second
	// minThroughput in bytes a second is the slowest link that can deliver a message of the largest size within the 60 s that its
	// sender waits. A ping gets that much more time for what was written before it and not yet proved to have arrived.
	minThroughput = exchange.DefaultMaxMessageSize / 60
	// handshakeBytes bounds what the peer may send before the upgrade is done; a real answer takes a few hundred bytes.
	handshakeBytes = 256 << 10
)

// Options say how to connect. The zero value of a number or duration means its default.
type Options struct {
	// URL is a ws or wss URL; see exchange.URL.
	URL string
	// Header goes with the upgrade request; [exchange.ProtocolHeader] is added. Its values are secrets: they are in no error.
	Header http.Header
	// NetDial opens the TCP connection, or whatever stands for it; nil means a net.Dialer.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// TLS is for wss; nil means the system's roots. Its ServerName, when empty, is the URL's host.
	TLS *tls.Config

	// MaxFrameSize and MaxMessageSize in bytes: what is written never exceeds them. What is read may not exceed MaxMessageSize;
	// frames larger than MaxFrameSize are read, since that costs nothing.
	MaxFrameSize   int
	MaxMessageSize int
	// MaxQueuedBytes bounds what waits to be written; by default four messages of MaxMessageSize. One message always fits, and
	// messages of at most 4 KiB have 1 MiB more.
	MaxQueuedBytes int

	PingInterval     time.Duration
	PongTimeout      time.Duration
	WriteTimeout     time.Duration
	HandshakeTimeout time.Duration
	CloseTimeout     time.Duration

	// Credits is how many messages for which NeedsCredit is true may be handed over and not yet be taken ([Conn.ReturnCredit]).
	Credits int
	// NeedsCredit tells which messages take one; nil means none.
	NeedsCredit func(message []byte) bool
}

func (o Options) withDefaults() Options {
	setDefault(&o.MaxFrameSize, exchange.DefaultMaxFrameSize)
	setDefault(&o.MaxMessageSize, exchange.DefaultMaxMessageSize)
	setDefault(&o.MaxQueuedBytes, queuedMessages*o.MaxMessageSize)
	setDefault(&o.PingInterval, DefaultPingInterval)
	setDefault(&o.PongTimeout, DefaultPongTimeout)
	setDefault(&o.WriteTimeout, DefaultWriteTimeout)
	setDefault(&o.HandshakeTimeout, DefaultHandshakeTimeout)
	setDefault(&o.CloseTimeout, DefaultCloseTimeout)
	setDefault(&o.Credits, DefaultCredits)
	if o.NetDial == nil {
		o.NetDial = new(net.Dialer).DialContext
	}
	if o.NeedsCredit == nil {
		o.NeedsCredit = func([]byte) bool { return false }
	}
	return o
}

func setDefault[T int | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}
