package agent

import (
	"context"
	"errors"
	"fmt"

	"federation-agent/actors/life"
	"federation-agent/messages"
)

// ErrEnded means that the agent has ended.
var ErrEnded = errors.New("the agent has ended")

// Alive asks for a sign of life, from the top actor by way of every integration to its session, and waits for all of
// them. An actor that is being restarted answers only once it is back, up to 30 s later. Errors: [ErrEnded], or how
// many had not answered when the context ended.
func (a *Agent) Alive(ctx context.Context) error {
	heard := life.Ear{Heard: make(chan any, 1+a.integrations)}
	pid, _ := a.system.ProcessRegistry.Add(heard, "alive"+a.system.ProcessRegistry.NextID())
	defer a.system.ProcessRegistry.Remove(pid)
	a.system.Root.RequestWithCustomSender(a.top, messages.AreYouThere{}, pid)
	top, want, sessions := false, 0, 0
	for {
		select {
		case sign := <-heard.Heard:
			switch there := sign.(type) {
			case messages.AgentThere:
				top, want = true, there.Integrations
			case messages.SessionThere:
				sessions++
			}
		case <-a.done:
			return ErrEnded
		case <-ctx.Done():
			if !top {
				return fmt.Errorf("the top actor gives no sign of life: %w", ctx.Err())
			}
			return fmt.Errorf("%d of %d sessions give no sign of life: %w", want-sessions, want, ctx.Err())
		}
		if top && sessions >= want {
			return nil
		}
	}
}
