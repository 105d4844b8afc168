package keys

import (
	"errors"
	"maps"
	"slices"
	"time"

	"federation-agent/internal/keys"
)

// What a saga does while the journal cannot be read or written. A SUBSCRIBE waits a little, and is refused. An UNSUBSCRIBE
// deletes the key that APIM names. What then only this saga knows it keeps, and writes down once it can. If the process
// ends before, others find less than there was to know: a key that is listed though APIM has it, or an entry of a key that
// is gone. Never the other way round.

// owedCap bounds the delay until what a saga owes the journal is tried again; it begins with retryFloor. There is no
// last try. An account has 10,000 keys, so a writer has no more sagas that owe something.
const owedCap = 2 * time.Minute

// owed is what only this saga knows of a record.
type owed struct {
	// key is to be deleted in AWS: it was made, and nobody was answered with it.
	key string
	// read: the answer with the key was read. Without it there is no key.
	read bool
}

// pay does, and writes down, what is owed. Without the journal it deletes what nobody has.
func (s *saga) pay(unread error) {
	for _, id := range slices.Sorted(maps.Keys(s.owes)) {
		o := s.owes[id]
		if o.key != "" {
			if _, err := s.delete(o.key, time.Time{}); err != nil {
				continue
			}
		}
		s.owes[id] = owed{read: o.read}
		if unread != nil {
			continue
		}
		err, records := error(nil), s.entry.Records()
		if n := slices.IndexFunc(records, func(r keys.Record) bool { return r.ID == id }); n < 0 {
			// An UNSUBSCRIBE has ended it.
		} else if r := &records[n]; o.read && r.State != keys.Deleting && !r.Contested {
			err = s.entry.Write(r, keys.Delivered, "")
		} else if !o.read {
			err = s.entry.Strike(id)
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
	return errors.Join(s.endAll("", map[string]bool{s.ended: true}, time.Time{}, nil))
}
