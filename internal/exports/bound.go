package exports

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

const (
	// firstGuess is how large a document is taken to be while none has come: most are smaller.
	firstGuess = 128 << 10
	// leastGuess is what one counts at least, however small those before it were: buffers, not text.
	leastGuess = 4 << 10
)

// errReleased ends the preparation of a document that is not needed any more.
var errReleased = fmt.Errorf("this document is not needed any more: %w", context.Canceled)

// Bound is the memory bound of one integration: how many bytes of documents it holds at a time. A document is held from
// the moment that AWS's answer, or the cache's file, begins to be read, until APIM has acknowledged its batch, its
// FETCH is answered, or its API is left out. Ingest jobs, FETCHes and the reconciler share the bound. Each integration
// owns one, as it has a session of its own: where one APIM is slow, the documents of the other integrations still pass.
//
// The size of a document is unknown before it begins to come. So there are two steps. Documents are asked for as long
// as there is room for another one like those before ([Holder.HasRoom]). Each is then read only once there is room for
// it as it is ([Claim.Take]). Only the second step counts as held.
//
// Room is granted in the order in which documents come. Those of a consumer that sends everything at once come in the
// order in which it asked for them as well, where there is not room for all: what did not fit into a FETCH is asked for
// first in the next one, and would never fit if what is in the cache overtook it each time.
//
// No consumer waits for ever:
//   - A document that is larger than the bound passes alone.
//   - A document that waits holds nothing, or what was read of it while its size was unknown. If only such documents
//     hold something, the first of them passes beyond the bound.
//   - If only consumers hold something, they are told ([Holder.Wanted]).
//
// A Bound is safe for concurrent use.
type Bound struct {
	limit int

	mu      sync.Mutex
	held    int      // bytes
	working int      // documents that are being read or encoded: that ends by itself
	waiting []*Claim // for room, in the order in which it is granted
	wanting int      // documents that wait for room that only consumers can give back
	holders []*Holder
}

// NewBound makes a bound of limit bytes.
func NewBound(limit int) *Bound { return &Bound{limit: limit} }

// Holder is what one consumer of documents holds: an ingest job, a FETCH, the reconciler.
type Holder struct {
	bound  *Bound
	atOnce int
	wake   func()

	// The bound's mutex guards all below.
	claims         map[*Claim]struct{} // nil once the consumer has ended
	asked          int                 // documents, all in all
	held, expected int                 // bytes
	seen, bytes    int                 // documents that have come, and the bytes that they took
	refused        bool                // it was told that there is no room, and not yet that there is
	blocked        bool
}

// Holder makes the holder of a consumer. All that it holds is given back when the context ends.
//
// atOnce is for a consumer that sends all of its documents at once: it asks for no more bytes than that, and the bound
// is at least as large while the consumer is there. It is 0 for all others.
//
// wake is called when [Holder.HasRoom] was false and may be true now, and when [Holder.Wanted] or [Holder.Blocked]
// becomes true. It must not block and not call the bound.
func (b *Bound) Holder(ctx context.Context, atOnce int, wake func()) *Holder {
	h := &Holder{bound: b, atOnce: atOnce, wake: wake, claims: map[*Claim]struct{}{}}
	b.mu.Lock()
	b.holders = append(b.holders, h)
	b.mu.Unlock()
	context.AfterFunc(ctx, h.end)
	return h
}

func (h *Holder) end() {
	b := h.bound
	b.mu.Lock()
	defer b.mu.Unlock()
	b.holders = slices.DeleteFunc(b.holders, func(other *Holder) bool { return other == h })
	claims := h.claims
	h.claims = nil
	for c := range claims {
		c.release()
	}
	b.settle()
}

// HasRoom says whether one more document may be asked for: there will be room for it if it is like those before.
func (h *Holder) HasRoom() bool {
	h.bound.mu.Lock()
	defer h.bound.mu.Unlock()
	h.refused = !h.hasRoom()
	return !h.refused
}

// hasRoom does not count what others expect: a refresh may wait for its permits for hours.
func (h *Holder) hasRoom() bool {
	b, mine, next := h.bound, h.held+h.expected, h.guess()
	if mine+b.held == 0 {
		return true
	}
	if h.atOnce > 0 && mine > 0 && mine+next > h.atOnce {
		return false
	}
	return len(b.waiting) == 0 && b.held+h.expected+next <= b.room()
}

// guess is how many bytes the next document will probably take.
func (h *Holder) guess() int {
	if h.seen == 0 {
		return firstGuess
	}
	return max(leastGuess, h.bytes/h.seen)
}

// Wanted says that a document waits for room, which only consumers can give back.
func (h *Holder) Wanted() bool {
	h.bound.mu.Lock()
	defer h.bound.mu.Unlock()
	return h.bound.wanting > 0
}

// Blocked says that a document of this consumer's waits for room, which only this consumer can give back.
func (h *Holder) Blocked() bool {
	h.bound.mu.Lock()
	defer h.bound.mu.Unlock()
	return h.blocked
}

// anyWaits says that a document of any consumer waits for room.
func (h *Holder) anyWaits() bool {
	h.bound.mu.Lock()
	defer h.bound.mu.Unlock()
	return len(h.bound.waiting) > 0
}

// Claim is one document's part of the bound. Its consumer makes it when it asks for the document, and releases it in
// the end. The worker that prepares the document takes room with it, and then keeps what the document needs, or drops
// everything.
//
//	state    | begins with         | what counts as held
//	---------|---------------------|------------------------------------------------------
//	expected | Holder.Claim, Drop  | nothing; the holder expects a document like those before
//	waiting  | Take                | what it held before
//	working  | Take's return       | what was taken
//	kept     | Keep                | what is kept
//	released | Release             | nothing. If it was working, what was taken, until Keep or Drop
type Claim struct {
	holder *Holder
	number int // in the order in which its holder asked

	// The bound's mutex guards all below.
	state    claimState
	held     int
	expected int
	want     int           // while it waits
	decided  chan struct{} // closed when it does not wait any more
	unwanted bool          // released while it was working
}

type claimState int

const (
	expected claimState = iota
	waiting
	working
	kept
	released
)

// Claim is for one more document that is asked for. After the consumer's end it is released already.
func (h *Holder) Claim() *Claim {
	h.bound.mu.Lock()
	defer h.bound.mu.Unlock()
	h.asked++
	c := &Claim{holder: h, number: h.asked}
	if h.claims == nil {
		c.state = released
		return c
	}
	h.claims[c] = struct{}{}
	c.become(expected, 0)
	return c
}

// Take waits until the document may take so many bytes, with those that it took before. Errors: the context's, and that
// the claim is released.
func (c *Claim) Take(ctx context.Context, bytes int64) error {
	b := c.holder.bound
	b.mu.Lock()
	decided, err := c.ask(int(bytes))
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case <-decided:
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch c.state {
	case released:
		return errReleased
	case waiting:
		c.leaveQueue()
		c.become(working, c.held)
		b.settle()
		return ctx.Err()
	default:
		return nil
	}
}

func (c *Claim) ask(bytes int) (decided chan struct{}, err error) {
	if c.state == released || c.unwanted {
		return nil, errReleased
	}
	h, b := c.holder, c.holder.bound
	if c.state == expected {
		h.seen++
		h.bytes += bytes
	}
	c.want, c.decided = bytes, make(chan struct{})
	c.become(waiting, c.held)
	switch {
	case bytes <= c.held:
		c.grant()
	case c.held > 0: // first, as it may have passed beyond the bound: then it has to come to its end before others do
		b.waiting = slices.Insert(b.waiting, 0, c)
	default:
		b.waiting = append(b.waiting, c)
	}
	b.settle()
	return c.decided, nil
}

// Drop gives back what was taken for a document that is not available, at least not yet. It does nothing for one that
// is kept.
func (c *Claim) Drop() { c.finish(expected, 0) }

// Keep says that the document is prepared, and how many bytes it takes from now on.
func (c *Claim) Keep(bytes int) { c.finish(kept, bytes) }

func (c *Claim) finish(state claimState, bytes int) {
	b := c.holder.bound
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case c.unwanted:
		c.become(released, 0)
	case c.state == working, c.state == expected:
		c.become(state, bytes)
	}
	b.settle()
}

// Release gives everything back: the document was sent, or is not needed any more.
func (c *Claim) Release() {
	b := c.holder.bound
	b.mu.Lock()
	defer b.mu.Unlock()
	c.release()
	b.settle()
}

func (c *Claim) release() {
	delete(c.holder.claims, c)
	switch c.state {
	case working:
		c.unwanted = true
		return
	case waiting:
		c.leaveQueue()
		close(c.decided)
	default: // nothing of it is under way
	}
	c.become(released, 0)
}

// become is the one place where the sums change.
func (c *Claim) become(state claimState, held int) {
	h, b := c.holder, c.holder.bound
	h.held += held - c.held
	b.held += held - c.held
	h.expected -= c.expected
	c.expected = 0
	if state == expected {
		c.expected = h.guess()
		h.expected += c.expected
	}
	if c.state == working {
		b.working--
	}
	if state == working {
		b.working++
	}
	c.state, c.held = state, held
}

func (c *Claim) leaveQueue() {
	b := c.holder.bound
	b.waiting = slices.DeleteFunc(b.waiting, func(other *Claim) bool { return other == c })
}

func (c *Claim) grant() {
	c.become(working, c.want)
	close(c.decided)
}

// settle grants what can be granted, and wakes the consumers that have to know.
func (b *Bound) settle() {
	for {
		first := slices.IndexFunc(b.waiting, (*Claim).inTurn)
		if first < 0 || !b.passes(b.waiting[first]) {
			break
		}
		c := b.waiting[first]
		b.waiting = slices.Delete(b.waiting, first, first+1)
		c.grant()
	}
	wanting := 0
	wants := map[*Holder]bool{}
	for _, c := range b.waiting {
		if b.working == 0 && c.inTurn() {
			wanting++
			wants[c.holder] = true
		}
	}
	for _, h := range b.holders {
		blocked := wants[h] && h.held == b.held
		if h.refused && h.hasRoom() || h.held > 0 && wanting > b.wanting || blocked && !h.blocked {
			h.refused = false
			h.wake()
		}
		h.blocked = blocked
	}
	b.wanting = wanting
}

// inTurn says whether the document may have room before those that its holder asked for earlier and that have none yet:
// always, or if there is as much room for each of them.
func (c *Claim) inTurn() bool {
	h, b := c.holder, c.holder.bound
	if h.atOnce == 0 {
		return true
	}
	earlier := 0
	for other := range h.claims {
		if other.number < c.number && (other.state == expected || other.state == waiting) {
			earlier++
		}
	}
	return earlier == 0 || b.held-c.held+c.want*(1+earlier) <= b.room()
}

// passes says whether a document that waits may be read: there is room, or all that hold something wait too.
func (b *Bound) passes(c *Claim) bool {
	others := b.held - c.held
	if others+c.want <= b.room() {
		return true
	}
	for _, w := range b.waiting {
		if w != c {
			others -= w.held
		}
	}
	return others == 0
}

// room is the bound as it is now.
func (b *Bound) room() int {
	room := b.limit
	for _, h := range b.holders {
		room = max(room, h.atOnce)
	}
	return room
}
