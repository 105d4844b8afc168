package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

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

// away is a journal that a test can take away.
type away struct {
	store.Ingests
	mu       sync.Mutex
	is       bool
	finishes int
}

func (a *away) set(is bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.is = is
}

func (a *away) Finish(ctx context.Context, job store.OwnedJob) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.finishes++
	if a.is {
		return store.ErrNotWritten
	}
	return a.Ingests.Finish(ctx, job)
}

// replica is a process that goes on with the job J, which last moved a while ago. Nobody answers its catalogue's question.
// Where the job's end was being sent already, it asks none.
type replica struct {
	*testing.T
	journal *away
	member  *members.Self
	system  *actor.ActorSystem
	job     *actor.PID
	mu      sync.Mutex
	sent    []time.Time // when INGESTs reached the session
	number  int         // of the last one
	ended   bool
}

func goingOn(t *testing.T, job store.IngestJob, age time.Duration, stands bool, test func(*replica)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		token := func() string { n++; return fmt.Sprint(n) }
		r := &replica{T: t, member: members.NewSelf("b")}
		r.journal = &away{Ingests: tablestore.New(tablesim.New(nil).Client("b"), token)}
		job.OwnedJob, job.StartedAt, job.Total = store.OwnedJob{Integration: "I", JobID: "J", Owner: "b"}, time.Now(), 3
		if err := r.journal.Start(t.Context(), job); err != nil {
			t.Fatal(err)
		}
		if stands {
			r.member.Raised(time.Now())
		}
		env := (&life.Env{Now: time.Now, Ingests: r.journal, Member: r.member, Board: status.NewBoard()}).
			Logging(slog.New(slog.NewTextHandler(t.Output(), nil)))
		r.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(slog.DiscardHandler)
		}))
		silent := r.system.Root.Spawn(life.Props(env, life.Standing, func() actor.Actor {
			return actor.ReceiveFunc(func(actor.Context) {})
		}))
		parent := r.system.Root.Spawn(life.Props(env, life.Standing, func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				r.mu.Lock()
				defer r.mu.Unlock()
				switch m := ctx.Message().(type) {
				case *actor.Started:
					r.job = ctx.Spawn(Props(env, Spec{
						Integration: "I", Catalogue: silent, Claims: silent, MaxBytes: 1 << 20, Memory: exports.NewBound(1 << 20),
						Settings: config.Ingest{BatchBytes: 1 << 20, BatchCount: 10, StageWorkers: 1},
					}, JobSpec{Command: messages.StartIngest{JobID: "J"}, Session: silent, Resumed: &job, Age: age}))
				case Outgoing:
					r.sent, r.number = append(r.sent, time.Now()), m.Send.Batch
				case *actor.Terminated:
					r.ended = true
				}
			})
		}))
		synctest.Wait()
		test(r)
		_ = r.system.Root.StopFuture(parent).Wait()
		time.Sleep(3 * time.Second) // the library's throttle of dead letters
	})
}

func (r *replica) seen() (sent int, ended bool) {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sent), r.ended
}

// What is left of the time for which APIM holds the job may be less than until the next look.
func TestAJobThatIsGoneOnWithIsKeptAliveAtOnce(t *testing.T) {
	goingOn(t, store.IngestJob{}, HeldFor-time.Second, true, func(r *replica) {
		if sent, _ := r.seen(); sent != 1 {
			r.Errorf("%d sent", sent)
		}
	})
}

// While it lists, too, a job is written down anew before it is kept alive after a while without the table.
func TestAJobThatListsIsKeptAliveOnceTheTableIsBack(t *testing.T) {
	goingOn(t, store.IngestJob{}, keepAlive, false, func(r *replica) {
		time.Sleep(members.StandsFor + time.Second)
		if sent, _ := r.seen(); sent != 0 {
			r.Fatalf("%d sent by a process that may not act", sent)
		}
		r.member.Raised(time.Now())
		time.Sleep(2 * deferFor)
		if sent, _ := r.seen(); sent != 1 {
			r.Errorf("%d sent", sent)
		}
	})
}

// What a process may not send it does not try for ever: APIM holds the job no longer. A job that still lists goes on, as
// APIM takes what comes of it.
func TestAJobWhoseProcessMayNotActEndsOnceAPIMHoldsItNoLonger(t *testing.T) {
	for doneSent, ends := range map[bool]bool{true: true, false: false} {
		goingOn(t, store.IngestJob{DoneSent: doneSent}, 0, false, func(r *replica) {
			time.Sleep(HeldFor - time.Second)
			if _, ended := r.seen(); ended {
				r.Errorf("done sent %v: it ends while APIM holds it", doneSent)
			}
			time.Sleep(2*time.Second + 2*deferFor)
			if sent, ended := r.seen(); sent != 0 || ended != ends {
				r.Errorf("done sent %v: %d sent, ended: %v", doneSent, sent, ended)
			}
			for range checkEvery / members.RaiseEvery {
				r.member.Raised(time.Now())
				time.Sleep(members.RaiseEvery)
			}
			if sent, _ := r.seen(); (sent == 1) == ends {
				r.Errorf("done sent %v: %d sent once it may act again", doneSent, sent)
			}
		})
	}
}

// Else it would be gone on with, and its end be sent twice.
func TestThatAJobHasEndedIsWrittenDownOnceTheTableIsBack(t *testing.T) {
	for back, finishes := range map[time.Duration]bool{time.Minute: true, HeldFor + time.Minute: false} {
		goingOn(t, store.IngestJob{}, 0, true, func(r *replica) {
			r.journal.set(true)
			r.system.Root.Send(r.job, jobWritten{err: store.ErrMoved})
			time.Sleep(back)
			r.journal.set(false)
			time.Sleep(2 * deferFor)
			all, err := r.journal.Running(r.Context(), "I")
			if _, ended := r.seen(); !ended || len(all) == 0 != finishes || err != nil {
				r.Errorf("back after %s: ended: %v, running: %v, %v", back, ended, all, err)
			}
		})
	}
}

// The next ingest would leave it out as unchanged, though APIM has dropped it.
func TestWhatLeavesAfterTheTimeForWhichAPIMHoldsAJobDoesNotCountAsTaken(t *testing.T) {
	for waited, counts := range map[time.Duration]bool{HeldFor - time.Second: true, HeldFor + time.Second: false} {
		synctest.Test(t, func(t *testing.T) {
			i := &ingest{env: &life.Env{Member: members.NewSelf("b")}, lastAck: time.Now()}
			i.all.Held = func(context.Context) (Held, error) { return nil, nil } //nolint:nilnil // it is not asked
			time.Sleep(waited)
			i.env.Member.Raised(time.Now())
			b := &batch{notedAt: time.Now(), apis: []exports.Ready{{API: exports.API{JSON: []byte("{}")}}}}
			if !i.mayLeave(b) {
				t.Fatal("it may not leave")
			}
			if digest := i.digests(b)[b.apis[0].ID.String()]; (digest != "") != counts {
				t.Errorf("after %s its digest is %q", waited, digest)
			}
		})
	}
}
