package exports

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestARoomGrantsInTheOrderOfArrivalAndOneThatIsLargerThanAllOfItAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRoom(100 * Copies)
		var order []string
		take := func(name string, bytes int64) *Claim {
			c := r.Claim()
			go func() {
				if err := c.Take(t.Context(), bytes); err != nil {
					t.Error(err)
				}
				order = append(order, name)
			}()
			synctest.Wait()
			return c
		}
		want := func(names ...string) {
			t.Helper()
			synctest.Wait()
			if len(order) != len(names) || len(names) > 0 && order[len(order)-1] != names[len(names)-1] {
				t.Fatalf("granted %v, want %v", order, names)
			}
		}
		a, b := take("a", 60), take("b", 40)
		want("a", "b")
		large, small := take("large", 5000), take("small", 1)
		a.Drop()
		want("a", "b") // small would fit, but large was there before
		b.Drop()
		want("a", "b", "large")
		large.Drop()
		large.Drop() // has nothing to give back any more
		want("a", "b", "large", "small")
		small.Drop()
		if r.used != 0 {
			t.Errorf("%d bytes are held by nobody", r.used)
		}
	})
}

func TestWhoGivesUpWaitingForRoomHoldsNobodyUpAndHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewRoom(100 * Copies)
		first, next := r.Claim(), r.Claim()
		if err := first.Take(t.Context(), 60); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { gone <- r.Claim().Take(ctx, 60) }()
		synctest.Wait()
		got := make(chan error, 1)
		go func() { got <- next.Take(t.Context(), 40) }()
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("who came later went first")
		}
		cancel()
		if err := <-gone; err == nil {
			t.Error("granted without room")
		}
		if err := <-got; err != nil {
			t.Error(err)
		}
		// Again, as for another attempt: what it had is given back, or it would wait for itself.
		if err := first.Take(t.Context(), 60); err != nil {
			t.Error(err)
		}
		first.Drop()
		next.Drop()
		if r.used != 0 || len(r.waiting) != 0 {
			t.Errorf("%d bytes held, %d wait", r.used, len(r.waiting))
		}
	})
}
