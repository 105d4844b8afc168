package store

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/keys"
)

func TestAJournalOfAnEarlierVersionIsReadAndRewritten(t *testing.T) {
	dir := dirWith(t, unzipped(t, "schema-1.db.gz"))
	for range 2 {
		s, health := openIn(t, dir)
		wantHealth(t, health, true)
		records, err := recordsIn(s, Filter{})
		must(t, err)
		states := []keys.State{keys.Intent, keys.Creating, keys.Created, keys.Attached, keys.Answered, keys.Delivered,
			keys.Unconfirmed, keys.Deleting, keys.LostCreate}
		want := wanted(180, "r%03d", func(n int) keys.State { return states[n%len(states)] })
		delete(want, "r000")
		got := map[string]keys.Record{}
		for _, rec := range records {
			got[rec.ID] = rec
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		jobs, err := s.Running(t.Context(), "i")
		must(t, err)
		if diff := cmp.Diff([]IngestJob{{OwnedJob: job("i", "j"), APIIDs: []string{"a", "b"}, StartedAt: noon, Total: 2,
			Acked: []string{"a", "b"}, LastAckAt: noon.Add(2 * time.Minute), DoneSent: true}}, jobs); diff != "" {
			t.Error(diff)
		}
		listings, err := s.Listings(t.Context(), "i")
		must(t, err)
		if diff := cmp.Diff(map[string][]RememberedAPI{
			"111122223333:eu-west-1": {{ID: "a", Name: strings.Repeat("n", 9000)}, {ID: "a/b", Name: "ü"}},
		}, listings); diff != "" {
			t.Error(diff)
		}
		plans, err := plansOf(s, "i")
		must(t, err)
		if diff := cmp.Diff(map[string][]string{"a/b": {"p", "q"}, "c": {}}, plans); diff != "" {
			t.Error(diff)
		}
		must(t, s.Close())
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 { // with the reserve
			t.Errorf("%v %v", entries, err)
		}
	}
}

func TestAJournalOfAnEarlierVersionIsReadFromAReadOnlyDisk(t *testing.T) {
	dir := dirWith(t, unzipped(t, "schema-1.db.gz"))
	refusal := os.ErrPermission
	s, health := NewFileStore(refusing(dir, &refusal), Options{})
	wantHealth(t, health, false, "permission", "in memory only")
	if got := len(recordIDs(t, s)); got != 179 {
		t.Errorf("%d records", got)
	}
}
