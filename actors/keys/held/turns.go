package held

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"federation-agent/actors/quota"
	"federation-agent/internal/keys"
	"federation-agent/internal/store"
	"federation-agent/internal/table"
)

// Whose turn it is: when a process may act, waits for another one, or takes its place.

const (
	// awayMargin is how long before its deadline a SUBSCRIBE stops to wait for the journal: after 8 s. What is throttled, or
	// wakes up, is back by then; and APIM rejects for good what is refused.
	awayMargin = 42 * time.Second
	// awaitEvery is how often the entry of another process is read again by a SUBSCRIBE that waits for it.
	awaitEvery = 500 * time.Millisecond
	// awaitMargin is how long before its deadline a SUBSCRIBE stops to wait, and takes over.
	awaitMargin = 5 * time.Second
)

var (
	errElsewhere = errors.New("another agent is making an API key for the same subscription; try again")
	// ErrAnswered refuses a SUBSCRIBE beside another one that has its key.
	ErrAnswered = errors.New(
		"another SUBSCRIBE of the same subscription came before this one and was answered with an API key")
)

// Elsewhere reports whether a SUBSCRIBE came to nothing because another one, or another agent, has the subscription. It is as
// it should be.
func Elsewhere(err error) bool {
	return errors.Is(err, errElsewhere) || errors.Is(err, ErrAnswered) || errors.Is(err, store.ErrMoved)
}

// Turn is a SUBSCRIBE's.
type Turn struct {
	// Wanted ends when its answer is not needed any more; AnswerBy is when it must be answered.
	Wanted   context.Context
	AnswerBy time.Time
	// Before is what the journal had when the SUBSCRIBE was taken up; see [Entry.Ready].
	Before []keys.Record
	// Settle does what is left to do for records that were taken over. List lists a key that APIM may or may not have.
	Settle func()
	List   func(record *keys.Record, why string)
}

// Stands is an error where this process may not act: others may think that it is gone.
func (e *Entry) Stands() error {
	if e.env.Member.Stands(time.Now()) {
		return nil
	}
	return errCutOff
}

// others reports whether another process is at work on the subscription.
func (e *Entry) others() bool { return e.env.Member.Others(time.Now(), e.is.Owner) }

// takeOver makes this process the owner of the entry. Its former owner's next write is refused.
func (e *Entry) takeOver() (err error) {
	e.is, err = store.TakeOver(e.env.Life, e.env.Keys, e.env.Member.ID(), e.is)
	return err
}

// Free reports that no other process is at work on the subscription. What one has left that is gone is this one's then.
func (e *Entry) Free() (bool, error) {
	switch {
	case e.others():
		return false, nil
	case e.mine():
		return true, nil
	}
	if err := e.takeOver(); !errors.Is(err, store.ErrMoved) {
		return true, err
	}
	return false, nil // a third one was faster
}

// Ready begins a SUBSCRIBE's turn: it reads what the journal has of the subscription, and waits for it while there is
// time.
func (e *Entry) Ready(t *Turn) (err error) {
	for {
		t.Before, err = e.Read()
		if err == nil {
			err = e.Stands()
		}
		if away := table.Away(err); err == nil || away != nil && away.Why.Lasts() || time.Until(t.AnswerBy) < awayMargin {
			return err
		}
		select {
		case <-t.Wanted.Done():
			return quota.ErrUnwanted
		case <-time.After(awaitEvery):
		}
	}
}

// Await waits until no other process is at work on the subscription. It must not be refused at once: an ERROR that APIM
// reads before the other's answer rejects the subscription, and the other's key is one that nobody has. What one has left
// that is gone is settled first. Without an error there is none under way, and none was answered since the turn began.
func (e *Entry) Await(t Turn) error {
	before := e.by
	e.Until(t.AnswerBy)
	defer e.Until(before)
	for !e.mine() {
		unwanted := t.Wanted.Err() != nil // it was refused for this process, or APIM lost the session and did so itself
		late := unwanted || time.Until(t.AnswerBy) < awaitMargin
		if late && e.others() {
			if err := e.takeOver(); err != nil {
				return err
			}
			e.contest(t)
		}
		if late || !e.others() {
			t.Settle()
		}
		switch {
		case unwanted:
			return quota.ErrUnwanted
		case late:
			return errElsewhere
		case e.mine():
			continue
		}
		select {
		case <-t.Wanted.Done():
			continue
		case <-time.After(awaitEvery):
		}
		_, _ = e.Read() // while it cannot be read, the other one may be at work
	}
	if e.env.Member != nil && keys.AnsweredSince(t.Before, e.is.Records) {
		e.contest(t)
		return ErrAnswered
	}
	return nil
}

// mine reports that the entry is this process's, or nobody's.
func (e *Entry) mine() bool { return e.is.Owner == "" || e.is.Owner == e.env.Member.ID() }

// contest lists the keys that a refusal of this SUBSCRIBE may cost: APIM rejects a subscription at the first refusal, and
// throws away the answer that it reads then. It comes before the refusal, so that no proof of delivery counts behind it.
// Where it comes behind it, no proof counts at all.
func (e *Entry) contest(t Turn) {
	for _, r := range keys.Contested(t.Before, e.is.Records, t.Wanted.Err() != nil) {
		t.List(&r, "another SUBSCRIBE of the subscription was refused before it was known whether APIM had read this answer")
	}
}

// Begin writes down that a key is to be made, where nothing has changed since the journal was read: that was a while ago,
// for the plan was checked. Another process may have answered meanwhile, or have begun. The record may be there already,
// where the answer to its writing was lost.
func (e *Entry) Begin(t Turn, record *keys.Record) error {
	fresh, err := *record, store.ErrMoved
	for errors.Is(err, store.ErrMoved) {
		if err := e.Await(t); err != nil {
			return err
		}
		*record = fresh
		if n := slices.IndexFunc(e.is.Records, func(r keys.Record) bool { return r.ID == fresh.ID }); n >= 0 {
			if *record = e.is.Records[n]; record.State != keys.Intent {
				return errElsewhere
			}
		}
		record.CreatedAt = keys.After(e.is.Records, e.env.Now())
		err = e.Write(record, keys.Intent, "")
	}
	if err != nil {
		return fmt.Errorf("%w; no key is made that could be forgotten", err)
	}
	return nil
}
