// Package tablestore is the store of several agents: a table of DynamoDB. It implements the interfaces of package store.
//
// Each entry has a version, and is written only where nobody has written since it was read. What decides is read
// consistently and by primary key.
package tablestore

import (
	"sync"

	"federation-agent/internal/table"
)

// Store keeps the journal in a table. It is safe for concurrent use, also by several processes.
type Store struct {
	items table.Items
	// token gives a random text that no other write has.
	token func() string

	mu      sync.Mutex
	courses map[string]*course // by integration
	// listings are the heads as this process last wrote or read them.
	listings map[table.Key]listing
}

// New makes a store over a table.
func New(items table.Items, token func() string) *Store {
	return &Store{items: items, token: token, courses: map[string]*course{}, listings: map[table.Key]listing{}}
}
