package apimsim

import (
	"encoding/json"
	"errors"

	"github.com/gorilla/websocket"
)

// watchHealth asks an agent for its health every interval. One that is unhealthy, answers ERROR, or is
// silent for the command timeout loses its channel: from APIM 4.9 with a good-bye. Up to 4.8 it is forgotten:
// the socket stays, pings are answered, and no command and no HEALTH_CHECK ever comes over it again (run).
func (a *APIM) watchHealth(s *session) {
	for a.pause(a.opts.HealthCheckInterval, s.gone) {
		a.mu.Lock()
		registered := s.registered
		a.mu.Unlock()
		if !registered {
			return
		}
		reply, err := a.sendTo(a.ctx, s, command{kind: typeHealthCheck, payload: empty{}})
		well, detail := healthy(reply)
		if err == nil && well {
			continue
		}
		if errors.Is(err, ErrChannelClosed) || errors.Is(err, ErrClosed) {
			return
		}
		if err != nil {
			detail = err.Error()
		}
		a.problem(Problem{Code: ProblemUnhealthy, Integration: s.integrationID, Detail: detail})
		if a.features.forgetsUnhealthy {
			a.forget(s)
		} else {
			a.unregister(s, true)
		}
		return
	}
}

// forget takes a session off the list of those that take commands, and tells it nothing. Another becomes
// primary in its place (run).
func (a *APIM) forget(s *session) {
	a.mu.Lock()
	s.registered = false
	a.mu.Unlock()
	a.elect(s.integrationID)
	a.agentsChanged(s.integrationID)
}

// watchGreeting sends a socket away that has no accepted HELLO when the round of HEALTH_CHECKs comes by, with
// a GOOD_BYE that names no target. That is so from APIM 4.9 (run). There one round serves all sockets, so that
// it comes after an interval at the latest; here each socket has its whole interval.
func (a *APIM) watchGreeting(s *session) {
	if !a.features.sendsUngreetedAway || !a.pause(a.opts.HealthCheckInterval, s.gone) {
		return
	}
	a.mu.Lock()
	greeted := s.active
	a.mu.Unlock()
	if !greeted {
		a.unregister(s, true)
	}
}

// healthy is what an answer to HEALTH_CHECK says, and why.
func healthy(r Reply) (well bool, detail string) {
	var payload struct {
		Healthy bool   `json:"healthy"`
		Detail  string `json:"detail"`
	}
	if json.Unmarshal(r.Payload, &payload) != nil || r.Status == StatusError {
		return false, r.ErrorDetails
	}
	return payload.Healthy, payload.Detail
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
	a.agentsChanged(target)
	_, err := a.sendTo(a.ctx, s, command{
		kind: typeGoodBye, payload: goodByePayload{TargetID: target, Reconnect: reconnect},
	})
	if err == nil { // a reply: the real controller takes it and closes the channel
		a.problem(Problem{Code: ProblemGoodByeAnswered, Integration: target})
	}
	s.closeWith(websocket.CloseInternalServerErr, "")
}
