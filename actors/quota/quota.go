// Package quota holds the actor that owns the request budget of one account and region, and the way to ask it.
package quota

import (
	"math"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/quota"
	"federation-agent/internal/status"
	"federation-agent/messages"
)

// quotaKeeper owns the request budget of one account and region in the whole process: it grants permits
// by priority, one per attempt, and gives way when AWS throttles. Parent: agent.
//
// Its state is lost in a restart, on purpose: it starts again with a nearly empty bucket, holds back what must not
// overlap with a call that it has forgotten, and a worker that waits for a permit asks again.
type quotaKeeper struct {
	life.Scoped
	env             *life.Env
	account, region string
	scope           string
	limits          quota.Limits
	begin           func(quota.Limits, time.Time) *quota.Budget

	budget *quota.Budget
	others gateway.Others
	shared *sharing // nil: this process has the quota for itself
	askers map[uint64]*actor.PID
	wake   *time.Timer
}

// Name is the name of the quota actor of an account and region.
func Name(settings config.Quota, account, region string) string {
	if settings.Scope == config.ScopeAccountRegion {
		return "quota-" + account + "-" + region
	}
	return "quota-" + account
}

// Props makes a quota actor; resumed says that there was one before it, and its calls may still be under way.
func Props(env *life.Env, settings config.Quota, account, region string, resumed bool) *actor.Props {
	limitsOf := quota.AWSLimits
	if settings.Share == config.AutoShare {
		limitsOf = quota.AutoLimits
	}
	limits := limitsOf(settings.Rate, settings.Burst, settings.Share.Part())
	begin := quota.NewBudget
	if resumed {
		begin = quota.ResumeBudget
	}
	return life.Props(env, life.Standing, func() actor.Actor {
		q := &quotaKeeper{env: env, account: account, region: region, scope: settings.Scope, limits: limits, begin: begin,
			askers: map[uint64]*actor.PID{}}
		begin = quota.ResumeBudget // for the next incarnation
		return q
	})
}

// budgetDue tells the keeper that waiting requests may have become ready.
type budgetDue struct{}

func (q *quotaKeeper) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		q.budget = q.begin(q.limits, time.Now())
		q.share()
	case messages.OpenQuota:
		ctx.Request(ctx.Sender(), messages.QuotaOpened(m))
		q.grant(ctx) // shows the budget
	case messages.AcquirePermit:
		q.onAcquirePermit(ctx, m)
	case messages.ReturnPermit:
		q.onReturnPermit(ctx, m)
	case budgetDue:
		q.grant(ctx)
	case ledgerChanged:
		q.onLedgerChanged(ctx, m)
	default:
		life.Unexpected(q.env, ctx)
	}
}

func (q *quotaKeeper) onAcquirePermit(ctx actor.Context, m messages.AcquirePermit) {
	refusal, queued := q.budget.Ask(time.Now(), m.Ticket, m.PermitRequest)
	if !queued {
		ctx.Respond(messages.PermitRefused(refusal))
		return
	}
	if q.budget.Holds(m.Ticket) { // asked again because the grant was lost on its way
		ctx.Respond(messages.PermitGranted{Ticket: m.Ticket})
		return
	}
	q.askers[m.Ticket] = ctx.Sender()
	q.grant(ctx)
}

func (q *quotaKeeper) onReturnPermit(ctx actor.Context, m messages.ReturnPermit) {
	q.budget.Return(m.Ticket)
	delete(q.askers, m.Ticket)
	if m.Outcome.Class == gateway.Throttled && q.budget.Throttled(time.Now(), m.Outcome.RetryAfter) {
		q.slowAll()
		q.env.Lasting.Warn("AWS throttled a call; slowing down",
			life.LogTarget, federation.Target{Account: q.account, Region: q.region},
			life.LogRate, inTenths(q.budget.Rate()), life.LogShare, inTenths(q.budget.Most()))
	}
	q.grant(ctx)
}

// inTenths rounds a rate for people.
func inTenths(rate float64) float64 { return math.Round(rate*10) / 10 }

// grant answers the callers that may go now or have no chance any more, and sets the timer for the next.
func (q *quotaKeeper) grant(ctx actor.Context) {
	now := time.Now()
	beat := q.beat(now)
	decision := q.budget.Advance(now)
	place := status.Place{Account: q.account, Region: q.region}
	q.env.Board.Quota(place, q.shown(now))
	q.tell()
	for _, ticket := range decision.Granted {
		q.answer(ctx, ticket, messages.PermitGranted{Ticket: ticket})
	}
	for _, refusal := range decision.Refused {
		q.answer(ctx, refusal.Ticket, messages.PermitRefused(refusal))
	}
	if q.wake != nil {
		q.wake.Stop()
		q.wake = nil
	}
	next := decision.Next
	if next.IsZero() || !beat.IsZero() && beat.Before(next) {
		next = beat
	}
	if !next.IsZero() {
		q.wake = q.Scope.After(max(0, next.Sub(now)), budgetDue{})
	}
}

// tell logs that others were noticed, or that they are not there any more.
func (q *quotaKeeper) tell() {
	others, _ := q.budget.Others()
	if others == q.others {
		return
	}
	q.others = others
	target := federation.Target{Account: q.account, Region: q.region}
	switch others {
	case gateway.OthersUnknown: // work begins
	case gateway.OthersSeen:
		q.env.Log.Info("somebody else uses AWS's quota; the agent keeps to its polite share for half an hour",
			life.LogTarget, target)
	case gateway.OthersNone:
		q.env.Log.Info("nobody else is noticed; the agent uses nearly all of AWS's quota", life.LogTarget, target,
			life.LogRate, inTenths(q.budget.Rate()))
	}
}

func (q *quotaKeeper) answer(ctx actor.Context, ticket uint64, verdict any) {
	if asker := q.askers[ticket]; asker != nil {
		delete(q.askers, ticket)
		ctx.Send(asker, verdict)
	}
}
