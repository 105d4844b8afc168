package wsconn

import "time"

// receipt is called once with the outcome of a message. It is nil if nobody wants to know the outcome.
type receipt func(Outcome)

func (r receipt) give(outcome Outcome) {
	if r != nil {
		r(outcome)
	}
}

type item struct {
	parts    [][]byte  // of one message
	size     int       // of all parts
	deadline time.Time // zero: none
	receipt  receipt
}

// outbox holds the messages that wait to be written. Short ones go first: a key or a health reply waits only for the
// message that is being written, which no message can interrupt (RFC 6455, 5.4), and not for all long messages on a
// slow link.
type outbox struct {
	short, long []item
	queuedBytes int
}

// SendBefore queues a binary message and returns. The message is useless after the deadline: it is dropped as NeverSent
// if its writing has not begun by then. A zero deadline means none. The message may come in parts, so that large parts
// need not be copied together. The parts may not change any more.
//
// receipt, unless nil, is called exactly once, from any goroutine and possibly before SendBefore returns. It must not
// block. With a receipt, a ping follows the message. Messages of at most 4 KiB are written before longer ones that
// wait. Otherwise the order stays.
//
// The error, one of [ErrClosed], [ErrTooLarge] and [ErrQueueFull], says why the message was not queued. The receipt was
// then called with NeverSent.
func (c *Conn) SendBefore(deadline time.Time, receipt func(Outcome), parts ...[]byte) error {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	err := c.enqueue(item{parts: parts, size: size, deadline: deadline, receipt: receipt})
	if err != nil && receipt != nil {
		receipt(NeverSent)
	}
	return err
}

const (
	// shortMessage in bytes is much more than a key, a health reply or an error needs. Messages of this size go before
	// longer ones. They have shortReserve more bytes of room, so that long messages cannot use up their room.
	shortMessage = 4 << 10
	shortReserve = 1 << 20
	// perMessage is what a queued message takes in memory besides its bytes. It also limits the number of empty messages.
	perMessage = 256
)

func (i item) cost() int { return i.size + perMessage }

func (c *Conn) enqueue(i item) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	queue, room := &c.long, queuedMessages*c.options.MaxMessageSize
	if i.size <= shortMessage {
		queue, room = &c.short, room+shortReserve
	}
	switch {
	case c.leaves():
		return ErrClosed
	case i.size > c.options.MaxMessageSize:
		return ErrTooLarge
	case c.queuedBytes > 0 && c.queuedBytes+i.cost() > room:
		return ErrQueueFull
	}
	*queue = append(*queue, i)
	c.queuedBytes += i.cost()
	c.wakeWriter()
	return nil
}

func (o *outbox) dequeue() (item, bool) {
	for _, queue := range []*[]item{&o.short, &o.long} {
		if len(*queue) > 0 {
			first := (*queue)[0]
			(*queue)[0] = item{} // otherwise the array would keep the message in memory
			*queue = (*queue)[1:]
			o.queuedBytes -= first.cost()
			return first, true
		}
	}
	return item{}, false
}
