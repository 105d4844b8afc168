package agent

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/command"
	"federation-agent/actors/discovery"
	"federation-agent/actors/ingest"
	"federation-agent/actors/keys"
	"federation-agent/actors/life"
	"federation-agent/actors/quota"
	"federation-agent/actors/session"
	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/exchange"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

const (
	// maxIngestJobs bounds the ingest jobs of one integration: each may hold agent.ingest.memoryBytes.
	maxIngestJobs = 2
	// closeMargin is what a drain leaves for closing the session after the open commands are answered.
	closeMargin = 3 * time.Second
	// resumeAfter is how long a job that panicked waits for its next life: one that always panics must not spin
	// until APIM gives it up.
	resumeAfter = 5 * time.Second
	// ingestOverhead is room in one message for the envelope around an INGEST's APIs.
	ingestOverhead = 1 << 10
	// lookAgain is how often a drain looks whether the last keys are seen to: a call to AWS takes longer.
	lookAgain = 50 * time.Millisecond
)

// integration is one configured provider: its own session, router, catalogue, targets and ingest jobs.
// Parent: agent.
type integration struct {
	life.Scoped
	env      *life.Env
	config   config.Config
	provider config.Provider
	memory   *integrationMemory

	session, router, catalogue *actor.PID
	refresher                  *actor.PID // nil unless configured
	targets                    []*actor.PID
	jobs                       map[string]*actor.PID
	up, primary                bool
	draining                   bool
	// undrained is who was asked to drain and has not said that it did, by actor.
	undrained map[string]*actor.PID
}

// integrationMemory is what outlives an integration's restarts, and those of the actors below it.
type integrationMemory struct {
	ledger      *command.Ledger
	session     *session.Memory
	guard       *ingest.PlanGuard
	leftovers   *command.Leftovers
	documents   *exports.Room
	credentials *discovery.CredentialsSource
	keymakers   *keys.Keymakers
	tickets     *atomic.Uint64

	draining bool
	// disorderly: it ended before everything below it had ended in order.
	disorderly bool
}

func newIntegrationMemory(env *life.Env, cfg config.Config, provider config.Provider) *integrationMemory {
	count := func(c messages.Command, as status.Outcome) {
		env.Board.Answered(provider.IntegrationID, status.Command{Type: session.TypeOf(c), Outcome: as})
	}
	return &integrationMemory{
		ledger: command.NewLedger(cfg.Agent.Commands.MaxOpen, count), session: &session.Memory{}, guard: ingest.NewPlanGuard(),
		leftovers: &command.Leftovers{}, documents: exports.NewRoom(cfg.Agent.Ingest.MemoryBytes),
		tickets: env.Tickets, keymakers: &keys.Keymakers{Made: map[federation.Target]*keys.Keymaker{}},
		credentials: discovery.NewCredentialsSource(apigateway.CredentialsOptions{
			AccessKeyID: provider.AccessKeyID, SecretAccessKey: provider.SecretAccessKey,
			ExternalID: cfg.Agent.AWS.ExternalID, RoleSessionName: cfg.Agent.AWS.RoleSessionName,
			Regions: provider.Regions, HTTPClient: env.AWS, Log: env.Log,
		}),
	}
}

func integrationProps(env *life.Env, cfg config.Config, provider config.Provider, memory *integrationMemory) *actor.Props {
	return life.Props(env, life.Standing, func() actor.Actor {
		return &integration{
			env: env, config: cfg, provider: provider, memory: memory,
			jobs: map[string]*actor.PID{}, undrained: map[string]*actor.PID{},
		}
	})
}

// drainOverdue tells who drains that the time for an orderly end is up; lookDue that it may have come; resumeDue that a
// job which ended may have to be gone on with.
type (
	drainOverdue struct{}
	lookDue      struct{}
	resumeDue    struct{}
	// jobForgotten: a job that is too old to go on with was taken off the disk, or could not be.
	jobForgotten struct {
		job string
		err error
	}
)

func (i *integration) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		i.onStarted(ctx)
	case messages.StartIngest:
		i.onStartIngest(ctx, m)
	case messages.TargetResolved:
		ctx.Forward(i.router)
		ctx.Forward(i.catalogue)
	case messages.SessionUp:
		i.up = true
		i.tellJobs(ctx, m)
	case messages.SessionDown:
		i.up, i.primary = false, false
		i.tellJobs(ctx, m)
		i.tellRefresher(ctx, m)
	case messages.PrimaryChanged:
		i.primary = m.Primary
		i.env.Board.Primary(i.provider.IntegrationID, m.Primary)
		i.tellRefresher(ctx, m)
	case messages.TellPrimary:
		ctx.Respond(messages.PrimaryChanged{Primary: i.primary})
	case messages.ExportsForgotten:
		i.tellJobs(ctx, m)
		i.tellRefresher(ctx, m)
	case messages.Abandoned:
		i.tellJobs(ctx, m)
	case messages.Dismissed:
		ctx.Request(ctx.Parent(), m)
	case messages.AreYouThere:
		ctx.Forward(i.session)
	case messages.Drain:
		i.onDrain(ctx, m)
	case messages.Drained:
		i.onDrained(ctx)
	case drainOverdue:
		i.env.Log.Warn("an integration did not end in time; stopping it as it is", life.LogIntegration, i.provider.IntegrationID)
		i.memory.disorderly = true
		ctx.Stop(ctx.Self())
	case lookDue:
		i.endOnceKeysAreSeenTo(ctx)
	case resumeDue:
		i.resumeJobs(ctx)
	case jobForgotten:
		if m.err != nil {
			i.env.Log.Warn("cannot forget an ingest job", life.LogJob, m.job, life.LogError, m.err)
		}
	case *actor.Terminated:
		i.onTerminated(ctx, m)
	default:
		life.Unexpected(i.env, ctx)
	}
}

func (i *integration) onStarted(ctx actor.Context) {
	if i.memory.draining { // it failed while it drained: its session is gone, and there is nobody left to be orderly with
		i.memory.disorderly = true
		ctx.Stop(ctx.Self())
		return
	}
	var parties []*command.TargetParty // the router's
	var targets []command.TargetParty  // the catalogue's own copy: nothing that changes is shared between actors
	for _, spec := range i.targetSpecs(ctx) {
		pid := ctx.SpawnPrefix(discovery.TargetProps(i.env, spec), "target-")
		i.targets = append(i.targets, pid)
		party := command.TargetParty{Region: spec.Region, Account: spec.Account, Pid: pid}
		parties, targets = append(parties, &party), append(targets, party)
	}
	i.catalogue = ctx.SpawnPrefix(discovery.CatalogueProps(i.env, i.provider.IntegrationID, targets, i.provider.Stages), "catalogue-")
	age, maxMessage := i.config.Agent.Discovery.ListingMaxAge, i.config.Connector.MaxMessageSize
	catalogue := i.catalogue
	i.router = ctx.SpawnPrefix(command.RouterProps(i.env, i.memory.ledger, command.RouterParties{
		Catalogue: i.catalogue, Targets: parties,
		Preview: func(c messages.Discover) *actor.Props {
			return command.PreviewProps(i.env, c, catalogue, age, maxMessage)
		},
		Fetch: func(c messages.Fetch) *actor.Props {
			return command.FetchProps(i.env, command.FetchSpec{
				Command: c, Catalogue: catalogue, MaxAge: age, MaxBytes: maxMessage,
				Window: i.config.Agent.Ingest.StageWorkers, Leftovers: i.memory.leftovers,
			})
		},
	}), "router-")
	i.session = ctx.SpawnPrefix(session.Props(i.env, i.memory.session, session.Spec{
		Connector: i.config.Connector, Target: i.provider.IntegrationID, Ledger: i.memory.ledger, Router: i.router,
	}), "session-")
	if interval := i.config.Agent.Discovery.RefreshInterval; interval > 0 {
		i.refresher = ctx.SpawnPrefix(discovery.RefresherProps(i.env, i.catalogue, interval), "refresher-")
	}
	i.memory.guard.Begin(i.env, i.provider.IntegrationID)
	i.resumeJobs(ctx)
}

// targetSpecs is every region with every role.
func (i *integration) targetSpecs(ctx actor.Context) []discovery.TargetSpec {
	roles := i.provider.RoleARNs
	if len(roles) == 0 {
		roles = []string{""}
	}
	env, agent, self, tickets, system := i.env, ctx.Parent(), ctx.Self(), i.memory.tickets, ctx.ActorSystem()
	keymakers, documents := i.memory.keymakers, i.memory.documents
	settings := i.config.Agent.Ingest
	filter := federation.Filter{AcceptWithoutPlan: i.provider.AcceptAPIWithoutUsagePlan, Stages: i.provider.Stages}
	integrationID, maxBytes := i.provider.IntegrationID, i.maxIngest()
	var specs []discovery.TargetSpec
	for _, role := range roles {
		account, _, _ := apigateway.AccountOfRole(role)
		for _, region := range i.provider.Regions {
			specs = append(specs, discovery.TargetSpec{
				Integration: integrationID, Region: region, RoleARN: role, Account: account, FallbackAccount: i.config.Agent.AWS.AccountID,
				Credentials: i.memory.credentials, Agent: agent,
				Permits: func(pid *actor.PID, t federation.Target) apigateway.Permits {
					return &quota.Permits{System: system, Quota: pid, Tickets: tickets, Target: t, Board: env.Board}
				},
				Discoverer: func(t federation.Target, c apigateway.Client) *actor.Props {
					return discovery.DiscovererProps(env, discovery.DiscovererSpec{
						Target: t, Client: c, Filter: filter, Workers: settings.StageWorkers,
						Stage: func(task discovery.StageTask) *actor.Props {
							return discovery.StageProps(env, task, maxBytes, documents)
						},
						Forgotten: self,
					})
				},
				Writer: func(t federation.Target, c apigateway.Client) *actor.Props {
					return keys.WriterProps(env, keymakers.Of(env, integrationID, t, c))
				},
			})
		}
	}
	return specs
}

// maxIngest is how large the APIs of one INGEST may be together.
func (i *integration) maxIngest() int {
	return i.config.Connector.MaxMessageSize - exchange.IngestSize("", "", 0, 0) - ingestOverhead
}

// onStartIngest begins a job. The same job again is its own matter.
func (i *integration) onStartIngest(ctx actor.Context, m messages.StartIngest) {
	if job := i.jobs[m.JobID]; job != nil {
		ctx.Forward(job)
		return
	}
	if i.draining || len(i.jobs) >= maxIngestJobs {
		ctx.Request(ctx.Sender(), messages.Answer{CommandRef: m.CommandRef, Reply: messages.Refused{
			Reason: fmt.Sprintf("%d ingests of this integration are running already; try again when one has ended", len(i.jobs)),
		}})
		return
	}
	i.spawnJob(ctx, m, nil)
}

func (i *integration) spawnJob(ctx actor.Context, m messages.StartIngest, resumed *store.IngestJob) {
	i.jobs[m.JobID] = ctx.SpawnPrefix(ingest.Props(i.env, ingest.Spec{
		Integration: i.provider.IntegrationID, Command: m, Settings: i.config.Agent.Ingest,
		ListingAge: i.config.Agent.Discovery.ListingMaxAge, Resumed: resumed, Guard: i.memory.guard,
		MaxBytes: i.maxIngest(), Up: i.up,
	}, ingest.Parties{Session: i.session, Catalogue: i.catalogue, Router: i.router}), "ingest-")
	i.shareMemory(ctx)
}

// resumeJobs goes on with the jobs of an earlier life that APIM still holds, and forgets the others.
func (i *integration) resumeJobs(ctx actor.Context) {
	jobs, err := i.env.Jobs.Running(i.provider.IntegrationID)
	if err != nil {
		i.env.Log.Warn("cannot read the running ingest jobs", life.LogError, err)
		return
	}
	for _, job := range jobs {
		if i.draining || i.jobs[job.JobID] != nil {
			continue
		}
		if i.env.Now().Sub(ingest.LastMove(job)) > ingest.JobDeadline {
			i.env.Log.Warn("an ingest job of an earlier life is too old to go on with; start it again", life.LogJob, job.JobID)
			i.forgetJob(job.JobID)
			continue
		}
		i.spawnJob(ctx, messages.StartIngest{JobID: job.JobID, APIIDs: job.APIIDs}, &job)
	}
}

// forgetJob takes a job off the disk, whose time is not to be the integration's.
func (i *integration) forgetJob(job string) {
	env, integration := i.env, i.provider.IntegrationID
	life.Pipe(i.Scope, func(context.Context) (struct{}, error) { return struct{}{}, env.Jobs.Finish(integration, job) },
		func(_ struct{}, err error) any { return jobForgotten{job: job, err: err} })
}

func (i *integration) tellRefresher(ctx actor.Context, m any) {
	if i.refresher != nil {
		ctx.Send(i.refresher, m)
	}
}

// shareMemory divides the bound on documents held among the jobs that run.
func (i *integration) shareMemory(ctx actor.Context) {
	i.tellJobs(ctx, messages.IngestShare{Bytes: i.config.Agent.Ingest.MemoryBytes / max(1, len(i.jobs))})
}

func (i *integration) tellJobs(ctx actor.Context, m any) {
	for _, job := range i.jobs {
		ctx.Send(job, m)
	}
}

// onDrain ends in order: no new jobs, no new commands, the open ones answered; then the session is closed;
// then the keys that nobody heard of are undone. The order to drain comes again and again, and whoever has not
// answered is asked again: one that was restarted meanwhile has forgotten it.
func (i *integration) onDrain(ctx actor.Context, m messages.Drain) {
	down := messages.Drain{By: m.By.Add(-closeMargin)}
	if i.draining {
		for _, who := range i.undrained {
			ctx.Request(who, down)
		}
		return
	}
	i.draining, i.memory.draining = true, true
	i.tellJobs(ctx, m)
	i.Scope.After(time.Until(m.By), drainOverdue{})
	i.drain(ctx, down, i.router)
}

func (i *integration) drain(ctx actor.Context, m messages.Drain, all ...*actor.PID) {
	for _, who := range all {
		i.undrained[who.Id] = who
		ctx.Request(who, m)
	}
}

func (i *integration) onDrained(ctx actor.Context) {
	who := ctx.Sender()
	asked := len(i.undrained)
	for id, pid := range i.undrained {
		if who.Equal(pid) || life.IsDescendant(who, pid) {
			delete(i.undrained, id)
		}
	}
	switch {
	case len(i.undrained) == asked, len(i.undrained) > 0: // said twice; or others are not ready
	case who.Equal(i.router):
		i.drain(ctx, messages.Drain{}, i.session)
	case who.Equal(i.session):
		i.drain(ctx, messages.Drain{}, i.targets...)
	default:
		i.endOnceKeysAreSeenTo(ctx)
	}
}

// endOnceKeysAreSeenTo ends in order: what the writers and their earlier incarnations have begun comes to its end first.
func (i *integration) endOnceKeysAreSeenTo(ctx actor.Context) {
	if i.memory.keymakers.AtWork() {
		i.Scope.After(lookAgain, lookDue{})
		return
	}
	ctx.Stop(ctx.Self())
}

// onTerminated takes note of a job's end. One that panicked is still written down, and is gone on with.
func (i *integration) onTerminated(ctx actor.Context, m *actor.Terminated) {
	for id, job := range i.jobs {
		if job.Equal(m.Who) {
			delete(i.jobs, id)
			i.shareMemory(ctx)
			i.Scope.After(resumeAfter, resumeDue{})
		}
	}
}
