// Package keys holds the actors that make and delete API keys.
package keys

import (
	"context"
	"errors"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// writer makes and deletes a target's API keys: CreateApiKey -> journal -> CreateUsagePlanKey -> answer,
// and DeleteApiKey. It undoes what nobody will hear of. Parent: target.
//
// The commands of one subscription go one after the other; those of different ones side by side, as fast
// as the quota lets them. Each step is in the journal before it is taken, so that whatever dies here, the
// next incarnation or the next process knows which keys to delete. The steps themselves are the
// [keymaker]'s.
type writer struct {
	life.Scoped
	env  *life.Env
	keys *Keymaker
	// busy is the subscriptions that something is being done for, with what waits behind it.
	busy map[string]*keyWork
	// subscriptions is what the open commands are about.
	subscriptions map[messages.CommandKey]string
	sweeping      bool
}

// keyWork is what is being done for one subscription.
type keyWork struct {
	saga    *saga
	askers  []keyAsker // who gets the answer of what is being done
	kind    messages.Command
	waiting []keyAsker // what comes after it
}

type keyAsker struct {
	command messages.Command
	router  *actor.PID
}

func WriterProps(env *life.Env, keys *Keymaker) *actor.Props {
	return life.Props(env, life.Standing, func() actor.Actor {
		return &writer{env: env, keys: keys, busy: map[string]*keyWork{}, subscriptions: map[messages.CommandKey]string{}}
	})
}

// What the writer tells itself.
type (
	keyMade struct {
		subscription string
		made         madeKey
		err          error
	}
	keyDeleted struct {
		subscription string
		err          error
	}
	sweepDue  struct{}
	sweepDone struct{}
)

func (w *writer) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		w.onStarted()
	case messages.Subscribe:
		w.onCommand(ctx, m.SubscriptionID, m)
	case messages.Unsubscribe:
		w.onCommand(ctx, m.SubscriptionID, m)
	case keyMade:
		w.onKeyMade(ctx, m)
	case keyDeleted:
		w.onKeyDeleted(ctx, m)
	case messages.AnswerFate:
		w.onAnswerFate(m)
	case messages.Abandoned:
		w.onAbandoned(m)
	case messages.Drain:
		// What came before it is begun, or was given up. The end of that is the keymaker's to tell: it knows of
		// earlier incarnations, too.
		ctx.Request(ctx.Sender(), messages.Drained{})
	case sweepDue:
		w.onSweepDue()
	case sweepDone:
		w.sweeping = false
	case *actor.Stopping, *actor.Restarting:
		w.onLeaving(ctx)
	default:
		life.Unexpected(w.env, ctx)
	}
}

// onStarted names what an earlier life left, and begins to see to it.
func (w *writer) onStarted() {
	w.keys.report()
	w.Scope.After(0, sweepDue{})
}

func (w *writer) onCommand(ctx actor.Context, subscription string, c messages.Command) {
	asker := keyAsker{command: c, router: ctx.Sender()}
	w.subscriptions[c.Ref().Key()] = subscription
	work := w.busy[subscription]
	switch {
	case work == nil:
		w.begin(subscription, &keyWork{}, asker)
	case sameKind(work.kind, c) && len(work.waiting) == 0 && !work.saga.unwanted():
		// The same again while the first is running gets the same answer.
		work.askers = append(work.askers, asker)
	default:
		work.waiting = append(work.waiting, asker)
	}
}

func sameKind(a, b messages.Command) bool {
	switch x := a.(type) {
	case messages.Subscribe:
		y, ok := b.(messages.Subscribe)
		return ok && x.PlanID == y.PlanID && x.APIID == y.APIID
	case messages.Unsubscribe:
		y, ok := b.(messages.Unsubscribe)
		return ok && keyIDOf(x) == keyIDOf(y)
	}
	return false
}

// begin starts what a command asks for.
func (w *writer) begin(subscription string, work *keyWork, asker keyAsker) {
	work.kind, work.askers, work.saga = asker.command, []keyAsker{asker}, newSaga(w.Scope)
	w.busy[subscription] = work
	keys, scope, current := w.keys, w.Scope, work.saga
	done := keys.undertake()
	switch c := asker.command.(type) {
	case messages.Subscribe:
		life.Detached(scope, func() (madeKey, error) { defer done(); return keys.make(current, c) },
			func(made madeKey, err error) any {
				return keyMade{subscription: subscription, made: made, err: err}
			})
	case messages.Unsubscribe:
		life.Detached(scope, func() (struct{}, error) { defer done(); return struct{}{}, keys.remove(c) },
			func(_ struct{}, err error) any { return keyDeleted{subscription: subscription, err: err} })
	}
}

func (w *writer) onKeyMade(ctx actor.Context, m keyMade) {
	work := w.busy[m.subscription]
	refs := make([]messages.CommandRef, len(work.askers))
	for i, a := range work.askers {
		refs[i] = a.command.Ref()
	}
	switch {
	case m.err != nil:
		w.env.Log.Warn("no API key was made", life.LogTarget, w.keys.target, life.LogSubscription, m.subscription, life.LogError, m.err)
		w.answer(ctx, work, messages.Refused{Reason: refusal(m.err)})
	case !w.keys.hand(m.made.record, refs):
		w.answer(ctx, work, messages.Refused{Reason: "the key was given up before it could be answered; try again"})
	case len(refs) == 0: // abandoned in the last moment: nobody is answered
		w.conclude(m.made.record)
	default:
		w.env.Log.Info("an API key was made", life.LogTarget, w.keys.target, life.LogSubscription, m.subscription, life.LogKey, m.made.metadata[federation.MetadataKeyID])
		w.answer(ctx, work, messages.Subscribed{SubscriptionID: m.subscription, APIKey: m.made.value, Metadata: m.made.metadata})
	}
	w.next(m.subscription)
}

func (w *writer) onKeyDeleted(ctx actor.Context, m keyDeleted) {
	if m.err != nil {
		w.env.Log.Warn("an API key was not deleted", life.LogTarget, w.keys.target, life.LogSubscription, m.subscription, life.LogError, m.err)
		w.answer(ctx, w.busy[m.subscription], messages.Refused{Reason: refusal(m.err)})
	} else {
		w.env.Log.Info("a subscription's API keys are deleted", life.LogTarget, w.keys.target, life.LogSubscription, m.subscription)
		w.answer(ctx, w.busy[m.subscription], messages.Unsubscribed{})
	}
	w.next(m.subscription)
}

// answer gives all who asked for a work the same reply.
func (w *writer) answer(ctx actor.Context, work *keyWork, reply messages.Reply) {
	for _, a := range work.askers {
		delete(w.subscriptions, a.command.Ref().Key())
		ctx.Request(a.router, messages.Answer{CommandRef: a.command.Ref(), Reply: reply})
	}
	work.askers = nil
}

// next begins what waits behind a subscription's finished work.
func (w *writer) next(subscription string) {
	work := w.busy[subscription]
	work.saga.abandon() // it is done, and lets go of what it holds
	if len(work.waiting) == 0 {
		delete(w.busy, subscription)
		return
	}
	asker := work.waiting[0]
	work.waiting = work.waiting[1:]
	w.begin(subscription, work, asker)
}

// onAbandoned stops work that nobody waits for: what is made is undone.
func (w *writer) onAbandoned(m messages.Abandoned) {
	key := m.CommandRef.Key()
	work := w.busy[w.subscriptions[key]]
	delete(w.subscriptions, key)
	if work == nil {
		return
	}
	gone := func(a keyAsker) bool { return a.command.Ref().Key() == key }
	work.waiting = slices.DeleteFunc(work.waiting, gone)
	work.askers = slices.DeleteFunc(work.askers, gone)
	if len(work.askers) == 0 {
		work.saga.abandon()
	}
}

// onAnswerFate ends the making of a key: it was delivered, or nobody will ever hear of it, or nobody knows.
func (w *writer) onAnswerFate(m messages.AnswerFate) {
	if record, all := w.keys.heard(m); all {
		w.conclude(record)
	}
}

func (w *writer) conclude(record string) {
	keys, scope := w.keys, w.Scope
	go func() {
		_, _ = life.Guarded(scope, func(context.Context) (struct{}, error) { keys.conclude(record); return struct{}{}, nil })
	}()
}

// onSweepDue looks for records that nobody sees to.
func (w *writer) onSweepDue() {
	w.Scope.After(sweepEvery, sweepDue{})
	if w.sweeping {
		return
	}
	w.sweeping = true
	keys := w.keys
	life.Pipe(w.Scope, func(ctx context.Context) (struct{}, error) {
		keys.sweep(func() bool { return ctx.Err() != nil })
		return struct{}{}, nil
	}, func(struct{}, error) any { return sweepDone{} })
}

// onLeaving answers for this incarnation: what it was doing is undone by the sagas themselves, or by the
// sweep.
func (w *writer) onLeaving(ctx actor.Context) {
	for _, work := range w.busy {
		work.saga.abandon()
		for _, a := range slices.Concat(work.askers, work.waiting) {
			ctx.Request(a.router, messages.Answer{CommandRef: a.command.Ref(), Reply: messages.Refused{Reason: life.WhyPanicked}})
		}
	}
}

// refusal is what APIM's users read of a failure.
func refusal(err error) string {
	var call *apigateway.Error
	if errors.As(err, &call) {
		return call.Doing + ": " + apigateway.Explain(call)
	}
	return err.Error()
}

func keyIDOf(c messages.Unsubscribe) string { return c.Metadata[federation.MetadataKeyID] }
