package keys

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"federation-agent/actors/quota"
	"federation-agent/internal/keys"
	"federation-agent/internal/store"
	"federation-agent/internal/table"
	"federation-agent/messages"
)

// What a saga does while the journal cannot be read or written. A SUBSCRIBE waits a little, and is refused. An UNSUBSCRIBE
// deletes the key that APIM names. What then only this saga knows it keeps, and writes down once it can. If the process
// ends before, others find less than there was to know: a key that is listed though APIM has it, or an entry of a key that
// is gone. Never the other way round.

const (
	// awayMargin is how long before its deadline a SUBSCRIBE stops to wait for the journal: after 8 s. What is throttled, or
	// wakes up, is back by then; and APIM rejects for good what is refused.
	awayMargin = 42 * time.Second
	// owedCap bounds the delay until what a saga owes the journal is tried again; it begins with retryFloor. There is no
	// last try. An account has 10,000 keys, so a writer has no more sagas that owe something.
	owedCap = 2 * time.Minute
)

var (
	errJournal = errors.New("writing the key journal")
	errCutOff  = fmt.Errorf("%w: its table (agent.store.table.name) has not confirmed for some seconds that this agent is "+
		"alive; try again", errJournal)
)

// owed is what only this saga knows of a record.
type owed struct {
	// key is to be deleted in AWS: it was made, and nobody was answered with it.
	key string
	// read: the answer with the key was read. Without it there is no key.
	read bool
}

// stands is an error where this process may not act: others may think that it is gone.
func (s *saga) stands() error {
	if s.env.Member.Stands(time.Now()) {
		return nil
	}
	return errCutOff
}

// ready reads what the journal has of the subscription, and waits for it while there is time.
func (s *saga) ready(m task, c messages.Subscribe) ([]keys.Record, error) {
	for {
		records, err := s.records()
		if err == nil {
			err = s.stands()
		}
		if away := table.Away(err); err == nil || away != nil && away.Why.Lasts() || time.Until(c.AnswerBy) < awayMargin {
			return records, err
		}
		select {
		case <-m.wanted.Done():
			return nil, quota.ErrUnwanted
		case <-time.After(awaitEvery):
		}
	}
}

// writing is the context of what is written; see [saga.by].
func (s *saga) writing() (context.Context, context.CancelFunc) {
	if s.by.IsZero() {
		return s.env.Life, func() {}
	}
	return context.WithDeadline(s.env.Life, s.by)
}

// pay does, and writes down, what is owed. Without the journal it deletes what nobody has.
func (s *saga) pay(unread error) {
	for _, id := range slices.Sorted(maps.Keys(s.owes)) {
		o := s.owes[id]
		if o.key != "" && s.delete(o.key, time.Time{}) != nil {
			continue
		}
		s.owes[id] = owed{read: o.read}
		if unread != nil {
			continue
		}
		err := error(nil)
		if n := slices.IndexFunc(s.entry.Records, func(r keys.Record) bool { return r.ID == id }); n < 0 {
			// An UNSUBSCRIBE has ended it.
		} else if r := s.entry.Records[n]; o.read && r.State != keys.Deleting {
			err = s.write(&r, keys.Delivered, "")
		} else if !o.read {
			s.entry, err = store.Strike(s.env.Life, s.env.Keys, s.entry, id)
		}
		if err == nil {
			delete(s.owes, id)
		}
	}
	if s.over && unread == nil && s.rest() == nil {
		s.over = false
	}
}

// rest deletes what the journal still has of a subscription whose end was answered without reading it.
func (s *saga) rest() error {
	return errors.Join(s.endAll("", map[string]bool{s.ended: true}, nil))
}
