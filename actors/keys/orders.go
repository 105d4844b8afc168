package keys

import (
	"errors"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/keys"
)

// What operators want done about keys, by way of the node API.

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

// errPanicked is the answer to an order that a panic cost. It may be carried out.
var errPanicked = errors.New(life.WhyPanicked + "; look whether it is carried out")

// asked is an order that waits for the journal to be read.
type asked struct {
	Order
	asker *actor.PID
}

// onOrder passes an order on to the writer that deletes keys at its place. Without one it is the keeper's own.
func (k *keeper) onOrder(ctx actor.Context, m Order) {
	if k.pass(ctx, asked{m, ctx.Sender()}) {
		return
	}
	k.orders = append(k.orders, asked{m, ctx.Sender()})
	k.read(nil)
}

// pass passes an order on, or answers it, and reports whether it did.
func (k *keeper) pass(ctx actor.Context, m asked) bool {
	who, with := keys.Serves(m.Of.Place(), k.kept.configured)
	switch {
	case who == keys.Own, who == keys.Neighbour:
		ctx.RequestWithCustomSender(k.kept.opened[with.Place].writer, m.Order, m.asker)
	case who == keys.Awaited && !k.late: // its writer may begin at any moment
		ctx.Send(m.asker, Obeyed{Err: &keys.Refusal{Why: keys.NotYet, Text: "the account and region of the key cannot be " +
			"used yet: try again in half a minute"}})
	default:
		return false
	}
	return true
}

// obey changes the records that were read as the orders that waited want it, and gives what is to be written down for
// each.
func (k *keeper) obey(ctx actor.Context, records []keys.Record) (obeyed []written) {
	for _, m := range k.orders {
		if k.pass(ctx, m) {
			continue
		}
		answer := Obeyed{Err: keys.Gone(m.ID)}
		if n := slices.IndexFunc(records, func(r keys.Record) bool { return r.ID == m.ID }); n >= 0 {
			if answer.Record, answer.Err = m.Obey(records[n], k.env.Now()); answer.Err == nil {
				records[n] = answer.Record
			}
		}
		obeyed = append(obeyed, written{m, answer})
	}
	k.orders = nil
	return obeyed
}

// fail answers the orders that waited for a journal that cannot be read.
func (k *keeper) fail(ctx actor.Context, err error) {
	for _, m := range k.orders {
		ctx.Send(m.asker, Obeyed{Err: err})
	}
	k.orders = nil
}

// written is an order's answer, once it is in the journal.
type written struct {
	asked
	answer Obeyed
}

// writeDown writes what orders changed to the journal.
func (k *keeper) writeDown(obeyed []written) {
	for n := range obeyed {
		if answer := &obeyed[n].answer; answer.Err == nil {
			answer.Err = k.env.Keys.Put(answer.Record)
		}
	}
}

// answer answers the orders that are written down.
func (k *keeper) answer(ctx actor.Context, obeyed []written) {
	for _, m := range obeyed {
		logOrder(k.env, m.Order, m.answer)
		ctx.Send(m.asker, m.answer)
	}
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
	records, err := s.records()
	answer := Obeyed{Err: errors.Join(err, keys.Gone(o.ID))}
	if n := slices.IndexFunc(records, func(r keys.Record) bool { return r.ID == o.ID }); n >= 0 {
		answer.Record, answer.Err = o.Obey(records[n], s.env.Now())
	}
	if answer.Err == nil {
		answer.Err = s.env.Keys.Put(answer.Record)
	}
	logOrder(s.env, o, answer)
	ctx.Request(ctx.Sender(), answer)
}

// logOrder keeps what is forgotten with the record: who wanted what, and why.
func logOrder(env *life.Env, o Order, answer Obeyed) {
	line := "an API key is deleted, as an operator wants it"
	if o.Wanted == keys.Acknowledge {
		line = "an operator has looked at an API key"
	}
	if answer.Err != nil {
		env.Log.Info("what an operator wants of an API key is not done", life.LogBy, o.By, life.LogRecord, o.ID,
			life.LogError, answer.Err)
		return
	}
	r := answer.Record
	env.Log.Info(line, life.LogBy, o.By, life.LogReason, o.Reason, life.LogKey, r.KeyID, life.LogKeyName, r.KeyName,
		life.LogTarget, r.Account+":"+r.Region, life.LogSubscription, r.SubscriptionID)
}
