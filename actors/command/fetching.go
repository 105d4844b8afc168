package command

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/messages"
)

// fetching is the FETCH that is being served, and those that came meanwhile. A FETCH says nothing but that
// everything is wanted, so the reply to one is the reply to all of them, and its documents, which may fill the
// largest message, are held once however many ask.
type fetching struct {
	leader messages.CommandRef
	joined []messages.CommandRef
}

// fetch serves a FETCH, by the reply to the one that is being served already, if there is one.
func (r *router) fetch(ctx actor.Context, c messages.Fetch) {
	if server, open := r.ledger.isOpen(r.fetching.leader); open {
		r.ledger.assign(c.CommandRef, server)
		r.fetching.joined = append(r.fetching.joined, c.CommandRef)
		return
	}
	r.fetching = fetching{leader: c.CommandRef}
	r.ledger.assign(c.CommandRef, ctx.SpawnPrefix(r.parties.Fetch(c), "fetch-"))
}

// answerJoined answers those that wait for the reply to a FETCH.
func (r *router) answerJoined(ctx actor.Context, m messages.Answer) {
	if m.CommandRef.Key() != r.fetching.leader.Key() {
		return
	}
	joined := r.fetching.joined
	r.fetching = fetching{}
	for _, ref := range joined {
		if asker, _, first := r.ledger.settle(ref, outcomeOf(m.Reply), false, time.Now()); first {
			ctx.Request(asker, messages.Answer{CommandRef: ref, Reply: m.Reply})
		}
	}
}
