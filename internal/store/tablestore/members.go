package tablestore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"federation-agent/internal/members"
	"federation-agent/internal/store"
	"federation-agent/internal/table"
)

const (
	partitionMembers = "member"

	attributeCount        = "count"
	attributeAgentVersion = "agent"
	attributeHost         = "host"
	attributeReady        = "ready"

	// forgotten is how long the item of a process that ended without a word is kept.
	forgotten = 24 * time.Hour
)

// Raise shows a member to the others, whose counter must be in the table as it was raised last: else the table is another
// one, or an older one, by now. Now is the wall clock; it says when AWS may delete the item. Errors:
// [store.ErrNotWritten], [store.ErrUnknown].
func (s *Store) Raise(ctx context.Context, m members.Member, now time.Time) error {
	if s.gate.isShut() != nil {
		if err := s.check(ctx); err != nil {
			return fmt.Errorf("%w: %w", store.ErrNotWritten, err)
		}
	}
	err := s.raise(ctx, m, now)
	if refused, is := errors.AsType[*table.RefusedError](err); is {
		if count := refused.Item[attributeCount].Number(); count > s.lastRaise(m.ID) {
			s.noteRaise(m.ID, count) // the answer to that one was lost
		} else {
			s.gate.shut(errors.New("the journal's table has not what this process has written to it: it is looked at"))
			if err := s.check(ctx); err != nil {
				return fmt.Errorf("%w: %w", store.ErrNotWritten, err)
			}
			s.noteRaise(m.ID, 0)
		}
		err = s.raise(ctx, m, now)
	}
	switch {
	case err == nil:
		s.noteRaise(m.ID, m.Count)
		s.checkIfDue(ctx)
		return nil
	case errors.Is(err, table.ErrUnknown):
		return fmt.Errorf("%w: %w", store.ErrUnknown, err)
	}
	return fmt.Errorf("%w: %w", store.ErrNotWritten, err)
}

// checkIfDue looks at the table every [checkEvery]. A look that fails is no reason to stop: the counter says more.
func (s *Store) checkIfDue(ctx context.Context) {
	s.mu.Lock()
	due := !s.checked.IsZero() && time.Since(s.checked) >= checkEvery
	if due {
		s.checked = time.Now()
	}
	s.mu.Unlock()
	if due {
		_ = s.check(ctx) // what lasts shuts the gate, and is told by the next raise
	}
}

func (s *Store) raise(ctx context.Context, m members.Member, now time.Time) error {
	var on table.Condition
	if last := s.lastRaise(m.ID); last > 0 {
		on.Equal = table.Item{attributeCount: table.Number(last)}
	}
	return s.items.Update(ctx, memberKey(m.ID), table.Change{If: on, Set: table.Item{
		attributeCount: table.Number(m.Count), attributeAgentVersion: table.Text(m.Version),
		attributeHost: table.Text(m.Host), attributeReady: table.Text(strings.Join(m.Ready, " ")),
		table.Expires: table.Number(now.Add(forgotten).Unix()),
	}})
}

func (s *Store) lastRaise(id string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.raised[id]
}

func (s *Store) noteRaise(id string, count int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raised[id] = count
}

// Members gives all that have not left.
func (s *Store) Members(ctx context.Context) ([]members.Member, error) {
	found, err := s.items.Query(ctx, table.Query{Partition: partitionMembers})
	if err != nil {
		return nil, err
	}
	all := make([]members.Member, len(found))
	for n, f := range found {
		all[n] = members.Member{
			ID: f.Key.Sort, Count: f.Item[attributeCount].Number(), Version: f.Item[attributeAgentVersion].Text(),
			Host: f.Item[attributeHost].Text(), Ready: strings.Fields(f.Item[attributeReady].Text()),
		}
	}
	return all, nil
}

// Leave takes a member out at its orderly end, so that nobody waits for it, nor for what it has of a quota.
func (s *Store) Leave(ctx context.Context, id string) error {
	return errors.Join(s.items.Delete(ctx, memberKey(id), table.Condition{}), s.giveBack(ctx, id))
}

func memberKey(id string) table.Key { return table.Key{Partition: partitionMembers, Sort: id} }
