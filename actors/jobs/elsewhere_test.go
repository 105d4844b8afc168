package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/ingest"
	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/exports"
	"federation-agent/internal/members"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table/tablesim"
	"federation-agent/messages"
)

func TestAJobThatAnotherProcessTakesOverHasNotMoved(t *testing.T) {
	began := time.Now()
	seen, job := elsewhere{}, store.IngestJob{OwnedJob: store.OwnedJob{JobID: "J", Owner: "a"}, StartedAt: began}
	for n, step := range []struct {
		change func()
		since  time.Duration
		moved  bool
	}{
		{func() {}, 0, false},
		{func() {}, 0, false},
		{func() { job.Owner = "b" }, 0, false},
		{func() { job.Acked = []string{"x"} }, 3 * time.Second, true},
		{func() {}, 3 * time.Second, true},
		{func() { job.LastAckAt = began.Add(time.Second) }, 5 * time.Second, true},
	} {
		step.change()
		seen.see([]store.IngestJob{job}, began.Add(time.Duration(n)*time.Second))
		if s := seen["J"]; s.since.Sub(began) != step.since || s.moved != step.moved {
			t.Errorf("step %d: %+v", n, s)
		}
	}
	if seen.see(nil, began); len(seen) > 0 {
		t.Errorf("a job that has ended is still known: %v", seen)
	}
}

// asked holds questions of the journal until a test lets them go.
type asked struct {
	store.Ingests
	mu      sync.Mutex
	hold    chan struct{} // nil: nothing is held
	refuse  error         // of an adoption
	adopted []string
}

func (a *asked) Running(ctx context.Context, integration string) ([]store.IngestJob, error) {
	all, err := a.Ingests.Running(ctx, integration)
	a.mu.Lock()
	hold := a.hold
	a.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return all, err
}

func (a *asked) Adopt(ctx context.Context, job store.OwnedJob, by string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.adopted = append(a.adopted, job.JobID)
	if a.refuse != nil {
		return a.refuse
	}
	return a.Ingests.Adopt(ctx, job, by)
}

// room is the jobs of a replica "b" whose fellow "a" has left, with a catalogue that never answers.
type room struct {
	*testing.T
	journal *asked
	member  *members.Self
	system  *actor.ActorSystem
	jobs    *actor.PID
	parent  *actor.PID
	mu      sync.Mutex
	drained int
	job     *actor.PID // the last one that has asked the catalogue
	log     strings.Builder
}

func (r *room) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

func (r *room) says(what string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Contains(r.log.String(), what)
}

// inRoom runs a test once b may take over what others have left.
func inRoom(t *testing.T, began time.Duration, test func(*room)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		token := func() string { n++; return fmt.Sprint(n) }
		r := &room{
			T: t, journal: &asked{Ingests: tablestore.New(tablesim.New(nil).Client("b"), token)}, member: members.NewSelf("b"),
		}
		if err := r.journal.Start(t.Context(), store.IngestJob{
			OwnedJob: store.OwnedJob{Integration: "I", JobID: "J", Owner: "a"}, StartedAt: time.Now().Add(-began), Total: 3,
		}); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			r.member.See(time.Now(), nil)
			time.Sleep(members.RaiseEvery)
		}
		env := (&life.Env{Now: time.Now, Ingests: r.journal, Member: r.member, Board: status.NewBoard()}).
			Logging(slog.New(slog.NewTextHandler(r, nil)))
		r.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(slog.DiscardHandler)
		}))
		silent := r.system.Root.Spawn(life.Props(env, life.Standing, func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if _, asks := ctx.Message().(messages.GatherAPIs); asks {
					r.mu.Lock()
					defer r.mu.Unlock()
					r.job = ctx.Sender()
				}
			})
		}))
		r.parent = r.system.Root.Spawn(life.Props(env, life.Standing, func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				switch ctx.Message().(type) {
				case *actor.Started:
					r.jobs = ctx.Spawn(Props(env, ingest.Spec{
						Integration: "I", Catalogue: silent, Claims: silent, MaxBytes: 1 << 20, Memory: exports.NewBound(1 << 20),
						Settings: config.Ingest{BatchBytes: 1 << 20, BatchCount: 10, StageWorkers: 1},
					}, nil))
					ctx.Request(r.jobs, messages.SessionUp{Session: 1})
				case messages.Drain:
					ctx.Request(r.jobs, ctx.Message())
				case messages.Drained:
					r.mu.Lock()
					r.drained++
					r.mu.Unlock()
				}
			})
		}))
		test(r)
		_ = r.system.Root.StopFuture(r.parent).Wait()
		time.Sleep(3 * time.Second) // the library's throttle of dead letters
	})
}

// pass lets time go by; the replica looks at the others.
func (r *room) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		r.member.See(time.Now(), nil)
		time.Sleep(members.RaiseEvery)
	}
	synctest.Wait()
}

// owner is whose job J is; empty where it has ended.
func (r *room) owner() string {
	r.Helper()
	all, err := r.journal.Ingests.Running(context.Background(), "I")
	if err != nil {
		r.Fatal(err)
	}
	if len(all) == 0 {
		return ""
	}
	return all[0].Owner
}

func (r *room) running() (n int) {
	counted, err := r.system.Root.RequestFuture(r.jobs, messages.CountJobs{}, time.Second).Result()
	if err != nil {
		r.Fatal(err)
	}
	return counted.(messages.JobsCounted).Running
}

func TestAJobOfAProcessThatIsGoneIsTakenOverOnce(t *testing.T) {
	inRoom(t, 10*time.Minute, func(r *room) { // by a's clock, which may go otherwise
		r.pass(lookEvery)
		r.pass(3 * lookEvery)
		if r.owner() != "b" || r.running() != 1 || len(r.journal.adopted) != 1 {
			r.Errorf("it is %q's, %d run, adopted: %v", r.owner(), r.running(), r.journal.adopted)
		}
	})
}

func TestAJobThatAPIMHoldsNoLongerIsForgotten(t *testing.T) {
	inRoom(t, farOff+time.Minute, func(r *room) {
		r.pass(lookEvery)
		if r.owner() != "" || r.running() != 0 || !r.says("too old to go on with") {
			r.Errorf("it is %q's, %d run", r.owner(), r.running())
		}
	})
}

func TestAJobThatAnotherProcessHasTakenOverFirstIsLeftToIt(t *testing.T) {
	inRoom(t, time.Minute, func(r *room) {
		r.journal.mu.Lock()
		r.journal.refuse = store.ErrMoved
		r.journal.mu.Unlock()
		r.pass(lookEvery)
		if r.running() != 0 || len(r.journal.adopted) == 0 || r.says("cannot take over") {
			r.Errorf("%d run, asked for: %v", r.running(), r.journal.adopted)
		}
	})
}

// The answer to the write is lost: it has succeeded.
func TestAJobThatWasTakenOverUnheardIsGoneOnWith(t *testing.T) {
	inRoom(t, 10*time.Minute, func(r *room) {
		r.journal.mu.Lock()
		r.journal.refuse = store.ErrUnknown
		r.journal.mu.Unlock()
		r.pass(lookEvery)
		if err := r.journal.Ingests.Adopt(r.Context(), store.OwnedJob{Integration: "I", JobID: "J", Owner: "a"}, "b"); err != nil {
			r.Fatal(err)
		}
		r.pass(2 * lookEvery)
		if r.owner() != "b" || r.running() != 1 || !r.says("cannot take over") {
			r.Errorf("it is %q's, %d run", r.owner(), r.running())
		}
	})
}

func TestAProcessThatEndsTakesNothingOver(t *testing.T) {
	inRoom(t, time.Minute, func(r *room) {
		r.system.Root.Send(r.parent, messages.Drain{By: time.Now().Add(time.Minute)})
		r.pass(3 * lookEvery)
		if r.owner() != "a" || len(r.journal.adopted) > 0 || r.drained == 0 {
			r.Errorf("it is %q's, asked for: %v, drained: %d", r.owner(), r.journal.adopted, r.drained)
		}
		answer, err := r.system.Root.RequestFuture(r.jobs, messages.StartIngest{JobID: "K"}, time.Second).Result()
		if err != nil || answer.(messages.Answer).Reply != (messages.Refused{Reason: life.WhyDraining}) {
			r.Errorf("START_INGEST is answered %+v, %v", answer, err)
		}
	})
}

// What the journal said while a job ran says nothing once the job has ended.
func TestAJobThatHasEndedWhileTheJournalWasAskedIsNotBegunAgain(t *testing.T) {
	inRoom(t, time.Minute, func(r *room) {
		r.pass(2 * lookEvery)
		if r.running() != 1 {
			r.Fatalf("%d run", r.running())
		}
		hold := make(chan struct{})
		r.journal.mu.Lock()
		r.journal.hold = hold
		r.journal.mu.Unlock()
		r.pass(lookEvery) // asks, while the job runs
		r.mu.Lock()
		job := r.job
		r.mu.Unlock()
		_ = r.system.Root.StopFuture(job).Wait()
		r.journal.mu.Lock()
		r.journal.hold = nil
		r.journal.mu.Unlock()
		if err := r.journal.Finish(r.Context(), store.OwnedJob{Integration: "I", JobID: "J", Owner: "b"}); err != nil {
			r.Fatal(err)
		}
		close(hold)
		synctest.Wait()
		if r.running() != 0 {
			r.Error("it runs again")
		}
	})
}
