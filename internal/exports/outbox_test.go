package exports

import (
	"fmt"
	"testing"
	"time"

	"federation-agent/internal/federation"
)

func ready(n, size int) Ready {
	id := federation.ID{Account: "1", Region: "r", RestAPI: fmt.Sprint(n), Stage: "s"}
	return Ready{API: API{ID: id, JSON: make([]byte, size)}}
}

func box() Outbox { return NewOutbox(BatchLimits{Bytes: 1000, Count: 4, Delay: 10 * time.Second}) }

func TestAnOutboxSendsOnBytesOnCountOrOnDelay(t *testing.T) {
	begin := time.Unix(0, 0)
	for name, c := range map[string]struct {
		sizes []int
		after time.Duration
		last  bool
		want  int // APIs in the batch, 0 for none
	}{
		"too little, too early":         {[]int{100, 100}, 9 * time.Second, false, 0},
		"the first has waited":          {[]int{100, 100}, 10 * time.Second, false, 2},
		"nothing more comes":            {[]int{100}, 0, true, 1},
		"nothing at all":                {nil, time.Hour, true, 0},
		"enough APIs":                   {[]int{1, 1, 1, 1, 1}, 0, false, 4},
		"enough bytes":                  {[]int{600, 300, 300}, 0, false, 2},
		"one larger than a batch alone": {[]int{3000, 10}, 0, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			o := box()
			for n, size := range c.sizes {
				o.Add(ready(n, size), begin)
			}
			if batch := o.Take(begin.Add(c.after), c.last); len(batch) != c.want {
				t.Errorf("got %d APIs, want %d", len(batch), c.want)
			}
			if left := len(c.sizes) - c.want; o.Empty() != (left == 0) || len(o.ready) != left {
				t.Errorf("%d are left, want %d", len(o.ready), left)
			}
		})
	}
}

func TestWhatStaysBehindABatchHasWaitedSinceItCame(t *testing.T) {
	begin := time.Unix(0, 0)
	o := box()
	for n := range 5 {
		o.Add(ready(n, 1), begin.Add(time.Duration(n)*time.Second))
	}
	o.Take(begin.Add(5*time.Second), false)
	if due, waits := o.Due(); !waits || !due.Equal(begin.Add(14*time.Second)) || o.Full() {
		t.Errorf("due %s", due)
	}
}

func TestHalvesGoFirstAndTogetherAreTheWhole(t *testing.T) {
	o := box()
	var batch []Ready
	for n := range 5 {
		batch = append(batch, ready(n, 10))
	}
	o.Add(ready(9, 2000), time.Unix(0, 0))
	o.Halve(batch)
	var got []string
	for range 2 {
		for _, api := range o.Take(time.Unix(0, 0), false) {
			got = append(got, api.ID.RestAPI)
		}
	}
	if fmt.Sprint(got) != "[0 1 2 3 4]" {
		t.Errorf("got %v", got)
	}
	if rest := o.Take(time.Unix(0, 0), false); len(rest) != 1 || !o.Empty() {
		t.Errorf("then come %d", len(rest))
	}
}

func TestABatchThatWasTakenGivesBackWhatItsAPIsHeld(t *testing.T) {
	b := NewBound(100)
	h := b.Holder(t.Context(), 0, func() {})
	var batch []Ready
	for n := range 3 {
		api := ready(n, 20)
		api.Document.Claim = h.Claim()
		api.Document.Claim.Keep(len(api.JSON))
		batch = append(batch, api)
	}
	if b.held != 60 {
		t.Errorf("%d bytes are held", b.held)
	}
	Release(batch)
	nothingHeld(t, b)
}

func TestHalvesAreNoLargerThanALimitThatWasLoweredSince(t *testing.T) {
	o := NewOutbox(BatchLimits{Bytes: 800, Count: 100})
	batch := make([]Ready, 0, 8)
	for n := range 8 {
		batch = append(batch, ready(n, 100))
	}
	o.Halve(batch)
	o.Limit(200)
	o.Limit(500) // a limit is never raised
	for n := range 4 {
		if got := o.Take(time.Time{}, true); len(got) != 2 || got[0].ID != batch[2*n].ID {
			t.Fatalf("%d: %d APIs", n, len(got))
		}
	}
	if !o.Empty() {
		t.Error("something is left")
	}
}
