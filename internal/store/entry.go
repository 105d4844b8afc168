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
	// ErrInMemory: the write counts for this process, and its end forgets it unless the medium comes back before. What is
	// returned with it is the entry as it is then. A policy above the store decides what follows.
	ErrInMemory = errors.New("the journal is in memory only")
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

// Has reports whether a record is in a state.
func (e Entry) Has(id string, state keys.State) bool {
	return slices.ContainsFunc(e.Records, func(r keys.Record) bool { return r.ID == id && r.State == state })
}

// Replace writes another record in place of one, or removes it where there is none; one without a state is new. A member
// does it, who owns the entry then while anything of it is under way; empty is the only member that there is. The entry
// is as it was read or written last. Others may write to it meanwhile: while the record itself is in its state, and
// the entry nobody else's, the change is right all the same, unless the record is contested since. What comes back is the
// entry as it is then, also with an error. Errors: those of [KeyJournal.Write]; [ErrMoved] where the record is in another state, or is gone, or somebody
// else has the entry. A key that is to be made follows on all that there are: there, any other write is one as well.
func Replace(
	ctx context.Context, journal KeyJournal, member string, e Entry, from keys.Record, to *keys.Record,
) (Entry, error) {
	return Amend(ctx, journal, e, func(now Entry) (Entry, error) {
		n := slices.IndexFunc(now.Records, func(r keys.Record) bool { return r.ID == from.ID })
		switch {
		case to != nil && to.State == keys.Intent && now.Version != e.Version:
			return now, &MovedError{Now: now}
		case now.Owner != "" && now.Owner != member:
			return now, &MovedError{Now: now}
		case from.State == "" && n < 0:
			now.Records = append(now.Records, *to)
		case n < 0 && to == nil:
		case n < 0 || now.Records[n].State != from.State || now.Records[n].Contested && !from.Contested:
			return now, &MovedError{Now: now}
		case to == nil:
			now.Records = slices.Delete(now.Records, n, n+1)
		default:
			now.Records[n] = *to
		}
		now.Owner = ""
		if keys.Unfinished(now.Records) {
			now.Owner = member
		}
		return now, nil
	})
}

// Strike removes a record whatever its state, and whoever has the entry: its key is gone in AWS, and only its maker can
// know that nobody ever had it. What comes back is as of [Replace].
func Strike(ctx context.Context, journal KeyJournal, e Entry, id string) (Entry, error) {
	return Amend(ctx, journal, e, func(now Entry) (Entry, error) {
		now.Records = slices.DeleteFunc(now.Records, func(r keys.Record) bool { return r.ID == id })
		if !keys.Unfinished(now.Records) {
			now.Owner = ""
		}
		return now, nil
	})
}

// TakeOver makes a member the owner of an entry whose owner is gone; one that was settled meanwhile is left so. What comes
// back is as of [Replace].
func TakeOver(ctx context.Context, journal KeyJournal, member string, e Entry) (Entry, error) {
	from := e.Owner
	return Amend(ctx, journal, e, func(now Entry) (Entry, error) {
		switch now.Owner {
		case from:
			now.Owner = member
		case "":
		default:
			return now, &MovedError{Now: now}
		}
		return now, nil
	})
}

// Amend writes an entry as decide wants it, which is asked again where somebody else came before. It may change the
// records that it is given. Nothing is written of an entry that stays as it was.
func Amend(ctx context.Context, journal KeyJournal, e Entry, decide func(Entry) (Entry, error)) (Entry, error) {
	for {
		next := e
		next.Records = slices.Clone(e.Records)
		next, err := decide(next)
		if err != nil || next.Owner == e.Owner && slices.Equal(next.Records, e.Records) {
			return e, err
		}
		after, err := journal.Write(ctx, e, next.Owner, next.Records)
		if err == nil || errors.Is(err, ErrInMemory) {
			return after, err
		}
		moved, ok := errors.AsType[*MovedError](err)
		if !ok {
			return e, err
		}
		e = moved.Now
	}
}
