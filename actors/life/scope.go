package life

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Scope is one incarnation's I/O and timers. It is open from Started to Stopping or Restarting; what
// comes back later is dropped, so that no stale result reaches the next incarnation.
type Scope struct {
	env    *Env
	System *actor.ActorSystem
	self   *actor.PID
	Ctx    context.Context
	cancel context.CancelFunc
}

// scopedMessage is how a result or a timer reaches its actor: the guard unwraps it, if the scope lives.
type scopedMessage struct {
	scope   *Scope
	message any
}

// scopeHolder is an actor that embeds [Scoped].
type scopeHolder interface {
	openScope(env *Env, system *actor.ActorSystem, self *actor.PID)
	closeScope()
	ScopeClosed() bool
}

// Scoped gives an actor its scope. Embed it.
type Scoped struct{ Scope *Scope }

func (s *Scoped) openScope(env *Env, system *actor.ActorSystem, self *actor.PID) {
	ctx, cancel := context.WithCancel(context.Background())
	s.Scope = &Scope{env: env, System: system, self: self, Ctx: ctx, cancel: cancel}
}

func (s *Scoped) closeScope() {
	if s.Scope == nil { // Stopping without Started: the producer's first incarnation failed.
		return
	}
	s.Scope.cancel()
}

// ScopeClosed reports whether the incarnation had a scope and it is closed.
func (s *Scoped) ScopeClosed() bool { return s.Scope != nil && !s.Scope.Alive() }

// Alive reports whether the scope is open.
func (s *Scope) Alive() bool { return s.Ctx.Err() == nil }

// Tell sends the actor a message from any goroutine, unless the scope is gone.
func (s *Scope) Tell(message any) {
	if s.Alive() {
		s.System.Root.Send(s.self, scopedMessage{scope: s, message: message})
	}
}

// After tells the actor a message after d, unless the timer is stopped or the scope is gone.
func (s *Scope) After(d time.Duration, message any) *time.Timer {
	return time.AfterFunc(d, func() { s.Tell(message) })
}

// Pipe runs work in a goroutine of its own and tells the actor what wrap makes of its result.
// A panic in work is an error of work: the actor hears of it as such, and the log has its stack.
func Pipe[T any](s *Scope, work func(context.Context) (T, error), wrap func(T, error) any) {
	go func() {
		value, err := guarded(s, work)
		s.Tell(wrap(value, err))
	}()
}

// Do is Pipe for work that has no result but its error.
func Do(s *Scope, work func(context.Context) error, wrap func(error) any) {
	Pipe(s, func(ctx context.Context) (struct{}, error) { return struct{}{}, work(ctx) },
		func(_ struct{}, err error) any { return wrap(err) })
}

func guarded[T any](s *Scope, work func(context.Context) (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.env.Lasting.Error("an actor's worker panicked; this is a bug in the agent, please report it",
				logActor, s.self.Id, LogError, fmt.Sprint(p), logStack, string(debug.Stack()))
			err = fmt.Errorf("internal error of the agent: %v", p)
		}
	}()
	return work(s.Ctx)
}

// IsDescendant reports whether child is below parent in the tree: a spawned actor's id begins with its
// parent's.
func IsDescendant(child, parent *actor.PID) bool {
	return child != nil && parent != nil && strings.HasPrefix(child.Id, parent.Id+"/")
}
