// Package tablesim is a model of one table of DynamoDB, with the ways in which the real one fails: it throttles, its
// answers get lost before or after the write, its index is behind, and a restored table has old items and another id.
package tablesim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"federation-agent/internal/table"
)

// Op is a kind of call.
type Op string

// The calls of [table.Items].
const (
	Get    Op = "Get"
	Query  Op = "Query"
	Update Op = "Update"
	Delete Op = "Delete"
	// Describe is free of charge, and not consistent with anything.
	Describe Op = "Describe"
)

// Call is one call of a client.
type Call struct {
	Client string
	Op     Op
	Key    table.Key
	// Index: the query is of the index.
	Index bool
}

// Fault is how a call fails.
type Fault int

// The faults.
const (
	// None: the call succeeds.
	None Fault = iota
	// Throttled: the call is refused, and does nothing.
	Throttled
	// LostBefore: there is no answer, and the write was not taken.
	LostBefore
	// LostAfter: there is no answer, and the write was taken.
	LostAfter
	// Twice: the client has sent the write a second time, since it did not hear that the first one succeeded. It hears what
	// became of the second.
	Twice
	// Stale: a query of the index gives what it had before the last write of each item.
	Stale
	// Unreachable: no connection is made, so the call does nothing.
	Unreachable
	// Slow: there is no answer within [AnswersWithin], and the write is taken at the end of it.
	Slow
	// Denied: the grant is missing, and the call does nothing.
	Denied
	// Missing: there is no such table any more.
	Missing
)

// errModel stands for what the SDK has to say.
var errModel = errors.New("the model wants it so")

// AnswersWithin is how long a client waits for an answer; that of internal/dynamodb waits as long.
const AnswersWithin = 5 * time.Second

// reads reports whether a fault lets a read through.
func (f Fault) reads() bool { return f == None || f == Twice || f == Stale }

// why is what the client says of a fault.
func (f Fault) why() table.Why {
	return map[Fault]table.Why{
		Throttled: table.Throttled, LostBefore: table.Unreachable, LostAfter: table.Unreachable,
		Unreachable: table.Unreachable, Slow: table.Slow, Denied: table.Denied, Missing: table.Missing,
	}[f]
}

// Model is a table. Its methods are safe for concurrent use.
type Model struct {
	mu     sync.Mutex
	about  table.Description
	items  map[table.Key]version
	decide func(context.Context, Call) Fault
	calls  []Call
	bills  []Bill // of the calls
	seen   func(c Call, before, after table.Item)
}

// version is an item as it is and as it was before its last write.
type version struct{ now, before table.Item }

// New makes an empty table. Decide is asked before each call, without a lock, and may wait; nil: no call fails.
func New(decide func(context.Context, Call) Fault) *Model {
	if decide == nil {
		decide = func(context.Context, Call) Fault { return None }
	}
	return &Model{
		about: table.Description{Name: "journal", ID: "table-1", Active: true, Protected: true, Keys: true},
		items: map[table.Key]version{}, decide: decide,
	}
}

// Backup is a table's items at a moment.
type Backup map[table.Key]table.Item

// Backup is the items as they are.
func (m *Model) Backup() Backup {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := Backup{}
	for key, v := range m.items {
		if v.now != nil {
			all[key] = v.now.Clone()
		}
	}
	return all
}

// Restore puts a table that was made of a backup in place of this one, under the clients that use it. It has another id.
func (m *Model) Restore(from Backup, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.items, m.about.ID = map[table.Key]version{}, id
	for key, item := range from {
		m.items[key] = version{now: item.Clone(), before: item.Clone()}
	}
}

// Become changes what the table is.
func (m *Model) Become(change func(*table.Description)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.about)
}

// Observe has a function called for each write that was taken, in their order; after is nil where the item was deleted.
// It must not call the model. Call it before the first client does anything.
func (m *Model) Observe(seen func(c Call, before, after table.Item)) { m.seen = seen }

// Client is the table as one process sees it.
func (m *Model) Client(name string) table.Items { return client{m, name} }

// Calls are all calls so far.
func (m *Model) Calls() []Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// Put puts an item behind everybody's back, as an operator or another version does; nil removes it.
func (m *Model) Put(key table.Key, item table.Item) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(key, item.Clone())
}

// put is called with mu.
func (m *Model) put(key table.Key, item table.Item) {
	m.items[key] = version{now: item, before: m.items[key].now}
}

type client struct {
	of   *Model
	name string
}

func (c client) begin(ctx context.Context, call Call) (Fault, error) {
	call.Client = c.name
	fault := c.of.decide(ctx, call)
	if fault == Slow {
		select {
		case <-ctx.Done():
		case <-time.After(AnswersWithin):
		}
	}
	c.of.mu.Lock()
	c.of.calls, c.of.bills = append(c.of.calls, call), append(c.of.bills, Bill{Calls: 1})
	if err := ctx.Err(); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = c.away(Slow, call.Op == Update || call.Op == Delete)
		}
		c.of.mu.Unlock()
		return LostBefore, err
	}
	return fault, nil
}

// Get implements [table.Items].
func (c client) Get(ctx context.Context, key table.Key) (table.Item, error) {
	fault, err := c.begin(ctx, Call{Op: Get, Key: key})
	if err != nil {
		return nil, err
	}
	defer c.of.mu.Unlock()
	if !fault.reads() {
		return nil, c.away(fault, false)
	}
	item := c.of.items[key].now
	c.of.charge(billOfRead(sizeOf(key, item), false))
	return item.Clone(), nil
}

// Describe implements [table.Items].
func (c client) Describe(ctx context.Context) (table.Description, error) {
	fault, err := c.begin(ctx, Call{Op: Describe})
	if err != nil {
		return table.Description{}, err
	}
	defer c.of.mu.Unlock()
	if !fault.reads() {
		return table.Description{}, c.away(fault, false)
	}
	return c.of.about, nil
}

// Query implements [table.Items].
func (c client) Query(ctx context.Context, q table.Query) ([]table.Found, error) {
	fault, err := c.begin(ctx, Call{Op: Query, Key: table.Key{Partition: q.Partition, Sort: q.Prefix}, Index: q.Index})
	if err != nil {
		return nil, err
	}
	defer c.of.mu.Unlock()
	if !fault.reads() {
		return nil, c.away(fault, false)
	}
	var found []table.Found
	bytes := 0
	for key, v := range c.of.items {
		item, partition := v.now, key.Partition
		if q.Index {
			if fault == Stale {
				item = v.before
			}
			partition = item[table.Open].Text()
		}
		if item != nil && partition == q.Partition && strings.HasPrefix(key.Sort, q.Prefix) {
			found = append(found, table.Found{Key: key, Item: item.Clone()})
			bytes += sizeOf(key, item)
		}
	}
	c.of.charge(billOfRead(bytes, q.Index))
	slices.SortFunc(found, func(a, b table.Found) int { return strings.Compare(a.Key.Sort, b.Key.Sort) })
	return found, nil
}

// Update implements [table.Items].
func (c client) Update(ctx context.Context, key table.Key, change table.Change) error {
	return c.write(ctx, Call{Op: Update, Key: key}, change.If, func(item table.Item) table.Item {
		next := item.Clone()
		if next == nil {
			next = table.Item{}
		}
		maps.Copy(next, change.Set)
		for _, name := range change.Remove {
			delete(next, name)
		}
		return next
	})
}

// Delete implements [table.Items].
func (c client) Delete(ctx context.Context, key table.Key, on table.Condition) error {
	return c.write(ctx, Call{Op: Delete, Key: key}, on, func(table.Item) table.Item { return nil })
}

func (c client) write(
	ctx context.Context, call Call, on table.Condition, next func(table.Item) table.Item,
) error {
	fault, err := c.begin(ctx, call)
	if err != nil {
		return errors.Join(table.ErrUnknown, err)
	}
	defer c.of.mu.Unlock()
	lost := fmt.Errorf("%w: %w", table.ErrUnknown, c.away(fault, true))
	switch fault {
	case Throttled, Unreachable, Denied, Missing:
		return fmt.Errorf("%w: %w", table.ErrNotWritten, c.away(fault, true))
	case LostBefore:
		return lost
	case None, LostAfter, Twice, Slow, Stale:
	}
	silent := fault == LostAfter || fault == Slow
	item := c.of.items[call.Key].now
	if !on.Holds(item) {
		c.of.charge(Bill{Writes: units(sizeOf(call.Key, item), 1<<10)})
		if silent {
			return lost
		}
		return &table.RefusedError{Key: call.Key, Item: item.Clone()}
	}
	after := next(item)
	c.of.charge(billOfWrite(call.Key, item, after))
	c.of.put(call.Key, after)
	if c.of.seen != nil {
		call.Client = c.name
		c.of.seen(call, item, after)
	}
	switch {
	case silent:
		return lost
	case fault == Twice && !on.Holds(after):
		return &table.RefusedError{Key: call.Key, Item: after.Clone()}
	}
	return nil
}

// away is the error of a call that a fault befell.
func (c client) away(fault Fault, write bool) error {
	return &table.AwayError{Table: c.of.about.Name, Write: write, Why: fault.why(), Cause: errModel}
}
