package keeper

import (
	"context"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	keyactors "federation-agent/actors/keys"
	"federation-agent/actors/life"
	"federation-agent/internal/keys"
)

// carriedOut is an order of which the keeper has the say, and its answer.
type carriedOut struct {
	keyactors.Order
	asker  *actor.PID
	answer keyactors.Obeyed
}

// onOrder passes an order on to the writer that deletes keys at its place. Without one it is the keeper's own.
func (k *keeper) onOrder(ctx actor.Context, m keyactors.Order) {
	who, with := keys.Serves(m.Of.Place(), k.kept.configured)
	switch {
	case who == keys.Own, who == keys.Neighbour:
		ctx.Forward(k.kept.opened[with.Place].Writer)
	case who == keys.Awaited && !k.late: // its writer may begin at any moment
		ctx.Respond(keyactors.Obeyed{Err: &keys.Refusal{Why: keys.NotYet, Text: "the account and region of the key cannot be " +
			"used yet: try again in half a minute"}})
	default:
		asker := ctx.Sender()
		life.Pipe(k.Scope, func(ctx context.Context) (keys.Record, error) { return k.carryOut(ctx, m) },
			func(r keys.Record, err error) any { return carriedOut{m, asker, keyactors.Obeyed{Record: r, Err: err}} })
	}
}

// carryOut writes an order down, if it can be carried out. A journal that cannot be read is not asked again: whoever gave the
// order is told, and it must not be carried out later.
func (k *keeper) carryOut(ctx context.Context, o keyactors.Order) (keys.Record, error) {
	entry, err := k.env.Keys.Entry(ctx, o.Of)
	n := slices.IndexFunc(entry.Records, func(r keys.Record) bool { return r.ID == o.ID })
	switch {
	case err != nil:
		return keys.Record{}, err
	case n < 0:
		return keys.Record{}, keys.Gone(o.ID)
	case k.env.Member.Others(time.Now(), entry.Owner):
		return keys.Record{}, &keys.Refusal{Why: keys.UnderWay, Text: "another agent is at work on the keys of this subscription: " +
			"look again in a minute"}
	}
	r, err := o.Obey(entry.Records[n], k.env.Now())
	if err == nil {
		err = k.replace(ctx, entry, entry.Records[n], &r)
	}
	return r, err
}

// onCarriedOut answers an order, and looks for who does what is left to do then.
func (k *keeper) onCarriedOut(ctx actor.Context, m carriedOut) {
	life.LogOrder(k.env.Log, m.Order.Order, m.answer.Record, m.answer.Err)
	ctx.Send(m.asker, m.answer)
	k.read(nil)
}
