package keys

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"federation-agent/actors/life"
	"federation-agent/actors/quota"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/gateway"
	"federation-agent/internal/keys"
	"federation-agent/internal/members"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table/tablesim"
	"federation-agent/messages"
)

// cloud is an AWS that knows which keys there are.
type cloud struct {
	apigateway.Client
	mu   sync.Mutex
	made int
	keys map[string]bool // whether it is attached
	// creating is called before a key is made, deleting before one is deleted.
	creating, deleting func()
}

func (c *cloud) CreateApiKey(
	ctx context.Context, in *sdk.CreateApiKeyInput, _ ...func(*sdk.Options),
) (*sdk.CreateApiKeyOutput, error) {
	permits, _ := ctx.Value(permitsKey{}).(*quota.Permits)
	if _, err := permits.Acquire(ctx, gateway.PermitRequest{Operation: gateway.CreateAPIKey}); err != nil {
		return nil, err
	}
	c.creating()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	id := fmt.Sprintf("key-%d", c.made)
	c.keys[id] = false
	return &sdk.CreateApiKeyOutput{Id: &id, Value: in.Name}, nil
}

func (c *cloud) CreateUsagePlanKey(
	_ context.Context, in *sdk.CreateUsagePlanKeyInput, _ ...func(*sdk.Options),
) (*sdk.CreateUsagePlanKeyOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.keys[*in.KeyId]; !there {
		return nil, &types.NotFoundException{Message: aws.String("Invalid API Key identifier specified")}
	}
	c.keys[*in.KeyId] = true
	return &sdk.CreateUsagePlanKeyOutput{}, nil
}

func (c *cloud) DeleteApiKey(
	_ context.Context, in *sdk.DeleteApiKeyInput, _ ...func(*sdk.Options),
) (*sdk.DeleteApiKeyOutput, error) {
	if c.deleting != nil {
		c.deleting()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.keys[*in.ApiKey]; !there {
		return nil, &types.NotFoundException{Message: aws.String("Invalid API Key identifier specified")}
	}
	delete(c.keys, *in.ApiKey)
	return &sdk.DeleteApiKeyOutput{}, nil
}

func (c *cloud) there() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(slices.Sorted(maps.Keys(c.keys)))
}

// permitsKey finds the permits of the process that calls.
type permitsKey struct{}

// ofProcess is the cloud as one process calls it.
type ofProcess struct {
	*cloud
	permits *quota.Permits
}

func (o ofProcess) CreateApiKey(
	ctx context.Context, in *sdk.CreateApiKeyInput, opts ...func(*sdk.Options),
) (*sdk.CreateApiKeyOutput, error) {
	return o.cloud.CreateApiKey(context.WithValue(ctx, permitsKey{}, o.permits), in, opts...)
}

// errorsOnly counts the lines at level ERROR.
type errorsOnly struct {
	slog.Handler
	n *atomic.Int64
}

func (e errorsOnly) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }
func (e errorsOnly) Handle(context.Context, slog.Record) error    { e.n.Add(1); return nil }
func (e errorsOnly) WithAttrs([]slog.Attr) slog.Handler           { return e }
func (e errorsOnly) WithGroup(string) slog.Handler                { return e }

// process is one of several that share the journal.
type process struct {
	*pair
	env     *life.Env
	writer  *actor.PID
	asker   *actor.PID
	answers chan messages.Answer
	fate    chan *actor.PID
	frozen  atomic.Bool
	behind  atomic.Int64 // how far its wall clock is behind
	listing func()       // is called before its target is listed
	errors  atomic.Int64 // lines at level ERROR
	end     []*actor.PID
}

// pair is two processes, their table and their AWS.
type pair struct {
	t      *testing.T
	system *actor.ActorSystem
	model  *tablesim.Model
	aws    *cloud
	a, b   *process
	// hold is called before each write of a to an entry, with its number from 1.
	hold   func(write int)
	writes int
	// fails says how a call to the table fails; nil: none does.
	fails atomic.Pointer[func(tablesim.Call) tablesim.Fault]
}

// inPair runs a test with two writers of one place over one table.
func inPair(t *testing.T, test func(*pair)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t, aws: &cloud{keys: map[string]bool{}, creating: func() {}}, hold: func(int) {}}
		p.model = tablesim.New(func(_ context.Context, c tablesim.Call) tablesim.Fault {
			if c.Client == "a" && c.Key.Partition == "keys" && (c.Op == tablesim.Update || c.Op == tablesim.Delete) {
				p.writes++
				p.hold(p.writes)
			}
			if fails := p.fails.Load(); fails != nil {
				return (*fails)(c)
			}
			return tablesim.None
		})
		log := slog.New(slog.DiscardHandler)
		p.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }))
		ctx, cancel := context.WithCancel(context.Background())
		p.a, p.b = p.process(ctx, "a"), p.process(ctx, "b")
		time.Sleep(members.GoneAfter)
		test(p)
		for _, one := range []*process{p.a, p.b} {
			for _, pid := range append([]*actor.PID{one.writer}, one.end...) {
				_ = p.system.Root.StopFuture(pid).Wait()
			}
		}
		cancel()
		time.Sleep(members.RaiseEvery + 3*time.Second)
	})
}

func (p *pair) process(ctx context.Context, name string) *process {
	one := &process{pair: p, answers: make(chan messages.Answer, 10), fate: make(chan *actor.PID, 10), listing: func() {}}
	ids := 0
	id := func() string { ids++; return fmt.Sprintf("%s-%d", name, ids) }
	journal, self := tablestore.New(p.model.Client(name), id), members.NewSelf(name)
	one.env = (&life.Env{
		Life: ctx, Now: func() time.Time { return time.Now().Add(-time.Duration(one.behind.Load())) }, NewID: id, Jitter: func() float64 { return 0 }, Keys: journal,
		Board: status.NewBoard(), Member: self,
	}).Logging(slog.New(errorsOnly{slog.DiscardHandler, &one.errors}))
	if err := journal.Open(ctx); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		for count := int64(1); ctx.Err() == nil; count++ {
			if sent := time.Now(); !one.frozen.Load() {
				if journal.Raise(ctx, members.Member{ID: name, Count: count}, sent) == nil {
					self.Raised(sent)
				}
				if all, err := journal.Members(ctx); err == nil {
					self.See(sent, all)
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(members.RaiseEvery):
			}
		}
	}()
	spawn := func(n neighbour) *actor.PID {
		pid := p.system.Root.Spawn(life.Props(one.env, life.Standing, func() actor.Actor { return n }))
		one.end = append(one.end, pid)
		return pid
	}
	budget := spawn(func(ctx actor.Context) {
		if _, asked := ctx.Message().(messages.AcquirePermit); asked {
			ctx.Respond(messages.PermitGranted{})
		}
	})
	target := spawn(func(ctx actor.Context) {
		if _, asked := ctx.Message().(messages.ListTarget); asked {
			one.listing()
			ctx.Respond(messages.TargetListing{})
		}
	})
	one.asker = spawn(func(ctx actor.Context) {
		if answer, told := ctx.Message().(messages.Answer); told {
			one.fate <- ctx.Sender()
			one.answers <- answer
		}
	})
	permits := &quota.Permits{
		System: p.system, Quota: budget, Tickets: &atomic.Uint64{}, Board: one.env.Board, Log: one.env.Log, Now: time.Now,
	}
	one.writer = p.system.Root.Spawn(writerProps(one.env, place, source{client: ofProcess{p.aws, permits}, target: target}))
	return one
}

// give gives the writer a command.
func (p *process) give(c messages.Command) {
	p.system.Root.RequestWithCustomSender(p.writer, c, p.asker)
}

func (p *process) subscribe(id string) {
	p.give(messages.Subscribe{
		CommandRef:     messages.CommandRef{ID: id, AnswerBy: time.Now().Add(messages.AnswerWithin)},
		SubscriptionID: "s", APIID: theAPIsID, PlanID: "p",
	})
}

// answer gives the answer to the next command, and whom its fate is to be told.
func (p *process) answer() (reply messages.Reply, fate *actor.PID) {
	fate = <-p.fate
	return (<-p.answers).Reply, fate
}

func (p *process) tell(fate *actor.PID, d messages.Delivery) {
	p.system.Root.Send(fate, messages.AnswerFate{Delivery: d})
}

// journal is the states of the subscription's keys.
func (p *pair) journal() string {
	entry, err := tablestore.New(p.model.Client("x"), nil).Entry(p.t.Context(), place.Subscription("s"))
	if err != nil {
		p.t.Fatal(err)
	}
	var states []keys.State
	for _, r := range entry.Records {
		states = append(states, r.State)
	}
	if entry.Owner != "" {
		return fmt.Sprint(states, " of ", entry.Owner)
	}
	return fmt.Sprint(states)
}

func (p *pair) want(keysThere, journal string) {
	p.t.Helper()
	synctest.Wait()
	if got := p.aws.there(); got != keysThere {
		p.t.Errorf("AWS has the keys %s, want %s", got, keysThere)
	}
	if got := p.journal(); got != journal {
		p.t.Errorf("the journal has %s, want %s", got, journal)
	}
}

// TestARestoredTableUnderRunningProcessesCostsNoKey has the table go back to where a key was not answered yet. Its customer
// has it since, whoever had the entry then.
func TestARestoredTableUnderRunningProcessesCostsNoKey(t *testing.T) {
	for write := 1; write <= 6; write++ {
		t.Run(fmt.Sprint("to write ", write), func(t *testing.T) {
			inPair(t, func(p *pair) {
				var old tablesim.Backup
				p.hold = func(n int) {
					if n == write {
						old = p.model.Backup()
					}
				}
				p.a.subscribe("c1")
				_, fate := p.a.answer()
				p.a.tell(fate, messages.Delivered)
				p.want("[key-1]", "[delivered]")
				time.Sleep(time.Hour)
				p.fail(func(tablesim.Call) tablesim.Fault { return tablesim.LostBefore }) // it is deleted, and restored as it was
				time.Sleep(10 * time.Minute)
				p.a.frozen.Store(true) // nor do they raise before they sweep
				p.b.frozen.Store(true)
				p.model.Restore(old, "restored")
				p.fail(nil)
				time.Sleep(longEnough)
				p.a.frozen.Store(false)
				p.b.frozen.Store(false)
				time.Sleep(longEnough)
				left := map[int]string{1: "[]", 2: "[lost-create]", 3: "[lost-create]"}[write]
				p.want("[key-1]", cmp.Or(left, "[unconfirmed]"))
				// The subscription is closed at last.
				p.b.give(messages.Unsubscribe{
					CommandRef:     messages.CommandRef{ID: "c2", AnswerBy: time.Now().Add(messages.AnswerWithin)},
					SubscriptionID: "s", APIID: theAPIsID, Metadata: metadataOfTheFirst,
				})
				if reply, _ := p.b.answer(); reply != (messages.Unsubscribed{}) {
					t.Errorf("%+v", reply)
				}
				p.want("[]", cmp.Or(left, "[]"))
			})
		})
	}
}

// longEnough is when a process is gone, and what it had was swept.
const longEnough = members.GoneAfter + 2*sweepEvery

// fail has calls to the table fail from now on; nil: none does.
func (p *pair) fail(how func(tablesim.Call) tablesim.Fault) {
	if how == nil {
		p.fails.Store(nil)
		return
	}
	p.fails.Store(&how)
}

// freeze has a stand still before a write, until it is thawed; frozen says when it does.
func (p *pair) freeze(before int) (frozen <-chan struct{}, thaw func()) {
	stands, thawed := make(chan struct{}), make(chan struct{})
	p.hold = func(write int) {
		if write == before {
			p.a.frozen.Store(true)
			close(stands)
			<-thawed
		}
	}
	return stands, func() {
		p.a.frozen.Store(false)
		close(thawed)
	}
}

// The writes of a SUBSCRIBE, in their order.
const (
	writeIntent = 1 + iota
	writeCreating
	writeCreated
	writeAttached
	writeAnswered
	writeDelivered
)

// TestAFrozenProcessComesBackToWhatAnotherHasTakenOver is the table in actors/keys/held, row by row.
func TestAFrozenProcessComesBackToWhatAnotherHasTakenOver(t *testing.T) {
	for _, row := range []struct {
		name            string
		before          int
		adopted, keys   string // what the journal and AWS have while a is frozen
		after, keysThen string // and once it is back
	}{
		{"intent", writeCreating, "[]", "[]", "[]", "[]"},
		{"creating, the key is made", writeCreated, "[lost-create]", "[key-1]", "[]", "[]"},
		{"created, the key is attached", writeAttached, "[]", "[]", "[]", "[]"},
		{"attached", writeAnswered, "[]", "[]", "[]", "[]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			inPair(t, func(p *pair) {
				frozen, thaw := p.freeze(row.before)
				p.a.subscribe("c1")
				<-frozen
				time.Sleep(longEnough)
				p.want(row.keys, row.adopted)
				thaw()
				if reply, _ := p.a.answer(); !isRefused(reply) {
					t.Errorf("it answered %+v", reply)
				}
				p.want(row.keysThen, row.after)
			})
		})
	}
}

func isRefused(reply messages.Reply) bool {
	_, refused := reply.(messages.Refused)
	return refused
}

func TestAProcessThatIsFrozenInACallToAWSDeletesWhatItMade(t *testing.T) {
	inPair(t, func(p *pair) {
		thawed := make(chan struct{})
		p.aws.creating = func() {
			p.a.frozen.Store(true)
			<-thawed
		}
		p.a.subscribe("c1")
		time.Sleep(longEnough)
		p.want("[]", "[lost-create]")
		p.a.frozen.Store(false)
		close(thawed)
		p.a.answer()
		p.want("[]", "[]")
	})
}

// Behind `answered` the key stays, whatever happens; only its maker can know more.
func TestWhatBecomesOfAnAnswerCountsThoughAnotherHasListedItsKey(t *testing.T) {
	for fate, want := range map[messages.Delivery]struct{ keys, journal string }{
		messages.Delivered: {"[key-1]", "[delivered]"},
		messages.Unproved:  {"[key-1]", "[unconfirmed]"},
		messages.NeverSent: {"[]", "[]"},
	} {
		t.Run(fate.String(), func(t *testing.T) {
			inPair(t, func(p *pair) {
				p.a.subscribe("c1")
				_, asks := p.a.answer()
				p.a.frozen.Store(true)
				time.Sleep(longEnough)
				p.want("[key-1]", "[unconfirmed]")
				p.a.frozen.Store(false)
				p.a.tell(asks, fate)
				time.Sleep(time.Second)
				p.want(want.keys, want.journal)
			})
		})
	}
}

func TestAnUnsubscribeElsewhereOutranksTheMaker(t *testing.T) {
	inPair(t, func(p *pair) {
		p.a.subscribe("c1")
		_, asks := p.a.answer()
		p.b.unsubscribe(nil)
		if reply, _ := p.b.answer(); reply != (messages.Unsubscribed{}) {
			t.Errorf("%+v", reply)
		}
		p.want("[]", "[]")
		p.a.tell(asks, messages.Delivered)
		time.Sleep(time.Second)
		p.want("[]", "[]")
	})
}

// APIM has closed the subscription: no key of it may be left that nobody lists.
func TestAnUnsubscribeDeletesTheKeyThatIsMadeElsewhereMeanwhile(t *testing.T) {
	inPair(t, func(p *pair) {
		p.made()
		var asks *actor.PID
		var once sync.Once
		p.aws.deleting = func() {
			once.Do(func() { // B has read the journal
				p.a.subscribe("c2")
				_, asks = p.a.answer()
			})
		}
		p.b.unsubscribe(nil)
		if reply, _ := p.b.answer(); reply != (messages.Unsubscribed{}) {
			t.Errorf("%+v", reply)
		}
		p.want("[]", "[]")
		p.a.tell(asks, messages.Delivered)
		time.Sleep(time.Second)
		p.want("[]", "[]")
	})
}

// Two SUBSCRIBEs of one subscription at the same time, at two processes: one key.
func TestASecondSubscribeElsewhereWaitsForTheFirst(t *testing.T) {
	for fate, want := range map[messages.Delivery]struct {
		refused bool
		keys    string
		journal string
	}{
		messages.Delivered: {true, "[key-1]", "[delivered]"},
		messages.Unproved:  {true, "[key-1]", "[unconfirmed]"},
		messages.NeverSent: {false, "[key-2]", "[answered] of b"},
	} {
		t.Run(fate.String(), func(t *testing.T) {
			inPair(t, func(p *pair) {
				p.a.subscribe("c1")
				_, asks := p.a.answer()
				p.b.subscribe("c2")
				time.Sleep(5 * time.Second)
				p.want("[key-1]", "[answered] of a")
				p.a.tell(asks, fate)
				reply, asksToo := p.b.answer()
				if isRefused(reply) != want.refused {
					t.Errorf("the second one was answered %+v", reply)
				}
				p.want(want.keys, want.journal)
				if !want.refused {
					p.b.tell(asksToo, messages.Delivered)
				}
			})
		})
	}
}

// A key that is made once the first one is answered would be another one, and by a clock that is behind the older one, which
// is deleted.
func TestASecondSubscribeThatReadTheJournalBeforeTheFirstIsRefused(t *testing.T) {
	inPair(t, func(p *pair) {
		listed := make(chan struct{})
		p.b.listing = func() { <-listed }
		p.b.behind.Store(int64(time.Hour))
		p.b.subscribe("c2")
		synctest.Wait()
		p.a.subscribe("c1")
		_, asks := p.a.answer()
		p.a.tell(asks, messages.Delivered)
		synctest.Wait()
		close(listed)
		if reply, _ := p.b.answer(); !isRefused(reply) {
			t.Errorf("the second one was answered %+v", reply)
		}
		p.want("[key-1]", "[delivered]")
	})
}

// One that cannot wait any longer takes the key over first: its maker may not answer any more.
func TestASecondSubscribeThatCannotWaitTakesOver(t *testing.T) {
	inPair(t, func(p *pair) {
		thawed := make(chan struct{})
		p.hold = func(write int) {
			if write == writeAnswered {
				<-thawed // it is slow, not gone
			}
		}
		p.a.subscribe("c1")
		time.Sleep(time.Second)
		p.b.subscribe("c2")
		if reply, _ := p.b.answer(); !isRefused(reply) {
			t.Errorf("the second one was answered %+v", reply)
		}
		p.want("[]", "[]")
		close(thawed)
		if reply, _ := p.a.answer(); !isRefused(reply) {
			t.Errorf("the first one was answered %+v", reply)
		}
		p.want("[]", "[]")
		if n := p.a.errors.Load() + p.b.errors.Load(); n > 0 {
			t.Errorf("%d lines at level ERROR, though it is as it should be", n)
		}
	})
}

// APIM rejects the subscription if it reads the refusal before the first one's answer, and throws the key away that it reads
// then. A pong proves that it has read the key, not that it has taken it.
func TestAnAnswerThatARefusalElsewhereMayHaveOvertakenIsListed(t *testing.T) {
	refused := func(p *pair) {
		p.t.Helper()
		if reply, _ := p.b.answer(); !isRefused(reply) {
			p.t.Errorf("the second one was answered %+v", reply)
		}
	}
	answered := func(p *pair) *actor.PID {
		p.a.subscribe("c1")
		_, asks := p.a.answer()
		return asks
	}
	for name, overtaken := range map[string]func(*pair) *actor.PID{
		"it waits until its deadline": func(p *pair) *actor.PID {
			asks := answered(p)
			p.b.subscribe("c2")
			refused(p)
			return asks
		},
		"its session is lost": func(p *pair) *actor.PID {
			asks := answered(p)
			p.b.subscribe("c2")
			time.Sleep(3 * time.Second)
			p.system.Root.Send(p.b.writer, messages.Abandoned{CommandRef: messages.CommandRef{ID: "c2"}})
			refused(p) // nobody hears it
			return asks
		},
		"it has read the journal before": func(p *pair) *actor.PID {
			listed := make(chan struct{})
			p.b.listing = func() { <-listed }
			p.b.subscribe("c2")
			synctest.Wait()
			asks := answered(p)
			close(listed)
			refused(p)
			return asks
		},
		"the first one is gone, and comes back": func(p *pair) *actor.PID {
			asks := answered(p)
			p.a.frozen.Store(true)
			p.b.subscribe("c2")
			refused(p)
			p.a.frozen.Store(false)
			return asks
		},
	} {
		for fate, want := range map[messages.Delivery]struct{ keys, journal string }{
			messages.Delivered: {"[key-1]", "[unconfirmed]"},
			messages.NeverSent: {"[]", "[]"},
		} {
			t.Run(name+", "+fate.String(), func(t *testing.T) {
				inPair(t, func(p *pair) {
					asks := overtaken(p)
					p.want("[key-1]", "[unconfirmed]")
					p.a.tell(asks, fate)
					time.Sleep(healed)
					p.want(want.keys, want.journal)
				})
			})
		}
	}
}

// APIM rejects the subscription when it loses the second one's session. It may have done so before it read the first one's
// answer.
func TestAnAnswerThatWasReadWhenTheSecondSubscribesSessionWasLostIsListed(t *testing.T) {
	inPair(t, func(p *pair) {
		p.a.subscribe("c1")
		_, asks := p.a.answer()
		p.b.subscribe("c2")
		time.Sleep(3100 * time.Millisecond) // between two looks at the entry
		p.a.tell(asks, messages.Delivered)
		p.want("[key-1]", "[delivered]")
		p.system.Root.Send(p.b.writer, messages.Abandoned{CommandRef: messages.CommandRef{ID: "c2"}})
		if reply, _ := p.b.answer(); !isRefused(reply) {
			t.Errorf("the second one was answered %+v", reply)
		}
		p.want("[key-1]", "[unconfirmed]")
	})
}

// Of several that take over what one has left, one is the first. That is no error.
func TestAProcessThatIsNotTheFirstToTakeOverLeavesTheKeyToTheFirst(t *testing.T) {
	inPair(t, func(p *pair) {
		frozen, thaw := p.freeze(writeAttached)
		p.a.subscribe("c1")
		<-frozen
		var once sync.Once
		p.fail(func(c tablesim.Call) tablesim.Fault {
			if c.Client == "b" && c.Op == tablesim.Update && c.Key.Partition == "keys" {
				once.Do(func() {
					third := tablestore.New(p.model.Client("x"), func() string { return "third" })
					entry, _ := third.Entry(p.t.Context(), place.Subscription("s"))
					if _, err := store.TakeOver(p.t.Context(), third, "third", entry); err != nil {
						t.Error(err)
					}
					p.want("[key-1]", "[created] of third")
				})
			}
			return tablesim.None
		})
		time.Sleep(longEnough + 2*sweepEvery) // the third one is gone, too
		p.want("[]", "[]")
		if n := p.b.errors.Load(); n > 0 {
			t.Errorf("%d lines at level ERROR", n)
		}
		thaw()
		p.a.answer()
	})
}

var _ store.KeyJournal = (*tablestore.Store)(nil)
