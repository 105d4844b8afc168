package wsconn

import (
	"errors"
	"time"

	"github.com/gorilla/websocket"
)

// errLeaving ends the writer after a close frame was written.
var errLeaving = errors.New("a close frame was written")

func (c *Conn) writeLoop() {
	defer close(c.writerDone)
	for {
		if err := c.writeAll(); err != nil {
			c.writeFailed(err)
			return
		}
		select {
		case <-c.wake:
		case <-c.down:
			return
		}
	}
}

// writeAll writes until nothing waits to be written.
func (c *Conn) writeAll() error {
	for {
		if err := c.writeControls(); err != nil {
			return err
		}
		c.mu.Lock()
		next, found := c.dequeue()
		closing := c.closing.asked
		c.mu.Unlock()
		switch {
		case found:
			if err := c.writeItem(next); err != nil {
				return err
			}
		case closing:
			return c.writeClose()
		default:
			return nil
		}
	}
}

// writeControls answers the peer's close frame or ping, and pings if a ping is due. It runs between any two frames.
func (c *Conn) writeControls() error {
	c.mu.Lock()
	remote, pongDue, pong, pingDue := c.closing.remote, c.pongDue, c.pong, c.pingDue
	c.pongDue, c.pong, c.pingDue = false, nil, false
	c.mu.Unlock()

	if remote != nil {
		_ = c.writeControl(websocket.CloseMessage, websocket.FormatCloseMessage(remote.Code, ""))
		c.end(*remote)
		return errLeaving
	}
	if pongDue {
		if err := c.writeControl(websocket.PongMessage, pong); err != nil {
			return err
		}
	}
	if pingDue {
		return c.writeControl(websocket.PingMessage, c.expectPong(nil))
	}
	return nil
}

func (c *Conn) writeItem(i item) error {
	if !i.deadline.IsZero() && !time.Now().Before(i.deadline) {
		i.receipt.give(NeverSent)
		return nil
	}
	before := c.raw.written.Load()
	if err := c.writeMessage(i.parts); err != nil {
		outcome := Unproved
		if c.raw.written.Load() == before {
			outcome = NeverSent
		}
		i.receipt.give(outcome)
		return err
	}
	if i.receipt == nil {
		return nil
	}
	// From here on the receipt belongs to the ping. If the pong does not come, finish calls it.
	return c.writeControl(websocket.PingMessage, c.expectPong(i.receipt))
}

// writeMessage writes a message frame by frame, each frame with its own deadline, and control frames between them.
func (c *Conn) writeMessage(parts [][]byte) error {
	w, err := c.ws.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return err
	}
	room := c.options.MaxFrameSize // in gorilla's buffer, which becomes one frame when it is full or the writer is closed
	for _, part := range parts {
		for len(part) > 0 {
			if room == 0 {
				if err := c.writeControls(); err != nil {
					return err
				}
				room = c.options.MaxFrameSize
			}
			n := min(len(part), room)
			c.setWriteDeadline()
			if _, err := w.Write(part[:n]); err != nil { // a full buffer is written first
				return err
			}
			part, room = part[n:], room-n
		}
	}
	c.setWriteDeadline()
	return w.Close()
}

func (c *Conn) setWriteDeadline() {
	_ = c.ws.SetWriteDeadline(time.Now().Add(WriteTimeout)) // it only stores the time and cannot fail
}

func (c *Conn) writeControl(messageType int, payload []byte) error {
	return c.ws.WriteControl(messageType, payload, time.Now().Add(WriteTimeout))
}

func (c *Conn) writeClose() error {
	c.mu.Lock()
	info := c.closing.info
	c.closing.sent = true // before it is sent: the answer may be read before the call returns
	c.mu.Unlock()
	if err := c.writeControl(websocket.CloseMessage, closePayload(info)); err != nil {
		c.mu.Lock()
		c.closing.sent = false
		c.mu.Unlock()
		return err
	}
	return errLeaving
}

func closePayload(info CloseInfo) []byte {
	switch info.Code {
	case websocket.CloseNoStatusReceived, websocket.CloseAbnormalClosure, websocket.CloseTLSHandshake:
		return nil
	}
	return websocket.FormatCloseMessage(info.Code, info.Reason)
}

// writeFailed ends the connection. If our close frame was sent, the reader knows how the connection ends. A peer that
// hung up may have sent its reason in a close frame that the reader has not read yet.
func (c *Conn) writeFailed(err error) {
	if errors.Is(err, errLeaving) || errors.Is(err, websocket.ErrCloseSent) {
		return
	}
	if isTimeout(err) {
		c.lose(err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing.writeErr = err
	c.closing.lastWords = time.AfterFunc(echoTimeout, func() { c.lose(err) })
}
