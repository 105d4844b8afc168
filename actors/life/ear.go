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

// Listen is an address that hears one answer, until it is told to be deaf.
func Listen(system *actor.ActorSystem) (heard <-chan any, address *actor.PID, deaf func()) {
	ear := Ear{Heard: make(chan any, 1)}
	address, _ = system.ProcessRegistry.Add(ear, "ear"+system.ProcessRegistry.NextID())
	return ear.Heard, address, func() { system.ProcessRegistry.Remove(address) }
}
