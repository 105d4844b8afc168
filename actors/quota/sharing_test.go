package quota

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/members"
	"federation-agent/internal/quota"
	"federation-agent/internal/status"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table/tablesim"
	"federation-agent/messages"
)

// caller is a process with a quota actor and workers that call AWS without a pause.
type caller struct {
	system  *actor.ActorSystem
	permits *Permits
	board   *status.Board
	calls   atomic.Int64
	warned  atomic.Int64
}

var place = federation.Target{Account: "111122223333", Region: "eu-west-1"}

// warnings counts the lines at level WARN.
type warnings struct {
	slog.Handler
	n *atomic.Int64
}

func (w warnings) Enabled(context.Context, slog.Level) bool { return true }

func (w warnings) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		w.n.Add(1)
	}
	return nil
}

func newCaller(ctx context.Context, name string, ledgers quota.Ledgers, self *members.Self) *caller {
	c := &caller{}
	ids, self := 0, members.NewSelf(name)
	go func() { // the table confirms it, whatever becomes of the ledger
		for ; ctx.Err() == nil; time.Sleep(time.Second) {
			self.Raised(time.Now())
		}
	}()
	env := (&life.Env{
		Member: self, Tickets: new(atomic.Uint64),
		Life: ctx, Now: time.Now, Jitter: func() float64 { return 0 }, Board: status.NewBoard(), Ledgers: ledgers,
		NewID: func() string { ids++; return fmt.Sprint(name, ids) },
	}).Logging(slog.New(warnings{slog.DiscardHandler, &c.warned}))
	c.board = env.Board
	c.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
	settings := config.Quota{Rate: 10, Burst: 40, Share: 70, Scope: config.ScopeAccountRegion}
	c.permits = &Permits{
		System: c.system, Quota: c.system.Root.Spawn(Props(env, settings, place.Account, place.Region, false)),
		Tickets: new(atomic.Uint64), Target: place, Board: env.Board, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
	return c
}

// work has workers call until the context ends. A call takes a second.
func (c *caller) work(ctx context.Context) {
	for range 24 {
		go func() {
			for ctx.Err() == nil {
				done, err := c.permits.Acquire(ctx, gateway.PermitRequest{
					Operation: "GetExport", Priority: gateway.PriorityIngest,
				})
				if err != nil {
					return
				}
				c.calls.Add(1)
				time.Sleep(time.Second)
				done(gateway.Outcome{})
			}
		}()
	}
}

// lent is what is shown of the quota.
func (c *caller) lent() status.Quota {
	return c.board.Read().Quotas[status.Place{Account: place.Account, Region: place.Region}]
}

// during is how many calls are made in a time.
func (c *caller) during(d time.Duration, others ...*caller) (own, all int64) {
	before := c.calls.Load()
	for _, o := range others {
		all -= o.calls.Load()
	}
	time.Sleep(d)
	for _, o := range others {
		all += o.calls.Load()
	}
	own = c.calls.Load() - before
	return own, own + all
}

func TestTwoProcessesShareTheQuotaByATable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var away atomic.Bool // for a
		model := tablesim.New(func(ctx context.Context, call tablesim.Call) tablesim.Fault {
			time.Sleep(10 * time.Millisecond)
			if call.Client == "a" && away.Load() {
				<-ctx.Done()
			}
			return tablesim.None
		})
		process := func(name string) *caller {
			n := 0
			token := func() string { n++; return fmt.Sprint(name, n) }
			return newCaller(ctx, name, tablestore.New(model.Client(name), token), members.NewSelf(name))
		}
		a, b := process("a"), process("b")
		time.Sleep(time.Minute)
		if got := len(model.Calls()); got > 0 {
			t.Errorf("%d calls of the table before there is work", got)
		}
		a.work(ctx)
		if got, _ := a.during(30 * time.Second); got < 200 || got > 7*30 {
			t.Errorf("alone, it makes %d calls in 30 s", got)
		}
		b.work(ctx)
		time.Sleep(5 * time.Second)
		if own, all := a.during(time.Minute, b); all < 7*60*97/100 || all > 7*60+2 || own < 200 || own > 220 {
			t.Errorf("together they make %d calls in a minute, %d of them one", all, own)
		}
		if q := a.lent(); q.Rate < 3 || q.Rate > 4 || !q.Lent.Wanted || q.Rate+q.Lent.Others["b"] > q.Share+0.01 ||
			q.Lent.Others["b"] < 3 || time.Since(q.Lent.KnownAt) > 2*time.Second {
			t.Errorf("of the quota is shown %+v, %+v", q, q.Lent)
		}
		away.Store(true)
		time.Sleep(4 * time.Second)
		if got, _ := a.during(20 * time.Second); got > 0 || a.warned.Load() == 0 || a.warned.Load() > 3 {
			t.Errorf("without the table it makes %d calls, and warns %d times", got, a.warned.Load())
		}
		if got, _ := b.during(10 * time.Second); got < 69 {
			t.Errorf("the other one makes %d calls in 10 s", got)
		}
		if q := a.lent(); q.Rate != 0 || !q.Lent.Wanted {
			t.Errorf("without the table %+v is shown, %+v", q, q.Lent)
		}
		away.Store(false)
		time.Sleep(5 * time.Second)
		if own, all := a.during(time.Minute, b); all < 7*60*97/100 || all > 7*60+2 || own < 200 || own > 220 {
			t.Errorf("healed, they make %d calls in a minute, %d of them one", all, own)
		}
		// A 429 of one slows both.
		a.system.Root.Send(a.permits.Quota, messages.ReturnPermit{Outcome: gateway.Outcome{Class: gateway.Throttled}})
		time.Sleep(2 * time.Second)
		if _, all := a.during(5*time.Second, b); all > 7*5*85/100 {
			t.Errorf("after a throttle they make %d calls in 5 s", all)
		}
		cancel()
		time.Sleep(5 * time.Second)
		if q := a.lent(); q.Rate != 0 || q.Lent.Wanted {
			t.Errorf("at rest %+v is shown, %+v", q, q.Lent)
		}
		before := len(model.Calls())
		time.Sleep(time.Minute)
		if got := len(model.Calls()) - before; got > 0 {
			t.Errorf("%d calls of the table without work", got)
		}
		for _, c := range []*caller{a, b} {
			_ = c.system.Root.StopFuture(c.permits.Quota).Wait()
			c.system.Shutdown()
		}
		time.Sleep(time.Minute) // the library counts dead letters for a while
	})
}

// What a process keeps for keys is there when another one, which was lent the whole quota, ends without a word.
func TestAKeyDoesNotWaitForAProcessThatWasKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		dies, kill := context.WithCancel(ctx)
		model := tablesim.New(nil)
		process := func(life context.Context, name string) *caller {
			n, self := 0, members.NewSelf(name)
			table := tablestore.New(model.Client(name), func() string { n++; return fmt.Sprint(name, n) })
			go func() {
				for count := int64(1); life.Err() == nil; count++ {
					sent := time.Now()
					if table.Raise(life, members.Member{ID: name, Count: count}, sent) == nil {
						self.Raised(sent)
					}
					time.Sleep(members.RaiseEvery)
				}
			}()
			time.Sleep(time.Second)
			c := newCaller(life, name, table, self)
			_, _ = c.system.Root.RequestFuture(c.permits.Quota, messages.OpenQuota{}, time.Minute).Result()
			return c
		}
		a, b := process(dies, "a"), process(ctx, "b")
		a.work(dies)
		time.Sleep(time.Minute)
		end := func(c *caller) {
			_ = c.system.Root.StopFuture(c.permits.Quota).Wait()
			c.system.Shutdown()
		}
		kill()
		end(a)
		began := time.Now()
		for _, operation := range []gateway.Operation{
			"GetRestApis", "GetUsagePlans", gateway.CreateAPIKey, gateway.CreateUsagePlanKey,
		} {
			done, err := b.permits.Acquire(ctx, gateway.PermitRequest{Operation: operation, Priority: gateway.PriorityKeys})
			if err != nil {
				t.Fatal(err)
			}
			done(gateway.Outcome{})
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the calls of a SUBSCRIBE waited %s", took)
		}
		cancel()
		end(b)
		time.Sleep(time.Minute)
	})
}
