package keys

import (
	"cmp"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/keys"
)

// Order is carried out by who has the say over the record: agent -> keeper -> writer -> saga. What no writer serves is
// the keeper's. It is answered once it is in the journal, with [Obeyed].
type Order struct{ keys.Order }

// Obeyed answers an [Order].
type Obeyed struct {
	// Record is as it stands in the journal, if Err is nil.
	Record keys.Record
	// Err is a [*keys.Refusal], or why the journal cannot be read or written.
	Err error
}

// onOrder gives an order to a saga that has nothing to do but orders. One that waits for AWS, or for the fate of an
// answer, may do so for minutes, and an operator does not wait that long to have something done that was right then.
func (w *writer) onOrder(ctx actor.Context, m Order) {
	if b := w.busy[m.Of]; b != nil && slices.ContainsFunc(b.open, func(g given) bool { return g.order == nil }) {
		ctx.Respond(Obeyed{Err: &keys.Refusal{Why: keys.UnderWay, Text: "the agent is at work on the keys of this " +
			"subscription: look again in a minute"}})
		return
	}
	w.give(ctx, m.Of, task{order: &m})
}

// obey writes an order down and answers it. What is left to do then is settled afterwards.
func (s *saga) obey(ctx actor.Context, o Order) {
	records, err := s.entry.Read()
	answer := Obeyed{Err: cmp.Or(err, keys.Gone(o.ID))}
	n := slices.IndexFunc(records, func(r keys.Record) bool { return r.ID == o.ID })
	if n >= 0 {
		answer.Record, answer.Err = o.Obey(records[n], s.env.Now())
	}
	if answer.Err == nil {
		answer.Err = s.entry.Change(records[n], &answer.Record)
	}
	life.LogOrder(s.env.Log, o.Order, answer.Record, answer.Err)
	ctx.Request(ctx.Sender(), answer)
}
