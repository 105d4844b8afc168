package world

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"federation-agent/internal/members"
	"federation-agent/internal/status"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
)

// Gate is what a process's goroutines pass wherever they reach the outside, so that it can be frozen as SIGSTOP does: they
// wait there until it goes on. What they do between two such places, nobody can see. Time goes on meanwhile: timers that
// are due are heard of only then. The zero Gate is open.
type Gate struct {
	mu     sync.Mutex
	closed chan struct{} // nil while it is open
	dead   bool
}

// Freeze closes it.
func (g *Gate) Freeze() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil && !g.dead {
		g.closed = make(chan struct{})
	}
}

// Thaw opens it.
func (g *Gate) Thaw() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != nil {
		close(g.closed)
		g.closed = nil
	}
}

// Wait waits while it is closed. False: the process is dead, and must reach nothing any more.
func (g *Gate) Wait() bool {
	for {
		g.mu.Lock()
		closed, dead := g.closed, g.dead
		g.mu.Unlock()
		if closed == nil {
			return !dead
		}
		<-closed
	}
}

// die opens it for good.
func (g *Gate) die() {
	g.mu.Lock()
	g.dead = true
	g.mu.Unlock()
	g.Thaw()
}

// gatedConn is a connection of a process that may be frozen.
type gatedConn struct {
	net.Conn

	gate *Gate
}

// Read implements net.Conn.
func (c gatedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.gate.Wait()
	return n, err
}

// Write implements net.Conn.
func (c gatedConn) Write(p []byte) (int, error) {
	c.gate.Wait() // a dead one's connections are cut
	return c.Conn.Write(p)
}

// gatedItems is the table as a process reaches it that may be frozen or dead before and behind each call.
type gatedItems struct {
	items table.Items
	gate  *Gate
}

// errDead is what a dead process hears of its calls.
var errDead = fmt.Errorf("the process is dead: %w", table.ErrUnknown)

func gated[T any](gate *Gate, do func() (T, error)) (result T, err error) {
	if !gate.Wait() {
		return result, errDead
	}
	result, err = do()
	if !gate.Wait() {
		return result, errDead
	}
	return result, err
}

// Get implements [table.Items].
func (i gatedItems) Get(ctx context.Context, key table.Key) (table.Item, error) {
	return gated(i.gate, func() (table.Item, error) { return i.items.Get(ctx, key) })
}

// Query implements [table.Items].
func (i gatedItems) Query(ctx context.Context, q table.Query) ([]table.Found, error) {
	return gated(i.gate, func() ([]table.Found, error) { return i.items.Query(ctx, q) })
}

// Update implements [table.Items].
func (i gatedItems) Update(ctx context.Context, key table.Key, change table.Change) error {
	_, err := gated(i.gate, func() (struct{}, error) { return struct{}{}, i.items.Update(ctx, key, change) })
	return err
}

// Delete implements [table.Items].
func (i gatedItems) Delete(ctx context.Context, key table.Key, on table.Condition) error {
	_, err := gated(i.gate, func() (struct{}, error) { return struct{}{}, i.items.Delete(ctx, key, on) })
	return err
}

// Describe implements [table.Items].
func (i gatedItems) Describe(ctx context.Context) (table.Description, error) {
	return gated(i.gate, func() (table.Description, error) { return i.items.Describe(ctx) })
}

// share makes the instance one of several over a table.
func (i *Instance) share(items table.Items) {
	tokens := 0
	var mu sync.Mutex
	i.Table = tablestore.New(gatedItems{items, &i.Gate}, func() string {
		mu.Lock()
		defer mu.Unlock()
		tokens++
		return fmt.Sprintf("%s/%d", i.Name, tokens)
	})
	i.Member = members.NewSelf(i.Name)
	i.Board.Share(status.Shared{ID: i.Name})
	ctx, cancel := context.WithTimeout(context.Background(), openWithin)
	defer cancel()
	_ = i.Table.Open(ctx) // else the first signs of life try again
}

// openWithin bounds the first look at the table.
const openWithin = 5 * time.Second
