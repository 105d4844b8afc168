package keys_test

import (
	"strings"
	"testing"
	"time"

	"federation-agent/internal/keys"
)

// Restore's table, and that nothing of an old table is deleted on what it says.
func TestNothingIsDeletedOnWhatARestoredTableSays(t *testing.T) {
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	becomes := map[keys.State]keys.State{
		keys.Intent: keys.LostCreate, keys.Creating: keys.LostCreate, keys.LostCreate: keys.LostCreate,
		keys.Created: keys.Unconfirmed, keys.Attached: keys.Unconfirmed, keys.Answered: keys.Unconfirmed,
		keys.Deleting: keys.Unconfirmed, keys.Unconfirmed: keys.Unconfirmed, keys.Delivered: keys.Delivered,
	}
	for state, want := range becomes {
		old := record(1, "old", state)
		got := old.Restore(now)
		if got.State != want || !got.Restored {
			t.Errorf("%s becomes %s", state, got.State)
		}
		if moved := state != want; moved != got.UpdatedAt.Equal(now) || moved != strings.Contains(got.Reason, "was "+string(state)) {
			t.Errorf("%s: since %s: %s", state, got.UpdatedAt, got.Reason)
		}
		for other := range becomes {
			both := []keys.Record{got, record(2, "later", other).Restore(now)}
			if steps := keys.Decide(both); len(steps) > 0 {
				t.Errorf("%s, then %s, both restored: %+v", state, other, steps)
			}
		}
		steps, lost := keys.Decide([]keys.Record{got, record(2, "later", keys.Delivered)}), want == keys.LostCreate
		if lost != (len(steps) == 0) || !lost && (len(steps) != 1 || steps[0].Action != keys.Delete) {
			t.Errorf("%s, then one that was delivered since: %+v", state, steps)
		}
		if _, seek := got.SeekAt(); seek && lost {
			t.Errorf("%s: a key of that name is looked for, and would be deleted", state)
		}
		if do, alone := got.Advice(keys.Looks{AWS: true}, now); lost && (alone || !strings.Contains(do, "see in APIM")) {
			t.Errorf("%s: %q", state, do)
		}
	}
}

func TestWhatIsSaidOfARestoredKeySinceCounts(t *testing.T) {
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	old := record(1, "old", keys.Attached).Restore(now)
	for told, want := range map[keys.Told]keys.State{
		{Status: "CLOSED"}:                         keys.Deleting,
		{Status: "ACCEPTED", KeyID: old.KeyID}:     keys.Delivered,
		{Status: "ACCEPTED", KeyID: "another key"}: keys.Unconfirmed,
	} {
		after := told.Settles([]keys.Record{old}, now)[0]
		if after.State != want || after.Restored != (want == keys.Unconfirmed) {
			t.Errorf("%+v: %+v", told, after)
		}
	}
	after, err := keys.Order{ID: "old", Wanted: keys.Remove, By: "me", EvenIfInUse: true}.Obey(old, now)
	if steps := keys.Decide([]keys.Record{after}); err != nil || len(steps) != 1 || steps[0].Action != keys.Delete {
		t.Errorf("%+v, %v: %+v", after, err, steps)
	}
}
