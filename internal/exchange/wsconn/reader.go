package wsconn

import (
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/gorilla/websocket"
)

// run reads until the connection has ended, waits for the writer, and finishes.
func (c *Conn) run() {
	c.readLoop()
	<-c.writerDone
	c.finish()
}

func (c *Conn) readLoop() {
	var buffer bytes.Buffer
	for {
		messageType, r, err := c.ws.NextReader()
		message := c.began() // pings and pongs between the frames of a message say nothing of its first
		if err == nil {
			buffer.Reset()
			_, err = buffer.ReadFrom(r)
		}
		if err != nil {
			c.readFailed(err)
			return
		}
		if messageType == websocket.TextMessage {
			c.closeWith(CloseInfo{
				Code: websocket.CloseUnsupportedData, Reason: "Unsupported text frame", Err: ErrTextMessage,
			})
		}
		message.Data = buffer.Bytes()
		c.deliver(message)
		if buffer.Cap() > keepBuffer {
			buffer = bytes.Buffer{}
		}
	}
}

// keepBuffer is the largest buffer that is kept for the next message. Commands are small, and a large one is rare.
const keepBuffer = 64 << 10

// began is what is known of a message as it begins.
func (c *Conn) began() Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Message{NotBefore: c.answered, PeerPings: c.PeerPings()}
}

// deliver hands a message over once it has its credits. After we have closed, messages are read only for the
// pongs and the close frame behind them.
func (c *Conn) deliver(message Message) {
	c.mu.Lock()
	leaving := c.closing.asked || c.ended
	c.mu.Unlock()
	if leaving {
		return
	}
	message.credits = min(1+len(message.Data)/bytesPerCredit, Credits)
	for range message.credits {
		if !c.takeCredit() {
			return
		}
	}
	message.Data = bytes.Clone(message.Data)
	c.onMessage(message)
}

// takeCredit waits for a credit. It returns false if the connection was closed first.
func (c *Conn) takeCredit() bool {
	select {
	case c.credits <- struct{}{}:
		return true
	default:
	}
	c.stalled.Store(true)
	defer c.stalled.Store(false)
	select {
	case c.credits <- struct{}{}:
		return true
	case <-c.leaving:
	case <-c.down:
	}
	return false
}

// peerCloses is called when the peer's close frame was read. The writer answers it, unless our own close frame is sent.
func (c *Conn) peerCloses(code int, reason string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing.sent {
		c.closing.remote = &CloseInfo{Code: code, Reason: reason, Remote: true}
		c.wakeWriter()
	}
	return nil
}

func (c *Conn) readFailed(err error) {
	c.mu.Lock()
	closing := c.closing
	c.mu.Unlock()
	switch {
	case closing.remote != nil:
		select { // the writer has a moment to answer the peer's close frame
		case <-c.writerDone:
		case <-time.After(echoTimeout):
		}
		c.end(*closing.remote)
	case closing.sent:
		c.end(closing.info)
	case errors.Is(err, websocket.ErrReadLimit):
		c.linger()
		c.end(CloseInfo{Code: websocket.CloseMessageTooBig, Err: ErrMessageTooBig})
	case closing.writeErr != nil:
		c.lose(closing.writeErr)
	case c.top.readFailed.Load():
		c.lose(err)
	default:
		c.linger()
		c.end(CloseInfo{Code: websocket.CloseProtocolError, Err: err})
	}
}

// linger reads on after gorilla wrote a close frame, until the peer hangs up. To close a TCP connection with unread
// bytes would reset it, and the peer might never see the close frame.
func (c *Conn) linger() {
	_ = c.top.SetReadDeadline(time.Now().Add(CloseTimeout))
	_, _ = io.Copy(io.Discard, c.top)
}
