package keys

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/actors/quota"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/keys"
	"federation-agent/internal/store"
)

const (
	// sweepEvery is how often the journal is read for unfinished work without a saga: what an earlier process left, or a
	// saga that is gone.
	sweepEvery = 30 * time.Second
	// maxSettled is how many subscriptions a sweep has settled at most, so that it does not eat the quota.
	maxSettled = 20
	// seekPause is how long nothing is looked for in AWS after a look that failed, or APIM asked after it did not answer.
	seekPause = 10 * time.Minute
	// seekWithin bounds one look, and one question to APIM: a SUBSCRIBE of the same subscription waits for it.
	seekWithin = 10 * time.Second
)

// How a writer finds what was left undone.
type (
	sweepDue struct{}
	// swept is what is left to do, the most urgent first.
	swept struct {
		due []due
		err error
	}
	// due is a subscription for which something is left to do.
	due struct {
		keys.Subscription
		task
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
	now := env.Now()
	seeks, asks := w.source.lookup && now.After(w.seekAfter), w.source.apim != nil && now.After(w.askAfter)
	life.Pipe(w.Scope, func(ctx context.Context) (found []due, all error) {
		var sought []due
		for _, integration := range integrations {
			entries, err := env.Keys.Entries(ctx, store.Filter{
				Integration: integration, Account: place.Account, Region: place.Region,
			}, true)
			all = errors.Join(all, err)
			records := store.RecordsOf(slices.DeleteFunc(entries, func(e store.Entry) bool {
				return env.Member.Others(time.Now(), e.Owner)
			}))
			for _, step := range keys.Decide(records) {
				found = append(found, due{step.Record.Subscription(), task{}})
			}
			for _, r := range records {
				if at, seek := r.SeekAt(); seeks && seek && now.After(at) {
					sought = append(sought, due{r.Subscription(), task{seek: true}})
				}
			}
			if asks && integration == place.Integration { // the client is for this one's APIs
				for _, of := range keys.ToAsk(records, now) {
					sought = append(sought, due{of, task{ask: true}})
				}
			}
		}
		return append(found, sought...), all
	}, func(found []due, err error) any { return swept{found, err} })
}

// onSwept has sagas settle the unfinished work that has no saga.
func (w *writer) onSwept(ctx actor.Context, m swept) {
	w.sweeping = false
	if m.err != nil {
		w.env.Lasting.Error("cannot read the key journal",
			life.LogTarget, w.place.Account+":"+w.place.Region, life.LogError, m.err)
	}
	begun := 0
	for _, d := range m.due {
		if w.busy[d.Subscription] == nil && begun < maxSettled {
			begun++
			w.give(ctx, d.Subscription, d.task)
		}
	}
	if w.sweepAgain {
		w.sweep()
	}
	w.doneDraining(ctx)
}

// seek looks for the subscription's keys in AWS by their names, and writes down what follows ([keys.Record.Found]).
// Without an error each was looked for.
func (s *saga) seek() error {
	records, err := s.entry.Read()
	for _, r := range records {
		at, seek := r.SeekAt()
		if err != nil || !seek || s.env.Now().Before(at) {
			continue
		}
		if err = s.lookFor(r); err != nil && s.spec.leaving.Err() == nil {
			life.LogFailure(s.env.Lasting, err, "cannot look for API keys by their name (agent.keys.lookup): "+
				apigateway.Explain(err), life.LogTarget, s.target())
			s.noteError(&r, err)
		}
	}
	return err
}

func (s *saga) lookFor(r keys.Record) error {
	ctx, cancel := context.WithTimeout(apigateway.WithPriority(s.env.Life, gateway.PriorityRefresh), seekWithin)
	defer cancel()
	ctx = quota.WithPermitRules(ctx, quota.PermitRules{Wanted: s.spec.leaving})
	all, err := apigateway.FindKeys(ctx, s.spec.client, r.KeyName)
	if err != nil {
		return err
	}
	var listed []keys.Listed
	for _, k := range all {
		listed = append(listed, keys.Listed{ID: k.ID, Name: k.Name, Making: federation.KeyMaking(k.Description)})
	}
	next, remove, settled := r.Found(listed, s.env.Now())
	for _, k := range remove {
		if _, err := s.delete(k.ID, time.Now().Add(seekWithin)); err != nil {
			return err
		}
		s.env.Log.Info("a lost API key was found by its name and deleted", life.LogKey, k.ID, life.LogKeyName, k.Name,
			life.LogTarget, s.target(), life.LogSubscription, r.SubscriptionID)
	}
	if !settled {
		return s.entry.Change(r, &next)
	}
	s.env.Log.Info("AWS has no such API key: it is listed no longer", life.LogState, r.State, life.LogKey, r.KeyID,
		life.LogKeyName, r.KeyName, life.LogTarget, s.target(), life.LogSubscription, r.SubscriptionID)
	s.forget(r)
	return nil
}
