package acceptance

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	actors "federation-agent/actors/agent"
	"federation-agent/actors/life"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/memnet"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/world"
)

const endpoint = "gravitee_integration_connector_ws_endpoints_"

func TestHELLOIsTheFirstMessageAndNamesIntegrationAndProvider(t *testing.T) {
	var mu sync.Mutex
	var inbound []string
	o := world.Options{APIM: apimsim.Options{OnMessage: func(m apimsim.Message) {
		if m.Inbound {
			mu.Lock()
			defer mu.Unlock()
			inbound = append(inbound, string(m.Data))
		}
	}}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		mu.Lock()
		defer mu.Unlock()
		want := `"type":"HELLO","payload":{"targetId":"` + world.Integration + `","provider":"aws-api-gateway"}}`
		if len(inbound) == 0 || !strings.HasPrefix(inbound[0], `t:COMMAND;;et:HELLO;;e:{"id":"`) ||
			!strings.HasSuffix(inbound[0], want) {
			t.Errorf("the first messages were %q", inbound)
		}
	})
}

func TestARefusedHELLOIsReportedOnceEachTimeAndTriedAgainUntilItIsAccepted(t *testing.T) {
	for _, text := range []string{
		"Integration [id=" + world.Integration + "] not found",
		"Integration [id=" + world.Integration + "] does not match. Expected provider [provider=solace]",
	} {
		t.Run(text, func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				w.APIM.RefuseHellos(3, text)
				w.Connected()
				pass(time.Minute)
				if lines, of := told(w, "level=ERROR", text, "integrationId"); lines != 2 || of != 3 {
					t.Errorf("%d log lines say what to check, of %d refusals, want 2 of 3", lines, of)
				}
				for _, ended := range w.APIM.EndedSessions() {
					if ended.Code != 1000 {
						t.Errorf("closed with %d after a refused HELLO", ended.Code)
					}
				}
			})
		})
	}
}

func TestARefusedUpgradeIsOneLogLineThatSaysWhatToCheckAndIsTriedAgain(t *testing.T) {
	for status, check := range map[int]string{
		401: "check the token", 404: "check the endpoint", 410: "the controller is stopping", 500: "check APIM's log",
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				w.APIM.RefuseUpgrades(4, status)
				w.Connected()
				pass(time.Hour)
				if _, of := told(w, "level=ERROR", "cannot connect to APIM", check); of != 4 {
					t.Errorf("log lines say what to check, of %d refusals, want 4", of)
				}
			})
		})
	}
}

func TestWhatIsNoControllerIsToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		check  string
	}{
		"a proxy's page": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>please log in with " + world.Token + "</html>"))
		}, "HTML page"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://login.test/?state=1", http.StatusFound)
		}, "redirects are not followed"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, world.Options{
				Settings: map[string]string{endpoint + "0": "http://proxy.test:80"},
			}, func(t *testing.T, w *world.World) {
				l, err := w.Network.Listen("proxy.test:80")
				if err != nil {
					t.Fatal(err)
				}
				server := &http.Server{Handler: c.answer}
				go func() { _ = server.Serve(l) }()
				defer server.Close()
				w.StartAgent()
				pass(time.Hour)
				lines, tries := told(w, "level=ERROR", "cannot connect to APIM", c.check)
				if tries < 10 || tries > 30 || lines < 6 || lines > 8 {
					t.Errorf("%d log lines in an hour of %d tries, want it tried on, but slowly", lines, tries)
				}
			})
		})
	}
}

// The bounds are the issue's: a floor, 30 s for lost connections, 5 minutes for refusals.
func TestTheDelayBetweenAttemptsIsBoundedAndGrows(t *testing.T) {
	for name, c := range map[string]struct {
		plan    memnet.Plan
		refused int
		longest time.Duration
	}{
		"nobody listens": {memnet.Plan{DialError: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, 0, 30 * time.Second},
		"refused":        {memnet.NoPlan(), 1000, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			d := &dials{plan: func(int) memnet.Plan { return c.plan }}
			run(t, world.Options{Network: d.network}, func(t *testing.T, w *world.World) {
				w.APIM.RefuseUpgrades(c.refused, http.StatusUnauthorized)
				w.StartAgent()
				pass(2 * time.Hour)
				gaps := d.gaps()
				for i, gap := range gaps {
					expected := min(2*time.Second<<min(i, 20), c.longest)
					if gap < max(time.Second, expected/2) || gap > expected {
						t.Errorf("delay %d is %s, want %s to %s", i+1, gap, expected/2, expected)
					}
				}
				if len(gaps) < 20 {
					t.Errorf("only %d attempts in two hours", len(gaps))
				}
			})
		})
	}
}

func TestTheFirstRetriesOfAFleetAreSpread(t *testing.T) {
	seen := map[time.Duration]bool{}
	for _, jitter := range []float64{0, 0.25, 0.5, 0.99} {
		seen[life.Backoff(0, time.Second, 30*time.Second, jitter)] = true
	}
	if len(seen) < 4 {
		t.Errorf("the first delays are %v", seen)
	}
}

func TestAServerThatAcceptsAndDropsIsNotHammered(t *testing.T) {
	d := &dials{}
	o := world.Options{Network: d.network, APIM: apimsim.Options{Script: &apimsim.Script{
		Command: func(e apimsim.CommandEvent) apimsim.CommandFault {
			if e.Type != "PRIMARY" {
				return apimsim.CommandFault{}
			}
			// A moment later, for a cut takes with it what was not read yet, and HELLO's reply must have been.
			return apimsim.CommandFault{CutBefore: true, Delay: time.Second}
		},
	}}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.StartAgent()
		pass(time.Hour)
		if n := len(d.gaps()); n > 3600/15+10 || n < 3600/30-10 {
			t.Errorf("%d connections in an hour", n)
		}
		if !w.Log.Has("connected to APIM") {
			t.Error("HELLO was never accepted, so the test shows nothing")
		}
	})
}

func TestTheDelayStartsOverOnlyAfterAStableMinute(t *testing.T) {
	d := &dials{}
	run(t, world.Options{Network: d.network}, func(t *testing.T, w *world.World) {
		w.APIM.RefuseUpgrades(6, http.StatusServiceUnavailable)
		w.Connected()
		after := func(lived time.Duration) time.Duration {
			pass(lived)
			began := time.Now()
			w.APIM.Cut(world.Integration)
			w.Await("the next session", func() bool { return len(w.APIM.Agents()) > 0 })
			return time.Since(began)
		}
		if delay := after(50 * time.Second); delay < 15*time.Second {
			t.Errorf("after a session of 50 s the delay is %s: it started over", delay)
		}
		if delay := after(61 * time.Second); delay > 2500*time.Millisecond || delay < time.Second {
			t.Errorf("after a stable minute the delay is %s, want one second or two", delay)
		}
	})
}

func TestEndpointsAreTakenInTurnAndTheFirstAgainOnceASocketOpened(t *testing.T) {
	d := &dials{plan: func(n int) memnet.Plan {
		if n <= 5 {
			return memnet.Plan{DialError: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
		}
		return memnet.NoPlan()
	}}
	o := world.Options{Network: d.network, Settings: map[string]string{
		endpoint + "0": "http://apim.test:80/", endpoint + "1": "https://second.test",
		endpoint + "2": "ws://apim.test:80?x=1",
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		pass(2 * time.Minute)
		w.APIM.Cut(world.Integration)
		w.Await("the next session", func() bool { return len(w.APIM.Agents()) > 0 })
		want := "apim.test:80 second.test:443 apim.test:80 apim.test:80 second.test:443 apim.test:80 apim.test:80"
		if got := strings.Join(d.targets(), " "); got != want {
			t.Errorf("dialled %s, want %s", got, want)
		}
		if n := w.Log.Count("level=WARN", "cannot connect to APIM"); n != 2 {
			t.Errorf("%d warnings while another endpoint had not been tried, want 2", n)
		}
	})
}

func TestTheConfiguredHeadersAndTheProtocolGoWithTheUpgrade(t *testing.T) {
	o := world.Options{Settings: map[string]string{
		endpoint + "0": "http://look.test:80/integration-controller/",
		"gravitee_integration_connector_ws_headers_1_name":  "X-Gravitee-Organization-Id",
		"gravitee_integration_connector_ws_headers_1_value": "DEFAULT",
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		l, err := w.Network.Listen("look.test:80")
		if err != nil {
			t.Fatal(err)
		}
		requests := make(chan *http.Request, 10)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests <- r
			w.WriteHeader(http.StatusNotFound)
		})}
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		w.StartAgent()
		r := <-requests
		if r.URL.Path != "/integration-controller/exchange/controller" ||
			r.Header.Get("Authorization") != "bearer "+world.Token ||
			r.Header.Get("X-Gravitee-Exchange-Protocol") != "v1" || r.Header.Get("X-Gravitee-Organization-Id") != "DEFAULT" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
	})
}

func TestOfTwoAgentsOneIsPrimaryAndTheOtherFollowsWhenItGoes(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		first := w.Connected()
		w.StartAgentWith(world.AgentOptions{Disk: &storetest.Model{}})
		primaries := func() (n int) {
			for _, a := range w.APIM.Agents() {
				if a.Primary {
					n++
				}
			}
			return n
		}
		w.Await("two agents", func() bool { return len(w.APIM.Agents()) == 2 })
		pass(time.Minute)
		if primaries() != 1 {
			t.Errorf("%d primaries", primaries())
		}
		first.Drain()
		w.Await("the second to be primary", func() bool { return len(w.APIM.Agents()) == 1 && primaries() == 1 })
		oneReplyEach(t, w)
		if p := w.APIM.ProblemsOf(apimsim.ProblemPrimaryRefused); len(p) > 0 {
			t.Error(p)
		}
	})
}

func TestASessionLivesAnHourOfPingsAndHealthChecks(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.Connected()
		pass(time.Hour)
		agents := w.APIM.Agents()
		if len(agents) != 1 || len(w.APIM.EndedSessions()) > 0 {
			t.Fatalf("agents %v, ended %v", agents, w.APIM.EndedSessions())
		}
		if n := agents[0].PingsReceived; n < 700 {
			t.Errorf("%d pings in an hour, want one each 5 s", n)
		}
		checks := 0
		for _, c := range w.APIM.Commands() {
			if c.Type == "HEALTH_CHECK" && c.Outcome == "SUCCEEDED" {
				checks++
			}
		}
		if checks < 115 {
			t.Errorf("%d healthy answers in an hour", checks)
		}
		oneReplyEach(t, w)
	})
}

func TestAGoodByeWithReconnectIsClosedWith1013UnansweredAndTheAgentComesBack(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.Connected()
		w.APIM.GoodBye(world.Integration, true)
		w.Await("the session's end", func() bool { return len(w.APIM.EndedSessions()) == 1 })
		if code := w.APIM.EndedSessions()[0].Code; code != 1013 {
			t.Errorf("closed with %d", code)
		}
		w.Await("the agent to be back", func() bool { return len(w.APIM.Agents()) == 1 })
		oneReplyEach(t, w)
	})
}

// A rolling update of APIM's nodes, and a controller that never says anything else.
func TestAGoodByeWithReconnectIsNoFailureHoweverYoungTheSessionIs(t *testing.T) {
	d := &dials{}
	run(t, world.Options{Network: d.network}, func(t *testing.T, w *world.World) {
		w.Connected()
		for n := range 20 {
			began := time.Now()
			w.APIM.GoodBye(world.Integration, true)
			w.Await("the session's end", func() bool { return len(w.APIM.EndedSessions()) == n+1 })
			w.Await("the agent to be back", func() bool { return len(w.APIM.Agents()) == 1 })
			if took := time.Since(began); took > 2100*time.Millisecond || took < time.Second {
				t.Errorf("back after %s from good-bye %d, want one second or two", took, n+1)
			}
		}
		different := map[time.Duration]bool{}
		for _, gap := range d.gaps() {
			different[gap.Round(100*time.Millisecond)] = true
		}
		if len(different) < 4 {
			t.Errorf("the delays are %v: a fleet would come back in step", different)
		}
		w.APIM.Cut(world.Integration)
		began := time.Now()
		w.Await("the agent to be back", func() bool { return len(w.APIM.Agents()) == 1 })
		if took := time.Since(began); took > 2100*time.Millisecond {
			t.Errorf("back after %s from the first failure: the good-byes counted", took)
		}
	})
}

func TestAGoodByeForGoodIsClosedWith1000AndTheAgentStaysAway(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		w.APIM.GoodBye(world.Integration, false)
		select {
		case <-agent.Done():
		case <-time.After(10 * time.Second):
			t.Fatal("the agent did not end")
		}
		if agent.Ending() != actors.Dismissed {
			t.Errorf("ending %v", agent.Ending())
		}
		if ended := w.APIM.EndedSessions(); len(ended) != 1 || ended[0].Code != 1000 {
			t.Errorf("ended %+v", ended)
		}
		if left := actorsOf(agent); len(left) > 0 {
			t.Errorf("actors left: %v", left)
		}
		oneReplyEach(t, w)
	})
}

func TestWithAutoReconnectTheAgentComesBackEvenAfterAGoodByeForGood(t *testing.T) {
	o := world.Options{Settings: map[string]string{"gravitee_integration_connector_ws_autoReconnect": "true"}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		w.APIM.GoodBye(world.Integration, false)
		w.Await("the session's end", func() bool { return len(w.APIM.EndedSessions()) == 1 })
		w.Await("the agent to be back", func() bool { return len(w.APIM.Agents()) == 1 })
		if code := w.APIM.EndedSessions()[0].Code; code != 1000 {
			t.Errorf("closed with %d", code)
		}
	})
}

func TestOneOfTwoIntegrationsIsDismissedAndTheOtherGoesOn(t *testing.T) {
	run(t, twoIntegrations(world.Options{}), func(t *testing.T, w *world.World) {
		agent := w.StartAgent()
		w.Await("two sessions", func() bool { return len(w.APIM.Agents()) == 2 })
		w.APIM.GoodBye(otherIntegration, false)
		pass(10 * time.Minute)
		if a := w.APIM.Agents(); len(a) != 1 || a[0].IntegrationID != world.Integration {
			t.Errorf("agents %v", a)
		}
		agent.Drain()
		if agent.Ending() != actors.Drained {
			t.Errorf("ending %v", agent.Ending())
		}
	})
}

func TestWhatNobodyHandlesIsAnsweredNO_REPLYAndWhatNobodyKnowsUNKNOWN(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.Connected()
		reply, err := w.APIM.SendCommand(context.Background(), world.Integration, "INGEST", map[string]any{})
		if !errors.Is(err, apimsim.ErrNotHandled) || reply.Type != "NO_REPLY" || reply.Status != apimsim.StatusError ||
			reply.ErrorDetails != "No handler found for command type 'INGEST'. Ignoring" || string(reply.Payload) != "{}" {
			t.Errorf("%v %v %s", reply, err, reply.Payload)
		}
		reply, err = w.APIM.SendCommand(context.Background(), world.Integration, "DANCE", map[string]any{})
		if !errors.Is(err, apimsim.ErrUnknownCommand) || reply.Type != "UNKNOWN" || reply.Status != apimsim.StatusError ||
			reply.ErrorDetails != "Command unknown" || string(reply.Payload) != "{}" {
			t.Errorf("%v %v %s", reply, err, reply.Payload)
		}
	})
}

func TestNonsenseGetsItsCloseCodeOrSilenceAndNeverEndsTheAgent(t *testing.T) {
	for frame, code := range map[string]int{
		`t:COMMAND;;et:DISCOVER;;e:{"id":`: 0, // malformed JSON: silence
		`t:COMMAND;;et:DISCOVER;;e:{}`:     0,
		`t:DANCE;;et:DISCOVER;;e:{}`:       1002,
		`t:COMMAND;;et:DISCOVER`:           1002,
		`t:REPLY;;et:INGEST`:               1011,
	} {
		t.Run(frame, func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				w.Connected()
				// More often than there are credits: each must have come back.
				for range 200 {
					if len(w.APIM.Agents()) == 0 {
						break
					}
					if err := w.APIM.WriteRaw(w.APIM.Agents()[0].Conn, []byte(frame)); err != nil {
						break
					}
					synctest.Wait()
				}
				pass(time.Minute)
				ended := w.APIM.EndedSessions()
				if code == 0 && len(ended) > 0 || code != 0 && (len(ended) == 0 || ended[0].Code != code) {
					t.Errorf("sessions ended: %+v, want code %d", ended, code)
				}
				if p, err := w.APIM.Preview(context.Background(), world.Integration); err != nil || len(p.APIs) != 8 {
					t.Errorf("the agent does not work any more: %v %v", p, err)
				}
			})
		})
	}
}

// A frame whose prefix and JSON disagree must not cost the credit that the prefix took.
func TestAFrameThatDisagreesWithItselfCostsNoCredit(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.Connected()
		conn := w.APIM.Agents()[0].Conn
		for i := range 200 {
			frame := `t:COMMAND;;et:DISCOVER;;e:{"id":"p` + string(rune('a'+i%26)) + string(rune('a'+i/26)) +
				`","type":"HEALTH_CHECK","payload":{}}`
			if err := w.APIM.WriteRaw(conn, []byte(frame)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if p, err := w.APIM.Preview(context.Background(), world.Integration); err != nil || len(p.APIs) != 8 {
			t.Errorf("the agent does not take commands any more: %v %v", p, err)
		}
	})
}

func TestAHalfOpenConnectionIsNoticedByItsMissingPong(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.Connected()
		pass(90 * time.Second)
		began := time.Now()
		for _, link := range w.Network.Links() {
			if strings.HasPrefix(link.ID().To, "apim") {
				link.BlackHole()
			}
		}
		w.Await("the agent to notice", func() bool { return w.Log.Has("no pong within its deadline") })
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("noticed only after %s", took)
		}
		w.Await("a new session", func() bool { return w.Log.Count("connected to APIM") == 2 })
	})
}

func TestAControllerThatNeverAnswersHELLOIsLeftAfterAMinute(t *testing.T) {
	o := world.Options{APIM: apimsim.Options{HealthCheckInterval: time.Hour, Script: &apimsim.Script{
		Hello: func(attempt int, _ string) apimsim.HelloFault { return apimsim.HelloFault{Ignore: attempt == 1} },
	}}}
	run(t, o, func(t *testing.T, w *world.World) {
		began := time.Now()
		w.Connected()
		if took := time.Since(began); took < time.Minute || took > 75*time.Second {
			t.Errorf("connected after %s", took)
		}
	})
}

func TestTheAgentComesBackWhenTheControllerIsRestarted(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.Connected()
		if err := w.APIM.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Minute)
		w.APIM.Resume()
		w.Await("the agent to be back", func() bool { return len(w.APIM.Agents()) == 1 })
		oneReplyEach(t, w)
	})
}
