package storetest_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/keys"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
)

func rec(id string, state keys.State) keys.Record {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return keys.Record{ID: id, Integration: "i", State: state, CreatedAt: at, UpdatedAt: at}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func states(t *testing.T, s *store.FileStore) map[string]keys.State {
	t.Helper()
	records, err := storetest.Records(s, store.Filter{})
	must(t, err)
	found := map[string]keys.State{}
	for _, rec := range records {
		found[rec.ID] = rec.State
	}
	return found
}

// onWrite makes a decision about the writes of one name.
func onWrite(name string, outcome storetest.Outcome) func(storetest.Write) storetest.Outcome {
	return func(w storetest.Write) storetest.Outcome {
		if slices.Contains(w.Names(), name) {
			return outcome
		}
		return storetest.Outcome{}
	}
}

func TestAWriteEndsAsTheSimulationSays(t *testing.T) {
	for name, row := range map[string]struct {
		outcome   storetest.Outcome
		wantErr   error
		afterward keys.State // what the next incarnation finds
		durable   bool       // what the running one says
	}{
		"succeeds":                    {storetest.Outcome{}, nil, keys.Creating, true},
		"fails":                       {storetest.Outcome{Err: syscall.ENOSPC}, nil, keys.Intent, false},
		"fails and is there":          {storetest.Outcome{Err: syscall.EIO, Written: true}, nil, keys.Creating, false},
		"crashes before it is synced": {storetest.Outcome{Crash: true}, store.ErrFenced, keys.Intent, true},
		"crashes once it is synced": {
			storetest.Outcome{Crash: true, Written: true}, store.ErrFenced, keys.Creating, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			model := &storetest.Model{OnWrite: onWrite("key r creating", row.outcome)}
			s, _ := model.Open(store.Options{})
			must(t, storetest.Put(s, rec("r", keys.Intent)))
			if err := storetest.Put(s, rec("r", keys.Creating)); !errors.Is(err, row.wantErr) {
				t.Errorf("put: %v", err)
			}
			if got := s.Health().Durable; got != row.durable {
				t.Errorf("durable: %v", got)
			}
			model.OnWrite = nil
			s, _ = model.Open(store.Options{})
			if diff := cmp.Diff(map[string]keys.State{"r": row.afterward}, states(t, s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheOldIncarnationWritesNothingOnceTheNewOneRuns(t *testing.T) {
	model := &storetest.Model{}
	old, _ := model.Open(store.Options{})
	must(t, storetest.Put(old, rec("r", keys.Intent)))
	next, _ := model.Open(store.Options{})
	must(t, storetest.Remove(next, "r"))
	if err := storetest.Put(old, rec("r", keys.Creating)); !errors.Is(err, store.ErrFenced) {
		t.Errorf("old put: %v", err)
	}
	if rows := model.Rows(); len(rows) != 0 {
		t.Errorf("rows: %v", rows)
	}
	must(t, storetest.Put(next, rec("q", keys.Intent)))
}

func TestACrashDuringAWriteLosesIt(t *testing.T) {
	model := &storetest.Model{}
	s, _ := model.Open(store.Options{})
	model.OnWrite = func(storetest.Write) storetest.Outcome {
		model.Crash() // another part of the simulation crashes the process meanwhile
		return storetest.Outcome{}
	}
	if err := storetest.Put(s, rec("r", keys.Intent)); !errors.Is(err, store.ErrFenced) {
		t.Errorf("put: %v", err)
	}
	model.OnWrite = nil
	next, _ := model.Open(store.Options{})
	if got := states(t, next); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// Actors read while they serve a message: a disk that hangs must not hold them up.
func TestReadsAreAnsweredFromMemoryWhileAWriteHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hangs = time.Minute
		at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		model := &storetest.Model{OnWrite: func(storetest.Write) storetest.Outcome {
			time.Sleep(hangs)
			return storetest.Outcome{}
		}}
		s, _ := model.Open(store.Options{})
		go func() {
			_ = s.Start(t.Context(), store.IngestJob{OwnedJob: store.OwnedJob{Integration: "i", JobID: "j"}, StartedAt: at})
		}()
		synctest.Wait()
		began := time.Now()
		jobs, err := s.Running(t.Context(), "i")
		must(t, err)
		if len(jobs) != 1 {
			t.Errorf("%d jobs: one is being written", len(jobs))
		}
		_, err = storetest.Records(s, store.Filter{})
		must(t, err)
		_, err = s.Listings(t.Context(), "i")
		must(t, err)
		_, err = storetest.PlansOf(s, "i")
		must(t, err)
		if took := time.Since(began); took > 0 {
			t.Errorf("the reads took %s", took)
		}
		time.Sleep(hangs)
	})
}

func TestADegradedStoreComesBackByItselfAndSaysBoth(t *testing.T) {
	full := true
	model := &storetest.Model{OnWrite: func(storetest.Write) storetest.Outcome {
		if full {
			return storetest.Outcome{Err: syscall.ENOSPC}
		}
		return storetest.Outcome{}
	}}
	s, _ := model.Open(store.Options{})
	must(t, storetest.Put(s, rec("kept", keys.Intent)))
	must(t, storetest.Put(s, rec("removed", keys.Intent)))
	must(t, storetest.Remove(s, "removed"))
	health := s.Health()
	all := strings.Join(health.Messages, " ")
	if health.Durable || !strings.Contains(all, "no space left") || !strings.Contains(all, "in memory only") {
		t.Errorf("health: %+v", health)
	}
	full = false
	puts := 0
	for ; !s.Health().Durable; puts++ {
		must(t, storetest.Put(s, rec(fmt.Sprint("n", puts), keys.Intent)))
		if puts > 100 {
			t.Fatal("it does not come back")
		}
	}
	want := states(t, s)
	s, health = model.Open(store.Options{})
	if diff := cmp.Diff(want, states(t, s)); diff != "" || len(want) != puts+1 || len(health.Messages) > 0 {
		t.Errorf("%d puts, %+v: %s", puts, health, diff)
	}
}

// A write whose sync failed may be there all the same; what the memory knows counts, deletions included.
func TestADoubtfulWriteIsMadeGood(t *testing.T) {
	model := &storetest.Model{OnWrite: onWrite("key r removed", storetest.Outcome{Err: syscall.EIO})}
	s, _ := model.Open(store.Options{})
	must(t, storetest.Put(s, rec("r", keys.Intent)))
	must(t, storetest.Remove(s, "r"))
	model.OnWrite = nil
	must(t, s.Flush())
	if !s.Health().Durable || len(model.Rows()) != 0 {
		t.Errorf("%+v %v", s.Health(), model.Rows())
	}
}

func TestARemovalMadeInMemoryIsNotUndoneByTheDisk(t *testing.T) {
	locked := error(nil)
	model := &storetest.Model{OnOpen: func(int) error { return locked }}
	s, _ := model.Open(store.Options{})
	must(t, storetest.Put(s, rec("r", keys.Intent)))
	model.OnWrite = func(storetest.Write) storetest.Outcome { return storetest.Outcome{Err: syscall.ENOSPC} }
	must(t, storetest.Put(s, rec("q", keys.Intent)))
	must(t, storetest.Remove(s, "r"))
	model.OnWrite = nil
	must(t, s.Flush())
	want := map[string]keys.State{"q": keys.Intent}
	if diff := cmp.Diff(want, states(t, s)); diff != "" || len(model.Rows()) != 1 {
		t.Errorf("%s %v", diff, model.Rows())
	}
}

func TestADiskThatComesLateIsAdopted(t *testing.T) {
	model := &storetest.Model{}
	s, _ := model.Open(store.Options{})
	must(t, storetest.Put(s, rec("theirs", keys.Created)))
	must(t, storetest.Put(s, rec("both", keys.Intent)))

	model.OnOpen = func(int) error { return store.ErrLocked }
	next, health := model.Open(store.Options{})
	if health.Durable {
		t.Fatal("durable without its disk")
	}
	must(t, storetest.Put(next, rec("both", keys.Intent)))
	must(t, storetest.Put(next, rec("both", keys.Creating)))
	model.OnOpen = nil
	must(t, next.Flush())
	want := map[string]keys.State{"theirs": keys.Created, "both": keys.Creating}
	if diff := cmp.Diff(want, states(t, next)); diff != "" {
		t.Error(diff)
	}
	must(t, storetest.Put(next, rec("theirs", keys.Deleting)))
	want["theirs"] = keys.Deleting
	last, _ := model.Open(store.Options{})
	if diff := cmp.Diff(want, states(t, last)); diff != "" {
		t.Error(diff)
	}
}

// What a journal knows of a subscription that ended before the journal could be read is to be deleted. Another process
// that had the journal meanwhile may have made a key for it since.
func TestAKeyOfASubscriptionThatHasEndedIsAdoptedToBeDeleted(t *testing.T) {
	for why, younger := range map[error]keys.State{syscall.EIO: keys.Deleting, store.ErrLocked: keys.Delivered} {
		t.Run(why.Error(), func(t *testing.T) {
			model := &storetest.Model{}
			s, _ := model.Open(store.Options{})
			older := rec("older", keys.Delivered)
			older.KeyID, older.SubscriptionID = "k1", "ended"
			late, lost, other := older, older, older
			late.ID, late.CreatedAt = "late", older.CreatedAt.Add(2*time.Hour)
			lost.ID, lost.KeyID, lost.State = "lost", "", keys.LostCreate
			other.ID, other.SubscriptionID = "other", "another"
			for _, r := range []keys.Record{older, late, lost, other} {
				must(t, storetest.Put(s, r))
			}
			model.OnOpen = func(int) error { return why }
			next, _ := model.Open(store.Options{})
			must(t, store.Policy{KeyJournal: next}.End(t.Context(), store.Entry{Of: older.Subscription()}, older.CreatedAt.Add(time.Hour)))
			model.OnOpen = nil
			must(t, next.Flush())
			want := map[string]keys.State{
				"older": keys.Deleting, "late": younger, "lost": keys.LostCreate, "other": keys.Delivered,
			}
			last, _ := model.Open(store.Options{})
			for _, s := range []*store.FileStore{next, last} {
				if diff := cmp.Diff(want, states(t, s)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestWritesHaveNamesThatDoNotChange(t *testing.T) {
	var names []string
	model := &storetest.Model{OnWrite: func(w storetest.Write) storetest.Outcome {
		names = append(names, fmt.Sprintf("%d.%d %s", w.Incarnation, w.Number, strings.Join(w.Names(), ", ")))
		return storetest.Outcome{}
	}}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s, _ := model.Open(store.Options{})
	must(t, storetest.Put(s, rec("r", keys.Intent)))
	must(t, storetest.Put(s, rec("r", keys.Creating)))
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: store.OwnedJob{Integration: "i", JobID: "j"}, StartedAt: at, LastAckAt: at}))
	must(t, s.Acknowledge(t.Context(), store.OwnedJob{Integration: "i", JobID: "j"}, []string{"a"}, nil, at))
	must(t, s.Acknowledge(t.Context(), store.OwnedJob{Integration: "i", JobID: "j"}, []string{"b"}, nil, at))
	must(t, s.Finish(t.Context(), store.OwnedJob{Integration: "i", JobID: "j"}))
	must(t, storetest.Remove(s, "r"))
	must(t, storetest.Note(s, "i", map[string][]string{"b": {"p"}, "a": {"p"}}))
	must(t, storetest.Note(s, "i", map[string][]string{"b": {"p"}, "a": {"p"}})) // nothing new: no write
	s, _ = model.Open(store.Options{})
	must(t, s.SaveListing(t.Context(), "i", "t", nil))
	if diff := cmp.Diff([]string{
		"1.1 key r intent",
		"1.2 key r creating",
		"1.3 ack i/j/00000000, job i/j",
		"1.4 ack i/j/00000001",
		"1.5 ack i/j/00000000 removed, ack i/j/00000001 removed, ack i/j/00000002 removed, job i/j removed",
		"1.6 key r removed",
		"1.7 plans i/a, plans i/b",
		"2.1 listing i/t",
	}, names); diff != "" {
		t.Error(diff)
	}
}

// The simulation runs in a bubble, where nothing may wait for what is outside of it.
func TestModelAndStoreRunInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := &storetest.Model{OnWrite: func(storetest.Write) storetest.Outcome {
			time.Sleep(time.Second) // a slow disk; the writers that wait share the next commit
			return storetest.Outcome{}
		}}
		s, _ := model.Open(store.Options{})
		begin := time.Now()
		errs := make(chan error)
		for _, id := range []string{"a", "b", "c", "d"} {
			go func() { errs <- storetest.Put(s, rec(id, keys.Intent)) }()
		}
		for range 4 {
			must(t, <-errs)
		}
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// cramped is a volume that takes writes or refuses them.
type cramped struct{ full bool }

func (c *cramped) WriteAt(file *os.File, data []byte, at int64) (int, error) {
	if c.full {
		return 0, syscall.ENOSPC
	}
	return file.WriteAt(data, at)
}

func (*cramped) Sync(file *os.File) error  { return file.Sync() }
func (*cramped) Free(string) (int64, bool) { return 0, false }
func (*cramped) Same(string, string) bool  { return true }

// A simulation may have real files beneath the model: they hold what was written, and the model still says when a
// process dies.
func TestWhatIsBeneathAModelKeepsAndRefusesForIt(t *testing.T) {
	dir, volume := t.TempDir(), &cramped{}
	model := &storetest.Model{Beneath: func() store.Medium {
		return store.FileMedium(dir, store.Options{Volume: volume, LockWait: time.Nanosecond})
	}}
	s, health := model.Open(store.Options{})
	must(t, storetest.Put(s, rec("kept", keys.Intent)))
	model.OnWrite = onWrite("key lost intent", storetest.Outcome{Crash: true})
	if err := storetest.Put(s, rec("lost", keys.Intent)); !errors.Is(err, store.ErrFenced) || !health.Durable {
		t.Errorf("%v, %+v", err, health)
	}
	next, _ := model.Open(store.Options{}) // the crash has given the file's lock up
	if diff := cmp.Diff(map[string]keys.State{"kept": keys.Intent}, states(t, next)); diff != "" {
		t.Error(diff)
	}
	volume.full = true
	must(t, storetest.Put(next, rec("in memory", keys.Intent)))
	if health := next.Health(); health.Durable || !strings.Contains(health.Messages[0], "no space left") {
		t.Errorf("%+v", health)
	}
	volume.full = false
	must(t, next.Flush())
	must(t, next.Close())
	last, health := model.Open(store.Options{})
	if n := len(states(t, last)); n != 2 || !health.Durable {
		t.Errorf("%d records, %+v", n, health)
	}
	must(t, last.Close())
}
