package agent

import (
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/keeper"
	keyactors "federation-agent/actors/keys"
	"federation-agent/actors/life"
	"federation-agent/actors/member"
	"federation-agent/actors/quota"
	"federation-agent/config"
	"federation-agent/internal/keys"
	"federation-agent/messages"
)

// agent is the top actor: it supervises one integration per configured provider and the quotas that they
// share, drains them at the end, and ends when all are gone.
type agent struct {
	life.Scoped
	env    *life.Env
	config config.Config
	memory *memory
	// integrations is the providers' indexes, by actor.
	integrations map[string]int
	// keeper answers for the keys that no integration serves.
	keeper *actor.PID
	// member is nil where the journal is not shared.
	member *actor.PID
	served bool // the integrations were started
}

// memory is what outlives the agent's restarts.
type memory struct {
	gone       map[int]bool    // providers whose integration has ended
	dismissed  int             // how many of them because APIM said good-bye for good
	quotas     map[string]bool // quotas that were opened, by name
	member     *actor.Props    // nil where the journal is not shared
	shown      bool            // to those that share it
	draining   bool
	disorderly bool         // something was stopped while it drained, before it had ended
	stopping   func()       // is called when the agent is told to stop
	ended      func(Ending) // is called when it has
}

func agentProps(env *life.Env, cfg config.Config, stopping func(), ended func(Ending)) *actor.Props {
	kept := &memory{gone: map[int]bool{}, quotas: map[string]bool{}, stopping: stopping, ended: ended}
	if env.Registry != nil {
		kept.member = member.Props(env)
	}
	for _, p := range cfg.Providers {
		env.Board.Serve(p.IntegrationID, env.Now())
	}
	return life.Props(env, life.Standing, func() actor.Actor {
		return &agent{env: env, config: cfg, memory: kept, integrations: map[string]int{}}
	})
}

// childGone is what the agent tells itself: news of an integration's end overtake what it said before.
type childGone struct{ who *actor.PID }

func (a *agent) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		a.onStarted(ctx)
	case messages.OpenQuota:
		a.onOpenQuota(ctx, m)
	case messages.Drain:
		a.onDrain(ctx, m)
	case messages.AreYouThere:
		a.onAreYouThere(ctx, m)
	case keyactors.Order:
		ctx.Forward(a.keeper)
	case member.Shown:
		a.memory.shown = true
		a.serve(ctx)
	case member.Left:
		ctx.Stop(ctx.Self())
	case drainOverdue:
		a.env.Log.Warn("not everything ended in time; stopping as it is")
		a.memory.disorderly = true
		ctx.Stop(ctx.Self())
	case ended:
		a.onEnded(ctx, m)
	case *actor.Terminated:
		ctx.Send(ctx.Self(), childGone{m.Who})
	case childGone:
		a.onChildGone(ctx, m)
	case *actor.Stopping:
		a.memory.stopping()
	case *actor.Stopped:
		a.memory.ended(a.ending())
	default:
		life.Unexpected(a.env, ctx)
	}
}

// onStarted starts the integrations; after a failure, those that have not ended. Where the journal is shared, they start
// once a sign of life was tried: a command may come by the first message of a session, and without one no key is made.
func (a *agent) onStarted(ctx actor.Context) {
	if a.memory.draining { // it failed while it drained: an orderly end is not possible any more
		a.memory.disorderly = true
		ctx.Stop(ctx.Self())
		return
	}
	a.keeper = ctx.SpawnPrefix(keeper.Props(a.env, a.credentials(), LooksOf(a.config.Agent)), "keeper-")
	if a.memory.member != nil {
		a.member = ctx.SpawnPrefix(a.memory.member, "member-")
		if !a.memory.shown {
			return
		}
	}
	a.serve(ctx)
}

func (a *agent) serve(ctx actor.Context) {
	if a.served || a.memory.draining {
		return
	}
	a.served = true
	for n, p := range a.config.Providers {
		if !a.memory.gone[n] {
			pid := ctx.SpawnPrefix(integrationProps(a.env, a.config, p, a.keeper), "integration-")
			a.integrations[pid.Id] = n
		}
	}
	a.endIfAlone(ctx)
}

// credentials is what the integrations that have not ended are configured with.
func (a *agent) credentials() []keys.Credentials {
	var all []keys.Credentials
	for n, p := range a.config.Providers {
		for _, row := range targetRows(a.config, p) {
			if !a.memory.gone[n] {
				all = append(all, keys.Credentials{Place: keys.Place{
					Integration: p.IntegrationID, Account: row.Account, Region: row.Region,
				}})
			}
		}
	}
	return all
}

// onOpenQuota passes the question on to the quota actor. The sender of its answer is how the target learns of it.
func (a *agent) onOpenQuota(ctx actor.Context, m messages.OpenQuota) {
	openQuota(ctx, a.env, a.config.Agent.Quota, m, a.memory.quotas) // keys are being made over restarts of the agent, too
}

// openQuota passes the question on to the account's quota, which is made if it is not there. opened are those that were
// made before, by name.
func openQuota(
	ctx actor.Context, env *life.Env, settings config.Quota, m messages.OpenQuota, opened map[string]bool,
) {
	name := quota.Name(settings, m.Account, m.Region)
	pid, err := ctx.SpawnNamed(quota.Props(env, settings, m.Account, m.Region, opened[name]), name)
	if err != nil && !errors.Is(err, actor.ErrNameExists) {
		panic(err)
	}
	opened[name] = true
	ctx.Forward(pid)
}

// onDrain passes the order on. It comes again and again, see [Agent.Drain].
func (a *agent) onDrain(ctx actor.Context, m messages.Drain) {
	if !a.memory.draining {
		a.memory.draining = true
		a.Scope.After(time.Until(m.By), drainOverdue{})
	}
	for id := range a.integrations {
		ctx.Send(actor.NewPID(ctx.Self().Address, id), m)
	}
	if a.member != nil {
		ctx.Send(a.member, m)
	}
	a.endIfAlone(ctx)
}

func (a *agent) onAreYouThere(ctx actor.Context, m messages.AreYouThere) {
	ctx.Respond(messages.AgentThere{Integrations: len(a.integrations)})
	for id := range a.integrations {
		ctx.RequestWithCustomSender(actor.NewPID(ctx.Self().Address, id), m, ctx.Sender())
	}
}

// onEnded notes how an integration ends. It ends because it was drained or dismissed; the supervisor ends none.
func (a *agent) onEnded(ctx actor.Context, m ended) {
	n, ours := a.integrations[ctx.Sender().Id]
	if !ours || a.memory.gone[n] {
		return
	}
	a.memory.gone[n] = true
	if m.dismissed {
		a.memory.dismissed++
	}
	a.memory.disorderly = a.memory.disorderly || a.memory.draining && m.disorderly
}

// onChildGone ends the agent with its last integration.
func (a *agent) onChildGone(ctx actor.Context, m childGone) {
	if n, ours := a.integrations[m.who.Id]; ours { // else a quota, or the keeper
		delete(a.integrations, m.who.Id)
		ctx.Send(a.keeper, keeper.Left{Integration: a.config.Providers[n].IntegrationID})
	}
	a.endIfAlone(ctx)
}

// lastWordWithin is how long the agent waits for the member to tell the others: a little more than that may take.
const lastWordWithin = 2 * time.Second

// endIfAlone ends the agent where no integration is left. Where the journal is shared, the quotas and the keeper end first:
// nothing is granted then, and nothing is written any more that the member gives back. Then the others hear that it
// leaves.
func (a *agent) endIfAlone(ctx actor.Context) {
	if len(a.integrations) > 0 {
		return
	}
	if a.member == nil {
		ctx.Stop(ctx.Self())
		return
	}
	alone := true
	for _, child := range ctx.Children() {
		if !child.Equal(a.member) {
			ctx.Stop(child)
			alone = false
		}
	}
	if alone {
		ctx.Send(a.member, member.Leave{})
	}
	a.Scope.After(lastWordWithin, member.Left{}) // a panic of the member may lose its word
}

func (a *agent) ending() Ending {
	switch {
	case a.memory.disorderly:
		return Disorderly
	case a.memory.draining:
		return Drained
	case a.memory.dismissed == len(a.config.Providers):
		return Dismissed
	}
	return Failed
}
