package tablestore

import (
	"context"
	"fmt"
	"sync"

	"federation-agent/internal/table"
)

// gate is the way to the table's items. While it is shut nothing is read and nothing is written: nobody knows yet whose
// records they are.
type gate struct {
	table.Items

	mu  sync.Mutex
	why error // why it is shut; nil: it is open
}

func (g *gate) shut(why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.why = why
}

// isShut gives why it is shut.
func (g *gate) isShut() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why
}

// Get implements [table.Items].
func (g *gate) Get(ctx context.Context, key table.Key) (table.Item, error) {
	if why := g.isShut(); why != nil {
		return nil, why
	}
	return g.Items.Get(ctx, key)
}

// Query implements [table.Items].
func (g *gate) Query(ctx context.Context, q table.Query) ([]table.Found, error) {
	if why := g.isShut(); why != nil {
		return nil, why
	}
	return g.Items.Query(ctx, q)
}

// Update implements [table.Items].
func (g *gate) Update(ctx context.Context, key table.Key, change table.Change) error {
	if why := g.isShut(); why != nil {
		return fmt.Errorf("%w: %w", table.ErrNotWritten, why)
	}
	return g.Items.Update(ctx, key, change)
}

// Delete implements [table.Items].
func (g *gate) Delete(ctx context.Context, key table.Key, on table.Condition) error {
	if why := g.isShut(); why != nil {
		return fmt.Errorf("%w: %w", table.ErrNotWritten, why)
	}
	return g.Items.Delete(ctx, key, on)
}
