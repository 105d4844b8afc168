package chaos

import (
	"fmt"
	"maps"
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

// overShare tells where attempts at one place went over their share.
func (r *run) overShare(of budget, attempts []*attempt) (over []string) {
	slices.SortStableFunc(attempts, func(a, b *attempt) int { return a.start.Compare(b.start) })
	limits, spans := map[string]limit{}, map[string][]holdUp{}
	trickled := map[string]time.Time{}
	for _, a := range attempts {
		if r.replicas.isTrickle(of.scope, a, trickled) {
			r.count("keys deleted without a part of the quota", 1)
			continue
		}
		for operation, limit := range r.shape.limitsOf(a.operation) {
			if r.replicas != nil && operation != "all" {
				limit.burst += float64(len(r.slots) - 1) // each part of it holds one request at least
			}
			limits[operation] = limit
			spans[operation] = append(spans[operation], holdUp{from: r.replicas.permitted(a), until: a.start})
		}
	}
	for _, operation := range slices.Sorted(maps.Keys(spans)) {
		if at, is := limits[operation].exceeded(spans[operation]); is {
			over = append(over, fmt.Sprintf("%s went over its share of %s at %s in %s, after%s", of.agent, of.scope,
				at.Sub(r.began), fmt.Sprint(operation, limits[operation]), before(attempts, at)))
		}
	}
	return over
}

// exceeded tells when more permits were given than a bucket has that is full at first. Of each permit is known between
// which instants it was given, and the later ones are in order: a process may have stood still, or have written to the
// table, before its attempt left. What is surely between two instants must be in the bucket.
func (l limit) exceeded(permits []holdUp) (at time.Time, is bool) {
	var earliest []time.Time // of the permits until now, in order
	for _, p := range permits {
		n, _ := slices.BinarySearchFunc(earliest, p.from, time.Time.Compare)
		earliest = slices.Insert(earliest, n, p.from)
		for n, from := range slices.Backward(earliest) {
			if float64(len(earliest)-n) > l.burst+p.until.Sub(from).Seconds()*l.rate+1e-6 {
				return p.until, true
			}
		}
	}
	return time.Time{}, false
}

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

// before tells the attempts of the last seconds until an instant.
func before(attempts []*attempt, at time.Time) (text string) {
	for _, a := range attempts {
		if ago := at.Sub(a.start); ago >= 0 && ago < 10*time.Second {
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
