package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	actors "federation-agent/actors/agent"
	"federation-agent/internal/gateway"
	"federation-agent/internal/node"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/status"
	"federation-agent/messages"
	"federation-agent/test/world"
)

// nodeOf is the node API of a running agent.
func nodeOf(i *world.Instance) http.Handler {
	return node.Handler(node.Options{
		Open: true, Metrics: true, Board: i.Board, Keys: i.Store, Ingests: i.Store, APIs: i.Store,
		StoreHealth: i.Store.Health, Alive: i.Alive,
		Sizes: func() node.Sizes { return node.Sizes{} },
		Now:   time.Now, Log: slog.New(slog.DiscardHandler),
	})
}

func ask(h http.Handler, path string) (code int, body string) {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
	return answer.Code, answer.Body.String()
}

// seen is the part of the status page that is looked at here.
type seen struct {
	Integrations []struct {
		Session struct {
			State, Endpoint, LastError string
			Primary                    *bool
			Connects                   int
		}
		Targets []struct {
			Account, Region, State, Failure string
			RestAPIs, Stages                int
		}
		APIsIngested int
	}
	Keys struct{ Unconfirmed, LostCreates []any }
}

func look(t *testing.T, h http.Handler) seen {
	t.Helper()
	code, body := ask(h, "/_node/federation")
	var s seen
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK || len(s.Integrations) != 1 {
		t.Fatalf("%d %v\n%s", code, err, body)
	}
	return s
}

func TestTheStatusShowsASessionComeAndGo(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		h := nodeOf(agent)
		pass(time.Second)
		s := look(t, h).Integrations[0].Session
		if s.State != "connected" || !strings.HasPrefix(s.Endpoint, "http://apim.test") || s.Primary == nil || !*s.Primary ||
			s.Connects != 1 {
			t.Errorf("connected: %+v", s)
		}
		if code, body := ask(h, "/_node/health"); code != http.StatusOK || strings.Contains(body, "message") {
			t.Errorf("connected: %d %s", code, body)
		}
		w.APIM.Close()
		pass(time.Minute)
		s = look(t, h).Integrations[0].Session
		if s.State != "away" || s.Endpoint != "" || s.Primary != nil || s.LastError == "" {
			t.Errorf("APIM is gone: %+v", s)
		}
		if code, body := ask(h, "/_node/health"); code != http.StatusOK ||
			!strings.Contains(body, "has had no session to APIM for") {
			t.Errorf("away for a minute: %d %s", code, body)
		}
		pass(10 * time.Minute)
		if code, body := ask(h, "/_node/health"); code != http.StatusInternalServerError ||
			!strings.Contains(body, "has had no session to APIM for") {
			t.Errorf("away for eleven minutes: %d %s", code, body)
		}
	})
}

func TestTheStatusCountsReconnectsListingsCommandsAndCalls(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		accepted(w, api)
		w.APIM.Cut(world.Integration)
		w.Await("the next session", func() bool { return len(w.APIM.Agents()) == 0 })
		w.Await("the next session", func() bool { return len(w.APIM.Agents()) > 0 })
		pass(time.Second)
		h := nodeOf(agent)
		i := look(t, h).Integrations[0]
		if i.Session.Connects != 2 || i.Session.State != "connected" || i.APIsIngested != 8 {
			t.Errorf("session %+v, %d ingested", i.Session, i.APIsIngested)
		}
		if len(i.Targets) != 1 || i.Targets[0].State != "ready" || i.Targets[0].RestAPIs != 4 || i.Targets[0].Stages != 8 {
			t.Errorf("targets %+v", i.Targets)
		}
		_, metrics := ask(h, "/_node/metrics/prometheus")
		calls := map[string]int{}
		for _, c := range w.AWS.Calls(0) {
			calls[c.Operation]++
		}
		if calls[awssim.OpCreateAPIKey] != 1 {
			t.Errorf("AWS was asked %v", calls)
		}
		for _, line := range []string{
			`federation_agent_session_reconnects_total{integration="` + world.Integration + `"} 1`,
			`outcome="succeeded",type="START_INGEST"} 1`, `outcome="succeeded",type="SUBSCRIBE"} 1`,
			`operation="CreateApiKey",region="eu-west-1",result="ok"} 1`,
			`operation="GetExport",region="eu-west-1",result="ok"} 8`,
		} {
			if !strings.Contains(metrics, line) {
				t.Errorf("the metrics lack %s\n%s", line, metrics)
			}
		}
	})
}

func TestATargetThatFailsSaysWhyOnTheStatus(t *testing.T) {
	o := world.Options{
		Settings: map[string]string{"gravitee_integration_providers_0_configuration_accessKeyId": "AKIAUNKNOWN000000001"},
	}
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		pass(10 * time.Second)
		targets := look(t, nodeOf(agent)).Integrations[0].Targets
		if len(targets) != 1 || targets[0].Failure == "" || targets[0].State == "ready" || targets[0].Region != "eu-west-1" {
			t.Errorf("targets %+v", targets)
		}
	})
}

func TestALostCreateIsOnTheStatus(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateAPIKey, Fault: awssim.Of(awssim.FaultLoseAnswer)})
		subscribe(w, api)
		pass(time.Minute)
		h := nodeOf(agent)
		if keys := look(t, h).Keys; len(keys.LostCreates) != 1 {
			t.Errorf("keys %+v, journal %v", keys, journal(t, agent))
		}
		if code, body := ask(h, "/_node/health"); code != http.StatusOK || !strings.Contains(body, "1 lost creates") {
			t.Errorf("%d %s", code, body)
		}
	})
}

func TestAnAgentGivesASignOfLifeUntilItHasEnded(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := agent.Alive(ctx); err != nil {
			t.Error(err)
		}
		agent.Kill()
		if err := agent.Alive(ctx); !errors.Is(err, actors.ErrEnded) {
			t.Errorf("after its end: %v", err)
		}
	})
}

func TestASessionThatHangsGivesNoSignOfLife(t *testing.T) {
	var hold chan struct{} // made in the bubble, or time would stand still
	o := world.Options{Faults: func(id string, m any) {
		if _, asked := m.(messages.AreYouThere); asked && strings.Contains(id, "session-") {
			<-hold
		}
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		hold = make(chan struct{})
		agent := w.Connected()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := agent.Alive(ctx); err == nil || !strings.Contains(err.Error(), "1 of 1 sessions give no sign of life") {
			t.Errorf("%v", err)
		}
		close(hold)
	})
}

func TestTheBoardNamesAThrottleAsItsClassDoes(t *testing.T) {
	if gateway.Throttled.String() != status.Throttled {
		t.Errorf("%s, not %s: the status page would count none", gateway.Throttled, status.Throttled)
	}
}
