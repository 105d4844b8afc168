package tablestore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/members"
	"federation-agent/internal/quota"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
)

var meta = table.Key{Partition: "meta", Sort: "meta"}

// reopen makes a process that has looked at the table.
func reopen(t *testing.T, model *tablesim.Model, client string) *tablestore.Store {
	t.Helper()
	s := open(model, client)
	must(t, s.Open(t.Context()))
	return s
}

func keep(t *testing.T, s *tablestore.Store, subscription, owner string, states ...keys.State) {
	t.Helper()
	of := keys.Subscription{Integration: "I", Account: "123456789012", Region: "eu-west-1", ID: subscription}
	var records []keys.Record
	for n, state := range states {
		r := record(fmt.Sprint(subscription, n), state)
		r.SubscriptionID, r.CreatedAt = subscription, start.Add(time.Duration(n))
		if state != keys.Intent && state != keys.Creating && state != keys.LostCreate {
			r.KeyID = "key-" + r.ID
		}
		records = append(records, r)
	}
	_, err := s.Write(t.Context(), store.Entry{Of: of}, owner, records)
	must(t, err)
}

// states are the records of all entries, by subscription: a restored one has an R, an owner is named.
func states(t *testing.T, s *tablestore.Store) string {
	t.Helper()
	entries, err := s.Entries(t.Context(), store.Filter{}, false)
	must(t, err)
	var all []string
	for _, e := range entries {
		line := e.Of.ID + ":"
		for _, r := range e.Records {
			line += " " + string(r.State)
			if r.Restored {
				line += "R"
			}
		}
		if e.Owner != "" {
			line += " of " + e.Owner
		}
		all = append(all, line)
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// filled is a table that a process has worked with.
func filled(t *testing.T) *tablesim.Model {
	t.Helper()
	model := tablesim.New(nil)
	s := reopen(t, model, "a")
	keep(t, s, "making", "a", keys.Attached)
	keep(t, s, "asked", "a", keys.Creating)
	keep(t, s, "deleting", "a", keys.Delivered, keys.Deleting)
	keep(t, s, "replaced", "", keys.Delivered, keys.Delivered)
	keep(t, s, "used", "", keys.Delivered)
	begin(t, s, "a", "J")
	send(t, s, job("J", "a"), map[string][]string{"x": {"1"}})
	must(t, s.SaveClaims(t.Context(), "I", map[string][]string{"y": {"3"}}))
	_, _, err := s.Change(t.Context(), "123456789012", "eu-west-1", quota.Ledger{}, quota.Ledger{
		Version: quota.Version{Number: 1, Token: "a/1"}, Holders: map[string]quota.Holder{"a": {Count: 1, Rate: 7000}},
	})
	must(t, err)
	must(t, s.Raise(t.Context(), members.Member{ID: "a", Count: 9}, time.Now().Add(-time.Hour)))
	return model
}

const afterRestore = "asked: lost-createR; deleting: deliveredR unconfirmedR; making: unconfirmedR; " +
	"replaced: deliveredR deliveredR; used: delivered"

func wantRestored(t *testing.T, s *tablestore.Store) {
	t.Helper()
	if got := states(t, s); got != afterRestore {
		t.Errorf("the journal has\n%s, want\n%s", got, afterRestore)
	}
	jobs, err := s.Running(t.Context(), "I")
	must(t, err)
	sent, err := s.Sent(t.Context(), "I")
	must(t, err)
	all, err := s.Members(t.Context())
	must(t, err)
	if len(jobs)+len(sent.Plans)+len(sent.Claims)+len(all) > 0 {
		t.Errorf("jobs %v, sent %v, members %v", jobs, sent, all)
	}
	if ledger, taken, err := s.Change(t.Context(), "123456789012", "eu-west-1", quota.Ledger{}, quota.Ledger{
		Version: quota.Version{Number: 1, Token: "b/1"},
	}); err != nil || !taken {
		t.Errorf("the ledger is %+v, %v", ledger, err)
	}
}

func TestATableKnowsItsID(t *testing.T) {
	model := filled(t)
	before := states(t, open(model, "x"))
	for n := range 2 {
		s := reopen(t, model, "b")
		if got := states(t, s); got != before || len(s.Notices()) > 0 {
			t.Errorf("opened once more: %s, %q", got, s.Notices())
		}
		if n == 0 {
			begin := len(model.Calls())
			must(t, s.Open(t.Context()))
			if calls := model.Calls()[begin:]; len(calls) != 2 || calls[0].Op != tablesim.Describe || calls[1].Key != meta {
				t.Errorf("to open a table costs %+v", calls)
			}
		}
	}
}

func TestARestoredTableDeletesNothingAndLists(t *testing.T) {
	model := filled(t)
	model.Restore(model.Backup(), "table-2")
	s := reopen(t, model, "b")
	wantRestored(t, s)
	if got := s.Notices(); len(got) != 1 || !strings.Contains(got[0], "store accept-restore") || s.Meta().From != "table-1" {
		t.Errorf("%q, %+v", got, s.Meta())
	}
	if got := reopen(t, model, "c").Notices(); len(got) != 1 {
		t.Errorf("another process says %q", got)
	}
	must(t, s.AcceptRestore(t.Context()))
	for _, one := range []*tablestore.Store{s, reopen(t, model, "d")} {
		if got := states(t, one); len(one.Notices()) > 0 || got != afterRestore {
			t.Errorf("accepted: %q, %s", one.Notices(), got)
		}
	}
	// A copy of the copy, of before anybody has accepted it, or after.
	model.Restore(model.Backup(), "table-3")
	if s = reopen(t, model, "e"); s.Meta().From != "table-2" || states(t, s) != afterRestore {
		t.Errorf("restored again: %+v, %s", s.Meta(), states(t, s))
	}
}

func TestRecordsWithoutTheTablesItemCameFromElsewhere(t *testing.T) {
	model := filled(t)
	model.Put(meta, nil)
	s := reopen(t, model, "b")
	wantRestored(t, s)
	if s.Meta().From == "" {
		t.Error("nobody is told")
	}
}

// Each call of the work on a restored table fails once, or its answer is lost; the next process finishes it.
func TestTheWorkOnARestoredTableIsGoneOnWith(t *testing.T) {
	calls := 0
	for fault := range 2 {
		for fails := 1; ; fails++ {
			model := filled(t)
			backup, n := model.Backup(), 0
			model = tablesim.New(func(context.Context, tablesim.Call) tablesim.Fault {
				if n++; n == fails {
					return []tablesim.Fault{tablesim.Throttled, tablesim.LostAfter}[fault]
				}
				return tablesim.None
			})
			model.Restore(backup, "table-2")
			s := open(model, "b")
			if err := s.Open(t.Context()); err != nil {
				if _, err := s.Entries(t.Context(), store.Filter{}, false); err == nil {
					t.Fatalf("call %d failed, and the table is read all the same", fails)
				}
				must(t, s.Raise(t.Context(), members.Member{ID: "b", Count: 1}, time.Now()))
				must(t, s.Leave(t.Context(), "b"))
			}
			if n < fails {
				calls = max(calls, fails)
				break
			}
			all, _ := s.Members(t.Context())
			for _, m := range all { // to delete it costs nothing, and is not tried again
				must(t, s.Leave(t.Context(), m.ID))
			}
			if got := states(t, s); got != afterRestore || s.Meta().From != "table-1" {
				t.Errorf("call %d: %s, %+v", fails, got, s.Meta())
			}
		}
	}
	if calls < 15 {
		t.Errorf("only %d calls", calls)
	}
}

// A process that is slow at it touches nothing that was written after another one was done.
func TestWhatIsWrittenAfterwardsIsNotTakenForOld(t *testing.T) {
	model, reached, held := filled(t), 0, false
	backup := model.Backup()
	var fast *tablestore.Store
	model = tablesim.New(func(_ context.Context, c tablesim.Call) tablesim.Fault {
		if c.Client == "slow" && !held {
			if reached++; reached == 8 { // it has read everything, and is about to see whether somebody else is done
				held = true
				must(t, fast.Open(t.Context()))
				keep(t, fast, "new", "fast", keys.Attached)
				begin(t, fast, "fast", "K")
			}
		}
		return tablesim.None
	})
	model.Restore(backup, "table-2")
	fast = open(model, "fast")
	slow := reopen(t, model, "slow")
	if got := states(t, slow); !held || !strings.Contains(got, "new: attached of fast") {
		t.Errorf("held %v: %s", held, got)
	}
	if jobs, _ := slow.Running(t.Context(), "I"); len(jobs) == 0 || jobs[len(jobs)-1].OwnedJob != job("K", "fast") {
		t.Errorf("%v", jobs)
	}
}

func TestATableThatIsRestoredUnderAProcessIsNoticedAtTheNextRaise(t *testing.T) {
	model := filled(t)
	a, b := reopen(t, model, "a"), reopen(t, model, "b")
	raise := func(s *tablestore.Store, id string, count int64) error {
		return s.Raise(t.Context(), members.Member{ID: id, Count: count}, time.Now())
	}
	must(t, raise(a, "a", 10))
	must(t, raise(b, "b", 1))
	backup := model.Backup()
	must(t, raise(a, "a", 11))
	must(t, raise(b, "b", 2))
	if jobs, _ := b.Running(t.Context(), "I"); len(jobs) != 1 { // so it remembers the history
		t.Fatal("no job")
	}
	model.Restore(backup, "table-2")
	must(t, raise(a, "a", 12))
	begin(t, a, "a", "K")
	must(t, raise(b, "b", 3))
	for _, s := range []*tablestore.Store{a, b} {
		if got := states(t, s); got != afterRestore || len(s.Notices()) != 1 {
			t.Errorf("%s, %q", got, s.Notices())
		}
		if jobs, _ := s.Running(t.Context(), "I"); len(jobs) != 1 || jobs[0].OwnedJob != job("K", "a") {
			t.Errorf("%v", jobs)
		}
	}
	if all, _ := b.Members(t.Context()); len(all) != 2 || all[0].Count != 12 || all[1].Count != 3 {
		t.Errorf("members %+v", all)
	}
}

// One that was deleted, and restored as it had been, shows by its TableId alone.
func TestATableThatIsRestoredAsItWasIsNoticedWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := filled(t)
		s := reopen(t, model, "a")
		model.Restore(model.Backup(), "table-2")
		began := time.Now()
		for count := int64(1); len(s.Notices()) == 0; count++ {
			must(t, s.Raise(t.Context(), members.Member{ID: "a2", Count: count}, time.Now()))
			time.Sleep(members.RaiseEvery)
		}
		if took := time.Since(began); took > time.Minute+members.RaiseEvery || states(t, s) != afterRestore {
			t.Errorf("after %s: %s", took, states(t, s))
		}
	})
}

// Answers that are lost, and an item that AWS or an operator has removed, are no restored table.
func TestAProcessKnowsItsOwnCounterAgain(t *testing.T) {
	fault := tablesim.None
	model := tablesim.New(func(_ context.Context, c tablesim.Call) tablesim.Fault {
		if c.Op == tablesim.Update {
			return fault
		}
		return tablesim.None
	})
	s := reopen(t, model, "a")
	for count, f := range []tablesim.Fault{
		tablesim.None, tablesim.LostAfter, tablesim.None, tablesim.LostBefore, tablesim.None, tablesim.LostAfter,
		tablesim.LostAfter, tablesim.Throttled, tablesim.None,
	} {
		fault = f
		err := s.Raise(t.Context(), members.Member{ID: "a", Count: int64(count) + 1}, start)
		if (err == nil) != (f == tablesim.None) {
			t.Errorf("raise %d: %v", count, err)
		}
	}
	model.Put(table.Key{Partition: "member", Sort: "a"}, nil)
	must(t, s.Raise(t.Context(), members.Member{ID: "a", Count: 20}, start))
	if all, _ := s.Members(t.Context()); len(all) != 1 || all[0].Count != 20 || len(s.Notices()) > 0 {
		t.Errorf("%+v, %q", all, s.Notices())
	}
}

func TestATableThatCannotBeTheJournalIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*table.Description)
		writer int64
		want   error
		says   string
	}{
		"eventual": {
			func(d *table.Description) { d.Consistency, d.Replicas = table.Eventual, []string{"us-east-1"} }, 1,
			tablestore.ErrUnfit, "in the eventual mode, with us-east-1",
		},
		"keys":  {func(d *table.Description) { d.Keys = false }, 1, tablestore.ErrUnfit, "store create"},
		"newer": {func(*table.Description) {}, 2, store.ErrNewer, "the table journal"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				model := filled(t)
				running := reopen(t, model, "a")
				model.Become(c.change)
				item, _ := model.Client("x").Get(t.Context(), meta)
				item["writer"] = table.Number(c.writer)
				model.Put(meta, item)
				before := fmt.Sprint(model.Backup())
				s := open(model, "b")
				if err := s.Open(t.Context()); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v", err)
				}
				if err := s.Raise(t.Context(), members.Member{ID: "b", Count: 1}, start); !errors.Is(err, store.ErrNotWritten) {
					t.Errorf("it raises: %v", err)
				}
				if after := fmt.Sprint(model.Backup()); after != before {
					t.Errorf("it was written:\n%s\n%s", before, after)
				}
				// One that runs stops within a minute.
				must(t, running.Raise(t.Context(), members.Member{ID: "r", Count: 1}, start))
				time.Sleep(time.Minute)
				must(t, running.Raise(t.Context(), members.Member{ID: "r", Count: 2}, start))
				err := running.Raise(t.Context(), members.Member{ID: "r", Count: 3}, start)
				if !errors.Is(err, store.ErrNotWritten) || !errors.Is(err, c.want) || len(running.Notices()) != 1 {
					t.Errorf("one that runs: %v, %q", err, running.Notices())
				}
				if err := sending(t, running, job("J", "a"), nil); !errors.Is(err, c.want) {
					t.Errorf("it writes: %v", err)
				}
			})
		})
	}
}

// A backup of before the table was used has nothing, not even what a table knows of itself.
func TestATableThatIsEmptyAgainUnderAProcessIsTold(t *testing.T) {
	model := tablesim.New(nil)
	empty := model.Backup()
	s := reopen(t, model, "a")
	must(t, s.Raise(t.Context(), members.Member{ID: "a", Count: 1}, time.Now()))
	keep(t, s, "used", "", keys.Delivered)
	model.Restore(empty, "restored")
	must(t, s.Raise(t.Context(), members.Member{ID: "a", Count: 2}, time.Now()))
	if m := s.Meta(); m.Table != "restored" || m.From == "" || len(s.Notices()) != 1 {
		t.Errorf("%+v, %q", m, s.Notices())
	}
	if m := reopen(t, model, "b").Meta(); m.From == "" {
		t.Errorf("the next process reads %+v", m)
	}
}

// The table that was restored counts the versions of a history from those of its backup, so that they meet those of before.
func TestAHistoryOfARestoredTableHasNothingOfBefore(t *testing.T) {
	model := tablesim.New(nil)
	a := reopen(t, model, "a")
	backup := model.Backup()
	begin(t, a, "a", "J")
	begin(t, a, "a", "K")
	model.Restore(backup, "restored")
	b := reopen(t, model, "b")
	begin(t, b, "b", "L")
	begin(t, b, "b", "M")
	must(t, a.Open(t.Context()))
	all, err := a.Running(t.Context(), "I")
	if err != nil || len(all) != 2 || all[0].JobID != "L" || all[1].JobID != "M" {
		t.Errorf("%+v, %v", all, err)
	}
}

// The first agent of a newer version raises what the table says of itself, before it writes anything else.
func TestANewerVersionSaysInTheTableWhoMayStillWrite(t *testing.T) {
	model := filled(t)
	item, _ := model.Client("x").Get(t.Context(), meta)
	item["schema"], item["writer"], item["colour"] = table.Number(0), table.Number(0), table.Text("red")
	model.Put(meta, item)
	before := states(t, open(model, "x"))
	s := reopen(t, model, "b")
	after, _ := model.Client("x").Get(t.Context(), meta)
	item["schema"], item["writer"] = table.Number(1), table.Number(1)
	if !maps.Equal(item, after) {
		t.Errorf("the table says %v, want %v", after, item)
	}
	if got := states(t, s); got != before || len(s.Notices()) > 0 {
		t.Errorf("%s, %q", got, s.Notices())
	}
}

// A global table with strong consistency keeps conditions everywhere.
func TestAGlobalTableWithStrongConsistencyIsTaken(t *testing.T) {
	model := tablesim.New(nil)
	model.Become(func(d *table.Description) { d.Consistency, d.Replicas = "STRONG", []string{"us-east-1"} })
	reopen(t, model, "a")
}

// What a newer version wrote stays, and the mark is on its records, too.
func TestARestoredTableKeepsWhatANewerVersionWrote(t *testing.T) {
	model := filled(t)
	of := table.Key{Partition: "keys", Sort: "I/123456789012/eu-west-1/making/"}
	item, _ := model.Client("x").Get(t.Context(), of)
	item["k.new.state"], item["k.new.key"], item["k.making0.colour"], item["more"] =
		table.Text("brand-new"), table.Text("K"), table.Text("red"), table.Number(5)
	model.Put(of, item)
	other := table.Key{Partition: "keys", Sort: "a/new/kind"}
	model.Put(other, table.Item{"x": table.Text("y")})
	model.Restore(model.Backup(), "table-2")
	s := reopen(t, model, "b")
	after, _ := model.Client("x").Get(t.Context(), of)
	for name, want := range map[string]table.Value{
		"k.new.state": table.Text("brand-new"), "k.new.key": table.Text("K"), "k.making0.colour": table.Text("red"),
		"more": table.Number(5), "k.new.restored": table.Number(1), "k.making0.restored": table.Number(1),
		"k.making0.state": table.Text("unconfirmed"),
	} {
		if after[name] != want {
			t.Errorf("%s is %v", name, after[name])
		}
	}
	if kept, _ := model.Client("x").Get(t.Context(), other); len(kept) != 1 {
		t.Errorf("a newer version's item is %v", kept)
	}
	entry, err := s.Entry(t.Context(), keys.Subscription{
		Integration: "I", Account: "123456789012", Region: "eu-west-1", ID: "making",
	})
	if err != nil || entry.Unknown != 1 {
		t.Errorf("%+v, %v", entry, err)
	}
}
