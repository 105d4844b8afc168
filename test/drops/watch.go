package main

import (
	"context"
	"sync"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/process"
)

// lookEvery is how exact the times of [drop] are.
const lookEvery = 20 * time.Millisecond

// watch asks APIM which sessions there are, once for all who wait for one.
type watch struct {
	rig *process.Rig

	mu     sync.Mutex
	newest map[string]apimsim.AgentView // by integration
}

func (w *watch) run(ctx context.Context) {
	for process.Sleep(ctx, lookEvery) == nil {
		agents, err := w.rig.APIM.Agents(ctx)
		if err != nil {
			continue // a caller that waits gives up in time
		}
		w.mu.Lock()
		for _, a := range agents {
			if a.Conn > w.newest[a.IntegrationID].Conn {
				w.newest[a.IntegrationID] = a
			}
		}
		w.mu.Unlock()
	}
}

// after waits for a session that is newer than a connection.
func (w *watch) after(ctx context.Context, integration string, connection int) (apimsim.AgentView, error) {
	var agent apimsim.AgentView
	err := process.Await(ctx, comesBackWithin, "the session of "+integration, func(context.Context) (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		agent = w.newest[integration]
		return agent.Conn > connection, nil
	})
	return agent, err
}
