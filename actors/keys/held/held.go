// Package held is the entry of one subscription in the key journal, as one process among several reads, writes and owns
// it. It calls neither AWS nor APIM; its holder is the subscription's saga.
//
// What several processes that share a journal owe each other: every write follows on what was read, or is refused, and an
// entry has an owner while anything of it is under way. B takes over what A had when A's counter has stood still for 15 s
// (internal/members); A may only have been frozen, and comes back.
//
//	state when B takes over    B does               A comes back and                     which makes it right
//	-------------------------  -------------------  -----------------------------------  ---------------------------------
//	intent                     forgets it           asks for creating: refused           creating changes what is there
//	creating                   lists a lost create  has a key: created is refused        A deletes it, and strikes the list
//	created, attached          deletes the key      attaches, or answered is refused     the answer leaves behind answered
//	answered, reply not sent   lists unconfirmed    sends it; its pong makes delivered   B never deletes it
//	answered, never left       lists unconfirmed    deletes its key                      A strikes the list: only A knows
//	answered, and B refuses    lists it contested   sends it; its pong changes nothing   APIM may have read the refusal first
//	delivered, unconfirmed     nothing              -                                    settled entries have no owner
//	deleting                   deletes the key      deletes it again: 404                DeleteApiKey can be repeated
//
// Only the maker of a key knows its value, so only the maker ever answers with it. An UNSUBSCRIBE outranks an owner.
package held

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"federation-agent/actors/life"
	"federation-agent/internal/keys"
	"federation-agent/internal/store"
)

var (
	// ErrJournal is behind every error of a write that announces a step.
	ErrJournal = errors.New("writing the key journal")
	errCutOff  = fmt.Errorf("%w: its table (agent.store.table.name) has not confirmed for some seconds that this agent is "+
		"alive; try again", ErrJournal)
)

// Entry is for one goroutine.
type Entry struct {
	env *life.Env
	is  store.Entry // as it was read or written last
	by  time.Time
}

// New is the entry of a subscription, of which nothing is known before [Entry.Read].
func New(env *life.Env, of keys.Subscription) *Entry {
	return &Entry{env: env, is: store.Entry{Of: of}}
}

// Until sets when what is written for a SUBSCRIBE is of no use any more; zero for all else. It bounds reads and changes.
func (e *Entry) Until(by time.Time) { e.by = by }

func (e *Entry) within() (context.Context, context.CancelFunc) {
	if e.by.IsZero() {
		return e.env.Life, func() {}
	}
	return context.WithDeadline(e.env.Life, e.by)
}

// Records is what was read or written last, the oldest first. The caller may change it.
func (e *Entry) Records() []keys.Record { return slices.Clone(e.is.Records) }

// Has reports whether there was a record then.
func (e *Entry) Has(id string) bool {
	return slices.ContainsFunc(e.is.Records, func(r keys.Record) bool { return r.ID == id })
}

// Read is what the journal has of the subscription now, the oldest first. With an error it is what was known before.
func (e *Entry) Read() ([]keys.Record, error) {
	ctx, done := e.within()
	defer done()
	now, err := e.env.Keys.Entry(ctx, e.is.Of)
	if err != nil {
		return nil, fmt.Errorf("reading the key journal: %w", err)
	}
	e.is = now
	return e.Records(), nil
}

// Change writes another record in place of one; see [store.Replace].
func (e *Entry) Change(from keys.Record, to *keys.Record) (err error) {
	ctx, done := e.within()
	defer done()
	e.is, err = store.Replace(ctx, e.env.Keys, e.env.Member.ID(), e.is, from, to)
	return err
}

// Write writes a record's next state down. Without an error, the record is as it was written. Errors: [ErrJournal] behind
// those of [store.Replace], which alone is the error of an intent where something else was written before.
func (e *Entry) Write(record *keys.Record, state keys.State, reason string) error {
	if err := e.Stands(); err != nil && state.Announces() {
		return err
	}
	next := record.Become(state, cmp.Or(reason, record.Reason), e.env.Now())
	err := e.Change(*record, &next)
	switch moved := errors.Is(err, store.ErrMoved); {
	case err == nil:
		*record = next
		return nil
	case moved && state == keys.Intent:
		return err // see Begin
	case moved:
		e.env.Log.Info("another agent has written about this API key first, or has taken its subscription over: what it wrote counts",
			life.LogState, state, life.LogKey, record.KeyID, life.LogKeyName, record.KeyName, life.LogSubscription, e.is.Of.ID)
	default:
		e.env.Lasting.Error("cannot write a key's state to the journal", life.LogState, state, life.LogKey, record.KeyID,
			life.LogKeyName, record.KeyName, life.LogError, err)
	}
	return fmt.Errorf("%w: %w", ErrJournal, err)
}

// Strike removes a record whoever has the entry; see [store.Strike].
func (e *Entry) Strike(id string) (err error) {
	e.is, err = store.Strike(e.env.Life, e.env.Keys, e.is, id)
	return err
}

// End has the journal know that the keys of the entry, as it is known, are gone. With [store.ErrMoved] it may have further
// ones, and is known again.
func (e *Entry) End() error {
	ctx, done := e.within()
	defer done()
	err := e.env.Keys.End(ctx, e.is, e.env.Now())
	if moved, is := errors.AsType[*store.MovedError](err); is {
		e.is = moved.Now
	} else if err != nil {
		e.env.Lasting.Error("cannot remove the keys of a subscription from the key journal",
			life.LogSubscription, e.is.Of.ID, life.LogError, err)
	}
	return err
}
