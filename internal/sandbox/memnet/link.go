package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Link is one connection seen from the network.
type Link struct {
	id                     ID
	dialerEnd, listenerEnd *conn

	mu      sync.Mutex // guards both directions and both ends
	changed *sync.Cond
	resetAt time.Time // when the cut can be noticed; zero: no cut
	struck  time.Time // when a fault first took something; zero: none did
}

// direction carries bytes one way.
type direction struct {
	faults  Faults
	flight  []segment // written, not yet read
	waiting int       // bytes in flight, swallowed ones included: they fill the sender's buffer
	sent    int64     // bytes taken from the writer
	ended   bool      // the writer closed
	endsAt  time.Time // when that can be noticed
	holed   bool      // swallows what comes
	held    time.Time // until then nothing arrives
}

type segment struct {
	data []byte
	due  time.Time
}

func newLink(id ID, plan Plan) *Link {
	l := &Link{id: id}
	l.changed = sync.NewCond(&l.mu)
	toListener, toDialer := newDirection(plan.ToListener), newDirection(plan.ToDialer)
	l.dialerEnd = &conn{link: l, in: toDialer, out: toListener, local: addr(id.String()), remote: addr(id.To)}
	l.listenerEnd = &conn{link: l, in: toListener, out: toDialer, local: addr(id.To), remote: addr(id.String())}
	return l
}

func newDirection(faults Faults) *direction {
	if faults.Buffer <= 0 {
		faults.Buffer = DefaultBuffer
	}
	return &direction{faults: faults, holed: faults.BlackHoleAfter == 0}
}

// Pipe gives the two ends of a connection that belongs to no network.
func Pipe(plan Plan) (dialer, listener net.Conn) {
	l := newLink(ID{From: "dialer", To: "listener", N: 1}, plan)
	return l.dialerEnd, l.listenerEnd
}

// ID names the connection.
func (l *Link) ID() ID { return l.id }

// Cut resets the connection now, in both directions. What has arrived can still be read; what was on its way is lost.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, d := range []*direction{l.dialerEnd.in, l.dialerEnd.out} {
		for i, s := range d.flight {
			if s.due.After(now) {
				d.flight = d.flight[:i]
				break
			}
		}
	}
	l.strike(now)
	l.reset(now)
}

// BlackHole swallows from now on all that is written at either end, and the connection's end.
// What is on its way arrives.
func (l *Link) BlackHole() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dialerEnd.in.holed, l.dialerEnd.out.holed = true, true
	l.strike(time.Now())
}

// Hold keeps what is written to an end, and what is on its way to it, from arriving for a while. Then it all arrives at
// once. Nothing is lost.
func (l *Link) Hold(d time.Duration, toDialer, toListener bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for held, way := range map[*direction]bool{l.dialerEnd.in: toDialer, l.listenerEnd.in: toListener} {
		if !way {
			continue
		}
		held.held = later(held.held, now.Add(d))
		for i, s := range held.flight {
			if s.due.After(now) {
				held.flight[i].due = later(s.due, held.held)
			}
		}
		if held.ended && held.endsAt.After(now) {
			held.endsAt = later(held.endsAt, held.held)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Struck tells when a cut or a black hole, planned or called for, was reached first; the zero time if none was. A fault
// that is planned for a byte that nobody wrote has changed nothing.
func (l *Link) Struck() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.struck
}

// Written tells how many bytes each end's writes were accepted for.
func (l *Link) Written() (byDialer, byListener int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dialerEnd.out.sent, l.listenerEnd.out.sent
}

func (l *Link) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dialerEnd.closed && l.listenerEnd.closed
}

// strike notes that a fault was reached. The first counts.
func (l *Link) strike(at time.Time) {
	if l.struck.IsZero() {
		l.struck = at
	}
}

// reset notes a cut. The earliest counts.
func (l *Link) reset(at time.Time) {
	if l.resetAt.IsZero() || at.Before(l.resetAt) {
		l.resetAt = at
	}
	l.changed.Broadcast()
}

func (l *Link) isReset(now time.Time) bool { return !l.resetAt.IsZero() && !now.Before(l.resetAt) }

// wait waits for a change, but not past the earliest of the given times; zero ones count for nothing.
func (l *Link) wait(until ...time.Time) {
	var earliest time.Time
	for _, t := range until {
		if !t.IsZero() && (earliest.IsZero() || t.Before(earliest)) {
			earliest = t
		}
	}
	if !earliest.IsZero() {
		timer := time.AfterFunc(time.Until(earliest), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.changed.Broadcast()
		})
		defer timer.Stop()
	}
	l.changed.Wait()
}

// conn is one end: a net.Conn.
type conn struct {
	link          *Link
	in, out       *direction
	local, remote addr

	// guarded by the link's mutex
	closed                      bool
	readDeadline, writeDeadline time.Time
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		now := time.Now()
		var due time.Time
		switch {
		case c.closed:
			return 0, c.fault("read", net.ErrClosed)
		case expired(c.readDeadline, now):
			return 0, c.fault("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case len(c.in.flight) > 0 && !now.Before(c.in.flight[0].due):
			return c.take(p), nil
		case l.isReset(now):
			return 0, c.fault("read", syscall.ECONNRESET) // what was still on its way is lost
		case len(c.in.flight) > 0:
			due = c.in.flight[0].due
		case c.in.ended && !now.Before(c.in.endsAt):
			return 0, io.EOF
		case c.in.ended:
			due = c.in.endsAt
		}
		l.wait(due, c.readDeadline, l.resetAt)
	}
}

func (c *conn) take(p []byte) int {
	first := &c.in.flight[0]
	n := copy(p, first.data)
	first.data = first.data[n:]
	if len(first.data) == 0 {
		c.in.flight = c.in.flight[1:]
	}
	c.in.waiting -= n
	c.link.changed.Broadcast()
	return n
}

// Write implements net.Conn. It returns when the buffer took everything, or with what it took until the fault.
func (c *conn) Write(p []byte) (int, error) {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	written := 0
	for {
		now := time.Now()
		switch {
		case c.closed:
			return written, c.fault("write", net.ErrClosed)
		case l.isReset(now):
			return written, c.fault("write", syscall.ECONNRESET)
		case c.in.ended && !now.Before(c.in.endsAt):
			return written, c.fault("write", syscall.EPIPE) // a closed socket, as opposed to a half-closed one
		case expired(c.writeDeadline, now):
			return written, c.fault("write", os.ErrDeadlineExceeded)
		case written == len(p):
			return written, nil
		}
		if room := c.out.faults.Buffer - c.out.waiting; room > 0 {
			n := min(room, len(p)-written)
			c.send(p[written:written+n], now)
			written += n
			if written == len(p) {
				return written, nil
			}
			continue
		}
		var peerGone time.Time
		if c.in.ended {
			peerGone = c.in.endsAt
		}
		l.wait(c.writeDeadline, l.resetAt, peerGone)
	}
}

// send puts bytes on their way, as far as the faults let them.
func (c *conn) send(p []byte, now time.Time) {
	d := c.out
	due := later(now.Add(d.faults.Latency), d.held)
	arrives := len(p)
	d.waiting += len(p)
	if d.holed {
		arrives = 0
	}
	if left := d.faults.BlackHoleAfter - d.sent; d.faults.BlackHoleAfter != Never && left <= int64(arrives) {
		arrives = int(max(0, left))
		d.holed = true // at the limit already, so that the connection's end is swallowed as well
	}
	if left := d.faults.CutAfter - d.sent; d.faults.CutAfter != Never && left < int64(arrives) {
		arrives = int(max(0, left))
		d.holed = true
		c.link.reset(due)
	}
	if d.holed {
		c.link.strike(now)
	}
	d.sent += int64(len(p))
	if arrives > 0 {
		d.flight = append(d.flight, segment{data: append([]byte(nil), p[:arrives]...), due: due})
		c.link.changed.Broadcast()
	}
}

// Close implements net.Conn. What was written still arrives.
func (c *conn) Close() error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.fault("close", net.ErrClosed)
	}
	c.closed = true
	if !c.out.holed {
		c.out.ended = true
		c.out.endsAt = later(time.Now().Add(c.out.faults.Latency), c.out.held)
	}
	c.link.changed.Broadcast()
	return nil
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error { return c.setDeadlines(&t, &t) }

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(&t, nil) }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(nil, &t) }

func (c *conn) setDeadlines(read, write *time.Time) error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.fault("set", net.ErrClosed)
	}
	if read != nil {
		c.readDeadline = *read
	}
	if write != nil {
		c.writeDeadline = *write
	}
	c.link.changed.Broadcast()
	return nil
}

func (c *conn) fault(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

func expired(deadline, now time.Time) bool { return !deadline.IsZero() && !now.Before(deadline) }
