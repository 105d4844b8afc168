package keys

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/keys"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/messages"
)

// order gives the writer an order about the only key, and gives the answer.
func (w *writing) order(o keys.Order) Obeyed {
	w.t.Helper()
	records, err := storetest.Records(w.env.Keys, store.Filter{})
	if err != nil || len(records) != 1 {
		w.t.Fatal(records, err)
	}
	o.ID, o.Of = records[0].ID, records[0].Subscription()
	return w.orderOf(w.writer, o)
}

// orderOf gives the one who has the say an order.
func (w *writing) orderOf(say *actor.PID, o keys.Order) Obeyed {
	w.t.Helper()
	answer, err := w.system.Root.RequestFuture(say, Order{o}, time.Second).Result()
	if err != nil {
		w.t.Fatal(err)
	}
	obeyed, _ := answer.(Obeyed)
	synctest.Wait()
	return obeyed
}

// wantRefused holds an answer to being refused for a reason.
func (w *writing) wantRefused(answer Obeyed, why keys.Why) {
	w.t.Helper()
	if refusal, is := errors.AsType[*keys.Refusal](answer.Err); !is || refusal.Why != why {
		w.t.Errorf("answered %+v, want it refused as %s", answer, why)
	}
}

func TestAnUnconfirmedKeyIsAcknowledgedAndDeletedAsOperatorsWantIt(t *testing.T) {
	inWriting(t, func(w *writing) {
		ref, hearer := w.subscribe()
		w.wantRefused(w.order(keys.Order{Wanted: keys.Acknowledge}), keys.UnderWay) // its fate is waited for
		w.tell(ref, hearer, messages.Unproved)
		if got := w.order(keys.Order{Wanted: keys.Acknowledge, By: "admin", Reason: "r"}); got.Err != nil ||
			got.Record.Acknowledged.By != "admin" {
			t.Errorf("acknowledged: %+v", got)
		}
		w.wantRefused(w.order(keys.Order{Wanted: keys.Remove}), keys.InUse)
		w.states(keys.Unconfirmed)
		w.gone()
		if got := w.order(keys.Order{Wanted: keys.Remove, EvenIfInUse: true}); got.Err != nil ||
			got.Record.State != keys.Deleting {
			t.Errorf("deleted: %+v", got)
		}
		w.states()
		w.gone("key-1")
	})
}

func TestAnOrderToAJournalThatIsClosedIsNotCarriedOut(t *testing.T) {
	inWriting(t, func(w *writing) {
		ref, hearer := w.subscribe()
		w.tell(ref, hearer, messages.Delivered)
		if err := w.journal.Close(); err != nil {
			t.Fatal(err)
		}
		got := w.order(keys.Order{Wanted: keys.Remove, EvenIfInUse: true})
		if !errors.Is(got.Err, store.ErrClosed) {
			t.Errorf("%+v", got)
		}
		w.gone()
		w.states(keys.Delivered)
	})
}

// Whoever gave the order was told that it is not done. So it is not done later, either.
func TestAnOrderWhileTheJournalCannotBeReadIsRefusedAndForgotten(t *testing.T) {
	inWriting(t, func(w *writing) {
		ref, hearer := w.subscribe()
		w.tell(ref, hearer, messages.Unproved)
		records, err := storetest.Records(w.env.Keys, store.Filter{})
		if err != nil || len(records) != 1 {
			t.Fatal(records, err)
		}
		time.Sleep(2 * sweepEvery)
		w.journal.unreadable.Store(true)
		o := keys.Order{Wanted: keys.Acknowledge, ID: records[0].ID, Of: records[0].Subscription()}
		got := w.orderOf(w.writer, o)
		if refusal, is := errors.AsType[*keys.Refusal](got.Err); !errors.Is(got.Err, errUnreadable) || is {
			t.Errorf("answered %v, as a refusal %v", got.Err, refusal)
		}
		w.journal.unreadable.Store(false)
		time.Sleep(3 * sweepEvery)
		if r, err := storetest.Records(w.env.Keys, store.Filter{}); err != nil || len(r) != 1 || r[0].IsAcknowledged() {
			t.Errorf("it was carried out all the same: %+v %v", r, err)
		}
	})
}
