package status

import (
	"maps"
	"time"
)

// TableUse is what is noted of the calls of a shared journal's table, and of what follows from sharing it.
type TableUse struct {
	// Calls counts the calls by what became of them, Took is how long they took, by operation; retries are part of a call.
	Calls map[TableCall]uint64  `json:"-"`
	Took  map[string]*Histogram `json:"-"`
	// AwaySince is since when the table cannot be used; zero: it can.
	AwaySince time.Time `json:"awaySince,omitzero"`
	// RestoredAt is when it was noticed that the table was restored or copied, until an operator accepts it.
	RestoredAt time.Time `json:"restoredAt,omitzero"`
	// TakenOver counts what this process took over from others, by kind.
	TakenOver map[TakenOver]uint64 `json:"takenOver"`
	// Contested counts the writes of a subscription's keys that another process came before.
	Contested uint64 `json:"contested"`
}

// TableCall is a kind of call of the table: its operation as DynamoDB names it, and its result.
type TableCall struct {
	Operation string
	Result    TableResult
}

// TableResult says what became of a call of the table.
type TableResult string

// The results.
const (
	TableOK TableResult = "ok"
	// TableRefused: the condition of a write was not true, as somebody else had written before.
	TableRefused TableResult = "refused"
	// TableThrottled: each attempt was throttled.
	TableThrottled TableResult = "throttled"
	// TableUnknown: the answer to a write is lost.
	TableUnknown TableResult = "unknown"
	// TableFailed: it failed otherwise; the log says why.
	TableFailed TableResult = "failed"
	// TableCancelled: who asked did not wait.
	TableCancelled TableResult = "cancelled"
)

// TableCalls are all calls that are made of a table while the agent runs, with all of their results.
func TableCalls() (all []TableCall) {
	reads, writes := []string{"DescribeTable", "GetItem", "Query"}, []string{"DeleteItem", "UpdateItem"}
	for _, operation := range append(reads, writes...) {
		for _, result := range []TableResult{TableOK, TableThrottled, TableFailed, TableCancelled} {
			all = append(all, TableCall{operation, result})
		}
	}
	for _, operation := range writes {
		all = append(all, TableCall{operation, TableRefused}, TableCall{operation, TableUnknown})
	}
	return all
}

// TakenOver is a kind of what a process takes over from another one, which is gone or too slow.
type TakenOver string

// The kinds.
const (
	// TookKeys: the keys of a subscription.
	TookKeys TakenOver = "keys"
	// TookIngest: an ingest.
	TookIngest TakenOver = "ingest"
)

func newTableUse() TableUse {
	return TableUse{
		Calls: map[TableCall]uint64{}, Took: map[string]*Histogram{},
		TakenOver: map[TakenOver]uint64{TookKeys: 0, TookIngest: 0},
	}
}

// withShared changes what is noted of the shared journal. Where it is not shared, nothing is.
func (b *Board) withShared(change func(*Shared)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shared != nil {
		change(b.shared)
	}
}

// TableCalled counts a call of the table that took that long.
func (b *Board) TableCalled(c TableCall, took time.Duration) {
	b.withShared(func(s *Shared) {
		s.Calls[c]++
		s.Took[c.Operation] = s.Took[c.Operation].with(tableBounds, took)
	})
}

// TableAway notes since when the table cannot be used; the zero time: it can.
func (b *Board) TableAway(since time.Time) {
	b.withShared(func(s *Shared) { s.AwaySince = since.UTC() })
}

// TableRestored notes when it was noticed that the table was restored; the zero time: it was not, or that is accepted.
func (b *Board) TableRestored(noticed time.Time) {
	b.withShared(func(s *Shared) { s.RestoredAt = noticed.UTC() })
}

// TookOver counts what was taken over from another process.
func (b *Board) TookOver(what TakenOver) { b.withShared(func(s *Shared) { s.TakenOver[what]++ }) }

// Contested counts a write of a subscription's keys that another process came before.
func (b *Board) Contested() { b.withShared(func(s *Shared) { s.Contested++ }) }

func (u TableUse) clone() TableUse {
	u.Calls, u.Took, u.TakenOver = maps.Clone(u.Calls), maps.Clone(u.Took), maps.Clone(u.TakenOver)
	for operation, took := range u.Took {
		u.Took[operation] = took.clone()
	}
	return u
}
