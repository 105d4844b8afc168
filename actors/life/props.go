package life

import (
	"fmt"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/messages"
)

// WhyPanicked is the answer to a command that a panic cost.
const WhyPanicked = "the agent failed while it served this command; see its log, then try again"

// WhyDraining is the answer to a command that an orderly end leaves no time for.
const WhyDraining = "the agent is shutting down; try again in a moment"

// Kind says what a panic costs.
type Kind int

const (
	// Standing actors are restarted: they serve many.
	Standing Kind = iota
	// Worker actors are stopped: they serve one command or one call, and their parent answers for it.
	Worker
	// Part actors are a part of their parent: their panic counts as the parent's.
	Part
)

// crash is the reason of a failure as the supervisor sees it.
type crash struct {
	kind  Kind
	value any
}

func (c *crash) Error() string { return fmt.Sprintf("panic: %v", c.value) }

// Props makes every actor's Props, the only place that does (a test keeps it so): a producer, the guard, and the
// supervision of its children. Children whose names begin with one of together cannot do without each other: the panic
// of one restarts them all.
//
// The guard logs a panic with its stack, answers the command that the panic costs, and keeps the actor's [Scope]. It
// swallows the panics of an actor that is stopping: they would leave a parent that never ends. To such an actor it
// passes on only the news of its own end and of its children's. The library would pass on everything, and a child that
// is made after the others were told to stop is waited for, and never stopped.
func Props(env *Env, kind Kind, produce func() actor.Actor, together ...string) *actor.Props {
	children := &supervisor{env: env, kind: kind, together: together, failures: map[string]failures{}}
	return actor.PropsFromProducer(produce,
		actor.WithReceiverMiddleware(guard(env, kind, children)),
		actor.WithSupervisor(children),
	)
}

func guard(env *Env, kind Kind, children *supervisor) actor.ReceiverMiddleware {
	return func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
			holder, scoped := ctx.Actor().(scopeHolder)
			_, message, sender := actor.UnwrapEnvelope(envelope)
			leaving := scoped && holder.ScopeClosed() // a child's Terminated, for one
			switch m := message.(type) {
			case *actor.Started:
				children.begin(ctx.Self())
				if scoped {
					holder.openScope(env, ctx.ActorSystem(), ctx.Self())
				}
			case *actor.Stopping, *actor.Restarting:
				leaving = true
				children.end()
				if scoped {
					holder.closeScope()
				}
			case *actor.Stopped:
				leaving = true
			case *actor.Terminated:
			case restartDue:
				children.restart(ctx.ActorSystem(), m)
				return
			case scopedMessage:
				if !m.scope.Alive() {
					return
				}
				envelope = &actor.MessageEnvelope{Header: envelope.Header, Message: m.message, Sender: envelope.Sender}
				message = m.message
			default:
				if leaving {
					return
				}
			}
			defer func() {
				value := recover()
				if value == nil {
					return
				}
				env.Lasting.Error("an actor panicked; this is a bug in the agent, please report it",
					logActor, ctx.Self().Id, logMessage, fmt.Sprintf("%T", message), LogCause, fmt.Sprintf("%T", message),
					LogError, fmt.Sprint(value), logStack, string(debug.Stack()))
				if leaving {
					return
				}
				answerFor(ctx, message, sender)
				panic(&crash{kind: kind, value: value})
			}()
			if env.Faults != nil {
				env.Faults(ctx.Self().Id, message)
			}
			next(ctx, envelope)
		}
	}
}

// answerFor answers the command that was lost in a panic. Should it be answered elsewhere too, the session passes only
// the first answer on.
func answerFor(ctx actor.ReceiverContext, message any, asker *actor.PID) {
	if command, ok := message.(messages.Command); ok && asker != nil {
		ctx.ActorSystem().Root.Send(asker, messages.Answer{
			CommandRef: command.Ref(), Reply: messages.Refused{Reason: WhyPanicked},
		})
	}
}

// Unexpected logs a message that an actor has no use for, by its type only: a message may be large.
func Unexpected(env *Env, ctx actor.Context) {
	switch ctx.Message().(type) {
	case actor.SystemMessage, actor.AutoReceiveMessage:
		return
	}
	env.Log.Debug("an actor got a message that it has no use for",
		logActor, ctx.Self().Id, logMessage, fmt.Sprintf("%T", ctx.Message()))
}
