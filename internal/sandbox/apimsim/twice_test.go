package apimsim

import (
	"errors"
	"testing"
	"time"
)

// What APIM makes of two answers for one subscription: the first decides, whatever it is.
func TestOfTwoAcceptsTheFirstAnswerDecides(t *testing.T) {
	for name, test := range map[string]struct {
		keyFirst bool
		status   string
	}{
		"a key, then an ERROR": {true, SubscriptionAccepted},
		"an ERROR, then a key": {false, SubscriptionRejected},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Options{}, func(t *testing.T, w *world) {
				one, two := w.connect(), w.connect()
				one.expect("PRIMARY")
				one.ingest(w.startJob(one, 1), true, sample("a"))
				type outcome struct {
					sub     Subscription
					answers [2]error
				}
				done := make(chan outcome, 1)
				go func() {
					sub, answers, err := w.AcceptTwice(w.Context(), "a", "plan-1", "Shop", RoutePrimary, RouteSecondary, time.Second)
					if err != nil {
						t.Error(err)
					}
					done <- outcome{sub, answers}
				}()
				first, second := one.expect("SUBSCRIBE"), two.expect("SUBSCRIBE")
				id := func(m message) any { return m.payload("subscription", "graviteeSubscriptionId") }
				if id(first) != id(second) || first.ID == second.ID {
					t.Errorf("%v and %v", first.JSON, second.JSON)
				}
				key := func() {
					one.answer(first, map[string]any{"subscription": map[string]any{
						"graviteeSubscriptionId": id(first), "apiKey": theKey, "metadata": map[string]any{"aws-api-key-id": "k1"},
					}})
				}
				if test.keyFirst {
					key()
					time.Sleep(time.Second)
				}
				two.answerError(second, "somebody else makes it")
				if !test.keyFirst {
					time.Sleep(time.Second)
					key()
				}
				got := <-done
				if got.sub.Status != test.status || got.answers[0] != nil || !errors.Is(got.answers[1], ErrRefused) {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}
