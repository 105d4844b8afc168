package discovery

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/exports"
	"federation-agent/internal/gateway"
	"federation-agent/messages"
)

// refreshWindow is how many stages of a target a refresh asks for at a time: it has all the time there is,
// and what it holds comes on top of what ingests hold.
const refreshWindow = 2

// refresher keeps the export cache warm in the quota's idle time: every so often, while this agent is the
// integration's primary, it lists all targets and has changed documents exported, with the least priority.
// Nothing is sent anywhere. Parent: integration.
type refresher struct {
	life.Scoped
	env       *life.Env
	catalogue *actor.PID
	interval  time.Duration

	primary bool
	// gathering: a catalogue is awaited.
	gathering bool
	plan      exports.ExportPlan
}

func RefresherProps(env *life.Env, catalogue *actor.PID, interval time.Duration) *actor.Props {
	return life.Props(env, life.Standing, func() actor.Actor {
		return &refresher{env: env, catalogue: catalogue, interval: interval}
	})
}

type refreshDue struct{}

func (r *refresher) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		ctx.Request(ctx.Parent(), messages.TellPrimary{})
		r.Scope.After(r.interval, refreshDue{})
	case messages.PrimaryChanged:
		r.primary = m.Primary
	case messages.SessionDown:
		r.primary = false // until the next session's PRIMARY says otherwise
	case refreshDue:
		r.onRefreshDue(ctx)
	case messages.Catalogue:
		r.onCatalogue(ctx, m)
	case messages.APIReady:
		r.onExported(ctx, r.plan.Arrived(m.ID))
	case messages.APIOmitted:
		r.onExported(ctx, r.plan.Arrived(m.ID))
	case messages.ExportsForgotten:
		for _, e := range r.plan.Again(m.Target) {
			r.export(ctx, e)
		}
	default:
		life.Unexpected(r.env, ctx)
	}
}

// onRefreshDue begins a round, unless the last one is still running. One whose catalogue has not come by now never gets it: it
// was lost in a panic.
func (r *refresher) onRefreshDue(ctx actor.Context) {
	r.Scope.After(r.interval, refreshDue{})
	if !r.primary || r.plan.UnderWay() > 0 {
		return
	}
	r.gathering = true
	ctx.Request(r.catalogue, messages.GatherCatalogue{
		MaxAge: r.interval, By: time.Now().Add(r.interval), Priority: gateway.PriorityRefresh,
	})
}

func (r *refresher) onCatalogue(ctx actor.Context, m messages.Catalogue) {
	if !r.gathering { // the round has begun with another one
		return
	}
	r.gathering = false
	apis := exports.Complete(m)
	r.env.Log.Debug("refreshing the export cache", life.LogAPIs, len(apis))
	r.plan = exports.NewExportPlan(exports.ExportsOf(apis), refreshWindow)
	r.pull(ctx)
}

func (r *refresher) onExported(ctx actor.Context, awaited bool) {
	if awaited {
		r.pull(ctx)
	}
}

// pull asks for the next documents, as long as this agent is the primary.
func (r *refresher) pull(ctx actor.Context) {
	for r.primary {
		export, ok := r.plan.Next(time.Now())
		if !ok {
			return
		}
		r.export(ctx, export)
	}
}

func (r *refresher) export(ctx actor.Context, e messages.ExportAPI) {
	e.Priority = gateway.PriorityRefresh
	ctx.Request(r.catalogue, e)
}
