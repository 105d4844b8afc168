// Package session is the actor that keeps one websocket to APIM's integration controller. Both protocol dialects end
// here: behind it there is one language.
package session

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/exchange"
	"federation-agent/internal/exchange/wsconn"
	"federation-agent/internal/pulse"
	"federation-agent/internal/status"
	"federation-agent/messages"
)

const (
	// deliverWithin is when an answer is of no use any more: just before the controller's 60 s.
	deliverWithin = 58 * time.Second
	// greetWithin is how long the controller may take to answer HELLO: as long as it gives commands itself.
	greetWithin = time.Minute
)

// session keeps one websocket to the controller: it dials, greets, serves, and comes back when it is lost.
// Both protocol dialects end here. Parent: integration.
//
// Its states: waiting -> dialing -> greeting -> ready -> leaving -> waiting …, and closed at the end.
type session struct {
	life.Scoped
	actor.Behavior
	env    *life.Env
	memory *memory
	spec   Spec
	target string // the integration id that HELLO says

	conn     *wsconn.Conn
	endpoint string      // where conn leads
	release  func() bool // see [dialed]
	helloID  string
	helloAt  time.Time // when HELLO was sent: no command of this connection is older, but for those of keptWithin
	dialect  exchange.Dialect
	readyAt  time.Time
	watch    commandWatch
	pulse    *pulse.Pulse             // nil without a connection that is served
	seen     seen                     // commands that came by conn
	open     map[string]asked         // commands without an answer
	pending  map[string]pendingIngest // INGESTs without a reply
	ignored  int                      // messages of conn that could not be read
	unproved int                      // answers that need a proof, and no pong has proved them yet
	largest  int                      // message sent by conn, in bytes
	tooLarge bool                     // the controller closed conn because of a message that it found too large
	draining bool                     // the connection is to be left once no answer is unproved
	handover handover                 // of conn's commands to another process
	// left is what follows when the connection that is being left has ended.
	left func(actor.Context)
}

// Spec is what a session is made of.
type Spec struct {
	Connector config.Connector
	// Integration is the integration's id.
	Integration string
	// MaxOpen is how many commands may be open at a time.
	MaxOpen int
	// Router gets the commands; Jobs, and Reconciler and Listener if there are any, hear how the session stands.
	Router, Jobs, Reconciler, Listener *actor.PID
}

// memory is what a session keeps over restarts.
type memory struct {
	number   uint64    // of the newest connection: it names the session
	attempt  int       // endpoints[attempt % size] is next
	failures int       // since the last stable session
	lostAt   time.Time // when a session ended last; zero if there was none
	frame    int       // the largest frame in bytes, where the controller takes smaller ones than configured; else 0
	// ended is what the parent is told when no connection is made any more: Drained or Dismissed; else nil.
	ended any
}

type pendingIngest struct {
	batch int
	bytes int
	job   *actor.PID
}

// Props makes a session.
func Props(env *life.Env, spec Spec) *actor.Props {
	kept := &memory{}
	return life.Props(env, life.Standing, func() actor.Actor { return newSession(env, spec, kept) })
}

func newSession(env *life.Env, spec Spec, kept *memory) *session {
	s := &session{
		Behavior: actor.NewBehavior(), env: env, memory: kept, spec: spec, target: spec.Integration,
		open: map[string]asked{}, pending: map[string]pendingIngest{},
	}
	s.Become(s.waiting)
	return s
}

// What the session tells itself. News of a connection that is gone are dropped before any state sees them.
type (
	redial struct{}
	dialed struct {
		endpoint string
		conn     *wsconn.Conn
		// release is called when the connection has ended: until then it ends with the session's scope.
		release func() bool
		err     error
	}
	frameCame struct {
		newsOf
		message wsconn.Message
	}
	connClosed struct {
		newsOf
		info wsconn.CloseInfo
	}
	greetOverdue struct{ newsOf }
	// answerProved: the fate of an answer that needs a proof is known.
	answerProved struct{ newsOf }
	drainDue     struct{ newsOf }
)

// newsOf says which connection a message is about.
type newsOf struct{ conn *wsconn.Conn }

func (n newsOf) isOf(c *wsconn.Conn) bool { return n.conn == c }

// Receive passes a message to the present state, once it is sure that the process has not stood still. Two are the same
// in all states: the end of this incarnation, which closes its socket, and a sign of life.
func (s *session) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case messages.AreYouThere:
		ctx.Respond(messages.SessionThere{})
	case *actor.Restarting, *actor.Stopping:
		if s.conn != nil {
			s.down(ctx, status.LostShutdown, whyEnded)
		}
	case interface{ isOf(c *wsconn.Conn) bool }:
		if !m.isOf(s.conn) {
			return
		}
		if came, ok := m.(frameCame); ok {
			// It is out of the queue; how many commands wait behind it is bounded by MaxOpen.
			s.conn.Accepted(came.message)
		}
		s.leaveIfStoodStill(ctx)
		s.Behavior.Receive(ctx)
	default:
		s.leaveIfStoodStill(ctx)
		s.Behavior.Receive(ctx)
	}
}

// whyEnded is said where a session's actor ends without having closed its connection.
const whyEnded = "the agent's session has ended"

// waiting: for the next attempt.
func (s *session) waiting(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Started:
		s.onStarted(ctx)
	case redial:
		s.dial()
	default:
		s.offline(ctx)
	}
}

// dialing: the websocket is being opened.
func (s *session) dialing(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case dialed:
		s.onDialed(m)
	default:
		s.offline(ctx)
	}
}

// greeting: HELLO is out, its reply is not in.
func (s *session) greeting(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case frameCame:
		s.onGreeting(ctx, m.message)
	case greetOverdue:
		delay := s.nextDelay(false)
		s.env.Lasting.Warn("the controller did not answer HELLO within a minute; trying again", life.LogDelay, delay)
		s.leave(ctx, exchange.CloseTryAgainLater, status.LostSilent, "no reply to HELLO", s.redialAfter(delay))
	case messages.SendIngest:
		ctx.Respond(messages.IngestLost{Batch: m.Batch})
	default:
		s.connected(ctx)
	}
}

// ready: HELLO was accepted; commands are served.
func (s *session) ready(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case frameCame:
		s.onFrame(ctx, m.message)
	case messages.SendIngest:
		s.onSendIngest(ctx, m)
	case silent:
		s.onSilent(ctx)
	case messages.HandOver:
		s.onHandOver()
	default:
		s.connected(ctx)
	}
}

// connected is what both states with a connection do.
func (s *session) connected(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case messages.Answer:
		s.onAnswer(ctx, m)
	case connClosed:
		s.onConnLost(ctx, m)
	case answerProved:
		s.unproved--
		s.leaveDrained(ctx)
	case messages.Drain:
		s.onDrain(ctx, m)
	case messages.HandOver: // HELLO is not answered: APIM sends nothing
		ctx.Respond(messages.HandedOver{})
	case handedOver:
		s.endHandover(ctx)
	case drainDue:
		s.unproved = 0
		s.leaveDrained(ctx)
	case greetOverdue, silent, stoodStill:
		// HELLO was answered in time; only a session that is ready can be silent; a standstill was seen before.
	default:
		life.Unexpected(s.env, ctx)
	}
}

// leaving: the connection is being closed; what is queued still goes out.
func (s *session) leaving(ctx actor.Context) {
	switch ctx.Message().(type) {
	case connClosed:
		s.forgetConn()
		s.left(ctx)
	case messages.Drain:
		s.memory.ended = messages.Drained{}
		s.left = s.end
	default:
		s.offline(ctx)
	}
}

// closed: for good.
func (s *session) closed(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case dialed:
		if m.err == nil {
			m.release()
			m.conn.Close(exchange.CloseNormal, "the agent is shutting down")
		}
	case redial:
	default:
		s.offline(ctx)
	}
}

// offline is what every state without a session does.
func (s *session) offline(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case messages.Answer:
		s.tellFate(ctx.Sender(), m.CommandRef, messages.NeverSent)
	case messages.SendIngest:
		ctx.Respond(messages.IngestLost{Batch: m.Batch})
	case messages.Drain:
		s.memory.ended = messages.Drained{}
		s.end(ctx)
	case messages.HandOver:
		ctx.Respond(messages.HandedOver{})
	case frameCame, greetOverdue, silent, stoodStill, answerProved, drainDue, handedOver:
		// Of the connection that is being left.
	default:
		life.Unexpected(s.env, ctx)
	}
}

// onDrain leaves the connection in order: not before the last answer that needs a proof is proved. Else it would be
// unknown whether APIM accepted a key. When the time is up, the connection is left all the same.
func (s *session) onDrain(ctx actor.Context, m messages.Drain) {
	s.memory.ended = messages.Drained{}
	if !s.draining {
		s.draining = true
		s.Scope.After(time.Until(m.By), drainDue{newsOf{s.conn}})
	}
	s.leaveDrained(ctx)
}

func (s *session) leaveDrained(ctx actor.Context) {
	if s.draining && s.unproved <= 0 {
		s.leave(ctx, exchange.CloseNormal, status.LostShutdown, "the agent is shutting down", s.end)
	}
}

// leave closes the connection; then follows when it has ended. What was pending on it is lost at once.
func (s *session) leave(ctx actor.Context, code int, why status.Loss, reason string, then func(actor.Context)) {
	s.conn.Close(code, reason)
	s.down(ctx, why, reason)
	s.left = then
	s.Become(s.leaving)
}

// end is for good.
func (s *session) end(ctx actor.Context) {
	s.Become(s.closed)
	s.env.Board.SessionEnded(s.spec.Integration, s.env.Now())
	ctx.Request(ctx.Parent(), s.memory.ended)
}

func (s *session) forgetConn() {
	s.release()
	s.conn, s.release = nil, nil
}

// down tells that the session is gone and what was pending on it is lost. It counts as lost if APIM had accepted it.
func (s *session) down(ctx actor.Context, loss status.Loss, why string) {
	if !s.readyAt.IsZero() {
		s.env.Board.SessionLost(s.spec.Integration, loss)
		s.memory.lostAt = time.Now()
	}
	s.readyAt = time.Time{}
	s.watch.stop()
	s.pulse.Stop()
	s.pulse = nil
	s.env.Board.SessionAway(s.spec.Integration, why, s.env.Now())
	for id, p := range s.pending {
		delete(s.pending, id)
		ctx.Send(p.job, messages.IngestLost{Batch: p.batch, TooLarge: s.tooLarge && p.bytes == s.largest})
	}
	clear(s.open)
	if s.ignored > 1 {
		s.env.Lasting.Warn("messages of this connection could not be read and were ignored", life.LogTotal, s.ignored)
	}
	s.endHandover(ctx)
	s.seen, s.ignored, s.unproved, s.draining, s.handover = seen{}, 0, 0, false, handoverNone
	gone := messages.SessionDown{Session: s.memory.number, Why: why}
	if s.tooLarge {
		gone.TooLarge = s.largest
	}
	s.largest, s.tooLarge = 0, false
	for _, who := range []*actor.PID{s.spec.Router, s.spec.Jobs, s.spec.Reconciler, s.spec.Listener} {
		if who != nil {
			ctx.Send(who, gone)
		}
	}
}

// onConnLost is the everyday loss of a connection.
func (s *session) onConnLost(ctx actor.Context, m connClosed) {
	if m.info.Remote && m.info.Code == exchange.CloseTooLarge {
		s.onTooLarge(ctx, m)
		return
	}
	delay := s.nextDelay(false)
	s.log().Warn("the connection to APIM is closed; connecting again", life.LogStatus, m.info.Code,
		life.LogReason, reasonOf(m.info), life.LogDelay, delay, life.LogAttempt, s.memory.failures)
	s.forgetConn()
	s.down(ctx, lossOf(m.info), reasonOf(m.info))
	s.redialAfter(delay)(ctx)
}
