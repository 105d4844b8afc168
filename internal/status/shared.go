package status

import (
	"slices"
	"time"
)

// Shared is what is noted of a journal that several processes share.
type Shared struct {
	// ID is this process among the members.
	ID string `json:"id"`
	// Host is the name of this process's machine, as the others see it.
	Host string `json:"host,omitempty"`
	// Table and Region are where the journal is.
	Table  string `json:"table"`
	Region string `json:"region"`
	// ConfirmedAt is when the last sign of life was sent that the table has confirmed; zero: none was yet.
	ConfirmedAt time.Time `json:"confirmedAt,omitzero"`
	// Stands is whether the process may act on it.
	Stands bool `json:"stands"`
	// Failure is why the last sign of life was not confirmed, and FailingSince since when; empty if it was.
	Failure      string    `json:"failure,omitempty"`
	FailingSince time.Time `json:"failingSince,omitzero"`
	// Unconfirmed counts those that were not confirmed.
	Unconfirmed uint64 `json:"unconfirmed"`
	// Others are the other members.
	Others []Member `json:"others"`
	TableUse
}

// Member is another process that shares the journal.
type Member struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	// Host is the name of its machine, pod or task; empty if it does not say.
	Host string `json:"host,omitempty"`
	// Ready are the integrations of which it has a session.
	Ready []string `json:"ready,omitempty"`
	// SeenAt is when it was last seen to live.
	SeenAt time.Time `json:"seenAt"`
	// Gone: it has not moved for so long that others take over what it had under way.
	Gone bool `json:"gone,omitempty"`
}

// Share notes that the journal is shared: this process among the members, and where the table is.
func (b *Board) Share(s Shared) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Others, s.TableUse = []Member{}, newTableUse()
	b.shared = &s
}

// Raised notes how a sign of life went that was sent at an instant, and whether the process may act.
func (b *Board) Raised(sent time.Time, failure string, stands bool) {
	b.withShared(func(s *Shared) {
		s.Stands = stands
		if failure == "" {
			s.ConfirmedAt, s.Failure, s.FailingSince = sent.UTC(), "", time.Time{}
			return
		}
		if s.Failure == "" {
			s.FailingSince = sent.UTC()
		}
		s.Failure = cut(failure)
		s.Unconfirmed++
	})
}

// TableFailure is why the table did not confirm the last sign of life; empty if it did, or there is no table.
func (b *Board) TableFailure() (why string) {
	b.withShared(func(s *Shared) { why = s.Failure })
	return why
}

// Members notes the other members. The caller leaves the list alone from then on.
func (b *Board) Members(others []Member) { b.withShared(func(s *Shared) { s.Others = others }) }

// Ready gives the integrations that have a session to APIM which is to stay.
func (b *Board) Ready() (ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range b.order {
		if s := b.integrations[id].Session; s.State == Up && !s.Leaving {
			ids = append(ids, id)
		}
	}
	return ids
}

// clone is nil for a journal that is not shared.
func (s *Shared) clone() *Shared {
	if s == nil {
		return nil
	}
	out := *s
	out.Others, out.TableUse = slices.Clone(s.Others), s.TableUse.clone()
	return &out
}
