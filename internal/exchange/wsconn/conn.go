package wsconn

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Outcome is what became of a message.
type Outcome uint8

// The outcomes.
const (
	// Delivered: the pong to the ping behind the message came, so the peer's side has read the message.
	Delivered Outcome = iota + 1
	// Unproved: a byte of it may have been written, and the pong never came.
	Unproved
	// NeverSent: not one byte of it was written.
	NeverSent
)

// String implements fmt.Stringer.
func (o Outcome) String() string {
	switch o {
	case Delivered:
		return "delivered"
	case Unproved:
		return "unproved"
	case NeverSent:
		return "never sent"
	}
	return "unknown"
}

// Why a message is not taken.
var (
	// ErrClosed: the connection is closing or closed.
	ErrClosed = errors.New("websocket is closed")
	// ErrTooLarge: the message exceeds MaxMessageSize; the peer would close the connection.
	ErrTooLarge = errors.New("message exceeds the websocket's message limit")
	// ErrQueueFull: MaxQueuedBytes would wait. The peer reads more slowly than it is written to; for a message of at most 4 KiB, it
	// does not read at all.
	ErrQueueFull = errors.New("too much waits to be written to the websocket")
)

// Why a connection ended, where no close frame says so (CloseInfo.Err).
var (
	// ErrPongTimeout: a ping was not answered in time, so the connection is half-open or the peer hangs.
	ErrPongTimeout = errors.New("no pong within its deadline")
	// ErrNoCredit: no credit came back for as long as a pong may take, so whoever takes messages over hangs.
	ErrNoCredit = errors.New("messages were not taken over in time")
	// ErrTextMessage: the peer sent a text message, which the protocol does not have.
	ErrTextMessage = errors.New("the peer sent a text message")
	// ErrMessageTooBig: the peer sent a message over MaxMessageSize.
	ErrMessageTooBig = errors.New("the peer sent a message over the limit")
	// ErrAborted: [Conn.Abort] was called without a reason.
	ErrAborted = errors.New("the connection was dropped")
	// ErrCloseTimeout: the peer did not answer the close frame, or did not read what was queued before it, within CloseTimeout.
	ErrCloseTimeout = errors.New("the close was not answered in time")
)

// CloseInfo says how a connection ended.
type CloseInfo struct {
	// Code is the close frame's: the peer's, or ours when we closed first. 1005 is a close frame without a code, 1006 no close frame.
	Code int
	// Reason is the close frame's text.
	Reason string
	// Err is what went wrong, nil for a clean close by either side.
	Err error
	// Remote tells that the peer's close frame came first.
	Remote bool
}

// Handler is told what a connection receives. Its methods are called from the connection's own goroutines, one at a time, and must not
// block: they pass on.
type Handler interface {
	// OnMessage is given each binary message, in order; the slice is the handler's from then on. It is not called once [Conn.Close]
	// was, but for a message that was on its way to it just then.
	OnMessage(message []byte)
	// OnClosed is called exactly once, when the connection has ended, both goroutines write and read no more, and all receipts of
	// messages that were taken have been given.
	OnClosed(info CloseInfo)
}

// Conn is one open websocket. Its methods may be called from any goroutine and never block.
type Conn struct {
	options Options
	ws      *websocket.Conn
	raw     *meter // beneath TLS: counts what may have left
	top     *meter // above TLS: tells a lost connection from a broken protocol
	handler Handler

	credits    chan struct{} // holds the credits that are free
	wake       chan struct{} // tells the writer that there is something to do
	leaving    chan struct{} // closed when we close: no message is handed over any more
	down       chan struct{} // closed when the connection has ended
	writerDone chan struct{}

	mu      sync.Mutex // guards all below
	started bool
	ended   bool
	info    CloseInfo
	outbox
	pinger
	closing closing
}

// closing is how far a close has come.
type closing struct {
	asked  bool       // by us: nothing more is taken, the queue is written out
	sent   bool       // our close frame is written
	info   CloseInfo  // what we close with
	remote *CloseInfo // the peer's close frame, to be answered
	timer  *time.Timer
	// writeErr is why the writer failed; lastWords ends the connection for it, unless the reader finds the peer's close frame first.
	writeErr  error
	lastWords *time.Timer
}

func newConn(options Options, ws *websocket.Conn, raw, top *meter) *Conn {
	c := &Conn{
		options: options, ws: ws, raw: raw, top: top,
		credits: make(chan struct{}, options.Credits),
		wake:    make(chan struct{}, 1),
		leaving: make(chan struct{}), down: make(chan struct{}), writerDone: make(chan struct{}),
	}
	for range options.Credits {
		c.credits <- struct{}{}
	}
	ws.SetReadLimit(int64(options.MaxMessageSize))
	ws.SetPingHandler(c.pinged)
	ws.SetPongHandler(c.ponged)
	ws.SetCloseHandler(c.peerCloses)
	return c
}

// Start begins to read and write; the handler is called until OnClosed. A second call, or one after Close or Abort, changes nothing.
func (c *Conn) Start(handler Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started {
		return
	}
	c.started = true
	c.handler = handler
	go c.writeLoop()
	go c.run()
}

// ReturnCredit says that a message for which NeedsCredit is true has been taken over. Call it once for each.
func (c *Conn) ReturnCredit() {
	select {
	case c.credits <- struct{}{}:
	default: // more than were taken; the limit stays what it is
	}
}

// Close ends the connection: what is queued is written, then a close frame, then the peer's answer to it is waited for, all within
// CloseTimeout. From now on nothing is taken to be sent. A second call changes nothing. The reason is cut to what a close frame
// holds. A code that may not stand in a frame (1005, 1006, 1015) sends a frame without one.
func (c *Conn) Close(code int, reason string) {
	c.closeWith(CloseInfo{Code: code, Reason: closeReason(reason)})
}

// Abort drops the connection at once: no close frame, code 1006. err says why; nil is [ErrAborted].
func (c *Conn) Abort(err error) {
	if err == nil {
		err = ErrAborted // a clean end would say goodbye in TLS first, which can take seconds
	}
	c.Start(discard{})
	c.end(CloseInfo{Code: websocket.CloseAbnormalClosure, Err: err})
}

func (c *Conn) closeWith(info CloseInfo) {
	c.Start(discard{}) // if it never was: the close needs both goroutines
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.closing.asked || c.closing.remote != nil {
		return
	}
	c.closing.asked = true
	close(c.leaving)
	c.closing.info = info
	c.closing.timer = time.AfterFunc(c.options.CloseTimeout, func() {
		if info.Err == nil {
			info.Err = ErrCloseTimeout
		}
		c.end(info)
	})
	c.wakeWriter()
}

// end is the one way in which a connection ends. The first caller's info counts.
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
		_ = c.ws.Close() // with TLS this says goodbye there too
	}
	_ = c.raw.Close()
}

// finish runs when both goroutines are through: it gives what receipts are left, and the handler its last call.
func (c *Conn) finish() {
	c.mu.Lock()
	for _, timer := range []*time.Timer{c.interval, c.watchdog, c.closing.timer, c.closing.lastWords} {
		if timer != nil {
			timer.Stop()
		}
	}
	pings, queue, info := c.unanswered, slices.Concat(c.short, c.long), c.info
	c.unanswered, c.outbox = nil, outbox{}
	c.mu.Unlock()

	for _, ping := range pings {
		ping.receipt.give(Unproved)
	}
	for _, item := range queue {
		item.receipt.give(NeverSent)
	}
	c.handler.OnClosed(info)
}

func (c *Conn) wakeWriter() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

type discard struct{}

func (discard) OnMessage([]byte)   {}
func (discard) OnClosed(CloseInfo) {}

// maxCloseReason is what RFC 6455 leaves of a control frame's 125 bytes beside the code.
const maxCloseReason = 123

// closeReason cuts a reason at a character boundary.
func closeReason(reason string) string {
	size := 0
	for i, r := range reason {
		if i+len(string(r)) > maxCloseReason {
			break
		}
		size = i + len(string(r))
	}
	return reason[:size]
}
