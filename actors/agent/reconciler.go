package agent

import (
	"context"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/ingest"
	"federation-agent/actors/life"
	"federation-agent/actors/reconcile"
	"federation-agent/config"
	"federation-agent/internal/apimrest"
	"federation-agent/internal/drift"
	"federation-agent/internal/federation"
	"federation-agent/internal/schedule"
)

// reconcilerName is fixed, because jobs hear of the reconciler before it lives.
const reconcilerName = "reconciler-1"

// nameReconciler says who the reconciler will be, if anything that is configured needs one.
func (i *integration) nameReconciler(ctx actor.Context) {
	if i.reconciler = nil; i.config.Agent.Discovery.RefreshInterval > 0 || i.apim != nil {
		i.reconciler = actor.NewPID(ctx.Self().Address, ctx.Self().Id+"/"+reconcilerName)
	}
}

func (i *integration) spawnReconciler(ctx actor.Context, known, lost *actor.PID) {
	if i.reconciler == nil {
		return
	}
	spec := reconcile.Spec{
		Integration: i.provider.IntegrationID, Catalogue: known, Claims: lost, Jobs: i.jobs, Targets: i.targets,
		Memory: i.memory.documents, Filter: i.filter(), Warming: i.config.Agent.Discovery.RefreshInterval,
	}
	if i.apim != nil {
		settings := i.config.Agent.Ingest
		spec.APIM, spec.Jitter = i.apim, settings.ScheduleJitter
		spec.Schedule, _ = schedule.Parse(settings.Schedule) // it was checked
		if settings.RemovesGone() {
			spec.Remover, spec.Gone = i.apim, drift.Policy{
				How: drift.How(settings.Gone), AtMost: settings.GoneAtMost, WithSubscriptions: settings.GoneWithSubscriptions,
			}
		}
	}
	if _, err := ctx.SpawnNamed(reconcile.Props(i.env, spec), reconcilerName); err != nil {
		panic(err)
	}
}

// apim is what APIM's REST API is asked of one integration.
type apim struct {
	client                   *apimrest.Client
	environment, integration string
}

// newAPIM is nil where APIM's REST API is not to be asked. It asks nobody yet.
func newAPIM(env *life.Env, to config.APIM, integration string) *apim {
	if !to.IsOn() {
		return nil
	}
	return &apim{environment: to.EnvironmentID, integration: integration, client: to.Client(env.TLS, env.Dial)}
}

// close lets go of connections that are kept for a next request.
func (a *apim) close() {
	if a != nil {
		a.client.Close()
	}
}

// State implements [reconcile.APIM].
func (a *apim) State(ctx context.Context) (reconcile.State, error) {
	i, err := a.client.Integration(ctx, a.integration)
	return reconcile.State{Connected: i.Connected, Job: i.PendingJob}, err
}

// Held implements [reconcile.APIM].
func (a *apim) Held(ctx context.Context) (drift.Held, error) {
	list, err := a.client.APIs(ctx, a.integration)
	apis := make([]drift.API, len(list))
	for n, api := range list {
		apis[n] = drift.API(api)
	}
	return drift.NewHeld(apis, func(uniqueID string) string {
		return federation.APIMID(a.environment, a.integration, uniqueID)
	}), err
}

// Ingest implements [reconcile.APIM].
func (a *apim) Ingest(ctx context.Context, ids []string) error {
	return a.client.Ingest(ctx, a.integration, ids)
}

// held is how ingest jobs ask what APIM has; nil where they cannot.
func (i *integration) held() func(context.Context) (ingest.Held, error) {
	if i.apim == nil {
		return nil
	}
	return func(ctx context.Context) (ingest.Held, error) { return i.apim.Held(ctx) }
}

// Held asks APIM what it has of an integration, by its REST API, without starting anything.
func Held(ctx context.Context, env life.Env, cfg config.Config, integration string) (drift.Held, error) {
	a := newAPIM(&env, cfg.Agent.APIM, integration)
	defer a.close()
	return a.Held(ctx)
}
