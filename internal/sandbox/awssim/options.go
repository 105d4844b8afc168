package awssim

import "time"

// AWS's resource limits that the agent can meet (AWS documents them).
const (
	// AWSMaxKeys is the number of API keys an account and region can have.
	AWSMaxKeys = 10_000
	// AWSMaxPlansPerKey is the number of usage plans one key can be attached to.
	AWSMaxPlansPerKey = 10
)

// Options make a [Server]. The zero value of each field is AWS's behaviour, but for Latency, which is none.
type Options struct {
	// Estate is what exists at the start. It is copied.
	Estate Estate
	// Seed drives latencies, ids and key values. The same seed and events give the same.
	Seed    uint64
	Quota   Quota
	Latency Latency
	// Faults, where set, says what shall happen to each attempt. It must be safe for concurrent use.
	// The server's own script, which the management surface fills, comes first.
	Faults func(Event) Fault
	// Observe, where set, is told each attempt when its outcome is known and before its answer is written.
	// It must be safe for concurrent use and must not wait for the client.
	Observe func(Call)
	// LogSize bounds the log of attempts; 0 means 100,000. The counters are not bounded by it.
	LogSize int
	// MaxKeys and MaxPlansPerKey are hard limits; 0 means AWS's.
	MaxKeys        int
	MaxPlansPerKey int
	// MaxPageSize bounds the pages of listings, so that a small estate has many; 0 means AWS's 500.
	MaxPageSize int
	// KeyPropagation is how long after it was attached a key is still refused by the data plane; AWS takes up
	// to a minute or two.
	KeyPropagation time.Duration
}

func (o Options) withDefaults() Options {
	if o.MaxKeys <= 0 {
		o.MaxKeys = AWSMaxKeys
	}
	if o.MaxPlansPerKey <= 0 {
		o.MaxPlansPerKey = AWSMaxPlansPerKey
	}
	if o.MaxPageSize <= 0 {
		o.MaxPageSize = maxPageSize
	}
	return o
}
