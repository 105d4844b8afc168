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
		if err == nil {
			buffer.Reset()
			_, err = buffer.ReadFrom(r)
		}
		if err != nil {
			c.readFailed(err)
			return
		}
		if messageType == websocket.TextMessage {
			c.closeWith(CloseInfo{Code: websocket.CloseUnsupportedData, Reason: "Unsupported text frame", Err: ErrTextMessage})
		}
		c.deliver(buffer.Bytes())
		if buffer.Cap() > keepBuffer {
			buffer = bytes.Buffer{}
		}
	}
}

// keepBuffer is the largest buffer that is kept from one message to the next: commands are small, a large one is rare.
const keepBuffer = 64 << 10

// deliver hands a message over, after it got its credit. Once we close, messages are read only for the pongs and the close frame
// behind them.
func (c *Conn) deliver(message []byte) {
	if c.isClosing() {
		return
	}
	if c.options.NeedsCredit(message) && !c.takeCredit() {
		return
	}
	c.handler.OnMessage(bytes.Clone(message))
}

// takeCredit reports whether there was one before the connection was closed.
func (c *Conn) takeCredit() bool {
	select {
	case <-c.credits:
		return true
	default:
	}
	c.setStalled(true)
	defer c.setStalled(false)
	select {
	case <-c.credits:
		return true
	case <-c.leaving:
	case <-c.down:
	}
	return false
}

func (c *Conn) setStalled(stalled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = stalled
}

func (c *Conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing.asked || c.ended
}

// peerCloses is called when the peer's close frame is read. The answer is the writer's, if ours is not out already.
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
	remote, sent, ours, writeErr := c.closing.remote, c.closing.sent, c.closing.info, c.closing.writeErr
	c.mu.Unlock()
	switch {
	case remote != nil:
		c.awaitEcho(*remote)
	case sent:
		c.end(ours)
	case errors.Is(err, websocket.ErrReadLimit):
		c.linger()
		c.end(CloseInfo{Code: websocket.CloseMessageTooBig, Err: ErrMessageTooBig})
	case writeErr != nil:
		c.end(CloseInfo{Code: websocket.CloseAbnormalClosure, Err: writeErr})
	case c.top.readFailed.Load():
		c.end(CloseInfo{Code: websocket.CloseAbnormalClosure, Err: err})
	default:
		c.linger()
		c.end(CloseInfo{Code: websocket.CloseProtocolError, Err: err})
	}
}

// awaitEcho gives the writer a moment to answer the peer's close frame.
func (c *Conn) awaitEcho(remote CloseInfo) {
	timer := time.NewTimer(echoTimeout)
	defer timer.Stop()
	select {
	case <-c.writerDone:
	case <-timer.C:
	}
	c.end(remote)
}

// linger reads on after gorilla wrote a close frame of its own, until the peer hangs up: closing a TCP connection with bytes unread
// resets it, and the peer might never see why.
func (c *Conn) linger() {
	_ = c.top.SetReadDeadline(time.Now().Add(c.options.CloseTimeout))
	_, _ = io.Copy(io.Discard, c.top)
}
