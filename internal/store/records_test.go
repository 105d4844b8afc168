package store

import (
	"context"
	"errors"

	"federation-agent/internal/keys"
)

// put writes a record as it is to be, whatever it is now.
func put(s *FileStore, rec keys.Record) error {
	before, err := s.Entry(context.Background(), rec.Subscription())
	if err != nil {
		return err
	}
	var records []keys.Record
	for _, r := range before.Records {
		if r.ID != rec.ID {
			records = append(records, r)
		}
	}
	_, err = Policy{KeyJournal: s}.Write(context.Background(), before, "", append(records, rec))
	if errors.Is(err, ErrMoved) {
		return put(s, rec)
	}
	return err
}

// removeKey forgets a record.
func removeKey(s *FileStore, id string) error {
	entries, err := s.Entries(context.Background(), Filter{}, false)
	if err != nil {
		return err
	}
	for _, e := range entries {
		for _, r := range e.Records {
			if r.ID == id {
				_, err = Strike(context.Background(), Policy{KeyJournal: s}, e, r.ID)
			}
		}
	}
	return err
}

func recordsIn(s *FileStore, f Filter) ([]keys.Record, error) {
	return Records(context.Background(), s, f, false)
}
