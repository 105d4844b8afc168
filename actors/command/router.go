// Package command holds the actors that take APIM's commands in: the router, which finds the actor that serves each and
// gives each exactly one reply, and the workers that serve a preview and a fetch.
package command

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/federation"
	"federation-agent/internal/status"
	"federation-agent/messages"
)

// router takes commands in, finds the actor that serves each, and sees to it that each gets exactly one
// reply within its time. Parent: integration. Its ledger outlives it.
type router struct {
	life.Scoped
	env     *life.Env
	ledger  *Ledger
	parties RouterParties

	drainBy  time.Time                     // zero unless draining
	locating map[string][]messages.Command // by bare REST API id
	fetching fetching
}

// RouterParties is whom a router routes to.
type RouterParties struct {
	Catalogue *actor.PID
	// targets are in the order of the configuration. What is learnt of them outlives the router.
	Targets []*TargetParty
	// preview and fetch make the one-shot actors that serve a preview and a fetch.
	Preview func(messages.Discover) *actor.Props
	Fetch   func(messages.Fetch) *actor.Props
}

// TargetParty is one target as the router knows it.
type TargetParty struct {
	Region string
	// account is empty as long as AWS has not said which it is.
	Account string
	Pid     *actor.PID
}

// MayBe says that the party is, or may turn out to be, that target.
func (p TargetParty) MayBe(t federation.Target) bool {
	return p.Region == t.Region && (p.Account == t.Account || p.Account == "")
}

func RouterProps(env *life.Env, ledger *Ledger, parties RouterParties) *actor.Props {
	return life.Props(env, life.Standing, func() actor.Actor {
		return &router{env: env, ledger: ledger, parties: parties, locating: map[string][]messages.Command{}}
	})
}

// What the router tells itself.
type (
	commandOverdue struct{ ref messages.CommandRef }
	// serverGone: an actor that served has ended.
	serverGone struct{ who *actor.PID }
	// leftBehind: whatever an earlier incarnation had in its mailbox has been seen to by now, so these
	// commands, if nobody serves them, were lost in its panic.
	leftBehind struct{ commands []openCommand }
	drainDue   struct{}
)

// Why the router answers for others.
const (
	whyOverdue  = "the agent could not do this within 50 seconds; see its log, then try again"
	whyDraining = "the agent is shutting down; try again in a moment"
)

// KeepsCommands says that a command which a panic costs is not lost: the ledger has it.
func (r *router) KeepsCommands() {}

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
	case messages.SessionDown:
		r.onSessionDown(ctx, m)
	case messages.Drain:
		r.onDrain(ctx, m)
	case drainDue:
		r.onDrainDue(ctx)
	case commandOverdue:
		r.abandon(ctx, m.ref, whyOverdue)
	case leftBehind:
		r.onLeftBehind(ctx, m)
	case *actor.Terminated:
		// A system message overtakes the answer that the server may have sent just before its end.
		ctx.Send(ctx.Self(), serverGone{m.Who})
	case serverGone:
		r.onServerGone(ctx, m)
	default:
		life.Unexpected(r.env, ctx)
	}
}

// onStarted takes over what an earlier incarnation left: what its children served is answered, since they
// died with it; what others serve keeps its deadline; what was being located is located again.
func (r *router) onStarted(ctx actor.Context) {
	for _, t := range r.parties.Targets {
		ctx.Request(t.Pid, messages.TellAccount{})
	}
	var unserved []openCommand
	for _, c := range r.ledger.unsettled(func(openCommand) bool { return true }) {
		r.arm(c.Ref())
		switch {
		case c.server == nil:
			unserved = append(unserved, c)
		case life.IsDescendant(c.server, ctx.Self()):
			r.refuse(ctx, c.Ref(), life.WhyPanicked)
		case c.server.Equal(r.parties.Catalogue):
			r.serve(ctx, c.Command)
		default:
			ctx.Watch(c.server)
		}
	}
	if len(unserved) > 0 {
		ctx.Send(ctx.Self(), leftBehind{unserved})
	}
}

func (r *router) onLeftBehind(ctx actor.Context, m leftBehind) {
	for _, c := range m.commands {
		if server, open := r.ledger.isOpen(c.Ref()); open && server == nil {
			r.refuse(ctx, c.Ref(), life.WhyPanicked)
		}
	}
}

// onCommand takes a command that the session has opened in the ledger.
func (r *router) onCommand(ctx actor.Context, c messages.Command) {
	if _, open := r.ledger.isOpen(c.Ref()); !open {
		return // its session went down, or its time was up, before it came to be served
	}
	if !r.drainBy.IsZero() {
		r.refuse(ctx, c.Ref(), whyDraining)
		return
	}
	r.arm(c.Ref())
	r.serve(ctx, c)
}

// serve hands a command to the actor that serves it.
func (r *router) serve(ctx actor.Context, c messages.Command) {
	switch c := c.(type) {
	case messages.Discover:
		r.ledger.assign(c.CommandRef, ctx.SpawnPrefix(r.parties.Preview(c), "preview-"))
	case messages.Fetch:
		r.fetch(ctx, c)
	case messages.StartIngest:
		r.hand(ctx, c, ctx.Parent())
	case messages.Subscribe:
		r.route(ctx, c, c.APIID, federation.Target{})
	case messages.Unsubscribe:
		r.route(ctx, c, c.APIID, targetOfKey(c))
	}
}

// targetOfKey is where a subscription's metadata say that its key is; they need not say it.
func targetOfKey(c messages.Unsubscribe) federation.Target {
	t := federation.Target{Account: c.Metadata[federation.MetadataAccountID], Region: c.Metadata[federation.MetadataRegion]}
	if t.Account == "" || t.Region == "" {
		return federation.Target{}
	}
	return t
}

func (r *router) hand(ctx actor.Context, c messages.Command, server *actor.PID) {
	r.ledger.assign(c.Ref(), server)
	ctx.Watch(server)
	ctx.Request(server, c)
}

// route finds the target in the API's id, or else where the metadata say that the key is. A bare REST API
// id, as other agents made them, says nothing of account and region: with one target there is nothing to
// choose, else the catalogue knows.
func (r *router) route(ctx actor.Context, c messages.Command, apiID string, key federation.Target) {
	id, err := federation.ParseRef(apiID)
	switch {
	case err == nil && !id.Bare():
		r.routeTo(ctx, c, id.ID.Target())
	case key != federation.Target{}:
		r.routeTo(ctx, c, key)
	case err != nil:
		r.refuse(ctx, c.Ref(), err.Error())
	case len(r.parties.Targets) == 1:
		r.hand(ctx, c, r.parties.Targets[0].Pid)
	default:
		r.ledger.assign(c.Ref(), r.parties.Catalogue)
		r.locating[id.RestAPI] = append(r.locating[id.RestAPI], c)
		ctx.Request(r.parties.Catalogue, messages.LocateAPI{RestAPI: id.RestAPI})
	}
}

func (r *router) routeTo(ctx actor.Context, c messages.Command, target federation.Target) {
	for _, t := range r.parties.Targets {
		// A target that does not know its account yet may be the one: it says so itself once it knows.
		if t.Region == target.Region && (t.Account == target.Account || t.Account == "") {
			r.hand(ctx, c, t.Pid)
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
		if _, open := r.ledger.isOpen(c.Ref()); !open {
			continue
		}
		if m.Failure != "" {
			r.refuse(ctx, c.Ref(), m.Failure)
			continue
		}
		r.routeTo(ctx, c, m.Target)
	}
}

func (r *router) onTargetResolved(ctx actor.Context, m messages.TargetResolved) {
	for _, t := range r.parties.Targets {
		if t.Pid.Equal(ctx.Sender()) {
			t.Account = m.Target.Account
		}
	}
}

func (r *router) onServing(ctx actor.Context, m messages.Serving) {
	r.ledger.assign(m.CommandRef, ctx.Sender())
	ctx.Watch(ctx.Sender())
}

// onAnswer passes a command's one answer on; whoever answers second is told that nobody listens.
func (r *router) onAnswer(ctx actor.Context, m messages.Answer) {
	tellFate := m.NeedsProof()
	asker, _, first := r.ledger.settle(m.CommandRef, outcomeOf(m.Reply), tellFate, time.Now())
	if first {
		ctx.Request(asker, m)
		r.answerJoined(ctx, m)
		r.doneDraining(ctx)
		return
	}
	if tellFate && ctx.Sender() != nil {
		ctx.Send(ctx.Sender(), messages.AnswerFate{CommandRef: m.CommandRef, Delivery: messages.NeverSent})
	}
}

// outcomeOf is what a reply makes of its command.
func outcomeOf(r messages.Reply) status.Outcome {
	if _, refused := r.(messages.Refused); refused {
		return status.Refused
	}
	return status.Succeeded
}

// refuse answers a command ERROR, if it is still open, and says who served it.
func (r *router) refuse(ctx actor.Context, ref messages.CommandRef, reason string) (server *actor.PID) {
	asker, server, first := r.ledger.settle(ref, status.Refused, false, time.Now())
	if !first {
		return nil
	}
	refused := messages.Answer{CommandRef: ref, Reply: messages.Refused{Reason: reason}}
	ctx.Request(asker, refused)
	r.answerJoined(ctx, refused)
	r.doneDraining(ctx)
	return server
}

// abandon answers a command for the actor that serves it, and tells that actor.
func (r *router) abandon(ctx actor.Context, ref messages.CommandRef, reason string) {
	if server := r.refuse(ctx, ref, reason); server != nil {
		ctx.Send(server, messages.Abandoned{CommandRef: ref, Why: reason})
	}
}

func (r *router) onAnswerFate(ctx actor.Context, m messages.AnswerFate) {
	if fate := r.ledger.takeFate(m.CommandRef); fate != nil {
		ctx.Send(fate, m)
		r.doneDraining(ctx)
	}
}

// onServerGone answers for a server that died without answering: a worker that panicked.
func (r *router) onServerGone(ctx actor.Context, m serverGone) {
	why := life.WhyPanicked
	if !r.drainBy.IsZero() {
		why = whyDraining
	}
	for _, c := range r.ledger.unsettled(func(c openCommand) bool { return c.server != nil && c.server.Equal(m.who) }) {
		r.refuse(ctx, c.Ref(), why)
	}
}

// onSessionDown gives up what came by a session that is gone: nobody can be answered any more.
func (r *router) onSessionDown(ctx actor.Context, m messages.SessionDown) {
	for _, c := range r.ledger.unsettled(func(c openCommand) bool { return c.Ref().Session == m.Session }) {
		_, server, first := r.ledger.settle(c.Ref(), status.Unanswered, false, time.Now())
		if first && server != nil {
			ctx.Send(server, messages.Abandoned{CommandRef: c.Ref(), Why: "the session to APIM is gone: " + m.Why})
		}
	}
	r.doneDraining(ctx)
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
	for _, c := range r.ledger.unsettled(func(openCommand) bool { return true }) {
		r.abandon(ctx, c.Ref(), whyDraining)
	}
	ctx.Request(ctx.Parent(), messages.Drained{})
}

// doneDraining tells that nothing is open. An answer whose delivery is not proved yet is open, too: closing
// the session before its pong came would leave a key that nobody knows to be accepted.
func (r *router) doneDraining(ctx actor.Context) {
	if !r.drainBy.IsZero() && r.ledger.quiet() {
		ctx.Request(ctx.Parent(), messages.Drained{})
	}
}

func (r *router) arm(ref messages.CommandRef) {
	r.Scope.After(time.Until(ref.AnswerBy), commandOverdue{ref})
}
