package storetest

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"federation-agent/internal/store"
)

// Listings is a fresh, empty store of listings under test.
type Listings struct {
	Now func() store.Listings
	// Next gives the listings as another process finds them: the next one, which is Now's from then on, or one beside.
	// Nil: nothing outlives this store.
	Next func() store.Listings
}

// RunListings holds a store to what all of them promise of listings. open is called once per test.
func RunListings(t *testing.T, open func(t *testing.T) Listings) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, Listings)
	}{
		{"ListingsAreReplacedPerTarget", listingsPerTarget},
		{"AListingIsReadAsItWasSaved", listingsAsSaved},
		{"ListingsThatAreReadAreCopies", listingsAreCopies},
		{"ListingsOfAnySpellingStayApart", listingsApart},
		{"AListingOfMegabytesIsKeptAndReplaced", largeListings},
		{"AListingWithoutAPlaceIsRefused", listingsNeedAPlace},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// hold checks what the store has of an integration, and what another process finds.
func (l Listings) hold(t *testing.T, integration string, want map[string][]store.RememberedAPI) {
	t.Helper()
	got, err := l.Now().Listings(t.Context(), integration)
	must(t, err)
	same(t, "listings of "+integration, want, got)
	if l.Next == nil {
		return
	}
	got, err = l.Next().Listings(t.Context(), integration)
	must(t, err)
	same(t, "listings of "+integration+", as another process reads them", want, got)
}

func (l Listings) save(t *testing.T, integration, target string, apis ...store.RememberedAPI) {
	t.Helper()
	must(t, l.Now().SaveListing(t.Context(), integration, target, apis))
}

func listingsPerTarget(t *testing.T, l Listings) {
	l.hold(t, "i", map[string][]store.RememberedAPI{})
	l.save(t, "i", "t1", store.RememberedAPI{ID: "a", Name: "Pets"}, store.RememberedAPI{ID: "b", Name: "Pets"})
	l.save(t, "i", "t2")
	l.save(t, "i", "gone", store.RememberedAPI{ID: "x"})
	l.save(t, "other", "t1", store.RememberedAPI{ID: "y"})
	l.save(t, "i", "t1", store.RememberedAPI{ID: "b", Name: "Pets"})
	for _, target := range []string{"gone", "gone", "never"} {
		must(t, l.Now().ForgetListing(t.Context(), "i", target))
	}
	l.hold(t, "other", map[string][]store.RememberedAPI{"t1": {{ID: "y"}}})
	l.hold(t, "i", map[string][]store.RememberedAPI{"t1": {{ID: "b", Name: "Pets"}}, "t2": {}})
	l.save(t, "i", "gone", store.RememberedAPI{ID: "z"})
	l.save(t, "i", "t1")
	l.hold(t, "i", map[string][]store.RememberedAPI{"t1": {}, "t2": {}, "gone": {{ID: "z"}}})
}

func listingsAsSaved(t *testing.T, l Listings) {
	apis := []store.RememberedAPI{
		{ID: "z", Name: "ü \x00 \" 日本", Gone: true}, {ID: "a", Name: ""}, {ID: "a", Name: "twice"},
	}
	l.save(t, "i", "t", apis...)
	l.hold(t, "i", map[string][]store.RememberedAPI{"t": apis})
	// What differs in one field alone is another listing.
	for n, change := range []func(*store.RememberedAPI){
		func(a *store.RememberedAPI) { a.Gone = false },
		func(a *store.RememberedAPI) { a.Name = "x" },
		func(a *store.RememberedAPI) { a.ID = "y" },
	} {
		change(&apis[0])
		l.save(t, "i", "t", apis...)
		l.hold(t, "i", map[string][]store.RememberedAPI{"t": apis})
		apis[0], apis[2] = apis[2], apis[0]
		l.save(t, "i", "t", apis...)
		l.hold(t, "i", map[string][]store.RememberedAPI{"t": apis})
		apis[0], apis[2] = apis[2], apis[0]
		if t.Failed() {
			t.Fatalf("change %d", n)
		}
	}
}

func listingsAreCopies(t *testing.T, l Listings) {
	apis := []store.RememberedAPI{{ID: "a", Name: "n"}}
	l.save(t, "i", "t", apis...)
	apis[0].Name = "the saver's own"
	got, err := l.Now().Listings(t.Context(), "i")
	must(t, err)
	got["t"][0].Name, got["u"] = "the reader's own", nil
	l.hold(t, "i", map[string][]store.RememberedAPI{"t": {{ID: "a", Name: "n"}}})
}

func listingsApart(t *testing.T, l Listings) {
	pairs := [][2]string{
		{"a/b", "c"}, {"a", "b/c"}, {"a%2Fb", "c"}, {"a\x00", "b"}, {"a", "\x00b"}, {"ü;;", "日本"}, {" ", "."}, {"..", "%"},
		{"a", "b"}, {"ab", "c"},
	}
	want := map[string]map[string][]store.RememberedAPI{}
	for n, pair := range pairs {
		apis := []store.RememberedAPI{{ID: fmt.Sprint(n)}}
		l.save(t, pair[0], pair[1], apis...)
		if want[pair[0]] == nil {
			want[pair[0]] = map[string][]store.RememberedAPI{}
		}
		want[pair[0]][pair[1]] = apis
	}
	for integration, listings := range want {
		l.hold(t, integration, listings)
	}
}

// Large gives a listing of so many APIs that hardly compress, some 150 bytes each.
func Large(count, seed int) []store.RememberedAPI {
	apis := make([]store.RememberedAPI, count)
	x := uint64(seed)
	random := func() uint64 {
		x += 0x9e3779b97f4a7c15
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		return z ^ z>>31
	}
	name := func() string {
		var bytes [72]byte
		for n := 0; n < len(bytes); n += 8 {
			binary.LittleEndian.PutUint64(bytes[n:], random())
		}
		return base64.StdEncoding.EncodeToString(bytes[:])
	}
	for n := range apis {
		apis[n] = store.RememberedAPI{
			ID:   fmt.Sprintf("123456789012:eu-west-1:%x:%x", random(), random()),
			Name: name(),
		}
	}
	return apis
}

func largeListings(t *testing.T, l Listings) {
	first, second := Large(38_000, 1), Large(20_000, 2)
	if size := len(fmt.Sprint(first)); size < 5_000_000 {
		t.Fatalf("it has %d bytes only", size)
	}
	for _, apis := range [][]store.RememberedAPI{first, second, {{ID: "a", Name: strings.Repeat("n", 1000)}}, first, {}} {
		l.save(t, "i", "t", apis...)
		l.hold(t, "i", map[string][]store.RememberedAPI{"t": apis})
	}
	l.save(t, "i", "t", first...)
	must(t, l.Now().ForgetListing(t.Context(), "i", "t"))
	l.hold(t, "i", map[string][]store.RememberedAPI{})
}

func listingsNeedAPlace(t *testing.T, l Listings) {
	for _, place := range [][2]string{{"i", ""}, {"", "t"}} {
		if err := l.Now().SaveListing(t.Context(), place[0], place[1], nil); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%q: %v", place, err)
		}
	}
	l.hold(t, "i", map[string][]store.RememberedAPI{})
}
