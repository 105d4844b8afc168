package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"federation-agent/internal/keys"
)

// Policy decides what follows while a journal takes writes in memory only ([ErrInMemory]): keys are made all the same, or
// none is made that a crash would make the agent forget. What ends a key goes on in either case. A journal that several
// processes share takes no write in memory: what one cannot write the others do not know, and two would make a key each.
type Policy struct {
	KeyJournal

	// Required: no key is made (agent.store.required).
	Required bool
}

// Write implements [KeyJournal].
func (p Policy) Write(ctx context.Context, from Entry, owner string, records []keys.Record) (Entry, error) {
	after, err := p.KeyJournal.Write(ctx, from, owner, records)
	switch {
	case !errors.Is(err, ErrInMemory):
		return after, err
	case !p.Required || !makes(from.Records, records):
		return after, nil
	}
	// The step will not be taken. A state that cannot be taken back is what a crash at this moment would leave.
	if back, undone := p.KeyJournal.Write(ctx, after, from.Owner, from.Records); undone == nil || errors.Is(undone, ErrInMemory) {
		after = back
	}
	return after, fmt.Errorf("%w, and agent.store.required is on", err)
}

// End implements [KeyJournal].
func (p Policy) End(ctx context.Context, from Entry, at time.Time) error {
	if err := p.KeyJournal.End(ctx, from, at); !errors.Is(err, ErrInMemory) {
		return err
	}
	return nil
}

// makes reports whether a step in the making of a key follows what is written.
func makes(before, records []keys.Record) bool {
	return slices.ContainsFunc(records, func(r keys.Record) bool {
		return r.State.Makes() && !slices.Contains(before, r)
	})
}
