package keys

import (
	"errors"
	"fmt"
	"time"

	"federation-agent/actors/quota"
	"federation-agent/internal/keys"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

// What several processes that share a journal owe each other. Every write follows on what was read, or is refused, and an
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
//	delivered, unconfirmed     nothing              -                                    settled entries have no owner
//	deleting                   deletes the key      deletes it again: 404                DeleteApiKey can be repeated
//
// Only the maker of a key knows its value, so only the maker ever answers with it. An UNSUBSCRIBE outranks an owner.

const (
	// awaitEvery is how often the entry of another process is read again by a SUBSCRIBE that waits for it.
	awaitEvery = 500 * time.Millisecond
	// awaitMargin is how long before its deadline a SUBSCRIBE stops to wait, and takes over.
	awaitMargin = 5 * time.Second
)

var (
	errElsewhere = errors.New("another agent is making an API key for the same subscription; try again")
	errAnswered  = errors.New(
		"another SUBSCRIBE of the same subscription came before this one and was answered with an API key")
)

// others reports whether another process is at work on the subscription.
func (s *saga) others() bool { return s.env.Member.Others(time.Now(), s.entry.Owner) }

// await waits until no other process is at work on the subscription. It must not be refused at once: an ERROR that APIM
// reads before the other's answer rejects the subscription, and the other's key is one that nobody has. Without an error
// there is none under way, and none was answered since the journal had the records of before.
func (s *saga) await(m task, c messages.Subscribe, before []keys.Record) error {
	for s.others() {
		if time.Until(c.AnswerBy) < awaitMargin {
			if err := s.takeOver(); err != nil {
				return err
			}
			s.settle()
			return errElsewhere
		}
		select {
		case <-m.wanted.Done():
			return quota.ErrUnwanted
		case <-time.After(awaitEvery):
		}
		if _, err := s.records(); err != nil {
			return err
		}
	}
	if s.entry.Owner != s.env.Member.ID() && s.entry.Owner != "" { // it is gone
		s.settle()
	}
	if s.env.Member != nil && keys.AnsweredSince(before, s.entry.Records) {
		return errAnswered
	}
	return nil
}

// begin writes down that a key is to be made, where nothing has changed since the journal was read: that took a while ago,
// for the plan was checked. Another process may have answered meanwhile, or have begun.
func (s *saga) begin(m task, c messages.Subscribe, record *keys.Record, before []keys.Record) error {
	err := store.ErrMoved
	for errors.Is(err, store.ErrMoved) {
		if err := s.await(m, c, before); err != nil {
			return err
		}
		record.CreatedAt = keys.After(s.entry.Records, s.env.Now())
		err = s.write(record, keys.Intent, "")
	}
	if err != nil {
		return fmt.Errorf("%w; no key is made that could be forgotten", err)
	}
	return nil
}

// takeOver makes this process the owner of the entry. Its former owner's next write is refused.
func (s *saga) takeOver() (err error) {
	s.entry, err = store.TakeOver(s.env.Life, s.env.Keys, s.env.Member.ID(), s.entry)
	return err
}
