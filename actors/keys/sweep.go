package keys

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/keys"
	"federation-agent/internal/store"
)

const (
	// sweepEvery is how often the journal is read for unfinished work without a saga: what an earlier process left, or a
	// saga that is gone.
	sweepEvery = 30 * time.Second
	// maxSettled is how many subscriptions a sweep has settled at most, so that it does not eat the quota.
	maxSettled = 20
)

// How a writer finds what was left undone.
type (
	sweepDue struct{}
	// swept is the subscriptions for which something is left to do.
	swept struct {
		subscriptions []keys.Subscription
		err           error
	}
)

// sweep reads the journal. A reading that is under way may not know what asks for this one: it is followed by another.
func (w *writer) sweep() {
	if w.sweeping {
		w.sweepAgain = true
		return
	}
	w.sweeping, w.sweepAgain = true, false
	env, place, integrations := w.env, w.place, append([]string{w.place.Integration}, w.adopted...)
	life.Pipe(w.Scope, func(context.Context) (left []keys.Subscription, all error) {
		for _, integration := range integrations {
			records, err := env.Keys.Records(store.Filter{
				Integration: integration, Account: place.Account, Region: place.Region,
			})
			all = errors.Join(all, err)
			for _, step := range keys.Decide(records) {
				left = append(left, step.Record.Subscription())
			}
		}
		return left, all
	}, func(left []keys.Subscription, err error) any { return swept{left, err} })
}

// onSwept has sagas settle the unfinished work that has no saga.
func (w *writer) onSwept(ctx actor.Context, m swept) {
	w.sweeping = false
	if m.err != nil {
		w.env.Lasting.Error("cannot read the key journal",
			life.LogTarget, w.place.Account+":"+w.place.Region, life.LogError, m.err)
	}
	begun := 0
	for _, subscription := range m.subscriptions {
		if w.busy[subscription] == nil && begun < maxSettled {
			begun++
			w.give(ctx, subscription, task{})
		}
	}
	if w.sweepAgain {
		w.sweep()
	}
	w.doneDraining(ctx)
}
