package actors

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/config"
	"federation-agent/internal/exchange"
	"federation-agent/internal/exchange/wsconn"
	"federation-agent/messages"
)

const (
	// answerWithin is how long the agent takes for a command at most: the controller gives up after 60 s,
	// and an answer needs time to travel.
	answerWithin = 50 * time.Second
	// deliverWithin is when an answer is of no use any more: just before the controller's 60 s.
	deliverWithin = 58 * time.Second
	// greetWithin is how long the controller may take to answer HELLO: as long as it gives commands itself.
	greetWithin = time.Minute
	// dialWithin bounds DNS, TCP, TLS and the upgrade together.
	dialWithin = 30 * time.Second
	// redialFloor is the least time between two attempts to connect: never zero, or a server that accepts
	// and drops is hammered.
	redialFloor = time.Second
	// redialLost caps the delay after a connection was lost or could not be made.
	redialLost = 30 * time.Second
	// redialRefused caps the delay after a refusal: somebody must change something first.
	redialRefused = 5 * time.Minute
	// stableAfter is how long a session must live for its delay to start over.
	stableAfter = time.Minute
	// credits is how many commands may be between the socket and the router: enough never to wait in
	// practice, few enough that memory is bounded.
	credits = 64
)

// session keeps one websocket to the controller: it dials, greets, serves, and comes back when it is lost.
// Both protocol dialects end here. Parent: integration.
//
// Its states: waiting -> dialing -> greeting -> ready -> waiting …, and dismissed or closed at the end.
type session struct {
	scoped
	actor.Behavior
	env       *Env
	memory    *sessionMemory
	connector config.Connector
	target    string // the integration id that HELLO says
	router    *actor.PID

	conn    *wsconn.Conn
	helloID string
	dialect exchange.Dialect
	readyAt time.Time
	types   map[string]string        // open commands: their type on the wire
	pending map[string]pendingIngest // INGESTs without a reply
}

// sessionMemory is what a session keeps over restarts.
type sessionMemory struct {
	number   uint64 // of the newest connection: it names the session
	attempt  int    // endpoints[attempt % size] is next
	failures int    // since the last stable session
	draining bool
}

type pendingIngest struct {
	batch int
	job   *actor.PID
}

func sessionProps(env *Env, memory *sessionMemory, connector config.Connector, target string, router *actor.PID) *actor.Props {
	return props(env, standing, func() actor.Actor {
		s := &session{
			Behavior: actor.NewBehavior(), env: env, memory: memory, connector: connector, target: target, router: router,
			types: map[string]string{}, pending: map[string]pendingIngest{},
		}
		s.Become(s.waiting)
		return s
	})
}

// What the session tells itself. conn says which connection it is about: a word of an old one is dropped.
type (
	redial struct{}
	dialed struct {
		endpoint string
		conn     *wsconn.Conn
		err      error
	}
	frameCame struct {
		conn    *wsconn.Conn
		message []byte
	}
	connClosed struct {
		conn *wsconn.Conn
		info wsconn.CloseInfo
	}
	greetOverdue struct{ conn *wsconn.Conn }
)

// connHandler passes what a connection receives on to its session.
type connHandler struct {
	scope *scope
	conn  *wsconn.Conn
}

// OnMessage implements wsconn.Handler.
func (h connHandler) OnMessage(message []byte) {
	h.scope.tell(frameCame{conn: h.conn, message: message})
}

// OnClosed implements wsconn.Handler.
func (h connHandler) OnClosed(info wsconn.CloseInfo) {
	h.scope.tell(connClosed{conn: h.conn, info: info})
}

// waiting: for the next attempt.
func (s *session) waiting(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Started:
		s.redialSoon()
	case redial:
		s.dial(ctx)
	default:
		s.offline(ctx)
	}
}

// dialing: the websocket is being opened.
func (s *session) dialing(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case dialed:
		s.onDialed(ctx, m)
	default:
		s.offline(ctx)
	}
}

// greeting: HELLO is out, its reply is not in.
func (s *session) greeting(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case frameCame:
		if m.conn == s.conn {
			s.onGreeting(ctx, m.message)
		}
	case greetOverdue:
		if m.conn == s.conn {
			s.env.Log.Warn("the controller did not answer HELLO in a minute; closing and trying again")
			s.conn.Close(exchange.CloseTryAgainLater, "no reply to HELLO")
		}
	case connClosed:
		s.onConnClosed(ctx, m)
	default:
		s.offline(ctx)
	}
}

// ready: HELLO was accepted; commands are served.
func (s *session) ready(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case frameCame:
		if m.conn == s.conn {
			s.onFrame(ctx, m.message)
		}
	case messages.Taken:
		if m.Session == s.memory.number {
			s.conn.ReturnCredit()
		}
	case messages.Answer:
		s.onAnswer(ctx, m)
	case messages.SendIngest:
		s.onSendIngest(ctx, m)
	case connClosed:
		s.onConnClosed(ctx, m)
	case messages.Drain:
		s.memory.draining = true
		s.conn.Close(exchange.CloseNormal, "the agent is shutting down")
	default:
		unexpected(s.env, ctx)
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
		s.memory.draining = true
		if s.conn != nil {
			s.conn.Close(exchange.CloseNormal, "the agent is shutting down")
		}
		s.Become(s.closed)
		ctx.Request(ctx.Parent(), messages.Drained{})
	case messages.Taken, connClosed, greetOverdue:
		// Of a connection that is gone.
	default:
		unexpected(s.env, ctx)
	}
}

// closed: for good.
func (s *session) closed(ctx actor.Context) {
	if _, ok := ctx.Message().(messages.Drain); ok {
		ctx.Request(ctx.Parent(), messages.Drained{})
		return
	}
	s.offline(ctx)
}

// Receive leaves it to the present state, but for the end of this incarnation: its socket goes with it.
func (s *session) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Restarting, *actor.Stopping:
		if s.conn != nil {
			s.down(ctx, "the agent's session actor ended")
		}
	default:
		s.Behavior.Receive(ctx)
	}
}

// dial opens a websocket to the next endpoint.
func (s *session) dial(ctx actor.Context) {
	s.Become(s.dialing)
	endpoint := s.connector.Endpoints[s.memory.attempt%len(s.connector.Endpoints)]
	s.memory.attempt++
	options, err := s.options(endpoint)
	if err != nil { // Validate has seen to it that this cannot be.
		panic(err)
	}
	s.env.Log.Debug("connecting", logEndpoint, endpoint)
	pipe(s.scope, func(ctx context.Context) (*wsconn.Conn, error) {
		dialCtx, cancel := context.WithTimeout(ctx, dialWithin)
		defer cancel()
		conn, err := wsconn.Dial(dialCtx, options)
		if err == nil {
			// Whatever becomes of this message, the socket does not outlive the actor.
			context.AfterFunc(ctx, func() { conn.Close(exchange.CloseNormal, "the agent is shutting down") })
		}
		return conn, err
	}, func(conn *wsconn.Conn, err error) any { return dialed{endpoint: endpoint, conn: conn, err: err} })
}

func (s *session) options(endpoint string) (wsconn.Options, error) {
	url, err := exchange.URL(endpoint)
	if err != nil {
		return wsconn.Options{}, err
	}
	header := http.Header{}
	for _, h := range s.connector.Headers {
		header.Add(h.Name, h.Value.Reveal())
	}
	header.Set(exchange.ProtocolHeader, exchange.ProtocolV1)
	return wsconn.Options{
		URL: url, Header: header, NetDial: s.env.Dial,
		MaxFrameSize: s.connector.MaxFrameSize, MaxMessageSize: s.connector.MaxMessageSize,
		Credits: credits,
	}, nil
}

func (s *session) onDialed(ctx actor.Context, m dialed) {
	if m.err != nil {
		refused := s.logDialFailure(m)
		s.Become(s.waiting)
		s.redialAfter(refused)
		return
	}
	s.memory.attempt = 0
	s.memory.number++
	s.conn = m.conn
	s.env.Log.Debug("websocket open, greeting", logEndpoint, m.endpoint)
	s.Become(s.greeting)
	scope, conn := s.scope, m.conn
	conn.Start(connHandler{scope: scope, conn: conn})
	s.helloID = s.env.NewID()
	s.send(exchange.AppendHello(nil, s.helloID, s.target))
	s.scope.after(greetWithin, greetOverdue{conn})
}

// logDialFailure says what the user must check, and whether it was a refusal.
func (s *session) logDialFailure(m dialed) (refused bool) {
	var upgrade *wsconn.DialError
	check := "check that the endpoint is right and reachable from here"
	if errors.As(m.err, &upgrade) {
		check, refused = upgrade.Advice(), upgrade.Refusal()
	}
	s.env.Log.Error("cannot connect to APIM; "+check, logEndpoint, m.endpoint, logError, m.err)
	return refused
}

// onGreeting waits for HELLO's reply; what comes before it, though nothing should, is served as usual.
func (s *session) onGreeting(ctx actor.Context, message []byte) {
	frame, err := exchange.ReadFrame(message)
	if err != nil || frame.Kind != exchange.KindReply {
		s.onFrame(ctx, message)
		return
	}
	reply, err := exchange.DecodeReply(frame)
	if err != nil || reply.CommandID != s.helloID {
		return
	}
	if reply.Status == exchange.StatusError {
		s.env.Log.Error("APIM refused this agent's HELLO: "+reply.ErrorDetails+
			"; check that the integration exists in APIM with this id and as an AWS API Gateway integration, "+
			"and that the token's service account may use it (integrationId of the provider); trying again, more slowly",
			logIntegration, s.target)
		s.lose(ctx, exchange.CloseNormal, "HELLO was refused")
		s.Become(s.waiting)
		s.redialAfter(true)
		return
	}
	if id := reply.HelloTargetID(); id != "" {
		s.target = id
	}
	s.readyAt = time.Now()
	s.Become(s.ready)
	s.conn.StartPings()
	s.env.Log.Info("connected to APIM", logIntegration, s.target)
	up := messages.SessionUp{Session: s.memory.number}
	ctx.Send(s.router, up)
	ctx.Send(ctx.Parent(), up)
}

// lose closes the present connection without waiting for its end to be reported.
func (s *session) lose(ctx actor.Context, code int, reason string) {
	s.conn.Close(code, reason)
	s.conn = nil
	s.down(ctx, reason)
}

// onFrame serves what came by the socket.
func (s *session) onFrame(ctx actor.Context, message []byte) {
	frame, err := exchange.ReadFrame(message)
	if err != nil {
		s.onFrameError(err)
		return
	}
	if frame.Kind == exchange.KindReply {
		s.onReply(ctx, frame)
		return
	}
	id, command, err := exchange.DecodeCommand(frame)
	if err == nil {
		s.onCommand(ctx, id, command)
		return
	}
	if exchange.NeedsCredit(message) {
		s.conn.ReturnCredit() // it goes nowhere
	}
	var payload *exchange.PayloadError
	if errors.As(err, &payload) {
		s.env.Log.Warn("APIM sent a command that cannot be read", logCommand, id, logError, err)
		s.send(exchange.AppendErrorReply(nil, payload.CommandType, id, "the agent cannot read this command: "+payload.Reason))
		return
	}
	s.onFrameError(err)
}

func (s *session) onFrameError(err error) {
	var frame *exchange.FrameError
	if errors.As(err, &frame) && frame.Silent() {
		s.env.Log.Warn("ignoring what cannot be read", logError, err)
		return
	}
	s.env.Log.Error("APIM broke the exchange protocol; closing", logError, err)
	code := exchange.CloseProtocolError
	if frame != nil {
		code = frame.CloseCode
	}
	s.conn.Close(code, err.Error())
}

func (s *session) onReply(ctx actor.Context, frame exchange.Frame) {
	reply, err := exchange.DecodeReply(frame)
	if err != nil {
		s.onFrameError(err)
		return
	}
	pending, known := s.pending[reply.CommandID]
	if !known {
		s.env.Log.Debug("ignoring a reply to nothing", logCommand, reply.CommandID)
		return
	}
	delete(s.pending, reply.CommandID)
	answered := messages.IngestAnswered{Batch: pending.batch}
	if reply.Status == exchange.StatusError {
		answered.Error = reply.ErrorDetails
		if answered.Error == "" {
			answered.Error = "APIM gave no reason"
		}
	}
	ctx.Send(pending.job, answered)
}

// onCommand answers what is the session's own matter, and passes the rest on in the agent's one language.
func (s *session) onCommand(ctx actor.Context, id string, command exchange.ControllerCommand) {
	if d := exchange.DialectOf(command.Type()); d != exchange.DialectUnknown && d != s.dialect {
		s.dialect = d
		s.env.Log.Info("APIM's dialect is known", logDialect, d)
	}
	switch c := command.(type) {
	case exchange.Primary:
		s.env.Log.Info("APIM says whether this agent is the integration's primary", logPrimary, c.Primary)
		s.send(exchange.AppendPrimaryReply(nil, id))
		ctx.Send(ctx.Parent(), messages.PrimaryChanged{Primary: c.Primary})
	case exchange.HealthCheck:
		s.send(exchange.AppendHealthCheckReply(nil, id, true, ""))
	case exchange.GoodBye:
		s.onGoodBye(ctx, c)
	case exchange.Unhandled:
		s.conn.ReturnCredit()
		s.send(exchange.AppendNoReply(nil, id, c.Type()))
	case exchange.Unknown:
		s.conn.ReturnCredit()
		s.send(exchange.AppendUnknownReply(nil, id))
	default:
		ref := messages.CommandRef{ID: id, Session: s.memory.number, AnswerBy: time.Now().Add(answerWithin)}
		s.types[id] = command.Type()
		ctx.Request(s.router, inOneLanguage(ref, command))
	}
}

// onGoodBye leaves as the controller asks.
func (s *session) onGoodBye(ctx actor.Context, c exchange.GoodBye) {
	if c.Reconnect {
		s.env.Log.Info("APIM says good-bye and asks to come back")
		s.conn.Close(exchange.CloseTryAgainLater, "reconnecting as asked")
		return
	}
	if s.connector.AutoReconnect {
		s.env.Log.Warn("APIM says good-bye for good; coming back all the same because autoReconnect is on")
		s.conn.Close(exchange.CloseNormal, "good-bye")
		return
	}
	s.env.Log.Error("APIM says good-bye for good: the integration was deleted, or the agent is not wanted any more; " +
		"to come back even so, set gravitee_integration_connector_ws_autoReconnect=true")
	s.lose(ctx, exchange.CloseNormal, "good-bye for good")
	s.Become(s.closed)
	ctx.Send(ctx.Parent(), messages.Dismissed{})
}

// onAnswer sends a command's answer, in the dialect in which it was asked.
func (s *session) onAnswer(ctx actor.Context, m messages.Answer) {
	typ, open := s.types[m.ID]
	if m.Session != s.memory.number || !open {
		s.tellFate(ctx.Sender(), m.CommandRef, messages.NeverSent)
		return
	}
	delete(s.types, m.ID)
	frame := inDialect(typ, m)
	if frame == nil {
		panic(fmt.Sprintf("%T does not answer %s", m.Reply, typ))
	}
	var receipt func(wsconn.Outcome)
	if _, wanted := m.Reply.(messages.Subscribed); wanted {
		// Reported from the connection's own goroutine: whatever happens to this actor, the fate is told.
		asker, system := ctx.Sender(), ctx.ActorSystem()
		receipt = func(o wsconn.Outcome) {
			if asker != nil {
				system.Root.Send(asker, messages.AnswerFate{CommandRef: m.CommandRef, Delivery: deliveryOf(o)})
			}
		}
	}
	if err := s.conn.SendBefore(m.AnswerBy.Add(deliverWithin-answerWithin), frame, receipt); err != nil {
		s.env.Log.Warn("cannot send an answer", logCommand, m.ID, logError, err)
	}
}

func (s *session) tellFate(asker *actor.PID, ref messages.CommandRef, d messages.Delivery) {
	if asker != nil {
		s.scope.system.Root.Send(asker, messages.AnswerFate{CommandRef: ref, Delivery: d})
	}
}

func deliveryOf(o wsconn.Outcome) messages.Delivery {
	switch o {
	case wsconn.Delivered:
		return messages.Delivered
	case wsconn.NeverSent:
		return messages.NeverSent
	}
	return messages.Unproved
}

func (s *session) onSendIngest(ctx actor.Context, m messages.SendIngest) {
	id := s.env.NewID()
	s.pending[id] = pendingIngest{batch: m.Batch, job: ctx.Sender()}
	s.send(exchange.AppendIngest(nil, id, m.JobID, m.APIs, m.Done))
}

// send queues a frame. What cannot be queued is lost with the connection, whose end is reported.
func (s *session) send(frame []byte) {
	if err := s.conn.Send(frame, nil); err != nil && !errors.Is(err, wsconn.ErrClosed) {
		s.env.Log.Warn("cannot send to APIM; closing the connection", logError, err)
		s.conn.Abort(err)
	}
}

// onConnClosed is the everyday loss of a connection.
func (s *session) onConnClosed(ctx actor.Context, m connClosed) {
	if m.conn != s.conn {
		return
	}
	s.env.Log.Warn("the connection to APIM is closed", logStatus, m.info.Code, logReason, reasonOf(m.info))
	s.conn = nil
	s.down(ctx, reasonOf(m.info))
	if s.memory.draining {
		s.Become(s.closed)
		ctx.Request(ctx.Parent(), messages.Drained{})
		return
	}
	s.Become(s.waiting)
	s.redialAfter(false)
}

// reasonOf says in words how a connection ended.
func reasonOf(info wsconn.CloseInfo) string {
	if info.Err != nil {
		return info.Err.Error()
	}
	if info.Reason != "" {
		return info.Reason
	}
	return fmt.Sprintf("websocket close code %d", info.Code)
}

// down tells that the session is gone and what was pending on it is lost.
func (s *session) down(ctx actor.Context, why string) {
	if !s.readyAt.IsZero() && time.Since(s.readyAt) >= stableAfter {
		s.memory.failures = 0
	}
	s.readyAt = time.Time{}
	for id, p := range s.pending {
		delete(s.pending, id)
		ctx.Send(p.job, messages.IngestLost{Batch: p.batch})
	}
	clear(s.types)
	gone := messages.SessionDown{Session: s.memory.number, Why: why}
	ctx.Send(s.router, gone)
	ctx.Send(ctx.Parent(), gone)
}

func (s *session) redialSoon() { s.scope.after(0, redial{}) }

// redialAfter tries again after a delay that grows with each failure since the last stable session.
func (s *session) redialAfter(refused bool) {
	ceiling := redialLost
	if refused {
		ceiling = redialRefused
	}
	delay := backoff(s.memory.failures, redialFloor, ceiling, s.env.Jitter())
	s.memory.failures++
	s.env.Log.Info("connecting again after a delay", logDelay, delay.Round(time.Millisecond), logAttempt, s.memory.failures)
	s.scope.after(delay, redial{})
}
