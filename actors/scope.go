package actors

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// scope is one incarnation's I/O and timers. It is open from Started to Stopping or Restarting; what
// comes back later is dropped, so that no stale result reaches the next incarnation.
type scope struct {
	env    *Env
	system *actor.ActorSystem
	self   *actor.PID
	ctx    context.Context
	cancel context.CancelFunc
}

// scopedMessage is how a result or a timer reaches its actor: the guard unwraps it, if the scope lives.
type scopedMessage struct {
	scope   *scope
	message any
}

// scopeHolder is an actor that embeds [scoped].
type scopeHolder interface {
	openScope(env *Env, system *actor.ActorSystem, self *actor.PID)
	closeScope()
	scopeClosed() bool
}

// scoped gives an actor its scope. Embed it.
type scoped struct{ scope *scope }

func (s *scoped) openScope(env *Env, system *actor.ActorSystem, self *actor.PID) {
	ctx, cancel := context.WithCancel(context.Background())
	s.scope = &scope{env: env, system: system, self: self, ctx: ctx, cancel: cancel}
}

func (s *scoped) closeScope() {
	if s.scope == nil { // Stopping without Started: the producer's first incarnation failed.
		return
	}
	s.scope.cancel()
}

func (s *scoped) scopeClosed() bool { return s.scope != nil && !s.scope.alive() }

func (s *scope) alive() bool { return s.ctx.Err() == nil }

// tell sends the actor a message from any goroutine, unless the scope is gone.
func (s *scope) tell(message any) {
	if s.alive() {
		s.system.Root.Send(s.self, scopedMessage{scope: s, message: message})
	}
}

// after tells the actor a message after d, unless the timer is stopped or the scope is gone.
func (s *scope) after(d time.Duration, message any) *time.Timer {
	return time.AfterFunc(d, func() { s.tell(message) })
}

// pipe runs work in a goroutine of its own and tells the actor what wrap makes of its result.
// A panic in work is an error of work: the actor hears of it as such, and the log has its stack.
func pipe[T any](s *scope, work func(context.Context) (T, error), wrap func(T, error) any) {
	go func() {
		value, err := guarded(s, work)
		s.tell(wrap(value, err))
	}()
}

func guarded[T any](s *scope, work func(context.Context) (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.env.Log.Error("an actor's worker panicked; this is a bug in the agent, please report it",
				logActor, s.self.Id, logError, fmt.Sprint(p), logStack, string(debug.Stack()))
			err = fmt.Errorf("internal error of the agent: %v", p)
		}
	}()
	return work(s.ctx)
}

// detached runs work that must be heard out even if its actor dies meanwhile; the result reaches the
// actor only if the scope lives.
func detached[T any](s *scope, work func() (T, error), wrap func(T, error) any) {
	go func() {
		value, err := guarded(s, func(context.Context) (T, error) { return work() })
		s.tell(wrap(value, err))
	}()
}

// isDescendant reports whether child is below parent in the tree: a spawned actor's id begins with its
// parent's.
func isDescendant(child, parent *actor.PID) bool {
	return child != nil && parent != nil && strings.HasPrefix(child.Id, parent.Id+"/")
}
