package apimsim

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
)

func TestAnUpgradeIsRefusedWithTheDocumentedStatus(t *testing.T) {
	const path = "/integration-controller/exchange/controller"
	for name, test := range map[string]struct {
		path    string
		header  http.Header
		prepare func(*APIM)
		want    int
	}{
		"bad token":             {path, v1("wrong"), nil, 401},
		"no token":              {path, http.Header{"X-Gravitee-Exchange-Protocol": {"v1"}}, nil, 401},
		"no such path":          {"/exchange/controller", v1(token), nil, 404},
		"stopping":              {path, v1(token), func(a *APIM) { _ = a.Stop(context.Background()) }, 410},
		"failing on demand":     {path, v1(token), func(a *APIM) { a.RefuseUpgrades(1, 500) }, 500},
		"without protocol":      {path, http.Header{"Authorization": {"bearer " + token}}, nil, 400},
		"accepted":              {path, v1(token), nil, 101},
		"accepted when resumed": {path, v1(token), func(a *APIM) { _ = a.Stop(context.Background()); a.Resume() }, 101},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Options{Tokens: []string{token}, PathPrefix: "/integration-controller"}, func(t *testing.T, w *world) {
				if test.prepare != nil {
					test.prepare(w.APIM)
				}
				if _, got, _ := w.dialErr(test.path, test.header); got != test.want {
					t.Errorf("status %d, want %d", got, test.want)
				}
			})
		})
	}
}

func TestRefusedUpgradesAreCountedDown(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		w.RefuseUpgrades(2, 500)
		var got []int
		for range 3 {
			_, status, _ := w.dialErr("/exchange/controller", v1(token))
			got = append(got, status)
		}
		if diff := cmp.Diff([]int{500, 500, 101}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestABadMessageIsClosedWithItsCode(t *testing.T) {
	for name, test := range map[string]struct {
		hello bool
		send  string
		want  int
	}{
		"another command before HELLO": {
			false, `t:COMMAND;;et:INGEST;;e:{"id":"1","type":"INGEST","payload":{"apis":[]}}`, 1002,
		},
		"an unknown command before HELLO": {false, `t:COMMAND;;et:X;;e:{"id":"1","type":"X"}`, 1002},
		"neither COMMAND nor REPLY":       {true, `t:EVENT;;et:X;;e:{}`, 1002},
		"no prefix at all":                {true, `hello`, 1002},
		"a COMMAND without e:":            {true, `t:COMMAND;;et:INGEST`, 1002},
		"a REPLY without e:":              {true, `t:REPLY;;et:DISCOVER`, 1011},
		"a REPLY to nothing":              {true, `t:REPLY;;et:DISCOVER;;e:{"type":"DISCOVER"}`, 1011},
		"an INGEST with null apis": {
			true, `t:COMMAND;;et:INGEST;;e:{"id":"1","type":"INGEST","payload":{"ingestJobId":"j"}}`, 1011,
		},
		"GOOD_BYE, for which it has no handler": {
			true, `t:COMMAND;;et:GOOD_BYE;;e:{"id":"1","type":"GOOD_BYE","payload":{}}`, 1013,
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Options{}, func(t *testing.T, w *world) {
				c := w.dial()
				if test.hello {
					c.hello(integrationID, "aws-api-gateway")
				}
				c.raw(test.send)
				if got := c.closeCode(); got != test.want {
					t.Errorf("closed with %d, want %d", got, test.want)
				}
			})
		})
	}
}

func TestATextMessageIsClosedWith1003(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		if err := c.ws.WriteMessage(websocket.TextMessage, []byte("t:COMMAND")); err != nil {
			t.Fatal(err)
		}
		if got := c.closeCode(); got != 1003 {
			t.Errorf("closed with %d", got)
		}
	})
}

func TestWhatCannotBeReadGetsSilence(t *testing.T) {
	for name, send := range map[string]string{
		"malformed JSON": `t:COMMAND;;et:INGEST;;e:{"id":`,
		"an unknown value of an enum": `t:COMMAND;;et:INGEST;;e:` +
			`{"id":"1","type":"INGEST","payload":{"apis":[{"type":"SOAP"}]}}`,
		"a ;; inside the JSON": `t:COMMAND;;et:INGEST;;e:` +
			`{"id":"1","type":"INGEST","payload":{"apis":[{"description":"a;;b"}]}}`,
		"a REPLY that is not readable": `t:REPLY;;et:DISCOVER;;e:{"commandId":"1","type":"DISCOVER","commandStatus":"FINE"}`,
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Options{Version: "4.11"}, func(t *testing.T, w *world) {
				c := w.connect()
				c.expect("PRIMARY")
				c.raw(send)
				c.quiet()
				if diff := cmp.Diff([]ProblemCode{ProblemUnreadable}, codes(w.Problems())); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestSeparatorsInsideTheJSONAreReadOnceTheDefectIsGone(t *testing.T) {
	for name, o := range map[string]Options{
		"4.12": {Version: "4.12"}, "asked for": {Version: "4.9", Framing: FramingWhole},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, o, func(t *testing.T, w *world) {
				c := w.connect()
				c.expect("PRIMARY")
				c.ingest(w.startJob(c, 1), true, sample("a", set("description", "x;;e:y;;t:z")))
				if got := w.APIs()[0].Description; got != "x;;e:y;;t:z" {
					t.Errorf("description %q", got)
				}
			})
		})
	}
}

func TestTheSplitDefectLetsAPieceOfADocumentTakeTheJSONsPlace(t *testing.T) {
	got := splitFrame(`t:COMMAND;;et:INGEST;;e:{"a":"x;;e:{};;y"}`)
	want := rawFrame{kind: "COMMAND", exchangeType: "INGEST", exchange: "{}", hasExchange: true}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestACommandOfAnUnknownTypeIsAnsweredUnknown(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		c.command("x1", "TELEPORT", map[string]any{})
		if r := c.expect("UNKNOWN"); r.ID != "x1" || r.Status != "ERROR" || r.Error != "Command unknown" {
			t.Errorf("%+v", r)
		}
		c.command("x2", "DISCOVER", map[string]any{})
		if r := c.expect("NO_REPLY"); r.ID != "x2" || r.Error != "No handler found for command type 'DISCOVER'. Ignoring" {
			t.Errorf("%+v", r)
		}
	})
}

func TestHELLOIsRefusedWithAPIMsTextsAndMayBeSaidAgain(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.dial()
		if r := c.hello("nope", "aws-api-gateway"); r.Status != "ERROR" || r.Error != "Integration [id=nope] not found" {
			t.Errorf("%+v", r)
		}
		const want = "Integration [id=int-1] does not match. Expected provider [provider=aws-api-gateway]"
		if r := c.hello(integrationID, "kafka"); r.Error != want {
			t.Errorf("%+v", r)
		}
		w.RefuseHellos(1, "not today")
		if r := c.hello(integrationID, "aws-api-gateway"); r.Error != "not today" {
			t.Errorf("%+v", r)
		}
		if r := c.hello(integrationID, "aws-api-gateway"); r.Status != "SUCCEEDED" || r.payload("targetId") != integrationID {
			t.Errorf("%+v", r)
		}
		c.expect("PRIMARY")
	})
}

func TestThePrimaryIsHandedOverWhenItLeaves(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		first := w.connect()
		if m := first.expect("PRIMARY"); m.payload("primary") != true {
			t.Errorf("%v", m.JSON)
		}
		second := w.connect()
		second.quiet() // a second agent hears nothing while there is a primary
		third := w.connect()
		first.ws.Close()
		if m := second.expect("PRIMARY"); m.payload("primary") != true {
			t.Errorf("%v", m.JSON)
		}
		if m := third.expect("PRIMARY"); m.payload("primary") != false {
			t.Errorf("%v", m.JSON)
		}
		synctest.Wait()
		var primary []bool
		for _, a := range w.Agents() {
			primary = append(primary, a.Primary)
		}
		if diff := cmp.Diff([]bool{true, false}, primary); diff != "" {
			t.Error(diff)
		}
	})
}

func TestHEALTH_CHECKComesEvery30SecondsAndPingsEvery5(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		time.Sleep(5*time.Minute + time.Second)
		checks := 0
		for _, r := range w.Commands() {
			if r.Type == "HEALTH_CHECK" {
				checks++
				if r.Outcome != StatusSucceeded || len(r.Replies) != 1 {
					t.Errorf("%+v", r)
				}
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if checks != 10 || c.pings != 60 {
			t.Errorf("%d checks, %d pings in five minutes", checks, c.pings)
		}
		if got := w.Agents()[0]; got.PingsSent != 60 || got.PongsReceived != 60 {
			t.Errorf("%+v", got)
		}
	})
}

func TestAnUnhealthyAgentIsSentAway(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(c *client, m message)
		after  time.Duration
	}{
		"unhealthy": {func(c *client, m message) { c.answer(m, map[string]any{"healthy": false}) }, 30 * time.Second},
		"ERROR":     {func(c *client, m message) { c.answerError(m, "broken") }, 30 * time.Second},
		"silent":    {func(*client, message) {}, 90 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Options{}, func(t *testing.T, w *world) {
				start := time.Now()
				c := w.dial()
				c.serve = func(c *client, m message) bool {
					if m.Type == "HEALTH_CHECK" {
						test.answer(c, m)
						return true
					}
					return politely(c, m)
				}
				c.hello(integrationID, "aws-api-gateway")
				c.expect("PRIMARY")
				m := c.expect("GOOD_BYE")
				if m.payload("reconnect") != true || m.payload("targetId") != integrationID || time.Since(start) != test.after {
					t.Errorf("%v after %s", m.JSON, time.Since(start))
				}
				if _, err := w.SendCommand(t.Context(), integrationID, "DISCOVER", nil); !errors.Is(err, ErrNoAgent) {
					t.Errorf("a command after the good-bye: %v", err)
				}
				if got := c.closeCode(); got != 1011 || time.Since(start) != test.after+60*time.Second {
					t.Errorf("closed with %d after %s", got, time.Since(start))
				}
			})
		})
	}
}

func TestStopSaysGoodByeAndWaitsForTheAgentsToGo(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		stopped := make(chan error, 1)
		go func() { stopped <- w.Stop(t.Context()) }()
		m := c.expect("GOOD_BYE")
		if m.payload("reconnect") != true {
			t.Errorf("%v", m.JSON)
		}
		msg := websocket.FormatCloseMessage(websocket.CloseTryAgainLater, "")
		if err := c.ws.WriteControl(websocket.CloseMessage, msg, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if ended := w.EndedSessions(); len(ended) != 1 || ended[0].Code != 1013 || ended[0].SentCode != 0 {
			t.Errorf("%+v", ended)
		}
		if p := w.Problems(); len(p) != 0 {
			t.Errorf("%+v", p)
		}
	})
}

func TestGoodByeWithoutReconnectAndOneThatIsAnswered(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		w.GoodBye(integrationID, false)
		m := c.expect("GOOD_BYE")
		if m.payload("reconnect") != false {
			t.Errorf("%v", m.JSON)
		}
		c.answer(m, map[string]any{})
		c.closeCode()
		if diff := cmp.Diff([]ProblemCode{ProblemGoodByeAnswered}, codes(w.Problems())); diff != "" {
			t.Error(diff)
		}
	})
}

func TestHELLOIsDelayedIgnoredAndRefusedAsScripted(t *testing.T) {
	script := &Script{Hello: func(attempt int, id string) HelloFault {
		return []HelloFault{{Ignore: true}, {Refuse: "scripted " + id}, {Delay: 3 * time.Second}}[attempt-1]
	}}
	run(t, Options{Script: script}, func(t *testing.T, w *world) {
		c := w.dial()
		c.command("1", "HELLO", map[string]any{"targetId": integrationID, "provider": "aws-api-gateway"})
		c.quiet()
		if r := c.hello(integrationID, "aws-api-gateway"); r.Error != "scripted int-1" {
			t.Errorf("%+v", r)
		}
		start := time.Now()
		if r := c.hello(integrationID, "aws-api-gateway"); r.Status != "SUCCEEDED" || time.Since(start) != 3*time.Second {
			t.Errorf("%+v after %s", r, time.Since(start))
		}
	})
}
