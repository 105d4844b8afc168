package member

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

	"federation-agent/actors/life"
	"federation-agent/internal/members"
	"federation-agent/internal/status"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table/tablesim"
	"federation-agent/messages"
)

// lines are what a process logs.
type lines struct {
	slog.Handler
	mu   *sync.Mutex
	said *[]string
}

func (l lines) Enabled(context.Context, slog.Level) bool { return true }
func (l lines) WithAttrs([]slog.Attr) slog.Handler       { return l }

func (l lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	*l.said = append(*l.said, r.Level.String()+" "+r.Message)
	return nil
}

// estate is processes over one table.
type estate struct {
	*testing.T
	model  *tablesim.Model
	system *actor.ActorSystem
	// fault is how the calls of a client fail.
	fault  sync.Map
	busy   atomic.Int32 // writes of members' items under way, of client a
	crowds atomic.Int32 // how often there were two
}

// process is one of them. Its parent hears what the member tells.
type process struct {
	*estate
	self  *members.Self
	board *status.Board
	pid   *actor.PID
	heard chan any
	log   lines
}

func inEstate(t *testing.T, test func(*estate)) {
	synctest.Test(t, func(t *testing.T) {
		e := &estate{T: t, system: actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(slog.DiscardHandler)
		}))}
		e.model = tablesim.New(func(ctx context.Context, c tablesim.Call) tablesim.Fault {
			if c.Client == "a" && c.Op == tablesim.Update && c.Key.Partition == "member" {
				if e.busy.Add(1) > 1 {
					e.crowds.Add(1)
				}
				defer e.busy.Add(-1)
			}
			time.Sleep(10 * time.Millisecond)
			fault, _ := e.fault.Load(c.Client)
			if f, is := fault.(tablesim.Fault); is {
				return f
			}
			return tablesim.None
		})
		test(e)
		time.Sleep(10 * time.Second) // what was under way ends
		if n := e.crowds.Load(); n > 0 {
			t.Errorf("%d signs of life of one process were under way beside another", n)
		}
	})
}

// agent is the parent.
type agent struct {
	*process
	env *life.Env
}

func (a agent) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		a.pid = ctx.Spawn(Props(a.env))
	case Shown, Left:
		a.heard <- m
	}
}

func (e *estate) process(name string) *process {
	p := &process{
		estate: e, self: members.NewSelf(name), board: status.NewBoard(), heard: make(chan any, 10_000),
		log: lines{slog.DiscardHandler, &sync.Mutex{}, &[]string{}},
	}
	p.board.Serve("orders", time.Now())
	p.board.Share(status.Shared{ID: name, Table: "journal", Region: "eu-west-1"})
	tokens := 0
	watched := tablestore.Watch(e.model.Client(name), slog.New(p.log), p.board)
	journal := tablestore.New(watched, func() string { tokens++; return fmt.Sprint(name, tokens) })
	_ = journal.Open(e.Context()) // what fails is tried again
	env := (&life.Env{
		Now: time.Now, Jitter: func() float64 { return 0 }, Board: p.board, Member: p.self, Registry: journal, Version: "1.2.3",
	}).Logging(slog.New(p.log))
	e.system.Root.Spawn(life.Props(env, life.Standing, func() actor.Actor { return agent{p, env} }))
	synctest.Wait()
	return p
}

// end stops the process without a word.
func (p *process) end() { _ = p.system.Root.StopFuture(p.pid).Wait() }

// leave ends the process in order. It reports whether the agent has heard that it may end.
func (p *process) leave() (left bool) {
	p.system.Root.Send(p.pid, Leave{})
	time.Sleep(100 * time.Millisecond)
	p.end()
	for len(p.heard) > 0 {
		_, is := (<-p.heard).(Left)
		left = left || is
	}
	return left
}

// said gives what was logged since the last time.
func (p *process) said() string {
	synctest.Wait()
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	text := strings.Join(*p.log.said, "\n")
	*p.log.said = nil
	return text
}

func (p *process) shared() status.Shared { return *p.board.Read().Shared }

func (p *process) stands() bool { return p.self.Stands(time.Now()) }

func TestAProcessShowsASignOfLifeEveryTwoSeconds(t *testing.T) {
	inEstate(t, func(e *estate) {
		a := e.process("a")
		time.Sleep(time.Minute + time.Second)
		updates := 0
		for _, c := range e.model.Calls() {
			if c.Op == tablesim.Update && c.Key.Partition == "member" {
				updates++
			}
		}
		if s := a.shared(); updates != 31 || !a.stands() || !s.Stands || s.Failure != "" || time.Since(s.ConfirmedAt) > 3*time.Second {
			t.Errorf("%d signs in a minute, stands %v, %+v", updates, a.stands(), s)
		}
		if _, is := (<-a.heard).(Shown); !is || a.said() != "" {
			t.Error("the agent was not told, or the log was")
		}
		a.end()
	})
}

func TestMembersComeAndGo(t *testing.T) {
	inEstate(t, func(e *estate) {
		a := e.process("a")
		a.board.SessionUp("orders", "https://apim", time.Now())
		b := e.process("b")
		time.Sleep(5 * time.Second)
		if s := b.shared(); len(s.Others) != 1 || s.Others[0].ID != "a" || s.Others[0].Version != "1.2.3" ||
			!slices.Equal(s.Others[0].Ready, []string{"orders"}) || s.Others[0].Gone || !b.self.OthersReady(time.Now(), "orders") {
			t.Errorf("%+v", s)
		}
		a.system.Root.Send(a.pid, messages.Drain{})
		time.Sleep(5 * time.Second)
		if b.self.OthersReady(time.Now(), "orders") {
			t.Error("others may wait for one that is leaving")
		}
		if !b.leave() {
			t.Error("the agent does not hear that it may end")
		}
		time.Sleep(5 * time.Second)
		if got, want := a.said(), "INFO another agent shares the journal\nINFO an agent that shared the journal has left"; got != want {
			t.Errorf("%s", got)
		}
		if s := a.shared(); len(s.Others) != 0 {
			t.Errorf("%+v", s)
		}
		a.end()
	})
}

func TestWhoEndsWithoutAWordIsGoneAndThenForgotten(t *testing.T) {
	inEstate(t, func(e *estate) {
		a, b := e.process("a"), e.process("b")
		time.Sleep(30 * time.Second)
		a.end()
		b.said()
		time.Sleep(members.GoneAfter - 2*time.Second)
		if b.shared().Others[0].Gone || b.said() != "" {
			t.Error("it is taken for gone too early")
		}
		time.Sleep(5 * time.Second)
		s, said := b.shared(), b.said()
		if !s.Others[0].Gone || !strings.HasPrefix(said, "WARN an agent that shares the journal gives no sign of life") {
			t.Errorf("%+v, %s", s, said)
		}
		c := e.process("c") // it has not seen it live
		time.Sleep(dropAfter)
		if s := c.shared(); len(s.Others) != 1 || s.Others[0].ID != "b" || len(b.shared().Others) != 1 {
			t.Errorf("%+v", s)
		}
		if said := c.said(); said != "INFO another agent shares the journal" {
			t.Errorf("%s", said)
		}
		b.end()
		c.end()
	})
}

func TestWithoutTheTableAProcessStopsAndGoesOnByItself(t *testing.T) {
	for _, fault := range []tablesim.Fault{tablesim.LostAfter, tablesim.Slow, tablesim.Throttled, tablesim.Denied} {
		inEstate(t, func(e *estate) {
			a, b := e.process("a"), e.process("b")
			time.Sleep(30 * time.Second)
			a.said()
			e.fault.Store("a", fault)
			time.Sleep(members.StandsFor - 2*time.Second)
			if s := a.shared(); !a.stands() || s.Failure == "" {
				t.Errorf("%v: a sign that is lost is not the end yet: %+v", fault, s)
			}
			time.Sleep(40 * time.Second)
			if s := a.shared(); a.stands() || s.Stands || s.Unconfirmed < 10 || time.Since(s.FailingSince) < 40*time.Second {
				t.Errorf("%v: stands %v, %+v", fault, a.stands(), s)
			}
			if !a.self.Others(time.Now(), "b") {
				t.Errorf("%v: b is taken for gone by one that cannot see it", fault)
			}
			if got := a.said(); !strings.HasPrefix(got, "ERROR store: the journal's table journal (agent.store.table.name) cannot be") ||
				strings.Count(got, "\n") > 0 {
				t.Errorf("%v: the fault is not one line: %s", fault, got)
			}
			e.fault.Delete("a")
			time.Sleep(5 * time.Second)
			if got := a.said(); !a.stands() || got != "INFO store: the journal's table can be used again" {
				t.Errorf("%v: stands %v, %s", fault, a.stands(), got)
			}
			time.Sleep(15 * time.Minute)
			if got := a.said(); got != "" {
				t.Errorf("%v: long after it was over the log says %s", fault, got)
			}
			a.end()
			b.end()
		})
	}
}

func TestATableThatIsAwayAtTheStartKeepsNobodyFromStarting(t *testing.T) {
	inEstate(t, func(e *estate) {
		e.fault.Store("a", tablesim.Missing)
		a := e.process("a")
		time.Sleep(raiseWithin)
		if len(a.heard) == 0 || a.stands() {
			t.Errorf("stands %v", a.stands())
		}
		e.fault.Delete("a")
		time.Sleep(5 * time.Second)
		if !a.stands() {
			t.Error("it does not heal")
		}
		a.leave()
	})
}
