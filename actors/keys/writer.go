package keys

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/keys"
	"federation-agent/messages"
)

// writer serves the SUBSCRIBEs and UNSUBSCRIBEs of one account and region, and reads the journal for what was left
// undone. It makes and deletes nothing itself: each subscription that has work has a [saga], whose mailbox is that
// work's only queue. Parent: keys, which names it by its target.
//
// It knows of each saga what it has been given and has not reported. A saga that has reported all, and has no deletion
// to try again, is stopped. No other actor gives a saga work, so nothing is lost on the way.
type writer struct {
	life.Scoped
	env   *life.Env
	place keys.Place
	// adopted is the integrations whose keys it deletes, too: see [Adopt].
	adopted []string
	// source is that of the latest [Open]. It outlives a restart of the writer.
	source *source

	// seekAfter: keys are not looked for in AWS before. askAfter: APIM is not asked about them before.
	seekAfter, askAfter time.Time

	busy map[keys.Subscription]*busy
	// sweeping: the journal is being read; sweepAgain: it is to be read once more.
	sweeping, sweepAgain bool
	drainer              *actor.PID
}

// busy is a subscription that has work.
type busy struct {
	saga *actor.PID
	open []given // what the saga has not reported, in order
	// again is the timer that has a deletion tried again; nil where there is none.
	again *time.Timer
}

// given is a task as the writer keeps it.
type given struct {
	task
	asker *actor.PID // gets the answer
	// abandon ends the task's context.
	abandon context.CancelFunc
}

func writerProps(env *life.Env, place keys.Place, from source) *actor.Props {
	return life.Props(env, life.Standing, func() actor.Actor {
		return &writer{env: env, place: place, source: &from, busy: map[keys.Subscription]*busy{}}
	})
}

// What the writer tells itself.
type (
	// retryDue: it is time to try again what could not be deleted.
	retryDue struct{ subscription keys.Subscription }
	// sagaGone: a saga has ended, and all that it had reported was heard.
	sagaGone struct{ saga *actor.PID }
)

func (w *writer) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		w.Scope.Tell(sweepDue{})
	case Open:
		w.source.client, w.source.target = m.Client, ctx.Sender()
		ctx.Request(ctx.Sender(), Opened{Target: m.Target})
	case messages.Subscribe:
		w.give(ctx, w.place.Subscription(m.SubscriptionID), task{command: m})
	case messages.Unsubscribe:
		w.give(ctx, w.place.Subscription(m.SubscriptionID), task{command: m})
	case Order:
		w.onOrder(ctx, m)
	case messages.Abandoned:
		w.onAbandoned(m)
	case worked:
		w.onWorked(ctx, m)
	case retryDue:
		if w.busy[m.subscription] != nil { // else a later task has deleted the key, or a sweep will
			w.give(ctx, m.subscription, task{})
		}
	case sweepDue:
		w.Scope.After(sweepEvery, sweepDue{})
		w.sweep()
	case Adopt:
		w.adopted = m.Integrations
		w.sweep()
	case swept:
		w.onSwept(ctx, m)
	case messages.Drain:
		w.drainer = ctx.Sender()
		w.doneDraining(ctx)
	case *actor.Terminated:
		w.Scope.Tell(sagaGone{m.Who}) // a system message overtakes what the saga reported just before its end
	case sagaGone:
		w.onSagaGone(ctx, m)
	case *actor.Stopping, *actor.Restarting:
		w.onLeaving(ctx)
	default:
		life.Unexpected(w.env, ctx)
	}
}

// give gives a subscription's saga a task. One that has no saga gets one.
func (w *writer) give(ctx actor.Context, subscription keys.Subscription, t task) {
	b := w.busy[subscription]
	if b == nil {
		b = &busy{saga: ctx.SpawnPrefix(sagaProps(w.env, sagaSpec{
			subscription: subscription, source: *w.source, leaving: w.Scope.Ctx,
		}), "saga-")}
		w.busy[subscription] = b
	}
	t.second = slices.ContainsFunc(b.open, given.subscribes)
	g := given{task: t, asker: ctx.Sender()}
	g.wanted, g.abandon = context.WithCancel(w.Scope.Ctx)
	b.open = append(b.open, g)
	ctx.RequestWithCustomSender(b.saga, g.task, g.asker)
}

func (g given) subscribes() bool {
	_, subscribe := g.command.(messages.Subscribe)
	return subscribe
}

// onAbandoned ends a command's context: what is made for it is deleted again.
func (w *writer) onAbandoned(m messages.Abandoned) {
	for _, b := range w.busy {
		for _, g := range b.open {
			if g.command != nil && g.command.Ref().Key() == m.Key() {
				g.abandon()
			}
		}
	}
}

func (w *writer) onWorked(ctx actor.Context, m worked) {
	b := w.busy[m.subscription]
	if b == nil || !b.saga.Equal(ctx.Sender()) {
		return // a saga of an earlier incarnation
	}
	b.open[0].abandon() // it frees what the context holds
	b.open = b.open[1:]
	if m.unsought {
		w.seekAfter = w.env.Now().Add(seekPause)
	}
	if m.untold {
		w.askAfter = w.env.Now().Add(seekPause)
	}
	switch {
	case m.again > 0:
		if b.again != nil {
			b.again.Stop() // of two timers each would start another one
		}
		b.again = w.Scope.After(m.again, retryDue{m.subscription})
	case len(b.open) == 0:
		delete(w.busy, m.subscription)
		ctx.Stop(b.saga)
	}
	w.doneDraining(ctx)
}

// onSagaGone answers for a saga that panicked, and has another one settle what it left. One that panicked while it
// did just that waits for the next sweep.
func (w *writer) onSagaGone(ctx actor.Context, m sagaGone) {
	for subscription, b := range w.busy {
		if !b.saga.Equal(m.saga) {
			continue
		}
		delete(w.busy, subscription)
		w.refuse(ctx, b)
		if len(b.open) > 0 && b.open[0].asks() {
			w.give(ctx, subscription, task{})
		}
	}
	w.doneDraining(ctx)
}

// refuse answers what a panic cost. The router lets no second answer through.
func (w *writer) refuse(ctx actor.Context, b *busy) {
	for _, g := range b.open {
		g.abandon()
		switch {
		case g.command != nil:
			ctx.Request(g.asker, messages.Answer{
				CommandRef: g.command.Ref(), Reply: messages.Refused{Reason: life.WhyPanicked},
			})
		case g.order != nil:
			ctx.Request(g.asker, Obeyed{Err: errors.New(life.WhyPanicked)})
		}
	}
}

// doneDraining tells that no saga has work any more. A deletion that is to be tried again is the next process's.
func (w *writer) doneDraining(ctx actor.Context) {
	if w.drainer == nil || w.sweeping {
		return
	}
	for _, b := range w.busy {
		if len(b.open) > 0 {
			return
		}
	}
	ctx.Request(w.drainer, messages.Drained{})
	w.drainer = nil
}

// onLeaving answers for this incarnation. Its sagas begin nothing more, write down what they know, and end; the next
// writer's first sweep does the rest.
func (w *writer) onLeaving(ctx actor.Context) {
	for _, b := range w.busy {
		w.refuse(ctx, b)
	}
}
