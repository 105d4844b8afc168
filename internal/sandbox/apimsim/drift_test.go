package apimsim

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
)

// What is held here was first seen on the published controllers, where test/interop holds it too.

func TestAnUnhealthyAgentIsForgottenUpToAPIM48(t *testing.T) {
	run(t, Options{Version: "4.8"}, func(t *testing.T, w *world) {
		c := w.dial()
		c.serve = func(c *client, m message) bool {
			if m.Type == "HEALTH_CHECK" {
				c.answer(m, map[string]any{"healthy": false})
				return true
			}
			return politely(c, m)
		}
		c.hello(integrationID, "aws-api-gateway")
		c.expect("PRIMARY")
		second := w.connect()
		time.Sleep(time.Hour)
		if m := second.expect("PRIMARY"); m.payload("primary") != true {
			t.Errorf("the second agent was told %v", m.JSON)
		}
		checks := 0
		for _, r := range w.Commands() {
			if r.Type == "HEALTH_CHECK" && r.Conn == 1 {
				checks++
			}
		}
		if checks != 1 {
			t.Errorf("%d HEALTH_CHECKs", checks)
		}
		c.quiet()
		second.ws.Close()
		synctest.Wait()
		if got := w.Agents(); len(got) != 1 || got[0].PongsReceived < 700 {
			t.Errorf("the socket does not live on: %+v", got)
		}
		if _, err := w.SendCommand(t.Context(), integrationID, "DISCOVER", nil); !errors.Is(err, ErrNoAgent) {
			t.Errorf("a command to a forgotten agent: %v", err)
		}
	})
}

func TestASocketWithoutHELLOIsSentAwayFromAPIM49(t *testing.T) {
	for version, away := range map[string]bool{"4.8": false, "4.9": true} {
		t.Run(version, func(t *testing.T) {
			run(t, Options{Version: version}, func(t *testing.T, w *world) {
				start := time.Now()
				c := w.dial()
				if !away {
					time.Sleep(time.Hour)
					c.quiet()
					return
				}
				m := c.expect("GOOD_BYE")
				payload, _ := m.JSON["payload"].(map[string]any)
				if diff := cmp.Diff(map[string]any{"reconnect": true}, payload); diff != "" || time.Since(start) != 30*time.Second {
					t.Errorf("after %s: %s", time.Since(start), diff)
				}
			})
		})
	}
}

func TestAGreetedSocketIsNotSentAwayForItsGreeting(t *testing.T) {
	run(t, Options{Version: "4.9"}, func(t *testing.T, w *world) {
		w.connect().expect("PRIMARY")
		time.Sleep(time.Hour)
		if got := w.Agents(); len(got) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestDropClosesWith1000AndSaysNoGoodBye(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		if err := w.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.closeCode(); got != websocket.CloseNormalClosure {
			t.Errorf("closed with %d", got)
		}
		for _, r := range w.Commands() {
			if r.Type == "GOOD_BYE" {
				t.Error("GOOD_BYE was said")
			}
		}
		w.Resume()
		w.connect().expect("PRIMARY")
	})
}

func TestAnAuthorizationHeaderOfLessThanSixCharactersIsA500(t *testing.T) {
	run(t, Options{Tokens: []string{token}}, func(t *testing.T, w *world) {
		for header, want := range map[string]int{
			"": http.StatusUnauthorized, "beare": http.StatusInternalServerError, "bearer": http.StatusUnauthorized,
			"bearer " + token: 0, "Basic " + token: 0,
		} {
			if got := w.authorizationStatus(header); got != want {
				t.Errorf("%q: status %d, want %d", header, got, want)
			}
		}
		w.RevokeToken(token)
		if got := w.authorizationStatus("bearer " + token); got != http.StatusUnauthorized {
			t.Errorf("a revoked token: status %d", got)
		}
	})
}

func TestNoReplyOfAPIM44HasNoQuotes(t *testing.T) {
	run(t, Options{Version: "4.4"}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		c.command("x", "SUBSCRIBE", map[string]any{})
		if r := c.expect("NO_REPLY"); r.Error != "No handler found for command type SUBSCRIBE. Ignoring" {
			t.Errorf("%+v", r)
		}
	})
}

func TestWhatHappensIsTold(t *testing.T) {
	var told []Happening
	run(t, Options{Tokens: []string{token}, OnHappening: func(h Happening) {
		for i := range h.Agents {
			h.Agents[i] = Agent{Conn: h.Agents[i].Conn, Primary: h.Agents[i].Primary}
		}
		told = append(told, h)
	}}, func(t *testing.T, w *world) {
		w.RefuseUpgrades(1, http.StatusInternalServerError)
		if _, status, _ := w.dialErr("/exchange/controller", v1(token)); status != http.StatusInternalServerError {
			t.Fatalf("status %d", status)
		}
		c := w.dial()
		c.hello("nope", "aws-api-gateway")
		c.hello(integrationID, "aws-api-gateway")
		c.expect("PRIMARY")
		_ = c.ws.Close()
		synctest.Wait()
	})
	want := []Happening{
		{Kind: HappeningUpgrade, Upgrade: 1},
		{Kind: HappeningUpgrade, Upgrade: 2, Conn: 1, Accepted: true},
		{Kind: HappeningHello, Upgrade: 2, Conn: 1, Integration: "nope", Provider: "aws-api-gateway"},
		{Kind: HappeningHello, Upgrade: 2, Conn: 1, Accepted: true, Integration: integrationID, Provider: "aws-api-gateway"},
		{Kind: HappeningAgents, Integration: integrationID, Agents: []Agent{{Conn: 1, Primary: true}}},
		{Kind: HappeningAgents, Integration: integrationID},
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Error(diff)
	}
}
