package tablestore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
)

var (
	subscription = keys.Subscription{Integration: "I", Account: "123456789012", Region: "eu-west-1", ID: "S/1"}
	start        = time.Date(2026, 11, 27, 8, 0, 0, 7, time.UTC)
)

func open(model *tablesim.Model, client string) *tablestore.Store {
	n := 0
	return tablestore.New(model.Client(client), func() string { n++; return fmt.Sprint(client, n) })
}

func record(id string, state keys.State) keys.Record {
	return keys.Record{
		ID: id, Integration: subscription.Integration, Account: subscription.Account, Region: subscription.Region,
		SubscriptionID: subscription.ID, State: state, CreatedAt: start, UpdatedAt: start,
	}
}

// full has a value in each field.
func full(id string) keys.Record {
	r := record(id, keys.Unconfirmed)
	r.APIID, r.UsagePlanID, r.KeyName, r.KeyID, r.CommandID = "api", "plan", "name", "key", "command"
	r.Reason, r.LastError = "reason", "error"
	r.Acknowledged = keys.Acknowledgement{By: "by", Reason: "why", At: start.Add(time.Hour)}
	r.Sought = keys.Sought{At: start.Add(time.Minute), Missing: 2, Deleted: start.Add(time.Second)}
	r.AskedAt, r.Restored, r.Contested = start.Add(time.Hour), true, true
	return r
}

func TestARecordInFullHasAllOfItsFields(t *testing.T) {
	var empty func(of reflect.Value, name string)
	empty = func(of reflect.Value, name string) {
		if of.IsZero() {
			t.Errorf("%s is not set: a field that the table does not keep would not be missed", name)
		}
		if of.Kind() == reflect.Struct && of.Type() != reflect.TypeFor[time.Time]() {
			for n := range of.NumField() {
				empty(of.Field(n), of.Type().Field(n).Name)
			}
		}
	}
	empty(reflect.ValueOf(full("r1")), "the record")
}

func TestAnEntryIsReadAsItWasWritten(t *testing.T) {
	model := tablesim.New(nil)
	s := open(model, "a")
	before, err := s.Entry(t.Context(), subscription)
	if err != nil || before.Version != (store.Version{}) || len(before.Records) > 0 {
		t.Fatalf("an entry that is not there: %+v, %v", before, err)
	}
	written, err := s.Write(t.Context(), before, "me", []keys.Record{full("r1"), record("r2", keys.Intent)})
	if err != nil {
		t.Fatal(err)
	}
	read, err := open(model, "b").Entry(t.Context(), subscription)
	if err != nil || fmt.Sprint(read) != fmt.Sprint(written) || read.Owner != "me" || len(read.Records) != 2 {
		t.Fatalf("read %+v\nwritten %+v\n%v", read, written, err)
	}
	if got := read.Records[0]; got != full("r1") {
		t.Errorf("read %+v", got)
	}
	emptied := full("r1")
	emptied.LastError, emptied.Sought = "", keys.Sought{}
	if _, err := s.Write(t.Context(), read, "", []keys.Record{emptied}); err != nil {
		t.Fatal(err)
	}
	if read, _ = s.Entry(t.Context(), subscription); len(read.Records) != 1 || read.Records[0] != emptied || read.Owner != "" {
		t.Errorf("read %+v", read)
	}
	if _, err := s.Write(t.Context(), read, "", nil); err != nil {
		t.Fatal(err)
	}
	if read, _ = s.Entry(t.Context(), subscription); read.Version != (store.Version{}) {
		t.Errorf("it was removed, and is still there: %+v", read)
	}
}

func TestOnlyWhoHasReadTheLastVersionWrites(t *testing.T) {
	model := tablesim.New(nil)
	a, b := open(model, "a"), open(model, "b")
	none := store.Entry{Of: subscription}
	first, err := a.Write(t.Context(), none, "a", []keys.Record{record("r1", keys.Intent)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Write(t.Context(), none, "b", []keys.Record{record("r2", keys.Intent)})
	moved, ok := errors.AsType[*store.MovedError](err)
	if !ok || !errors.Is(err, store.ErrMoved) || fmt.Sprint(moved.Now) != fmt.Sprint(first) {
		t.Fatalf("%v", err)
	}
	// One that was removed and made again is another one, though its number is the same.
	if _, err = b.Write(t.Context(), moved.Now, "b", nil); err != nil {
		t.Fatal(err)
	}
	if _, err = b.Write(t.Context(), none, "b", []keys.Record{record("r1", keys.Intent)}); err != nil {
		t.Fatal(err)
	}
	if _, err = a.Write(t.Context(), first, "a", []keys.Record{record("r1", keys.Creating)}); !errors.Is(err, store.ErrMoved) {
		t.Errorf("%v", err)
	}
}

// Whoever has read the key before it was contested may not write that its answer counts.
func TestAProofThatDoesNotKnowThatTheKeyIsContestedIsRefused(t *testing.T) {
	model := tablesim.New(nil)
	a, b := open(model, "a"), open(model, "b")
	doubtful := record("r1", keys.Unconfirmed)
	read, err := a.Write(t.Context(), store.Entry{Of: subscription}, "", []keys.Record{doubtful})
	if err != nil {
		t.Fatal(err)
	}
	contested, proved := doubtful, record("r1", keys.Delivered)
	contested.Contested = true
	now, err := store.Replace(t.Context(), b, "b", read, doubtful, &contested)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Replace(t.Context(), a, "a", read, doubtful, &proved); !errors.Is(err, store.ErrMoved) {
		t.Errorf("%v", err)
	}
	if _, err := store.Replace(t.Context(), a, "a", now, contested, &proved); err != nil { // APIM's own word
		t.Error(err)
	}
}

func TestStatesFollowEachOther(t *testing.T) {
	s := open(tablesim.New(nil), "a")
	e, err := s.Write(t.Context(), store.Entry{Of: subscription}, "a", []keys.Record{record("r1", keys.Deleting)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Write(t.Context(), e, "a", []keys.Record{record("r1", keys.Delivered)}); !errors.Is(err, store.ErrTransition) {
		t.Errorf("%v", err)
	}
	for _, bad := range []keys.Record{record("", keys.Intent), record("r", "odd"), {ID: "r", State: keys.Intent}} {
		if _, err = s.Write(t.Context(), e, "a", []keys.Record{bad}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestAnAnswerThatIsLostIsAskedForAgain(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults []tablesim.Fault
		want   error
	}{
		{"after the write", []tablesim.Fault{tablesim.LostAfter}, nil},
		{"before the write", []tablesim.Fault{tablesim.LostBefore}, nil},
		{"twice", []tablesim.Fault{tablesim.LostAfter, tablesim.LostBefore}, nil},
		{"always", []tablesim.Fault{tablesim.LostBefore, tablesim.LostBefore, tablesim.LostBefore}, store.ErrUnknown},
		{"throttled", []tablesim.Fault{tablesim.Throttled}, store.ErrNotWritten},
	} {
		for _, remove := range []bool{false, true} {
			t.Run(fmt.Sprint(c.name, " removing ", remove), func(t *testing.T) {
				var faults []tablesim.Fault
				model := tablesim.New(func(context.Context, tablesim.Call) (f tablesim.Fault) {
					if len(faults) > 0 {
						f, faults = faults[0], faults[1:]
					}
					return f
				})
				s := open(model, "a")
				e, err := s.Write(t.Context(), store.Entry{Of: subscription}, "a", []keys.Record{record("r1", keys.Intent)})
				if err != nil {
					t.Fatal(err)
				}
				var records []keys.Record
				if !remove {
					records = []keys.Record{record("r1", keys.Creating)}
				}
				faults = slices.Clone(c.faults)
				after, err := s.Write(t.Context(), e, "a", records)
				if !errors.Is(err, c.want) {
					t.Fatalf("%v, want %v", err, c.want)
				}
				faults = nil
				read, _ := s.Entry(t.Context(), subscription)
				if c.want == nil && fmt.Sprint(read) != fmt.Sprint(after) {
					t.Errorf("read %+v, written %+v", read, after)
				}
			})
		}
	}
}

func TestWhatANewerVersionWroteIsLeftAlone(t *testing.T) {
	model := tablesim.New(nil)
	s := open(model, "a")
	if _, err := s.Write(t.Context(), store.Entry{Of: subscription}, "a", []keys.Record{record("r1", keys.Deleting)}); err != nil {
		t.Fatal(err)
	}
	found, _ := model.Client("x").Query(t.Context(), table.Query{Partition: "keys"})
	key, item := found[0].Key, found[0].Item
	item["k.r1.later"], item["later"] = table.Text("kept"), table.Text("kept")
	item["k.r2.state"] = table.Text("renewing")
	model.Put(key, item)

	read, _ := s.Entry(t.Context(), subscription)
	if read.Unknown != 1 || len(read.Records) != 1 {
		t.Fatalf("read %+v", read)
	}
	changed := read.Records[0]
	changed.LastError = "new"
	read, err := s.Write(t.Context(), read, "", []keys.Record{changed})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := model.Client("x").Get(t.Context(), key)
	if got["k.r1.later"].Text() != "kept" || got["later"].Text() != "kept" || got["k.r2.state"].Text() != "renewing" {
		t.Errorf("%v", got)
	}
	if _, err := s.Write(t.Context(), read, "", nil); err != nil {
		t.Fatal(err)
	}
	if got, _ = model.Client("x").Get(t.Context(), key); got["k.r2.state"].Text() != "renewing" {
		t.Errorf("%v", got)
	}
}

func TestTheIndexHasWhatIsLeftToDo(t *testing.T) {
	s := open(tablesim.New(nil), "a")
	for n, state := range []keys.State{keys.Delivered, keys.Attached, keys.Unconfirmed} {
		r := record("r", state)
		r.SubscriptionID = fmt.Sprint("S", n)
		if _, err := s.Write(t.Context(), store.Entry{Of: r.Subscription()}, "", []keys.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		open bool
		want int
	}{{true, 2}, {false, 3}} {
		got, err := s.Entries(t.Context(), store.Filter{Integration: "I", Account: subscription.Account}, c.open)
		if err != nil || len(got) != c.want {
			t.Errorf("open %v: %+v, %v", c.open, got, err)
		}
	}
	if got, _ := s.Entries(t.Context(), store.Filter{Integration: "other"}, false); len(got) > 0 {
		t.Errorf("%+v", got)
	}
}

// TestNoWriteIsLost has several processes write to one entry, over a table that loses answers.
func TestNoWriteIsLost(t *testing.T) {
	for seed := range uint64(200) {
		dice := rand.New(rand.NewPCG(seed, 0))
		model := tablesim.New(func(context.Context, tablesim.Call) tablesim.Fault {
			return tablesim.Fault(max(0, dice.IntN(12)-7)) //nolint:gosec // below 5
		})
		stores, known := []*tablestore.Store{open(model, "a"), open(model, "b"), open(model, "c")}, make([]store.Entry, 3)
		sure, perhaps := map[string]bool{}, map[string]bool{}
		for n := range 60 {
			who := dice.IntN(3)
			if known[who].Of.ID == "" || dice.IntN(3) == 0 {
				e, err := stores[who].Entry(t.Context(), subscription)
				if err != nil {
					continue
				}
				known[who] = e
			}
			id := fmt.Sprint("r", n)
			e, err := stores[who].Write(t.Context(), known[who], "", append(slices.Clone(known[who].Records), record(id, keys.Intent)))
			switch moved, refused := errors.AsType[*store.MovedError](err); {
			case err == nil:
				sure[id], known[who] = true, e
			case refused:
				known[who] = moved.Now
			case errors.Is(err, store.ErrUnknown):
				perhaps[id] = true
			}
		}
		found, _ := model.Client("x").Query(t.Context(), table.Query{Partition: "keys"})
		for len(found) == 0 && len(sure) > 0 {
			found, _ = model.Client("x").Query(t.Context(), table.Query{Partition: "keys"})
		}
		there := map[string]bool{}
		for _, f := range found {
			for name := range f.Item {
				var id string
				if n, _ := fmt.Sscanf(name, "k.%s", &id); n == 1 && len(id) > 6 && id[len(id)-6:] == ".state" {
					there[id[:len(id)-6]] = true
				}
			}
		}
		for id := range sure {
			if !there[id] {
				t.Fatalf("seed %d: %s was written and is not there", seed, id)
			}
		}
		for id := range there {
			if !sure[id] && !perhaps[id] {
				t.Fatalf("seed %d: %s is there and nobody wrote it", seed, id)
			}
		}
	}
}

func TestWhatFollowsFromSharingIsCounted(t *testing.T) {
	model, board := tablesim.New(nil), status.NewBoard()
	board.Share(status.Shared{ID: "b"})
	a, b := open(model, "a"), open(model, "b").Telling(slog.New(slog.DiscardHandler), board)
	is, err := a.Write(t.Context(), store.Entry{Of: subscription}, "a", []keys.Record{record("r1", keys.Created)})
	must(t, err)
	_, err = b.Write(t.Context(), store.Entry{Of: subscription}, "b", []keys.Record{record("r2", keys.Intent)})
	if !errors.Is(err, store.ErrMoved) {
		t.Fatal(err)
	}
	is, err = store.TakeOver(t.Context(), b, "b", is)
	must(t, err)
	_, err = b.Write(t.Context(), is, "b", []keys.Record{record("r1", keys.Deleting)}) // its own by now
	must(t, err)
	begin(t, a, "a", "J")
	must(t, b.Adopt(t.Context(), job("J", "a"), "b"))
	s := board.Read().Shared
	if s.Contested != 1 || s.TakenOver[status.TookKeys] != 1 || s.TakenOver[status.TookIngest] != 1 {
		t.Errorf("%+v", s)
	}
}
