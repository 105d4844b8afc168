package keeper

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	keyactors "federation-agent/actors/keys"
	"federation-agent/actors/life"
	"federation-agent/internal/keys"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
)

var errUnreadable = errors.New("the journal cannot be read")

// moody is a journal that may be unreadable.
type moody struct {
	*store.FileStore
	unreadable atomic.Bool
}

func (m *moody) Entry(ctx context.Context, of keys.Subscription) (store.Entry, error) {
	if m.unreadable.Load() {
		return store.Entry{}, errUnreadable
	}
	return m.FileStore.Entry(ctx, of)
}

func (m *moody) Entries(ctx context.Context, of store.Filter, open bool) ([]store.Entry, error) {
	if m.unreadable.Load() {
		return nil, errUnreadable
	}
	return m.FileStore.Entries(ctx, of, open)
}

// Whoever gave the order was told that it is not done. So it is not done later, either.
func TestAnOrderWhileTheJournalCannotBeReadIsRefusedAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		journal := &moody{FileStore: store.Memory()}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		env := (&life.Env{
			Life: ctx, Now: time.Now, Jitter: func() float64 { return 0 }, Keys: store.Policy{KeyJournal: journal},
			Board: status.NewBoard(),
		}).Logging(slog.New(slog.DiscardHandler))
		record := keys.Record{
			ID: "r", Integration: "i", Account: "111122223333", Region: "eu-west-1", SubscriptionID: "s", KeyID: "k",
			CreatedAt: env.Now(), UpdatedAt: env.Now(),
		}
		for _, state := range []keys.State{
			keys.Intent, keys.Creating, keys.Created, keys.Attached, keys.Answered, keys.Unconfirmed,
		} {
			record.State = state
			if err := storetest.Put(journal, record); err != nil {
				t.Fatal(err)
			}
		}
		system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return env.Log }))
		keeper := system.Root.Spawn(Props(env, nil, keys.Looks{})) // nobody reaches the place
		order := func() keyactors.Obeyed {
			asked := keyactors.Order{Order: keys.Order{Wanted: keys.Acknowledge, ID: "r", Of: record.Subscription()}}
			answer, err := system.Root.RequestFuture(keeper, asked, time.Second).Result()
			if err != nil {
				t.Fatal(err)
			}
			return answer.(keyactors.Obeyed)
		}
		acknowledged := func() bool {
			records, err := storetest.Records(journal.FileStore, store.Filter{})
			if err != nil || len(records) != 1 {
				t.Fatal(records, err)
			}
			return records[0].IsAcknowledged()
		}
		time.Sleep(2 * keepEvery)
		journal.unreadable.Store(true)
		got := order()
		if refusal, is := errors.AsType[*keys.Refusal](got.Err); !errors.Is(got.Err, errUnreadable) || is {
			t.Errorf("answered %v, as a refusal %v", got.Err, refusal)
		}
		journal.unreadable.Store(false)
		time.Sleep(3 * keepEvery)
		if acknowledged() {
			t.Error("it was carried out all the same")
		}
		if got = order(); got.Err != nil || !acknowledged() {
			t.Errorf("an order that comes later: %v", got.Err)
		}
		_ = system.Root.StopFuture(keeper).Wait()
		system.Shutdown()
	})
}
