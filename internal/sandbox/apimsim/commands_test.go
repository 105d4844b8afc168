package apimsim

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestACommandHasJacksonsOrderAndLeavesNullOut(t *testing.T) {
	var sent []string
	o := Options{OnMessage: func(m Message) {
		if !m.Inbound {
			sent = append(sent, string(m.Data))
		}
	}}
	run(t, o, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		synctest.Wait()
		go w.SendCommand(t.Context(), integrationID, "DISCOVER", empty{}) // nobody answers
		c.expect("DISCOVER")
		go w.SendCommand(t.Context(), integrationID, "BARE", nil) // nobody answers
		c.expect("BARE")
		want := []string{
			`t:REPLY;;et:HELLO;;e:{"commandId":"hello","type":"HELLO","commandStatus":"SUCCEEDED",` +
				`"payload":{"targetId":"int-1"}}`,
			`t:COMMAND;;et:PRIMARY;;e:{"id":"id-1","type":"PRIMARY","payload":{"primary":true}}`,
			`t:COMMAND;;et:DISCOVER;;e:{"id":"id-2","type":"DISCOVER","payload":{}}`,
			`t:COMMAND;;et:BARE;;e:{"id":"id-3","type":"BARE"}`,
		}
		if diff := cmp.Diff(want, sent); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhatBecomesOfACommand(t *testing.T) {
	for name, test := range map[string]struct {
		react   func(c *client, m message)
		want    error
		outcome string
		after   time.Duration
	}{
		"answered":        {func(c *client, m message) { c.answer(m, map[string]any{}) }, nil, "SUCCEEDED", 0},
		"answered ERROR":  {func(c *client, m message) { c.answerError(m, "no") }, nil, "ERROR", 0},
		"never answered":  {func(*client, message) {}, ErrNoReply, "TIMEOUT", time.Minute},
		"connection lost": {func(c *client, _ message) { c.ws.Close() }, ErrChannelClosed, "CLOSED", 0},
		"not handled": {
			func(c *client, m message) { m.Type = "NO_REPLY"; c.answerError(m, "no") }, ErrNotHandled, "FAILED", 0,
		},
		"not known": {
			func(c *client, m message) { m.Type = "UNKNOWN"; c.answerError(m, "no") }, ErrUnknownCommand, "FAILED", 0,
		},
		"answered otherwise": {
			func(c *client, m message) { m.Type = "OTHER"; c.answer(m, map[string]any{}) }, ErrBadReply, "FAILED", 0,
		},
		"cannot be read back": {
			func(c *client, _ message) { c.raw("t:REPLY;;et:X;;e:{") }, ErrNoReply, "TIMEOUT", time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Options{}, func(t *testing.T, w *world) {
				c := w.connect()
				c.expect("PRIMARY")
				start := time.Now()
				done := make(chan error, 1)
				go func() {
					_, err := w.SendCommand(t.Context(), integrationID, "X", empty{})
					done <- err
				}()
				test.react(c, c.expect("X"))
				err := <-done
				if !errors.Is(err, test.want) || time.Since(start) != test.after {
					t.Errorf("%v after %s, want %v after %s", err, time.Since(start), test.want, test.after)
				}
				commands := w.Commands()
				if got := commands[len(commands)-1]; test.after == 0 && got.Outcome != test.outcome {
					t.Errorf("outcome %q, want %q", got.Outcome, test.outcome)
				}
			})
		})
	}
}

func TestNoAgentIsAnErrorAtOnce(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		if _, err := w.SendCommand(t.Context(), integrationID, "X", nil); !errors.Is(err, ErrNoAgent) {
			t.Error(err)
		}
	})
}

func TestRepliesTooManyTooLateOrToNothingAreRecorded(t *testing.T) {
	run(t, Options{CommandTimeout: time.Second}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		go w.SendCommand(t.Context(), integrationID, "TWICE", nil) // seen in the log
		m := c.expect("TWICE")
		c.answer(m, map[string]any{})
		c.answer(m, map[string]any{})
		synctest.Wait()
		if _, err := w.SendCommand(t.Context(), integrationID, "LATE", nil); !errors.Is(err, ErrNoReply) {
			t.Error(err)
		}
		late := c.expect("LATE")
		c.answer(late, map[string]any{})
		c.answer(message{ID: "never-sent", Type: "X"}, map[string]any{})
		synctest.Wait()
		go w.SendCommand(t.Context(), integrationID, "ELSEWHERE", nil) // seen in the log
		elsewhere := c.expect("ELSEWHERE")
		other := w.connect()
		other.answer(elsewhere, map[string]any{})
		synctest.Wait()

		want := []ProblemCode{ProblemDuplicateReply, ProblemLateReply, ProblemStrayReply, ProblemWrongChannel}
		if diff := cmp.Diff(want, codes(w.Problems())); diff != "" {
			t.Error(diff)
		}
		replies := map[string]int{}
		for _, r := range w.Commands() {
			replies[r.Type] = len(r.Replies)
		}
		if diff := cmp.Diff(map[string]int{"PRIMARY": 1, "TWICE": 2, "LATE": 1, "ELSEWHERE": 1}, replies); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTheRouteChoosesTheChannel(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		first, second := w.connect(), w.connect()
		first.expect("PRIMARY")
		for _, test := range []struct {
			route Route
			want  *client
		}{{RouteAny, first}, {RoutePrimary, first}, {RouteSecondary, second}} {
			go w.SendCommandBy(t.Context(), test.route, integrationID, "X", nil) // nobody answers
			test.want.expect("X")
		}
		go w.SendCommandTo(t.Context(), 2, "X", nil) // nobody answers
		second.expect("X")
	})
}

func TestCommandsAreLostRepeatedReorderedAndCutAsScripted(t *testing.T) {
	script := &Script{Command: func(e CommandEvent) CommandFault {
		switch e.Type {
		case "LOST":
			return CommandFault{Lose: true}
		case "THRICE":
			return CommandFault{Copies: 2}
		case "LATER":
			return CommandFault{Copies: 2, CopyDelay: 9 * time.Second}
		case "BACK":
			return CommandFault{HoldBack: e.Nth == 1}
		case "SLOW":
			return CommandFault{Delay: 7 * time.Second}
		case "LAST":
			return CommandFault{CutAfter: true}
		}
		return CommandFault{}
	}}
	run(t, Options{Script: script}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		for _, kind := range []string{"LOST", "THRICE", "BACK", "NEXT"} {
			go w.SendCommand(t.Context(), integrationID, kind, nil) // nobody answers
			synctest.Wait()
		}
		for _, kind := range []string{"THRICE", "THRICE", "THRICE", "NEXT", "BACK"} {
			c.expect(kind)
		}
		start := time.Now()
		go w.SendCommand(t.Context(), integrationID, "SLOW", nil) // nobody answers
		c.expect("SLOW")
		if time.Since(start) != 7*time.Second {
			t.Errorf("after %s", time.Since(start))
		}
		start = time.Now()
		go w.SendCommand(t.Context(), integrationID, "LATER", nil) // nobody answers
		for _, after := range []time.Duration{0, 9 * time.Second, 9 * time.Second} {
			c.expect("LATER")
			if time.Since(start) != after {
				t.Errorf("a copy came after %s, not %s", time.Since(start), after)
			}
		}
		go w.SendCommand(t.Context(), integrationID, "LAST", nil) // nobody answers
		c.expect("LAST")
		if got := c.closeCode(); got != 1006 {
			t.Errorf("closed with %d", got)
		}
	})
}

func TestTheLogsAreBounded(t *testing.T) {
	run(t, Options{History: 10, HealthCheckInterval: time.Second}, func(t *testing.T, w *world) {
		w.connect()
		time.Sleep(5 * time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		if n, ids := len(w.ledger.commands.entries), len(w.ledger.byID); n > 20 || ids != n {
			t.Errorf("%d commands, %d ids", n, ids)
		}
	})
}
