package keys

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/messages"
)

// whileFull runs a test with a journal whose disk is full from a write of the SUBSCRIBE on.
func whileFull(t *testing.T, required bool, from int, test func(*writing)) {
	t.Helper()
	t.Run(fmt.Sprintf("required %t, full from write %d", required, from), func(t *testing.T) {
		inWritingWhere(t, required, func(w *writing) {
			w.fullFrom.Store(int64(from))
			test(w)
		})
	})
}

// ask gives the writer a command, and gives its answer.
func (w *writing) ask(c messages.Command) messages.Reply {
	w.system.Root.RequestWithCustomSender(w.writer, c, w.asker)
	answer := <-w.answers
	return answer.Reply
}

func (w *writing) aSubscribe() messages.Subscribe {
	return messages.Subscribe{
		CommandRef:     messages.CommandRef{ID: "c", AnswerBy: time.Now().Add(messages.AnswerWithin)},
		SubscriptionID: "s", APIID: theAPIsID, PlanID: "p",
	}
}

// The setting decides whether a key is made that a crash would make the agent forget.
func TestAFullDiskRefusesAKeyWhereTheJournalIsRequired(t *testing.T) {
	for from := writeIntent; from <= writeAnswered; from++ {
		whileFull(t, true, from, func(w *writing) {
			reply := w.ask(w.aSubscribe())
			refused, is := reply.(messages.Refused)
			if !is || !strings.Contains(refused.Reason, "agent.store.required is on") ||
				!strings.Contains(refused.Reason, "agent.store.path is full") {
				w.t.Errorf("%+v", reply)
			}
			<-w.heard
			w.states()
			if made := w.aws.made.Load(); made > 0 {
				w.gone("key-1")
			}
			w.fullFrom.Store(0)
			if err := w.journal.Flush(); err != nil {
				w.t.Fatal(err)
			}
			ref, asks := w.subscribe()
			w.tell(ref, asks, messages.Delivered)
			w.states(keys.Delivered)
		})
		whileFull(t, false, from, func(w *writing) {
			ref, asks := w.subscribe()
			w.tell(ref, asks, messages.Delivered)
			w.states(keys.Delivered)
			w.gone()
		})
	}
}

func TestAFullDiskKeepsNoKeyFromItsEnd(t *testing.T) {
	for _, required := range []bool{false, true} {
		whileFull(t, required, writeDelivered, func(w *writing) {
			ref, asks := w.subscribe()
			w.tell(ref, asks, messages.Delivered)
			w.states(keys.Delivered)
			reply := w.ask(messages.Unsubscribe{
				CommandRef:     messages.CommandRef{ID: "c2", AnswerBy: time.Now().Add(messages.AnswerWithin)},
				SubscriptionID: "s", APIID: theAPIsID,
			})
			if reply != (messages.Unsubscribed{}) {
				w.t.Errorf("%+v", reply)
			}
			<-w.heard
			w.gone("key-1")
			w.states()
		})
	}
}
