package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"federation-agent/internal/keys"
)

// ErrLocked says that another process has the file of a [FileStore].
var ErrLocked = errors.New("another process holds the store")

// Medium is what a [FileStore] writes to: a file, or a model of one. One FileStore uses it, for one call at a time.
type Medium interface {
	// Open opens it, for the first time or again after a failure, and hands over every row. A row that take refuses
	// is damaged. Notices tell people what was lost. With an error the medium cannot be written; the rows that were
	// taken by then still count.
	Open(take func(Change) error) (notices []string, err error)
	// Commit makes all changes or none, and has them on disk when it returns nil. After any other error than
	// ErrFenced it is unknown whether they are there; Commit is not called again before Open.
	Commit([]Change) error
	// Close gives the medium up.
	Close() error
}

// Options for a [FileStore]. The zero value works.
type Options struct {
	// Logger gets each change of health; nil: none is logged.
	Logger *slog.Logger
	// LockWait is how long Open waits for another process that has the file; 0 means DefaultLockWait.
	LockWait time.Duration
	// GiveWay deletes what can be had again, when the disk is full, and says how many bytes that freed; nil: nothing can.
	GiveWay func() int64
	// Volume is where the file is; nil: where the operating system has it.
	Volume Volume
}

// FileStore is a [KeyJournal], [Ingests] and [Listings] for one process: it keeps everything in memory
// and writes each change through to a [Medium]. It is safe for concurrent use; concurrent writers share a commit.
//
// It is the only writer of its medium while it has it (a file is locked for that), and the following holds for that
// reason alone. A store that several processes share can promise none of it:
//
//   - Reads are answered from memory. They never fail and never wait for the medium, so an actor may read while it
//     handles a message.
//   - The state that a key's record may have next is checked against the memory.
//   - A medium that fails costs durability, not service: writes go on in memory, [FileStore.Health] says what cannot be
//     promised, and the store goes back to the medium by itself once it works again. A write says so with [ErrInMemory]; what
//     follows decides a policy above it: [Policy], [TolerateIngests], [TolerateListings].
//   - The memory then counts: what the medium lacks is written, and what it has beyond the memory is removed, or
//     adopted if another process may have written it (see reopen).
type FileStore struct {
	opts Options

	// turn holds one token while the medium is free. It is taken before mu, never after it. It is a channel, not a mutex:
	// a simulation's medium may sleep, and in a synctest bubble time stands still while a goroutine waits for a mutex.
	turn   chan struct{}
	medium Medium
	known  bool // the medium's content was read, and no other process can have written it since
	shared bool // it was not, and another process had the medium meanwhile
	// endedSubscriptions says when subscriptions ended while the medium's content was not known; see [KeyJournal.End].
	endedSubscriptions map[keys.Subscription]time.Time
	failures           int // openings and commits that failed in a row
	skip               int // commits that pass in memory before the medium is tried again

	mu           sync.Mutex
	state        *state
	pending      map[Row]json.RawMessage // staged for the next commit, nil deletes; nothing is staged while degraded
	degraded     bool
	problem      string // why it is not durable, empty when it is
	broken       string // the same, in short
	notices      []string
	ended        error // ErrFenced or ErrClosed
	lastAckFlush time.Time
}

// withoutDisk is what follows from running in memory, in an operator's words.
const withoutDisk = "A restart before that forgets which API keys are being made or deleted (look then in AWS for keys " +
	"whose subscription APIM does not have), the ingests that run, and which plans the last ingest sent"

// maxSkip bounds how many commits pass between two tries of a failed disk. A try opens and reads the file, which at
// 25 journal writes a second would be most of the work.
const maxSkip = 64

// NewFileStore gives a store over a medium. It never fails: without a usable medium it runs in memory, says so in its
// health, and tries again.
func NewFileStore(medium Medium, opts Options) (*FileStore, Health) {
	opts.Logger = cmp.Or(opts.Logger, slog.New(slog.DiscardHandler))
	s := &FileStore{
		opts: opts, medium: medium, turn: make(chan struct{}, 1), state: newState(),
		pending: map[Row]json.RawMessage{}, known: true, endedSubscriptions: map[keys.Subscription]time.Time{},
	}
	s.turn <- struct{}{}
	s.mu.Lock()
	s.open(s.state)
	s.mu.Unlock()
	return s, s.Health()
}

// open opens the medium, hands its rows to st, and reports whether it can be written. It is called in turn and with mu,
// and gives mu up meanwhile.
func (s *FileStore) open(st *state) bool {
	s.mu.Unlock()
	notices, err := s.medium.Open(st.apply)
	s.mu.Lock()
	for _, notice := range notices {
		if !slices.Contains(s.notices, notice) {
			s.notices = append(s.notices, notice)
			s.opts.Logger.Error("store: " + notice)
		}
	}
	switch {
	case s.ended != nil:
	case errors.Is(err, ErrFenced):
		s.ended = ErrFenced
	case err != nil:
		s.known = false // the lock went with the attempt: others may write meanwhile
		s.shared = s.shared || errors.Is(err, ErrLocked)
		s.degrade(err)
	}
	return s.ended == nil && err == nil
}

// Health says what the store can promise at this moment.
func (s *FileStore) Health() Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := Health{Durable: s.problem == "", Messages: slices.Clone(s.notices)}
	if s.problem != "" {
		h.Messages = append([]string{s.problem}, h.Messages...)
	}
	return h
}

// write stages changes and returns when they are on disk, or with [ErrInMemory]. Then, if any, sees what they made of the
// state.
func (s *FileStore) write(mutate func(*state) ([]Change, error), then ...func(*state)) error {
	if err := s.stage(mutate, then...); err != nil {
		return err
	}
	return cmp.Or(s.flush(false), s.kept())
}

// stage is the only way in: mutate says what changes, and the changes are applied to the memory and wait for the next
// commit.
func (s *FileStore) stage(mutate func(*state) ([]Change, error), then ...func(*state)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return s.ended
	}
	changes, err := mutate(s.state)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if err := s.state.apply(c); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if !s.degraded {
			s.pending[c.Row] = c.Value
		}
	}
	for _, see := range then {
		see(s.state)
	}
	return nil
}

// Flush brings to the disk what still waits for a durable write, and tries a failed disk again. Call it every half
// minute and before the process ends. Errors: [ErrFenced], [ErrClosed].
func (s *FileStore) Flush() error { return s.flush(true) }

// flush returns when all that was staged before it is on the medium, or the store is degraded. Writers that wait here
// for another one's commit find their own changes in it: one fsync for all of them.
func (s *FileStore) flush(tryNow bool) error {
	<-s.turn
	defer func() { s.turn <- struct{}{} }()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil && s.degraded {
		if !tryNow && s.skip > 0 {
			s.skip--
			return nil
		}
		s.reopen()
	}
	if s.ended != nil || s.degraded {
		return s.ended
	}
	return s.commit()
}

// commit brings the pending changes to the medium. It is called in turn and with mu, and gives mu up meanwhile.
func (s *FileStore) commit() error {
	var batch []Change
	for _, row := range slices.SortedFunc(maps.Keys(s.pending), compareRows) {
		batch = append(batch, Change{row, s.pending[row]})
	}
	clear(s.pending)
	var err error
	if len(batch) > 0 {
		s.mu.Unlock()
		err = s.medium.Commit(batch)
		s.mu.Lock()
	}
	switch {
	case s.ended != nil:
		return s.ended
	case errors.Is(err, ErrFenced):
		s.ended = ErrFenced
		return s.ended
	case err != nil:
		s.degrade(fmt.Errorf("writing: %w", err))
		return nil
	}
	s.failures, s.skip = 0, 0
	if s.problem != "" {
		s.problem = ""
		s.opts.Logger.Info("store: back on disk, everything that was kept in memory has been written")
	}
	return nil
}

// degrade continues in memory. It is called with mu.
func (s *FileStore) degrade(err error) {
	s.degraded = true
	clear(s.pending)
	s.skip = min(1<<min(s.failures, 16), maxSkip)
	s.failures++
	before := s.problem
	what, do := "cannot be used", "repair it"
	if noRoom(err) {
		what, do = "is full", "make room"
	}
	s.broken = fmt.Sprintf("the disk of agent.store.path %s (%v)", what, err)
	s.problem = fmt.Sprintf("the disk of agent.store.path %s: the store is in memory only (%v). Do not restart the agent: "+
		"%s, and wait for the line \"store: back on disk\". %s", what, err, do, withoutDisk)
	if s.problem != before {
		s.opts.Logger.Error("store: " + s.problem)
	}
}

// reopen tries the medium again and stages what it lacks. It is called in turn and with mu, and gives mu up meanwhile.
//
// If the medium's content was known all along, what it has beyond the memory was deleted meanwhile, and is removed. If
// it was not (it could not be read, or another process had it), what it has beyond the memory is adopted: each step
// that follows from a record can be taken twice without harm, so at worst something finished is done again.
func (s *FileStore) reopen() {
	found := newState()
	if !s.open(found) {
		return
	}
	rows, rowsErr := s.state.rows()
	onDisk, foundErr := found.rows()
	if err := errors.Join(rowsErr, foundErr); err != nil {
		s.degrade(err)
		return
	}
	ours := slices.Collect(maps.Values(s.state.keys.byKey))
	var adopted []keys.Record
	for row, value := range rows {
		if !bytes.Equal(onDisk[row], value) {
			s.pending[row] = value
		}
	}
	for row, value := range onDisk {
		if _, ok := rows[row]; ok {
			continue
		}
		if s.known {
			s.pending[row] = nil
		} else if s.state.apply(Change{row, value}) == nil && row.Table == tableKeys {
			adopted = append(adopted, found.keys.byKey[row.Key])
		}
	}
	for n, rec := range adopted {
		if s.endedSince(rec) {
			adopted[n].State, adopted[n].Reason = keys.Deleting, "its subscription ended while the journal could not be read"
			s.adopt(adopted[n])
		}
	}
	if !s.shared { // else they may be as new as ours, and the clock is the same one
		for _, rec := range keys.Before(adopted, ours) {
			s.adopt(rec)
		}
	}
	if len(adopted) > 0 {
		s.opts.Logger.Warn("store: the disk has keys that this process did not know; it handles them within half a minute",
			"keys", len(adopted))
	}
	s.known, s.shared, s.degraded = true, false, false
	clear(s.endedSubscriptions)
}

// adopt writes a record of an earlier process again, as it is to be. It is called with mu.
func (s *FileStore) adopt(rec keys.Record) {
	if changes, err := s.state.keys.set(rec, rec.ID); err == nil && s.state.apply(changes[0]) == nil {
		s.pending[changes[0].Row] = changes[0].Value
	}
}

// kept is an error while what was written may be in memory only. A write that has returned before is on the medium else.
func (s *FileStore) kept() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.degraded {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrInMemory, s.broken)
}

// Fence ends this incarnation: from now on every write fails with [ErrFenced], and what waits is not written. Close
// then gives the medium up. A simulated crash, or a second incarnation in one process, stops the first one this way.
func (s *FileStore) Fence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = ErrFenced
	}
}

// Close writes what waits and gives the medium up. Errors: what is lost. Closing twice is no error.
func (s *FileStore) Close() error {
	<-s.turn
	defer func() { s.turn <- struct{}{} }()
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.ended, ErrClosed) {
		return nil
	}
	var lost error
	if s.ended == nil && !s.degraded {
		lost = s.commit()
	}
	if lost == nil && s.ended == nil && s.degraded {
		lost = errors.New(s.problem)
	}
	s.ended = ErrClosed
	return errors.Join(lost, s.medium.Close())
}
