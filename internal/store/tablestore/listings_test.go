package tablestore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
)

func TestTheTableKeepsListingsAsTheFileDoes(t *testing.T) {
	storetest.RunListings(t, func(*testing.T) storetest.Listings {
		model := tablesim.New(nil)
		one, beside := open(model, "a"), 0
		return storetest.Listings{
			Now:  func() store.Listings { return one },
			Next: func() store.Listings { beside++; return open(model, fmt.Sprint("b", beside)) },
		}
	})
}

// listed gives what a process that knows nothing yet reads.
func listed(t *testing.T, model *tablesim.Model) map[string][]store.RememberedAPI {
	t.Helper()
	all, err := open(model, "reader").Listings(t.Context(), "I")
	must(t, err)
	return all
}

// callsOf are the calls since a number of them, without the reader's.
func callsOf(model *tablesim.Model, from int) (calls []string) {
	for _, c := range model.Calls()[from:] {
		if c.Client != "reader" {
			calls = append(calls, fmt.Sprint(c.Op, " ", c.Key.Partition))
		}
	}
	return calls
}

func TestAListingIsWrittenOnlyWhereItHasChanged(t *testing.T) {
	model := tablesim.New(nil)
	a, b := open(model, "a"), open(model, "b")
	one, two := []store.RememberedAPI{{ID: "1", Name: "n"}}, []store.RememberedAPI{{ID: "2", Name: "n"}}
	save := func(s *tablestore.Store, apis []store.RememberedAPI) func() error {
		return func() error { return s.SaveListing(t.Context(), "I", "T", apis) }
	}
	read := func(s *tablestore.Store) func() error {
		return func() error { _, err := s.Listings(t.Context(), "I"); return err }
	}
	const write, query = "Update listing", "Query listing"
	for _, step := range []struct {
		what  string
		do    func() error
		calls []string
	}{
		{"the first", save(a, one), []string{write}},
		{"the same again", save(a, one), nil},
		{"the same, by a process that has read nothing", save(b, one), []string{write}}, // which is refused
		{"and again", save(b, one), nil},
		{"a change", save(b, two), []string{write}},
		{"the same change, by who knows the one before", save(a, two), []string{write}}, // which is refused
		{"back, by who was refused", save(a, one), []string{write}},
		{"read by the other", read(b), []string{query}},
		{"what was read", save(b, one), nil},
		{"forgotten", func() error { return b.ForgetListing(t.Context(), "I", "T") }, []string{"Delete listing"}},
		{"saved again", save(b, one), []string{write}},
		{"by who knows it as it was before", save(a, two), []string{write, write}}, // the first is refused
		{"nothing to forget", func() error { return a.ForgetListing(t.Context(), "I", "U") }, []string{"Delete listing"}},
	} {
		from := len(model.Calls())
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if diff := cmp.Diff(step.calls, callsOf(model, from)); diff != "" {
			t.Errorf("%s: %s", step.what, diff)
		}
	}
	if diff := cmp.Diff(map[string][]store.RememberedAPI{"T": two}, listed(t, model)); diff != "" {
		t.Error(diff)
	}
}

// sizes checks that no item is larger than DynamoDB takes.
func sizes(t *testing.T, model *tablesim.Model) (parts int) {
	t.Helper()
	items, err := model.Client("reader").Query(t.Context(), table.Query{Partition: "listing-part"})
	must(t, err)
	heads, err := model.Client("reader").Query(t.Context(), table.Query{Partition: "listing"})
	must(t, err)
	for _, f := range append(slices.Clone(items), heads...) {
		size := 0
		for name, value := range f.Item {
			size += len(name) + len(value.Text()) + len(value.Bytes()) + 16
		}
		if size > 400_000 {
			t.Errorf("an item has %d bytes", size)
		}
	}
	return len(items)
}

func TestALargeListingLeavesNoPartBehind(t *testing.T) {
	model := tablesim.New(nil)
	a := open(model, "a")
	large, other := storetest.Large(38_000, 1), storetest.Large(25_000, 2)
	must(t, a.SaveListing(t.Context(), "I", "T", large))
	of := sizes(t, model)
	if of < 7 {
		t.Fatalf("%d parts only", of)
	}
	from := len(model.Calls())
	listed(t, model)
	if reads := len(model.Calls()) - from; reads != 1+of {
		t.Errorf("%d calls read a listing with %d parts", reads, of)
	}
	// A process that has not read it writes the same: its parts are of no use.
	must(t, open(model, "b").SaveListing(t.Context(), "I", "T", large))
	if left := sizes(t, model); left != of {
		t.Errorf("%d parts, want %d", left, of)
	}
	must(t, open(model, "c").SaveListing(t.Context(), "I", "T", other))
	if left := sizes(t, model); left == 0 || left >= of {
		t.Errorf("%d parts, of %d before", left, of)
	}
	must(t, a.SaveListing(t.Context(), "I", "T", nil))
	if left := sizes(t, model); left != 0 {
		t.Errorf("%d parts of a listing without APIs", left)
	}
	must(t, a.SaveListing(t.Context(), "I", "T", large))
	must(t, open(model, "d").ForgetListing(t.Context(), "I", "T"))
	if left := sizes(t, model); left != 0 || len(listed(t, model)) != 0 {
		t.Errorf("%d parts of a forgotten listing", left)
	}
}

// Each call of a write fails in each way, and once more with everything behind it. What is read then is one listing or the
// other, never both; a write that says that it was not taken was not, and saving again always helps.
func TestAFaultAtAnyCallLeavesOneListingWhole(t *testing.T) {
	large, other := storetest.Large(3_800, 1), storetest.Large(4_200, 2)
	small := []store.RememberedAPI{{ID: "small"}}
	forget := []store.RememberedAPI(nil)
	for what, row := range map[string][2][]store.RememberedAPI{
		"large to large": {large, other}, "large to small": {large, small}, "small to large": {small, large},
		"small to small": {small, {{ID: "s"}}}, "large forgotten": {large, forget},
		"small forgotten": {small, forget},
	} {
		for _, fault := range []tablesim.Fault{tablesim.Throttled, tablesim.LostBefore, tablesim.LostAfter} {
			for _, lasts := range []bool{false, true} {
				for at := 0; ; at++ {
					n, armed := 0, false
					model := tablesim.New(func(_ context.Context, c tablesim.Call) tablesim.Fault {
						if !armed || c.Client != "a" {
							return tablesim.None
						}
						if n++; n == at+1 || lasts && n > at+1 {
							return fault
						}
						return tablesim.None
					})
					a := open(model, "a")
					if row[0] != nil {
						must(t, a.SaveListing(t.Context(), "I", "T", row[0]))
					}
					do := func() error { return a.SaveListing(t.Context(), "I", "T", row[1]) }
					if row[1] == nil {
						do = func() error { return a.ForgetListing(t.Context(), "I", "T") }
					}
					armed = true
					err := do()
					hit := n > at
					armed = false
					name := fmt.Sprintf("%s, fault %d at call %d, lasts: %v: %v", what, fault, at, lasts, err)
					got := listed(t, model)["T"]
					before, after := slices.Equal(got, row[0]), slices.Equal(got, row[1])
					switch {
					case !before && !after:
						t.Fatalf("%s: a mixture", name)
					case err == nil && !after, errors.Is(err, store.ErrNotWritten) && !before:
						t.Fatalf("%s: before %v, after %v", name, before, after)
					case err != nil && !errors.Is(err, store.ErrNotWritten) && !errors.Is(err, store.ErrUnknown):
						t.Fatal(name)
					}
					if err == nil && hit {
						continue
					}
					if err := do(); err != nil || !slices.Equal(listed(t, model)["T"], row[1]) {
						t.Fatalf("%s, and again: %v", name, err)
					}
					if !hit {
						break
					}
				}
			}
		}
	}
}

// While a listing of many parts is read, others replace it. The reader gets what one of them wrote.
func TestWhoReadsAListingThatIsReplacedGetsOneOfThem(t *testing.T) {
	first, second := storetest.Large(3_800, 1), storetest.Large(3_800, 2)
	var model *tablesim.Model
	var replace func()
	model = tablesim.New(func(_ context.Context, c tablesim.Call) tablesim.Fault {
		if do := replace; do != nil && c.Client == "reader" && c.Op == tablesim.Get {
			replace = nil
			do()
		}
		return tablesim.None
	})
	b := open(model, "b")
	for _, row := range []struct {
		what string
		do   func() error
		want map[string][]store.RememberedAPI
	}{
		{"replaced", func() error { return b.SaveListing(t.Context(), "I", "T", second) }, map[string][]store.RememberedAPI{"T": second}},
		{"forgotten", func() error { return b.ForgetListing(t.Context(), "I", "T") }, map[string][]store.RememberedAPI{}},
	} {
		must(t, open(model, "a").SaveListing(t.Context(), "I", "T", first))
		did := false
		replace = func() { did = true; must(t, row.do()) }
		if got := listed(t, model); !did || !cmp.Equal(got, row.want) {
			t.Errorf("%s: %d APIs, replaced: %v", row.what, len(got["T"]), did)
		}
	}
}

// What cannot be read is said, what can be is given, and the next listing heals it, though it is the same one.
func TestADamagedListingHidesNoOther(t *testing.T) {
	large := storetest.Large(3_800, 1)
	for what, damage := range map[string]func(*tablesim.Model, table.Found){
		"a part is missing":  func(m *tablesim.Model, f table.Found) { m.Put(f.Key, nil) },
		"a part is no bytes": func(m *tablesim.Model, f table.Found) { m.Put(f.Key, table.Item{"data": table.Text("x")}) },
		"a part is another's": func(m *tablesim.Model, f table.Found) {
			m.Put(f.Key, table.Item{"data": table.Bytes([]byte(strings.Repeat("x", 1000)))})
		},
	} {
		model := tablesim.New(nil)
		a := open(model, "a")
		must(t, a.SaveListing(t.Context(), "I", "T", large))
		must(t, a.SaveListing(t.Context(), "I", "U", large[:1]))
		parts, err := model.Client("reader").Query(t.Context(), table.Query{Partition: "listing-part"})
		must(t, err)
		damage(model, parts[len(parts)-1])
		b := open(model, "b")
		got, err := b.Listings(t.Context(), "I")
		if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "of T") ||
			!cmp.Equal(got, map[string][]store.RememberedAPI{"U": large[:1]}) {
			t.Errorf("%s: %d listings, %v", what, len(got), err)
		}
		must(t, b.SaveListing(t.Context(), "I", "T", large))
		if got := listed(t, model); !cmp.Equal(got, map[string][]store.RememberedAPI{"T": large, "U": large[:1]}) {
			t.Errorf("%s: %d listings after the next one", what, len(got))
		}
	}
}

func TestATableThatDoesNotAnswerGivesNoListings(t *testing.T) {
	at := 0
	model := tablesim.New(func(_ context.Context, c tablesim.Call) tablesim.Fault {
		if c.Client == "b" {
			if at--; at == 0 {
				return tablesim.Throttled
			}
		}
		return tablesim.None
	})
	must(t, open(model, "a").SaveListing(t.Context(), "I", "T", storetest.Large(3_800, 1)))
	for _, call := range []int{1, 2} { // the query, a part
		at = call
		got, err := open(model, "b").Listings(t.Context(), "I")
		if err == nil || errors.Is(err, store.ErrDamaged) || len(got) > 0 {
			t.Errorf("call %d: %d listings, %v", call, len(got), err)
		}
	}
}

// Three processes write listings of two targets over a table that loses answers. At any moment, whoever reads has of each
// target one that somebody wrote.
func TestProcessesThatWriteTheSameListingNeverMixThem(t *testing.T) {
	pool := [][]store.RememberedAPI{
		storetest.Large(7_000, 1), storetest.Large(3_800, 2), storetest.Large(4_200, 3), {{ID: "small"}}, {},
	}
	dice := rand.New(rand.NewPCG(15, 1))
	var model *tablesim.Model
	// Each call of a writer waits until it is its turn, so the calls interleave in an order that the dice choose.
	waiting := map[string]chan tablesim.Fault{}
	arrived := make(chan string)
	for _, name := range []string{"a", "b", "c"} {
		waiting[name] = make(chan tablesim.Fault)
	}
	model = tablesim.New(func(_ context.Context, c tablesim.Call) tablesim.Fault {
		if waiting[c.Client] == nil {
			return tablesim.None
		}
		arrived <- c.Client
		return <-waiting[c.Client]
	})
	ended := make(chan string)
	for n, name := range []string{"a", "b", "c"} {
		own := rand.New(rand.NewPCG(uint64(n), 2))
		go func() {
			s := open(model, name)
			for range 12 {
				target := fmt.Sprint("T", own.IntN(2))
				if own.IntN(6) == 0 {
					_ = s.ForgetListing(context.Background(), "I", target)
				} else {
					_ = s.SaveListing(context.Background(), "I", target, pool[own.IntN(len(pool))])
				}
			}
			ended <- name
		}()
	}
	runs, calls := 3, map[string]bool{}
	for runs > 0 {
		for len(calls) < runs {
			select {
			case name := <-arrived:
				calls[name] = true
			case <-ended:
				runs--
			}
		}
		if runs == 0 {
			break
		}
		names := slices.Sorted(maps.Keys(calls))
		name := names[dice.IntN(len(names))]
		fault := tablesim.None
		if dice.IntN(8) == 0 {
			fault = []tablesim.Fault{tablesim.Throttled, tablesim.LostBefore, tablesim.LostAfter}[dice.IntN(3)]
		}
		delete(calls, name)
		waiting[name] <- fault
		for target, apis := range listed(t, model) {
			if !slices.ContainsFunc(pool, func(p []store.RememberedAPI) bool { return slices.Equal(p, apis) }) {
				t.Fatalf("%s: %d APIs that nobody wrote", target, len(apis))
			}
		}
	}
}
