package tablestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"federation-agent/internal/store"
	"federation-agent/internal/table"
)

// awayAfter is for how long calls must fail, and none succeed, until the table counts as away. A throttle or a lost
// answer passes within that, and each caller tries again for as long as it can wait.
const awayAfter = 5 * time.Second

// withoutTable is what goes on and what does not, in an operator's words.
const withoutTable = "Meanwhile new subscriptions are answered ERROR, and ingests wait. Previews go on as far as the quota " +
	"allows, and the ends of subscriptions delete the key that APIM names. The agent tries again by itself"

// Watched is a table of which is known whether it can be used. A caller's error is its own business; Watched says it once
// for all of them, and says when it is over.
type Watched struct {
	items  table.Items
	log    *slog.Logger
	mu     sync.Mutex
	faults map[string]fault // by the kind of call
	away   string           // what was said of it; empty while the table can be used
	since  time.Time
}

// fault is why calls of a kind fail.
type fault struct {
	*table.AwayError
	since time.Time
}

// Watch watches the calls to a table.
func Watch(items table.Items, log *slog.Logger) *Watched {
	return &Watched{items: items, log: log, faults: map[string]fault{}}
}

// Health says whether what is written is in the table.
func (w *Watched) Health() store.Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away == "" {
		return store.Health{Durable: true}
	}
	return store.Health{Messages: []string{w.away}}
}

// Get implements [table.Items].
func (w *Watched) Get(ctx context.Context, key table.Key) (table.Item, error) {
	item, err := w.items.Get(ctx, key)
	w.note("GetItem", err)
	return item, err
}

// Describe implements [table.Items].
func (w *Watched) Describe(ctx context.Context) (table.Description, error) {
	d, err := w.items.Describe(ctx)
	w.note("DescribeTable", err)
	return d, err
}

// Query implements [table.Items].
func (w *Watched) Query(ctx context.Context, q table.Query) ([]table.Found, error) {
	found, err := w.items.Query(ctx, q)
	kind := "Query"
	if q.Index { // it has a grant of its own
		kind = "Query of the index " + table.OpenIndex
	}
	w.note(kind, err)
	return found, err
}

// Update implements [table.Items].
func (w *Watched) Update(ctx context.Context, key table.Key, change table.Change) error {
	err := w.items.Update(ctx, key, change)
	w.note("UpdateItem", err)
	return err
}

// Delete implements [table.Items].
func (w *Watched) Delete(ctx context.Context, key table.Key, on table.Condition) error {
	err := w.items.Delete(ctx, key, on)
	w.note("DeleteItem", err)
	return err
}

// note takes in how a call ended. A refused condition is a call that succeeded.
func (w *Watched) note(kind string, err error) {
	_, refused := errors.AsType[*table.RefusedError](err)
	away, now := table.Away(err), time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil, refused:
		// What is denied to one kind of call is not given by the success of another. All else passes for all at once.
		delete(w.faults, kind)
		maps.DeleteFunc(w.faults, func(_ string, f fault) bool { return f.Why != table.Denied })
		if len(w.faults) == 0 && w.away != "" {
			w.log.Info("store: the journal's table can be used again", "after", now.Sub(w.since).Round(time.Second))
			w.away = ""
		}
	case away == nil: // the caller has broken it off
	default:
		before, known := w.faults[kind]
		if !known || before.Why.Lasts() != away.Why.Lasts() {
			before.since = now
		}
		w.faults[kind] = fault{away, before.since}
		w.say(now)
	}
}

// say logs that the table is away, once. It is called with mu.
func (w *Watched) say(now time.Time) {
	kinds := slices.SortedFunc(maps.Keys(w.faults), func(a, b string) int {
		return cmp.Or(w.faults[a].since.Compare(w.faults[b].since), cmp.Compare(a, b))
	})
	n := slices.IndexFunc(kinds, func(kind string) bool {
		f := w.faults[kind]
		return f.Why.Lasts() || now.Sub(f.since) >= awayAfter
	})
	if n < 0 {
		return
	}
	f, before := w.faults[kinds[n]], w.away
	w.away = fmt.Sprintf("%s (%s). %s", f.Explain(), kinds[n], withoutTable)
	if before != "" {
		return
	}
	w.since = f.since
	w.log.Error("store: "+w.away, "error", f.Cause)
}
