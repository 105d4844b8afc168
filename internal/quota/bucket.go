package quota

import "time"

// bucket is a token bucket with a rate that can change.
type bucket struct {
	rate, burst float64
	// soon is a rate that is expected to come. Waits are judged by it where it is higher than the rate.
	soon   float64
	tokens float64
	at     time.Time
}

func (b *bucket) advance(now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens = min(b.burst, b.tokens+passed.Seconds()*b.rate)
		b.at = now
	}
}

// until is the time until there are n tokens at the rate of now, which is not 0.
func (b *bucket) until(n float64) time.Duration { return b.wait(n, b.rate) }

// expected is the time until there are n tokens at the rate that is expected.
func (b *bucket) expected(n float64) time.Duration { return b.wait(n, max(b.rate, b.soon)) }

func (b *bucket) wait(n, rate float64) time.Duration {
	if b.tokens >= n {
		return 0
	}
	// Rounded up to a microsecond. A timer that fires a nanosecond too early would find no token.
	return time.Duration((n-b.tokens)/rate*1e9).Truncate(time.Microsecond) + time.Microsecond
}
