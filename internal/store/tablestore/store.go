// Package tablestore is the store of several agents: a table of DynamoDB. It implements the interfaces of package store.
//
// Each entry has a version, and is written only where nobody has written since it was read. What decides is read
// consistently and by primary key.
package tablestore

import (
	"federation-agent/internal/dynamodb"
)

// Store keeps the journal in a table. It is safe for concurrent use, also by several processes.
type Store struct {
	items dynamodb.Items
	// token gives a random text that no other write has.
	token func() string
}

// New makes a store over a table.
func New(items dynamodb.Items, token func() string) *Store { return &Store{items: items, token: token} }
