package apimsim

import (
	"slices"
	"time"
)

// history keeps the latest entries of a log: between limit and twice as many.
type history[T any] struct {
	limit   int
	entries []T
	dropped int
}

func (h *history[T]) add(entry T) {
	if len(h.entries) >= 2*h.limit {
		h.dropped += h.limit
		h.entries = slices.Clone(h.entries[h.limit:])
	}
	h.entries = append(h.entries, entry)
}

func (h *history[T]) list() []T { return slices.Clone(h.entries) }

// CommandRecord tells what became of one command to an agent.
type CommandRecord struct {
	ID            string
	Type          string
	IntegrationID string
	Subject       string // subscription or job id, where there is one
	Conn          int
	SentAt        time.Time
	Outcome       string // "" while it waits; SUCCEEDED, ERROR, TIMEOUT, CLOSED or FAILED
	Replies       []ReplyRecord
}

// ReplyRecord tells of one reply that arrived, expected or not.
type ReplyRecord struct {
	CommandID string
	Type      string
	Status    string
	Conn      int
	At        time.Time
	Expected  bool // somebody waited for it on that connection
}

// ledger records commands and replies. It is guarded by the stand-in's mutex.
type ledger struct {
	commands history[*CommandRecord]
	byID     map[string]*CommandRecord
	stray    history[ReplyRecord] // to commands that were never sent, or are forgotten
}

func newLedger(limit int) ledger {
	return ledger{
		commands: history[*CommandRecord]{limit: limit},
		byID:     map[string]*CommandRecord{},
		stray:    history[ReplyRecord]{limit: limit},
	}
}

func (l *ledger) sent(r CommandRecord) *CommandRecord {
	record := &r
	dropped := l.commands.dropped
	before := l.commands.entries
	l.commands.add(record)
	for _, old := range before[:l.commands.dropped-dropped] {
		delete(l.byID, old.ID)
	}
	l.byID[r.ID] = record
	return record
}

// replied notes a reply and gives the problem with it, if there is one.
func (l *ledger) replied(r Reply, conn int, expected bool) ProblemCode {
	entry := ReplyRecord{
		CommandID: r.CommandID, Type: r.Type, Status: r.Status, Conn: conn, At: time.Now(), Expected: expected,
	}
	record, known := l.byID[r.CommandID]
	if !known {
		l.stray.add(entry)
		return ProblemStrayReply
	}
	record.Replies = append(record.Replies, entry)
	switch {
	case expected:
		return ""
	case len(record.Replies) > 1:
		return ProblemDuplicateReply
	case record.Conn != conn:
		return ProblemWrongChannel
	default:
		return ProblemLateReply
	}
}

// Commands lists the commands sent to agents, oldest first, with every reply that came for each.
func (a *APIM) Commands() []CommandRecord {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]CommandRecord, 0, len(a.ledger.commands.entries))
	for _, r := range a.ledger.commands.entries {
		c := *r
		c.Replies = slices.Clone(r.Replies)
		out = append(out, c)
	}
	return out
}

// StrayReplies lists replies to commands that were never sent.
func (a *APIM) StrayReplies() []ReplyRecord {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ledger.stray.list()
}
