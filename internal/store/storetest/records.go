package storetest

import (
	"context"
	"errors"
	"slices"

	"federation-agent/internal/keys"
	"federation-agent/internal/store"
)

// Put writes a record as it is to be, whatever it is now. Errors: those of [store.KeyJournal.Write].
func Put(s store.KeyJournal, rec keys.Record) error {
	before, err := s.Entry(context.Background(), rec.Subscription())
	if err != nil {
		return err
	}
	records := slices.DeleteFunc(slices.Clone(before.Records), func(r keys.Record) bool { return r.ID == rec.ID })
	_, err = store.Policy{KeyJournal: s}.Write(context.Background(), before, before.Owner, append(records, rec))
	if errors.Is(err, store.ErrMoved) {
		return Put(s, rec)
	}
	return err
}

// Remove forgets a record; one that is not there is no error. Errors: those of [store.KeyJournal.Write].
func Remove(s store.KeyJournal, id string) error {
	entries, err := s.Entries(context.Background(), store.Filter{}, false)
	if err != nil {
		return err
	}
	for _, e := range entries {
		for _, r := range e.Records {
			if r.ID == id {
				_, err = store.Strike(context.Background(), store.Policy{KeyJournal: s}, e, r.ID)
			}
		}
	}
	return err
}

// Records gives the records that a filter chooses. Errors: the journal's.
func Records(s store.KeyJournal, f store.Filter) ([]keys.Record, error) {
	return store.Records(context.Background(), s, f, false)
}
