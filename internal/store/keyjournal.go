package store

import (
	"fmt"
	"slices"
	"time"

	"federation-agent/internal/keys"
)

// Filter chooses records; an empty field chooses all.
type Filter struct {
	Integration, Account, Region, SubscriptionID string
	States                                       []keys.State
}

// Matches reports whether the filter chooses a record.
func (f Filter) Matches(rec keys.Record) bool {
	return (f.Integration == "" || f.Integration == rec.Integration) &&
		(f.Account == "" || f.Account == rec.Account) &&
		(f.Region == "" || f.Region == rec.Region) &&
		(f.SubscriptionID == "" || f.SubscriptionID == rec.SubscriptionID) &&
		(len(f.States) == 0 || slices.Contains(f.States, rec.State))
}

// KeyJournal is written before each step of making or deleting a key, so that a crash leaves no unknown key. It does
// not promise that this process is the only one that writes.
type KeyJournal interface {
	// Put writes a record, new or changed. When it returns nil the record outlives the process, or the store's health
	// says that it cannot promise that. Errors: [ErrInvalid], [ErrTransition], [ErrFenced], [ErrClosed]; after any of
	// them the step that the record announces must not be taken.
	Put(keys.Record) error
	// Remove forgets a record; one that is not there is no error. Durable as Put is.
	Remove(id string) error
	// End forgets the keys of a subscription that has ended at this time: they are deleted in AWS. Those of an earlier
	// process that the journal cannot read yet become [keys.Deleting] when it can. Records without a key stay. Durable as
	// Put is.
	End(of keys.Subscription, at time.Time) error
	// Records gives copies of the records that the filter chooses, oldest CreatedAt first, then by ID. Each was current
	// when it was read.
	Records(Filter) ([]keys.Record, error)
}

// Put implements [KeyJournal].
func (s *FileStore) Put(rec keys.Record) error {
	return s.write(func(st *state) ([]Change, error) {
		if err := checkID(tableKeys, rec.Integration); err != nil {
			return nil, err
		}
		if before, ok := st.keys.get(rec.ID); ok && !before.State.CanBecome(rec.State) {
			return nil, fmt.Errorf("%w: key record %s is %s and cannot become %s",
				ErrTransition, rec.ID, before.State, rec.State)
		}
		rec.CreatedAt, rec.UpdatedAt = rec.CreatedAt.UTC(), rec.UpdatedAt.UTC()
		return st.keys.set(rec, rec.ID)
	})
}

// Remove implements [KeyJournal].
func (s *FileStore) Remove(id string) error {
	return s.write(func(st *state) ([]Change, error) { return st.keys.remove(id), nil })
}

// maxEnded bounds the subscriptions whose end is remembered for a journal that cannot be read: as many as an account has
// keys at most. Beyond that, what only that journal knows stays.
const maxEnded = 10_000

// End implements [KeyJournal].
func (s *FileStore) End(of keys.Subscription, at time.Time) error {
	return s.write(func(st *state) ([]Change, error) {
		if !s.known && len(s.endedSubscriptions) < maxEnded {
			s.endedSubscriptions[of] = at
		}
		var changes []Change
		for id, rec := range st.keys.byKey {
			if rec.Subscription() == of && rec.KeyID != "" {
				changes = append(changes, st.keys.remove(id)...)
			}
		}
		return changes, nil
	})
}

// endedSince reports whether an adopted record is of a subscription that has ended while the journal could not be read.
// Where the journal was shared, another process may have made it later; the clock is the same one.
func (s *FileStore) endedSince(rec keys.Record) bool {
	at, ended := s.endedSubscriptions[rec.Subscription()]
	return ended && rec.KeyID != "" && rec.State.CanBecome(keys.Deleting) && (!s.shared || rec.CreatedAt.Before(at))
}

// Records implements [KeyJournal].
func (s *FileStore) Records(filter Filter) ([]keys.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []keys.Record
	for _, rec := range s.state.keys.byKey {
		if filter.Matches(rec) {
			found = append(found, rec)
		}
	}
	slices.SortFunc(found, keys.Compare)
	return found, nil
}
