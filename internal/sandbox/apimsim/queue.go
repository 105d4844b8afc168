package apimsim

import "sync"

// queue is an unbounded first-in-first-out queue with one consumer. Vert.x queues writes without a
// bound as well, so a slow agent never blocks the controller.
type queue[T any] struct {
	mu       sync.Mutex
	items    []T
	finished bool
	wake     chan struct{}
}

func newQueue[T any]() *queue[T] { return &queue[T]{wake: make(chan struct{}, 1)} }

// push reports false once the queue was finished.
func (q *queue[T]) push(items ...T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.finished {
		return false
	}
	q.items = append(q.items, items...)
	q.signal()
	return true
}

// finish lets the consumer take what is queued and then ends it.
func (q *queue[T]) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.finished = true
	q.signal()
}

func (q *queue[T]) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// next waits for an item. It reports false when done is closed, or the queue finished and empty.
func (q *queue[T]) next(done <-chan struct{}) (T, bool) {
	var zero T
	for {
		q.mu.Lock()
		if len(q.items) > 0 {
			item := q.items[0]
			q.items[0] = zero
			q.items = q.items[1:]
			q.mu.Unlock()
			return item, true
		}
		finished := q.finished
		q.mu.Unlock()
		if finished {
			return zero, false
		}
		select {
		case <-q.wake:
		case <-done:
			return zero, false
		}
	}
}

// lane runs functions one after the other on a goroutine of its own.
func (a *APIM) lane(name string) *queue[func()] {
	a.mu.Lock()
	defer a.mu.Unlock()
	if q, ok := a.lanes[name]; ok {
		return q
	}
	q := newQueue[func()]()
	a.lanes[name] = q
	a.spawnLocked(func() {
		for {
			f, ok := q.next(a.ctx.Done())
			if !ok {
				return
			}
			f()
		}
	})
	return q
}
