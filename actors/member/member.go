// Package member holds the actor that shows this process to those that share its journal, and sees which of them live.
package member

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/members"
	"federation-agent/internal/status"
	"federation-agent/internal/table"
	"federation-agent/messages"
)

const (
	// raiseWithin bounds one sign of life, so that one whose answer is lost leaves room for two more before the process may
	// not act any longer ([members.StandsFor]).
	raiseWithin = 2500 * time.Millisecond
	// leaveWithin bounds the last word. Without it the others wait for [members.GoneAfter].
	leaveWithin = time.Second
	// dropAfter is how long a process that ended without a word stays in the list of members: long enough to be noticed
	// by people, and short enough that processes that end again and again do not make the list long. One that was only
	// frozen comes back with its next sign of life.
	dropAfter = 10 * time.Minute
)

// member shows this process to the others that share its journal, and notes which of them live. All that may only be done
// by a process that lives asks [members.Self], which hears of each sign of life from here. Parent: agent.
//
// It never waits for the table: each sign of life runs in a goroutine, one at a time.
type member struct {
	life.Scoped
	env    *life.Env
	memory *memory

	began    time.Time // the sign of life under way, or the last one
	underWay int       // of the sign and of the look for those of others
	cancel   context.CancelFunc
	dropping bool
	leaving  bool
}

// memory is what outlives a restart.
type memory struct {
	count    int64
	draining bool
	told     bool            // the log, that the process may not act
	known    map[string]bool // the others of which the log was told
}

// What the agent and the member tell each other.
type (
	// Shown tells that a sign of life was tried. Member -> agent.
	Shown struct{}
	// Leave tells that nothing is under way any more, and the process ends. Agent -> member.
	Leave struct{}
	// Left answers it, also where the others could not be told. Member -> agent.
	Left struct{}
)

// What the member tells itself.
type (
	raiseDue struct{}
	raised   struct{ err error }
	seen     struct {
		all []members.Member
		err error
	}
	dropped struct{}
)

// Props makes the member.
func Props(env *life.Env) *actor.Props {
	kept := &memory{known: map[string]bool{}}
	return life.Props(env, life.Standing, func() actor.Actor { return &member{env: env, memory: kept} })
}

func (m *member) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started, raiseDue:
		m.raise()
	case raised:
		m.onRaised(ctx, msg)
	case seen:
		m.onSeen(msg)
	case dropped:
		m.dropping = false // what could not be done is tried again
	case messages.Drain:
		m.memory.draining = true
	case Leave:
		m.onLeave()
	case Left:
		ctx.Send(ctx.Parent(), msg)
	default:
		life.Unexpected(m.env, ctx)
	}
}

// raise shows a sign of life, and looks for those of the others. The next time begins when both have ended, and not before
// it is due.
func (m *member) raise() {
	if m.leaving {
		return
	}
	m.memory.count++
	me := members.Member{ID: m.env.Member.ID(), Count: m.memory.count, Version: m.env.Version, Host: m.env.Host}
	if !m.memory.draining { // others must not wait for one that is leaving
		me.Ready = m.env.Board.Ready()
	}
	within, cancel := context.WithTimeout(m.Scope.Ctx, raiseWithin)
	m.began, m.underWay, m.cancel = time.Now(), 2, cancel
	life.Do(m.Scope, func(context.Context) error { return m.env.Registry.Raise(within, me, m.env.Now()) },
		func(err error) any { return raised{err} })
	life.Pipe(m.Scope, func(context.Context) ([]members.Member, error) { return m.env.Registry.Members(within) },
		func(all []members.Member, err error) any { return seen{all, err} })
}

// onRaised counts a sign of life from when it was sent. One whose answer is lost may not be counted.
func (m *member) onRaised(ctx actor.Context, r raised) {
	now, why := time.Now(), ""
	if r.err == nil {
		m.env.Member.Raised(m.began)
	} else {
		why = table.Explain(r.err)
	}
	stands := m.env.Member.Stands(now)
	m.env.Board.Raised(m.wall(m.began), why, stands)
	switch {
	case !stands && r.err != nil && table.Away(r.err) == nil && !m.memory.told: // of a table that is away, its watch tells
		m.memory.told = true
		m.env.Log.Error(
			"the journal's table does not confirm that this agent lives: the agent makes no API key and sends no ingest until it does",
			life.LogError, r.err)
	case stands && m.memory.told:
		m.memory.told = false
		m.env.Log.Info("the journal's table confirms again that this agent lives")
	}
	ctx.Send(ctx.Parent(), Shown{})
	m.done()
}

func (m *member) onSeen(s seen) {
	defer m.done()
	if s.err != nil { // none is taken for gone
		return
	}
	m.env.Member.See(m.began, s.all)
	now, there := time.Now(), map[string]bool{}
	shown := []status.Member{}
	for _, other := range m.env.Member.Seen() {
		gone := !m.env.Member.Others(now, other.ID)
		there[other.ID] = true
		m.tell(other, gone)
		if gone && now.Sub(other.Since) >= dropAfter {
			m.drop(other.ID)
		}
		shown = append(shown, status.Member{
			ID: other.ID, Version: other.Version, Host: other.Host, Ready: other.Ready, SeenAt: m.wall(other.Since), Gone: gone,
		})
	}
	for id := range m.memory.known {
		if !there[id] {
			delete(m.memory.known, id)
			m.env.Log.Info("an agent that shared the journal has left", life.LogMember, id)
		}
	}
	m.env.Board.Members(shown)
}

// tell has the log name who comes and who is gone. What was there before this process, and never moves, is not news.
func (m *member) tell(other members.Sighting, gone bool) {
	switch known := m.memory.known[other.ID]; {
	case gone && known:
		delete(m.memory.known, other.ID)
		m.env.Log.Warn("an agent that shares the journal gives no sign of life: what it had under way is taken over. "+
			"federation-agent keys list shows the keys of which nobody knows whether APIM has them",
			life.LogMember, other.ID, life.LogHost, other.Host, life.LogVersion, other.Version)
	case !gone && !known && other.Moved:
		m.memory.known[other.ID] = true
		m.env.Log.Info("another agent shares the journal", life.LogMember, other.ID, life.LogHost, other.Host,
			life.LogVersion, other.Version)
	}
}

// drop takes one that is gone for good out of the list, one at a time.
func (m *member) drop(id string) {
	if m.dropping {
		return
	}
	m.dropping = true
	life.Do(m.Scope, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, raiseWithin)
		defer cancel()
		return m.env.Registry.Leave(ctx, id)
	}, func(error) any { return dropped{} })
}

// done waits for the next time once nothing is under way.
func (m *member) done() {
	if m.underWay--; m.underWay == 0 {
		m.cancel()
		m.Scope.After(max(0, members.RaiseEvery-time.Since(m.began)), raiseDue{})
	}
}

// onLeave takes leave. A sign of life that is still on its way may come behind it: the others wait for one that has
// nothing then.
func (m *member) onLeave() {
	if m.leaving {
		return
	}
	m.leaving = true
	m.cancel()
	life.Do(m.Scope, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, leaveWithin)
		defer cancel()
		return m.env.Registry.Leave(ctx, m.env.Member.ID())
	}, func(error) any { return Left{} })
}

// wall is an instant by the wall clock.
func (m *member) wall(at time.Time) time.Time { return m.env.Now().Add(-time.Since(at)) }
