package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/apigateway"

	"federation-agent/actors/life"
	"federation-agent/actors/quota"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/gateway"
	"federation-agent/internal/keys"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/messages"
)

var place = keys.Place{Integration: "i", Account: "111122223333", Region: "eu-west-1"}

// theAPIsID is that of the API to which the test subscribes.
const theAPIsID = "111122223333:eu-west-1:a1:prod"

// makes is an AWS in which keys can be made and deleted.
type makes struct {
	apigateway.Client
	permits *quota.Permits
	made    atomic.Int64
	deleted chan string
}

func (m *makes) CreateApiKey(
	ctx context.Context, _ *sdk.CreateApiKeyInput, _ ...func(*sdk.Options),
) (*sdk.CreateApiKeyOutput, error) {
	if _, err := m.permits.Acquire(ctx, gateway.PermitRequest{Operation: gateway.CreateAPIKey}); err != nil {
		return nil, err
	}
	id := fmt.Sprintf("key-%d", m.made.Add(1))
	return &sdk.CreateApiKeyOutput{Id: aws.String(id), Value: aws.String("a value")}, nil
}

func (m *makes) CreateUsagePlanKey(
	context.Context, *sdk.CreateUsagePlanKeyInput, ...func(*sdk.Options),
) (*sdk.CreateUsagePlanKeyOutput, error) {
	return &sdk.CreateUsagePlanKeyOutput{}, nil
}

func (m *makes) DeleteApiKey(
	_ context.Context, in *sdk.DeleteApiKeyInput, _ ...func(*sdk.Options),
) (*sdk.DeleteApiKeyOutput, error) {
	m.deleted <- aws.ToString(in.ApiKey)
	return &sdk.DeleteApiKeyOutput{}, nil
}

// deadly is a journal at which a saga dies once, when it writes down that an answer was delivered. It may be unreadable.
type deadly struct {
	*store.FileStore
	dies, unreadable atomic.Bool
}

var errUnreadable = errors.New("the journal cannot be read")

func (d *deadly) Entry(ctx context.Context, of keys.Subscription) (store.Entry, error) {
	if d.unreadable.Load() {
		return store.Entry{}, errUnreadable
	}
	return d.FileStore.Entry(ctx, of)
}

func (d *deadly) Write(
	ctx context.Context, from store.Entry, owner string, records []keys.Record,
) (store.Entry, error) {
	delivered := func(r keys.Record) bool { return r.State == keys.Delivered }
	if slices.ContainsFunc(records, delivered) && d.dies.Swap(false) {
		panic("a test's")
	}
	return d.FileStore.Write(ctx, from, owner, records)
}

// writing is a writer with its journal and its AWS, and the router that asks it.
type writing struct {
	t       *testing.T
	system  *actor.ActorSystem
	env     *life.Env
	journal *deadly
	clock   *atomic.Int64 // how far the wall clock is off
	// fullFrom is with which write the disk is full, counted from 1; 0: it is not.
	fullFrom *atomic.Int64
	aws      *makes
	writer   *actor.PID
	target   *actor.PID
	answers  chan messages.Answer
	asker    *actor.PID
	heard    chan *actor.PID // whom each answer's fate is to be told
}

// inWriting runs a test with the writer of a place. Its target lists nothing, so the check of the plan refuses nothing.
func inWriting(t *testing.T, test func(*writing)) {
	t.Helper()
	inWritingWhere(t, false, test)
}

// inWritingWhere says whether the journal is required.
func inWritingWhere(t *testing.T, required bool, test func(*writing)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fullFrom, writes := &atomic.Int64{}, 0
		onDisk, _ := (&storetest.Model{OnWrite: func(storetest.Write) (o storetest.Outcome) {
			if writes++; fullFrom.Load() > 0 && int64(writes) >= fullFrom.Load() {
				o.Err = syscall.ENOSPC
			}
			return o
		}}).Open(store.Options{})
		journal := &deadly{FileStore: onDisk}
		var ids atomic.Int64
		ctx, cancel := context.WithCancel(context.Background())
		var clock atomic.Int64
		w := &writing{
			clock: &clock, fullFrom: fullFrom,
			t: t, aws: &makes{deleted: make(chan string, 10)}, answers: make(chan messages.Answer, 10),
			heard: make(chan *actor.PID, 10), journal: journal,
			env: (&life.Env{
				Life:   ctx,
				Now:    func() time.Time { return time.Now().Add(time.Duration(clock.Load())) },
				NewID:  func() string { return fmt.Sprintf("record-%d", ids.Add(1)) },
				Jitter: func() float64 { return 0 }, Board: status.NewBoard(),
				Keys: store.Policy{KeyJournal: journal, Required: required},
			}).Logging(slog.New(slog.DiscardHandler)),
		}
		w.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return w.env.Log }))
		budget := w.neighbour(func(ctx actor.Context) {
			if _, asked := ctx.Message().(messages.AcquirePermit); asked {
				ctx.Respond(messages.PermitGranted{})
			}
		})
		w.aws.permits = &quota.Permits{
			System: w.system, Quota: budget, Tickets: &atomic.Uint64{}, Board: w.env.Board, Log: w.env.Log,
		}
		w.target = w.neighbour(func(ctx actor.Context) {
			if _, asked := ctx.Message().(messages.ListTarget); asked {
				ctx.Respond(messages.TargetListing{})
			}
		})
		w.asker = w.neighbour(func(ctx actor.Context) {
			if answer, told := ctx.Message().(messages.Answer); told {
				w.heard <- ctx.Sender()
				w.answers <- answer
			}
		})
		w.writer = w.system.Root.Spawn(writerProps(w.env, place, source{client: w.aws, target: w.target}))
		test(w)
		for _, pid := range []*actor.PID{w.writer, w.asker, w.target, budget} {
			_ = w.system.Root.StopFuture(pid).Wait() // whoever is gone has ended
		}
		cancel()
		_ = journal.Close()         // a model's disk takes everything
		time.Sleep(3 * time.Second) // the library's dead letters have a timer of their own
	})
}

// restartWith has another writer in the place of the one there is.
func (w *writing) restartWith(from source) {
	w.t.Helper()
	if err := w.system.Root.StopFuture(w.writer).Wait(); err != nil {
		w.t.Fatal(err)
	}
	w.writer = w.system.Root.Spawn(writerProps(w.env, place, from))
}

// neighbour is an actor that does one thing.
type neighbour func(actor.Context)

func (n neighbour) Receive(ctx actor.Context) { n(ctx) }

func (w *writing) neighbour(n neighbour) *actor.PID {
	return w.system.Root.Spawn(life.Props(w.env, life.Standing, func() actor.Actor { return n }))
}

// subscribe asks for a key, and gives the answer and who waits to hear its fate.
func (w *writing) subscribe() (messages.CommandRef, *actor.PID) {
	w.t.Helper()
	ref := messages.CommandRef{
		ID: fmt.Sprintf("command-%d", w.aws.made.Load()), AnswerBy: time.Now().Add(messages.AnswerWithin),
	}
	w.system.Root.RequestWithCustomSender(w.writer, messages.Subscribe{
		CommandRef: ref, SubscriptionID: "s", APIID: theAPIsID, PlanID: "p",
	}, w.asker)
	answer := <-w.answers
	if _, made := answer.Reply.(messages.Subscribed); !made {
		w.t.Fatalf("no key was made: %+v", answer.Reply)
	}
	return ref, <-w.heard
}

// tell tells the fate of an answer.
func (w *writing) tell(ref messages.CommandRef, hearer *actor.PID, fate messages.Delivery) {
	w.system.Root.Send(hearer, messages.AnswerFate{CommandRef: ref, Delivery: fate})
	synctest.Wait()
}

// states is what the journal says of the keys, the oldest first.
func (w *writing) states(want ...keys.State) {
	w.t.Helper()
	records, err := storetest.Records(w.env.Keys, store.Filter{})
	if err != nil {
		w.t.Fatal(err)
	}
	var got []keys.State
	for _, r := range records {
		got = append(got, r.State)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("the journal has keys that are %v, want %v", got, want)
	}
}

// gone is the keys that were deleted in AWS.
func (w *writing) gone(want ...string) {
	w.t.Helper()
	var got []string
	for len(w.aws.deleted) > 0 {
		got = append(got, <-w.aws.deleted)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("deleted: %v, want %v", got, want)
	}
}

func TestAKeyWhoseAnswersFateIsNeverToldStaysAndIsListed(t *testing.T) {
	inWriting(t, func(w *writing) {
		w.subscribe()
		time.Sleep(fateOverdue + time.Second)
		w.gone()
		w.states(keys.Unconfirmed)
	})
}

func TestAKeyWhoseAnswersFateIsNotToldWhileItsWriterLeavesStays(t *testing.T) {
	inWriting(t, func(w *writing) {
		w.subscribe()
		if err := w.system.Root.StopFuture(w.writer).Wait(); err == nil {
			w.t.Error("the writer did not wait for the fate")
		}
		time.Sleep(fateLeaving + time.Second)
		w.gone()
		w.states(keys.Unconfirmed)
	})
}

func TestTheFateOfAnAnswerIsHeardWhileItsWriterLeaves(t *testing.T) {
	inWriting(t, func(w *writing) {
		ref, hearer := w.subscribe()
		w.system.Root.Stop(w.writer)
		synctest.Wait()
		w.tell(ref, hearer, messages.Delivered)
		w.states(keys.Delivered)
	})
}

func TestAKeyIsReplacedOnlyWhenTheNextOneIsProvedDelivered(t *testing.T) {
	for name, c := range map[string]struct {
		fate   messages.Delivery
		states []keys.State
		gone   []string
	}{
		"delivered":  {messages.Delivered, []keys.State{keys.Delivered}, []string{"key-1"}},
		"unproved":   {messages.Unproved, []keys.State{keys.Unconfirmed, keys.Unconfirmed}, nil},
		"never sent": {messages.NeverSent, []keys.State{keys.Delivered}, []string{"key-2"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWriting(t, func(w *writing) {
				ref, hearer := w.subscribe()
				w.tell(ref, hearer, messages.Delivered)
				ref, hearer = w.subscribe()
				w.states(keys.Delivered, keys.Answered)
				w.tell(ref, hearer, c.fate)
				w.states(c.states...)
				w.gone(c.gone...)
			})
		})
	}
}

func TestAKeyIsReplacedByTheNextOneThoughTheClockWasPutBack(t *testing.T) {
	inWriting(t, func(w *writing) {
		ref, hearer := w.subscribe()
		w.tell(ref, hearer, messages.Delivered)
		w.clock.Store(int64(-time.Hour))
		ref, hearer = w.subscribe()
		w.tell(ref, hearer, messages.Delivered)
		w.states(keys.Delivered)
		w.gone("key-1")
	})
}

func TestAKeyWhoseSagaDiedBeforeItWroteTheFateDownIsListedAtOnce(t *testing.T) {
	inWriting(t, func(w *writing) {
		ref, hearer := w.subscribe()
		w.journal.dies.Store(true)
		w.tell(ref, hearer, messages.Delivered)
		w.gone()
		w.states(keys.Unconfirmed)
	})
}
