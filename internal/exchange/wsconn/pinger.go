package wsconn

import (
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

// pinger is what is known of pings, ours and the peer's. It is guarded by the connection's mutex.
type pinger struct {
	interval   *time.Timer // runs once StartPings was called
	pingDue    bool
	lastPing   uint64
	unanswered []ping // in the order in which they were written
	proved     int64  // bytes written before the last ping that was answered
	watchdog   *time.Timer
	stalled    bool // the reader waits for a credit, so pongs cannot be seen

	pongDue bool
	pong    []byte // the payload of the peer's last ping; older ones need no answer (RFC 6455, 5.5.3)
}

type ping struct {
	payload  string
	written  int64 // bytes written before it
	deadline time.Time
	receipt  receipt
}

// StartPings begins to ping every PingInterval. Both sides of the exchange do so once HELLO was accepted.
func (c *Conn) StartPings() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.interval != nil {
		return
	}
	c.interval = time.AfterFunc(c.options.PingInterval, c.pingTick)
}

func (c *Conn) pingTick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.pingDue = true
	c.wakeWriter()
	c.interval.Reset(c.options.PingInterval)
}

// expectPong notes a ping that is about to be written and gives its payload, which no other ping of this connection has.
func (c *Conn) expectPong(r receipt) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastPing++
	written := c.raw.written.Load()
	patience := c.options.PongTimeout + time.Duration(written-c.proved)*time.Second/minThroughput
	p := ping{
		payload: strconv.FormatUint(c.lastPing, 36), written: written,
		deadline: time.Now().Add(patience), receipt: r,
	}
	c.unanswered = append(c.unanswered, p)
	if len(c.unanswered) == 1 {
		c.watch()
	}
	return []byte(p.payload)
}

// watch sets the watchdog to the oldest ping's deadline. Pongs come in order, so the others cannot be overdue before it.
func (c *Conn) watch() {
	if len(c.unanswered) == 0 {
		if c.watchdog != nil {
			c.watchdog.Stop()
		}
		return
	}
	wait := time.Until(c.unanswered[0].deadline)
	if c.watchdog == nil {
		c.watchdog = time.AfterFunc(wait, c.pongOverdue)
		return
	}
	c.watchdog.Reset(wait)
}

func (c *Conn) pongOverdue() {
	c.mu.Lock()
	if c.ended || len(c.unanswered) == 0 || time.Now().Before(c.unanswered[0].deadline) {
		c.mu.Unlock()
		return
	}
	err := ErrPongTimeout
	if c.stalled {
		err = ErrNoCredit
	}
	c.mu.Unlock()
	c.end(CloseInfo{Code: websocket.CloseAbnormalClosure, Err: err})
}

// ponged is called by the reader. A pong answers its ping and all before it (RFC 6455, 5.5.3); one that nobody waits for says nothing.
func (c *Conn) ponged(payload string) error {
	c.mu.Lock()
	answered := 0
	for i, p := range c.unanswered {
		if p.payload == payload {
			answered = i + 1
			c.proved = p.written
			break
		}
	}
	done := c.unanswered[:answered]
	c.unanswered = c.unanswered[answered:]
	if answered > 0 {
		c.watch()
	}
	c.mu.Unlock()
	for _, p := range done {
		p.receipt.give(Delivered)
	}
	return nil
}

// pinged is called by the reader; the writer answers, so that a reader never waits for a peer that does not read.
func (c *Conn) pinged(payload string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pongDue, c.pong = true, []byte(payload)
	c.wakeWriter()
	return nil
}
