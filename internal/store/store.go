// Package store remembers what must outlive a session or the process: the keys that are made and deleted
// ([KeyJournal]), the ingests that run and what they have sent ([Ingests]), the last listings ([Listings]), and, apart
// from those and disposable, the exported documents ([ExportCache]).
//
// The interfaces say what a caller may rely on, also while others write. [FileStore] implements the first three for one
// process that has a file for itself.
//
// Times come from the caller. No key value and no credential is stored: a [keys.Record] knows AWS's id of a key, never
// its value.
package store

import "errors"

// Errors of a store. A full, broken or missing disk is [ErrInMemory], and shows in the store's [Health].
var (
	// ErrInvalid: the record cannot be written (no id, an unknown state, a time outside the calendar).
	ErrInvalid = errors.New("invalid record")
	// ErrTransition: the record's state does not allow the next one (see [keys.State]).
	ErrTransition = errors.New("state not allowed here")
	// ErrUnknownJob: there is no such ingest job, or it has ended.
	ErrUnknownJob = errors.New("no such ingest job")
	// ErrFenced: this incarnation of the agent has ended and must not act any longer.
	ErrFenced = errors.New("store is fenced: this incarnation has ended")
	// ErrNewer: the journal was written by a newer version of the agent.
	ErrNewer = errors.New("the journal was written by a newer version of the agent")
	// ErrDamaged: a part of what is asked for cannot be read. It is left out.
	ErrDamaged = errors.New("a part of the journal cannot be read")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
)

// Health says what a store can promise.
type Health struct {
	// Durable is true while what is written outlives the process.
	Durable bool
	// Messages are for people: why it is not durable, what follows from that, and what was lost at the start.
	Messages []string
}
