package store

import (
	"fmt"
	"slices"

	"federation-agent/internal/keys"
)

// Filter chooses records; an empty field chooses all.
type Filter struct {
	Integration, Account, Region, SubscriptionID string
	States                                       []keys.State
}

func (f Filter) matches(rec keys.Record) bool {
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

// Records implements [KeyJournal].
func (s *FileStore) Records(filter Filter) ([]keys.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []keys.Record
	for _, rec := range s.state.keys.byKey {
		if filter.matches(rec) {
			found = append(found, rec)
		}
	}
	slices.SortFunc(found, keys.Compare)
	return found, nil
}
