package keys_test

import (
	"slices"
	"testing"
	"time"

	"federation-agent/internal/keys"
)

func TestANewRecordIsBehindTheOthersThoughTheClockWasPutBack(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 2, 0, time.UTC)
	for name, records := range map[string][]keys.Record{
		"none":                   nil,
		"older ones":             {record(1, "a", keys.Delivered)},
		"one of the same second": {record(2, "z", keys.Delivered)},
		"newer ones":             {record(9, "b", keys.Delivered), record(3, "a", keys.Deleting)},
	} {
		t.Run(name, func(t *testing.T) {
			made := record(0, "a", keys.Intent)
			made.CreatedAt = keys.After(records, now)
			for _, r := range records {
				if keys.Compare(r, made) >= 0 {
					t.Errorf("made at %s, another one at %s", made.CreatedAt, r.CreatedAt)
				}
			}
			if made.CreatedAt.Before(now) || len(records) == 0 && !made.CreatedAt.Equal(now) {
				t.Errorf("made at %s, now is %s", made.CreatedAt, now)
			}
		})
	}
}

func TestRecordsOfAnEarlierProcessAreOlderThanOursWhateverTheClocksSaid(t *testing.T) {
	other := record(9, "other", keys.Delivered)
	other.SubscriptionID = "another"
	for name, c := range map[string]struct {
		found, ours []keys.Record
		moved       int
		order       string
	}{
		"the clock went on": {
			[]keys.Record{record(1, "a", keys.Delivered)}, []keys.Record{record(2, "b", keys.Delivered)}, 0, "ab",
		},
		"the clock was put back": {
			[]keys.Record{record(8, "a", keys.Delivered)}, []keys.Record{record(2, "b", keys.Delivered)}, 1, "ab",
		},
		"it was put back in between": {
			[]keys.Record{record(1, "a", keys.Unconfirmed), record(5, "b", keys.Delivered), record(6, "c", keys.Answered)},
			[]keys.Record{record(3, "d", keys.Deleting), record(4, "e", keys.Delivered)}, 2, "abcde",
		},
		"another subscription's":       {[]keys.Record{other}, []keys.Record{record(2, "b", keys.Delivered)}, 0, ""},
		"we have none of subscription": {[]keys.Record{record(1, "a", keys.Delivered)}, nil, 0, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			moved := keys.Before(c.found, c.ours)
			if len(moved) != c.moved {
				t.Errorf("%d were moved: %v", len(moved), moved)
			}
			byID := map[string]keys.Record{}
			for _, r := range slices.Concat(c.found, c.ours, moved) {
				byID[r.ID] = r
			}
			for n := 1; n < len(c.order); n++ {
				if older, newer := byID[c.order[n-1:n]], byID[c.order[n:n+1]]; keys.Compare(older, newer) >= 0 {
					t.Errorf("%s is not older than %s", older.ID, newer.ID)
				}
			}
		})
	}
}
