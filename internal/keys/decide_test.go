package keys_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/keys"
)

// record is one of the subscription "sub", made in that second.
func record(second int, id string, state keys.State) keys.Record {
	return keys.Record{
		ID: id, KeyID: "key-" + id, Integration: "int", Account: "111122223333", Region: "eu-west-1", SubscriptionID: "sub",
		State: state, CreatedAt: time.Date(2026, 11, 1, 0, 0, second, 0, time.UTC),
	}
}

// decided is the action for each record that has a step, by the record's id.
func decided(records ...keys.Record) map[string]keys.Action {
	actions := map[string]keys.Action{}
	for _, step := range keys.Decide(records) {
		actions[step.Record.ID] = step.Action
	}
	return actions
}

// Decide's table: a row a state, and a column for what the later records are.
func TestWhatFollowsFromARecordAndALaterOne(t *testing.T) {
	const (
		none        = keys.Action("")
		forget      = keys.Forget
		remove      = keys.Delete
		unconfirmed = keys.ListUnconfirmed
		lost        = keys.ListLostCreate
	)
	columns := [3][]keys.State{
		{keys.Intent, keys.Creating, keys.LostCreate, keys.Created, keys.Attached, keys.Deleting},
		{keys.Answered, keys.Unconfirmed},
		{keys.Delivered},
	}
	for state, want := range map[keys.State][3]keys.Action{
		keys.Intent:      {forget, forget, forget},
		keys.Creating:    {lost, lost, lost},
		keys.LostCreate:  {none, none, none},
		keys.Created:     {remove, remove, remove},
		keys.Attached:    {remove, remove, remove},
		keys.Deleting:    {remove, remove, remove},
		keys.Answered:    {unconfirmed, unconfirmed, remove},
		keys.Unconfirmed: {none, none, remove},
		keys.Delivered:   {none, unconfirmed, remove},
	} {
		t.Run(string(state), func(t *testing.T) {
			if got := decided(record(1, "r", state))["r"]; got != want[0] {
				t.Errorf("alone: %q, want %q", got, want[0])
			}
			for column, states := range columns {
				for _, later := range states {
					if got := decided(record(1, "r", state), record(2, "later", later))["r"]; got != want[column] {
						t.Errorf("before one that is %s: %q, want %q", later, got, want[column])
					}
					if got := decided(record(2, "r", state), record(1, "earlier", later))["r"]; got != want[0] {
						t.Errorf("behind one that is %s: %q, want %q", later, got, want[0])
					}
				}
			}
		})
	}
}

func TestWhatFollowsFromSeveralRecordsOfASubscription(t *testing.T) {
	for name, row := range map[string]struct {
		records []keys.Record
		want    map[string]keys.Action
	}{
		// Seed 60003213 of the simulation: the disk that has the older record came only after the newer key was made.
		"the older delivered key was not known when the newer one was made": {
			[]keys.Record{record(2, "newer", keys.Delivered), record(1, "older", keys.Delivered)},
			map[string]keys.Action{"older": keys.Delete},
		},
		"a delivered key takes the place of all before it": {
			[]keys.Record{record(1, "a", keys.Delivered), record(2, "b", keys.Unconfirmed), record(3, "c", keys.Delivered)},
			map[string]keys.Action{"a": keys.Delete, "b": keys.Delete},
		},
		"what is in doubt does not call off what a delivered key decided": {
			[]keys.Record{record(1, "a", keys.Delivered), record(2, "b", keys.Delivered), record(3, "c", keys.Answered)},
			map[string]keys.Action{"a": keys.Delete, "b": keys.ListUnconfirmed, "c": keys.ListUnconfirmed},
		},
		"a key that was never answered does not touch the one in use": {
			[]keys.Record{record(1, "used", keys.Delivered), record(2, "failed", keys.Attached)},
			map[string]keys.Action{"failed": keys.Delete},
		},
		"of two made in the same instant the ids decide": {
			[]keys.Record{record(1, "b", keys.Delivered), record(1, "a", keys.Delivered)},
			map[string]keys.Action{"a": keys.Delete},
		},
		"a state of a later version is left alone": {
			[]keys.Record{record(1, "a", "later-version"), record(2, "b", keys.Delivered)},
			map[string]keys.Action{},
		},
		"none": {nil, map[string]keys.Action{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, decided(row.records...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRecordsOfAnotherSubscriptionIntegrationOrTargetNeverTouchEachOther(t *testing.T) {
	for name, change := range map[string]func(*keys.Record){
		"subscription": func(r *keys.Record) { r.SubscriptionID = "another" },
		"integration":  func(r *keys.Record) { r.Integration = "another" },
		"account":      func(r *keys.Record) { r.Account = "444455556666" },
		"region":       func(r *keys.Record) { r.Region = "us-east-1" },
	} {
		t.Run(name, func(t *testing.T) {
			for _, later := range []keys.State{keys.Delivered, keys.Answered} {
				other := record(2, "other", later)
				change(&other)
				if action, done := decided(record(1, "mine", keys.Delivered), other)["mine"]; done {
					t.Errorf("one that is %s: %s", later, action)
				}
			}
		})
	}
}

func TestAStepSaysWhy(t *testing.T) {
	refused := record(5, "refused", keys.Deleting)
	refused.Reason = "Invalid Usage Plan ID specified"
	want := map[string]string{
		"replaced":    "replaced by key key-new",
		"new":         "",
		"interrupted": "its making was interrupted",
		"lost":        "the agent ended before AWS answered",
		"refused":     "Invalid Usage Plan ID specified",
	}
	got := map[string]string{"new": ""}
	for _, step := range keys.Decide([]keys.Record{
		record(1, "replaced", keys.Delivered), record(2, "new", keys.Delivered), record(3, "interrupted", keys.Created),
		record(4, "lost", keys.Creating), refused,
	}) {
		got[step.Record.ID] = step.Reason
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	steps := keys.Decide([]keys.Record{record(1, "r", keys.Answered)})
	if len(steps) != 1 || steps[0].Reason != "the delivery of its answer could not be proved" {
		t.Errorf("%+v", steps)
	}
}

func TestStepsComeInTheOrderOfTheirRecordsAndTheRecordsStayAsTheyWere(t *testing.T) {
	given := []keys.Record{record(3, "c", keys.Created), record(1, "a", keys.Created), record(2, "b", keys.Created)}
	var order string
	for _, step := range keys.Decide(given) {
		order += step.Record.ID
	}
	if order != "abc" || given[0].ID != "c" {
		t.Errorf("order %s; the first one given is now %s", order, given[0].ID)
	}
}
