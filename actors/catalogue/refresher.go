package catalogue

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/discovery"
	"federation-agent/actors/life"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/targets"
	"federation-agent/messages"
)

// refreshWindow is how many stages of a target a refresh asks for at a time: it has all the time there is, and takes
// room for documents from ingests.
const refreshWindow = 2

// refresher keeps the export cache warm in the quota's idle time: every so often, while this agent is the integration's
// primary, it lists all targets and has changed documents exported, with the least priority. Nothing is sent anywhere.
// Parent: integration.
type refresher struct {
	life.Scoped
	env  *life.Env
	spec RefresherSpec
	// primary outlives a restart: the session says it once.
	primary   *bool
	documents *exports.Holder
	plan      exports.Plan
}

// RefresherSpec is what a refresher is made of.
type RefresherSpec struct {
	Catalogue *actor.PID
	Targets   *targets.Directory[*actor.PID]
	Memory    *exports.Bound
	// Interval is the time between two rounds.
	Interval time.Duration
}

// RefresherProps makes a refresher.
func RefresherProps(env *life.Env, spec RefresherSpec) *actor.Props {
	primary := new(bool)
	return life.Props(env, life.Standing, func() actor.Actor {
		return &refresher{env: env, spec: spec, primary: primary}
	})
}

// What the refresher tells itself.
type (
	refreshDue struct{}
	roomMoved  struct{} // there is room for documents again
)

func (r *refresher) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		r.documents = r.spec.Memory.Holder(r.Scope.Ctx, 0, func() { r.Scope.Tell(roomMoved{}) })
		r.Scope.After(r.spec.Interval, refreshDue{})
	case messages.PrimaryChanged:
		*r.primary = m.Primary
	case messages.SessionDown:
		*r.primary = false // until the next session's PRIMARY says otherwise
	case refreshDue:
		r.onRefreshDue(ctx)
	case messages.GatheredAPIs:
		r.onCatalogue(ctx, m)
	case messages.APIReady:
		r.onExported(ctx, m.ID)
	case messages.APIOmitted:
		r.onExported(ctx, m.ID)
	case roomMoved:
		r.pull(ctx)
	default:
		life.Unexpected(r.env, ctx)
	}
}

// onRefreshDue begins a round, unless the last one is still running.
func (r *refresher) onRefreshDue(ctx actor.Context) {
	r.Scope.After(r.spec.Interval, refreshDue{})
	if *r.primary && r.plan.UnderWay() == 0 {
		ctx.Request(r.spec.Catalogue, messages.GatherAPIs{
			MaxAge: r.spec.Interval, By: time.Now().Add(r.spec.Interval), Priority: gateway.PriorityRefresh,
		})
	}
}

func (r *refresher) onCatalogue(ctx actor.Context, m messages.GatheredAPIs) {
	r.env.Log.Debug("refreshing the export cache", life.LogAPIs, len(m.Whole))
	r.plan = exports.NewPlan(m.Whole, refreshWindow, r.documents)
	r.pull(ctx)
}

// onExported lets a document go: it is in the cache now, or could not be had.
func (r *refresher) onExported(ctx actor.Context, id federation.ID) {
	if document, awaited := r.plan.Arrived(id); awaited {
		document.Claim.Release()
		r.pull(ctx)
	}
}

// pull asks for the next documents, as long as this agent is the primary.
func (r *refresher) pull(ctx actor.Context) {
	for *r.primary {
		documents, ok := r.plan.Next(time.Now())
		if !ok {
			return
		}
		discovery.RequestExport(ctx, r.spec.Targets, exports.Order{Documents: documents, Priority: gateway.PriorityRefresh})
	}
}
