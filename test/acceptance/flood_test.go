package acceptance

import (
	"fmt"
	"strings"
	"testing"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/status"
	"federation-agent/test/world"
)

func TestIDsOfMoreThanAKiBAreCountedNotAnsweredNorKept(t *testing.T) {
	for _, kind := range []string{"HEALTH_CHECK", "PRIMARY", "DISCOVER", "SUBSCRIBE", "NONSENSE"} {
		t.Run(kind, func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				agent, api := ingested(w)
				conn, calls := w.APIM.Agents()[0].Conn, w.AWS.CallCount(awssim.OpCreateAPIKey)
				payload := fmt.Sprintf(`{"apiId":%q,"subscription":{"graviteeSubscriptionId":"s","metadata":{"planId":"p"}}}`,
					api.ProviderID)
				for n := range 300 {
					message := fmt.Sprintf(`t:COMMAND;;et:%s;;e:{"id":"%d%s","type":"%s","payload":%s}`,
						kind, n, strings.Repeat("x", 2000), kind, payload)
					if err := w.APIM.WriteRaw(conn, []byte(message)); err != nil {
						t.Fatal(err)
					}
				}
				accepted(w, api) // behind them
				counted := agent.Board.Read().Integrations[0].Counts[status.Command{
					Type: status.Unreadable, Outcome: status.Unanswered,
				}]
				if counted != 300 {
					t.Errorf("%d were counted", counted)
				}
				if n := w.Log.Count("cannot be read"); n != 1 {
					t.Errorf("%d log lines", n)
				}
				if n := w.AWS.CallCount(awssim.OpCreateAPIKey) - calls; n != 1 {
					t.Errorf("%d keys were made", n)
				}
				w.APIM.Cut(world.Integration)
				w.Await("the end", func() bool { return w.Log.Has("were ignored", "total=300") })
				oneReplyEach(t, w)
			})
		})
	}
}

func TestAFloodOfRepliesHoldsUpNothingForLong(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		reply := []byte(`t:REPLY;;et:INGEST;;e:{"commandId":"nobody's","type":"INGEST","commandStatus":"SUCCEEDED"}`)
		for range 5000 {
			if err := w.APIM.WriteRaw(w.APIM.Agents()[0].Conn, reply); err != nil {
				t.Fatal(err)
			}
		}
		accepted(w, api)
		if n := len(w.APIM.EndedSessions()); n > 0 {
			t.Errorf("%d sessions ended", n)
		}
		oneReplyEach(t, w)
	})
}
