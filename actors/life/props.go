package life

import (
	"fmt"
	"math"
	"runtime/debug"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/messages"
)

const (
	// restartFloor is the delay before the first restart of an actor: long enough that a panic in
	// Started does not spin, short enough that nobody notices one.
	restartFloor = 100 * time.Millisecond
	// restartCap bounds the delay between restarts: an actor that keeps failing is tried twice a minute.
	restartCap = 30 * time.Second
	// restartHealthy is how long an actor must run without a panic for its delay to start over.
	restartHealthy = time.Minute
)

// WhyPanicked is the answer to a command that a panic cost.
const WhyPanicked = "the agent failed while it served this command; see its log, then try again"

// kind says what a panic costs.
type kind int

const (
	// standing actors are restarted: they serve many.
	Standing kind = iota
	// worker actors are stopped: they serve one command or one call, and their parent answers for it.
	Worker
)

// crash is the reason of a failure as the supervisor sees it.
type crash struct {
	kind  kind
	value any
}

func (c *crash) Error() string { return fmt.Sprintf("panic: %v", c.value) }

// Props makes every actor's Props, the only place that does (a test keeps it so): a producer, the guard,
// and the supervision of its children.
//
// The guard logs a panic with its stack; swallows those of an actor that is on its way out, which would
// leave a zombie parent; answers the command that a panic costs; and keeps the actor's [scope]. It passes nothing
// on to an actor that is on its way out but the news of that and of its children's ends: the library would, and a
// child that is made after the others were told to stop is waited for, and never stopped.
func Props(env *Env, k kind, produce func() actor.Actor) *actor.Props {
	children := &supervisor{env: env, failures: map[string]failures{}}
	return actor.PropsFromProducer(produce,
		actor.WithReceiverMiddleware(guard(env, k, children)),
		actor.WithSupervisor(children),
	)
}

func guard(env *Env, k kind, children *supervisor) actor.ReceiverMiddleware {
	return func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
			holder, scoped := ctx.Actor().(scopeHolder)
			_, message, sender := actor.UnwrapEnvelope(envelope)
			leaving := scoped && holder.ScopeClosed() // a child's Terminated, for one
			switch m := message.(type) {
			case *actor.Started:
				children.parentLives(true)
				if scoped {
					holder.openScope(env, ctx.ActorSystem(), ctx.Self())
				}
			case *actor.Stopping, *actor.Restarting:
				leaving = true
				children.parentLives(false)
				if scoped {
					holder.closeScope()
				}
			case *actor.Stopped:
				leaving = true
			case *actor.Terminated:
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
				env.Log.Error("an actor panicked; this is a bug in the agent, please report it",
					logActor, ctx.Self().Id, logMessage, fmt.Sprintf("%T", message),
					LogError, fmt.Sprint(value), logStack, string(debug.Stack()))
				if leaving {
					return
				}
				answerFor(ctx, message, sender)
				panic(&crash{kind: k, value: value})
			}()
			env.Faults.receive(ctx.Self().Id, message)
			next(ctx, envelope)
		}
	}
}

// commandKeeper is an actor that has noted a command elsewhere before it comes to serve it.
type commandKeeper interface{ KeepsCommands() }

// answerFor answers the command that was lost in a panic, unless its actor has noted it elsewhere.
func answerFor(ctx actor.ReceiverContext, message any, asker *actor.PID) {
	command, ok := message.(messages.Command)
	if _, kept := ctx.Actor().(commandKeeper); !ok || kept || asker == nil {
		return
	}
	ctx.ActorSystem().Root.Send(asker, messages.Answer{CommandRef: command.Ref(), Reply: messages.Refused{Reason: WhyPanicked}})
}

// failures is what the supervisor remembers of one child.
type failures struct {
	count int
	last  time.Time
}

// supervisor restarts a standing child after a delay that doubles from restartFloor to restartCap with
// jitter, and starts over after a healthy minute; it never gives up. A worker is stopped.
//
// While the parent is on its way out no child is restarted: a restart would bring back one that was told to stop
// and still waits for its own children, and the parent would wait for it for ever.
type supervisor struct {
	env *Env

	mu       sync.Mutex
	failures map[string]failures
	// life numbers the parent's incarnations and what is between them, in which it is 0.
	life, lives uint64
}

// parentLives notes the begin and the end of an incarnation of the parent.
func (s *supervisor) parentLives(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life = 0
	if yes {
		s.lives++
		s.life = s.lives
	}
}

// HandleFailure implements actor.SupervisorStrategy.
func (s *supervisor) HandleFailure(_ *actor.ActorSystem, parent actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, _ any) {
	if c, ok := reason.(*crash); ok && c.kind == Worker {
		parent.StopChildren(child)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	life := s.life
	if life == 0 {
		return // the child is told to stop
	}
	delay := s.delay(child.Id, time.Now())
	s.env.Log.Warn("restarting an actor", logActor, child.Id, LogDelay, delay)
	time.AfterFunc(delay, func() {
		s.mu.Lock() // held meanwhile, or the order to stop might overtake this one
		defer s.mu.Unlock()
		if s.life == life {
			parent.RestartChildren(child)
		}
	})
}

// delay is called with mu.
func (s *supervisor) delay(child string, now time.Time) time.Duration {
	f := s.failures[child]
	if now.Sub(f.last) > restartHealthy {
		f.count = 0
	}
	delay := Backoff(f.count, restartFloor, restartCap, s.env.Jitter())
	f.count++
	f.last = now
	s.failures[child] = f
	return delay
}

// Backoff is between half of 2*floor*2^n and the whole, at most ceiling: a fleet that lost the same server
// must not come back in step, not even the first time, and no delay is below floor. jitter is in [0, 1).
func Backoff(n int, floor, ceiling time.Duration, jitter float64) time.Duration {
	full := min(2*float64(floor)*math.Pow(2, float64(n)), float64(ceiling))
	return max(floor, time.Duration(full*(0.5+0.5*jitter)))
}

// Unexpected logs a message that an actor has no use for, by its type only: a message may be large.
func Unexpected(env *Env, ctx actor.Context) {
	if _, system := ctx.Message().(actor.SystemMessage); system {
		return
	}
	if _, auto := ctx.Message().(actor.AutoReceiveMessage); auto {
		return
	}
	env.Log.Debug("an actor got a message that it has no use for",
		logActor, ctx.Self().Id, logMessage, fmt.Sprintf("%T", ctx.Message()))
}
