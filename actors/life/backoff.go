package life

import (
	"math"
	"time"
)

// Backoff is the delay after n failures: between half of 2*floor*2^n and the whole, at most ceiling. A fleet that lost
// the same server must not come back in step, not even the first time. No delay is below floor. jitter is in [0, 1).
func Backoff(n int, floor, ceiling time.Duration, jitter float64) time.Duration {
	full := min(2*float64(floor)*math.Pow(2, float64(n)), float64(ceiling))
	return max(floor, time.Duration(full*(0.5+0.5*jitter)))
}
