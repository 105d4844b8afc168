package chaos

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"time"

	"federation-agent/internal/sandbox/memnet"
)

// away is AWS as a whole out of reach: each connection to it is refused, reset or swallowed, and so is what is open.
type away struct {
	mu    sync.Mutex
	until time.Time
	how   string
}

const (
	awayRefused  = "refused"
	awayReset    = "reset"
	awaySwallows = "black hole"
)

// longestAway and shortestAway bound how long AWS is away: shorter than an attempt, or longer than any command.
const (
	shortestAway = 500 * time.Millisecond
	longestAway  = 200 * time.Second
)

// begin has AWS go away in the middle of something: a listing, the exports behind it, or the making of keys.
func (a *away) begin(r *run, s step) {
	how := []string{awayRefused, awayReset, awaySwallows}[r.dice.below(3, "how", s.name())]
	steps := int(longestAway / shortestAway)
	long := shortestAway * time.Duration(r.dice.logarithmic(steps, "away", s.name()))
	during := []string{"a listing", "exports", "keys"}[r.dice.below(3, "during", s.name())]
	wait := r.dice.duration(0, 2*time.Second, "wait", s.name())
	switch during {
	case "keys":
		for n := range subscribedMeanwhile {
			r.doInAPIM(step{at: s.at, n: subscribedMeanwhile*s.n + n, kind: doSubscribe})
		}
	case "exports":
		wait += r.dice.duration(time.Second, 20*time.Second, "exports", s.name())
		fallthrough
	default:
		r.ingest(s, nil)
	}
	r.start(func(context.Context) {
		time.Sleep(wait)
		if r.calm.Load() {
			return
		}
		a.mu.Lock()
		a.how, a.until = how, time.Now().Add(long)
		a.mu.Unlock()
		r.strike("AWS away during "+during+": "+how, "for %s", long)
		for _, link := range r.world.Network.Links() {
			if !strings.HasPrefix(link.ID().To, "aws") {
				continue
			}
			r.badLink(link.ID().String())
			if how == awaySwallows {
				link.BlackHole()
			} else {
				link.Cut()
			}
		}
	})
}

// wasWithin says that AWS was away a while ago. What waited for it comes at once then, with permits of all that time.
func (a *away) wasWithin(while time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Since(a.until) < while
}

// befall says what becomes of a connection that is dialed while AWS is away.
func (a *away) befall(r *run, name string, plan *memnet.Plan) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !time.Now().Before(a.until) {
		return
	}
	switch a.how {
	case awayRefused:
		plan.DialError = syscall.ECONNREFUSED
	case awaySwallows:
		plan.DialHangs = true
	default:
		way := &plan.ToListener // the request does not come through
		if r.dice.chance(0.5, "way", name) {
			way = &plan.ToDialer // its answer does not
		}
		way.CutAfter = int64(r.dice.logarithmic(200, "byte", name))
	}
	r.badLink(name)
	r.count("connections while AWS was away: "+a.how, 1)
}
