package exports

import "testing"

func TestWhatAControllerTakesIsLearntFromWhatItRefusedAndTook(t *testing.T) {
	var l PeerLimits
	if !l.Taken(80) || l.Taken(80) || l.Next() != 0 || !l.Fits(API{JSON: make([]byte, 1000)}) {
		t.Errorf("a controller that refused nothing has limits: %+v", l)
	}
	l.TooLarge(1000, false, 400)
	if l.Batch != 500 || l.Next() != 80 || !l.Fits(API{JSON: make([]byte, 400)}) {
		t.Errorf("after a batch of 1000: %+v", l)
	}
	l.TooLarge(400, true, 398)
	if l.Batch != 200 || l.Fits(API{JSON: make([]byte, 398)}) || !l.Fits(API{JSON: make([]byte, 397)}) {
		t.Errorf("after an API of 398 alone: %+v", l)
	}
	if !l.Taken(90) || l.Taken(85) || l.Batch != 200 || l.Next() != 90 {
		t.Errorf("what was taken is what the next ingest tries at most: %+v", l)
	}
	if l.TooLarge(700, false, 1); l.Batch != 200 || l.Next() != 90 {
		t.Errorf("a larger batch that was on its way raises nothing: %+v", l)
	}
	if !l.Taken(300) || l.Next() != 200 {
		t.Errorf("one API alone may be larger than a batch: %+v", l)
	}
	other := PeerLimits{Batch: 100, taken: 50}
	if both := l.With(other); both != other.With(l) || both != (PeerLimits{Batch: 100, API: 397, taken: 300}) {
		t.Errorf("two ingests have learnt %+v", both)
	}
}
