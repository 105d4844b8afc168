// Package agent is the tree of actors: it builds and supervises them, starts them and ends them in order. The folders
// beside it hold the actors by subject; only they import the actor library.
//
//	agent
//	├─ quota        one per account x region in the whole process
//	├─ keeper       keys that nothing configured serves
//	├─ member       shows the process to those that share its journal, where it is a table
//	└─ integration  one per configured provider
//	   ├─ session      the websocket to APIM's integration controller
//	   ├─ router       command in -> the actor that serves it -> one reply out
//	   │  └─ preview, fetch   one per command
//	   ├─ jobs         begins and resumes ingests
//	   │  └─ ingest           one per job
//	   ├─ claims       plans that AWS was seen without
//	   ├─ catalogue    what all targets have, with names that tell them apart
//	   ├─ reconciler   keeps the export cache warm, and APIM as AWS is
//	   ├─ identity     finds credentials and their account
//	   ├─ target       one per account x region
//	   │  └─ discoverer       listings
//	   │     └─ stage         one per (REST API, stage) to export
//	   └─ keys         opens the writers
//	      └─ writer           one per account x region: API keys
//	         └─ saga          one per subscription that has work
//
// Router, jobs, claims, catalogue, reconciler, identity and targets restart together: each waits for answers of the
// others. The session and the keys restart alone. Everything that decides is a pure function elsewhere; the actors hold
// what changes.
package agent

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/exports"
	"federation-agent/internal/status"
	"federation-agent/messages"
)

// Ending says why an agent ended.
type Ending int

const (
	// Failed: the top actor stopped without being asked to. It is a bug; the orchestrator starts the agent again.
	Failed Ending = iota
	// Drained: it was asked to end and did, in order.
	Drained
	// Disorderly: it was asked to end, and something was stopped before it had ended: its time was up, or it failed
	// meanwhile. What is left to do is in the journal.
	Disorderly
	// Dismissed: APIM said good-bye for good to every integration.
	Dismissed
)

// Agent is a running agent.
type Agent struct {
	system *actor.ActorSystem
	top    *actor.PID
	done   chan struct{}
	ending Ending
	// integrations is how many are configured.
	integrations int
	// handover is how long each of them may be handed over to another process; 0 where the journal is not shared.
	handover time.Duration
}

// Start starts an agent. It returns at once: the agent connects in the background.
func Start(given life.Env, cfg config.Config) *Agent {
	system, env, end := newSystem(given)
	if cfg.Agent.Discovery.ShareExports {
		env.Sharing = exports.NewSharing()
	}
	a := &Agent{system: system, done: make(chan struct{}), integrations: len(cfg.Providers)}
	if env.Member != nil {
		a.handover = cfg.Agent.Shutdown.Handover
	}
	// The ending is told once: an actor that a bug stops twice must not panic in Stopped.
	ended := make(chan Ending, 1)
	a.top = a.system.Root.SpawnPrefix(agentProps(env, cfg, end, func(e Ending) {
		select {
		case ended <- e:
		default:
		}
	}), "agent-")
	go func() {
		a.ending = <-ended
		close(a.done)
	}()
	return a
}

// newSystem completes what is given, and makes the system in which the actors live. end ends [life.Env.Life].
func newSystem(given life.Env) (system *actor.ActorSystem, env *life.Env, end func()) {
	env = &given
	env.Tickets = &atomic.Uint64{}
	env.Logging(env.Log)
	env.Life, end = context.WithCancel(context.Background())
	if env.Board == nil {
		env.Board = status.NewBoard()
	}
	if env.AWS == nil {
		env.AWS = apigateway.NewHTTPClient() // one for the process: targets share its connections
	}
	system = actor.NewActorSystem(
		// The library logs dead letters with their whole payload at Info.
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(onlyWarnings{env.Log.Handler()}) }),
		actor.WithDeadLetterRequestLogging(false),
	)
	useFewerBuckets(system.ProcessRegistry.LocalPIDs)
	return system, env, end
}

// buckets is over how many of its maps, each of 32 shards, the library spreads the processes that live. Its
// own 1,024 cost 3 MiB from the start and as much again once every shard has been used, which takes
// 100,000 requests and looks like a leak until then; a process of 200 targets has some thousands.
const buckets = 16

// useFewerBuckets shrinks the registry, which must not be in use yet.
func useFewerBuckets(registry *actor.SliceMap) {
	all := registry.LocalPIDs
	registry.LocalPIDs = slices.Clone(all[:buckets]) // or the others would stay in memory
	for _, bucket := range all {
		if bucket.IsEmpty() {
			continue // nearly all are; Items would start a goroutine for each of their shards
		}
		for id, process := range bucket.Items() {
			bucket.Remove(id)
			registry.GetBucket(id).Set(id, process)
		}
	}
}

// Done is closed when the agent has ended.
func (a *Agent) Done() <-chan struct{} { return a.done }

// Ending says why it has ended; call it after Done.
func (a *Agent) Ending() Ending { return a.ending }

// Drain asks the agent to end within d: refuse new commands, answer the open ones, close its sessions.
// What is left at the end of that time is stopped as it is. Where the journal is shared, agent.shutdown.handover is added
// to it: each session is first handed over to another process. It returns when the agent has ended, or with the
// context's error.
func (a *Agent) Drain(ctx context.Context, d time.Duration) error {
	from := time.Now().Add(a.handover)
	order := messages.Drain{From: from, By: from.Add(d)}
	again := time.NewTicker(drainAgain)
	defer again.Stop()
	for {
		a.system.Root.Send(a.top, order)
		select {
		case <-a.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

// drainAgain is how often the order to drain is given: an actor that panics meanwhile forgets it, and an
// orderly end has seconds.
const drainAgain = 500 * time.Millisecond

// Kill stops all actors at once. Only tests use it.
func (a *Agent) Kill() {
	a.system.Root.Stop(a.top)
	<-a.done
}

// onlyWarnings keeps the actor library's chatter out of the log.
type onlyWarnings struct{ slog.Handler }

func (h onlyWarnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

// Actors is the ids of all that lives now, requests under way included, for those who look for leaks.
func (a *Agent) Actors() []string {
	var ids []string
	for _, bucket := range a.system.ProcessRegistry.LocalPIDs.LocalPIDs {
		ids = append(ids, bucket.Keys()...)
	}
	return ids
}
