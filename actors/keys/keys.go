// Package keys holds the actors that make and delete API keys. They stand beside the targets, in no restart group, so
// that only their own failure ends them. What no writer serves is the keeper's (actors/keeper).
//
//	keys         one per integration: opens and supervises the writers
//	└─ writer    one per account x region: gives each subscription that has work a saga, and what is left undone, too
//	   └─ saga   one per subscription that has work: makes and deletes its keys, one thing after the other
package keys

import (
	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/keys"
	"federation-agent/messages"
)

// Spec is what an integration's keys are made of.
type Spec struct {
	Integration string
	// Keeper is told of each writer.
	Keeper *actor.PID
	// Lookup says whether keys may be looked for in AWS by their names.
	Lookup bool
	// APIM is asked what became of unconfirmed keys; nil if it cannot be.
	APIM APIM
}

// Open asks for the writer of an account and region, which works with this client from now on. A restarted target
// asks again. Target -> keys -> writer.
type Open struct {
	Target federation.Target
	Client apigateway.Client
}

// Opened answers an [Open]; its sender is the writer. Writer -> target.
type Opened struct{ Target federation.Target }

// Serves tells that a writer serves a place, with the credentials of a target. Keys -> keeper.
type Serves struct {
	keys.Place
	Writer, Target *actor.PID
}

// Reach asks a target to open a writer for another region of its account. Keeper -> target.
type Reach struct{ Region string }

// Adopt has a writer serve, too, what integrations left in its account and region that nobody else serves there.
// Keeper -> writer.
type Adopt struct{ Integrations []string }

// source is what a writer's sagas ask: AWS, and the target for its listing.
type source struct {
	client apigateway.Client
	target *actor.PID
	lookup bool // keys may be looked for in AWS
	apim   APIM // nil if it cannot be asked
}

// announceDue has the supervisor tell the keeper again what is served.
type announceDue struct{}

// supervisor is the "keys" actor of one integration: it opens the writers, and tells when all of them have drained.
// Parent: integration.
type supervisor struct {
	life.Scoped
	env  *life.Env
	spec Spec
	// opened is what was opened. It outlives a restart, so that the writers' senders find them again under their names.
	opened map[federation.Target]source

	writers map[federation.Target]*actor.PID
	drainer *actor.PID
	// undrained is the writers that were asked to drain and have not said that they did, by their ids.
	undrained map[string]bool
}

// Props makes the "keys" actor of an integration.
func Props(env *life.Env, spec Spec) *actor.Props {
	opened := map[federation.Target]source{}
	return life.Props(env, life.Standing, func() actor.Actor {
		return &supervisor{env: env, spec: spec, opened: opened, writers: map[federation.Target]*actor.PID{}}
	})
}

func (s *supervisor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started, announceDue: // a keeper that panics loses what it is told
		s.Scope.After(sweepEvery, announceDue{})
		for target := range s.opened {
			s.open(ctx, target)
		}
	case Open:
		s.onOpen(ctx, m)
	case messages.Drain:
		s.onDrain(ctx, m)
	case messages.Drained:
		s.onDrained(ctx)
	default:
		life.Unexpected(s.env, ctx)
	}
}

// onOpen passes the question on to the writer. The sender of its answer is how the target learns of it.
func (s *supervisor) onOpen(ctx actor.Context, m Open) {
	s.opened[m.Target] = source{client: m.Client, target: ctx.Sender(), lookup: s.spec.Lookup, apim: s.spec.APIM}
	s.open(ctx, m.Target)
	ctx.Forward(s.writers[m.Target])
}

// open makes sure that a place has its writer, and tells the keeper.
func (s *supervisor) open(ctx actor.Context, target federation.Target) {
	opened, place := s.opened[target], keys.Place{
		Integration: s.spec.Integration, Account: target.Account, Region: target.Region,
	}
	if s.writers[target] == nil {
		pid, err := ctx.SpawnNamed(writerProps(s.env, place, opened), "writer-"+target.String())
		if err != nil { // the name is free: the writers of an earlier incarnation ended before this one began
			panic(err)
		}
		s.writers[target] = pid
	}
	ctx.Send(s.spec.Keeper, Serves{Place: place, Writer: s.writers[target], Target: opened.target})
}

// onDrain asks every writer. The order comes again until all is over, and then all are asked again: one that was
// restarted meanwhile has forgotten it.
func (s *supervisor) onDrain(ctx actor.Context, m messages.Drain) {
	s.drainer, s.undrained = ctx.Sender(), map[string]bool{}
	for _, writer := range s.writers {
		s.undrained[writer.Id] = true
		ctx.Request(writer, m)
	}
	s.doneDraining(ctx)
}

func (s *supervisor) onDrained(ctx actor.Context) {
	delete(s.undrained, ctx.Sender().Id)
	s.doneDraining(ctx)
}

func (s *supervisor) doneDraining(ctx actor.Context) {
	if s.drainer != nil && len(s.undrained) == 0 {
		ctx.Request(s.drainer, messages.Drained{})
	}
}
