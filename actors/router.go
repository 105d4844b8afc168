package actors

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// router takes commands in, finds the actor that serves each, and sees to it that each gets exactly one
// reply within its time. Parent: integration. Its ledger outlives it.
type router struct {
	scoped
	env     *Env
	ledger  *ledger
	session *actor.PID
	parties routerParties

	sessionUp uint64 // the session that is up, 0 if none
	draining  bool
	locating  map[string][]messages.Command // by bare REST API id
}

// routerParties is whom a router routes to.
type routerParties struct {
	catalogue *actor.PID
	// targets are in the order of the configuration.
	targets []targetParty
	// discovery makes the one-shot actors that serve a preview and a fetch.
	preview func(messages.Discover) *actor.Props
	fetch   func(messages.Fetch) *actor.Props
}

// targetParty is one target as the router knows it.
type targetParty struct {
	region string
	// account is empty as long as AWS has not said which it is.
	account string
	pid     *actor.PID
}

func routerProps(env *Env, ledger *ledger, parties routerParties) *actor.Props {
	return props(env, standing, func() actor.Actor {
		return &router{env: env, ledger: ledger, parties: parties, locating: map[string][]messages.Command{}}
	})
}

// What the router tells itself: that a command's time is up, that an actor which served has ended.
type (
	commandOverdue struct{ ref messages.CommandRef }
	serverGone     struct{ who *actor.PID }
)

func (r *router) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		r.onStarted(ctx)
	case messages.Command:
		r.onCommand(ctx, m)
	case messages.Serving:
		r.onServing(ctx, m)
	case messages.Answer:
		r.onAnswer(ctx, m)
	case messages.AnswerFate:
		r.onAnswerFate(ctx, m)
	case messages.APILocated:
		r.onAPILocated(ctx, m)
	case messages.TargetResolved:
		r.onTargetResolved(ctx, m)
	case messages.SessionUp:
		r.onSessionUp(m)
	case messages.SessionDown:
		r.onSessionDown(ctx, m)
	case messages.Drain:
		r.onDrain(ctx, m)
	case commandOverdue:
		r.onCommandOverdue(ctx, m)
	case *actor.Terminated:
		// A system message overtakes the answer that the server may have sent just before its end.
		ctx.Send(ctx.Self(), serverGone{m.Who})
	case serverGone:
		r.onServerGone(ctx, m)
	default:
		unexpected(r.env, ctx)
	}
}

// onStarted takes over what an earlier incarnation left: commands that reached nobody are answered now;
// the others keep their deadline. Its children died with it, and so did the previews they made.
func (r *router) onStarted(ctx actor.Context) {
	for _, c := range r.ledger.unsettled(func(messages.Command, *actor.PID) bool { return true }) {
		if server := r.ledger.server(c.Ref()); server == nil || isDescendant(server, ctx.Self()) {
			r.refuse(ctx, c.Ref(), "the agent failed while it served this command; try again")
			continue
		}
		ctx.Watch(r.ledger.server(c.Ref()))
		r.arm(c.Ref())
	}
}

func (r *router) onCommand(ctx actor.Context, c messages.Command) {
	r.session = ctx.Sender()
	// First of all the credit goes back: whatever becomes of the command, the frame has been taken.
	ctx.Respond(messages.Taken{Session: c.Ref().Session})
	ref := c.Ref()
	switch r.ledger.admit(c, time.Now()) {
	case duplicate:
		r.env.Log.Warn("ignoring a command that came twice", logCommand, ref.ID)
		return
	case full:
		r.reply(ctx, messages.Answer{CommandRef: ref, Reply: messages.Refused{Reason: fmt.Sprintf(
			"busy: %d commands are open, as many as agent.commands.maxOpen allows; try again later", r.ledger.limit)}})
		return
	}
	if r.draining {
		r.refuse(ctx, ref, "the agent is shutting down; try again in a moment")
		return
	}
	r.arm(ref)
	r.serve(ctx, c)
}

// serve hands a command to the actor that serves it.
func (r *router) serve(ctx actor.Context, c messages.Command) {
	switch c := c.(type) {
	case messages.Discover:
		r.ledger.assign(c.CommandRef, ctx.SpawnPrefix(r.parties.preview(c), "preview-"))
	case messages.Fetch:
		r.ledger.assign(c.CommandRef, ctx.SpawnPrefix(r.parties.fetch(c), "fetch-"))
	case messages.StartIngest:
		r.hand(ctx, c, ctx.Parent())
	case messages.Subscribe:
		r.route(ctx, c, c.APIID)
	case messages.Unsubscribe:
		r.route(ctx, c, c.APIID)
	}
}

func (r *router) hand(ctx actor.Context, c messages.Command, server *actor.PID) {
	r.ledger.assign(c.Ref(), server)
	ctx.Watch(server)
	ctx.Request(server, c)
}

// route finds the target in the API's id. A bare REST API id, as other agents made them, says nothing of
// account and region: with one target there is nothing to choose, else the catalogue knows.
func (r *router) route(ctx actor.Context, c messages.Command, apiID string) {
	id, err := federation.ParseRef(apiID)
	if err != nil {
		r.refuse(ctx, c.Ref(), err.Error())
		return
	}
	if !id.Bare() {
		r.routeTo(ctx, c, id.ID.Target())
		return
	}
	if account, region := r.metadataTarget(c); account != "" {
		r.routeTo(ctx, c, federation.Target{Account: account, Region: region})
		return
	}
	if len(r.parties.targets) == 1 {
		r.hand(ctx, c, r.parties.targets[0].pid)
		return
	}
	r.locating[id.RestAPI] = append(r.locating[id.RestAPI], c)
	ctx.Request(r.parties.catalogue, messages.LocateAPI{RestAPI: id.RestAPI})
}

// metadataTarget is where a subscription's metadata say that its key is.
func (r *router) metadataTarget(c messages.Command) (account, region string) {
	if u, ok := c.(messages.Unsubscribe); ok {
		return u.Metadata[federation.MetadataAccountID], u.Metadata[federation.MetadataRegion]
	}
	return "", ""
}

func (r *router) routeTo(ctx actor.Context, c messages.Command, target federation.Target) {
	for _, t := range r.parties.targets {
		// A target that does not know its account yet may be the one: it says so itself once it knows.
		if t.region == target.Region && (t.account == target.Account || t.account == "") {
			r.hand(ctx, c, t.pid)
			return
		}
	}
	r.refuse(ctx, c.Ref(), fmt.Sprintf(
		"no configured target serves account %s in %s; check the provider's configuration.region, configuration.roleArn and credentials",
		target.Account, target.Region))
}

func (r *router) onAPILocated(ctx actor.Context, m messages.APILocated) {
	waiting := r.locating[m.RestAPI]
	delete(r.locating, m.RestAPI)
	for _, c := range waiting {
		if m.Failure != "" {
			r.refuse(ctx, c.Ref(), m.Failure)
			continue
		}
		r.routeTo(ctx, c, m.Target)
	}
}

func (r *router) onTargetResolved(ctx actor.Context, m messages.TargetResolved) {
	for i := range r.parties.targets {
		if r.parties.targets[i].pid.Equal(ctx.Sender()) {
			r.parties.targets[i].account = m.Target.Account
		}
	}
}

func (r *router) onServing(ctx actor.Context, m messages.Serving) {
	r.ledger.assign(m.CommandRef, ctx.Sender())
	ctx.Watch(ctx.Sender())
}

// onAnswer passes a command's one answer on; whoever answers second is told that nobody listens.
func (r *router) onAnswer(ctx actor.Context, m messages.Answer) {
	_, wantsFate := m.Reply.(messages.Subscribed)
	var fate *actor.PID
	if wantsFate {
		fate = ctx.Sender()
	}
	if !r.ledger.settle(m.CommandRef, fate, time.Now()) {
		if wantsFate && ctx.Sender() != nil {
			ctx.Send(ctx.Sender(), messages.AnswerFate{CommandRef: m.CommandRef, Delivery: messages.NeverSent})
		}
		return
	}
	r.reply(ctx, m)
	r.doneDraining(ctx)
}

// reply sends an answer out by the session that its command came by.
func (r *router) reply(ctx actor.Context, m messages.Answer) {
	ctx.Request(r.session, m)
}

func (r *router) refuse(ctx actor.Context, ref messages.CommandRef, reason string) {
	if r.ledger.settle(ref, nil, time.Now()) {
		r.reply(ctx, messages.Answer{CommandRef: ref, Reply: messages.Refused{Reason: reason}})
		r.doneDraining(ctx)
	}
}

// abandon answers a command for the actor that serves it, and tells that actor.
func (r *router) abandon(ctx actor.Context, ref messages.CommandRef, reason string) {
	server := r.ledger.server(ref)
	r.refuse(ctx, ref, reason)
	if server != nil {
		ctx.Send(server, messages.Abandoned{CommandRef: ref, Why: reason})
	}
}

func (r *router) onAnswerFate(ctx actor.Context, m messages.AnswerFate) {
	if fate := r.ledger.takeFate(m.CommandRef); fate != nil {
		ctx.Send(fate, m)
	}
}

func (r *router) onCommandOverdue(ctx actor.Context, m commandOverdue) {
	r.abandon(ctx, m.ref, "the agent could not do this within 50 seconds; see its log, then try again")
}

// onServerGone answers for a server that died without answering: a worker that panicked.
func (r *router) onServerGone(ctx actor.Context, m serverGone) {
	for _, c := range r.ledger.unsettled(func(_ messages.Command, server *actor.PID) bool {
		return server != nil && server.Equal(m.who)
	}) {
		r.refuse(ctx, c.Ref(), "the agent failed while it served this command; see its log, then try again")
	}
}

func (r *router) onSessionUp(m messages.SessionUp) { r.sessionUp = m.Session }

// onSessionDown gives up what came by a session that is gone: nobody can be answered any more.
func (r *router) onSessionDown(ctx actor.Context, m messages.SessionDown) {
	for _, c := range r.ledger.unsettled(func(c messages.Command, _ *actor.PID) bool {
		return c.Ref().Session == m.Session
	}) {
		ref := c.Ref()
		server := r.ledger.server(ref)
		if r.ledger.settle(ref, nil, time.Now()) && server != nil {
			ctx.Send(server, messages.Abandoned{CommandRef: ref, Why: "the session to APIM is gone: " + m.Why})
		}
	}
	r.doneDraining(ctx)
}

// onDrain refuses what comes from now on, and answers what is still open shortly before the end.
func (r *router) onDrain(ctx actor.Context, m messages.Drain) {
	r.draining = true
	for _, c := range r.ledger.unsettled(func(messages.Command, *actor.PID) bool { return true }) {
		r.scope.after(time.Until(m.By), commandOverdue{c.Ref()})
	}
	r.doneDraining(ctx)
}

func (r *router) doneDraining(ctx actor.Context) {
	if r.draining && r.ledger.size() == 0 {
		ctx.Request(ctx.Parent(), messages.Drained{})
	}
}

func (r *router) arm(ref messages.CommandRef) {
	r.scope.after(time.Until(ref.AnswerBy), commandOverdue{ref})
}
