package tablestore_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table/tablesim"
)

// A look may go through a whole table that was restored. A sign of life does not wait for longer than it may.
func TestWhoWaitsForAnothersLookGivesUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := tablesim.New(func(context.Context, tablesim.Call) tablesim.Fault {
			time.Sleep(time.Second)
			return tablesim.None
		})
		s := tablestore.New(model.Client("a"), func() string { return "token" })
		first := make(chan error, 1)
		go func() { first <- s.Open(t.Context()) }()
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := s.Open(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 100*time.Millisecond {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
		if err := s.Open(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
