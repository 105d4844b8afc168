package keeper

import (
	"context"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	keyactors "federation-agent/actors/keys"
	"federation-agent/actors/life"
	"federation-agent/internal/keys"
)

// asked is an order of which the keeper has the say, and its answer once it has one.
type asked struct {
	keyactors.Order
	asker  *actor.PID
	before keys.Record // as it was when the order was obeyed
	answer keyactors.Obeyed
}

// onOrder passes an order on to the writer that deletes keys at its place. Without one it is the keeper's own.
func (k *keeper) onOrder(ctx actor.Context, m keyactors.Order) {
	if waits := (asked{Order: m, asker: ctx.Sender()}); !k.pass(ctx, waits) {
		k.orders = append(k.orders, waits)
		k.read(nil)
	}
}

// pass passes an order on, or answers it, and reports whether it did.
func (k *keeper) pass(ctx actor.Context, m asked) bool {
	who, with := keys.Serves(m.Of.Place(), k.kept.configured)
	switch {
	case who == keys.Own, who == keys.Neighbour:
		ctx.RequestWithCustomSender(k.kept.opened[with.Place].Writer, m.Order, m.asker)
	case who == keys.Awaited && !k.late: // its writer may begin at any moment
		ctx.Send(m.asker, keyactors.Obeyed{Err: &keys.Refusal{Why: keys.NotYet, Text: "the account and region of the key cannot be " +
			"used yet: try again in half a minute"}})
	default:
		return false
	}
	return true
}

// obey changes the records that were read as the orders that waited want it, and gives what is to be written down for
// each.
func (k *keeper) obey(ctx actor.Context, records []keys.Record) (obeyed []asked) {
	for _, m := range k.orders {
		if k.pass(ctx, m) {
			continue
		}
		m.answer.Err = keys.Gone(m.ID)
		if n := slices.IndexFunc(records, func(r keys.Record) bool { return r.ID == m.ID }); n >= 0 {
			m.before = records[n]
			if m.answer.Record, m.answer.Err = m.Obey(records[n], k.env.Now()); m.answer.Err == nil {
				records[n] = m.answer.Record
			}
		}
		obeyed = append(obeyed, m)
	}
	k.orders = nil
	return obeyed
}

// writeDown writes what orders changed to the journal.
func (k *keeper) writeDown(ctx context.Context, obeyed []asked) {
	for n := range obeyed {
		if answer := &obeyed[n].answer; answer.Err == nil {
			answer.Err = k.change(ctx, obeyed[n].before, &answer.Record)
		}
	}
}

// answer answers the orders that are written down, or cannot be.
func (k *keeper) answer(ctx actor.Context, obeyed []asked) {
	for _, m := range obeyed {
		life.LogOrder(k.env.Log, m.Order.Order, m.answer.Record, m.answer.Err)
		ctx.Send(m.asker, m.answer)
	}
}
