package apimsim

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
)

// Websocket opcodes of RFC 6455.
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xA
)

// Frame is one websocket frame as it went over the wire.
type Frame struct {
	Conn    int
	Inbound bool // from the agent
	Opcode  int
	Final   bool
	Masked  bool
	Length  int64  // payload bytes
	Payload []byte // of control frames only, unmasked
}

// Message is one whole message. Data must not be changed.
type Message struct {
	Conn    int
	From    string // host:port that the agent dialed from
	Inbound bool
	Binary  bool
	Data    []byte
}

// frameTooLargeError is what Netty's decoder calls a frame beyond its limit.
type frameTooLargeError struct{ limit int }

func (e *frameTooLargeError) Error() string {
	return fmt.Sprintf("Max frame length of %d has been exceeded.", e.limit)
}

// observedConn reads along on a hijacked connection: gorilla joins continuations and hides frames,
// but the frame limit is one of what an agent must keep.
type observedConn struct {
	net.Conn
	in, out  frameScanner
	upgraded atomic.Bool // before that, the bytes written are the HTTP answer
}

func (c *observedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if scanErr := c.in.scan(b[:n]); scanErr != nil {
		return 0, scanErr
	}
	return n, err
}

func (c *observedConn) Write(b []byte) (int, error) {
	if c.upgraded.Load() {
		if err := c.out.scan(b); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

// observedWriter hands gorilla the observed connection when it hijacks the request.
type observedWriter struct {
	http.ResponseWriter
	wrap func(net.Conn) net.Conn
}

func (w observedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return w.wrap(conn), rw, nil
}

// frameScanner finds frame headers in a byte stream. It is used by one goroutine at a time.
type frameScanner struct {
	limit   int // 0: none
	emit    func(Frame)
	frame   Frame
	header  []byte
	payload []byte
	mask    [4]byte
	left    int64 // payload bytes still to come
}

func (s *frameScanner) scan(b []byte) error {
	for len(b) > 0 {
		if s.left > 0 {
			n := min(s.left, int64(len(b)))
			if s.frame.Opcode >= OpClose {
				s.payload = append(s.payload, b[:n]...)
			}
			s.left -= n
			b = b[n:]
			if s.left == 0 {
				s.finish()
			}
			continue
		}
		s.header = append(s.header, b[0])
		b = b[1:]
		if len(s.header) < 2 || len(s.header) < headerLength(s.header) {
			continue
		}
		if err := s.begin(); err != nil {
			return err
		}
	}
	return nil
}

// headerLength gives the whole header's length from its first two bytes.
func headerLength(h []byte) int {
	n := 2
	switch h[1] & 0x7F {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if h[1]&0x80 != 0 {
		n += 4
	}
	return n
}

func (s *frameScanner) begin() error {
	h := s.header
	s.frame.Final, s.frame.Opcode, s.frame.Masked = h[0]&0x80 != 0, int(h[0]&0x0F), h[1]&0x80 != 0
	switch length := h[1] & 0x7F; length {
	case 126:
		s.left = int64(binary.BigEndian.Uint16(h[2:]))
	case 127:
		s.left = int64(binary.BigEndian.Uint64(h[2:]))
	default:
		s.left = int64(length)
	}
	if s.frame.Masked {
		copy(s.mask[:], h[len(h)-4:])
	}
	s.frame.Length = s.left
	s.header, s.payload = s.header[:0], nil
	if s.limit > 0 && (s.left > int64(s.limit) || s.left < 0) {
		s.finish()
		return &frameTooLargeError{limit: s.limit}
	}
	if s.left == 0 {
		s.finish()
	}
	return nil
}

func (s *frameScanner) finish() {
	f := s.frame
	if f.Masked {
		for i := range s.payload {
			s.payload[i] ^= s.mask[i%4]
		}
	}
	f.Payload = s.payload
	if s.emit != nil {
		s.emit(f)
	}
}
