package quota

import "time"

// bucket is a token bucket with a rate that can change.
type bucket struct {
	rate, burst float64
	tokens      float64
	at          time.Time
}

func (b *bucket) advance(now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(b.burst, b.tokens+passed.Seconds()*b.rate)
		b.at = now
	}
}

// until is the time until there are n tokens.
func (b *bucket) until(n float64) time.Duration {
	if b.tokens >= n {
		return 0
	}
	// Rounded up to a microsecond. A timer that fires a nanosecond too early would find no token.
	return time.Duration((n-b.tokens)/b.rate*1e9).Truncate(time.Microsecond) + time.Microsecond
}
