package wsconn

import "time"

// receipt is told once what became of a message; nil where nobody wants to know.
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

// outbox is what waits to be written. What is short goes first: a key or a state of health waits for the one message that is being
// written, which nothing but a control frame may interrupt (RFC 6455, 5.4), and not for all that a slow link has before it.
type outbox struct {
	short, long []item
	queuedBytes int
}

// Send queues a binary message, which is the connection's from then on, and returns. receipt, unless nil, is called exactly once, from
// any goroutine and possibly before Send returns; it must not block. A ping follows the message when there is a receipt. Messages of at
// most 4 KiB go out before longer ones that wait; otherwise the order stays.
//
// The error, one of [ErrClosed], [ErrTooLarge] and [ErrQueueFull], says why the message was not even queued; the receipt has then been
// called with NeverSent.
func (c *Conn) Send(message []byte, receipt func(Outcome)) error {
	return c.SendBefore(time.Time{}, receipt, message)
}

// SendBefore is Send for a message that is of no use after the deadline: it is dropped as NeverSent when the deadline has come before
// its writing began. A zero deadline is none. The message may come in parts, so that large ones need not be copied together; none of
// them may change any more.
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

func (c *Conn) enqueue(i item) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended || c.closing.asked || c.closing.remote != nil:
		return ErrClosed
	case i.size > c.options.MaxMessageSize:
		return ErrTooLarge
	case c.queuedBytes > 0 && c.queuedBytes+i.cost() > c.options.room(i.size):
		return ErrQueueFull
	}
	queue := c.lane(i)
	*queue = append(*queue, i)
	c.queuedBytes += i.cost()
	c.wakeWriter()
	return nil
}

const (
	// shortMessage in bytes is far more than a key, a state of health or an error takes. What is as short goes before what is longer,
	// and finds room where that does not, up to shortReserve more, so that it is never the burst of long ones that it is lost to.
	shortMessage = 4 << 10
	shortReserve = 1 << 20
)

// room is how many bytes may be queued once a message of that size is.
func (o Options) room(size int) int {
	if size <= shortMessage {
		return o.MaxQueuedBytes + shortReserve
	}
	return o.MaxQueuedBytes
}

// perMessage is what a queued message holds in memory beside its bytes; it also bounds the number of empty ones.
const perMessage = 256

func (i item) cost() int { return i.size + perMessage }

// lane is the queue that a message waits in.
func (o *outbox) lane(i item) *[]item {
	if i.size <= shortMessage {
		return &o.short
	}
	return &o.long
}

func (o *outbox) dequeue() (item, bool) {
	for _, queue := range []*[]item{&o.short, &o.long} {
		if len(*queue) > 0 {
			first := (*queue)[0]
			(*queue)[0] = item{} // or the array would keep the message alive
			*queue = (*queue)[1:]
			o.queuedBytes -= first.cost()
			return first, true
		}
	}
	return item{}, false
}
