package wsconn

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/gorilla/websocket"
)

// errLeaving ends the writer once a close frame is written.
var errLeaving = errors.New("a close frame was written")

func (c *Conn) writeLoop() {
	defer close(c.writerDone)
	for {
		err := c.writeWhatWaits()
		if err != nil {
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

// writeWhatWaits writes until nothing waits.
func (c *Conn) writeWhatWaits() error {
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

// writeControls answers the peer's close frame or ping, and pings when it is time to. It runs between any two frames.
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
	// From here on the receipt is the ping's: finish gives it if the pong does not.
	return c.writeControl(websocket.PingMessage, c.expectPong(i.receipt))
}

// writeMessage writes a message frame by frame, each with its own deadline, and control frames in between.
func (c *Conn) writeMessage(parts [][]byte) error {
	w, err := c.ws.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return err
	}
	room := c.options.MaxFrameSize // in gorilla's buffer, which goes out as one frame when more comes or the writer is closed
	for _, part := range parts {
		for len(part) > room {
			if err := c.fill(w, part[:room]); err != nil {
				return err
			}
			part, room = part[room:], c.options.MaxFrameSize
			if err := c.writeControls(); err != nil {
				return err
			}
		}
		if err := c.fill(w, part); err != nil {
			return err
		}
		room -= len(part)
	}
	c.setWriteDeadline()
	return w.Close()
}

// fill puts bytes into gorilla's buffer; a full one goes out first.
func (c *Conn) fill(w io.Writer, payload []byte) error {
	c.setWriteDeadline()
	_, err := w.Write(payload)
	return err
}

func (c *Conn) setWriteDeadline() {
	_ = c.ws.SetWriteDeadline(time.Now().Add(c.options.WriteTimeout)) // it only notes the time and cannot fail
}

func (c *Conn) writeControl(messageType int, payload []byte) error {
	return c.ws.WriteControl(messageType, payload, time.Now().Add(c.options.WriteTimeout))
}

func (c *Conn) writeClose() error {
	c.mu.Lock()
	info := c.closing.info
	c.closing.sent = true // before it is: the answer may be read before the call returns
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

// writeFailed ends the connection. Where a close frame of ours is out, the reader knows how it ends; and a peer that hung up may have
// said why, in a close frame that the reader has yet to see.
func (c *Conn) writeFailed(err error) {
	if errors.Is(err, errLeaving) || errors.Is(err, websocket.ErrCloseSent) {
		return
	}
	info := CloseInfo{Code: websocket.CloseAbnormalClosure, Err: err}
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		c.end(info)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing.writeErr = err
	c.closing.lastWords = time.AfterFunc(echoTimeout, func() { c.end(info) })
}
