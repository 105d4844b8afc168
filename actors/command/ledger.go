package command

import (
	"slices"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/status"
	"federation-agent/messages"
)

const (
	// ledgerMemory is how long an answered command is remembered, so that a duplicate of it is known as one
	// and its answer's delivery finds its way: longer than the controller waits for an answer (60 s) and the
	// session for the pong behind it.
	ledgerMemory = 2 * time.Minute
	// ledgerRemembers bounds how many answered commands are remembered, whatever a controller sends.
	ledgerRemembers = 20_000
)

// Ledger is the book of open commands. It outlives the restarts of session and router, which is why it is
// the state of neither: the session opens a command here before it passes it on, so that a command which
// an actor loses in a panic still gets its reply.
//
// A command is opened once and settled once: whoever settles it sends the one reply.
type Ledger struct {
	mu       sync.Mutex
	limit    int
	settled  func(messages.Command, status.Outcome) // hears of each command that was settled
	entries  map[messages.CommandKey]*ledgerEntry
	open     int
	answered []messages.CommandKey // in the order in which they were settled
}

type ledgerEntry struct {
	command messages.Command
	// asker is the session that it came by.
	asker *actor.PID
	// server is the actor that serves the command; nil until it is known.
	server *actor.PID
	// settled is when it was answered, for us or by us; zero while it is open.
	settled time.Time
	// fate is whom to tell what became of the answer; nil if nobody cares.
	fate *actor.PID
}

// openCommand is a command without a reply, and who serves it: nil until that is known.
type openCommand struct {
	messages.Command
	server *actor.PID
}

// admission says what the ledger makes of a command.
type admission int

const (
	Admitted admission = iota
	// duplicate: the same command of the same session is known already. One reply is enough.
	Duplicate
	// full: as many commands as allowed are open. It counts as settled: the caller answers it.
	Full
)

func NewLedger(limit int, settled func(messages.Command, status.Outcome)) *Ledger {
	return &Ledger{limit: limit, settled: settled, entries: map[messages.CommandKey]*ledgerEntry{}}
}

// Admit opens a command that asker's reply is to go to.
func (l *Ledger) Admit(command messages.Command, asker *actor.PID, now time.Time) admission {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	key := command.Ref().Key()
	switch {
	case l.entries[key] != nil:
		return Duplicate
	case l.open >= l.limit:
		l.entries[key] = &ledgerEntry{}
		l.close(key, now)
		l.settled(command, status.Refused)
		return Full
	}
	l.entries[key] = &ledgerEntry{command: command, asker: asker}
	l.open++
	return Admitted
}

// Note opens and settles a command that is answered on the spot; it says false for a duplicate.
func (l *Ledger) Note(session uint64, id string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now)
	key := messages.CommandKey{Session: session, ID: id}
	if l.entries[key] != nil {
		return false
	}
	l.entries[key] = &ledgerEntry{}
	l.close(key, now)
	return true
}

// assign notes who serves a command.
func (l *Ledger) assign(ref messages.CommandRef, server *actor.PID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[ref.Key()]; e != nil {
		e.server = server
	}
}

// settle closes a command; only the first call for it says true, with the session to reply to and the
// actor that served it. With tellFate that actor will be told of the answer's delivery.
func (l *Ledger) settle(ref messages.CommandRef, as status.Outcome, tellFate bool, now time.Time) (asker, server *actor.PID, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[ref.Key()]
	if e == nil || !e.settled.IsZero() {
		return nil, nil, false
	}
	if tellFate {
		e.fate = e.server
	}
	l.open--
	l.settled(e.command, as)
	l.close(ref.Key(), now)
	return e.asker, e.server, true
}

// takeFate is whom to tell of an answer's delivery, once.
func (l *Ledger) takeFate(ref messages.CommandRef) *actor.PID {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[ref.Key()]
	if e == nil {
		return nil
	}
	fate := e.fate
	e.fate = nil
	return fate
}

// isOpen reports whether a command waits for its reply, and who serves it.
func (l *Ledger) isOpen(ref messages.CommandRef) (server *actor.PID, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[ref.Key()]
	if e == nil || !e.settled.IsZero() {
		return nil, false
	}
	return e.server, true
}

// unsettled is the open commands for which want says yes, in the order of their deadlines.
func (l *Ledger) unsettled(want func(openCommand) bool) []openCommand {
	l.mu.Lock()
	defer l.mu.Unlock()
	var open []openCommand
	for _, e := range l.entries {
		if c := (openCommand{Command: e.command, server: e.server}); e.settled.IsZero() && want(c) {
			open = append(open, c)
		}
	}
	slices.SortFunc(open, func(a, b openCommand) int { return a.Ref().AnswerBy.Compare(b.Ref().AnswerBy) })
	return open
}

// quiet reports whether no command is open and no answer's delivery is waited for.
func (l *Ledger) quiet() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open > 0 {
		return false
	}
	for _, e := range l.entries {
		if e.fate != nil {
			return false
		}
	}
	return true
}

// close marks an entry as settled. What the command carried is of no use any more.
func (l *Ledger) close(key messages.CommandKey, now time.Time) {
	e := l.entries[key]
	e.settled, e.command = now, nil
	l.answered = append(l.answered, key)
}

// forget drops what was answered so long ago that neither a duplicate nor a delivery can matter.
func (l *Ledger) forget(now time.Time) {
	for len(l.answered) > 0 {
		oldest := l.answered[0]
		if len(l.answered) <= ledgerRemembers && now.Sub(l.entries[oldest].settled) <= ledgerMemory {
			return
		}
		delete(l.entries, oldest)
		l.answered = l.answered[1:]
	}
}
