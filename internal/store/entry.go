package store

import (
	"errors"
	"fmt"

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
