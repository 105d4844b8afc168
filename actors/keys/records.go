package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"federation-agent/actors/life"
	"federation-agent/actors/quota"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/keys"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

const (
	// retryFloor and retryCap bound the delay until a deletion that failed is tried again. There is no last try.
	retryFloor = 15 * time.Second
	retryCap   = 10 * time.Minute
)

// noteError writes down why AWS did not do what the record's state asks for, if that is new.
func (s *saga) noteError(record *keys.Record, err error) {
	if why := apigateway.Explain(err); why != record.LastError && s.spec.leaving.Err() == nil {
		record.LastError = why
		_ = s.entry.Write(record, record.State, "")
	}
}

// forget removes the record of a key that is gone in AWS, or was never made.
func (s *saga) forget(record keys.Record) {
	if err := s.entry.Strike(record.ID); err != nil {
		s.env.Lasting.Error("cannot remove a record from the key journal", life.LogKey, record.KeyID, life.LogError, err)
		s.owes[record.ID] = owed{}
	}
}

// advice is what a line says of what to do about a key. A list asks for that, so its answer may be "nothing: …". A line
// goes on with what stands behind that.
func (s *saga) advice(record *keys.Record) (do string, level slog.Level) {
	do, alone := record.Advice(s.spec.looks(), s.env.Now())
	return strings.TrimPrefix(do, keys.NothingToDo), life.LevelOf(!alone)
}

// listUnconfirmed lists a key that APIM may or may not have.
func (s *saga) listUnconfirmed(record *keys.Record, why string) {
	if errors.Is(s.entry.Write(record, keys.Unconfirmed, why), store.ErrMoved) {
		return
	}
	do, level := s.advice(record)
	s.env.Often.Log(s.env.Life, level, "nobody knows whether APIM has this API key: "+do, life.LogKey,
		record.KeyID, life.LogKeyName, record.KeyName, life.LogTarget, s.target(), life.LogSubscription, record.SubscriptionID)
}

// listLostCreate lists a key that may have been made and is attached to nothing.
func (s *saga) listLostCreate(record *keys.Record, why string) {
	if errors.Is(s.entry.Write(record, keys.LostCreate, why), store.ErrMoved) {
		return
	}
	do, level := s.advice(record)
	s.env.Often.Log(s.env.Life, level, "the answer to CreateApiKey was lost: AWS may have made a key that opens nothing; "+do,
		life.LogKeyName, record.KeyName, life.LogTarget, s.target(),
		life.LogSubscription, record.SubscriptionID, life.LogReason, why)
}

// undo deletes a key, until by at the latest. What cannot be done now is left to a sweep. A key that this saga has made
// and never answered with is deleted whatever the journal says: nobody has it. Any other one only where the journal
// says so now.
func (s *saga) undo(record *keys.Record, why string, by time.Time) {
	noted := record.State == keys.Deleting || s.entry.Write(record, keys.Deleting, why) == nil
	if !noted && record.ID != s.unanswered {
		return // the next sweep sees what is to be done
	}
	if s.spec.leaving.Err() != nil {
		return // the next writer's first sweep deletes it
	}
	if _, err := s.delete(record.KeyID, by); err != nil {
		if noted {
			s.noteError(record, err)
		} else {
			s.owes[record.ID] = owed{key: record.KeyID}
		}
		s.again = life.Backoff(s.tries, retryFloor, retryCap, s.env.Jitter())
		life.LogFailure(s.env.Lasting, err, "cannot delete an API key yet; trying again until it is gone: "+
			apigateway.Explain(err), life.LogKey, record.KeyID, life.LogSubscription, record.SubscriptionID,
			life.LogTarget, s.target(), life.LogDelay, s.again.Round(time.Second))
		return
	}
	s.forget(*record)
}

// remove deletes a subscription's keys: the one that its metadata name, and those that the journal knows. A key
// that is gone already is a success; so is a repeat.
func (s *saga) remove(m task, c messages.Unsubscribe) error {
	if m.wanted.Err() != nil {
		return quota.ErrUnwanted
	}
	s.entry.Until(c.AnswerBy)
	defer s.entry.Until(time.Time{})
	records, unread := s.entry.Read()
	named, known := "", slices.ContainsFunc(records, func(r keys.Record) bool { return r.KeyID != "" })
	ref, unnamed := federation.KeyRefOf(c.Metadata)
	switch {
	case unnamed == nil:
		named = ref.KeyID
	case !known && unread != nil:
		return fmt.Errorf("%w, and %w", unnamed, unread)
	case !known:
		return s.listUnnamed(c, len(records) > 0, unnamed)
	}
	undeleted, unwritten := s.endAll(named, map[string]bool{}, c.AnswerBy, unread)
	if undeleted != nil {
		return undeleted
	}
	s.over, s.ended = unwritten != nil, named
	s.env.Log.Info("a subscription's API keys are deleted", life.LogTarget, s.target(),
		life.LogSubscription, s.spec.subscription.ID)
	return nil
}

// endAll deletes a subscription's keys: the one that is named, and those of the entry that are not gone; then has the
// journal know it, unless that cannot be read. What another process has made meanwhile is deleted, too: APIM has closed the
// subscription, whatever it has accepted. Where the key that it names is gone already, one that nobody names may have taken
// its place; only the journal knows that one.
func (s *saga) endAll(
	named string, gone map[string]bool, by time.Time, unread error,
) (undeleted, unwritten error) {
	for there := false; ; {
		ids := map[string]bool{named: true}
		for _, r := range s.entry.Records() {
			ids[r.KeyID] = true
		}
		for _, id := range slices.Sorted(maps.Keys(ids)) {
			if id != "" && !gone[id] {
				was, err := s.delete(id, by)
				there, undeleted, gone[id] = there || was, errors.Join(undeleted, err), true
			}
		}
		if undeleted == nil && !there {
			undeleted = unread
		}
		if undeleted != nil || unread != nil {
			return undeleted, unread
		}
		if unwritten = s.entry.End(); !errors.Is(unwritten, store.ErrMoved) {
			return nil, unwritten
		}
	}
}

// listUnnamed ends a subscription of which neither its metadata nor the journal name a key. With an ERROR nobody could
// ever end it in APIM. So it is a success, and the key, if there is one, is listed for an operator.
func (s *saga) listUnnamed(c messages.Unsubscribe, listed bool, why error) error {
	if listed {
		return nil // the same command once more, or a lost create
	}
	s.env.Often.Error("a subscription ended, and nothing names its API key; "+keys.LostCreate.Advice(),
		life.LogTarget, s.target(), life.LogSubscription, c.SubscriptionID, life.LogReason, why)
	_ = s.entry.End() // a journal that cannot be read yet may know its key
	r, now := s.spec.subscription.Record(s.env.NewID()), s.env.Now()
	r.APIID, r.KeyName, r.CommandID = c.APIID, keys.UnknownName(c.SubscriptionID), c.ID
	r.State, r.CreatedAt, r.UpdatedAt = keys.LostCreate, now, now
	r.Reason = fmt.Sprintf("the subscription is closed, and %v; the journal knows none", why)
	return s.entry.Change(keys.Record{}, &r)
}

// delete calls DeleteApiKey, until by, if there is such a time; was says whether there was such a key.
func (s *saga) delete(keyID string, by time.Time) (was bool, err error) {
	ctx := quota.WithPermitRules(s.calls(), quota.PermitRules{Wanted: s.spec.leaving})
	if !by.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, by)
		defer cancel()
	}
	was, err = apigateway.DeleteKey(ctx, s.spec.client, keyID)
	if err == nil {
		s.env.Board.KeyDeleted(s.spec.subscription.Integration)
	}
	return was, err
}

// calls is the context of all calls to AWS.
func (s *saga) calls() context.Context {
	return apigateway.WithPriority(s.env.Life, gateway.PriorityKeys)
}
