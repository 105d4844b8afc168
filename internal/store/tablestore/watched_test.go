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

	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
)

// watch runs a test with a watched table, whose calls fail as the test says.
func watch(t *testing.T, test func(w *tablestore.Watched, fail func(tablesim.Fault, ...tablesim.Op), log *bytes.Buffer)) {
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
		w := tablestore.Watch(model.Client("a"), slog.New(slog.NewTextHandler(&log, nil)))
		test(w, func(f tablesim.Fault, ops ...tablesim.Op) { fault, only = f, ops }, &log)
	})
}

// calls makes one call of each kind every second.
func calls(w *tablestore.Watched, seconds int) {
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
		watch(t, func(w *tablestore.Watched, fail func(tablesim.Fault, ...tablesim.Op), log *bytes.Buffer) {
			calls(w, 2)
			fail(fault)
			calls(w, 60)
			h := w.Health()
			if h.Durable || len(h.Messages) != 1 || !strings.Contains(h.Messages[0], says) ||
				!strings.Contains(h.Messages[0], "the journal's table journal (agent.store.table.name)") {
				t.Errorf("fault %d: %+v", fault, h)
			}
			fail(tablesim.None)
			calls(w, 2)
			if h = w.Health(); !h.Durable || len(h.Messages) > 0 {
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
	watch(t, func(w *tablestore.Watched, fail func(tablesim.Fault, ...tablesim.Op), log *bytes.Buffer) {
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
	watch(t, func(w *tablestore.Watched, fail func(tablesim.Fault, ...tablesim.Op), log *bytes.Buffer) {
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
	watch(t, func(w *tablestore.Watched, _ func(tablesim.Fault, ...tablesim.Op), log *bytes.Buffer) {
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
