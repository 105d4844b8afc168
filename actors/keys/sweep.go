package keys

import (
	"context"
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
		subscriptions []string
		err           error
	}
)

// sweep reads the journal. The first one names the keys that need an operator's attention.
func (w *writer) sweep(first bool) {
	w.Scope.After(sweepEvery, sweepDue{})
	if w.sweeping {
		return
	}
	w.sweeping = true
	env, target := w.env, w.target
	filter := store.Filter{Integration: w.integration, Account: target.Account, Region: target.Region}
	life.Pipe(w.Scope, func(context.Context) ([]string, error) {
		records, err := env.Keys.Records(filter)
		for _, r := range records {
			if advice := r.State.Advice(); first && advice != "" {
				env.Log.Warn("the key journal lists a key that needs attention: "+advice, life.LogState, r.State,
					life.LogKey, r.KeyID, life.LogKeyName, r.KeyName, life.LogTarget, target,
					life.LogSubscription, r.SubscriptionID, life.LogReason, r.Reason)
			}
		}
		var left []string
		for _, step := range keys.Decide(records) {
			left = append(left, step.Record.SubscriptionID)
		}
		return left, err
	}, func(left []string, err error) any { return swept{left, err} })
}

// onSwept has sagas settle the unfinished work that has no saga.
func (w *writer) onSwept(ctx actor.Context, m swept) {
	w.sweeping = false
	if m.err != nil {
		w.env.Log.Error("cannot read the key journal", life.LogTarget, w.target, life.LogError, m.err)
	}
	begun := 0
	for _, subscription := range m.subscriptions {
		if w.busy[subscription] == nil && begun < maxSettled {
			begun++
			w.give(ctx, subscription, nil)
		}
	}
	w.doneDraining(ctx)
}
