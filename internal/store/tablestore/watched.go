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

	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/table"
)

// awayAfter is for how long calls must fail, and none succeed, until the table counts as away. A throttle or a lost
// answer passes within that, and each caller tries again for as long as it can wait.
const awayAfter = 5 * time.Second

// withoutTable is what goes on and what does not, in an operator's words.
const withoutTable = "Meanwhile new subscriptions are answered ERROR, ingests wait, and AWS is not asked once the quota that " +
	"was lent has run out, but to delete the key that APIM names where a subscription ends. The agent tries again by itself"

// Watched is a table of which is known whether it can be used. A caller's error is its own business; Watched says it once
// for all of them, and says when it is over.
type Watched struct {
	items  table.Items
	log    *slog.Logger
	board  *status.Board
	mu     sync.Mutex
	faults map[kind]fault
	away   string // what was said of it; empty while the table can be used
	since  time.Time
}

// fault is why calls of a kind fail.
type fault struct {
	*table.AwayError
	since time.Time
}

// Watch watches the calls to a table, and notes them on the board.
func Watch(items table.Items, log *slog.Logger, board *status.Board) *Watched {
	return &Watched{items: items, log: log, board: board, faults: map[kind]fault{}}
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

// kind is a kind of call. Each has a grant of its own.
type kind struct {
	operation string
	of        string
	writes    bool
}

var (
	getting    = kind{operation: "GetItem"}
	describing = kind{operation: "DescribeTable"}
	querying   = kind{operation: "Query"}
	indexing   = kind{operation: "Query", of: " of the index " + table.OpenIndex}
	updating   = kind{operation: "UpdateItem", writes: true}
	deleting   = kind{operation: "DeleteItem", writes: true}
)

func (k kind) String() string { return k.operation + k.of }

// Get implements [table.Items].
func (w *Watched) Get(ctx context.Context, key table.Key) (item table.Item, err error) {
	defer w.note(getting, time.Now(), &err)
	return w.items.Get(ctx, key)
}

// Describe implements [table.Items].
func (w *Watched) Describe(ctx context.Context) (d table.Description, err error) {
	defer w.note(describing, time.Now(), &err)
	return w.items.Describe(ctx)
}

// Query implements [table.Items].
func (w *Watched) Query(ctx context.Context, q table.Query) (found []table.Found, err error) {
	k := querying
	if q.Index {
		k = indexing
	}
	defer w.note(k, time.Now(), &err)
	return w.items.Query(ctx, q)
}

// Update implements [table.Items].
func (w *Watched) Update(ctx context.Context, key table.Key, change table.Change) (err error) {
	defer w.note(updating, time.Now(), &err)
	return w.items.Update(ctx, key, change)
}

// Delete implements [table.Items].
func (w *Watched) Delete(ctx context.Context, key table.Key, on table.Condition) (err error) {
	defer w.note(deleting, time.Now(), &err)
	return w.items.Delete(ctx, key, on)
}

// note takes in how a call ended. A refused condition is a call that succeeded.
func (w *Watched) note(k kind, began time.Time, failed *error) {
	err, now := *failed, time.Now()
	result, away := resultOf(err), table.Away(err)
	w.board.TableCalled(status.TableCall{Operation: k.operation, Result: result}, now.Sub(began))
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case result == status.TableOK, result == status.TableRefused:
		// What is denied to one kind of call is not given by the success of another, and reads say nothing of writes, which
		// are throttled apart from them. All else passes for all at once.
		delete(w.faults, k)
		maps.DeleteFunc(w.faults, func(is kind, f fault) bool { return f.Why != table.Denied && is.writes == k.writes })
		if len(w.faults) == 0 && w.away != "" {
			w.log.Info("store: the journal's table can be used again", "after", now.Sub(w.since).Round(time.Second))
			w.away = ""
			w.board.TableAway(time.Time{})
		}
	case away == nil: // the caller has broken it off
	default:
		before, known := w.faults[k]
		if !known || before.Why.Lasts() != away.Why.Lasts() {
			before.since = now
		}
		w.faults[k] = fault{away, before.since}
		w.say(now)
	}
}

// resultOf sorts how a call ended, for the counts.
func resultOf(err error) status.TableResult {
	_, refused := errors.AsType[*table.RefusedError](err)
	away := table.Away(err)
	switch {
	case err == nil:
		return status.TableOK
	case refused:
		return status.TableRefused
	case errors.Is(err, table.ErrUnknown):
		return status.TableUnknown
	case errors.Is(err, context.Canceled):
		return status.TableCancelled
	case away != nil && away.Why == table.Throttled:
		return status.TableThrottled
	}
	return status.TableFailed
}

// say logs that the table is away, once. It is called with mu.
func (w *Watched) say(now time.Time) {
	kinds := slices.SortedFunc(maps.Keys(w.faults), func(a, b kind) int {
		return cmp.Or(w.faults[a].since.Compare(w.faults[b].since), cmp.Compare(a.String(), b.String()))
	})
	n := slices.IndexFunc(kinds, func(k kind) bool {
		f := w.faults[k]
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
	w.board.TableAway(w.since)
	w.log.Error("store: "+w.away, "error", f.Cause)
}
