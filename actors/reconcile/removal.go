package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/apimrest"
	"federation-agent/internal/drift"
	"federation-agent/internal/federation"
	"federation-agent/internal/status"
	"federation-agent/internal/survey"
	"federation-agent/internal/words"
)

// What AWS has deleted is removed from APIM, one by one, in a round of its own behind a scheduled one.

// Remover removes APIs from APIM.
type Remover interface {
	// Standing reads how APIM has an API, by APIM's id, but not its subscriptions.
	Standing(ctx context.Context, apim string) (drift.Standing, error)
	// Remove removes an API, if the policy lets it, as APIM has it at that moment. Else it says why it does not.
	Remove(ctx context.Context, apim string, policy drift.Policy) (drift.Decision, string, error)
}

// gone is what a reconciler knows of APIs that AWS has deleted. It is lost with the process: two listings must see them
// gone again then.
type gone struct {
	looks drift.Looks
	// done are APIs with which nothing is to be done any more, by our ids, while they are gone: a person who publishes
	// one again is not overruled.
	done map[string]bool
	// all are gone and not done. Confirmed are those of them that may be removed now.
	all, confirmed []drift.Item
	// linked are those of all that a usage plan names though AWS has no such stage: its listing tells nothing of them.
	linked map[federation.ID]bool
	// waiting: a timer runs until the next try. Tries are how often it was put off.
	waiting bool
	tries   int
}

// What the reconciler tells itself about removals.
type (
	removalDue struct{}
	// settledCame is about APIs of which there were too many: with some of them nothing is to be done.
	settledCame struct {
		of   *round
		done []string // by our ids
		err  error
	}
	removedCame struct {
		of      *round
		item    drift.Item
		verdict drift.Decision
		why     string
		err     error
	}
)

// staysUnknown is said where a removal cannot begin.
const staysUnknown = "APIM's REST API does not tell how it has APIs that AWS has deleted, so they stay; " +
	"the next scheduled round tries again"

func (r *reconciler) removes() bool { return r.spec.Remover != nil }

// startRemovals forgets what a panic has interrupted: the next scheduled round begins it again.
func (r *reconciler) startRemovals() {
	g := &r.memory.gone
	g.confirmed, g.waiting = nil, false
	if g.looks == nil {
		g.looks, g.done = drift.Looks{}, map[string]bool{}
	}
	if r.removes() {
		r.env.Board.Removes(r.spec.Integration, string(r.spec.Gone.How))
	}
}

// planRemovals says what is to be removed, by the report of a scheduled round.
func (r *reconciler) planRemovals(in drift.Input, report drift.Report) {
	if !r.removes() {
		return
	}
	g := &r.memory.gone
	found := g.looks.See(in, report, r.round.answered)
	for id := range g.done {
		if _, still := g.looks[id]; !still {
			delete(g.done, id)
		}
	}
	isDone := func(item drift.Item) bool { return g.done[item.ID] }
	g.confirmed = slices.DeleteFunc(found.Confirmed, isDone)
	once := slices.DeleteFunc(found.Once, isDone)
	g.all, g.tries = slices.Concat(g.confirmed, once), 0
	g.linked = map[federation.ID]bool{}
	for _, e := range in.Found.Whole {
		g.linked[e.ID()] = true
	}
	notes := make([]status.RemovalNote, 0, len(g.all))
	for _, item := range g.confirmed {
		notes = append(notes, r.removalNote(item, "it comes next"))
	}
	for _, item := range once {
		notes = append(notes, r.removalNote(item, "the next scheduled round must see it gone, too"))
	}
	r.env.Board.RemovalPlanned(r.spec.Integration, notes)
}

// withdraw takes back what a later listing shows again, such as that of an ingest that the removal waited for.
func (r *reconciler) withdraw(found survey.Found) {
	g, back := &r.memory.gone, map[string]bool{}
	for _, e := range found.Whole {
		back[e.ID().String()] = !g.linked[e.ID()]
	}
	g.confirmed = slices.DeleteFunc(g.confirmed, func(item drift.Item) bool { return back[item.ID] })
}

func (r *reconciler) removalNote(item drift.Item, text string) status.RemovalNote {
	return status.RemovalNote{At: r.env.Now(), ID: item.ID, APIMID: item.APIMID, Name: item.Name, Text: text}
}

// removalIsDue says that some API may be removed, as far as is known.
func (r *reconciler) removalIsDue() bool {
	g := &r.memory.gone
	return len(g.confirmed) > 0 && !g.waiting && r.memory.primary
}

// remove begins to remove, once it is known that no ingest runs.
func (r *reconciler) remove(ctx actor.Context) {
	o, g, policy := r.round, &r.memory.gone, r.spec.Gone
	o.mayRemove = true
	switch {
	case len(g.all) <= policy.AtMost:
		r.removeNext(ctx)
	case policy.How == drift.Unpublish: // some may be hidden already, since before the process began
		o.step = removingAPI
		all, remover, integration := g.all, r.spec.Remover, r.spec.Integration
		life.Pipe(r.Scope, func(ctx context.Context) ([]string, error) {
			return settled(ctx, remover, all, policy, integration)
		}, func(done []string, err error) any { return settledCame{of: o, done: done, err: err} })
	default:
		r.refuseRemovals(ctx)
	}
}

// settled gives the APIs with which nothing is to be done. It stops asking once there are too many of the others.
func settled(
	ctx context.Context, remover Remover, all []drift.Item, policy drift.Policy, integration string,
) (done []string, err error) {
	for n, item := range all {
		if n-len(done) > policy.AtMost {
			break
		}
		standing, err := remover.Standing(ctx, item.APIMID)
		if err != nil {
			return done, err
		}
		if verdict, _ := policy.Judge(integration, standing); verdict == drift.Done {
			done = append(done, item.ID)
		}
	}
	return done, nil
}

// noNeed notes that nothing is to be done with an API, while it is gone.
func (r *reconciler) noNeed(id string) {
	r.memory.gone.done[id] = true
	r.env.Board.RemovalNeedless(r.spec.Integration, id)
}

func (r *reconciler) onSettled(ctx actor.Context, m settledCame) {
	g := &r.memory.gone
	for _, id := range m.done {
		r.noNeed(id)
	}
	isDone := func(item drift.Item) bool { return g.done[item.ID] }
	g.all, g.confirmed = slices.DeleteFunc(g.all, isDone), slices.DeleteFunc(g.confirmed, isDone)
	switch {
	case m.of != r.round:
	case m.err != nil:
		r.fail(ctx, m.err.Error(), life.NeedsSomebody(m.err))
	case len(g.all) > r.spec.Gone.AtMost:
		r.refuseRemovals(ctx)
	default:
		r.removeNext(ctx)
	}
}

// refuseRemovals touches nothing, and asks for somebody: most likely AWS is not asked as it was.
func (r *reconciler) refuseRemovals(ctx actor.Context) {
	n := len(r.memory.gone.all)
	r.env.Lasting.Error("AWS has deleted more APIs than agent.ingest.goneAtMost lets be removed from APIM at a time, so "+
		"none is touched: if they are gone for good, raise it", life.LogAPIs, n, life.LogShare, r.spec.Gone.AtMost)
	r.env.Board.RemovalRefused(r.spec.Integration, fmt.Sprintf(
		"%d are gone, and agent.ingest.goneAtMost is %d: if they are gone for good, raise it", n, r.spec.Gone.AtMost))
	r.endRemovals(ctx)
}

// removeNext removes the next API.
func (r *reconciler) removeNext(ctx actor.Context) {
	o, g := r.round, &r.memory.gone
	o.step = removingAPI
	if len(g.confirmed) == 0 {
		r.endRemovals(ctx)
		return
	}
	item, policy, remover := g.confirmed[0], r.spec.Gone, r.spec.Remover
	g.confirmed = g.confirmed[1:]
	life.Pipe(r.Scope, func(ctx context.Context) (came removedCame, err error) {
		came.verdict, came.why, err = remover.Remove(ctx, item.APIMID, policy)
		return came, err
	}, func(came removedCame, err error) any {
		came.of, came.item, came.err = o, item, err
		return came
	})
}

// onRemoved notes what has become of an API, also after the round was left, and asks anew whether an ingest runs.
func (r *reconciler) onRemoved(ctx actor.Context, m removedCame) {
	g, text := &r.memory.gone, m.item.Name+" ("+m.item.ID+"): "
	switch {
	case m.err != nil:
		r.notRemoved(m, text)
	case m.verdict == drift.Keep:
		m.of.kept = append(m.of.kept, text+m.why)
		r.env.Board.RemovalTried(r.spec.Integration, status.RemovalKept, r.removalNote(m.item, "it stays: "+m.why))
	case m.verdict == drift.Done:
		r.noNeed(m.item.ID)
	default:
		r.removed(m.item)
	}
	switch {
	case m.of != r.round: // nobody says it but here
		r.sayLeft(m.of)
	case len(g.confirmed) == 0:
		r.endRemovals(ctx)
	default:
		r.count(ctx)
	}
}

// notRemoved notes a failure. Of several, the line is about one that needs somebody.
func (r *reconciler) notRemoved(m removedCame, text string) {
	what := m.err.Error()
	if failure, is := errors.AsType[*apimrest.Error](m.err); is {
		what = failure.What()
	}
	m.of.failed = append(m.of.failed, text+what)
	needsSomebody := life.NeedsSomebody(m.err)
	if m.of.failure == nil || needsSomebody && !life.NeedsSomebody(m.of.failure) {
		m.of.failure = m.err
	}
	note := r.removalNote(m.item, m.err.Error())
	note.Refused = needsSomebody
	r.env.Board.RemovalTried(r.spec.Integration, status.RemovalFailed, note)
}

func (r *reconciler) removed(item drift.Item) {
	text := "the agent has unpublished an API in APIM, because AWS has deleted it; a person may publish it again"
	if r.spec.Gone.How == drift.Delete {
		text = "the agent has deleted an API in APIM, because AWS has deleted it"
		journal, integration := r.env.Ingests, r.spec.Integration
		life.Do(r.Scope, func(ctx context.Context) error { return journal.ForgetSent(ctx, integration, []string{item.ID}) },
			func(err error) any { return sentForgotten{err} })
	}
	r.memory.gone.done[item.ID] = true
	r.env.Log.Info(text, life.LogAPI, item.ID, life.LogAPIMID, item.APIMID, life.LogName, item.Name, life.LogReason, item.Text)
	r.env.Board.RemovalTried(r.spec.Integration, status.RemovalDone, r.removalNote(item, item.Text))
}

func (r *reconciler) endRemovals(ctx actor.Context) {
	r.memory.gone.confirmed = nil
	r.sayLeft(r.round)
	r.finish(ctx, status.RoundUnchanged, 0, "")
}

// sayLeft says what stays though it was to be removed, and why. The next scheduled round tries again.
func (r *reconciler) sayLeft(o *round) {
	if len(o.failed) > 0 {
		life.LogFailure(r.env.Lasting, o.failure, "APIs that AWS has deleted could not be removed from APIM; the next "+
			"scheduled round tries again", life.LogAPIs, len(o.failed), life.LogReasons, words.Few(o.failed, words.Some, "; "))
	}
	if len(o.kept) > 0 {
		r.env.Lasting.Warn("APIs that AWS has deleted stay in APIM: see to them in APIM, or set "+
			"agent.ingest.goneWithSubscriptions", life.LogAPIs, len(o.kept),
			life.LogReasons, words.Few(o.kept, words.Some, "; "))
	}
	o.failed, o.kept, o.failure = nil, nil, nil
}

// putOffRemovals has what is left tried again some minutes later, as long as it was listed not long ago.
func (r *reconciler) putOffRemovals(why string) {
	r.sayLeft(r.round)
	if r.memory.gone.tries++; r.memory.gone.tries >= mostTries {
		r.env.Log.Info("removing what AWS has deleted from APIM is left to the next scheduled round", life.LogReason, why)
		r.memory.gone.confirmed = nil
		return
	}
	r.env.Log.Info("removing what AWS has deleted from APIM is put off", life.LogReason, why, life.LogDelay, putOff)
	r.memory.gone.waiting = true
	r.Scope.After(putOff, removalDue{})
}
