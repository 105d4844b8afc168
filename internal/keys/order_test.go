package keys_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/keys"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func TestAnOperatorsOrderTakesNoAccessAwayUnlessItSaysSo(t *testing.T) {
	type result struct {
		state keys.State // empty: refused
		why   keys.Why
	}
	done := func(s keys.State) result { return result{state: s} }
	refused := func(w keys.Why) result { return result{why: w} }
	for state, want := range map[keys.State]struct{ ack, remove, removeInUse result }{
		keys.Intent:    {refused(keys.UnderWay), refused(keys.UnderWay), refused(keys.UnderWay)},
		keys.Creating:  {refused(keys.UnderWay), refused(keys.UnderWay), refused(keys.UnderWay)},
		keys.Created:   {refused(keys.UnderWay), refused(keys.UnderWay), refused(keys.UnderWay)},
		keys.Attached:  {refused(keys.UnderWay), refused(keys.UnderWay), refused(keys.UnderWay)},
		keys.Answered:  {refused(keys.UnderWay), refused(keys.UnderWay), refused(keys.UnderWay)},
		keys.Delivered: {refused(keys.InUse), refused(keys.InUse), done(keys.Deleting)},
		keys.Unconfirmed: {
			done(keys.Unconfirmed), refused(keys.InUse), done(keys.Deleting),
		},
		keys.LostCreate: {done(keys.LostCreate), refused(keys.Nameless), refused(keys.Nameless)},
		keys.Deleting:   {done(keys.Deleting), done(keys.Deleting), done(keys.Deleting)},
	} {
		for order, want := range map[keys.Order]result{
			{Wanted: keys.Acknowledge}:               want.ack,
			{Wanted: keys.Remove}:                    want.remove,
			{Wanted: keys.Remove, EvenIfInUse: true}: want.removeInUse,
		} {
			order.By, order.Reason = "admin", "looked"
			r := record(1, "r", state)
			got, err := order.Obey(r, noon)
			var refusal *keys.Refusal
			switch {
			case errors.As(err, &refusal):
				if refusal.Why != want.why || got != r {
					t.Errorf("%s, %+v: refused as %s: %v; the record is %+v", state, order, refusal.Why, err, got)
				}
			case got.State != want.state || !state.CanBecome(got.State):
				t.Errorf("%s, %+v: %s, want %s", state, order, got.State, want.state)
			case got.IsAcknowledged() != (order.Wanted == keys.Acknowledge):
				t.Errorf("%s, %+v: %+v", state, order, got.Acknowledged)
			case got.State != state && !strings.Contains(got.Reason, "deleted by admin: looked"):
				t.Errorf("%s, %+v: the reason is %q", state, order, got.Reason)
			}
		}
	}
}

func TestAnOrderIsForTheStateThatItsGiverSaw(t *testing.T) {
	for _, order := range []keys.Order{
		{Wanted: keys.Acknowledge, Seen: keys.Deleting}, {Wanted: keys.Remove, Seen: keys.Deleting, EvenIfInUse: true},
	} {
		refusal, is := errors.AsType[*keys.Refusal](func() error {
			_, err := order.Obey(record(1, "r", keys.Unconfirmed), noon)
			return err
		}())
		if !is || refusal.Why != keys.Changed {
			t.Errorf("%+v: %v", order, refusal)
		}
	}
}

func TestARecordIsInItsStateSinceThatBegan(t *testing.T) {
	began, later := noon, noon.Add(time.Hour)
	r := record(1, "r", keys.Unconfirmed)
	r.UpdatedAt = began
	r = r.Become(keys.Unconfirmed, "another reason", later)
	r, err := keys.Order{Wanted: keys.Acknowledge}.Obey(r, later)
	if err != nil || !r.UpdatedAt.Equal(began) {
		t.Errorf("%v: it is in its state since %s, want %s", err, r.UpdatedAt, began)
	}
	r, err = keys.Order{Wanted: keys.Remove, EvenIfInUse: true}.Obey(r, later)
	if err != nil || !r.UpdatedAt.Equal(later) {
		t.Errorf("%v: it is in its next state since %s, want %s", err, r.UpdatedAt, later)
	}
}

func TestAnAcknowledgementEndsWithTheState(t *testing.T) {
	r := record(1, "r", keys.Unconfirmed)
	if !r.NeedsSomebody() {
		t.Error("nobody is needed for an unconfirmed key")
	}
	r, err := keys.Order{Wanted: keys.Acknowledge, By: "admin", Reason: "it is accepted"}.Obey(r, noon)
	want := keys.Acknowledgement{By: "admin", Reason: "it is accepted", At: noon}
	if err != nil || r.Acknowledged != want || r.NeedsSomebody() {
		t.Errorf("%v, %+v", err, r)
	}
	if again := r.Become(keys.Unconfirmed, "again", noon.Add(time.Hour)); !again.IsAcknowledged() {
		t.Error("the same state once more ended it")
	}
	if next := r.Become(keys.Deleting, "replaced", noon); next.IsAcknowledged() {
		t.Error("it is still acknowledged in another state")
	}
}
