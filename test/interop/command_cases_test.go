package interop

import (
	"context"
	"fmt"
	"testing"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/interop/controller"
)

// commandCases are about subscriptions, and commands that meet.
func commandCases() []contractCase {
	return []contractCase{
		{name: "SUBSCRIBE makes a key, UNSUBSCRIBE deletes it, and again is no error", run: subscribes("Shop")},
		{name: "SUBSCRIBE of an application that is called a;;b", run: subscribes("a;;b ;;e:{}")},
		{name: "SUBSCRIBE to what is not there is answered ERROR", run: subscribesToNothing},
		{name: "UNSUBSCRIBE during a pending INGEST", only: controller.DialectIngest, run: unsubscribesDuringIngest},
		{name: "commands side by side", run: sideBySide},
		{name: "a command of an unknown type is answered UNKNOWN", run: unknownType},
		{name: "a command that is not for agents is answered NO_REPLY", only: controller.DialectIngest, run: unhandledType},
	}
}

// subscribed sends SUBSCRIBE and checks that the key that it returns is a key of the plan in AWS.
func (s *site) subscribed(id string, api apiOnWire, application string) subscription {
	s.t.Helper()
	got := s.subscription(s.answered(subscribeCommand(s.c, id, api, application)))
	if got.GraviteeSubscriptionID != id || got.APIKey == "" {
		s.t.Errorf("SUBSCRIBE %s returned %+v", id, got)
	}
	for _, key := range s.aws.Keys() {
		if key.Value.Reveal() == got.APIKey {
			if len(key.Plans) != 1 || key.Plans[0].UsagePlan != api.Plans[0].ID {
				s.t.Errorf("the key is in %v, want %s", key.Plans, api.Plans[0].ID)
			}
			return got
		}
	}
	s.t.Errorf("AWS has no such key")
	return got
}

func subscribes(application string) func(context.Context, *testing.T, controller.Controller) {
	return func(ctx context.Context, t *testing.T, c controller.Controller) {
		s := newSite(ctx, t, c, uniform(2))
		s.connected(agentOptions{})
		api := s.ingest("job")[0]
		got := s.subscribed("subscription", api, application)
		for range 2 {
			s.answered(unsubscribeCommand(api, got))
			if keys := s.aws.Keys(); len(keys) != 0 {
				t.Errorf("%d keys are left", len(keys))
			}
		}
	}
}

func subscribesToNothing(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	s.connected(agentOptions{})
	api := s.ingest("job")[0]
	api.ID = fmt.Sprintf("%s:%s:gone:dev", awssim.UniformAccount(1), region)
	outcome := s.send(subscribeCommand(c, "subscription", api, "Shop"))
	// What an ERROR comes to differs: a reply with that status, and its reason.
	if outcome.Reply == nil || outcome.Reply.Status != "ERROR" || outcome.Reply.Error == "" {
		t.Errorf("came to %+v %+v", outcome.Reply, outcome.Failure)
	}
	if keys := s.aws.Keys(); len(keys) != 0 {
		t.Errorf("%d keys were made", len(keys))
	}
}

// unsubscribesDuringIngest is what APIM does when an ingest lacks a plan: it blocks on the answer to UNSUBSCRIBE
// before it answers the INGEST.
func unsubscribesDuringIngest(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(3))
	s.connected(agentOptions{})
	api := s.ingest("first")[0]
	got := s.subscribed("subscription", api, "Shop")
	must(t, c.SetIngestRules(ctx, controller.IngestRule{Times: 1, Hold: true}))
	from := c.Events().Len()
	s.startIngest("second")
	held, _ := s.wait(from, func(e controller.Event) bool { return e.Kind == controller.EventIngest && e.Held })
	s.answered(unsubscribeCommand(api, got))
	if keys := s.aws.Keys(); len(keys) != 0 {
		t.Errorf("%d keys are left", len(keys))
	}
	must(t, c.Release(ctx, held.CommandID, ""))
	if apis := s.ingested("second", from); len(apis) != 3 {
		t.Errorf("%d APIs", len(apis))
	}
}

// sideBySide sends what APIM can have under way at one time, and expects each answer to be to its own command.
func sideBySide(ctx context.Context, t *testing.T, c controller.Controller) {
	const each = 10
	s := newSite(ctx, t, c, uniform(100))
	s.connected(agentOptions{})
	apis := s.ingest("first")
	previews, outcomes := make([]<-chan controller.Outcome, each), make([]<-chan controller.Outcome, each)
	from := c.Events().Len()
	for n := range each {
		subscribe := withTarget(subscribeCommand(c, fmt.Sprint("subscription ", n), apis[n], "Shop"))
		outcomes[n] = sending(ctx, t, c, subscribe)
		previews[n] = sending(ctx, t, c, controller.Command{Target: target, Type: previewType(c)})
	}
	if c.Dialect() == controller.DialectIngest {
		s.startIngest("second")
		if got := s.ingested("second", from); len(got) != len(apis) {
			t.Errorf("%d APIs were ingested", len(got))
		}
	} else if got := s.ingest("second"); len(got) != len(apis) {
		t.Errorf("%d APIs were fetched", len(got))
	}
	keys := map[string]bool{}
	for n := range each {
		if got := <-previews[n]; got.Reply == nil || len(s.read(got.Reply.Payload)) != len(apis) {
			t.Errorf("preview %d came to %+v", n, got.Failure)
		}
		got := <-outcomes[n]
		if got.Reply == nil || got.Reply.Status != "SUCCEEDED" {
			t.Fatalf("SUBSCRIBE %d came to %+v %+v", n, got.Reply, got.Failure)
		}
		subscription := s.subscription(got.Reply.Payload)
		if subscription.GraviteeSubscriptionID != fmt.Sprint("subscription ", n) {
			t.Errorf("SUBSCRIBE %d was answered for %s", n, subscription.GraviteeSubscriptionID)
		}
		keys[subscription.APIKey] = true
		outcomes[n] = sending(ctx, t, c, withTarget(unsubscribeCommand(apis[n], subscription)))
	}
	if len(keys) != each || len(s.upgrades()) != 1 {
		t.Errorf("%d keys over %d connections", len(keys), len(s.upgrades()))
	}
	for n := range each {
		if got := <-outcomes[n]; got.Reply == nil || got.Reply.Status != "SUCCEEDED" {
			t.Errorf("UNSUBSCRIBE %d came to %+v %+v", n, got.Reply, got.Failure)
		}
	}
	if left := s.aws.Keys(); len(left) != 0 {
		t.Errorf("%d keys are left", len(left))
	}
}

func withTarget(c controller.Command) controller.Command {
	c.Target = target
	return c
}

func unknownType(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	s.connected(agentOptions{})
	outcome := s.send(controller.Command{Type: "FROM_THE_FUTURE", Raw: true, Payload: map[string]int{"n": 1}})
	if outcome.Failure == nil || outcome.Failure.Kind != controller.FailureUnknown ||
		outcome.Failure.Message != "Command unknown" {
		t.Errorf("came to %+v %+v", outcome.Reply, outcome.Failure)
	}
	s.served()
}

func unhandledType(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	s.connected(agentOptions{})
	outcome := s.send(controller.Command{Type: "INGEST", Raw: true})
	if outcome.Failure == nil || outcome.Failure.Kind != controller.FailureNoReply {
		t.Errorf("came to %+v %+v", outcome.Reply, outcome.Failure)
	}
	s.served()
}
