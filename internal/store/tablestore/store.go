// Package tablestore is the store of several agents: a table of DynamoDB. It implements the interfaces of package store.
//
// Each entry has a version, and is written only where nobody has written since it was read. What decides is read
// consistently and by primary key.
package tablestore

import (
	"log/slog"
	"sync"
	"time"

	"federation-agent/internal/status"
	"federation-agent/internal/table"
)

// Store keeps the journal in a table. It is safe for concurrent use, also by several processes.
type Store struct {
	items table.Items // by way of the gate
	gate  *gate
	// token gives a random text that no other write has.
	token func() string
	log   *slog.Logger
	board *status.Board

	// checking is taken out by who looks at the table (see meta.go): it takes as long as the table does.
	checking chan struct{}

	mu      sync.Mutex
	courses map[string]*course // by integration
	// listings are the heads as this process last wrote or read them.
	listings map[table.Key]listing
	raised   map[string]int64 // the counter of a member as its last raise was confirmed
	meta     Meta
	checked  time.Time // when the table was looked at last; zero: never
}

// New makes a store over a table. A table that others use, too, must be looked at first; see [Store.Open].
func New(items table.Items, token func() string) *Store {
	g := &gate{Items: items}
	s := &Store{
		checking: make(chan struct{}, 1),
		items:    g, gate: g, token: token, log: slog.New(slog.DiscardHandler), board: status.NewBoard(),
		courses: map[string]*course{}, listings: map[table.Key]listing{}, raised: map[string]int64{},
	}
	s.checking <- struct{}{}
	return s
}
