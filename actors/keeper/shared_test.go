package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	keyactors "federation-agent/actors/keys"
	"federation-agent/actors/life"
	"federation-agent/internal/keys"
	"federation-agent/internal/members"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table/tablesim"
)

// What another process is at work on is its own; what one had that is gone must not stay for good.
func TestOfASharedJournalOnlyWhatNobodyIsAtIsWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		model := tablesim.New(func(context.Context, tablesim.Call) tablesim.Fault { return tablesim.None })
		tokens := 0
		journal := tablestore.New(model.Client("me"), func() string { tokens++; return fmt.Sprint(tokens) })
		me := members.NewSelf("me")
		said := &strings.Builder{}
		env := (&life.Env{
			Life: ctx, Now: time.Now, Jitter: func() float64 { return 0 }, Keys: journal, Board: status.NewBoard(), Member: me,
		}).Logging(slog.New(slog.NewTextHandler(said, nil)))
		put := func(owner, id string, states ...keys.State) keys.Subscription {
			of := keys.Subscription{Integration: "i", Account: "111122223333", Region: "eu-west-1", ID: id}
			var records []keys.Record
			for n, state := range states {
				r := of.Record(fmt.Sprint(id, n))
				r.KeyID, r.State, r.CreatedAt, r.UpdatedAt = "key-"+r.ID, state, time.Now(), time.Now()
				records = append(records, r)
			}
			if _, err := journal.Write(ctx, store.Entry{Of: of}, owner, records); err != nil {
				t.Fatal(err)
			}
			return of
		}
		begun, made, live := put("gone", "begun", keys.Intent), put("gone", "made", keys.Created), put("alive", "live", keys.Created)
		used := put("", "used", keys.Delivered)
		is := func(of keys.Subscription) string {
			e, err := journal.Entry(ctx, of)
			if err != nil {
				t.Fatal(err)
			}
			text := e.Owner
			for _, r := range e.Records {
				text += " " + string(r.State)
			}
			return text
		}
		system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return env.Log }))
		keeper := system.Root.Spawn(Props(env, nil, keys.Looks{})) // nobody reaches the place
		pass := func(d time.Duration, stands bool) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(members.RaiseEvery) {
				if stands {
					me.Raised(time.Now())
				}
				me.See(time.Now(), []members.Member{{ID: "me"}, {ID: "alive", Count: time.Now().Unix()}})
			}
		}
		pass(3*keepEvery, false)
		if got := is(begun) + is(made); got != "gone intentgone created" {
			t.Errorf("a process that is not known to live has written: %s", got)
		}
		pass(3*keepEvery, true)
		if a, b, c := is(begun), is(made), is(live); a != "" || b != "me deleting" || c != "alive created" {
			t.Errorf("%q, %q, %q", a, b, c)
		}
		if strings.Contains(said.String(), "cannot write") || strings.Contains(said.String(), "key-live0") {
			t.Error(said)
		}
		for id, want := range map[string]struct {
			of  keys.Subscription
			why keys.Why
		}{"used0": {used, keys.InUse}, "live0": {live, keys.UnderWay}, "begun0": {begun, keys.Unknown}} {
			asked := keyactors.Order{Order: keys.Order{Wanted: keys.Acknowledge, ID: id, Of: want.of}}
			answer, err := system.Root.RequestFuture(keeper, asked, time.Second).Result()
			if err != nil {
				t.Fatal(err)
			}
			refusal, is := errors.AsType[*keys.Refusal](answer.(keyactors.Obeyed).Err)
			if !is || refusal.Why != want.why {
				t.Errorf("an order about the key %s: %v", id, answer)
			}
		}
		for _, c := range model.Calls() {
			if c.Op == tablesim.Query && c.Key.Partition == "keys" && !c.Index {
				t.Error("the whole journal was read")
			}
		}
		_ = system.Root.StopFuture(keeper).Wait()
		system.Shutdown()
	})
}
