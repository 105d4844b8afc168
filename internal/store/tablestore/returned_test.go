package tablestore_test

import (
	"errors"
	"fmt"
	"testing"

	"federation-agent/internal/store"
	"federation-agent/internal/table/tablesim"
)

// The first Start had succeeded unheard, and another process has gone on with the job and ended it. A batch of the one that
// began it would have an old list of plans.
func TestAJobThatHasEndedElsewhereDoesNotBeginAgain(t *testing.T) {
	model := tablesim.New(nil)
	a, b := open(model, "a"), open(model, "b")
	begin(t, a, "a", "J")
	must(t, b.Adopt(t.Context(), job("J", "a"), "b"))
	must(t, b.Finish(t.Context(), job("J", "b")))
	again := store.IngestJob{OwnedJob: job("J", "a"), StartedAt: start, Total: 2}
	if err := a.Start(t.Context(), again); !errors.Is(err, store.ErrUnknownJob) {
		t.Errorf("%v", err)
	}
	if all, err := a.Running(t.Context(), "I"); err != nil || len(all) > 0 {
		t.Errorf("%v, %v", all, err)
	}
	for n := range 100 { // it is not known for ever
		id := fmt.Sprint(n)
		begin(t, b, "b", id)
		must(t, b.Finish(t.Context(), job(id, "b")))
	}
	begin(t, a, "a", "J")
}

// An acknowledgement is written down late, when another job has sent the API otherwise.
func TestHowAPIMTookAnAPISaysNothingOnceAnotherJobHasSentIt(t *testing.T) {
	model := tablesim.New(nil)
	a, b := open(model, "a"), open(model, "b")
	begin(t, a, "a", "J")
	begin(t, b, "b", "K")
	send(t, a, job("J", "a"), map[string][]string{"y": {"1"}})
	if _, err := a.Sending(t.Context(), job("J", "a"), map[string][]string{"x": {"1"}}); err != nil {
		t.Fatal(err)
	}
	must(t, b.Finish(t.Context(), job("K", "b")))
	begin(t, b, "b", "L")
	send(t, b, job("L", "b"), map[string][]string{"x": {"1", "2"}})
	must(t, a.Acknowledge(t.Context(), job("J", "a"), []string{"x", "y"}, map[string]string{"x": "old", "y": "new"}, start))
	sent, err := b.Sent(t.Context(), "I")
	if err != nil || fmt.Sprint(sent.Taken) != "map[y:new]" {
		t.Errorf("%v, %v", sent.Taken, err)
	}
}
