package exports

import (
	"context"
	"slices"
	"sync"
)

// room bounds the bytes of the documents that an integration's stage workers read and encode at a time. Nobody knows how
// large a document is before AWS begins to answer, and the stages of one REST API, which are asked for together, are alike:
// what was asked for in the belief that it is small may be large as a whole. It outlives all workers, and grants in the
// order of arrival, so that a large document is not passed over for ever.
type Room struct {
	limit int

	mu      sync.Mutex
	used    int
	waiting []*Claim
}

func NewRoom(limit int) *Room { return &Room{limit: limit} }

// claim is one worker's part of a room; it implements [apigateway.Room].
type Claim struct {
	room *Room
	// wanted is what it waits for, held what it has. The room's mutex guards both.
	wanted, held int
	granted      chan struct{}
}

func (r *Room) Claim() *Claim { return &Claim{room: r} }

// Take waits until there is room for a document of so many bytes, and for its encoded copy. One that is larger than the
// whole room passes alone. What was taken before is given back first.
func (c *Claim) Take(ctx context.Context, bytes int64) error {
	c.Drop()
	r := c.room
	r.mu.Lock()
	c.wanted, c.granted = int(min(bytes*Copies, int64(r.limit))), make(chan struct{})
	r.waiting = append(r.waiting, c)
	r.grant()
	r.mu.Unlock()
	select {
	case <-c.granted:
		return nil
	case <-ctx.Done():
		c.Drop()
		return ctx.Err()
	}
}

// Drop gives back what was taken, if anything was.
func (c *Claim) Drop() {
	r := c.room
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = slices.DeleteFunc(r.waiting, func(other *Claim) bool { return other == c })
	r.used -= c.held
	c.held = 0
	r.grant()
}

// grant is called with mu.
func (r *Room) grant() {
	for len(r.waiting) > 0 && r.used+r.waiting[0].wanted <= r.limit {
		next := r.waiting[0]
		r.waiting = slices.Delete(r.waiting, 0, 1)
		next.held = next.wanted
		r.used += next.held
		close(next.granted)
	}
}
