// Package table is what a journal of several agents needs of a table: items that are read consistently and written on a
// condition, as DynamoDB has them. It knows nothing of what is in them, and nothing of AWS's SDK.
//
// internal/dynamodb asks AWS. A model, for tests and the simulation, is in tablesim.
package table

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Names of the attributes that are the table's own.
const (
	// PartitionKey is the first half of the primary key, a text.
	PartitionKey = "pk"
	// SortKey is the second half, a text.
	SortKey = "sk"
	// Open is the partition key of the sparse index [OpenIndex]: an item is in the index while it has the attribute.
	Open = "open"
	// OpenIndex has all attributes of the items with [Open], by it and by [SortKey]. It is always read as it was a
	// moment ago: DynamoDB reads no such index consistently.
	OpenIndex = "open"
	// Expires is the table's time to live, in Unix seconds. AWS deletes the item within days of it, and gives it out
	// until then.
	Expires = "expires"
)

// Key is the primary key of an item.
type Key struct{ Partition, Sort string }

func (k Key) String() string { return k.Partition + " " + k.Sort }

// Value is one attribute: a text, a whole number or bytes. Two values are equal if they are == to each other.
type Value struct {
	kind   kind
	text   string // also the bytes
	number int64
}

// kind is the type of an attribute.
type kind byte

const (
	text kind = 1 + iota
	number
	bytes
)

// Text is an attribute of type S.
func Text(s string) Value { return Value{kind: text, text: s} }

// Number is an attribute of type N.
func Number(n int64) Value { return Value{kind: number, number: n} }

// Bytes is an attribute of type B.
func Bytes(b []byte) Value { return Value{kind: bytes, text: string(b)} }

// Text is the value of a text; empty for anything else.
func (v Value) Text() string {
	if v.kind != text {
		return ""
	}
	return v.text
}

// Number is the value of a number; 0 for anything else.
func (v Value) Number() int64 { return v.number }

// Each calls the function of the value's type.
func (v Value) Each(ofText func(string), ofNumber func(int64), ofBytes func([]byte)) {
	switch v.kind {
	case text:
		ofText(v.text)
	case number:
		ofNumber(v.number)
	case bytes:
		ofBytes([]byte(v.text))
	}
}

// Bytes is the value of bytes; empty for anything else.
func (v Value) Bytes() []byte {
	if v.kind != bytes {
		return nil
	}
	return []byte(v.text)
}

// Item is the attributes of one item, without its primary key. Those of other types than a [Value] has are left out.
type Item map[string]Value

// Clone is a copy.
func (i Item) Clone() Item { return maps.Clone(i) }

// Condition is what must be true of an item for a write to happen: these attributes have these values, and those of
// Absent are not there. An item that does not exist has none.
type Condition struct {
	Equal  Item
	Absent []string
}

// Holds reports whether the condition is true of an item.
func (c Condition) Holds(item Item) bool {
	for name, value := range c.Equal {
		if has, there := item[name]; !there || has != value {
			return false
		}
	}
	return !slices.ContainsFunc(c.Absent, func(name string) bool { _, there := item[name]; return there })
}

// Change sets and removes attributes, and leaves all others as they are. The item is made if it is not there.
type Change struct {
	Set    Item
	Remove []string
	If     Condition
}

// Found is an item of a query.
type Found struct {
	Key  Key
	Item Item
}

// Query asks for the items of one partition, in the order of their sort keys.
type Query struct {
	// Partition is of the primary key, or the value of [Open] where Index is set.
	Partition string
	// Prefix is what the sort keys begin with; empty for all of them.
	Prefix string
	// Index reads [OpenIndex]; without it the query is consistent.
	Index bool
}

// Items are a table's items. Implementations are safe for concurrent use.
//
// Errors of a write: [*RefusedError] and [ErrNotWritten] say that nothing was written, [ErrUnknown] that nobody knows.
// Errors of a read: any other.
type Items interface {
	// Get reads an item consistently; nil if there is none.
	Get(context.Context, Key) (Item, error)
	// Update changes an item.
	Update(context.Context, Key, Change) error
	// Delete deletes an item on a condition. One that is not there is no error, where the condition is empty.
	Delete(context.Context, Key, Condition) error
	// Query gives all items that fit, or an error.
	Query(context.Context, Query) ([]Found, error)
	// Describe says what the table is. Errors: [ErrNoTable], and others.
	Describe(context.Context) (Description, error)
}

// Description is what DynamoDB says of a table.
type Description struct {
	// Name is the table's name.
	Name string
	// ID is the TableId. A restored or copied table has another one. Empty: a stand-in that gives none.
	ID string
	// Active is false while DynamoDB makes or deletes the table.
	Active bool
	// Replicas are the other regions of a global table; Consistency is how it joins them ("EVENTUAL", "STRONG"), empty
	// for a table of one region.
	Replicas    []string
	Consistency string
	// Protected: the table cannot be deleted.
	Protected bool
	// Keys says whether the primary key and the index are as a journal needs them.
	Keys bool
}

// Eventual is the [Description.Consistency] of a global table whose conditions hold in one region only.
const Eventual = "EVENTUAL"

var (
	// ErrNoTable says that there is no table of this name in the region.
	ErrNoTable = errors.New("there is no such table")
	// ErrNotWritten: the table has surely not taken the write: it was throttled, refused, or never reached.
	ErrNotWritten = errors.New("the table has not taken the write")
	// ErrUnknown: the answer to a write is lost. It may have been taken, or may still be.
	ErrUnknown = errors.New("the table's answer to a write is lost")
)

// RefusedError says that the condition of a write was not true.
type RefusedError struct {
	Key Key
	// Item is what is there instead, at the moment of the refusal; nil if there is none.
	Item Item
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the item %s has changed meanwhile", e.Key)
}
