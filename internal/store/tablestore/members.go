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
	attributeReady        = "ready"

	// forgotten is how long the item of a process that ended without a word is kept.
	forgotten = 24 * time.Hour
)

// Raise shows a member to the others. Now is the wall clock; it says when AWS may delete the item. Errors:
// [store.ErrNotWritten], [store.ErrUnknown].
func (s *Store) Raise(ctx context.Context, m members.Member, now time.Time) error {
	err := s.items.Update(ctx, memberKey(m.ID), table.Change{Set: table.Item{
		attributeCount: table.Number(m.Count), attributeAgentVersion: table.Text(m.Version),
		attributeReady: table.Text(strings.Join(m.Ready, " ")), table.Expires: table.Number(now.Add(forgotten).Unix()),
	}})
	switch {
	case errors.Is(err, table.ErrNotWritten):
		return fmt.Errorf("%w: %w", store.ErrNotWritten, err)
	case err != nil:
		return fmt.Errorf("%w: %w", store.ErrUnknown, err)
	}
	return nil
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
			Ready: strings.Fields(f.Item[attributeReady].Text()),
		}
	}
	return all, nil
}

// Leave takes a member out at its orderly end, so that nobody waits for it.
func (s *Store) Leave(ctx context.Context, id string) error {
	return s.items.Delete(ctx, memberKey(id), table.Condition{})
}

func memberKey(id string) table.Key { return table.Key{Partition: partitionMembers, Sort: id} }
