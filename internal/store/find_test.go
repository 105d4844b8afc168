package store_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
)

func TestAPIsAreFoundByEachWordOfTheirNameOrID(t *testing.T) {
	s, _ := store.NewFileStore(nothing{}, store.Options{})
	listing := func(integration, target string, apis ...store.RememberedAPI) {
		if err := s.SaveListing(t.Context(), integration, target, apis); err != nil {
			t.Fatal(err)
		}
	}
	api := func(id, name string) store.RememberedAPI { return store.RememberedAPI{ID: id, Name: name} }
	listing("one", "1:eu-west-1", api("1:eu-west-1:b:prod", "Orders"), api("1:eu-west-1:b:test", "Orders"))
	listing("one", "1:us-east-1", api("1:us-east-1:a:prod", "Audit"))
	listing("two", "2:eu-west-1", api("2:eu-west-1:c:prod", "Customs"))
	if err := storetest.Note(s, "one", map[string][]string{"1:eu-west-1:b:prod": {"gold"}}); err != nil {
		t.Fatal(err)
	}
	both := []string{"one", "two"}
	for name, c := range map[string]struct {
		integrations, words []string
		skip, most          int
		found               []string
		fit, all            int
	}{
		"everything, by name": {
			both, nil, 0, 9,
			[]string{
				"Audit 1:us-east-1:a:prod", "Customs 2:eu-west-1:c:prod", "Orders 1:eu-west-1:b:prod",
				"Orders 1:eu-west-1:b:test",
			}, 4, 4,
		},
		"one integration": {[]string{"two"}, nil, 0, 9, []string{"Customs 2:eu-west-1:c:prod"}, 1, 1},
		"in any case":     {both, []string{"ORDER", "Test"}, 0, 9, []string{"Orders 1:eu-west-1:b:test"}, 1, 4},
		"a page":          {both, []string{"prod"}, 1, 1, []string{"Customs 2:eu-west-1:c:prod"}, 3, 4},
		"past the end":    {both, nil, 99, 9, nil, 4, 4},
		"before the start": {
			both, []string{"audit"}, -5, 9, []string{"Audit 1:us-east-1:a:prod"}, 1, 4,
		},
	} {
		found, fit, all := s.FindAPIs(c.integrations, c.words, c.skip, c.most)
		var names []string
		for _, api := range found {
			names = append(names, api.Name+" "+api.ID)
		}
		if diff := cmp.Diff(c.found, names); diff != "" || fit != c.fit || all != c.all {
			t.Errorf("%s: %d of %d fit, want %d of %d (-want +got)\n%s", name, fit, all, c.fit, c.all, diff)
		}
	}
	found, _, _ := s.FindAPIs(both, []string{"orders"}, 0, 9)
	if got := fmt.Sprint(found[0].Sent, found[0].Plans, found[1].Sent, found[1].Plans); got != "true [gold] false []" {
		t.Errorf("sent with plans: %s", got)
	}
}

// nothing is a medium that keeps nothing.
type nothing struct{}

func (nothing) Open(func(store.Change) error) ([]string, error) { return nil, nil }
func (nothing) Commit([]store.Change) error                     { return nil }
func (nothing) Close() error                                    { return nil }
