package wsconn_test

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/exchange/wsconn"
	"federation-agent/internal/sandbox/memnet"
)

// Opcodes of RFC 6455.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// frame is one websocket frame.
type frame struct {
	op      byte
	final   bool
	payload string
}

func (f frame) String() string {
	return fmt.Sprintf("{op %d final %v %d bytes %.20q}", f.op, f.final, len(f.payload), f.payload)
}

// peer is the other side. It reads and writes single frames without a websocket library, which might hide faults.
type peer struct {
	t       testing.TB
	conn    net.Conn
	in      *bufio.Reader
	request *http.Request
}

const upgradeAnswer = "HTTP/1.1 101 Switching Protocols\r\n" +
	"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"

func accept(t testing.TB, conn net.Conn) (*peer, error) {
	p := &peer{t: t, conn: conn, in: bufio.NewReader(conn)}
	request, err := http.ReadRequest(p.in)
	if err != nil {
		return nil, err
	}
	p.request = request
	sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	_, err = fmt.Fprintf(conn, upgradeAnswer, base64.StdEncoding.EncodeToString(sum[:]))
	return p, err
}

func (p *peer) read() (frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		return frame{}, err
	}
	f := frame{op: head[0] & 0xf, final: head[0]&0x80 != 0}
	length := uint64(head[1] & 0x7f)
	extended := map[uint64]int{126: 2, 127: 8}[length]
	if extended > 0 {
		var raw [8]byte
		if _, err := io.ReadFull(p.in, raw[8-extended:]); err != nil {
			return frame{}, err
		}
		length = binary.BigEndian.Uint64(raw[:])
	}
	var mask [4]byte
	if head[1]&0x80 == 0 {
		return frame{}, errors.New("a client's frame is not masked")
	}
	if _, err := io.ReadFull(p.in, mask[:]); err != nil {
		return frame{}, err
	}
	payload := make([]byte, length)
	n, err := io.ReadFull(p.in, payload)
	for i := range payload[:n] {
		payload[i] ^= mask[i%4]
	}
	f.payload = string(payload[:n])
	return f, err
}

// expect reads one frame. The test fails if the frame has another opcode.
func (p *peer) expect(op byte) frame {
	p.t.Helper()
	f, err := p.read()
	if err != nil || f.op != op {
		p.t.Fatalf("read %v, %v; want op %d", f, err, op)
	}
	return f
}

// serve reads frames until the connection ends. It answers pings and close frames, and returns the messages.
func (p *peer) serve() (messages []string) {
	whole := ""
	for {
		f, err := p.read()
		if err != nil {
			return messages
		}
		switch f.op {
		case opBinary, opContinuation:
			whole += f.payload
			if f.final {
				messages = append(messages, whole)
				whole = ""
			}
		case opPing:
			p.write(opPong, true, f.payload)
		case opClose:
			p.write(opClose, true, f.payload)
			_ = p.conn.Close()
		}
	}
}

func (p *peer) write(op byte, final bool, payload string) {
	head := []byte{op, 0}
	if final {
		head[0] |= 0x80
	}
	switch n := len(payload); {
	case n < 126:
		head[1] = byte(n)
	case n < 1<<16:
		head[1] = 126
		head = binary.BigEndian.AppendUint16(head, uint16(n))
	default:
		head[1] = 127
		head = binary.BigEndian.AppendUint64(head, uint64(n))
	}
	_, _ = p.conn.Write(append(head, payload...)) // the test sees the effect at the other side
}

func closeFrame(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

// recorder keeps what a connection is started with is told.
type recorder struct {
	messages chan string
	keeps    bool                // every message, until the test accepts it
	whole    chan wsconn.Message // those that are kept
	closed   chan wsconn.CloseInfo
	closings atomic.Int32
}

func newRecorder() *recorder {
	return &recorder{
		messages: make(chan string, 100), whole: make(chan wsconn.Message, 100), closed: make(chan wsconn.CloseInfo, 10),
	}
}

func (r *recorder) start(c *wsconn.Conn) {
	c.Start(func(m wsconn.Message) {
		r.messages <- string(m.Data)
		if r.keeps {
			r.whole <- m
		} else {
			c.Accepted(m)
		}
	}, func(info wsconn.CloseInfo) {
		r.closings.Add(1)
		r.closed <- info
	})
}

// receipts keeps the outcomes of each message.
type receipts struct {
	mu   sync.Mutex
	seen map[int][]wsconn.Outcome
}

func (r *receipts) of(i int) func(wsconn.Outcome) {
	return func(o wsconn.Outcome) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.seen == nil {
			r.seen = map[int][]wsconn.Outcome{}
		}
		r.seen[i] = append(r.seen[i], o)
	}
}

// once returns the only outcome of a message, "" if there is none yet.
func (r *receipts) once(t testing.TB, i int) wsconn.Outcome {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch outcomes := r.seen[i]; len(outcomes) {
	case 0:
		return ""
	case 1:
		return outcomes[0]
	default:
		t.Errorf("message %d has the receipts %v", i, outcomes)
		return outcomes[0]
	}
}

// session is a connection over the network in memory, in a synctest bubble. All goroutines must end before the bubble.
type session struct {
	conn    *wsconn.Conn
	peer    *peer
	handler *recorder
	link    *memnet.Link
}

func inBubble(t *testing.T, plan memnet.Plan, options wsconn.Options, test func(t *testing.T, s *session)) {
	t.Helper()
	testInBubble(t, plan, options, false, test)
}

// keeping is a faultless connection whose messages the test accepts.
func keeping(t *testing.T, test func(t *testing.T, s *session)) {
	t.Helper()
	testInBubble(t, memnet.NoPlan(), wsconn.Options{}, true, test)
}

func testInBubble(
	t *testing.T, plan memnet.Plan, options wsconn.Options, keeps bool, test func(t *testing.T, s *session),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := connect(t, plan, options)
		s.handler.keeps = keeps
		s.handler.start(s.conn)
		defer func() { // even if the test failed, or the bubble would hide why
			s.conn.Abort(errors.New("the test is over"))
			_ = s.peer.conn.Close()
			synctest.Wait()
			if n := s.handler.closings.Load(); n != 1 {
				t.Errorf("OnClosed was called %d times", n)
			}
		}()
		test(t, s)
	})
}

func connect(t *testing.T, plan memnet.Plan, options wsconn.Options) *session {
	t.Helper()
	network := memnet.New(func(memnet.ID) memnet.Plan { return plan })
	listener, err := network.Listen("controller:8072")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan *peer, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		p, err := accept(t, conn)
		if err != nil {
			t.Error(err)
		}
		accepted <- p
	}()
	options.URL = "ws://controller:8072/exchange/controller"
	options.NetDial = network.Dial
	conn, err := wsconn.Dial(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	return &session{conn: conn, peer: <-accepted, handler: newRecorder(), link: network.Links()[0]}
}

// send sends a message that has no deadline.
func (s *session) send(message []byte, receipt func(wsconn.Outcome)) error {
	return s.conn.SendBefore(time.Time{}, receipt, message)
}

func (s *session) closed(t testing.TB) wsconn.CloseInfo {
	t.Helper()
	select {
	case info := <-s.handler.closed:
		return info
	case <-time.After(time.Hour):
		t.Fatal("the connection did not end within an hour")
		return wsconn.CloseInfo{}
	}
}
