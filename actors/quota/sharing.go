package quota

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/federation"
	"federation-agent/internal/members"
	"federation-agent/internal/quota"
	"federation-agent/internal/status"
)

// changeWithin bounds a write of the ledger. A lease lasts 4 s, so that two may fail. A table answers within 10 ms or so.
const changeWithin = 1500 * time.Millisecond

// sharing is the keeper's part of a quota that several processes share. The budget uses what the ledger gives. The
// actor never waits for the ledger: each write runs in a goroutine, one at a time.
type sharing struct {
	share   *quota.Share
	ledgers quota.Ledgers
	region  string
	until   time.Time // the lease ends
	failing time.Time // since when the ledger cannot be written; zero: it can
}

// ledgerChanged is what became of a write of the ledger.
type ledgerChanged struct {
	now   quota.Ledger
	taken bool
	err   error
}

// share begins to share the quota, if it is shared. Each incarnation of the actor is another holder: what the one before
// it has written is reused like that of any process that has gone silent.
func (q *quotaKeeper) share() {
	if q.env.Ledgers == nil {
		return
	}
	me := q.env.Member.ID() + quota.HolderOf + strconv.FormatUint(q.env.Tickets.Add(1), 10)
	q.shared = &sharing{share: quota.NewShare(me, q.limits, q.env.Member), ledgers: q.env.Ledgers}
	if q.scope == config.ScopeAccountRegion {
		q.shared.region = q.region
	}
	q.useLease()
}

// shown is the budget as people see it.
func (q *quotaKeeper) shown(now time.Time) status.Quota {
	s := status.Quota{Rate: q.budget.Rate(), Share: q.budget.Most()}
	others, since := q.budget.Others()
	s.Others, s.Since = string(others), since
	if q.shared == nil {
		return s
	}
	if !now.Before(q.shared.until) {
		s.Rate = 0
	}
	demand, lent := q.budget.Demand(), &status.Lent{Others: map[string]float64{}}
	lent.Wanted = demand.Waiting+demand.Running > 0
	rates, learned := q.shared.share.Others()
	for holder, rate := range rates {
		member, _, _ := strings.Cut(holder, quota.HolderOf)
		lent.Others[member] += rate
	}
	if !learned.IsZero() {
		lent.KnownAt = q.env.Now().Add(-now.Sub(learned)).UTC()
	}
	s.Lent = lent
	return s
}

func (q *quotaKeeper) useLease() {
	lease := q.shared.share.Lease()
	q.shared.until = lease.Until
	q.budget.Use(time.Now(), lease)
}

// slowAll has the other processes slow down, too.
func (q *quotaKeeper) slowAll() {
	if q.shared != nil {
		q.shared.share.Throttled(time.Now())
		q.useLease()
	}
}

// beat writes the ledger if it is time to, and returns when it will be.
func (q *quotaKeeper) beat(now time.Time) time.Time {
	if q.shared == nil {
		return time.Time{}
	}
	s := q.shared
	q.budget.Keep(now, s.share.Kept(now))
	demand := q.budget.Demand()
	next := s.share.Next(now, demand)
	if next.IsZero() || next.After(now) {
		return next
	}
	if from, to, ok := s.share.Beat(now, demand); ok {
		q.useLease()
		account := q.account
		life.Pipe(q.Scope, func(ctx context.Context) (c ledgerChanged, err error) {
			ctx, cancel := context.WithTimeout(ctx, changeWithin)
			defer cancel()
			c.now, c.taken, err = s.ledgers.Change(ctx, account, s.region, from, to)
			return c, err
		}, func(c ledgerChanged, err error) any { c.err = err; return c })
	}
	return s.share.Next(now, demand)
}

func (q *quotaKeeper) onLedgerChanged(ctx actor.Context, m ledgerChanged) {
	now := time.Now()
	if m.err == nil {
		q.shared.failing = time.Time{}
	} else if q.shared.failing.IsZero() {
		q.shared.failing = now
	}
	switch {
	case m.err != nil:
		q.shared.share.Failed()
		// A table that is away is told of once, by its watch, and confirms this process no more.
		if now.Sub(q.shared.failing) > members.StandsFor && q.env.Member.Stands(now) {
			q.env.Lasting.Warn("the table of the shared quota cannot be written: AWS is not called, but for one DeleteApiKey in ten seconds",
				life.LogTarget, federation.Target{Account: q.account, Region: q.region}, life.LogError, m.err)
		}
	case m.taken:
		q.shared.share.Written(now, m.now)
	default:
		q.shared.share.Refused(now, m.now)
	}
	q.useLease()
	q.grant(ctx)
}
