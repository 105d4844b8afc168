// Package events holds the actor that hears from a queue what has changed in AWS.
package events

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/actors/reconcile"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/events"
	"federation-agent/internal/federation"
	"federation-agent/internal/status"
	"federation-agent/internal/targets"
	"federation-agent/messages"
)

// listener hears events from a queue, and tells the reconciler which APIs they name. It listens only while this agent is
// the integration's primary: what a queue has given out to one, no other one gets. A message is deleted once the
// reconciler has it, and not before: what is lost on the way comes again, and to be told twice does no harm.
// Parent: integration.
type listener struct {
	life.Scoped
	env    *life.Env
	spec   Spec
	memory *memory

	queue    Queue  // nil until it could be opened
	turn     *turn  // nil between two
	most     int    // messages to ask for
	failures int    // in a row
	told     string // what the log said of them last
}

// memory is what a listener keeps over its restarts.
type memory struct{ primary, draining bool }

// turn is one look into the queue: receive, hand over, delete. It is left when the agent is the primary no more.
type turn struct {
	began  time.Time
	cancel context.CancelFunc
}

// Spec is what a listener is made of.
type Spec struct {
	Integration string
	Reconciler  *actor.PID
	Targets     *targets.Directory[*actor.PID]
	// Open makes the client of the queue. It calls nobody.
	Open func(context.Context) (Queue, error)
}

// Queue is what is asked of a queue; see [apigateway.Queue].
type Queue interface {
	Receive(ctx context.Context, most int) ([]apigateway.QueueMessage, error)
	Delete(ctx context.Context, messages []apigateway.QueueMessage) error
}

const (
	// atRest is the least time from one look to the next, where the queue is empty: something between it and the agent
	// may answer at once, where SQS waits for 20 seconds.
	atRest = 5 * time.Second
	// firstRetry and longestRetry are the delays after failures. SQS asks for nothing longer, and a permission that is
	// granted should show within minutes.
	firstRetry   = time.Second
	longestRetry = 5 * time.Minute
)

// Props makes a listener.
func Props(env *life.Env, spec Spec) *actor.Props {
	memory := &memory{}
	return life.Props(env, life.Standing, func() actor.Actor {
		return &listener{env: env, spec: spec, memory: memory, most: apigateway.MaxMessages}
	})
}

// What the listener tells itself.
type (
	lookDue  struct{ of *turn }
	received struct {
		of       *turn
		queue    Queue
		messages []apigateway.QueueMessage
		err      error
	}
	deleted struct {
		of  *turn
		err error
	}
)

func (l *listener) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		l.env.Board.Listens(l.spec.Integration)
		l.look()
	case messages.PrimaryChanged:
		l.onPrimary(m.Primary)
	case messages.SessionDown:
		l.onPrimary(false) // until the next session's PRIMARY says otherwise
	case messages.Drain:
		l.memory.draining = true
		l.leave()
	case lookDue:
		if m.of == l.turn {
			l.turn = nil
			l.look()
		}
	case received:
		l.onReceived(ctx, m)
	case deleted:
		l.onDeleted(m)
	default:
		life.Unexpected(l.env, ctx)
	}
}

func (l *listener) onPrimary(primary bool) {
	if l.memory.primary = primary; primary {
		l.look()
		return
	}
	l.leave()
}

// leave gives the queue up. What it has given out, and nobody has deleted, it gives to the next primary, who also says
// whether it can be read.
func (l *listener) leave() {
	if l.turn != nil {
		l.turn.cancel()
		l.turn = nil
	}
	l.forget()
}

// forget takes back what was said of a queue that cannot be read.
func (l *listener) forget() {
	l.failures, l.told = 0, ""
	l.env.Board.EventsFail(l.spec.Integration, "")
}

// look waits for messages, unless it does already, or waits for its next time.
func (l *listener) look() {
	if l.turn != nil || !l.memory.primary || l.memory.draining {
		return
	}
	inTurn, cancel := context.WithCancel(l.Scope.Ctx)
	t, queue, most := &turn{time.Now(), cancel}, l.queue, l.most
	l.turn = t
	life.Pipe(l.Scope, func(context.Context) (got received, err error) {
		if got = (received{of: t, queue: queue}); queue == nil {
			if got.queue, err = l.spec.Open(inTurn); err != nil {
				return got, err
			}
		}
		got.messages, err = got.queue.Receive(inTurn, most)
		return got, err
	}, func(got received, err error) any {
		got.of, got.err = t, err // of a panic there is nothing else
		return got
	})
}

func (l *listener) onReceived(ctx actor.Context, m received) {
	if m.of != l.turn {
		return
	}
	l.queue = m.queue
	if _, long := apigateway.TooLong(m.err); long && l.most > 1 {
		l.most = 1
		l.end(0)
		return
	}
	switch {
	case m.err != nil:
		l.fail(m.err, "events cannot be received: ")
		return
	case len(m.messages) == 0:
		l.works()
		l.end(max(0, atRest-time.Since(m.of.began)))
		return
	}
	l.most = apigateway.MaxMessages
	if changed := l.read(m.messages); changed.Others || len(changed.IDs) > 0 {
		ctx.Send(l.spec.Reconciler, changed)
	}
	queue, all := m.queue, m.messages
	life.Do(l.Scope, func(ctx context.Context) error { return queue.Delete(ctx, all) },
		func(err error) any { return deleted{m.of, err} })
}

// onDeleted begins anew. What could not be deleted comes again.
func (l *listener) onDeleted(m deleted) {
	switch {
	case m.of != l.turn:
	case m.err != nil:
		l.fail(m.err, "events are received, and cannot be deleted, so they come again: ")
	default:
		l.works()
		l.end(0)
	}
}

// read is what messages say together. Each is counted once.
func (l *listener) read(all []apigateway.QueueMessage) (changed reconcile.Changed) {
	for _, m := range all {
		changes, kind := events.Parse(m.Body)
		result := status.EventUnreadable
		switch kind {
		case events.Unreadable:
		case events.Irrelevant:
			result = status.EventIrrelevant
		case events.Relevant:
			result = status.EventElsewhere
		}
		for _, c := range changes {
			target := federation.Target{Account: c.Account, Region: c.Region}
			if !l.serves(target) {
				continue
			}
			result = status.EventTaken
			id := federation.ID{Account: c.Account, Region: c.Region, RestAPI: c.RestAPI, Stage: c.Stage}
			switch {
			case c.RestAPI == "":
				changed.Others = true
				continue
			case c.Stage == "":
				id.Stage = federation.AnyStage
			}
			changed.IDs = append(changed.IDs, id.String())
		}
		l.env.Board.EventHeard(l.spec.Integration, result, l.env.Now())
		l.env.Log.Debug("an event was heard", life.LogOutcome, string(result))
	}
	return changed
}

func (l *listener) serves(t federation.Target) bool {
	for _, row := range l.spec.Targets.Rows() {
		if row.MayBe(t) && !row.Off {
			return true
		}
	}
	return false
}

func (l *listener) fail(err error, text string) {
	delay := life.Backoff(l.failures, firstRetry, longestRetry, l.env.Jitter())
	l.failures++
	text += apigateway.Explain(err)
	if text != l.told {
		life.LogFailure(l.env.Log, err, text, life.LogDelay, delay)
		l.told = text
	}
	l.env.Board.EventsFail(l.spec.Integration, text)
	l.end(delay)
}

func (l *listener) works() {
	if l.told != "" {
		l.env.Log.Info("events are received again")
	}
	l.forget()
}

// end ends a turn; the next one begins later. The turn stays as what is waited for, so that there is one at a time.
func (l *listener) end(delay time.Duration) {
	l.turn.cancel()
	l.turn = nil
	if delay == 0 {
		l.look()
		return
	}
	l.turn = &turn{}
	timer := l.Scope.After(delay, lookDue{l.turn})
	l.turn.cancel = func() { timer.Stop() }
}
