// Package command holds the actors that take APIM's commands in: the router, which finds the actor that serves each and
// gives each exactly one reply, and the workers that serve a preview and a fetch.
package command

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/status"
	"federation-agent/internal/targets"
	"federation-agent/messages"
)

// router takes commands in, finds the actor that serves each, and gives each exactly one reply within its time.
// Parent: integration.
type router struct {
	life.Scoped
	env    *life.Env
	spec   RouterSpec
	memory *memory

	drainBy  time.Time                     // zero unless draining
	locating map[string][]messages.Command // by bare REST API id
	fetching fetching
}

// RouterSpec is what a router is made of.
type RouterSpec struct {
	Integration string
	// Jobs serves START_INGEST, Catalogue knows what the targets have, Keys is the parent of all actors that serve
	// subscriptions.
	Jobs, Catalogue, Keys *actor.PID
	Targets               *targets.Directory[*actor.PID]
	// ListingMaxAge is how old a listing may be to be used again for a preview or a fetch.
	ListingMaxAge time.Duration
	// MaxMessage is the largest message in bytes; StageWorkers is how many stages of a target are exported at a time.
	MaxMessage, StageWorkers int
	// Memory bounds the documents held.
	Memory *exports.Bound
}

// RouterProps makes a router.
func RouterProps(env *life.Env, spec RouterSpec) *actor.Props {
	kept := &memory{open: map[messages.CommandKey]*openCommand{}}
	return life.Props(env, life.Standing, func() actor.Actor {
		return &router{env: env, spec: spec, memory: kept, locating: map[string][]messages.Command{}}
	})
}

// What the router tells itself.
type (
	// serveAgain: what an earlier incarnation left open is to be served once more.
	serveAgain     struct{ left []*openCommand }
	commandOverdue struct{ ref messages.CommandRef }
	// serverGone: an actor that served has ended.
	serverGone struct{ who *actor.PID }
	drainDue   struct{}
)

// whyOverdue is the answer to a command whose time is up.
var whyOverdue = fmt.Sprintf("the agent could not do this within %.0f seconds; see its log, then try again",
	messages.AnswerWithin.Seconds())

func (r *router) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		r.onStarted()
	case serveAgain:
		r.onServeAgain(ctx, m)
	case messages.Command:
		r.onCommand(ctx, m)
	case messages.Serving:
		r.memory.assign(m.CommandRef, ctx.Sender())
		ctx.Watch(ctx.Sender())
	case messages.Answer:
		r.onAnswer(ctx, m)
	case messages.APILocated:
		r.onAPILocated(ctx, m)
	case leftOver:
		r.memory.leftover = m.ids
	case messages.SessionDown:
		r.onSessionDown(ctx, m)
	case messages.Drain:
		r.onDrain(ctx, m)
	case drainDue:
		r.onDrainDue(ctx)
	case commandOverdue:
		r.abandon(ctx, m.ref, whyOverdue)
	case *actor.Terminated:
		// A system message overtakes the answer that the server may have sent just before its end.
		ctx.Send(ctx.Self(), serverGone{m.Who})
	case serverGone:
		r.onServerGone(ctx, m)
	default:
		life.Unexpected(r.env, ctx)
	}
}

// onStarted resumes the commands that an earlier incarnation left open, once what waits in the mailbox is done: it may
// be their answer, or tell who serves them. Keys have no part in the restart: an actor that makes or deletes one
// continues and answers. All others that served have ended.
func (r *router) onStarted() {
	left := r.memory.of(func(*openCommand) bool { return true })
	for _, c := range left {
		r.arm(c.Ref())
		if !r.withKeys(c) {
			c.server = nil
		}
	}
	r.Scope.Tell(serveAgain{left})
}

// withKeys says that an actor serves a command that did not restart together with the router.
func (r *router) withKeys(c *openCommand) bool {
	return c.server != nil && life.IsDescendant(c.server, r.spec.Keys)
}

// onServeAgain serves each command once more, but not a third time: it may be what makes an actor panic.
func (r *router) onServeAgain(ctx actor.Context, m serveAgain) {
	for _, c := range m.left {
		switch {
		case r.memory.open[c.Ref().Key()] != c || r.withKeys(c):
		case c.again:
			r.abandon(ctx, c.Ref(), life.WhyPanicked)
		default:
			c.again, c.server = true, nil
			r.serve(ctx, c.Command)
		}
	}
}

func (r *router) onCommand(ctx actor.Context, c messages.Command) {
	r.memory.open[c.Ref().Key()] = &openCommand{Command: c, asker: ctx.Sender(), since: time.Now()}
	r.env.Board.Opened(r.spec.Integration, c.Name())
	if !r.drainBy.IsZero() {
		r.refuse(ctx, c.Ref(), life.WhyDraining)
		return
	}
	r.arm(c.Ref())
	r.serve(ctx, c)
}

// serve hands a command to the actor that serves it.
func (r *router) serve(ctx actor.Context, c messages.Command) {
	switch c := c.(type) {
	case messages.Discover:
		r.memory.assign(c.CommandRef, ctx.SpawnPrefix(previewProps(r.env, c, r.limited()), "preview-"))
	case messages.Fetch:
		r.fetch(ctx, c)
	case messages.StartIngest:
		r.hand(ctx, c, r.spec.Jobs)
	case messages.Subscribe:
		r.route(ctx, c, c.APIID, federation.Target{})
	case messages.Unsubscribe:
		r.route(ctx, c, c.APIID, federation.Target{
			Account: c.Metadata[federation.MetadataAccountID], Region: c.Metadata[federation.MetadataRegion],
		})
	}
}

func (r *router) hand(ctx actor.Context, c messages.Command, server *actor.PID) {
	r.memory.assign(c.Ref(), server)
	ctx.Request(server, c)
}

// route finds the target in the API's id, or else where the metadata say that the key is, if they do. A bare REST API
// id, as other agents made them, says nothing of account and region: with one target there is nothing to choose, else
// the catalogue knows.
func (r *router) route(ctx actor.Context, c messages.Command, apiID string, key federation.Target) {
	id, err := federation.ParseRef(apiID)
	rows := r.spec.Targets.Rows()
	switch {
	case err == nil && !id.Bare():
		r.routeTo(ctx, c, id.ID.Target())
	case key.Account != "" && key.Region != "":
		r.routeTo(ctx, c, key)
	case err != nil:
		r.refuse(ctx, c.Ref(), err.Error())
	case len(rows) == 1:
		r.hand(ctx, c, rows[0].ForKeys())
	default:
		r.locating[id.RestAPI] = append(r.locating[id.RestAPI], c)
		ctx.Request(r.spec.Catalogue, messages.LocateAPI{RestAPI: id.RestAPI})
	}
}

// routeTo hands a command to its target. One that does not know its account yet may be it: it says so once it knows.
func (r *router) routeTo(ctx actor.Context, c messages.Command, target federation.Target) {
	if row, found := r.spec.Targets.Find(target); found {
		r.hand(ctx, c, row.ForKeys())
		return
	}
	r.refuse(ctx, c.Ref(), fmt.Sprintf("no configured target serves account %s in %s; "+
		"check the provider's configuration.region, roleArn, accounts and credentials", target.Account, target.Region))
}

func (r *router) onAPILocated(ctx actor.Context, m messages.APILocated) {
	waiting := r.locating[m.RestAPI]
	delete(r.locating, m.RestAPI)
	for _, c := range waiting {
		switch {
		case r.memory.open[c.Ref().Key()] == nil:
		case m.Failure != "":
			r.refuse(ctx, c.Ref(), m.Failure)
		default:
			r.routeTo(ctx, c, m.Target)
		}
	}
}

// onAnswer passes a command's one answer on. The session reports its delivery to the actor that answered. The sender of
// a second answer is told that it was never sent.
func (r *router) onAnswer(ctx actor.Context, m messages.Answer) {
	if r.answer(ctx, m, ctx.Sender()) == nil && m.NeedsProof() && ctx.Sender() != nil {
		ctx.Send(ctx.Sender(), messages.AnswerFate{CommandRef: m.CommandRef, Delivery: messages.NeverSent})
	}
}

// answer answers a command, if it is still open, and gives it. from hears of the delivery; nil if nobody is to.
func (r *router) answer(ctx actor.Context, m messages.Answer, from *actor.PID) *openCommand {
	c := r.memory.settle(m.CommandRef)
	if c == nil {
		return nil
	}
	outcome, reason := status.Succeeded, ""
	if refused, is := m.Reply.(messages.Refused); is {
		outcome, reason = status.Refused, refused.Reason
	}
	ctx.RequestWithCustomSender(c.asker, m, from)
	r.answered(ctx, c, outcome, reason)
	r.answerJoined(ctx, m)
	return c
}

// answered counts a command that has had its answer, or will have none.
func (r *router) answered(ctx actor.Context, c *openCommand, outcome status.Outcome, reason string) {
	shown := life.Shown(r.env, c.Command, outcome, reason)
	took := time.Since(c.since)
	r.env.Board.Answered(r.spec.Integration, shown, took)
	r.env.Log.Debug("a command has ended", life.OfCommand(shown, took)...)
	r.doneDraining(ctx)
}

// refuse answers a command ERROR, if it is still open, and gives it.
func (r *router) refuse(ctx actor.Context, ref messages.CommandRef, reason string) *openCommand {
	return r.answer(ctx, messages.Answer{CommandRef: ref, Reply: messages.Refused{Reason: reason}}, nil)
}

// abandon answers a command for the actor that serves it, and tells that actor.
func (r *router) abandon(ctx actor.Context, ref messages.CommandRef, reason string) {
	if c := r.refuse(ctx, ref, reason); c != nil && c.server != nil {
		ctx.Send(c.server, messages.Abandoned{CommandRef: ref, Why: reason})
	}
}

// onServerGone answers for a worker that died without answering.
func (r *router) onServerGone(ctx actor.Context, m serverGone) {
	why := life.WhyPanicked
	if !r.drainBy.IsZero() {
		why = life.WhyDraining
	}
	for _, c := range r.memory.of(func(c *openCommand) bool { return m.who.Equal(c.server) }) {
		r.refuse(ctx, c.Ref(), why)
	}
}

// limited is the router's spec with the largest message that the controller takes, as far as is known.
func (r *router) limited() RouterSpec {
	spec := r.spec
	if r.memory.limit > 0 {
		spec.MaxMessage = r.memory.limit
	}
	return spec
}

// onSessionDown drops the commands of a session that is gone: their answers could not be sent.
func (r *router) onSessionDown(ctx actor.Context, m messages.SessionDown) {
	if m.TooLarge > 0 {
		r.memory.limit = min(r.limited().MaxMessage, m.TooLarge/2)
	}
	for _, c := range r.memory.of(func(c *openCommand) bool { return c.Ref().Session == m.Session }) {
		r.memory.settle(c.Ref())
		why := "the session to APIM is gone: " + m.Why
		if c.server != nil {
			ctx.Send(c.server, messages.Abandoned{CommandRef: c.Ref(), Why: why})
		}
		r.answered(ctx, c, status.Unanswered, why)
	}
}

// onDrain refuses what comes from now on; what is still open shortly before the end is answered then.
func (r *router) onDrain(ctx actor.Context, m messages.Drain) {
	if r.drainBy.IsZero() {
		r.drainBy = m.By
		r.Scope.After(time.Until(m.By), drainDue{})
	}
	r.doneDraining(ctx)
}

func (r *router) onDrainDue(ctx actor.Context) {
	for _, c := range r.memory.of(func(*openCommand) bool { return true }) {
		r.abandon(ctx, c.Ref(), life.WhyDraining)
	}
	r.doneDraining(ctx)
}

// doneDraining tells that nothing is open.
func (r *router) doneDraining(ctx actor.Context) {
	if !r.drainBy.IsZero() && len(r.memory.open) == 0 {
		ctx.Request(ctx.Parent(), messages.Drained{})
	}
}

func (r *router) arm(ref messages.CommandRef) {
	r.Scope.After(time.Until(ref.AnswerBy), commandOverdue{ref})
}
