package life

import "github.com/asynkron/protoactor-go/actor"

// Ear is a process that hears answers for a goroutine, as many as its channel holds. The library's Future would do
// where there is one, were it not a data race to send it a second message, as a quota that is asked twice may.
type Ear struct{ Heard chan any }

// SendUserMessage implements actor.Process.
func (e Ear) SendUserMessage(_ *actor.PID, message any) {
	select {
	case e.Heard <- actor.UnwrapEnvelopeMessage(message):
	default:
	}
}

// SendSystemMessage implements actor.Process.
func (Ear) SendSystemMessage(*actor.PID, any) {}

// Stop implements actor.Process.
func (Ear) Stop(*actor.PID) {}
