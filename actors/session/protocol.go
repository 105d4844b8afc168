package session

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/exchange"
	"federation-agent/internal/exchange/wsconn"
	"federation-agent/internal/status"
	"federation-agent/internal/words"
	"federation-agent/messages"
)

// What a session says and hears once its websocket is open.

// onFrame serves what came by the socket.
func (s *session) onFrame(ctx actor.Context, message wsconn.Message) {
	frame, err := exchange.ReadFrame(message.Data)
	if err != nil {
		s.onFrameError(ctx, err)
		return
	}
	if frame.Kind == exchange.KindReply {
		s.onReply(ctx, frame)
		return
	}
	command, err := exchange.DecodeCommand(frame)
	var payload *exchange.PayloadError
	switch {
	case err == nil:
		s.onCommand(ctx, s.askedBy(message, command))
	case errors.As(err, &payload):
		s.env.Often.Warn("APIM sent a command that cannot be read", life.LogCommand, command.ID, life.LogError, err)
		s.replyOnce(command.ID, exchange.AppendErrorReply(nil, command.Type, command.ID,
			"the agent cannot read this command: "+payload.Reason))
	default:
		s.onFrameError(ctx, err)
	}
}

func (s *session) onFrameError(ctx actor.Context, err error) {
	var frame *exchange.FrameError
	if errors.As(err, &frame) && frame.Silent() {
		s.ignore(err)
		return
	}
	code := exchange.CloseProtocolError
	if frame != nil {
		code = frame.CloseCode
	}
	delay := s.nextDelay(false)
	s.env.Lasting.Error("APIM broke the exchange protocol; connecting again", life.LogError, err, life.LogDelay, delay)
	s.leave(ctx, code, status.LostProtocol, err.Error(), s.redialAfter(delay))
}

// ignore counts what cannot be read and gets no answer. A peer that sends nothing else fills no log with it.
func (s *session) ignore(err error) {
	s.ignored++
	s.env.Board.TurnedAway(s.spec.Integration, status.FailedCommand{
		Command: status.Command{Type: status.Unreadable, Outcome: status.Unanswered},
	})
	if s.ignored == 1 {
		s.env.Lasting.Warn("ignoring what cannot be read; what follows on this connection is counted", life.LogError, err)
	}
}

func (s *session) onReply(ctx actor.Context, frame exchange.Frame) {
	reply, err := exchange.DecodeReply(frame)
	if err != nil {
		s.onFrameError(ctx, err)
		return
	}
	pending, known := s.pending[reply.CommandID]
	if !known {
		s.env.Log.Debug("ignoring a reply to nothing", life.LogCommand, reply.CommandID)
		return
	}
	if reply.Status != exchange.StatusSucceeded && reply.Status != exchange.StatusError {
		return // PENDING or IN_PROGRESS: the answer is still to come
	}
	delete(s.pending, reply.CommandID)
	answered := messages.IngestAnswered{Batch: pending.batch}
	if reply.Status == exchange.StatusError {
		answered.Error = cmp.Or(reply.ErrorDetails, "APIM gave no reason")
	}
	ctx.Send(pending.job, answered)
}

// onCommand answers what is the session's own matter, and passes the rest on in the agent's one language.
func (s *session) onCommand(ctx actor.Context, command asked) {
	id := command.ID
	s.heard(command.Type)
	if d := exchange.DialectOf(command.Type); d != exchange.DialectUnknown && d != s.dialect {
		s.dialect = d
		s.env.Log.Info("APIM's dialect is known", life.LogDialect, d)
	}
	switch c := command.Payload.(type) {
	case exchange.Primary:
		s.log().Info("APIM says whether this agent is the integration's primary", life.LogPrimary, c.Primary)
		s.replyOnce(id, exchange.AppendPrimaryReply(nil, id))
		s.env.Board.Primary(s.spec.Integration, c.Primary)
		for _, who := range []*actor.PID{s.spec.Reconciler, s.spec.Listener} {
			if who != nil {
				ctx.Send(who, messages.PrimaryChanged{Primary: c.Primary})
			}
		}
	case exchange.HealthCheck:
		if s.mayLeave() {
			s.replyUnhealthy(id)
			break
		}
		// Unhealthy would make APIM drop this session, which helps against nothing that may be wrong here.
		s.replyOnce(id, exchange.AppendHealthCheckReply(nil, id, true, ""))
		if !s.readyAt.IsZero() {
			ctx.Request(s.spec.Jobs, messages.SessionUp{Session: s.memory.number})
		}
	case exchange.GoodBye:
		s.onGoodBye(ctx, c)
	case exchange.Unhandled:
		s.replyOnce(id, exchange.AppendNoReply(nil, id, command.Type))
	case exchange.Unknown:
		s.replyOnce(id, exchange.AppendUnknownReply(nil, id))
	default:
		s.onWork(ctx, command)
		return
	}
	s.env.Log.Debug("a command has ended", life.LogType, words.Short(command.Type), life.LogCommand, words.Short(id))
}

// onWork passes a command on, unless it is a duplicate or too old, or too many are open.
func (s *session) onWork(ctx actor.Context, c asked) {
	id, now := c.ID, time.Now()
	if !s.seen.first(id, now) {
		s.env.Often.Warn("ignoring a command that came twice", life.LogCommand, id)
		return
	}
	ref := messages.CommandRef{ID: id, Session: s.memory.number, AnswerBy: c.notBefore.Add(messages.AnswerWithin)}
	work := inOneLanguage(ref, c.Payload)
	refusal, why := "", ""
	switch {
	case !now.Before(ref.AnswerBy) || c.useless(s.conn):
		refusal, why = tooOld, "it was too old when it was read"
	case len(s.open) >= s.spec.MaxOpen:
		refusal = "busy: as many commands are open as agent.commands.maxOpen allows; try again later"
		why = "too many are open"
	}
	if refusal != "" {
		s.env.Often.Warn("refusing a command: "+why, life.LogCommand, id)
		shown := life.Shown(s.env, work, status.Refused, refusal)
		s.env.Board.TurnedAway(s.spec.Integration, shown)
		s.env.Log.Debug("a command has ended", life.OfCommand(shown, time.Since(now))...)
		s.replyNow(exchange.AppendErrorReply(nil, c.Type, id, refusal))
		return
	}
	c.Payload = nil // it goes on in the agent's language
	s.open[id] = c
	ctx.Request(s.spec.Router, work)
}

// replyOnce answers a command on the spot, unless it is a duplicate.
func (s *session) replyOnce(id string, reply []byte) {
	if s.seen.first(id, time.Now()) {
		s.replyNow(reply)
	}
}

// replyNow sends the reply to a command that has just come. One that would leave too late is not sent.
func (s *session) replyNow(reply []byte) {
	s.sent(s.conn.SendBefore(time.Now().Add(deliverWithin), nil, reply))
}

// onGoodBye leaves as the controller asks.
func (s *session) onGoodBye(ctx actor.Context, c exchange.GoodBye) {
	switch {
	case s.handover == handoverSaid:
		s.env.Log.Info("handing over: APIM says good-bye, as it was told; the session is closed once all is answered")
	case c.Reconnect: // no failure, however young the session is: a node ends, or the load is spread again
		delay := s.soon()
		s.log().Info("APIM says good-bye and asks to come back", life.LogDelay, delay)
		s.leave(ctx, exchange.CloseTryAgainLater, status.LostGoodBye, "reconnecting as asked", s.redialAfter(delay))
	case s.spec.Connector.AutoReconnect:
		delay := s.nextDelay(true)
		s.env.Lasting.Warn("APIM says good-bye for good; coming back all the same as autoReconnect is on", life.LogDelay, delay)
		s.leave(ctx, exchange.CloseNormal, status.LostGoodBye, "good-bye", s.redialAfter(delay))
	default:
		s.env.Log.Error("APIM says good-bye for good: the integration was deleted, or the agent is not wanted any more; " +
			"to come back even so, set gravitee_integration_connector_ws_autoReconnect=true")
		s.memory.ended = messages.Dismissed{}
		s.leave(ctx, exchange.CloseNormal, status.LostGoodBye, "good-bye for good", s.end)
	}
}

// onAnswer sends a command's answer, in the dialect in which it was asked.
func (s *session) onAnswer(ctx actor.Context, m messages.Answer) {
	c, open := s.open[m.ID]
	if m.Session != s.memory.number || !open {
		s.tellFate(ctx.Sender(), m.CommandRef, messages.NeverSent)
		return
	}
	delete(s.open, m.ID)
	if _, key := m.Reply.(messages.Subscribed); key && c.useless(s.conn) {
		s.env.Often.Warn("an API key was made too late for APIM; the answer becomes ERROR", life.LogCommand, m.ID)
		s.tellFate(ctx.Sender(), m.CommandRef, messages.NeverSent)
		m.Reply = messages.Refused{Reason: tooOld}
	}
	typ := c.Type
	var receipt func(wsconn.Outcome)
	if m.NeedsProof() {
		// Reported from the connection's own goroutine: whatever happens to this actor, the fate is told.
		asker, conn := ctx.Sender(), s.conn
		s.unproved++
		receipt = func(o wsconn.Outcome) {
			s.tellFate(asker, m.CommandRef, c.delivery(o, conn))
			s.Scope.Tell(answerProved{newsOf{conn}})
		}
	}
	frame := inDialect(typ, m)
	if frame == nil {
		s.env.Log.Error("an answer does not fit its command: a bug in the agent, please report it", life.LogCommand, m.ID)
		frame = exchange.Parts{exchange.AppendErrorReply(nil, typ, m.ID, "internal error of the agent; see its log")}
		if receipt != nil {
			// What is delivered from here on is the ERROR, which holds no key.
			receipt(wsconn.NeverSent)
			receipt = nil
		}
	}
	by := m.AnswerBy.Add(deliverWithin - messages.AnswerWithin)
	s.measure(frame)
	err := s.conn.SendBefore(by, receipt, frame...)
	switch {
	case errors.Is(err, wsconn.ErrTooLarge):
		s.env.Often.Error("an answer exceeds the largest message", life.LogCommand, m.ID)
		err = s.conn.SendBefore(by, nil, exchange.AppendErrorReply(nil, typ, m.ID,
			"the answer exceeds integration.connector.ws.maxWebSocketMessageSize"))
	case errors.Is(err, wsconn.ErrQueueFull):
		s.env.Often.Warn("the connection to APIM is too slow for its answers; this one becomes ERROR", life.LogCommand, m.ID)
		err = s.conn.SendBefore(by, nil, exchange.AppendErrorReply(nil, typ, m.ID,
			"busy: the answers to earlier commands still wait to be read by APIM; try again in a moment"))
	}
	s.sent(err)
}

// tellFate may be called from any goroutine.
func (s *session) tellFate(asker *actor.PID, ref messages.CommandRef, d messages.Delivery) {
	if asker != nil {
		s.Scope.System.Root.Send(asker, messages.AnswerFate{CommandRef: ref, Delivery: d})
	}
}

func (s *session) onSendIngest(ctx actor.Context, m messages.SendIngest) {
	id := s.env.NewID()
	frame := exchange.Ingest(id, m.JobID, m.APIs, m.Done)
	bytes := s.measure(frame)
	err := s.conn.SendBefore(time.Time{}, nil, frame...)
	if errors.Is(err, wsconn.ErrTooLarge) {
		ctx.Respond(messages.IngestAnswered{Batch: m.Batch, Error: "above integration.connector.ws.maxWebSocketMessageSize"})
		return
	}
	if errors.Is(err, wsconn.ErrQueueFull) {
		ctx.Respond(messages.IngestDeferred{Batch: m.Batch})
		return
	}
	s.pending[id] = pendingIngest{batch: m.Batch, bytes: bytes, job: ctx.Sender()}
	s.sent(err)
}

// measure notes how large the largest message is that goes out by this connection.
func (s *session) measure(frame exchange.Parts) (bytes int) {
	for _, part := range frame {
		bytes += len(part)
	}
	s.largest = max(s.largest, bytes)
	return bytes
}

// onTooLarge learns that the controller takes less than this agent sends. What the limit of messages is, the
// sender of the largest one finds out. The limit of frames is halved here until they pass.
func (s *session) onTooLarge(ctx actor.Context, m connClosed) {
	s.tooLarge = true
	setting := "integration.connector.ws.maxWebSocketMessageSize"
	if strings.Contains(strings.ToLower(m.info.Reason), "frame length") {
		s.tooLarge = false
		s.memory.frame = max(s.frameSize()/2, leastFrame)
		setting = "integration.connector.ws.maxWebSocketFrameSize"
	}
	delay := s.soon()
	if s.readyAt.IsZero() { // not even HELLO passes, so nothing is learnt
		delay = s.nextDelay(false)
	}
	s.env.Lasting.Warn("APIM's controller takes smaller messages or frames than this agent may send, and closed the "+
		"connection; set the setting to the controller's own limit, or raise that; smaller ones are tried now",
		life.LogSetting, setting, life.LogBytes, s.largest, life.LogReason, reasonOf(m.info), life.LogDelay, delay)
	s.forgetConn()
	s.down(ctx, status.LostTooLarge, reasonOf(m.info))
	s.redialAfter(delay)(ctx)
}

// leastFrame, in bytes, is the smallest frame that is tried: HELLO and most replies fit into it.
const leastFrame = 1 << 10

// frameSize is the largest frame that is sent, as far as is known.
func (s *session) frameSize() int {
	return cmp.Or(s.memory.frame, s.spec.Connector.MaxFrameSize)
}

// sent drops a connection that has no room even for what is short: its peer does not read. What a closed one does
// not take is lost with it, and its end is reported.
func (s *session) sent(err error) {
	if err != nil && !errors.Is(err, wsconn.ErrClosed) {
		s.env.Lasting.Warn("cannot send to APIM; dropping the connection", life.LogError, err)
		s.conn.Abort(err)
	}
}
