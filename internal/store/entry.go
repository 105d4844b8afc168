package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"federation-agent/internal/keys"
)

// Version tells the writes of one entry apart. The number orders them; the token is random, so that an entry that was
// removed and made again is not taken for the old one. The zero Version is that of an entry that is not there.
type Version struct {
	Number int64
	Token  string
}

// Entry is what the journal has of the keys of one subscription.
type Entry struct {
	Of      keys.Subscription
	Version Version
	// Owner is the member that makes or deletes these keys; empty: nobody does.
	Owner string
	// Records are those that this version of the agent can read, the oldest first.
	Records []keys.Record
	// Unknown is how many it cannot read, since a newer version wrote them. They are left alone.
	Unknown int
}

var (
	// ErrMoved: somebody else has written meanwhile. Nothing was written, or it was and has been changed since. A
	// [*MovedError] says what is there now, and that decides.
	ErrMoved = errors.New("the journal has changed meanwhile")
	// ErrNotWritten: the medium has surely not taken the write.
	ErrNotWritten = errors.New("the journal cannot be written")
	// ErrUnknown: nobody knows whether the medium has taken the write, or still will.
	ErrUnknown = errors.New("whether the journal was written is not known")
)

// MovedError is [ErrMoved] with what is there instead.
type MovedError struct{ Now Entry }

func (e *MovedError) Error() string {
	return fmt.Sprintf("%v: subscription %s", ErrMoved, e.Now.Of.ID)
}

// Is implements the errors package's interface.
func (e *MovedError) Is(target error) bool { return target == ErrMoved }

// With is the entry with other records, in their order. Errors: [ErrInvalid], [ErrTransition].
func (e Entry) With(records []keys.Record) (Entry, error) {
	next := e
	next.Records = slices.Clone(records)
	slices.SortFunc(next.Records, keys.Compare)
	for n, r := range next.Records {
		if r.ID == "" || !r.State.Valid() || r.Subscription() != e.Of {
			return next, fmt.Errorf("%w: key record %q of subscription %q in state %q", ErrInvalid, r.ID, r.SubscriptionID, r.State)
		}
		i := slices.IndexFunc(e.Records, func(before keys.Record) bool { return before.ID == r.ID })
		if i >= 0 && !e.Records[i].State.CanBecome(r.State) {
			return next, fmt.Errorf("%w: key record %s is %s and cannot become %s",
				ErrTransition, r.ID, e.Records[i].State, r.State)
		}
		next.Records[n].CreatedAt, next.Records[n].UpdatedAt = r.CreatedAt.UTC(), r.UpdatedAt.UTC()
	}
	return next, nil
}

// Replace writes another record in place of one, or removes it where there is none; one without a state is new. The entry
// is as it was read or written last. Others may write to it meanwhile: while the record itself is in its state, the
// change is right all the same. What comes back is the entry as it is then, also with an error. Errors: those of
// [KeyJournal.Write]; [ErrMoved] where the record is in another state, or is gone.
func Replace(ctx context.Context, journal KeyJournal, e Entry, from keys.Record, to *keys.Record) (Entry, error) {
	for {
		records := slices.Clone(e.Records)
		n := slices.IndexFunc(records, func(r keys.Record) bool { return r.ID == from.ID })
		switch {
		case from.State == "" && n < 0:
			records = append(records, *to)
		case n < 0 && to == nil:
			return e, nil
		case n < 0 || records[n].State != from.State:
			return e, &MovedError{Now: e}
		case to == nil:
			records = slices.Delete(records, n, n+1)
		default:
			records[n] = *to
		}
		after, err := journal.Write(ctx, e, e.Owner, records)
		if err == nil {
			return after, nil
		}
		moved, ok := errors.AsType[*MovedError](err)
		if !ok {
			return e, err
		}
		e = moved.Now
	}
}
