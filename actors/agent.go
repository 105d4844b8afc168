package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/config"
	"federation-agent/internal/quota"
	"federation-agent/messages"
)

// agent is the top actor: it supervises one integration per configured provider and the quotas that they
// share, drains them at the end, and ends when all are gone.
type agent struct {
	scoped
	env          *Env
	config       config.Config
	integrations []*actor.PID
	gone         int
	dismissed    int
	ended        func(Ending)
}

func agentProps(env *Env, cfg config.Config, ended func(Ending)) *actor.Props {
	return props(env, standing, func() actor.Actor {
		return &agent{env: env, config: cfg, ended: ended}
	})
}

// drainOverdue tells the agent that the time for an orderly end is up.
type drainOverdue struct{}

func (a *agent) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		a.onStarted(ctx)
	case messages.OpenQuota:
		a.onOpenQuota(ctx, m)
	case messages.Drain:
		a.onDrain(ctx, m)
	case drainOverdue:
		a.env.Log.Warn("not everything ended in time; stopping as it is")
		ctx.Stop(ctx.Self())
	case messages.Dismissed:
		a.dismissed++
		ctx.Stop(ctx.Sender())
	case *actor.Terminated:
		a.onTerminated(ctx, m)
	case *actor.Stopped:
		a.ended(a.ending())
	default:
		unexpected(a.env, ctx)
	}
}

func (a *agent) onStarted(ctx actor.Context) {
	for _, p := range a.config.Providers {
		a.integrations = append(a.integrations, ctx.SpawnPrefix(integrationProps(a.env, a.config, p), "integration-"))
	}
}

// onOpenQuota passes the question on to the quota actor itself, whose answer makes it known.
func (a *agent) onOpenQuota(ctx actor.Context, m messages.OpenQuota) {
	name := "quota-" + m.Account
	if a.config.Agent.Quota.Scope == config.ScopeAccountRegion {
		name += "-" + m.Region
	}
	q := a.config.Agent.Quota
	pid, err := ctx.SpawnNamed(quotaProps(a.env, m.Account, m.Region, quota.AWSLimits(q.Rate, q.Burst, float64(q.Share)/100)), name)
	if err != nil && err != actor.ErrNameExists {
		panic(err)
	}
	ctx.Forward(pid)
}

func (a *agent) onDrain(ctx actor.Context, m messages.Drain) {
	for _, pid := range a.integrations {
		ctx.Send(pid, m)
	}
	a.scope.after(time.Until(m.By), drainOverdue{})
}

// onTerminated ends the agent with its last integration. An integration ends because it was drained or
// dismissed; the supervisor ends none.
func (a *agent) onTerminated(ctx actor.Context, m *actor.Terminated) {
	for _, pid := range a.integrations {
		if pid.Equal(m.Who) {
			a.gone++
		}
	}
	if a.gone == len(a.integrations) {
		ctx.Stop(ctx.Self())
	}
}

func (a *agent) ending() Ending {
	switch {
	case a.dismissed > 0 && a.dismissed == len(a.integrations):
		return Dismissed
	case a.gone == len(a.integrations):
		return Drained
	}
	return Failed
}
