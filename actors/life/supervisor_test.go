package life

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// family is a parent with children of every kind; each notes what it hears under its name.
type family struct {
	t      *testing.T
	system *actor.ActorSystem
	env    *Env
	heard  chan string
	child  sync.Map // *actor.PID by name; every member spawns in a goroutine of its own
}

type member struct {
	Scoped
	family *family
	name   string
	begin  func(actor.Context)
}

type (
	explode struct{}
	say     struct{ word string }
	block   struct{ d time.Duration }
)

func (m *member) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		m.family.heard <- m.name + " begins"
		if m.begin != nil {
			m.begin(ctx)
		}
	case *actor.Stopped:
		m.family.heard <- m.name + " ends"
	case say:
		m.family.heard <- m.name + " " + message.word
	case block:
		time.Sleep(message.d)
	case explode:
		panic("a test's")
	}
}

func (f *family) props(name string, kind Kind, begin func(actor.Context), together ...string) *actor.Props {
	return Props(f.env, kind, func() actor.Actor { return &member{family: f, name: name, begin: begin} }, together...)
}

// inFamily runs test with a parent whose children a, b restart together and c alone; p is a part of a, w a worker of b.
func inFamily(t *testing.T, test func(*testing.T, *family)) {
	synctest.Test(t, func(t *testing.T) {
		f := &family{
			t: t, env: (&Env{Jitter: func() float64 { return 0 }}).Logging(slog.New(slog.DiscardHandler)),
			heard: make(chan string, 1000),
		}
		f.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return f.env.Log }))
		spawn := func(ctx actor.Context, name string, kind Kind, begin func(actor.Context)) {
			f.child.Store(name, ctx.SpawnPrefix(f.props(name, kind, begin), name+"-"))
		}
		parent := f.system.Root.Spawn(f.props("parent", Standing, func(ctx actor.Context) {
			spawn(ctx, "a", Standing, func(ctx actor.Context) { spawn(ctx, "p", Part, nil) })
			spawn(ctx, "b", Standing, func(ctx actor.Context) { spawn(ctx, "w", Worker, nil) })
			spawn(ctx, "c", Standing, nil)
		}, "a-", "b-"))
		f.news("parent begins", "a begins", "b begins", "c begins", "p begins", "w begins")
		test(t, f)
		_ = f.system.Root.StopFuture(parent).Wait()
		time.Sleep(3 * time.Second) // the library's dead letters have a timer of their own
	})
}

func (f *family) tell(name string, message any) {
	child, _ := f.child.Load(name)
	f.system.Root.Send(child.(*actor.PID), message)
}

// news is all that was heard since the last call, in any order.
func (f *family) news(want ...string) {
	f.t.Helper()
	synctest.Wait()
	var got []string
	for len(f.heard) > 0 {
		got = append(got, <-f.heard)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		f.t.Errorf("heard %s, want %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

func TestWhoCannotDoWithoutEachOtherRestartsTogether(t *testing.T) {
	inFamily(t, func(_ *testing.T, f *family) {
		f.tell("a", explode{})
		f.news()
		time.Sleep(restartFloor)
		f.news("p ends", "w ends", "a begins", "b begins", "p begins", "w begins")
	})
}

func TestWhoRestartsAloneTakesNobodyAlong(t *testing.T) {
	inFamily(t, func(_ *testing.T, f *family) {
		f.tell("c", explode{})
		time.Sleep(restartFloor)
		f.news("c begins")
	})
}

func TestAPartFailsWithItsParent(t *testing.T) {
	inFamily(t, func(_ *testing.T, f *family) {
		f.tell("p", explode{})
		time.Sleep(restartFloor)
		f.news("p ends", "w ends", "a begins", "b begins", "p begins", "w begins")
	})
}

func TestAWorkerThatFailsEnds(t *testing.T) {
	inFamily(t, func(_ *testing.T, f *family) {
		f.tell("w", explode{})
		time.Sleep(time.Hour)
		f.news("w ends")
	})
}

// What waits in the mailbox of one that restarts only because another failed is for its next incarnation, also while it
// waits for its own child to end.
func TestARestartLosesNoMessageOfAHealthyActor(t *testing.T) {
	inFamily(t, func(_ *testing.T, f *family) {
		f.tell("w", block{time.Second})
		f.tell("a", explode{})
		time.Sleep(restartFloor + time.Millisecond)
		f.tell("b", say{"hears"})
		f.news("p ends", "a begins", "p begins")
		time.Sleep(time.Second)
		f.news("w ends", "b begins", "w begins", "b hears")
	})
}

func TestTwoFailuresAtATimeAreOneRestart(t *testing.T) {
	inFamily(t, func(_ *testing.T, f *family) {
		f.tell("a", explode{})
		f.tell("b", explode{})
		time.Sleep(time.Hour)
		f.news("p ends", "w ends", "a begins", "b begins", "p begins", "w begins")
	})
}

func TestTheDelayGrowsAndStartsOverAfterAHealthyMinute(t *testing.T) {
	inFamily(t, func(t *testing.T, f *family) {
		for n := range 12 {
			f.tell("c", explode{})
			delay := Backoff(n, restartFloor, restartCap, 0)
			time.Sleep(delay - time.Millisecond)
			f.news()
			time.Sleep(time.Millisecond)
			f.news("c begins")
			if n == 11 && delay != restartCap/2 {
				t.Errorf("the last delay is %s", delay)
			}
		}
		time.Sleep(restartHealthy + time.Second)
		f.tell("c", explode{})
		time.Sleep(restartFloor)
		f.news("c begins")
	})
}

func TestNobodyIsBroughtBackByAParentThatEnds(t *testing.T) {
	inFamily(t, func(_ *testing.T, f *family) {
		f.tell("w", block{time.Second}) // the parent waits for b, which waits for w
		f.tell("a", explode{})
		synctest.Wait()
	})
}

// restarts notes what a supervisor does to the children of a parent, in order.
type restarts struct {
	actor.Supervisor // what is not used
	children         []*actor.PID
	done             []string
}

func (r *restarts) Children() []*actor.PID { return r.children }

func (r *restarts) RestartChildren(children ...*actor.PID) {
	for _, child := range children {
		r.done = append(r.done, "restart "+child.Id)
	}
}

// suspended is the mailbox of one of them.
type suspended struct {
	actor.Process
	of *restarts
}

func (s suspended) SendSystemMessage(child *actor.PID, message any) {
	if _, is := message.(*actor.SuspendMailbox); is {
		s.of.done = append(s.of.done, "suspend "+child.Id)
	}
}

// Nobody of the last incarnation may hear that a neighbour's worker ends, or be asked by a neighbour's next incarnation.
func TestAllWhoRestartTogetherAreSuspendedBeforeTheFirstRestarts(t *testing.T) {
	system := actor.NewActorSystem()
	r := &restarts{}
	for _, name := range []string{"a-1", "c-1", "b-1"} {
		pid, _ := system.ProcessRegistry.Add(suspended{of: r}, name)
		r.children = append(r.children, pid)
	}
	s := &supervisor{together: []string{"a-", "b-"}, failures: map[string]failures{}}
	s.begin(r.children[0])
	s.restart(system, restartDue{life: s.life, parent: r, child: r.children[2]})
	if want := []string{"suspend a-1", "suspend b-1", "restart a-1", "restart b-1"}; !slices.Equal(r.done, want) {
		t.Errorf("done: %s", strings.Join(r.done, ", "))
	}
}
