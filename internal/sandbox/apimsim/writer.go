package apimsim

import (
	"io"
	"time"

	"github.com/gorilla/websocket"
)

// outItem is a message or control frame to write.
type outItem struct {
	kind int // gorilla's message type
	data []byte
	then func() // called once it is written, may be nil
}

// write is the session's only writer. It ends when the queue is finished or the socket fails.
func (s *session) write() {
	failed := false
	for {
		item, ok := s.out.next(s.gone)
		if !ok {
			return
		}
		if failed {
			continue
		}
		if err := s.writeItem(item); err != nil {
			failed = true
			_ = s.raw.Close() // wakes the reader
			continue
		}
		if item.then != nil {
			item.then()
		}
	}
}

func (s *session) writeItem(item outItem) error {
	if item.kind != websocket.BinaryMessage {
		return s.ws.WriteControl(item.kind, item.data, time.Time{})
	}
	s.apim.sawMessage(Message{Conn: s.conn, From: s.raw.RemoteAddr().String(), Binary: true, Data: item.data})
	return s.writeMessage(item.data)
}

// writeMessage fragments: WriteMessage, and one large Write, would make a single frame of any size.
func (s *session) writeMessage(data []byte) error {
	w, err := s.ws.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return err
	}
	for len(data) > 0 {
		n := min(len(data), s.apim.opts.MaxFrame)
		if _, err := w.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	if closer, ok := w.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// send queues a frame of ours. An encoding fault is the stand-in's own and is logged.
func (s *session) send(kind, exchangeType string, exchange any) bool {
	data, err := encodeFrame(kind, exchangeType, exchange)
	if err != nil {
		s.apim.opts.Log.Error("cannot encode", "type", exchangeType, "error", err)
		return false
	}
	return s.out.push(outItem{kind: websocket.BinaryMessage, data: data})
}

func (s *session) reply(r outReply) { s.send(kindReply, r.Type, r) }

// keepAlive sends an empty ping every interval, from HELLO to the end.
func (s *session) keepAlive() {
	a := s.apim
	for a.pause(a.opts.PingInterval, s.gone) {
		if !s.out.push(outItem{kind: websocket.PingMessage}) {
			return
		}
		a.mu.Lock()
		s.stats.PingsSent++
		a.mu.Unlock()
	}
}
