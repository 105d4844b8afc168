package awssim

import "time"

// AWS's control-plane quotas, per account and region; they cannot be raised (AWS documents them per account).
const (
	// AWSRate and AWSBurst hold for all operations together, whoever makes them.
	AWSRate  = 10.0
	AWSBurst = 40
)

// OperationQuota is a quota of one operation, on top of the common one.
type OperationQuota struct {
	Requests int
	Per      time.Duration
}

// Quota says how much an account and region answers before it throttles. The zero value is AWS's own.
type Quota struct {
	// Off takes all limits away, that of parallel CreateUsagePlanKey included.
	Off bool
	// Scale multiplies every rate and burst; 0 means 1. Say so wherever figures of a scaled run are shown.
	Scale float64
	// Rate, in requests a second, and Burst hold for all operations together; 0 means AWS's.
	Rate  float64
	Burst int
	// Operations maps an operation's name to its own quota; nil means AWS's. Each bucket holds Requests.
	Operations map[string]OperationQuota
}

// AWSOperationQuotas gives the operations that AWS documents a quota of their own for.
func AWSOperationQuotas() map[string]OperationQuota {
	return map[string]OperationQuota{
		OpCreateAPIKey:    {Requests: 5, Per: time.Second},
		OpDeleteAPIKey:    {Requests: 5, Per: time.Second},
		OpGetResources:    {Requests: 5, Per: 2 * time.Second},
		OpUpdateUsagePlan: {Requests: 1, Per: 20 * time.Second},
	}
}

func (q Quota) withDefaults() Quota {
	if q.Scale <= 0 {
		q.Scale = 1
	}
	if q.Rate <= 0 {
		q.Rate = AWSRate
	}
	if q.Burst <= 0 {
		q.Burst = AWSBurst
	}
	if q.Operations == nil {
		q.Operations = AWSOperationQuotas()
	}
	return q
}

// bucket is a token bucket that fills by itself as time passes.
type bucket struct {
	rate   float64 // tokens a second
	size   float64
	tokens float64
	filled time.Time
}

func newBucket(rate, size float64, now time.Time) *bucket {
	return &bucket{rate: rate, size: size, tokens: size, filled: now}
}

// slack forgives what adding many small fractions of a token loses: without it, a client that keeps
// exactly to the rate would be refused now and then.
const slack = 1e-6

func (b *bucket) ready(now time.Time) bool {
	if elapsed := now.Sub(b.filled); elapsed > 0 {
		b.tokens = min(b.size, b.tokens+b.rate*elapsed.Seconds())
		b.filled = now
	}
	return b.tokens >= 1-slack
}

// meter is the quota of one account and region. It is not safe for concurrent use.
type meter struct {
	quota      Quota
	common     *bucket
	operations map[string]*bucket
}

func newMeter(q Quota, now time.Time) *meter {
	q = q.withDefaults()
	m := &meter{
		quota: q, common: newBucket(q.Rate*q.Scale, float64(q.Burst)*q.Scale, now), operations: map[string]*bucket{},
	}
	for operation, own := range q.Operations {
		size := float64(own.Requests) * q.Scale
		m.operations[operation] = newBucket(size/own.Per.Seconds(), max(size, 1), now)
	}
	return m
}

// take admits one request or refuses it; a refused one costs no token of either bucket.
func (m *meter) take(operation string, now time.Time) bool {
	if m.quota.Off {
		return true
	}
	own := m.operations[operation]
	if !m.common.ready(now) || own != nil && !own.ready(now) {
		return false
	}
	m.common.tokens--
	if own != nil {
		own.tokens--
	}
	return true
}
