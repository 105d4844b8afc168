package wsconn

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"federation-agent/internal/words"
)

// Outcome is what happened to a message.
type Outcome string

// The outcomes.
const (
	// Delivered: the pong to the ping after the message came, so the peer has read the message.
	Delivered Outcome = "delivered"
	// Unproved: a byte of the message may have been written, and the pong never came.
	Unproved Outcome = "unproved"
	// NeverSent: no byte of the message was written.
	NeverSent Outcome = "never sent"
)

// Why a message is not accepted.
var (
	// ErrClosed: the connection is closing or closed.
	ErrClosed = errors.New("websocket is closed")
	// ErrTooLarge: the message is larger than MaxMessageSize. The peer would close the connection.
	ErrTooLarge = errors.New("message exceeds the websocket's message limit")
	// ErrQueueFull: more bytes would wait than may. The peer reads too slowly. If the message has at most 4 KiB, the
	// peer does not read at all.
	ErrQueueFull = errors.New("too many bytes wait to be written to the websocket")
)

// Why a connection ended, where no close frame says so (CloseInfo.Err).
var (
	// ErrPongTimeout: a ping was not answered in time, so the connection is half-open or the peer hangs.
	ErrPongTimeout = errors.New("no pong within its deadline")
	// ErrNoCredit: no credit came back for as long as a pong may take, so what takes the messages hangs.
	ErrNoCredit = errors.New("messages were not accepted in time")
	// ErrTextMessage: the peer sent a text message, which the protocol does not have.
	ErrTextMessage = errors.New("the peer sent a text message")
	// ErrMessageTooBig: the peer sent a message larger than MaxMessageSize.
	ErrMessageTooBig = errors.New("the peer sent a message over the limit")
	// ErrCloseTimeout: the peer did not answer the close frame, or did not read the messages before it, within
	// CloseTimeout.
	ErrCloseTimeout = errors.New("the close was not answered in time")
)

// CloseInfo says how a connection ended.
type CloseInfo struct {
	// Code is the close frame's: the peer's, or ours when we closed first. 1005 is a close frame without a code, 1006
	// means that there was no close frame.
	Code int
	// Reason is the close frame's text.
	Reason string
	// Err is the fault, nil after a clean close by either side.
	Err error
	// Remote says that the peer's close frame came first.
	Remote bool
}

// Message is one binary message of the peer, and what is known of its age: it may have lain in a socket for long.
type Message struct {
	Data []byte
	// NotBefore is an instant before which the peer cannot have written it: when our newest ping left whose pong was read
	// before it. It is zero as long as no pong was.
	NotBefore time.Time
	// PeerPings is what [Conn.PeerPings] was when the message's first byte was read.
	PeerPings uint64

	credits int // that it has taken
}

// Conn is one open websocket. Its methods may be called from any goroutine and never block.
type Conn struct {
	options Options
	ws      *websocket.Conn
	raw     *meter // beneath TLS: counts the bytes that may have been sent
	top     *meter // above TLS: tells a lost connection from a broken protocol

	onMessage func(Message) // see [Conn.Start]
	onClosed  func(CloseInfo)

	credits    chan struct{} // holds the credits that are taken
	peerPings  atomic.Uint64 // see [Conn.PeerPings]
	wake       chan struct{} // tells the writer that there is work
	leaving    chan struct{} // closed when we close: no message is handed over any more
	down       chan struct{} // closed when the connection has ended
	writerDone chan struct{}

	mu      sync.Mutex // guards everything below
	started bool
	ended   bool
	info    CloseInfo
	outbox
	pinger
	closing closing
}

// closing is the state of a close.
type closing struct {
	asked  bool       // by us: nothing more is accepted, the queue is still written
	sent   bool       // our close frame is written
	info   CloseInfo  // how we close
	remote *CloseInfo // the peer's close frame, which must be answered
	timer  *time.Timer
	// writeErr is the writer's fault. lastWords ends the connection because of it, unless the reader finds the peer's
	// close frame first.
	writeErr  error
	lastWords *time.Timer
}

func newConn(options Options, ws *websocket.Conn, raw, top *meter) *Conn {
	c := &Conn{
		options: options, ws: ws, raw: raw, top: top,
		credits: make(chan struct{}, Credits),
		wake:    make(chan struct{}, 1),
		leaving: make(chan struct{}), down: make(chan struct{}), writerDone: make(chan struct{}),
	}
	ws.SetReadLimit(int64(options.MaxMessageSize))
	ws.SetPingHandler(c.pinged)
	ws.SetPongHandler(c.ponged)
	ws.SetCloseHandler(c.peerCloses)
	return c
}

// Start begins to read and write. It does nothing if it was called before, or after Close or Abort. What it is given is
// called from the connection's own goroutines, one at a time, and must not block, but pass on:
//
// onMessage is called for each binary message, in order. After [Conn.Close] it is only called for a message that was
// already being handed over.
//
// onClosed is called exactly once: when the connection has ended, both goroutines read and write no more, and all
// receipts were called.
func (c *Conn) Start(onMessage func(Message), onClosed func(CloseInfo)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started {
		return
	}
	c.started = true
	c.onMessage, c.onClosed = onMessage, onClosed
	go c.writeLoop()
	go c.run()
}

// Accepted says that a message is out of the queue that onMessage put it into. Call it once for each.
func (c *Conn) Accepted(m Message) {
	for range m.credits {
		select {
		case <-c.credits:
		default: // more than were taken; the limit does not grow
		}
	}
}

// maxCloseReason in bytes is what RFC 6455 leaves for the reason: 125 bytes of a control frame, without the code.
const maxCloseReason = 123

// Close ends the connection: the queue is written, then a close frame, then Close waits for the peer's answer, all
// within CloseTimeout and in the background. From now on no message is accepted. A second call does nothing. The reason
// is cut to the size of a close frame. For a code that may not stand in a frame (1005, 1006, 1015), the frame has no
// code.
func (c *Conn) Close(code int, reason string) {
	reason = words.Cut(strings.ToValidUTF8(reason, ""), maxCloseReason)
	c.closeWith(CloseInfo{Code: code, Reason: reason})
}

// Abort drops the connection at once: no close frame, code 1006. err says why and is not nil.
func (c *Conn) Abort(err error) {
	c.startForEnd()
	c.lose(err)
}

// lose ends the connection without a close frame.
func (c *Conn) lose(err error) { c.end(CloseInfo{Code: websocket.CloseAbnormalClosure, Err: err}) }

func (c *Conn) closeWith(info CloseInfo) {
	c.startForEnd()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaves() {
		return
	}
	c.closing.asked = true
	close(c.leaving)
	c.closing.info = info
	c.closing.timer = time.AfterFunc(CloseTimeout, func() {
		info.Err = cmp.Or(info.Err, ErrCloseTimeout)
		c.end(info)
	})
	c.wakeWriter()
}

// leaves reports whether the connection has ended, or either side closes it.
func (c *Conn) leaves() bool { return c.ended || c.closing.asked || c.closing.remote != nil }

// end is the only way in which a connection ends. The info of the first call counts.
func (c *Conn) end(info CloseInfo) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	c.info = info
	close(c.down)
	c.mu.Unlock()
	if info.Err == nil {
		_ = c.ws.Close() // closes TLS cleanly too
	}
	_ = c.raw.Close()
}

// finish runs when both goroutines have ended. It calls the receipts that are left, and onClosed.
func (c *Conn) finish() {
	c.mu.Lock()
	for _, timer := range []*time.Timer{c.interval, c.closing.timer, c.closing.lastWords} {
		if timer != nil {
			timer.Stop()
		}
	}
	pings, queue, info := c.unanswered, slices.Concat(c.short, c.long), c.info
	c.unanswered, c.outbox = nil, outbox{}
	c.mu.Unlock()

	for _, ping := range pings {
		ping.overdue.Stop()
		ping.receipt.give(Unproved)
	}
	for _, item := range queue {
		item.receipt.give(NeverSent)
	}
	c.onClosed(info)
}

func (c *Conn) wakeWriter() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// startForEnd starts a connection that was not started, as a close needs both goroutines.
func (c *Conn) startForEnd() { c.Start(func(Message) {}, func(CloseInfo) {}) }
