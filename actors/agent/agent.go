package agent

import (
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/actors/quota"
	"federation-agent/config"
	"federation-agent/messages"
)

// agent is the top actor: it supervises one integration per configured provider and the quotas that they
// share, drains them at the end, and ends when all are gone.
type agent struct {
	life.Scoped
	env    *life.Env
	config config.Config
	memory *agentMemory
	// integrations is the providers' indexes, by actor.
	integrations map[string]int
}

// dismissedAgain tells the agent to repeat the order to drain.
type dismissedAgain struct {
	who   *actor.PID
	order messages.Drain
}

// agentMemory is what outlives the agent's restarts.
type agentMemory struct {
	integrations []*integrationMemory // one for each provider
	gone         map[int]bool         // providers whose integration has ended
	dismissed    map[int]bool         // those that APIM said good-bye to for good
	quotas       map[string]bool      // quotas that were opened, by name
	draining     bool
	disorderly   bool // something was stopped while it drained, before it had ended
	ended        func(Ending)
}

func agentProps(env *life.Env, cfg config.Config, ended func(Ending)) *actor.Props {
	memory := &agentMemory{gone: map[int]bool{}, dismissed: map[int]bool{}, quotas: map[string]bool{}, ended: ended}
	for _, p := range cfg.Providers {
		env.Board.Serve(p.IntegrationID, env.Now())
		memory.integrations = append(memory.integrations, newIntegrationMemory(env, cfg, p))
	}
	return life.Props(env, life.Standing, func() actor.Actor {
		return &agent{env: env, config: cfg, memory: memory, integrations: map[string]int{}}
	})
}

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
	case drainOverdue:
		a.env.Log.Warn("not everything ended in time; stopping as it is")
		a.memory.disorderly = true
		ctx.Stop(ctx.Self())
	case messages.Dismissed:
		a.onDismissed(ctx)
	case dismissedAgain:
		a.drainDismissed(ctx, m)
	case *actor.Terminated:
		a.onTerminated(ctx, m)
	case *actor.Stopped:
		a.memory.ended(a.ending())
	default:
		life.Unexpected(a.env, ctx)
	}
}

// onStarted starts the integrations; after a failure, those that have not ended.
func (a *agent) onStarted(ctx actor.Context) {
	if a.memory.draining { // it failed while it drained: there is nobody left to be orderly with
		a.memory.disorderly = true
		ctx.Stop(ctx.Self())
		return
	}
	for n, p := range a.config.Providers {
		if !a.memory.gone[n] && !a.memory.dismissed[n] {
			pid := ctx.SpawnPrefix(integrationProps(a.env, a.config, p, a.memory.integrations[n]), "integration-")
			a.integrations[pid.Id] = n
		}
	}
	a.endIfAlone(ctx)
}

// onOpenQuota passes the question on to the quota actor itself, whose answer makes it known.
func (a *agent) onOpenQuota(ctx actor.Context, m messages.OpenQuota) {
	name := quota.Name(a.config.Agent.Quota, m.Account, m.Region)
	pid, err := ctx.SpawnNamed(quota.Props(a.env, a.config.Agent.Quota, m.Account, m.Region, a.memory.quotas[name]), name)
	if err != nil && !errors.Is(err, actor.ErrNameExists) {
		panic(err)
	}
	a.memory.quotas[name] = true // keys are being made over restarts of the agent, too
	ctx.Forward(pid)
}

// onDrain passes the order on, each time that it comes: see [Agent.Drain].
func (a *agent) onDrain(ctx actor.Context, m messages.Drain) {
	if !a.memory.draining {
		a.memory.draining = true
		a.Scope.After(time.Until(m.By), drainOverdue{})
	}
	for id := range a.integrations {
		ctx.Send(actor.NewPID(ctx.Self().Address, id), m)
	}
	a.endIfAlone(ctx)
}

func (a *agent) onAreYouThere(ctx actor.Context, m messages.AreYouThere) {
	ctx.Respond(messages.AgentThere{Integrations: len(a.integrations)})
	for id := range a.integrations {
		ctx.RequestWithCustomSender(actor.NewPID(ctx.Self().Address, id), m, ctx.Sender())
	}
}

// onDismissed lets an integration that is not wanted any more end in order; the others go on.
func (a *agent) onDismissed(ctx actor.Context) {
	n, ours := a.integrations[ctx.Sender().Id]
	if !ours { // of an earlier life of the agent's
		return
	}
	if a.memory.dismissed[n] { // its session began anew meanwhile
		return
	}
	a.memory.dismissed[n] = true
	a.drainDismissed(ctx, dismissedAgain{who: ctx.Sender(), order: messages.Drain{By: time.Now().Add(a.config.Agent.Shutdown.Timeout)}})
}

// drainDismissed repeats the order until the integration has ended, as [Agent.Drain] does to all.
func (a *agent) drainDismissed(ctx actor.Context, m dismissedAgain) {
	if _, lives := a.integrations[m.who.Id]; lives {
		ctx.Send(m.who, m.order)
		a.Scope.After(drainAgain, m)
	}
}

// onTerminated ends the agent with its last integration. An integration ends because it was drained or
// dismissed; the supervisor ends none.
func (a *agent) onTerminated(ctx actor.Context, m *actor.Terminated) {
	n, ours := a.integrations[m.Who.Id]
	if !ours || a.ScopeClosed() { // a quota; or the agent itself is on its way out, or to its next start
		return
	}
	delete(a.integrations, m.Who.Id)
	a.memory.gone[n] = true
	a.memory.disorderly = a.memory.disorderly || a.memory.draining && a.memory.integrations[n].disorderly
	a.endIfAlone(ctx)
}

func (a *agent) endIfAlone(ctx actor.Context) {
	if len(a.integrations) == 0 {
		ctx.Stop(ctx.Self())
	}
}

func (a *agent) ending() Ending {
	switch {
	case a.memory.disorderly:
		return Disorderly
	case a.memory.draining:
		return Drained
	case len(a.memory.dismissed) == len(a.config.Providers):
		return Dismissed
	}
	return Failed
}
