// Package reconcile holds the actor that keeps APIM as AWS is, without anybody asking: it warms the export cache, has
// APIM ingest what has changed, on a schedule or as events name it, and reports how AWS and APIM differ.
package reconcile

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/drift"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/schedule"
	"federation-agent/internal/targets"
	"federation-agent/messages"
)

// reconciler makes the rounds of an integration, one at a time, see [round]. It sends nothing to APIM itself: it has
// APIM start an ingest of what is to be sent, so that APIM knows of the job. Parent: integration. It restarts together
// with the actors that read AWS.
type reconciler struct {
	life.Scoped
	env    *life.Env
	spec   Spec
	memory *memory
	round  *round // nil between two rounds

	// What is due once the round that runs has ended. More of it is in the memory.
	naming    bool        // a timer runs, for more of what events name or until it is tried again
	quiet     *time.Timer // that timer, if it is for more
	quietBy   time.Time   // when it runs out at the latest
	reportDue bool
	draining  bool
	// unsent are the APIs that the last comparison found changed, with the digest of each as it is to be sent.
	unsent map[federation.ID]string
	told   string    // ids of what the last warning of a report named
	due    time.Time // when the next scheduled round begins; zero without a schedule
}

// memory is what a reconciler keeps over its restarts.
type memory struct {
	primary bool // the session says it once
	// cut: it was the primary when the session went, and APIM has not said since who is.
	cut bool
	// owed is a scheduled round that has come due and has not ended; tries is how often it was begun. While waiting, a
	// timer runs until the next try. Heard: it is for what events have said, too, which do not come again.
	owed, waiting, heard bool
	tries                int
	// named are ids of APIs that events have named; unnamed: they have said that others may have changed, too. Trying are
	// the ids of the round that runs for such APIs, and namedTries is how often one was begun.
	named      map[string]bool
	unnamed    bool
	trying     []string
	namedTries int
	// at is the last time of the schedule that has come.
	at time.Time
	// elsewhere are the digests of APIs as another agent of the integration was given them to ingest. They are lost with
	// the process: each is sent once more then.
	elsewhere map[federation.ID]string
	gone      gone
}

// Spec is what a reconciler is made of.
type Spec struct {
	Integration             string
	Catalogue, Claims, Jobs *actor.PID
	Targets                 *targets.Directory[*actor.PID]
	Memory                  *exports.Bound
	Filter                  federation.Filter
	// Warming is the time between two rounds that warm the export cache; 0 for none.
	Warming time.Duration
	// APIM is asked what it has; nil if it cannot be asked. All below is then of no use.
	APIM APIM
	// Schedule says when rounds begin that have APIM ingest what has changed. Each is put off by a random part of Jitter.
	Schedule schedule.Schedule
	Jitter   time.Duration
	// Remover removes from APIM what AWS has deleted, by the policy. Nil: it is only reported.
	Remover Remover
	Gone    drift.Policy
}

// APIM is what the reconciler asks of an integration by APIM's REST API.
type APIM interface {
	// State says whether an ingest may be started.
	State(context.Context) (State, error)
	// Held lists what APIM has.
	Held(context.Context) (drift.Held, error)
	// Ingest has APIM start an ingest of some APIs, by their ids. It answers when this agent has answered START_INGEST.
	Ingest(context.Context, []string) error
}

// State is an integration as APIM sees it.
type State struct {
	// Connected: some agent of the integration has a session.
	Connected bool
	// Job is an ingest that runs, whoever started it; empty for none.
	Job string
}

// Changed names APIs that have changed in AWS, by their ids: these are compared and ingested, and no others, unless
// others may have changed, too. The stage in an id may be [federation.AnyStage]. Listener -> reconciler.
type Changed struct {
	IDs    []string
	Others bool
}

const (
	// putOff is how much later a round is tried again that must not begin now, such as while an ingest runs.
	putOff = 5 * time.Minute
	// mostTries is how often a scheduled round is begun: ingests of half an hour, one after the other, are somebody's work
	// that goes on.
	mostTries = 7
	// debounce is how long a round waits after the last of what events name, and longestDebounce how long after the first:
	// a deployment changes several things in turn, and a tool many APIs.
	debounce        = 10 * time.Second
	longestDebounce = 2 * time.Minute
	// mostNamed is how many APIs may be named and wait. Beyond that all are compared.
	mostNamed = 1000
)

// Props makes a reconciler.
func Props(env *life.Env, spec Spec) *actor.Props {
	memory := &memory{elsewhere: map[federation.ID]string{}, named: map[string]bool{}}
	return life.Props(env, life.Standing, func() actor.Actor {
		return &reconciler{env: env, spec: spec, memory: memory, unsent: map[federation.ID]string{}}
	})
}

// What the reconciler tells itself.
type (
	warmingDue  struct{}
	scheduleDue struct{ at time.Time }
	owedDue     struct{} // a round that was put off
	namedDue    struct{}
	roomMoved   struct{} // there is room for documents again
	stateCame   struct {
		of    *round
		state State
		err   error
	}
	heldCame struct {
		of   *round
		held drift.Held
		err  error
	}
	ingestBegun struct {
		of  *round
		err error
	}
	takenForgotten struct{ err error }
	sentForgotten  struct{ err error }
)

func (r *reconciler) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		r.onStarted()
	case messages.PrimaryChanged:
		if !m.Primary {
			if r.memory.cut { // another agent's matter since
				r.memory.owed, r.memory.heard = false, false
			}
			r.forgetTaken()
		}
		r.memory.cut = false
		r.onPrimary(ctx, m.Primary)
	case sentForgotten:
		if m.err != nil {
			r.env.Lasting.Warn("cannot forget with which plans an API was sent that is deleted", life.LogError, m.err)
		}
	case takenForgotten:
		if m.err != nil {
			r.env.Lasting.Warn("cannot forget how APIM took APIs: what another replica has sent since may count as unchanged",
				life.LogError, m.err)
		}
	case messages.SessionDown:
		r.memory.cut = r.memory.cut || r.memory.primary
		r.onPrimary(ctx, false) // until the next session's PRIMARY says otherwise
	case messages.Drain:
		r.draining = true
		r.leave(ctx, "the agent is shutting down")
	case warmingDue:
		r.onWarmingDue(ctx)
	case scheduleDue:
		r.onScheduleDue(ctx, m)
	case owedDue:
		r.memory.waiting = false
		r.next(ctx)
	case Changed:
		r.onChanged(ctx, m)
	case namedDue:
		r.onNamedDue(ctx)
	case messages.JobEnded:
		r.reportDue = true
		r.next(ctx)
	case messages.JobsCounted:
		r.onJobsCounted(ctx, m)
	case stateCame:
		r.onState(ctx, m)
	case messages.GatheredAPIs:
		r.onCatalogue(ctx, m)
	case messages.LossesJudged:
		r.onLossesJudged(ctx, m)
	case messages.APIReady:
		r.onReady(ctx, m)
	case messages.APIOmitted:
		r.onOmitted(ctx, m)
	case roomMoved:
		r.pull(ctx)
	case heldCame:
		r.onHeld(ctx, m)
	case ingestBegun:
		r.onIngestBegun(ctx, m)
	case removalDue:
		r.memory.gone.waiting = false
		r.next(ctx)
	case settledCame:
		r.onSettled(ctx, m)
	case removedCame:
		r.onRemoved(ctx, m)
	default:
		life.Unexpected(r.env, ctx)
	}
}
