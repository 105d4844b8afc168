package agent

import (
	"context"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/events"
	"federation-agent/internal/apigateway"
)

// spawnListener makes the one who hears events, if there is a queue. The checks of the configuration see to it that
// there is a reconciler then.
func (i *integration) spawnListener(ctx actor.Context) {
	settings := i.config.Agent.Events
	if i.listener = nil; !settings.IsOn() {
		return
	}
	options := i.credentials()
	i.listener = ctx.SpawnPrefix(events.Props(i.env, events.Spec{
		Integration: i.provider.IntegrationID, Reconciler: i.reconciler, Targets: i.targets,
		Open: func(opening context.Context) (events.Queue, error) {
			credentials, err := apigateway.NewCredentials(opening, options)
			if err != nil {
				return nil, err
			}
			return apigateway.NewQueue(credentials.Config(settings.Region, settings.RoleARN), settings.QueueURL), nil
		},
	}), "listener-")
}
