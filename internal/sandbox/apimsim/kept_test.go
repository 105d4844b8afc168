package apimsim

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A cluster's queue keeps what no agent reads, and gives it to whoever comes next, also when nobody waits for the answer.
func TestACommandThatIsKeptIsHandedToTheNextAgent(t *testing.T) {
	keep := func(string, string) bool { return true }
	run(t, Options{Script: &Script{Keep: keep}}, func(t *testing.T, w *world) {
		failed := make(chan error, 1)
		go func() {
			_, err := w.Preview(context.Background(), integrationID)
			failed <- err
		}()
		time.Sleep(DefaultCommandTimeout + time.Second)
		if err := <-failed; !errors.Is(err, ErrNoReply) {
			t.Errorf("the sender was told %v", err)
		}
		late := w.connect()
		late.answer(late.expect("DISCOVER"), map[string]any{"apis": []any{}})
		time.Sleep(time.Second)
		if problems := w.ProblemsOf(ProblemStrayReply); len(problems) > 0 {
			t.Errorf("%+v", problems)
		}
	})
}

func TestTheScriptChoosesTheChannelOfACommand(t *testing.T) {
	youngest := func(_ string, _, channels int) int { return channels - 1 }
	run(t, Options{Script: &Script{Channel: youngest}}, func(t *testing.T, w *world) {
		one, two := w.connect(), w.connect()
		one.expect("PRIMARY")
		go func() { _, _ = w.Preview(context.Background(), integrationID) }()
		two.answer(two.expect("DISCOVER"), map[string]any{"apis": []any{}})
	})
}
