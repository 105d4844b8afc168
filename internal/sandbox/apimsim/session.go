package apimsim

import (
	"errors"
	"io"
	"slices"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// closingTimeout is how long Vert.x waits for the other side's close frame.
	closingTimeout = 10 * time.Second
	// flushTimeout bounds the wait for a last close frame to get out.
	flushTimeout = time.Second
)

// session is one connection from its upgrade to its end. The goroutine of the upgrade request reads;
// one more writes.
type session struct {
	apim *APIM
	conn int
	// upgrade is the number of the upgrade request that it began with.
	upgrade int
	ws      *websocket.Conn
	raw     *observedConn
	out     *queue[outItem]
	// maxFrame and maxMessage bound what comes in.
	maxFrame   int
	maxMessage int64
	gone       chan struct{} // closed when the socket is gone

	// Guarded by apim.mu.
	integrationID string
	active        bool // HELLO was accepted
	registered    bool // takes commands
	closing       bool // a close frame was queued or a good-bye said
	closeCode     int
	closeText     string
	connectedAt   time.Time
	pending       map[string]chan Reply
	heldBack      []outItem
	stats         Agent

	// Used by the reading goroutine alone.
	received       int
	receivedByType map[string]int
}

func newSession(a *APIM, conn, upgrade int) *session {
	frame, message := 0, int64(0)
	if f := a.opts.Script.Limits; f != nil {
		frame, message = f(conn)
	}
	return &session{
		apim: a, conn: conn, upgrade: upgrade,
		maxFrame: or(frame, a.opts.MaxFrame), maxMessage: or(message, a.opts.MaxMessage),
		out:            newQueue[outItem](),
		gone:           make(chan struct{}),
		pending:        map[string]chan Reply{},
		receivedByType: map[string]int{},
	}
}

// serve runs the session and returns when it is over, with nothing left running.
func (s *session) serve(ws *websocket.Conn, raw *observedConn) {
	a := s.apim
	s.ws, s.raw = ws, raw
	a.mu.Lock()
	s.connectedAt = time.Now()
	a.open = append(a.open, s)
	closed := a.closed
	a.mu.Unlock()
	if closed { // Close did not see this session in the list
		_ = raw.Close()
	}

	ws.SetReadLimit(s.maxMessage)
	ws.SetPingHandler(s.onPing)
	ws.SetPongHandler(s.onPong)
	ws.SetCloseHandler(s.onClose)

	a.spawn(func() { a.watchGreeting(s) })
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.write()
	}()
	err := s.read()
	s.end(err, written)
}

func (s *session) read() error {
	for {
		kind, data, err := s.ws.ReadMessage()
		if err != nil {
			return err
		}
		s.apim.sawMessage(Message{
			Conn: s.conn, From: s.raw.RemoteAddr().String(), Inbound: true, Binary: kind == websocket.BinaryMessage, Data: data,
		})
		if s.onMessage(kind, data) {
			s.cut()
			return io.ErrUnexpectedEOF
		}
	}
}

// end takes the session off every list, lets a last close frame out and closes the socket.
func (s *session) end(err error, written <-chan struct{}) {
	a := s.apim
	var tooLarge *frameTooLargeError
	var closed *websocket.CloseError
	code, text := websocket.CloseAbnormalClosure, ""
	switch {
	case errors.As(err, &closed):
		code, text = closed.Code, closed.Text
		s.flush(written)
	case errors.As(err, &tooLarge):
		code, text = websocket.CloseMessageTooBig, tooLarge.Error()
		a.problem(Problem{Code: ProblemFrameTooLarge, Integration: s.integrationID, Detail: text})
		s.closeWith(code, text)
		s.drain(written)
	case errors.Is(err, websocket.ErrReadLimit): // gorilla has written the close frame itself
		code, text = websocket.CloseMessageTooBig, "message over the limit"
		a.problem(Problem{Code: ProblemMessageTooLarge, Integration: s.integrationID, Detail: text})
		s.drain(written)
	}
	a.mu.Lock()
	a.open = slices.DeleteFunc(a.open, func(other *session) bool { return other == s })
	s.registered, s.active, s.closing = false, false, true
	pending := s.pending
	s.pending = nil
	a.ended.add(EndedSession{
		Conn: s.conn, IntegrationID: s.integrationID, At: time.Now(),
		Code: code, Text: text, SentCode: s.closeCode, SentText: s.closeText,
	})
	integrationID := s.integrationID
	a.mu.Unlock()
	for _, reply := range pending {
		close(reply)
	}
	close(s.gone)
	s.out.finish()
	_ = s.raw.Close()
	<-written
	a.elect(integrationID)
	a.agentsChanged(integrationID)
}

// flush lets the writer empty its queue.
func (s *session) flush(written <-chan struct{}) {
	s.out.finish()
	timer := time.NewTimer(flushTimeout)
	defer timer.Stop()
	select {
	case <-written:
	case <-timer.C:
	}
}

// drain flushes while it throws away what still comes in: closing a socket with unread bytes would
// reset it, and the agent might never see the close frame.
func (s *session) drain(written <-chan struct{}) {
	stop := time.AfterFunc(closingTimeout, s.cut)
	defer stop.Stop()
	s.out.finish()
	_, _ = io.Copy(io.Discard, s.raw.Conn)
	s.flush(written)
}

// cut drops the connection without a close frame.
func (s *session) cut() { _ = s.raw.Close() }

// closeWith queues a close frame; the socket goes when the agent answers it or after closingTimeout.
func (s *session) closeWith(code int, text string) {
	a := s.apim
	a.mu.Lock()
	if s.closeCode == 0 {
		s.closeCode, s.closeText = code, text
	}
	s.closing = true
	a.mu.Unlock()
	s.out.push(outItem{kind: websocket.CloseMessage, data: websocket.FormatCloseMessage(code, text)})
	a.spawn(func() {
		if a.pause(closingTimeout, s.gone) {
			s.cut()
		}
	})
}

func (s *session) onClose(code int, _ string) error {
	s.out.push(outItem{kind: websocket.CloseMessage, data: websocket.FormatCloseMessage(code, "")})
	return nil
}

func (s *session) onPing(payload string) error {
	a := s.apim
	a.mu.Lock()
	s.stats.PingsReceived++
	nth := s.stats.PingsReceived
	a.mu.Unlock()
	if f := a.opts.Script.Pong; f != nil && !f(s.conn, nth) {
		return nil
	}
	s.out.push(outItem{kind: websocket.PongMessage, data: []byte(payload)})
	return nil
}

func (s *session) onPong(string) error {
	s.apim.mu.Lock()
	defer s.apim.mu.Unlock()
	s.stats.PongsReceived++
	return nil
}

func (s *session) sawFrame(inbound bool) func(Frame) {
	hook := s.apim.opts.OnFrame
	if hook == nil {
		return nil
	}
	return func(f Frame) {
		f.Conn, f.Inbound = s.conn, inbound
		hook(f)
	}
}

func (a *APIM) sawMessage(m Message) {
	if a.opts.OnMessage != nil {
		a.opts.OnMessage(m)
	}
}
