package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/schedule"
	"federation-agent/internal/status"
)

// When rounds begin.

// onStarted begins to wait. A round that a panic has ended is tried again, but not at once: one that always panics must
// not spin.
func (r *reconciler) onStarted() {
	if r.spec.APIM != nil {
		r.env.Board.Compares(r.spec.Integration, kinds())
	}
	r.startRemovals()
	if r.spec.Warming > 0 {
		r.Scope.After(r.spec.Warming, warmingDue{})
	}
	if r.memory.owed {
		r.memory.waiting = true
		r.Scope.After(putOff, owedDue{})
	}
	if r.nameAgain(life.WhyPanicked); len(r.memory.named) > 0 || r.memory.unnamed {
		r.naming = true
		r.Scope.After(putOff, namedDue{})
	}
	r.arm()
}

// arm waits for the schedule's next time. Timers may come a little before the wall clock's time, so a time that has just
// come does not come again.
func (r *reconciler) arm() {
	now := r.env.Now()
	from := now
	if early := r.memory.at.Sub(now); early > 0 && early < schedule.Shortest {
		from = r.memory.at
	}
	at := r.spec.Schedule.Next(from)
	if at.IsZero() {
		return
	}
	begins := at.Add(time.Duration(r.env.Jitter() * float64(r.spec.Schedule.Jitter(at, r.spec.Jitter))))
	r.due = begins
	r.env.Board.RoundDue(r.spec.Integration, begins)
	r.Scope.After(begins.Sub(now), scheduleDue{at})
}

func (r *reconciler) onScheduleDue(ctx actor.Context, m scheduleDue) {
	r.memory.at = m.at
	r.arm()
	switch {
	case !r.memory.primary:
		r.memory.owed, r.memory.tries = r.memory.cut, 0 // else it is another agent's matter
		return
	case r.memory.owed && !r.memory.waiting: // else this one takes the place of the one that was put off
		r.rounded(status.RoundDropped, 0, "the one before has not ended")
		r.env.Lasting.Warn("a scheduled ingest is left out: the one before has not ended")
		return
	}
	r.owe()
	r.next(ctx)
}

// nameAgain makes due again what the round was for that ran for named APIs, unless it was begun too often.
func (r *reconciler) nameAgain(why string) (again bool) {
	ids := r.memory.trying
	r.memory.trying = nil
	if len(ids) > 0 && r.memory.namedTries >= mostTries {
		r.env.Lasting.Warn("an ingest of what events name is left out: it could not begin for too long",
			life.LogReason, why, life.LogAPIs, len(ids))
		r.memory.namedTries = 0
		return false
	}
	for _, id := range ids {
		r.memory.named[id] = true
	}
	return true
}

// owe makes a round of all APIs due.
func (r *reconciler) owe() { r.memory.owed, r.memory.tries, r.memory.waiting = true, 0, false }

// onWarmingDue begins to warm the cache, unless a round is running: that does the same, or is more urgent.
func (r *reconciler) onWarmingDue(ctx actor.Context) {
	r.Scope.After(r.spec.Warming, warmingDue{})
	if r.round == nil && r.memory.primary && !r.draining {
		r.begin(ctx, warming, nil)
	}
}

// onChanged waits a moment for more of what events name. Where they name too many, a whole round is cheaper.
func (r *reconciler) onChanged(ctx actor.Context, m Changed) {
	for _, id := range m.IDs {
		r.memory.named[id] = true
	}
	r.memory.unnamed = r.memory.unnamed || m.Others
	tooMany := len(r.memory.named) > mostNamed
	if tooMany {
		clear(r.memory.named)
		r.memory.unnamed = true
	}
	switch {
	case len(r.memory.named) == 0 && !r.memory.unnamed, r.naming && r.quiet == nil:
		return
	case r.naming:
		r.quiet.Stop()
	default:
		r.naming, r.quietBy = true, time.Now().Add(longestDebounce)
	}
	if tooMany { // whether more come makes no difference
		r.onNamedDue(ctx)
		return
	}
	r.quiet = r.Scope.After(min(debounce, time.Until(r.quietBy)), namedDue{})
}

// onNamedDue begins a round of what events have named, or a whole one.
func (r *reconciler) onNamedDue(ctx actor.Context) {
	r.naming, r.quiet = false, nil
	r.next(ctx)
}

func (r *reconciler) onPrimary(ctx actor.Context, primary bool) {
	r.memory.primary = primary
	if primary {
		r.next(ctx)
		return
	}
	r.memory.gone.confirmed = nil
	if r.round != nil && r.round.kind != reporting {
		r.leave(ctx, "this agent is not the integration's primary any more")
	}
}

// next begins what is due, the most important first.
func (r *reconciler) next(ctx actor.Context) {
	if r.memory.unnamed && !r.naming && !r.memory.owed {
		r.owe()
	}
	switch {
	case r.round != nil || r.draining:
	case r.memory.owed && !r.memory.waiting && r.memory.primary:
		r.memory.tries++
		if !r.naming { // all that events have said is in this round: none of it may come while it runs, and be forgotten
			r.memory.heard = r.memory.heard || r.memory.unnamed || len(r.memory.named) > 0
			r.memory.unnamed, r.memory.namedTries = false, 0
			clear(r.memory.named)
		}
		r.begin(ctx, scheduled, nil)
	case len(r.memory.named) > 0 && !r.naming && r.memory.primary:
		ids := slices.Sorted(maps.Keys(r.memory.named))
		clear(r.memory.named)
		r.memory.trying = ids
		r.memory.namedTries++
		r.begin(ctx, named, ids)
	case r.reportDue:
		r.begin(ctx, reporting, nil)
	case r.removalIsDue():
		r.begin(ctx, removing, nil)
	}
}

// leave ends the round that runs, as soon as the actors that were asked have answered: an answer must never be taken for
// one of the next round.
func (r *reconciler) leave(ctx actor.Context, why string) {
	switch o := r.round; {
	case o == nil:
	case o.step == counting || o.step == listing || o.step == judging || o.step == following:
		o.left = why
	default:
		r.putOff(ctx, why)
	}
}

// putOff ends a round that is to be tried again: what it was for is still due.
func (r *reconciler) putOff(ctx actor.Context, why string) {
	switch o := r.round; o.kind {
	case scheduled:
		if r.memory.tries >= mostTries {
			r.env.Lasting.Warn("a scheduled ingest is left out: it could not begin for too long", life.LogReason, why)
			r.finish(ctx, status.RoundDropped, 0, why)
			return
		}
		r.env.Log.Info("a scheduled ingest is put off", life.LogReason, why, life.LogDelay, putOff)
		r.rounded(status.RoundPutOff, 0, why)
		r.memory.waiting = true
		r.Scope.After(putOff, owedDue{})
	case named:
		if !r.nameAgain(why) {
			r.finish(ctx, status.RoundDropped, 0, why)
			return
		}
		r.env.Log.Info("an ingest of what events name is put off", life.LogReason, why, life.LogDelay, putOff)
		if r.quiet != nil {
			r.quiet.Stop()
		}
		r.naming, r.quiet = true, nil
		r.Scope.After(putOff, namedDue{})
	case removing:
		r.putOffRemovals(why)
	case warming, reporting: // comes again by itself, or is due still
	}
	r.end(ctx)
}

// finish ends a round that has done what it was for, or cannot do it.
func (r *reconciler) finish(ctx actor.Context, result status.RoundResult, sent int, why string) {
	switch r.round.kind {
	case scheduled:
		r.memory.owed, r.memory.heard = false, false
		r.rounded(result, sent, why)
	case named:
		r.memory.trying, r.memory.namedTries = nil, 0
	case warming, reporting, removing: // nobody counts them
	}
	r.end(ctx)
}

func (r *reconciler) end(ctx actor.Context) {
	r.round.cancel()
	r.round = nil
	r.next(ctx)
}

func (r *reconciler) rounded(result status.RoundResult, sent int, why string) {
	r.env.Board.Rounded(r.spec.Integration, status.Round{At: r.env.Now(), Result: result, Sent: sent, Why: why})
}

// begin begins a round.
func (r *reconciler) begin(ctx actor.Context, kind kind, ids []string) {
	inRound, cancel := context.WithCancel(r.Scope.Ctx)
	r.round = newRound(kind, ids, cancel)
	if kind != reporting && kind != removing {
		r.round.documents = r.spec.Memory.Holder(inRound, 0, func() { r.Scope.Tell(roomMoved{}) })
	}
	switch kind {
	case warming:
		r.list(ctx)
	case reporting:
		r.reportDue = false
		r.list(ctx)
	case scheduled, named, removing:
		r.count(ctx)
	}
}
