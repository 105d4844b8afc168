package quota

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/federation"
	"federation-agent/internal/quota"
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
	q.shared = &sharing{share: quota.NewShare(q.env.NewID(), q.limits), ledgers: q.env.Ledgers}
	if q.scope == config.ScopeAccountRegion {
		q.shared.region = q.region
	}
	q.useLease()
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
	s, demand := q.shared, q.budget.Demand()
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
	switch {
	case m.err != nil:
		q.shared.share.Failed()
		if !now.Before(q.shared.until) {
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
