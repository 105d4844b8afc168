package node

import (
	"time"

	"federation-agent/internal/keys"
)

// backlog is an integration's keys in the states that pass, or that somebody must end, by state.
type backlog map[keyState]waiting

// keyState is a state as pages and metrics name it.
type keyState string

const (
	// keyPending: the key is being made or answered.
	keyPending     keyState = "pending"
	keyDeleting    keyState = "deleting"
	keyUnconfirmed keyState = "unconfirmed"
	keyLostCreate  keyState = "lost_create"
)

// waiting is the keys in one state.
type waiting struct {
	Count int `json:"count"`
	// Oldest is since when the oldest is in it: for one that is being deleted since it is to be deleted, for the others
	// since it was to be made.
	Oldest time.Time `json:"oldest,omitzero"`
}

// with counts a record. It may make the map.
func (b backlog) with(r keys.Record) backlog {
	if b == nil { // of an integration that is not configured any more
		b = backlog{}
	}
	state, since := keyPending, r.CreatedAt
	switch r.State {
	case keys.Deleting:
		state, since = keyDeleting, r.UpdatedAt
	case keys.Unconfirmed:
		state = keyUnconfirmed
	case keys.LostCreate:
		state = keyLostCreate
	default: // the others are being made or answered
	}
	w := b[state]
	if w.Count == 0 || since.Before(w.Oldest) {
		w.Oldest = since
	}
	w.Count++
	b[state] = w
	return b
}
