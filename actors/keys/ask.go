package keys

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"federation-agent/actors/life"
	"federation-agent/internal/keys"
)

// APIM is asked what became of keys whose answer was not proved to arrive.
type APIM interface {
	// Subscription asks for a subscription of an API, which is named as SUBSCRIBE did. An error settles nothing; its text
	// names no subscription.
	Subscription(ctx context.Context, api, id string) (keys.Told, error)
}

// looks is where the agent looks for what became of keys.
func (s source) looks() keys.Looks { return keys.Looks{AWS: s.lookup, APIM: s.apim != nil} }

// toAsk is the subscriptions of these records about which APIM is to be asked, those first that have waited longest: so
// that those that it cannot tell about keep nobody from the others.
func toAsk(records []keys.Record, now time.Time) []due {
	type waiting struct {
		due
		since time.Time
	}
	of := map[keys.Subscription][]keys.Record{}
	for _, r := range records {
		if r.State == keys.Unconfirmed {
			of[r.Subscription()] = append(of[r.Subscription()], r)
		}
	}
	var all []waiting
	for subscription, records := range of {
		if at, ask := keys.AskAt(records); ask && !now.Before(at) {
			all = append(all, waiting{due{subscription, task{ask: true}}, at})
		}
	}
	slices.SortFunc(all, func(a, b waiting) int {
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.ID, b.ID))
	})
	found := make([]due, len(all))
	for n, w := range all {
		found[n] = w.due
	}
	return found
}

// ask asks APIM what became of the subscription's unconfirmed keys, and writes down what follows ([keys.Told.Settles]).
// Without an error APIM has told, or was not to be asked.
func (s *saga) ask() error {
	records, err := s.records()
	at, ask := keys.AskAt(records)
	if err != nil || !ask || s.env.Now().Before(at) {
		return err
	}
	ctx, cancel := context.WithTimeout(s.spec.leaving, seekWithin)
	defer cancel()
	told, asking := s.spec.apim.Subscription(ctx, records[len(records)-1].APIID, s.spec.subscription.ID)
	if s.spec.leaving.Err() != nil {
		return nil // the next writer asks
	}
	if asking != nil {
		s.env.Lasting.Warn("cannot settle unconfirmed API keys by asking APIM, and tries again: "+asking.Error(),
			life.LogTarget, s.target(), life.LogSubscription, s.spec.subscription.ID)
	}
	for _, r := range after(records, told, asking, s.env.Now()) {
		err = errors.Join(err, s.settled(r))
	}
	return errors.Join(err, asking)
}

// after gives the unconfirmed records as they are after a question to APIM.
func after(records []keys.Record, told keys.Told, asking error, now time.Time) (all []keys.Record) {
	if asking == nil {
		return told.Settles(records, now)
	}
	for _, r := range records {
		if r.State == keys.Unconfirmed {
			all = append(all, r.Untold(asking.Error(), now))
		}
	}
	return all
}

// settled writes an unconfirmed record down as it is after APIM's answer.
func (s *saga) settled(r keys.Record) error {
	before := r
	before.State = keys.Unconfirmed
	if err := s.change(before, &r); err != nil {
		s.env.Lasting.Error("cannot write a key's state to the journal", life.LogState, r.State, life.LogKey, r.KeyID,
			life.LogKeyName, r.KeyName, life.LogError, err)
		return err
	}
	if r.State == keys.Unconfirmed {
		return nil
	}
	s.env.Board.KeySettled(r.Integration, r.State == keys.Delivered)
	s.env.Log.Info("APIM tells what became of an unconfirmed API key", life.LogState, r.State, life.LogReason, r.Reason,
		life.LogKey, r.KeyID, life.LogKeyName, r.KeyName, life.LogTarget, s.target(), life.LogSubscription, r.SubscriptionID)
	return nil
}
