package tablestore_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/status"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
)

// watching is a watched table, and what is noted of it.
type watching struct {
	*tablestore.Watched
	board *status.Board
}

// watch runs a test with a watched table, whose calls fail as the test says.
func watch(t *testing.T, test func(w *watching, fail func(tablesim.Fault, ...tablesim.Op), log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fault, only := tablesim.None, []tablesim.Op(nil)
		model := tablesim.New(func(_ context.Context, c tablesim.Call) tablesim.Fault {
			if len(only) > 0 && !slices.Contains(only, c.Op) {
				return tablesim.None
			}
			return fault
		})
		var log bytes.Buffer
		board := status.NewBoard()
		board.Share(status.Shared{})
		w := tablestore.Watch(model.Client("a"), slog.New(slog.NewTextHandler(&log, nil)), board)
		test(&watching{w, board}, func(f tablesim.Fault, ops ...tablesim.Op) { fault, only = f, ops }, &log)
	})
}

// calls makes one call of each kind every second.
func calls(w *watching, seconds int) {
	for range seconds {
		_, _ = w.Get(context.Background(), table.Key{})
		_, _ = w.Query(context.Background(), table.Query{})
		_ = w.Update(context.Background(), table.Key{Sort: "x"}, table.Change{})
		time.Sleep(time.Second)
	}
}

func TestATableThatIsAwayIsSaidOnceAndSoIsItsReturn(t *testing.T) {
	for fault, says := range map[tablesim.Fault]string{
		tablesim.Throttled:   "DynamoDB throttles it",
		tablesim.LostBefore:  "DynamoDB cannot be reached",
		tablesim.LostAfter:   "DynamoDB cannot be reached",
		tablesim.Unreachable: "DynamoDB cannot be reached",
		tablesim.Slow:        "DynamoDB does not answer in time",
		tablesim.Denied:      "DynamoDB denies access",
		tablesim.Missing:     "there is no such table",
	} {
		watch(t, func(w *watching, fail func(tablesim.Fault, ...tablesim.Op), log *bytes.Buffer) {
			calls(w, 2)
			fail(fault)
			calls(w, 60)
			h := w.Health()
			if since := time.Since(w.board.Read().Shared.AwaySince); since < 55*time.Second {
				t.Errorf("fault %d: away for %s", fault, since)
			}
			if h.Durable || len(h.Messages) != 1 || !strings.Contains(h.Messages[0], says) ||
				!strings.Contains(h.Messages[0], "the journal's table journal (agent.store.table.name)") {
				t.Errorf("fault %d: %+v", fault, h)
			}
			fail(tablesim.None)
			calls(w, 2)
			if h = w.Health(); !h.Durable || len(h.Messages) > 0 || !w.board.Read().Shared.AwaySince.IsZero() {
				t.Errorf("fault %d is over: %+v", fault, h)
			}
			if got := log.String(); strings.Count(got, "\n") != 2 || strings.Count(got, says) != 1 ||
				strings.Count(got, "can be used again") != 1 {
				t.Errorf("fault %d: the log has\n%s", fault, got)
			}
		})
	}
}

// A single lost answer is no reason to call anybody.
func TestWhatPassesWithinSecondsIsNotSaid(t *testing.T) {
	watch(t, func(w *watching, fail func(tablesim.Fault, ...tablesim.Op), log *bytes.Buffer) {
		for range 10 {
			fail(tablesim.Throttled)
			calls(w, 4)
			fail(tablesim.None)
			calls(w, 1)
		}
		if log.Len() > 0 || !w.Health().Durable {
			t.Errorf("%+v\n%s", w.Health(), log)
		}
	})
}

// Reads that succeed do not make up for writes that are denied.
func TestWhatIsDeniedToOneKindOfCallStays(t *testing.T) {
	watch(t, func(w *watching, fail func(tablesim.Fault, ...tablesim.Op), log *bytes.Buffer) {
		fail(tablesim.Denied, tablesim.Update)
		calls(w, 20)
		if h := w.Health(); h.Durable || !strings.Contains(h.Messages[0], "cannot be written") ||
			!strings.Contains(h.Messages[0], "(UpdateItem)") || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%+v\n%s", h, log)
		}
	})
}

// Who gives up says nothing of the table.
func TestACallThatIsBrokenOffIsNoFault(t *testing.T) {
	watch(t, func(w *watching, _ func(tablesim.Fault, ...tablesim.Op), log *bytes.Buffer) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for range 10 {
			_ = w.Update(ctx, table.Key{Sort: "x"}, table.Change{})
			time.Sleep(time.Second)
		}
		if log.Len() > 0 || !w.Health().Durable {
			t.Errorf("%+v\n%s", w.Health(), log)
		}
	})
}

// Reads and writes are throttled apart, so that reads which succeed say nothing of writes.
func TestATableThatTakesNoWritesIsAwayHoweverItIsRead(t *testing.T) {
	watch(t, func(w *watching, fail func(tablesim.Fault, ...tablesim.Op), log *bytes.Buffer) {
		fail(tablesim.Throttled, tablesim.Update)
		calls(w, 20)
		if h := w.Health(); h.Durable || !strings.Contains(h.Messages[0], "DynamoDB throttles it") {
			t.Errorf("%+v\n%s", h, log)
		}
		fail(tablesim.None)
		calls(w, 1)
		if !w.Health().Durable || strings.Count(log.String(), "\n") != 2 {
			t.Errorf("%+v\n%s", w.Health(), log)
		}
	})
}

func TestEachCallIsCountedByWhatBecameOfIt(t *testing.T) {
	for fault, want := range map[tablesim.Fault][2]status.TableResult{
		tablesim.None:        {status.TableOK, status.TableOK},
		tablesim.Throttled:   {status.TableThrottled, status.TableThrottled},
		tablesim.Denied:      {status.TableFailed, status.TableFailed},
		tablesim.LostAfter:   {status.TableFailed, status.TableUnknown},
		tablesim.Unreachable: {status.TableFailed, status.TableFailed},
	} {
		watch(t, func(w *watching, fail func(tablesim.Fault, ...tablesim.Op), _ *bytes.Buffer) {
			fail(fault)
			calls(w, 1)
			got := w.board.Read().Shared.Calls
			for n, operation := range []string{"GetItem", "UpdateItem"} {
				if got[status.TableCall{Operation: operation, Result: want[n]}] != 1 {
					t.Errorf("fault %d, %s: %v", fault, operation, got)
				}
			}
		})
	}
	watch(t, func(w *watching, _ func(tablesim.Fault, ...tablesim.Op), _ *bytes.Buffer) {
		_ = w.Delete(context.Background(), table.Key{Sort: "x"}, table.Condition{Equal: table.Item{"v": table.Number(1)}})
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		_, _ = w.Get(gone, table.Key{Sort: "x"})
		got := w.board.Read().Shared
		if got.Calls[status.TableCall{Operation: "DeleteItem", Result: status.TableRefused}] != 1 ||
			got.Calls[status.TableCall{Operation: "GetItem", Result: status.TableCancelled}] != 1 {
			t.Errorf("%v", got.Calls)
		}
		for call := range got.Calls {
			if !slices.Contains(status.TableCalls(), call) {
				t.Errorf("%v does not begin at 0", call)
			}
		}
	})
}
