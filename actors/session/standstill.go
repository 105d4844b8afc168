package session

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/exchange"
	"federation-agent/internal/status"
)

// stoodStill is what the connection's pulse tells its session, which may get no other message.
type stoodStill struct{ newsOf }

// leaveIfStoodStill leaves a connection that is older than a standstill of the process, before anything else is done:
// nobody knows how old what it reads is. The controller may have given up, and told its user so.
func (s *session) leaveIfStoodStill(ctx actor.Context) {
	if s.pulse == nil {
		return
	}
	gap := s.pulse.Gap(time.Now())
	if gap == 0 {
		return
	}
	delay := s.soon()
	s.env.Lasting.Warn("this process stood still, so nobody knows how old APIM's commands are; connecting again",
		life.LogTook, gap.Round(time.Millisecond), life.LogDelay, delay)
	s.leave(ctx, exchange.CloseTryAgainLater, status.LostStandstill, "the agent's process stood still", s.redialAfter(delay))
}
