package wsconn

import (
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// pinger is the state of the pings of both sides. The connection's mutex guards it.
type pinger struct {
	interval   *time.Timer // runs once StartPings was called
	pingDue    bool
	lastPing   uint64
	unanswered []ping      // in the order in which they were written
	proved     int64       // bytes written before the last ping that was answered
	answered   time.Time   // when the last ping that was answered was sent
	stalled    atomic.Bool // the reader waits for a credit and cannot see pongs

	pongDue bool
	pong    []byte // the payload of the peer's last ping; earlier ones need no answer (RFC 6455, 5.5.3)
}

type ping struct {
	payload  string
	sent     time.Time
	written  int64 // bytes written before it
	deadline time.Time
	overdue  *time.Timer // fires at the deadline
	receipt  receipt
}

// StartPings begins to ping, at once and then every PingInterval. Both sides of the exchange do so once HELLO was
// accepted. At once, because until its first pong is read, nothing bounds the age of what comes.
func (c *Conn) StartPings() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.interval != nil {
		return
	}
	c.interval = time.AfterFunc(0, c.pingTick)
}

func (c *Conn) pingTick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.pingDue = true
	c.wakeWriter()
	c.interval.Reset(PingInterval)
}

// expectPong records a ping that is about to be written and returns its payload, which is unique on this connection.
func (c *Conn) expectPong(r receipt) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastPing++
	written := c.raw.written.Load()
	patience := PongTimeout + time.Duration(written-c.proved)*time.Second/minThroughput
	payload := strconv.FormatUint(c.lastPing, 36)
	now := time.Now()
	c.unanswered = append(c.unanswered, ping{
		payload: payload, sent: now, written: written, receipt: r,
		deadline: now.Add(patience), overdue: time.AfterFunc(patience, c.pongOverdue),
	})
	return []byte(payload)
}

// pongOverdue ends the connection if the oldest ping is overdue. Its pong may have come just before.
func (c *Conn) pongOverdue() {
	c.mu.Lock()
	overdue := len(c.unanswered) > 0 && !time.Now().Before(c.unanswered[0].deadline)
	err := ErrPongTimeout
	if c.stalled.Load() {
		err = ErrNoCredit
	}
	c.mu.Unlock()
	if overdue {
		c.lose(err)
	}
}

// ponged is called by the reader. A pong answers its ping and all pings before it (RFC 6455, 5.5.3). A pong that
// answers no ping is ignored.
func (c *Conn) ponged(payload string) error {
	c.mu.Lock()
	answered := 1 + slices.IndexFunc(c.unanswered, func(p ping) bool { return p.payload == payload })
	done := c.unanswered[:answered]
	c.unanswered = c.unanswered[answered:]
	if answered > 0 {
		c.proved, c.answered = done[answered-1].written, done[answered-1].sent
	}
	c.mu.Unlock()
	for _, p := range done {
		p.overdue.Stop()
		p.receipt.give(Delivered)
	}
	return nil
}

// pinged is called by the reader. The writer sends the answer, so that the reader never waits for a peer that does not
// read.
func (c *Conn) pinged(payload string) error {
	if payload == "" {
		c.peerPings.Add(1)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pongDue, c.pong = true, []byte(payload)
	c.wakeWriter()
	return nil
}

// PeerPings is how many empty pings of the peer were read. A controller sends one every PingInterval, so their number
// is its clock: it goes on where ours stands still. What a proxy on the way pings by itself mostly has a payload.
func (c *Conn) PeerPings() uint64 { return c.peerPings.Load() }
