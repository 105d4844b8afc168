package command

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// memory is what a router keeps over its restarts. No other actor touches it. A lost command would have no answer.
type memory struct {
	open map[messages.CommandKey]*openCommand
	// leftover is what did not fit into the last FETCH: it comes first in the next one.
	leftover []federation.ID
	// limit is the largest message in bytes, where the controller has found one too large; else 0.
	limit int
}

// openCommand is a command without a reply.
type openCommand struct {
	messages.Command
	// asker is the session that it came by.
	asker *actor.PID
	// server is the actor that serves the command; nil until it is known.
	server *actor.PID
	// since is when it came.
	since time.Time
	// again: it has been served a second time, as a restart lost the first.
	again bool
}

// of is the open commands that match, in the order of their deadlines.
func (m *memory) of(match func(*openCommand) bool) []*openCommand {
	var found []*openCommand
	for _, c := range m.open {
		if match(c) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b *openCommand) int { return a.Ref().AnswerBy.Compare(b.Ref().AnswerBy) })
	return found
}

// assign notes which actor serves a command, if it is open.
func (m *memory) assign(ref messages.CommandRef, server *actor.PID) {
	if c := m.open[ref.Key()]; c != nil {
		c.server = server
	}
}

// settle closes a command; only the first call for it gives it.
func (m *memory) settle(ref messages.CommandRef) *openCommand {
	c := m.open[ref.Key()]
	delete(m.open, ref.Key())
	return c
}
