package agent

import (
	"context"
	"fmt"

	keyactors "federation-agent/actors/keys"
	"federation-agent/actors/life"
	"federation-agent/internal/keys"
)

// Order has an operator's order about a key carried out, and gives the record as it stands in the journal then.
// Errors: [ErrEnded]; a [*keys.Refusal]; that of a journal which is closed; or the context's, after which the order may
// still be carried out.
func (a *Agent) Order(ctx context.Context, o keys.Order) (keys.Record, error) {
	heard, registry := life.Ear{Heard: make(chan any, 1)}, a.system.ProcessRegistry
	pid, _ := registry.Add(heard, "order"+registry.NextID())
	defer registry.Remove(pid)
	a.system.Root.RequestWithCustomSender(a.top, keyactors.Order{Order: o}, pid)
	select {
	case answer := <-heard.Heard:
		obeyed, is := answer.(keyactors.Obeyed)
		if !is { // a dead letter: who has the say over the key is gone
			return keys.Record{}, ErrEnded
		}
		return obeyed.Record, obeyed.Err
	case <-a.done:
		return keys.Record{}, ErrEnded
	case <-ctx.Done():
		return keys.Record{}, fmt.Errorf("the order was given, and is not carried out yet: %w", ctx.Err())
	}
}
