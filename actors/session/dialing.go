package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/exchange"
	"federation-agent/internal/exchange/wsconn"
	"federation-agent/internal/pulse"
	"federation-agent/internal/status"
	"federation-agent/messages"
)

// How a session gets a connection, and how long it waits before it reconnects.
const (
	// redialFloor is the least time between two attempts to connect: never zero, or a server that accepts
	// and drops is hammered.
	redialFloor = time.Second
	// redialLost caps the delay after a connection was lost or could not be made.
	redialLost = 30 * time.Second
	// redialRefused caps the delay after a refusal: an operator must change something first.
	redialRefused = 5 * time.Minute
	// restartsWithin is how long an APIM that is restarted may be away: one of two nodes, or one that migrates its data.
	restartsWithin = 5 * time.Minute
	// stableAfter is how long a session must live for its delay to start over.
	stableAfter = time.Minute
)

// onStarted dials at once the first time; an incarnation that follows a failed one waits its turn.
func (s *session) onStarted(ctx actor.Context) {
	switch {
	case s.memory.ended != nil:
		s.end(ctx)
	case s.memory.attempt == 0 && s.memory.number == 0:
		s.Scope.After(0, redial{})
	default:
		s.redialIn(s.nextDelay(false))
	}
}

// dial opens a websocket to the next endpoint.
func (s *session) dial() {
	s.Become(s.dialing)
	s.env.Board.SessionNext(s.spec.Integration, time.Time{})
	endpoints := s.spec.Connector.Endpoints
	endpoint := endpoints[s.memory.attempt%len(endpoints)]
	s.memory.attempt++
	s.env.Log.Debug("connecting", life.LogEndpoint, endpoint)
	options := s.options(endpoint)
	life.Pipe(s.Scope, func(ctx context.Context) (dialed, error) {
		options.Header = s.spec.Connector.Header(ctx)
		if s.env.TLS != nil { // for each connection, because stores change; here, because opening one takes its time
			options.TLS = s.env.TLS()
		}
		conn, err := wsconn.Dial(ctx, options)
		if err != nil {
			return dialed{}, err
		}
		// Whatever becomes of this message, the socket does not outlive the actor.
		release := context.AfterFunc(ctx, func() { conn.Close(exchange.CloseTryAgainLater, whyEnded) })
		return dialed{conn: conn, release: release}, nil
	}, func(d dialed, err error) any {
		d.endpoint, d.err = endpoint, err
		return d
	})
}

func (s *session) options(endpoint string) wsconn.Options {
	return wsconn.Options{
		URL: exchange.URL(endpoint), NetDial: s.env.Dial,
		MaxFrameSize: s.frameSize(), MaxMessageSize: s.spec.Connector.MaxMessageSize,
	}
}

func (s *session) onDialed(m dialed) {
	if m.err != nil {
		s.onDialFailed(m)
		return
	}
	s.memory.attempt = 0
	s.memory.number++
	s.conn, s.release, s.endpoint = m.conn, m.release, m.endpoint
	s.env.Log.Debug("websocket open, greeting", life.LogEndpoint, m.endpoint)
	s.Become(s.greeting)
	news := newsOf{m.conn}
	s.conn.Start(
		func(message wsconn.Message) { s.Scope.Tell(frameCame{news, message}) },
		func(info wsconn.CloseInfo) { s.Scope.Tell(connClosed{news, info}) },
	)
	s.pulse = pulse.Start(time.Now(), s.env.Stand, func() { s.Scope.Tell(stoodStill{news}) })
	s.helloID, s.helloAt = s.env.NewID(), time.Now()
	s.sent(s.conn.SendBefore(time.Time{}, nil, exchange.AppendHello(nil, s.helloID, s.target)))
	s.Scope.After(greetWithin, greetOverdue{newsOf{s.conn}})
}

// onDialFailed says in one line what the user must check. It is a warning as long as another endpoint has not been
// tried, and for some minutes after a session was lost: an APIM that is restarted asks for nobody.
func (s *session) onDialFailed(m dialed) {
	cause, refused, failure := "other", false, (*wsconn.DialError)(nil)
	if errors.As(m.err, &failure) {
		cause, refused = failure.Class.String(), failure.Refusal()
	}
	level := slog.LevelError
	lost := s.memory.lostAt
	if s.memory.attempt < len(s.spec.Connector.Endpoints) ||
		!refused && !lost.IsZero() && time.Since(lost) < restartsWithin {
		level = slog.LevelWarn
	}
	delay := s.nextDelay(refused)
	s.env.Lasting.Log(context.Background(), level, "cannot connect to APIM: "+m.err.Error(),
		life.LogCause, cause, life.LogEndpoint, m.endpoint, life.LogDelay, delay, life.LogAttempt, s.memory.failures)
	s.env.Board.SessionAway(s.spec.Integration, m.err.Error(), s.env.Now())
	s.Become(s.waiting)
	s.redialIn(delay)
}

// onGreeting waits for HELLO's reply; what comes before it, though nothing should, is served as usual.
func (s *session) onGreeting(ctx actor.Context, message wsconn.Message) {
	frame, err := exchange.ReadFrame(message.Data)
	if err != nil || frame.Kind != exchange.KindReply {
		s.onFrame(ctx, message)
		return
	}
	reply, err := exchange.DecodeReply(frame)
	if err != nil || reply.CommandID != s.helloID {
		return
	}
	if reply.Status == exchange.StatusError {
		delay := s.nextDelay(true)
		s.env.Lasting.Error("APIM refused this agent: "+reply.ErrorDetails+
			"; check that an AWS API Gateway integration with this id exists in APIM (the provider's integrationId), "+
			"and that the token's service account may use it",
			life.LogCause, "hello", life.LogDelay, delay, life.LogAttempt, s.memory.failures)
		s.leave(ctx, exchange.CloseNormal, status.LostClosed, "HELLO was refused", s.redialAfter(delay))
		s.env.Board.SessionAway(s.spec.Integration, "APIM refused this agent: "+reply.ErrorDetails, s.env.Now())
		return
	}
	s.target = cmp.Or(reply.HelloTargetID(), s.target)
	s.readyAt = time.Now()
	s.expect(s.readyAt)
	s.Become(s.ready)
	s.conn.StartPings()
	s.env.Board.SessionUp(s.spec.Integration, s.endpoint, s.env.Now())
	s.log().Info("connected to APIM", life.LogEndpoint, s.endpoint)
	ctx.Request(s.spec.Jobs, messages.SessionUp{Session: s.memory.number})
}

// nextDelay is how long to wait before the next attempt: it grows with each failure since the last stable
// session.
func (s *session) nextDelay(refused bool) time.Duration {
	s.forgetFailures()
	ceiling := redialLost
	if refused {
		ceiling = redialRefused
	}
	delay := life.Backoff(s.memory.failures, redialFloor, ceiling, s.env.Jitter())
	s.memory.failures++
	return delay.Round(time.Millisecond)
}

// soon is how long to wait where nothing failed: the least, and as much again by chance, as a controller that ends has
// the whole fleet come back.
func (s *session) soon() time.Duration {
	s.forgetFailures()
	return life.Backoff(0, redialFloor, redialLost, s.env.Jitter()).Round(time.Millisecond)
}

// forgetFailures is for a session that ends and was stable.
func (s *session) forgetFailures() {
	if !s.readyAt.IsZero() && time.Since(s.readyAt) >= stableAfter {
		s.memory.failures = 0
	}
}

// redialAfter is what follows when a connection has ended: the next one, after a delay.
func (s *session) redialAfter(delay time.Duration) func(actor.Context) {
	return func(actor.Context) {
		s.Become(s.waiting)
		s.redialIn(delay)
	}
}

// redialIn has the next attempt made after a delay.
func (s *session) redialIn(delay time.Duration) {
	s.env.Board.SessionNext(s.spec.Integration, s.env.Now().Add(delay))
	s.Scope.After(delay, redial{})
}

// lossOf is the reason for which a connection that ended by itself counts as lost.
func lossOf(info wsconn.CloseInfo) status.Loss {
	switch {
	case errors.Is(info.Err, wsconn.ErrQueueFull):
		return status.LostTooSlow
	case errors.Is(info.Err, wsconn.ErrTextMessage), errors.Is(info.Err, wsconn.ErrMessageTooBig):
		return status.LostProtocol
	case info.Remote:
		return status.LostClosed
	default:
		return status.LostNetwork
	}
}

// reasonOf says in words how a connection ended.
func reasonOf(info wsconn.CloseInfo) string {
	if info.Err != nil {
		return info.Err.Error()
	}
	return cmp.Or(info.Reason, fmt.Sprintf("websocket close code %d", info.Code))
}

// log is where a session says how it comes and goes. One that never lasts is a fault that lasts.
func (s *session) log() *slog.Logger {
	if s.memory.failures > restless {
		return s.env.Lasting
	}
	return s.env.Log
}

// restless is after how many failures in a row a session is taken for one that does not last: its delay is at its
// longest then.
const restless = 5
