package life

import (
	"federation-agent/internal/status"
	"federation-agent/messages"
)

// Shown is a command as the board shows it, with its outcome and what was answered, or why nothing was.
func Shown(env *Env, c messages.Command, outcome status.Outcome, reason string) status.FailedCommand {
	shown := status.FailedCommand{
		Command: status.Command{Type: c.Name(), Outcome: outcome}, ID: c.Ref().ID, At: env.Now(), Reason: reason,
	}
	switch c := c.(type) {
	case messages.Subscribe:
		shown.Subscription, shown.API = c.SubscriptionID, c.APIID
	case messages.Unsubscribe:
		shown.Subscription, shown.API = c.SubscriptionID, c.APIID
	case messages.StartIngest:
		shown.Job = c.JobID
	}
	return shown
}
