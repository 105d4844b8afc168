package tablestore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/keys"
	"federation-agent/internal/store"
	"federation-agent/internal/table/tablesim"
)

// content is all that a journal has of one integration.
func content(t *testing.T, j store.Journal) any {
	t.Helper()
	records, err := store.Records(t.Context(), j, store.Filter{}, false)
	must(t, err)
	jobs, err := j.Running(t.Context(), "I")
	must(t, err)
	sent, err := j.Sent(t.Context(), "I")
	must(t, err)
	sent.At = 0 // each journal has an order of its own
	listings, err := j.Listings(t.Context(), "I")
	must(t, err)
	return []any{records, fmt.Sprintf("%+v", jobs), sent, listings}
}

func TestACopyHasAllFromFileToTableAndBack(t *testing.T) {
	file, model := store.Memory(), tablesim.New(nil)
	now := start.Add(time.Hour)
	of := keys.Subscription{Integration: "I", Account: "123456789012", Region: "eu-west-1", ID: "S/1"}
	_, err := file.Write(t.Context(), store.Entry{Of: of}, "", []keys.Record{full("r1"), record("r2", keys.Attached)})
	must(t, err)
	job := store.OwnedJob{Integration: "I", JobID: "J"}
	must(t, file.Start(t.Context(), store.IngestJob{OwnedJob: job, StartedAt: start, LastAckAt: start, Total: 4}))
	plans := map[string][]string{}
	for n := range 1200 {
		plans[fmt.Sprint("api-", n)] = []string{fmt.Sprint("plan-", n), "all"}
	}
	_, err = file.Sending(t.Context(), job, plans)
	must(t, err)
	must(t, file.Acknowledge(t.Context(), job, []string{"api-1"}, map[string]string{"api-1": "digest"}, start.Add(time.Minute)))
	must(t, file.SaveClaims(t.Context(), "I", map[string][]string{"api-2": {"gone"}}))
	must(t, file.SaveListing(t.Context(), "I", "123456789012:eu-west-1", []store.RememberedAPI{{ID: "api-1", Name: "one"}}))

	s, back := reopen(t, model, "a"), store.Memory()
	before := fmt.Sprint(model.Backup())
	would, err := store.Copy(t.Context(), file, s, []string{"I"}, now, true)
	if after := fmt.Sprint(model.Backup()); err != nil || after != before {
		t.Errorf("a dry run wrote, or failed: %v", err)
	}
	for range 2 { // one that was cut off can be repeated
		did, err := store.Copy(t.Context(), file, s, []string{"I"}, now, false)
		if diff := cmp.Diff(would, did); err != nil || diff != "" {
			t.Fatalf("%v\n%s", err, diff)
		}
	}
	if would.Keys != 2 || would.Plans != 1200 || would.Taken != 1 || would.Claims != 1 || would.Jobs != 1 || would.ListedAPIs != 1 {
		t.Errorf("%+v", would)
	}
	if diff := cmp.Diff(content(t, file), content(t, reopen(t, model, "b"))); diff != "" {
		t.Errorf("in the table:\n%s", diff)
	}
	_, err = store.Copy(t.Context(), s, back, []string{"I"}, now, false)
	must(t, err)
	if diff := cmp.Diff(content(t, file), content(t, back)); diff != "" {
		t.Errorf("back in a file:\n%s", diff)
	}
	if _, err := store.Copy(t.Context(), store.Memory(), s, []string{"I"}, now, false); !errors.Is(err, store.ErrOccupied) {
		t.Errorf("a table in use was taken: %v", err)
	}
	entry, err := s.Entry(t.Context(), of)
	must(t, err)
	must(t, s.End(t.Context(), entry, now))
	if _, err := store.Copy(t.Context(), store.Memory(), s, []string{"I"}, now, true); !errors.Is(err, store.ErrOccupied) {
		t.Errorf("one with ingests alone: %v", err)
	}
}
