package agent

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/catalogue"
	"federation-agent/actors/keys"
	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/gateway"
	"federation-agent/internal/survey"
	"federation-agent/messages"
)

// lookAgain is when a look asks once more: a catalogue that panics forgets who asked. What was listed meanwhile is used
// again.
const lookAgain = time.Minute

// Look asks AWS what there is for each integration, by the actors that serve ingests, and gives what they find in the
// order of the configuration. There is no session and no writer of keys, so nothing can be changed in AWS or in APIM.
// It ends when every target was listed or has failed. Error: the context's.
func Look(ctx context.Context, given life.Env, cfg config.Config) ([]survey.Found, error) {
	system, env, end := newSystem(given)
	defer end()
	heard := make(chan []survey.Found, 1)
	top := system.Root.SpawnPrefix(lookoutProps(env, cfg, heard), "lookout-")
	defer func() { _ = system.Root.StopFuture(top).Wait() }() // it ends in any case
	select {
	case found := <-heard:
		return found, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lookout is the top actor of a [Look]: it has a look for each integration, and the quotas that they share.
type lookout struct {
	life.Scoped
	env    *life.Env
	config config.Config
	heard  chan<- []survey.Found
	quotas map[string]bool // that were opened
	looks  map[string]int  // the providers' indexes, by actor
	found  map[int]survey.Found
}

func lookoutProps(env *life.Env, cfg config.Config, heard chan<- []survey.Found) *actor.Props {
	quotas := map[string]bool{}
	for _, p := range cfg.Providers {
		env.Board.Serve(p.IntegrationID, env.Now())
	}
	return life.Props(env, life.Standing, func() actor.Actor {
		return &lookout{
			env: env, config: cfg, heard: heard, quotas: quotas, looks: map[string]int{}, found: map[int]survey.Found{},
		}
	})
}

func (l *lookout) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		for n, p := range l.config.Providers {
			l.looks[ctx.SpawnPrefix(lookProps(l.env, l.config, p), "look-").Id] = n
		}
	case messages.OpenQuota:
		openQuota(ctx, l.env, l.config.Agent.Quota, m, l.quotas)
	case survey.Found:
		l.onFound(ctx, m)
	default:
		life.Unexpected(l.env, ctx)
	}
}

func (l *lookout) onFound(ctx actor.Context, m survey.Found) {
	l.found[l.looks[ctx.Sender().Id]] = m
	if len(l.found) < len(l.looks) {
		return
	}
	all := make([]survey.Found, len(l.found))
	for n, found := range l.found {
		all[n] = found
	}
	select {
	case l.heard <- all:
	default: // a look that asked again was answered twice
	}
}

// look has one integration's actors that read AWS, and asks them what an ingest job would ask them. Parent: lookout.
type look struct {
	life.Scoped
	of          *integration
	known, lost *actor.PID
	began       time.Time
}

func lookProps(env *life.Env, cfg config.Config, provider config.Provider) *actor.Props {
	return life.Props(env, life.Standing, func() actor.Actor {
		return &look{of: &integration{env: env, config: cfg, provider: provider}}
	}, readers()...)
}

// lookDue is what the look tells itself.
type lookDue struct{}

func (l *look) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		l.began, l.of.keys = time.Now(), ctx.Self()
		l.known, l.lost = l.of.spawnReaders(ctx)
		l.onLookDue(ctx)
	case keys.Open: // a target is not ready without; this one makes none
		ctx.Request(ctx.Sender(), keys.Opened{Target: m.Target})
	case lookDue:
		l.onLookDue(ctx)
	case messages.GatheredAPIs:
		ctx.Request(l.lost, messages.JudgeLosses{Catalogue: m})
	case messages.LossesJudged:
		ctx.Request(ctx.Parent(), l.found(m))
	default:
		life.Unexpected(l.of.env, ctx)
	}
}

func (l *look) onLookDue(ctx actor.Context) {
	ctx.Request(l.known, messages.GatherAPIs{MaxAge: time.Since(l.began), Priority: gateway.PriorityPreview, Domains: true})
	l.Scope.After(lookAgain, lookDue{})
}

func (l *look) found(m messages.LossesJudged) survey.Found {
	found := catalogue.Found(l.of.provider.IntegrationID, l.of.filter(), m)
	found.Domains = l.of.config.Agent.Discovery.CustomDomains
	return found
}
