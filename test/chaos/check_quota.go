package chaos

import (
	"fmt"
	"slices"
	"time"

	"federation-agent/internal/sandbox/awssim"
)

// AWS's quota for each account and region, in requests a second and requests.
const (
	quotaRate   = 10.0
	quotaBurst  = 40.0
	quotaWrites = 5.0 // a second, of CreateApiKey and DeleteApiKey each
)

// trickle is how seldom a DeleteApiKey goes without a part of the quota, while the table is away.
const trickle = 10 * time.Second

// isCreate says that an attempt makes a key.
func (a *attempt) isCreate() bool { return a.operation == awssim.OpCreateAPIKey }

// budget is a quota, and whose calls count against it.
type budget struct{ agent, scope, operation string }

// scopeOf is where an attempt was made. It needs the lock.
func (c *cloud) scopeOf(a *attempt) string { return c.accounts[a.accessKeyID] + "/" + a.region }

// checkQuota holds each process's attempts to its share, as buckets would that are full at first; those of replicas that
// share a table, all of them together.
func (r *run) checkQuota() {
	c := r.cloud
	c.mu.Lock()
	var over []string
	scopes := map[budget][]*attempt{}
	for _, a := range c.attempts {
		if a.operation == "sts" || a.operation == "account" {
			continue
		}
		r.count("attempts at AWS", 1)
		of := budget{agent: a.agent, scope: c.scopeOf(a)}
		if r.replicas != nil {
			of.agent = "all replicas together" // whatever each may use of it
		}
		scopes[of] = append(scopes[of], a)
	}
	for of, attempts := range scopes {
		over = append(over, r.overShare(of, attempts)...)
	}
	overlaps := c.attachedAtOnce()
	c.mu.Unlock()
	for _, text := range over {
		r.violated("quota", "%s", text)
	}
	for _, text := range overlaps {
		r.violated("attach-overlap", "%s", text)
	}
}

// overShare tells where attempts at one place went over their share. When a permit was given is not seen where its
// process stood still, or wrote to the table, before the attempt left. So they must fit in one way of reading that.
func (r *run) overShare(of budget, attempts []*attempt) (over []string) {
	for _, when := range []func(*attempt) time.Time{
		r.replicas.permitted,
		func(a *attempt) time.Time {
			if a.isCreate() {
				return r.replicas.permitted(a)
			}
			return a.start
		},
		func(a *attempt) time.Time { return a.start },
	} {
		if over = r.overShareAt(of, attempts, when); len(over) == 0 {
			break
		}
	}
	return over
}

func (r *run) overShareAt(of budget, attempts []*attempt, when func(*attempt) time.Time) (over []string) {
	buckets := map[string]*allowance{}
	times := map[*attempt]time.Time{}
	for _, a := range attempts {
		times[a] = when(a)
	}
	slices.SortStableFunc(attempts, func(a, b *attempt) int { return times[a].Compare(times[b]) })
	trickled := map[string]time.Time{}
	for n, a := range attempts {
		if r.replicas.isTrickle(of.scope, a, trickled) {
			r.count("keys deleted without a part of the quota", 1)
			continue
		}
		for operation, limit := range r.shape.limitsOf(a.operation) {
			if r.replicas != nil && operation != "all" {
				limit.burst += float64(len(r.slots) - 1) // each part of it holds one request at least
			}
			if buckets[operation] == nil {
				buckets[operation] = &allowance{tokens: limit.burst, at: times[a]}
			} else if buckets[operation] == spent {
				continue
			}
			if !buckets[operation].take(times[a], limit) {
				buckets[operation] = spent
				over = append(over, fmt.Sprintf("%s went over its share of %s at %s in %s, after%s", of.agent, of.scope,
					times[a].Sub(r.began), fmt.Sprint(operation, limit), before(attempts[:n], times[a])))
			}
		}
	}
	return over
}

// spent is a bucket of which it was told that it had too little.
var spent = &allowance{}

// attachedAtOnce tells where a process attached two keys at a time. It needs the lock.
func (c *cloud) attachedAtOnce() (overlaps []string) {
	attaching := map[budget]*attempt{}
	slices.SortStableFunc(c.attempts, func(a, b *attempt) int { return a.start.Compare(b.start) })
	for _, a := range c.attempts {
		if a.operation != awssim.OpCreateUsagePlanKey {
			continue
		}
		b := budget{a.agent, c.scopeOf(a), a.operation}
		if last := attaching[b]; last != nil && (last.end.IsZero() || last.end.After(a.start)) {
			overlaps = append(overlaps, fmt.Sprintf("%s attaches two keys at a time in %s at %s", a.agent, b.scope,
				a.start.Sub(c.run.began)))
		}
		attaching[b] = a
	}
	return overlaps
}

// before tells the attempts of the last seconds before an instant.
func before(attempts []*attempt, at time.Time) (text string) {
	for _, a := range attempts {
		if ago := at.Sub(a.start); ago < 10*time.Second {
			text += fmt.Sprintf(" %s %s -%.3fs,", a.agent, a.operation, ago.Seconds())
		}
	}
	return text
}

// isTrickle says that an attempt is the one DeleteApiKey that may go without a part of the quota, as the table was away
// for so long: its process has had none confirmed since. Last has the one before it, of each process.
func (n *replicas) isTrickle(scope string, a *attempt, last map[string]time.Time) bool {
	if n == nil || a.operation != awssim.OpDeleteAPIKey || a.start.Sub(last[a.agent]) < trickle ||
		n.any(n.lent, a.agent, func(h hindrance) bool {
			return h.of == scope && h.from.After(a.start.Add(-trickle)) && h.from.Before(a.start)
		}) {
		return false
	}
	last[a.agent] = a.start
	return true
}

type limit struct{ rate, burst float64 }

func (s shape) limitsOf(operation string) map[string]limit {
	share := float64(s.share) / 100
	limits := map[string]limit{"all": {quotaRate * share, quotaBurst * share}}
	if operation == awssim.OpCreateAPIKey || operation == awssim.OpDeleteAPIKey {
		limits[operation] = limit{quotaWrites * share, max(1, quotaWrites*share)}
	}
	return limits
}

// allowance is a token bucket.
type allowance struct {
	tokens float64
	at     time.Time
}

// take takes a token. False: there was none.
func (b *allowance) take(now time.Time, l limit) bool {
	b.tokens = min(l.burst, b.tokens+now.Sub(b.at).Seconds()*l.rate)
	b.at = now
	b.tokens--
	return b.tokens > -1e-6
}
