package proxy

import (
	"bytes"
	"net"
	"sync"
)

// link is one connection through the proxy.
type link struct {
	number         int
	client, target net.Conn
	reached        chan<- int

	mu      sync.Mutex
	trigger *Trigger
	seen    []byte // the end of what passed, in case a text lies across two reads
	times   int    // occurrences of the text so far
	passed  int    // bytes since the trigger was set
	silent  bool
	isCut   bool
}

const readSize = 32 << 10

// pump forwards one direction until either side ends. It owns no socket: whoever ends, ends both.
func (l *link) pump(d Direction) {
	from, to := l.client, l.target
	if d == ToClient {
		from, to = l.target, l.client
	}
	buffer := make([]byte, readSize)
	for {
		n, err := from.Read(buffer)
		if forward := l.look(d, buffer[:n]); len(forward) > 0 {
			if _, writeErr := to.Write(forward); writeErr != nil {
				err = writeErr
			}
		}
		l.mu.Lock()
		silent, afterwards := l.silent, l.isEnding() && l.trigger.Direction == d
		l.mu.Unlock()
		if afterwards {
			l.cut(false)
		}
		if err != nil {
			if !silent { // a half-open connection does not tell of its end either
				l.cut(false)
			}
			return
		}
	}
}

// cutNow marks a CutBehind that was reached: the connection goes once the chunk is forwarded, by whoever forwards it.
const cutNow Action = -1

// isEnding says that nothing passes any more, in either direction. It needs the lock.
func (l *link) isEnding() bool { return l.trigger != nil && l.trigger.Action == cutNow }

// look moves the trigger on over a chunk and returns what of it is forwarded.
func (l *link) look(d Direction, chunk []byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.silent || l.isEnding() {
		return nil
	}
	forwarded := 0
	for l.trigger != nil && l.trigger.Direction == d {
		begin, end, reached := l.find(chunk[forwarded:])
		if !reached {
			break
		}
		t := l.trigger
		switch t.Action {
		case CutBefore:
			chunk = chunk[:forwarded+begin]
			l.report()
			l.trigger = nil
			go l.cut(true)
			return chunk
		case CutBehind:
			l.report()
			l.trigger = &Trigger{Action: cutNow, Direction: d}
			return chunk[:forwarded+end]
		default: // it only notes what passes
		}
		forwarded += end
		l.trigger, l.seen, l.times, l.passed = t.Then, nil, 0, 0
		if t.Then == nil {
			l.report()
		}
	}
	return chunk
}

// find looks for the trigger's place in what comes next.
func (l *link) find(chunk []byte) (begin, end int, reached bool) {
	t := l.trigger
	if t.Text == "" {
		if l.passed+len(chunk) <= t.Bytes {
			l.passed += len(chunk)
			return 0, 0, false
		}
		at := t.Bytes - l.passed
		return at, at, len(chunk) > 0
	}
	known := len(l.seen)
	all := append(l.seen, chunk...)
	from := 0
	for {
		at := bytes.Index(all[from:], []byte(t.Text))
		if at < 0 {
			break
		}
		from += at + len(t.Text)
		l.times++
		if l.times >= max(1, t.Nth) {
			return max(0, from-len(t.Text)-known), max(0, from-known), true
		}
	}
	// What was found once must not be found again in the kept end.
	l.seen = bytes.Clone(all[max(from, len(all)-len(t.Text)+1):])
	return 0, 0, false
}

func (l *link) report() { l.reached <- l.number }

func (l *link) silence() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent = true
}

// cut ends both sides, with a reset or in order.
func (l *link) cut(reset bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isCut {
		return
	}
	l.isCut = true
	for _, conn := range []net.Conn{l.client, l.target} {
		if tcp, ok := conn.(*net.TCPConn); ok && reset {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}
