package agent

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/catalogue"
	"federation-agent/actors/claims"
	"federation-agent/actors/command"
	"federation-agent/actors/discovery"
	"federation-agent/actors/domains"
	"federation-agent/actors/ingest"
	"federation-agent/actors/jobs"
	"federation-agent/actors/keys"
	"federation-agent/actors/life"
	"federation-agent/actors/quota"
	"federation-agent/actors/session"
	"federation-agent/actors/target"
	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/exchange"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/region"
	"federation-agent/internal/status"
	"federation-agent/internal/targets"
	"federation-agent/messages"
)

const (
	// closeMargin is what a drain leaves for closing the session after the open commands are answered.
	closeMargin = 3 * time.Second
	// ingestOverhead is room in one message for the envelope around an INGEST's APIs.
	ingestOverhead = 1 << 10
)

// integration is one configured provider: it builds and supervises the session, the router, the catalogue, the targets
// and its other actors, and ends them in order. It passes nothing on between them. Parent: agent.
//
// The actors that list, export, send or route restart together: each of them waits for answers of the others. The
// session and the keys do not: a panic elsewhere must cut no connection and no key that is being made.
type integration struct {
	life.Scoped
	env      *life.Env
	config   config.Config
	provider config.Provider
	memory   *integrationMemory
	keeper   *actor.PID

	session, router, jobs *actor.PID
	keys                  *actor.PID
	reconciler            *actor.PID // nil if nothing configured needs it
	listener              *actor.PID // nil without a queue of events
	apim                  *apim      // nil if APIM's REST API is not to be asked
	targets               *targets.Directory[*actor.PID]
	draining              bool
	order                 messages.Drain // sent to each actor that drains
	handing               messages.Drain // what follows once the session is handed over; zero unless it is being
	// undrained is the actors that were asked to drain and have not said that they did.
	undrained map[string]*actor.PID
}

// integrationMemory is what an integration keeps over its restarts.
type integrationMemory struct {
	draining, dismissed bool
	// documents is its memory bound. What the actors below it held is given back when they end.
	documents *exports.Bound
}

// readers are what the names of the actors that read AWS begin with. They restart together.
func readers() []string { return []string{"catalogue-", "claims-", "identity-", "target-"} }

func integrationProps(env *life.Env, cfg config.Config, provider config.Provider, keeper *actor.PID) *actor.Props {
	env = env.With(provider.IntegrationID)
	memory := &integrationMemory{documents: exports.NewBound(cfg.Agent.Ingest.MemoryBytes)}
	return life.Props(env, life.Standing, func() actor.Actor {
		return &integration{
			env: env, config: cfg, provider: provider, memory: memory, keeper: keeper, undrained: map[string]*actor.PID{},
			apim: newAPIM(env, cfg.Agent.APIM, provider.IntegrationID),
		}
	}, append(readers(), "router-", "jobs-", "reconciler-")...)
}

type (
	// drainOverdue: the time for an orderly end is up. drainDue: the actors that have not said that they drained are asked
	// again.
	drainOverdue struct{}
	drainDue     struct{}
	// ended tells how an integration ended: integration -> agent.
	ended struct{ dismissed, disorderly bool }
)

func (i *integration) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		i.onStarted(ctx)
	case messages.AreYouThere:
		ctx.Forward(i.session)
	case messages.Dismissed:
		i.memory.dismissed = true
		ctx.Send(ctx.Self(), messages.Drain{By: time.Now().Add(i.config.Agent.Shutdown.Timeout)})
	case messages.Drain:
		i.onDrain(ctx, m)
	case messages.HandedOver:
		i.drain(ctx, i.handing)
	case messages.Drained:
		i.onDrained(ctx)
	case drainOverdue:
		i.env.Log.Warn("an integration did not end in time; stopping it as it is")
		i.end(ctx, true)
	case drainDue:
		i.onDrainDue(ctx)
	case *actor.Stopping, *actor.Restarting:
		i.apim.close()
	case *actor.Terminated:
	default:
		life.Unexpected(i.env, ctx)
	}
}

func (i *integration) onStarted(ctx actor.Context) {
	// It failed while it drained: its session is gone, so an orderly end is not possible any more.
	if i.memory.draining || i.memory.dismissed {
		i.end(ctx, true)
		return
	}
	id, agent := i.provider.IntegrationID, i.config.Agent
	i.keys = ctx.SpawnPrefix(keys.Props(i.env, keys.Spec{
		Integration: id, Keeper: i.keeper, Lookup: agent.Keys.Lookup, APIM: i.told(),
	}), "keys-")
	known, lost := i.spawnReaders(ctx)
	i.nameReconciler(ctx)
	i.jobs = ctx.SpawnPrefix(jobs.Props(i.env, ingest.Spec{
		Integration: id, Settings: agent.Ingest, Catalogue: known, Claims: lost, Targets: i.targets,
		Filter: i.filter(), ListingAge: agent.Discovery.ListingMaxAge, MaxBytes: i.maxIngest(), Memory: i.memory.documents,
		Held: i.held(),
	}, i.reconciler), "jobs-")
	i.router = ctx.SpawnPrefix(command.RouterProps(i.env, command.RouterSpec{
		Integration: id, Jobs: i.jobs, Catalogue: known, Keys: i.keys, Targets: i.targets,
		ListingMaxAge: agent.Discovery.ListingMaxAge, MaxMessage: i.config.Connector.MaxMessageSize,
		StageWorkers: agent.Ingest.StageWorkers, Memory: i.memory.documents,
	}), "router-")
	i.spawnReconciler(ctx, known, lost)
	i.spawnListener(ctx)
	i.session = ctx.SpawnPrefix(session.Props(i.env, session.Spec{
		Connector: i.config.Connector, Integration: id, MaxOpen: agent.Commands.MaxOpen,
		Router: i.router, Jobs: i.jobs, Reconciler: i.reconciler, Listener: i.listener,
	}), "session-")
}

// spawnReaders makes the actors that read AWS and judge what they read: all that a [Look] needs of an integration.
func (i *integration) spawnReaders(ctx actor.Context) (known, lost *actor.PID) {
	id := i.provider.IntegrationID
	i.targets = i.spawnTargets(ctx)
	known = ctx.SpawnPrefix(catalogue.Props(i.env, catalogue.Spec{
		Integration: id, Targets: i.targets, Filter: i.filter(),
	}), "catalogue-")
	lost = ctx.SpawnPrefix(claims.Props(i.env, claims.Spec{
		Integration: id, Catalogue: known, Accept: i.config.Agent.Ingest.AcceptPlanRemovals,
	}), "claims-")
	return known, lost
}

// targetRows is each account in each of its regions, with its id where the role's ARN names it.
func targetRows(cfg config.Config, p config.Provider) (rows []targets.Row[*actor.PID]) {
	for _, a := range cfg.Accesses(p) {
		for _, region := range a.Regions {
			rows = append(rows, targets.Row[*actor.PID]{
				Region: region, Role: a.Role, Account: apigateway.AccountOfRole(a.Role), Optional: a.All,
			})
		}
	}
	return rows
}

// spawnTargets makes a target of every region with every role, and the identity that they share.
func (i *integration) spawnTargets(ctx actor.Context) *targets.Directory[*actor.PID] {
	rows := targetRows(i.config, i.provider)
	optional := 0
	for n := range rows {
		if rows[n].Optional {
			optional++
		}
		rows[n].Target = actor.NewPID(ctx.Self().Address, ctx.Self().Id+"/"+targetName(n))
	}
	spec := target.Spec{
		Integration: i.provider.IntegrationID, Directory: targets.New(rows...),
		FallbackAccount: i.config.Agent.AWS.AccountID, Agent: ctx.Parent(), Keys: i.keys,
		Identity: ctx.SpawnPrefix(target.IdentityProps(i.env, i.credentials(), optional), "identity-"),
		Permits: func(asked *actor.PID, t federation.Target) apigateway.Permits {
			return &quota.Permits{
				System: ctx.ActorSystem(), Quota: asked, Tickets: i.env.Tickets, Target: t, Board: i.env.Board,
				Log: i.env.Log, Now: i.env.Now,
			}
		},
		Discoverer: i.discoverer,
	}
	for n := range rows {
		spec.Row = n
		if _, err := ctx.SpawnNamed(target.Props(i.env, spec), targetName(n)); err != nil {
			panic(err)
		}
	}
	return spec.Directory
}

func (i *integration) credentials() apigateway.CredentialsOptions {
	options := CredentialsOf(i.config, i.provider)
	options.HTTPClient, options.Log = i.env.AWS, i.env.Log
	options.Called = func(region string, o gateway.Operation, outcome gateway.Outcome) {
		i.env.Board.Called(status.Call{
			Place: status.Place{Region: region}, Operation: string(o), Result: outcome.Class.String(),
		}, i.env.Now(), outcome.Took)
		i.env.Log.Debug("AWS was called", life.OfAttempt(o, outcome, life.LogRegion, region)...)
	}
	return options
}

// CredentialsOf is how an integration signs in to AWS.
func CredentialsOf(cfg config.Config, p config.Provider) apigateway.CredentialsOptions {
	all := cfg.Accesses(p)
	external := make(map[string]apigateway.ExternalID, len(all)+1)
	if role := cfg.Agent.Events.RoleARN; role != "" {
		id, setting := cfg.EventsExternalID()
		external[role] = apigateway.ExternalID{ID: id, Setting: setting, RoleSetting: "agent.events.roleArn"}
	}
	for _, a := range all {
		external[a.Role] = apigateway.ExternalID{ID: a.ExternalID, Setting: a.ExternalIDFrom, RoleSetting: a.RoleFrom}
	}
	regions := config.RegionsOf(all, func(a config.Access) []string {
		if a.All {
			return a.Regions[:1] // its home: STS need not be tried in one that may be off
		}
		return a.Regions
	})
	return apigateway.CredentialsOptions{
		AccessKeyID: p.AccessKeyID, SecretAccessKey: p.SecretAccessKey, SessionToken: p.SessionToken,
		External: external, RoleSessionName: cfg.Agent.AWS.RoleSessionName, Regions: regions,
	}
}

func targetName(n int) string { return fmt.Sprintf("target-%d", n+1) }

func (i *integration) discoverer(row targets.Row[*actor.PID], c apigateway.Client) *actor.Props {
	env, maxBytes, settings := i.env, i.maxIngest(), i.config.Agent.Discovery
	props := discovery.DiscovererProps(env, discovery.DiscovererSpec{
		Integration: i.provider.IntegrationID, Target: row.ID(), Role: row.Role, Client: c,
		MayBeOff: row.Optional && row.Region != region.PartitionOf(row.Region).Home,
		Workers:  i.config.Agent.Ingest.StageWorkers, Filter: i.filter(),
		Stage: func(task discovery.StageTask) *actor.Props { return discovery.StageProps(env, task, maxBytes) },
	})
	if !settings.CustomDomains {
		return props
	}
	return domains.Props(env, domains.Spec{
		Integration: i.provider.IntegrationID, Target: row.ID(), Role: row.Role, Client: c, MaxAge: settings.CustomDomainsMaxAge,
		Discoverer: props,
	})
}

func (i *integration) filter() federation.Filter { return filterOf(i.provider) }

// maxIngest is how large the APIs of one INGEST may be together.
func (i *integration) maxIngest() int {
	return i.config.Connector.MaxMessageSize - exchange.IngestSize("", "", 0, 0) - ingestOverhead
}

// onDrain hands the session over first, as long as the order allows it. The order comes again and again.
func (i *integration) onDrain(ctx actor.Context, m messages.Drain) {
	switch {
	case i.draining:
	case time.Now().Before(m.From):
		i.handing = m
		ctx.Request(i.session, messages.HandOver{})
	default:
		if !i.handing.From.IsZero() && !m.From.IsZero() {
			i.env.Log.Warn("handing over took longer than agent.shutdown.handover allows: SUBSCRIBEs that come before another " +
				"agent has a session are rejected, and must be made again")
		}
		i.drain(ctx, m)
	}
}

// drain ends in order: no new jobs, no new commands, the open ones and the INGEST under way answered; then the session
// is closed; then the keys that APIM never heard of are undone. An actor that has not said that it drained is asked
// again now and then: it may have lost the order in a panic.
func (i *integration) drain(ctx actor.Context, m messages.Drain) {
	if i.draining {
		return
	}
	i.draining, i.memory.draining = true, true
	i.order = messages.Drain{By: m.By.Add(-closeMargin)}
	i.Scope.After(time.Until(m.By), drainOverdue{})
	for _, who := range []*actor.PID{i.reconciler, i.listener} {
		if who != nil {
			ctx.Send(who, i.order)
		}
	}
	i.ask(ctx, i.jobs)
	i.ask(ctx, i.router)
	i.Scope.After(drainAgain, drainDue{})
}

// ask asks an actor to drain.
func (i *integration) ask(ctx actor.Context, who *actor.PID) {
	i.undrained[who.Id] = who
	ctx.Request(who, i.order)
}

func (i *integration) onDrainDue(ctx actor.Context) {
	for _, who := range i.undrained {
		ctx.Request(who, i.order)
	}
	i.Scope.After(drainAgain, drainDue{})
}

func (i *integration) onDrained(ctx actor.Context) {
	who := ctx.Sender()
	if i.undrained[who.Id] == nil {
		return // said twice
	}
	delete(i.undrained, who.Id)
	switch {
	case len(i.undrained) > 0:
	case who.Equal(i.router), who.Equal(i.jobs):
		i.ask(ctx, i.session)
	case who.Equal(i.session):
		i.ask(ctx, i.keys)
	default:
		i.end(ctx, false)
	}
}

func (i *integration) end(ctx actor.Context, disorderly bool) {
	ctx.Request(ctx.Parent(), ended{dismissed: i.memory.dismissed, disorderly: disorderly})
	ctx.Stop(ctx.Self())
}
