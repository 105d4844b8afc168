package apimsim

import (
	"encoding/json"
	"errors"

	"github.com/gorilla/websocket"
)

// watchHealth asks an agent for its health every interval and drops the channel with a good-bye when
// it is unhealthy, answers ERROR, or is silent for the command timeout.
func (a *APIM) watchHealth(s *session) {
	for a.pause(a.opts.HealthCheckInterval, s.gone) {
		a.mu.Lock()
		registered := s.registered
		a.mu.Unlock()
		if !registered {
			return
		}
		reply, err := a.sendTo(a.ctx, s, command{kind: typeHealthCheck, payload: empty{}})
		if err == nil && healthy(reply) {
			continue
		}
		if errors.Is(err, ErrChannelClosed) || errors.Is(err, ErrClosed) {
			return
		}
		detail := reply.ErrorDetails
		if err != nil {
			detail = err.Error()
		}
		a.problem(Problem{Code: ProblemUnhealthy, Integration: s.integrationID, Detail: detail})
		a.unregister(s, true)
		return
	}
}

func healthy(r Reply) bool {
	var payload object
	if json.Unmarshal(r.Payload, &payload) != nil || r.Status == StatusError {
		return false
	}
	return string(payload["healthy"]) == "true"
}

// unregister says good-bye to an agent: it takes no more commands, and is closed with 1011 if it has
// not gone by itself within the command timeout.
func (a *APIM) unregister(s *session, reconnect bool) {
	a.mu.Lock()
	if s.closing {
		a.mu.Unlock()
		return
	}
	s.closing, s.registered = true, false
	target := s.integrationID
	a.mu.Unlock()
	_, err := a.sendTo(a.ctx, s, command{kind: typeGoodBye, payload: goodByePayload{TargetID: target, Reconnect: reconnect}})
	if err == nil { // a reply: the real controller takes it and closes the channel
		a.problem(Problem{Code: ProblemGoodByeAnswered, Integration: target})
	}
	s.closeWith(websocket.CloseInternalServerErr, "")
}
