package actors

import "github.com/asynkron/protoactor-go/actor"

// ear is a process that hears answers for a goroutine, as many as its channel holds. The library's Future would do where
// there is one, were it not a data race to send it a second message, as a quota that is asked twice may.
type ear struct{ heard chan any }

// SendUserMessage implements actor.Process.
func (e ear) SendUserMessage(_ *actor.PID, message any) {
	select {
	case e.heard <- actor.UnwrapEnvelopeMessage(message):
	default:
	}
}

// SendSystemMessage implements actor.Process.
func (ear) SendSystemMessage(*actor.PID, any) {}

// Stop implements actor.Process.
func (ear) Stop(*actor.PID) {}
