package demo

import (
	"context"
	"sync"
	"time"
)

// bell wakes whoever waits for something to happen in the stand-ins.
type bell struct {
	mu   sync.Mutex
	next chan struct{}
}

func newBell() *bell { return &bell{next: make(chan struct{})} }

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.next)
	b.next = make(chan struct{})
}

// listen gives a channel that is closed at the next ring.
func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next
}

// lookAgain is for what changes without a message, such as a clock that runs out.
const lookAgain = 250 * time.Millisecond

// until waits for a condition, which is looked at whenever a message or a call has passed. Errors: the
// context's.
func (b *bell) until(ctx context.Context, fulfilled func() bool) error {
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for {
		rung := b.listen()
		if fulfilled() {
			return nil
		}
		select {
		case <-rung:
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
