package session

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/exchange"
	"federation-agent/internal/exchange/wsconn"
	"federation-agent/messages"
)

// Where another process serves the integration, too, a session can be left without any loss: APIM turns away from an agent
// that answers HEALTH_CHECK unhealthy, and still takes the replies to the commands that are open (run, exchange 1.8.2 and
// 2.0.1). Up to APIM 4.8 the socket just stays. From 4.9 a GOOD_BYE comes, and APIM closes a minute later.

const (
	// turnsWithin is how long after APIM has read that this agent is unhealthy a command may still come by this session:
	// it was on its way, or APIM was just about to send it.
	turnsWithin = 250 * time.Millisecond

	whyUnhealthy = "shutting down"
)

// handover is how far a session is with it.
type handover int

const (
	handoverNone    handover = iota
	handoverWaiting          // for another process, and for a HEALTH_CHECK
	handoverSaid             // APIM is being told
)

// handedOver: APIM sends nothing new by the connection.
type handedOver struct{ newsOf }

// onHandOver begins a handover. The order comes again and again.
func (s *session) onHandOver() {
	if s.handover == handoverNone {
		s.handover = handoverWaiting
		s.env.Board.SessionLeaves(s.spec.Integration)
		s.env.Log.Info("handing over: serving on until APIM's next HEALTH_CHECK that finds another agent of this integration " +
			"connected")
	}
}

// mayLeave reports at a HEALTH_CHECK whether APIM is to turn to another agent.
func (s *session) mayLeave() bool {
	if s.handover == handoverWaiting {
		if !s.env.Member.OthersReady(time.Now(), s.spec.Integration) {
			s.env.Log.Info("handing over: no other agent of this integration is connected yet; serving on")
			return false
		}
		s.handover = handoverSaid
		s.env.Log.Info("handing over: APIM is told to turn to another agent; what is open is still answered")
	}
	return s.handover == handoverSaid
}

// replyUnhealthy answers a HEALTH_CHECK so that APIM turns away from this session.
func (s *session) replyUnhealthy(id string) {
	now, conn := time.Now(), s.conn
	if !s.seen.first(id, now) {
		return
	}
	s.sent(conn.SendBefore(now.Add(deliverWithin), func(wsconn.Outcome) {
		s.Scope.After(turnsWithin, handedOver{newsOf{conn}})
	}, exchange.AppendHealthCheckReply(nil, id, false, whyUnhealthy)))
}

// endHandover tells that nothing new comes by this session.
func (s *session) endHandover(ctx actor.Context) {
	if s.handover != handoverNone {
		ctx.Request(ctx.Parent(), messages.HandedOver{})
	}
}
