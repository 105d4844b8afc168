package store

import (
	"context"
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

// KeyJournal is written before each step of making or deleting a key, so that a crash leaves no unknown key. Several
// processes may write to it: an entry is written only where nobody has written since it was read.
type KeyJournal interface {
	// Entry reads the keys of a subscription as they are now, by primary key. One that is not there has no records and
	// the zero [Version].
	Entry(ctx context.Context, of keys.Subscription) (Entry, error)
	// Write puts these records, and their owner, in place of those of an entry as it was read or written. When it returns
	// no error, the entry outlives the process. Errors: [ErrMoved], [ErrNotWritten], [ErrUnknown], [ErrInMemory],
	// [ErrInvalid], [ErrTransition], [ErrFenced], [ErrClosed]; after any of them the step that the write announces must not
	// be taken.
	Write(ctx context.Context, from Entry, owner string, records []keys.Record) (Entry, error)
	// End forgets the keys of an entry as it was read, whose subscription has ended at this time: they are deleted in AWS.
	// Those of an earlier process that the journal cannot read yet become [keys.Deleting] when it can. Records without a key
	// stay. Durable as Write is. Errors: those of Write; with [ErrMoved] the entry may have further keys.
	End(ctx context.Context, from Entry, at time.Time) error
	// Entries gives the records that the filter chooses, by subscription; open leaves out those with nothing to do and
	// nothing to see, and may be behind by a moment. No entry of it is good for a decision: read it again.
	Entries(ctx context.Context, filter Filter, open bool) ([]Entry, error)
}

// Records gives the records of [KeyJournal.Entries], oldest CreatedAt first, then by ID.
func Records(ctx context.Context, journal KeyJournal, filter Filter, open bool) ([]keys.Record, error) {
	entries, err := journal.Entries(ctx, filter, open)
	return RecordsOf(entries), err
}

// RecordsOf gives the records of entries, oldest CreatedAt first, then by ID.
func RecordsOf(entries []Entry) []keys.Record {
	var all []keys.Record
	for _, e := range entries {
		all = append(all, e.Records...)
	}
	slices.SortFunc(all, keys.Compare)
	return all
}

// Entry implements [KeyJournal].
func (s *FileStore) Entry(_ context.Context, of keys.Subscription) (Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.entry(of), nil
}

// entry is what is known of a subscription's keys.
func (st *state) entry(of keys.Subscription) Entry {
	e := Entry{Of: of, Version: Version{Number: st.versions[of]}}
	for row := range st.recordsOf[of] {
		e.Records = append(e.Records, st.keys.byKey[row])
	}
	slices.SortFunc(e.Records, keys.Compare)
	return e
}

// Write implements [KeyJournal]. There is no other owner than this process.
func (s *FileStore) Write(_ context.Context, from Entry, _ string, records []keys.Record) (after Entry, err error) {
	err = s.write(func(st *state) ([]Change, error) {
		now := st.entry(from.Of)
		if now.Version != from.Version {
			return nil, &MovedError{Now: now}
		}
		next, err := from.With(records)
		if err != nil {
			return nil, err
		}
		var changes []Change
		for _, before := range now.Records {
			if !slices.ContainsFunc(next.Records, func(r keys.Record) bool { return r.ID == before.ID }) {
				changes = append(changes, st.keys.remove(before.ID)...)
			}
		}
		for _, r := range next.Records {
			if before, there := st.keys.get(r.ID); there && before == r {
				continue
			}
			if err := checkID(tableKeys, r.Integration); err != nil {
				return nil, err
			}
			set, err := st.keys.set(r, r.ID)
			if err != nil {
				return nil, err
			}
			changes = append(changes, set...)
		}
		return changes, nil
	}, func(st *state) { after = st.entry(from.Of) })
	return after, err
}

// maxEnded bounds the subscriptions whose end is remembered for a journal that cannot be read: as many as an account has
// keys at most. Beyond that, what only that journal knows stays.
const maxEnded = 10_000

// End implements [KeyJournal]. Nobody else adds keys to an entry that is being ended.
func (s *FileStore) End(_ context.Context, from Entry, at time.Time) error {
	return s.write(func(st *state) ([]Change, error) {
		if !s.known && len(s.endedSubscriptions) < maxEnded {
			s.endedSubscriptions[from.Of] = at
		}
		var changes []Change
		for _, rec := range st.entry(from.Of).Records {
			if rec.KeyID != "" {
				changes = append(changes, st.keys.remove(rec.ID)...)
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

// Entries implements [KeyJournal].
func (s *FileStore) Entries(_ context.Context, filter Filter, _ bool) ([]Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Entry
	for of := range s.state.recordsOf {
		e := s.state.entry(of)
		e.Records = slices.DeleteFunc(e.Records, func(r keys.Record) bool { return !filter.Matches(r) })
		if len(e.Records) > 0 {
			found = append(found, e)
		}
	}
	return found, nil
}
