package catalogue

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/go-cmp/cmp"

	"federation-agent/actors/life"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/members"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table/tablesim"
	"federation-agent/internal/targets"
	"federation-agent/messages"
)

const testAccount = "111122223333"

// world is what catalogues share: a table, and what AWS has.
type world struct {
	t     *testing.T
	model *tablesim.Model
	// fault decides about the table's calls.
	fault func(tablesim.Call) tablesim.Fault
	// apis are the names of the APIs of a region, which are their ids, too. A region that is nil cannot be listed.
	apis map[string][]string
	stop []func()
}

// inWorld runs a test in virtual time.
func inWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, apis: map[string][]string{}, fault: func(tablesim.Call) tablesim.Fault { return tablesim.None }}
		w.model = tablesim.New(func(_ context.Context, c tablesim.Call) tablesim.Fault { return w.fault(c) })
		test(w)
		for _, stop := range w.stop {
			stop()
		}
		time.Sleep(time.Hour) // the library counts dead letters for a while
	})
}

// process is a catalogue with its targets, in a process of its own.
type process struct {
	w         *world
	system    *actor.ActorSystem
	catalogue *actor.PID
	asker     *actor.PID
	asked     atomic.Int32 // how often targets were
	log       *logged

	mu       sync.Mutex
	gathered []messages.GatheredAPIs
	located  []messages.APILocated
}

// logged is a log that timers write to, too.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// answers are all that came so far.
func (p *process) answers() ([]messages.GatheredAPIs, []messages.APILocated) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.gathered), slices.Clone(p.located)
}

func (w *world) start(name string, alone bool, regions ...string) *process {
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{w: w, log: &logged{}}
	var n atomic.Int32
	env := (&life.Env{
		Life: ctx, Now: time.Now, Jitter: func() float64 { return 0 }, Board: status.NewBoard(),
		Listings: tablestore.New(w.model.Client(name), func() string { return fmt.Sprint(name, n.Add(1)) }),
	}).Logging(slog.New(slog.NewTextHandler(p.log, nil)))
	if !alone {
		env.Member = members.NewSelf(name)
	}
	p.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
	spawn := func(does func(actor.Context)) *actor.PID {
		return p.system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return actor.ReceiveFunc(does) }))
	}
	var rows []targets.Row[*actor.PID]
	pids := []*actor.PID{}
	for _, region := range regions {
		pid := spawn(func(ctx actor.Context) {
			if m, is := ctx.Message().(messages.ListTarget); is {
				p.asked.Add(1)
				ctx.Respond(w.listing(m, region))
			}
		})
		pids = append(pids, pid)
		rows = append(rows, targets.Row[*actor.PID]{Account: testAccount, Region: region, Target: pid})
	}
	p.catalogue = p.system.Root.Spawn(Props(env, Spec{Integration: "I", Targets: targets.New(rows...)}))
	p.asker = spawn(func(ctx actor.Context) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch m := ctx.Message().(type) {
		case messages.GatherAPIs, messages.LocateAPI:
			ctx.Request(p.catalogue, m)
		case messages.GatheredAPIs:
			p.gathered = append(p.gathered, m)
		case messages.APILocated:
			p.located = append(p.located, m)
		}
	})
	w.stop = append(w.stop, func() {
		for _, pid := range append(pids, p.catalogue, p.asker) {
			_ = p.system.Root.StopFuture(pid).Wait()
		}
		p.system.Shutdown()
		cancel()
	})
	return p
}

func (w *world) listing(m messages.ListTarget, region string) messages.TargetListing {
	l := messages.TargetListing{
		Request: m.Request, Target: federation.Target{Account: testAccount, Region: region}, StartedAt: time.Now(),
		Narrow: len(m.Only) > 0,
	}
	if w.apis[region] == nil {
		l.Failure = "AWS is away"
		return l
	}
	l.Complete = true
	for _, name := range w.apis[region] {
		api := &gateway.RestAPI{ID: name, Name: name}
		l.APIs, l.Entries = append(l.APIs, api), append(l.Entries, federation.Entry{API: api, Stage: "prod"})
	}
	return l
}

// ask sends a question, and waits until nothing more happens by itself.
func (p *process) ask(message any) {
	p.system.Root.Send(p.asker, message)
	synctest.Wait()
}

// names asks for a region's APIs, or for all, and gives their names.
func (p *process) names(region string) string {
	p.w.t.Helper()
	m := messages.GatherAPIs{}
	if region != "" {
		for _, name := range p.w.apis[region] {
			m.Only = append(m.Only, idOf(region, name))
		}
	}
	before, _ := p.answers()
	p.ask(m)
	after, _ := p.answers()
	if len(after) != len(before)+1 {
		p.w.t.Fatalf("%d answers\n%s", len(after)-len(before), p.log)
	}
	var names []string
	for _, e := range after[len(before)].APIs {
		names = append(names, e.Name)
	}
	return strings.Join(names, ", ")
}

func idOf(region, name string) string {
	return federation.ID{Account: testAccount, Region: region, RestAPI: name, Stage: "prod"}.String()
}

// calls are those of the table since the last time.
func (w *world) calls(from *int) string {
	var did []string
	for _, c := range w.model.Calls()[*from:] {
		did = append(did, fmt.Sprint(c.Client, " ", c.Op))
	}
	*from = len(w.model.Calls())
	return strings.Join(did, ", ")
}

func (w *world) is(what, got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// A target that cannot be listed renames nothing, whichever process is asked and whoever has listed it. The table is read
// again only where not everything was listed anew.
func TestAPIsAreNamedByWhatOtherProcessesHaveListed(t *testing.T) {
	inWorld(t, func(w *world) {
		seen := 0
		w.apis["r1"], w.apis["r2"] = []string{"Pets"}, []string{"Cars"}
		a := w.start("a", false, "r1", "r2")
		synctest.Wait()
		b := w.start("b", false, "r1", "r2")
		synctest.Wait()
		w.is("at the start", w.calls(&seen), "a Query, b Query")
		w.is("named by a", a.names(""), "Pets, Cars")
		w.is("all were listed for the first time", w.calls(&seen), "a Update, a Update")
		w.apis["r2"] = []string{"Pets"}
		w.is("both are called the same", a.names(""), "Pets [r1], Pets [r2]")
		w.is("one has changed", w.calls(&seen), "a Update")
		w.is("and again", a.names(""), "Pets [r1], Pets [r2]")
		w.is("nothing has changed", w.calls(&seen), "")
		w.is("a part, by b", b.names("r1"), "Pets [r1]")
		w.is("b reads what a has listed", w.calls(&seen), "b Query")
		w.apis["r2"] = nil
		c := w.start("c", false, "r1", "r2")
		w.is("r2 is away", c.names(""), "Pets [r1]")
		w.is("c reads at its start and as not all was listed", w.calls(&seen), "c Query, c Query")
		w.fault = func(tablesim.Call) tablesim.Fault { return tablesim.Throttled }
		w.is("the table is away, too", b.names(""), "Pets [r1]")
		w.is("the table is away, for c", c.names("r1"), "Pets [r1]")
	})
}

// A journal of this process alone has nothing that the catalogue does not know: it is read once.
func TestAProcessAloneReadsItsListingsOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		seen := 0
		w.apis["r1"], w.apis["r2"] = []string{"Pets"}, []string{"Pets"}
		a := w.start("a", true, "r1", "r2")
		w.is("all", a.names(""), "Pets [r1], Pets [r2]")
		w.is("calls", w.calls(&seen), "a Query, a Update, a Update")
		w.apis["r2"] = nil
		w.is("a part", a.names("r1"), "Pets [r1]")
		w.is("r2 is away", a.names(""), "Pets [r1]")
		a.ask(messages.LocateAPI{RestAPI: "unknown"})
		w.is("calls", w.calls(&seen), "")
		a.ask(messages.LocateAPI{RestAPI: "Pets"})
		if _, located := a.answers(); len(located) != 2 || located[0].Failure == "" || located[1].Failure == "" {
			t.Errorf("%+v", located)
		}
	})
}

// While the listings cannot be read, AWS is not asked, and whoever has a deadline hears so. It heals by itself, and what
// waits without a deadline is named as if nothing had been.
func TestNothingIsListedBeforeTheLastListingsAreRead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.apis["r1"], w.apis["r2"] = []string{"Pets"}, []string{"Pets"}
		w.start("a", false, "r1", "r2").names("")
		w.apis["r2"] = nil
		seen := len(w.model.Calls())
		var away atomic.Bool
		away.Store(true)
		w.fault = func(tablesim.Call) tablesim.Fault {
			if away.Load() {
				return tablesim.Throttled
			}
			return tablesim.None
		}
		b := w.start("b", false, "r1", "r2")
		began := time.Now()
		b.ask(messages.GatherAPIs{By: time.Now().Add(48 * time.Second)})
		b.ask(messages.GatherAPIs{By: time.Now().Add(5 * time.Second), Only: []string{idOf("r1", "Pets")}})
		b.ask(messages.GatherAPIs{})
		b.ask(messages.LocateAPI{RestAPI: "Pets"})
		for _, step := range []struct {
			at                time.Duration
			gathered, located int
		}{{5*time.Second - 1, 0, 0}, {5 * time.Second, 1, 0}, {10*time.Second - 1, 1, 0}, {10 * time.Second, 2, 1}, {5 * time.Minute, 2, 1}} {
			time.Sleep(step.at - time.Since(began))
			synctest.Wait()
			if gathered, located := b.answers(); len(gathered) != step.gathered || len(located) != step.located {
				t.Fatalf("after %s: %d gathered, %d located", step.at, len(gathered), len(located))
			}
		}
		gathered, located := b.answers()
		for n, m := range gathered {
			if m.Complete || len(m.APIs)+len(m.Whole) > 0 || len(m.Listings) != n+1 || len(m.Failures) != 1 ||
				!strings.Contains(m.Failures[0], "cannot be read from the journal yet; trying again: ") {
				t.Errorf("%+v", m)
			}
			for _, l := range m.Listings { // neither complete nor failed: an ingest waits for it
				if l.Complete || l.Failure != "" || l.Target.Account != testAccount {
					t.Errorf("%+v", l)
				}
			}
		}
		if b.asked.Load() > 0 || !strings.Contains(located[0].Failure, "cannot be read from the journal yet") {
			t.Errorf("asked %d times; %+v", b.asked.Load(), located)
		}
		// 1, 2, 4, 8, 16 s, then every 30 s.
		w.is("tries", w.calls(&seen), strings.TrimSuffix(strings.Repeat("b Query, ", 14), ", "))
		away.Store(false)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		gathered, _ = b.answers()
		if len(gathered) != 3 || len(gathered[2].APIs) != 1 || gathered[2].APIs[0].Name != "Pets [r1]" {
			t.Fatalf("%+v", gathered)
		}
		w.is("what comes then", b.names("r1"), "Pets [r1]")
		if n := strings.Count(b.log.String(), "cannot read the last listings"); n == 0 || n > 3 {
			t.Errorf("%d lines\n%s", n, b.log)
		}
	})
}

// A listing that could not be saved is saved later, as it is then. An old one never comes last.
func TestAListingThatCouldNotBeSavedIsSavedLater(t *testing.T) {
	inWorld(t, func(w *world) {
		held := make(chan struct{})
		var hold, away atomic.Bool
		away.Store(true)
		w.fault = func(c tablesim.Call) tablesim.Fault {
			switch {
			case c.Op != tablesim.Update:
			case hold.Swap(false):
				<-held
			case away.Load():
				return tablesim.Throttled
			}
			return tablesim.None
		}
		w.apis["r1"] = []string{"one"}
		a := w.start("a", false, "r1")
		a.names("")
		w.apis["r1"] = []string{"two"}
		a.names("")
		if !strings.Contains(a.log.String(), "cannot keep a listing; names may change after a restart") {
			t.Errorf("the log:\n%s", a.log)
		}
		away.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		saved := func() string {
			listings, err := tablestore.New(w.model.Client("reader"), nil).Listings(t.Context(), "I")
			return fmt.Sprint(listings[testAccount+":r1"], err)
		}
		w.is("saved", saved(), fmt.Sprint([]store.RememberedAPI{{ID: idOf("r1", "two"), Name: "two"}}, nil))
		// A write that takes long, and two listings behind it.
		hold.Store(true)
		for _, name := range []string{"three", "four", "five"} {
			w.apis["r1"] = []string{name}
			a.names("")
		}
		seen := len(w.model.Calls())
		close(held)
		synctest.Wait()
		w.is("saved at last", saved(), fmt.Sprint([]store.RememberedAPI{{ID: idOf("r1", "five"), Name: "five"}}, nil))
		w.is("calls", w.calls(&seen), "a Update, a Update, reader Query")
	})
}

// What was listed here while the table was read is newer than what that brings.
func TestWhatWasListedMeanwhileCountsMoreThanWhatIsRead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.apis["r1"], w.apis["r2"] = []string{"Pets"}, []string{"Cars"}
		a := w.start("a", false, "r1", "r2")
		w.is("first", a.names(""), "Pets, Cars")
		w.fault = func(c tablesim.Call) tablesim.Fault { // nothing is saved from now on
			if c.Op == tablesim.Update {
				return tablesim.LostBefore
			}
			return tablesim.None
		}
		w.apis["r2"] = []string{"Pets"}
		w.is("listed", a.names(""), "Pets [r1], Pets [r2]")
		w.is("read again", a.names("r1"), "Pets [r1]")
		time.Sleep(time.Hour)
		w.is("much later", a.names("r1"), "Pets [r1]")
	})
}

// In a rolling update the new process has a target that the old one has not. The old one leaves it alone, also where it
// reads again. Who starts forgets it.
func TestAnOldProcessLeavesANewOnesTargetsAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		seen := 0
		w.apis["r1"], w.apis["r2"] = []string{"Pets"}, []string{"Pets"}
		old := w.start("old", false, "r1")
		w.is("alone", old.names(""), "Pets")
		w.is("the new one", w.start("new", false, "r1", "r2").names(""), "Pets [r1], Pets [r2]")
		w.calls(&seen)
		w.is("a part", old.names("r1"), "Pets")
		w.is("calls", w.calls(&seen), "old Query")
		w.is("who starts", w.start("late", false, "r1").names(""), "Pets")
		w.is("calls of who starts", w.calls(&seen), "late Query, late Delete")
	})
}

func TestABareIDIsFoundInWhatAnotherProcessHasListed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.apis["r1"], w.apis["r2"] = []string{"Pets"}, []string{"Cars"}
		a, b := w.start("a", false, "r1", "r2"), w.start("b", false, "r1", "r2")
		synctest.Wait()
		a.names("")
		b.ask(messages.LocateAPI{RestAPI: "Cars"})
		b.ask(messages.LocateAPI{RestAPI: "unknown"})
		want := []messages.APILocated{
			{RestAPI: "Cars", Target: federation.Target{Account: testAccount, Region: "r2"}},
			{RestAPI: "unknown", Failure: "no listing has shown a REST API unknown yet: discover or ingest first, then try again"},
		}
		_, located := b.answers()
		if diff := cmp.Diff(want, located); diff != "" {
			t.Error(diff)
		}
	})
}
