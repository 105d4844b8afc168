package keys

import (
	"context"
	"errors"

	"federation-agent/actors/life"
	"federation-agent/internal/keys"
	"federation-agent/internal/store"
)

// APIM is asked what became of keys whose answer was not proved to arrive.
type APIM interface {
	// Subscription asks for a subscription of an API, which is named as SUBSCRIBE did. An error settles nothing; its text
	// names no subscription.
	Subscription(ctx context.Context, api, id string) (keys.Told, error)
}

// looks is where the agent looks for what became of keys.
func (s source) looks() keys.Looks { return keys.Looks{AWS: s.lookup, APIM: s.apim != nil} }

// ask asks APIM what became of the subscription's unconfirmed keys, and writes down what follows ([keys.Told.Settles]).
// Without an error APIM has told, or was not to be asked.
func (s *saga) ask() error {
	records, err := s.entry.Read()
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
	for _, r := range keys.AfterAsking(records, told, asking, s.env.Now()) {
		err = errors.Join(err, s.settled(r))
	}
	return errors.Join(err, asking)
}

// settled writes an unconfirmed record down as it is after APIM's answer.
func (s *saga) settled(r keys.Record) error {
	before := r
	before.State = keys.Unconfirmed
	if err := s.entry.Change(before, &r); errors.Is(err, store.ErrMoved) {
		return nil // another agent has settled it
	} else if err != nil {
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
