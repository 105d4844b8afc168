package interop

import (
	"context"
	"testing"
	"time"

	actors "federation-agent/actors/agent"
	"federation-agent/test/interop/controller"
	"federation-agent/test/interop/proxy"
)

// noticedWithin is the pong deadline (15 s behind a ping, one each 5 s), the delay before a reconnect, and what a busy
// machine adds.
const noticedWithin = 40 * time.Second

// quickHealthChecks asks often, but leaves an agent on a busy machine time to greet between two rounds: from APIM 4.9
// on a round sends away whoever has not.
var quickHealthChecks = controller.Options{HealthCheckInterval: 2 * time.Second}

// sessionCases are about the life of a session.
func sessionCases() []contractCase {
	return []contractCase{
		{name: "a half-open connection is noticed within the pong deadline", run: noticesHalfOpen},
		{name: "a good token and a known integration: HELLO is accepted, the agent is primary", run: connects},
		{name: "a bad token is refused, and the agent is there once it is good", run: badToken},
		{name: "an authentication that fails (500) is tried again", run: failingAuthentication},
		{name: "a token that was revoked keeps the agent out until it is back", run: revokedToken},
		{name: "HELLO is refused, then accepted", run: helloRefusedThenAccepted},
		{name: "HELLO as another provider's agent is refused, then accepted", run: wrongProvider},
		{name: "the second of two agents takes over when the primary leaves", run: primaryLeaves},
		{name: "the second of two agents takes over when the primary is cut off", run: primaryIsCut},
		{name: "the doctor asks beside an agent and draws no command away", run: doctorVisits},
		{name: "HEALTH_CHECK is answered each time", options: quickHealthChecks, run: answersHealthChecks},
		{name: "GOOD_BYE with reconnect: the agent comes back", run: goodByeAndBack(true, nil)},
		{name: "GOOD_BYE without reconnect: the agent ends", run: goodByeEnds},
		{
			name: "GOOD_BYE without reconnect, but autoReconnect: the agent comes back",
			run:  goodByeAndBack(false, map[string]string{"gravitee_integration_connector_ws_autoReconnect": "true"}),
		},
		{name: "an agent that is drained leaves at once", run: drains},
		{name: "the controller is restarted", run: controllerRestarts},
		{name: "the controller goes with 1000 and without GOOD_BYE", run: controllerDrops},
	}
}

// noticesHalfOpen lets a connection live on with nothing coming through, as behind a firewall that forgot it.
func noticesHalfOpen(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	p := s.proxy(nil)
	s.connected(agentOptions{via: p.Address()})
	s.served() // both sides are through with HELLO, and ping each other
	from := c.Events().Len()
	p.Silence()
	began := time.Now()
	s.wait(from, controller.IsHello(target, true))
	if took := time.Since(began); took > noticedWithin {
		t.Errorf("it took %s", took)
	}
}

func connects(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	s.connected(agentOptions{})
	if e, _ := s.wait(0, controller.IsHello(target, true)); e.Provider != provider {
		t.Errorf("HELLO names the provider %q", e.Provider)
	}
	channels, err := c.Channels(ctx, target)
	must(t, err)
	if len(channels) != 1 || !channels[0].Primary {
		t.Errorf("channels: %+v", channels)
	}
	s.served()
}

func badToken(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	const late = "a-token-of-later"
	s.agent(agentOptions{
		settings: map[string]string{"gravitee_integration_connector_ws_headers_0_value": "bearer " + late},
	})
	s.wait(0, controller.IsUpgrade(false))
	must(t, c.AllowToken(ctx, late))
	s.wait(0, controller.HasChannels(target, 1))
	s.served()
}

func failingAuthentication(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	must(t, c.BreakAuthentication(ctx, true))
	s.agent(agentOptions{})
	s.wait(0, controller.IsUpgrade(false))
	must(t, c.BreakAuthentication(ctx, false))
	s.wait(0, controller.HasChannels(target, 1))
}

func revokedToken(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	s.connected(agentOptions{})
	must(t, c.RevokeToken(ctx, token))
	s.served() // a session that is up is not touched
	from := c.Events().Len()
	s.goodBye(true)
	_, from = s.wait(from, controller.IsUpgrade(false))
	must(t, c.AllowToken(ctx, token))
	s.wait(from, controller.HasChannels(target, 1))
	s.served()
}

func helloRefusedThenAccepted(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	must(t, c.DeleteIntegration(ctx, target))
	s.agent(agentOptions{})
	_, next := s.wait(0, controller.IsHello(target, false))
	s.wait(next, controller.IsHello(target, false)) // it does not give up
	must(t, c.PutIntegration(ctx, target, provider))
	s.wait(0, controller.HasChannels(target, 1))
	s.served()
}

func wrongProvider(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	must(t, c.PutIntegration(ctx, target, "solace"))
	s.agent(agentOptions{})
	s.wait(0, controller.IsHello(target, false))
	must(t, c.PutIntegration(ctx, target, provider))
	s.wait(0, controller.HasChannels(target, 1))
	s.served()
}

// second adds an agent to one that is connected, and returns the channel that was not there before.
func (s *site) second() (*agent, controller.Channel) {
	s.t.Helper()
	before, err := s.c.Channels(s.ctx, target)
	must(s.t, err)
	from := s.c.Events().Len()
	a := s.agent(agentOptions{})
	e, _ := s.wait(from, controller.HasChannels(target, 2))
	for _, channel := range e.Channels {
		if channel.ID == before[0].ID {
			continue
		}
		if channel.Primary {
			s.t.Errorf("the second agent is primary while the first is there")
		}
		return a, channel
	}
	s.t.Fatalf("channels before %+v, after %+v", before, e.Channels)
	return nil, controller.Channel{}
}

// takenOver waits until that channel alone is left, and is primary.
func (s *site) takenOver(from int, by controller.Channel) {
	s.t.Helper()
	e, _ := s.wait(from, controller.HasChannels(target, 1))
	if e.Channels[0].ID != by.ID {
		s.t.Errorf("left is %+v, want %s", e.Channels, by.ID)
	}
	s.served()
}

func primaryLeaves(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(2))
	first := s.connected(agentOptions{})
	_, channel := s.second()
	from := c.Events().Len()
	must(t, first.Drain(ctx, 8*time.Second))
	s.takenOver(from, channel)
}

func primaryIsCut(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(2))
	p := s.proxy(nil)
	s.connected(agentOptions{via: p.Address()})
	_, channel := s.second()
	from := c.Events().Len()
	p.Cut()
	s.takenOver(from, channel)
	s.wait(from, controller.HasChannels(target, 2)) // and the first one is back
}

func answersHealthChecks(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	// One that goes unanswered, or is answered unhealthy, would be the last on its connection.
	p := s.proxy(func(int) *proxy.Trigger {
		return &proxy.Trigger{Direction: proxy.ToClient, Text: "et:HEALTH_CHECK", Nth: 3}
	})
	s.agent(agentOptions{via: p.Address()})
	s.reached(p)
	s.served()
}

// goodBye is said as a command: no published controller says one without reconnect of itself.
func (s *site) goodBye(reconnect bool) {
	s.t.Helper()
	outcome := s.send(controller.Command{
		Type: "GOOD_BYE", Payload: map[string]any{"targetId": target, "reconnect": reconnect},
	})
	if outcome.Failure == nil || outcome.Failure.Kind != controller.FailureClosed {
		s.t.Errorf("GOOD_BYE came to %+v %+v, want a channel that closed", outcome.Reply, outcome.Failure)
	}
}

// goodByeAndBack is a GOOD_BYE after which an agent with these settings is back and serves.
func goodByeAndBack(
	reconnect bool, settings map[string]string,
) func(context.Context, *testing.T, controller.Controller) {
	return func(ctx context.Context, t *testing.T, c controller.Controller) {
		s := newSite(ctx, t, c, uniform(1))
		s.connected(agentOptions{settings: settings})
		from := c.Events().Len()
		s.goodBye(reconnect)
		_, from = s.wait(from, controller.IsHello(target, true))
		s.wait(from, controller.HasChannels(target, 1))
		s.served()
	}
}

func goodByeEnds(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	a := s.connected(agentOptions{})
	s.goodBye(false)
	select {
	case <-a.Done():
		if got := a.Ending(); got != actors.Dismissed {
			t.Errorf("ended with %v", got)
		}
	case <-ctx.Done():
		t.Error("the agent is still there")
	}
}

func drains(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	a := s.connected(agentOptions{})
	from := c.Events().Len()
	must(t, a.Drain(ctx, 8*time.Second))
	s.wait(from, controller.HasChannels(target, 0))
	outcome := s.send(controller.Command{Type: previewType(c)})
	if outcome.Failure == nil || outcome.Failure.Kind != controller.FailureNoChannel {
		t.Errorf("a command after the drain came to %+v %+v", outcome.Reply, outcome.Failure)
	}
}

func controllerRestarts(ctx context.Context, t *testing.T, c controller.Controller) {
	restarted(ctx, t, c, c.Stop)
}

func controllerDrops(ctx context.Context, t *testing.T, c controller.Controller) {
	restarted(ctx, t, c, c.Drop)
}

func restarted(ctx context.Context, t *testing.T, c controller.Controller, end func(context.Context) error) {
	s := newSite(ctx, t, c, uniform(1))
	s.connected(agentOptions{})
	must(t, end(ctx))
	from := c.Events().Len()
	must(t, c.Start(ctx))
	_, from = s.wait(from, controller.IsHello(target, true))
	s.wait(from, controller.HasChannels(target, 1))
	s.served()
}
