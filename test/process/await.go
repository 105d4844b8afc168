package process

import (
	"context"
	"fmt"
	"time"
)

// pollEvery is how often a state is read that gives no sign when it changes. What is measured so is exact to this, and
// reading costs under a hundredth of a core.
const pollEvery = 20 * time.Millisecond

// Await asks so until it says yes. The context that so gets ends when within has passed. Errors: so's first, that
// within has passed, ctx's.
func Await(ctx context.Context, within time.Duration, what string, so func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("%s have passed", within))
	defer cancel()
	for {
		is, err := so(ctx)
		if err == nil && is {
			return nil
		}
		if err == nil {
			err = Sleep(ctx, pollEvery)
		}
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
	}
}

// Sleep waits for d. Errors: why ctx ended.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
