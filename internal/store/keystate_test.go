package store_test

import (
	"testing"

	"federation-agent/internal/store"
	"github.com/google/go-cmp/cmp"
)

func TestWhatFollowsFromACrashInEachState(t *testing.T) {
	const (
		forget      = store.ActionForget
		del         = store.ActionDelete
		keep        = store.ActionKeep
		unconfirmed = store.ActionListUnconfirmed
		lost        = store.ActionListLostCreate
	)
	for state, want := range map[store.KeyState]store.Action{
		store.StateIntent:      forget,
		store.StateCreating:    lost,
		store.StateCreated:     del,
		store.StateAttached:    del,
		store.StateAnswered:    unconfirmed,
		store.StateDelivered:   keep,
		store.StateUnconfirmed: unconfirmed,
		store.StateDeleting:    del,
		store.StateLostCreate:  lost,
	} {
		t.Run(string(state), func(t *testing.T) {
			if got := store.AfterCrash(store.KeyRecord{ID: "k", State: state}); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

func TestAnUnknownStateNeverDeletesAKey(t *testing.T) {
	if got := store.AfterCrash(store.KeyRecord{State: "later-version"}); got != store.ActionListUnconfirmed {
		t.Errorf("got %s", got)
	}
}

func TestARepeatedSubscribeIsResumedWithTheKeyThatItReplaces(t *testing.T) {
	rec := func(id string, state store.KeyState, replaces string) store.KeyRecord {
		return store.KeyRecord{ID: id, State: state, Replaces: replaces}
	}
	table := map[string]struct {
		records []store.KeyRecord
		want    map[string]store.Action
	}{
		"the new key was delivered: the old one goes": {
			[]store.KeyRecord{rec("old", store.StateDelivered, ""), rec("new", store.StateDelivered, "old")},
			map[string]store.Action{"old": store.ActionDelete, "new": store.ActionKeep},
		},
		"the new key's delivery is unproved: both are unconfirmed": {
			[]store.KeyRecord{rec("old", store.StateDelivered, ""), rec("new", store.StateAnswered, "old")},
			map[string]store.Action{"old": store.ActionListUnconfirmed, "new": store.ActionListUnconfirmed},
		},
		"the new key was never answered: the old one stays": {
			[]store.KeyRecord{rec("old", store.StateDelivered, ""), rec("new", store.StateAttached, "old")},
			map[string]store.Action{"old": store.ActionKeep, "new": store.ActionDelete},
		},
		"a delivered key replaces the whole chain": {
			[]store.KeyRecord{rec("a", store.StateDelivered, ""), rec("b", store.StateUnconfirmed, "a"), rec("c", store.StateDelivered, "b")},
			map[string]store.Action{"a": store.ActionDelete, "b": store.ActionDelete, "c": store.ActionKeep},
		},
		"a key being deleted goes on being deleted": {
			[]store.KeyRecord{rec("old", store.StateDeleting, ""), rec("new", store.StateAnswered, "old")},
			map[string]store.Action{"old": store.ActionDelete, "new": store.ActionListUnconfirmed},
		},
		"a lost create stays listed": {
			[]store.KeyRecord{rec("old", store.StateLostCreate, ""), rec("new", store.StateDelivered, "old")},
			map[string]store.Action{"old": store.ActionListLostCreate, "new": store.ActionKeep},
		},
		"a ring ends": {
			[]store.KeyRecord{rec("a", store.StateUnconfirmed, "b"), rec("b", store.StateUnconfirmed, "a")},
			map[string]store.Action{"a": store.ActionListUnconfirmed, "b": store.ActionListUnconfirmed},
		},
	}
	for name, row := range table {
		t.Run(name, func(t *testing.T) {
			got := map[string]store.Action{}
			for _, step := range store.Resume(row.records) {
				got[step.Record.ID] = step.Action
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAStateIsReachedOnlyThroughTheOnesBeforeIt(t *testing.T) {
	allowed := map[store.KeyState][]store.KeyState{
		store.StateIntent:      {store.StateCreating},
		store.StateCreating:    {store.StateIntent, store.StateCreated, store.StateLostCreate},
		store.StateCreated:     {store.StateAttached, store.StateDeleting},
		store.StateAttached:    {store.StateAnswered, store.StateDeleting},
		store.StateAnswered:    {store.StateDelivered, store.StateUnconfirmed, store.StateDeleting},
		store.StateDelivered:   {store.StateUnconfirmed, store.StateDeleting},
		store.StateUnconfirmed: {store.StateDelivered, store.StateDeleting},
		store.StateDeleting:    nil,
		store.StateLostCreate:  nil,
	}
	for from, nexts := range allowed {
		for to := range allowed {
			want := from == to
			for _, next := range nexts {
				want = want || next == to
			}
			if got := from.CanBecome(to); got != want {
				t.Errorf("%s can become %s: %v, want %v", from, to, got, want)
			}
		}
	}
	if store.KeyState("").CanBecome("") || store.KeyState("x").CanBecome(store.StateIntent) {
		t.Error("an unknown state leads nowhere")
	}
}
