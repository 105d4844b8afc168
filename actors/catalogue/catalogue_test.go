package catalogue

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/targets"
	"federation-agent/messages"
)

// A catalogue that panics keeps its mailbox, in which the answer to what it asked before may wait. That must not count
// as the answer of another target, which is asked now: an ingest would end as a success without its APIs.
func TestAnAnswerFromBeforeARestartAnswersNothingAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		journal := store.Memory()
		var panics atomic.Bool
		env := (&life.Env{
			Life: ctx, Now: time.Now, Jitter: func() float64 { return 0 }, Ingests: journal, Listings: journal,
			Board: status.NewBoard(),
			Faults: func(_ string, message any) {
				if _, locate := message.(messages.LocateAPI); locate && panics.Swap(false) {
					panic("a test's")
				}
			},
		}).Logging(slog.New(slog.DiscardHandler))
		system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return env.Log }))
		spawn := func(does func(actor.Context)) *actor.PID {
			return system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return actor.ReceiveFunc(does) }))
		}
		asked := make(chan *listQuestion, 10)
		target := func(region string) *actor.PID {
			return spawn(func(ctx actor.Context) {
				if m, is := ctx.Message().(messages.ListTarget); is {
					asked <- &listQuestion{region: region, asker: ctx.Sender(), number: m.Request}
				}
			})
		}
		const account = "111122223333"
		east, west := target("us-east-1"), target("eu-west-1")
		directory := targets.New(
			targets.Row[*actor.PID]{Account: account, Region: "us-east-1", Target: east},
			targets.Row[*actor.PID]{Account: account, Region: "eu-west-1", Target: west},
		)
		catalogue := system.Root.Spawn(Props(env, Spec{Integration: "i", Targets: directory}))
		gathered := make(chan messages.GatheredAPIs, 10)
		asker := spawn(func(ctx actor.Context) {
			switch m := ctx.Message().(type) {
			case messages.GatherAPIs:
				ctx.Request(catalogue, m)
			case messages.GatheredAPIs:
				gathered <- m
			}
		})
		answer := func(q *listQuestion, region string) {
			api := &gateway.RestAPI{ID: "of" + region, Name: region}
			system.Root.RequestWithCustomSender(q.asker, messages.TargetListing{
				Request: q.number, Target: federation.Target{Account: account, Region: region}, Complete: true,
				Entries: []federation.Entry{{API: api, Stage: "prod"}}, APIs: []*gateway.RestAPI{api}, StartedAt: time.Now(),
			}, nil)
		}
		// One question about west only, so that its number is the first; then a panic.
		only := federation.ID{Account: account, Region: "eu-west-1", RestAPI: "ofeu-west-1", Stage: "prod"}.String()
		system.Root.Send(asker, messages.GatherAPIs{Only: []string{only}})
		synctest.Wait()
		before := <-asked
		panics.Store(true)
		system.Root.RequestWithCustomSender(catalogue, messages.LocateAPI{RestAPI: "any"}, asker)
		time.Sleep(time.Minute)
		system.Root.Send(asker, messages.GatherAPIs{})
		synctest.Wait()
		answer(before, "eu-west-1") // late
		synctest.Wait()
		questions := map[string]*listQuestion{}
		for range 2 {
			q := <-asked
			questions[q.region] = q
		}
		answer(questions["eu-west-1"], "eu-west-1")
		synctest.Wait()
		if len(gathered) != 0 {
			t.Fatalf("gathered before us-east-1 has answered: %d APIs", len((<-gathered).APIs))
		}
		answer(questions["us-east-1"], "us-east-1")
		if got := <-gathered; len(got.APIs) != 2 || !got.Complete {
			t.Errorf("gathered %d APIs of 2, complete: %v", len(got.APIs), got.Complete)
		}
		for _, pid := range []*actor.PID{catalogue, asker, east, west} {
			_ = system.Root.StopFuture(pid).Wait()
		}
		system.Shutdown()
		time.Sleep(time.Minute) // the library counts dead letters for a while
	})
}

// listQuestion is what a target was asked.
type listQuestion struct {
	region string
	asker  *actor.PID
	number uint64
}
