package actors

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

const (
	// sweepEvery is how often the journal is looked through for what nobody sees to: keys whose deletion
	// failed, or whose maker died.
	sweepEvery = 30 * time.Second
	// sweepKeys is how many keys one sweep deletes at most, so that a sweep does not eat the quota.
	sweepKeys = 20
	// fateOverdue is how long an answer's fate may be unknown before the key counts as unconfirmed: the
	// session reports it within its pong deadline.
	fateOverdue = 2 * time.Minute
)

// writer makes and deletes a target's API keys: CreateApiKey -> journal -> CreateUsagePlanKey -> answer,
// and DeleteApiKey. It undoes what nobody will hear of. Parent: target.
//
// The commands of one subscription go one after the other; those of different ones side by side, as fast
// as the quota lets them. Each step is in the journal before it is taken, so that whatever dies here, the
// next incarnation or the next process knows which keys to delete.
type writer struct {
	scoped
	env  *Env
	keys *keymaker
	// busy is the subscriptions that something is being done for, with what waits behind it.
	busy map[string]*keyWork
	// awaiting is the answers whose fate is not known yet, by the record of the key that they carry.
	awaiting map[string]*awaitedFate
	sweeping bool
}

// keyWork is what is being done for one subscription.
type keyWork struct {
	saga    *saga
	askers  []keyAsker // who gets the answer of what is being done
	kind    messages.Command
	waiting []keyAsker // what comes after it
}

// awaitedFate is a key's answers on their way: more than one command may have got the same.
type awaitedFate struct {
	record  store.KeyRecord
	pending map[ledgerKey]bool
	best    messages.Delivery
}

type keyAsker struct {
	command messages.Command
	router  *actor.PID
}

func writerProps(env *Env, integration string, target federation.Target, client apigateway.Client) *actor.Props {
	// The keymaker outlives the writer's restarts: it knows which records somebody is seeing to.
	keys := newKeymaker(env, integration, target, client)
	return props(env, standing, func() actor.Actor {
		return &writer{env: env, keys: keys, busy: map[string]*keyWork{}, awaiting: map[string]*awaitedFate{}}
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
	concluded struct{}
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
	case sweepDue:
		w.onSweepDue()
	case sweepDone:
		w.sweeping = false
	case concluded:
	case *actor.Stopping, *actor.Restarting:
		w.onLeaving(ctx)
	default:
		unexpected(w.env, ctx)
	}
}

// onStarted names what an earlier life left, and begins to see to it.
func (w *writer) onStarted() {
	w.keys.report()
	w.scope.after(0, sweepDue{})
}

func (w *writer) onCommand(ctx actor.Context, subscription string, c messages.Command) {
	asker := keyAsker{command: c, router: ctx.Sender()}
	work := w.busy[subscription]
	if work == nil {
		w.begin(subscription, &keyWork{}, asker)
		return
	}
	// The same again while the first is running gets the same answer; anything else waits its turn.
	if sameKind(work.kind, c) && len(work.waiting) == 0 && !work.saga.abandoned.Load() {
		work.askers = append(work.askers, asker)
		return
	}
	work.waiting = append(work.waiting, asker)
}

func sameKind(a, b messages.Command) bool {
	switch x := a.(type) {
	case messages.Subscribe:
		y, ok := b.(messages.Subscribe)
		return ok && x.PlanID == y.PlanID && x.APIID == y.APIID
	case messages.Unsubscribe:
		_, ok := b.(messages.Unsubscribe)
		return ok
	}
	return false
}

// begin starts what a command asks for.
func (w *writer) begin(subscription string, work *keyWork, asker keyAsker) {
	work.kind, work.askers, work.saga = asker.command, []keyAsker{asker}, &saga{}
	w.busy[subscription] = work
	keys, scope, current := w.keys, w.scope, work.saga
	current.orphaned = func() bool { return !scope.alive() }
	switch c := asker.command.(type) {
	case messages.Subscribe:
		detached(scope, func() (madeKey, error) { return keys.make(current, c) },
			func(made madeKey, err error) any {
				return keyMade{subscription: subscription, made: made, err: err}
			})
	case messages.Unsubscribe:
		detached(scope, func() (struct{}, error) { return struct{}{}, keys.remove(c) },
			func(_ struct{}, err error) any { return keyDeleted{subscription: subscription, err: err} })
	}
}

func (w *writer) onKeyMade(ctx actor.Context, m keyMade) {
	work := w.busy[m.subscription]
	defer w.next(m.subscription)
	if m.err != nil {
		w.answer(ctx, work, func(keyAsker) messages.Reply { return messages.Refused{Reason: refusal(m.err)} })
		return
	}
	fate := &awaitedFate{record: m.made.record, pending: map[ledgerKey]bool{}, best: messages.NeverSent}
	if len(work.askers) == 0 { // abandoned in the last moment: nobody is answered
		w.conclude(fate)
		return
	}
	for _, a := range work.askers {
		fate.pending[keyOf(a.command.Ref())] = true
	}
	w.awaiting[fate.record.ID] = fate
	w.answer(ctx, work, func(keyAsker) messages.Reply {
		return messages.Subscribed{SubscriptionID: m.subscription, APIKey: m.made.value, Metadata: m.made.metadata}
	})
}

func (w *writer) onKeyDeleted(ctx actor.Context, m keyDeleted) {
	work := w.busy[m.subscription]
	defer w.next(m.subscription)
	w.answer(ctx, work, func(keyAsker) messages.Reply {
		if m.err != nil {
			return messages.Refused{Reason: refusal(m.err)}
		}
		return messages.Unsubscribed{}
	})
}

// refusal is what APIM's users read.
func refusal(err error) string { return apigateway.Explain(err) }

func (w *writer) answer(ctx actor.Context, work *keyWork, reply func(keyAsker) messages.Reply) {
	for _, a := range work.askers {
		ctx.Request(a.router, messages.Answer{CommandRef: a.command.Ref(), Reply: reply(a)})
	}
}

// next begins what waits behind a subscription's finished work.
func (w *writer) next(subscription string) {
	work := w.busy[subscription]
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
	gone := func(a keyAsker) bool { return keyOf(a.command.Ref()) == keyOf(m.CommandRef) }
	for _, work := range w.busy {
		work.waiting = without(work.waiting, gone)
		if before := len(work.askers); before > 0 {
			work.askers = without(work.askers, gone)
			if len(work.askers) == 0 {
				work.saga.abandoned.Store(true)
			}
		}
	}
}

func without(askers []keyAsker, gone func(keyAsker) bool) []keyAsker {
	var left []keyAsker
	for _, a := range askers {
		if !gone(a) {
			left = append(left, a)
		}
	}
	return left
}

// onAnswerFate ends the making of a key: it was delivered, or nobody will ever hear of it, or nobody
// knows. Of several answers with the same key the best fate counts, once all are known. An answer of an
// earlier incarnation is left to the journal's sweep.
func (w *writer) onAnswerFate(m messages.AnswerFate) {
	for id, fate := range w.awaiting {
		if !fate.pending[keyOf(m.CommandRef)] {
			continue
		}
		delete(fate.pending, keyOf(m.CommandRef))
		fate.best = min(fate.best, m.Delivery)
		if len(fate.pending) == 0 {
			delete(w.awaiting, id)
			w.conclude(fate)
		}
		return
	}
}

func (w *writer) conclude(fate *awaitedFate) {
	keys, record, best := w.keys, fate.record, fate.best
	detached(w.scope, func() (struct{}, error) { keys.conclude(record, best); return struct{}{}, nil },
		func(struct{}, error) any { return concluded{} })
}

// onSweepDue looks for records that nobody sees to.
func (w *writer) onSweepDue() {
	w.scope.after(sweepEvery, sweepDue{})
	if w.sweeping {
		return
	}
	w.sweeping = true
	keys, env := w.keys, w.env
	detached(w.scope, func() (struct{}, error) { keys.sweep(env.Now()); return struct{}{}, nil },
		func(struct{}, error) any { return sweepDone{} })
}

// onLeaving answers for this incarnation: what it was doing is undone by the sagas themselves, or by the
// journal's sweep.
func (w *writer) onLeaving(ctx actor.Context) {
	for _, work := range w.busy {
		work.saga.abandoned.Store(true)
		for _, a := range append(work.askers, work.waiting...) {
			ctx.Request(a.router, messages.Answer{CommandRef: a.command.Ref(), Reply: messages.Refused{
				Reason: fmt.Sprintf("the agent failed while it served subscription %s; try again", subscriptionOf(a.command)),
			}})
		}
	}
}

func subscriptionOf(c messages.Command) string {
	switch c := c.(type) {
	case messages.Subscribe:
		return c.SubscriptionID
	case messages.Unsubscribe:
		return c.SubscriptionID
	}
	return ""
}
