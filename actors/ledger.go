package actors

import (
	"slices"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/messages"
)

// ledgerMemory is how long an answered command is remembered, so that a duplicate of it is known as one:
// as long as the controller may still wait for its answer.
const ledgerMemory = time.Minute

// ledger is the book of open commands. It outlives the router's restarts, which is why it is not the
// router's own state; it is used by the router alone, and locked only so that tests may look.
//
// A command is opened once and settled once: whoever settles it sends the one reply.
type ledger struct {
	mu      sync.Mutex
	limit   int
	entries map[ledgerKey]*ledgerEntry
	open    int
}

type ledgerKey struct {
	session uint64
	id      string
}

type ledgerEntry struct {
	command messages.Command
	// server is the actor that serves the command; nil until it is known.
	server *actor.PID
	// settled is when it was answered, for us or by us; zero while it is open.
	settled time.Time
	// fate is whom to tell what became of the answer; nil if nobody cares.
	fate *actor.PID
}

// admission says what the ledger makes of a command.
type admission int

const (
	admitted admission = iota
	// duplicate: the same command of the same session is known already. One reply is enough.
	duplicate
	// full: as many commands as allowed are open.
	full
)

func newLedger(limit int) *ledger {
	return &ledger{limit: limit, entries: map[ledgerKey]*ledgerEntry{}}
}

func keyOf(ref messages.CommandRef) ledgerKey { return ledgerKey{session: ref.Session, id: ref.ID} }

// admit opens a command.
func (l *ledger) admit(command messages.Command, now time.Time) admission {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	key := keyOf(command.Ref())
	if l.entries[key] != nil {
		return duplicate
	}
	if l.open >= l.limit {
		return full
	}
	l.entries[key] = &ledgerEntry{command: command}
	l.open++
	return admitted
}

// assign notes who serves a command.
func (l *ledger) assign(ref messages.CommandRef, server *actor.PID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[keyOf(ref)]; e != nil {
		e.server = server
	}
}

// settle closes a command; only the first call for it says true. fate is told of the answer's delivery.
func (l *ledger) settle(ref messages.CommandRef, fate *actor.PID, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[keyOf(ref)]
	if e == nil || !e.settled.IsZero() {
		return false
	}
	e.settled, e.fate = now, fate
	l.open--
	return true
}

// takeFate is whom to tell of an answer's delivery, once.
func (l *ledger) takeFate(ref messages.CommandRef) *actor.PID {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[keyOf(ref)]
	if e == nil {
		return nil
	}
	fate := e.fate
	e.fate = nil
	return fate
}

// server is who serves a command, nil if nobody does.
func (l *ledger) server(ref messages.CommandRef) *actor.PID {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[keyOf(ref)]; e != nil {
		return e.server
	}
	return nil
}

// unsettled is the open commands for which want says yes, in the order of their deadlines.
func (l *ledger) unsettled(want func(messages.Command, *actor.PID) bool) []messages.Command {
	l.mu.Lock()
	defer l.mu.Unlock()
	var open []messages.Command
	for _, e := range l.entries {
		if e.settled.IsZero() && want(e.command, e.server) {
			open = append(open, e.command)
		}
	}
	slices.SortFunc(open, func(a, b messages.Command) int { return a.Ref().AnswerBy.Compare(b.Ref().AnswerBy) })
	return open
}

// size is how many commands are open.
func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// forget drops what was answered so long ago that no duplicate can matter, unless its fate is still awaited.
func (l *ledger) forget(now time.Time) {
	for key, e := range l.entries {
		if !e.settled.IsZero() && now.Sub(e.settled) > ledgerMemory {
			delete(l.entries, key)
		}
	}
}
