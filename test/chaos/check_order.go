package chaos

import (
	"slices"
	"time"
)

// sentPlans is with which plans an API was sent.
type sentPlans struct {
	at, since time.Time // since is the earliest time at which AWS may have been listed for that
	plans     []string
	job       string
}

// checkOrder: no list of plans reaches APIM after a newer one: APIM would delete what the older one lacks. It needs the
// lock.
func (w *wire) checkOrder(conn int, job string, apis []exchangedAPI) {
	if w.run.profile.has(famReplica) || w.run.disksFailed() || w.delayed(conn) {
		return // of two journals, neither knows of the other
	}
	now := time.Now()
	estates := w.run.estate.between(now.Add(-listingAge-replyWithin), now)
	for _, api := range apis {
		var plans []string
		for _, p := range api.Plans {
			plans = append(plans, p.ID)
		}
		slices.Sort(plans)
		since, until := periods(estates, api.ID, plans, now)
		if until.IsZero() {
			continue // AWS was listed while it changed
		}
		if last, sent := w.sentPlans[api.ID]; sent && until.Before(last.since) {
			w.run.violated("plans-older", "job %s sends API %s with plans %v, as AWS had it last at +%.3fs; job %s has sent %v at "+
				"+%.3fs, as AWS has had it since +%.3fs", job, api.ID, plans, until.Sub(w.run.began).Seconds(), last.job, last.plans,
				last.at.Sub(w.run.began).Seconds(), last.since.Sub(w.run.began).Seconds())
		}
		w.sentPlans[api.ID] = sentPlans{at: now, since: since, plans: plans, job: job}
	}
}

// periods gives when AWS first and last had an API in exactly these plans; zero if it never had.
func periods(estates []estateAt, api string, plans []string, now time.Time) (since, until time.Time) {
	for n, e := range estates {
		has := slices.Sorted(slices.Values(e.plans[api]))
		if !slices.Equal(slices.Compact(has), plans) {
			continue
		}
		if since.IsZero() {
			since = e.at
		}
		until = now
		if n+1 < len(estates) {
			until = estates[n+1].at
		}
	}
	return since, until
}

// delayed reports whether a connection has carried nothing for a while: what it brings is older than it seems. Where the
// process itself stood still, it must know. It needs the lock.
func (w *wire) delayed(conn int) bool {
	return slices.ContainsFunc(w.holds[w.conn(conn).link], func(h holdUp) bool { return !h.frozen })
}
