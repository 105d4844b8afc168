package command

import (
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
	if leader := r.memory.open[r.fetching.leader.Key()]; leader != nil {
		r.memory.assign(c.CommandRef, leader.server)
		r.fetching.joined = append(r.fetching.joined, c.CommandRef)
		return
	}
	r.fetching = fetching{leader: c.CommandRef}
	r.memory.assign(c.CommandRef, ctx.SpawnPrefix(fetchProps(r.env, c, r.limited(), r.memory.leftover), "fetch-"))
}

// answerJoined answers those that wait for the reply to a FETCH.
func (r *router) answerJoined(ctx actor.Context, m messages.Answer) {
	if m.Key() != r.fetching.leader.Key() {
		return
	}
	joined := r.fetching.joined
	r.fetching = fetching{}
	for _, ref := range joined {
		r.answer(ctx, messages.Answer{CommandRef: ref, Reply: m.Reply}, nil)
	}
}
