package reconcile

import (
	"context"
	"errors"
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
	"federation-agent/internal/apimrest"
	"federation-agent/internal/drift"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/members"
	"federation-agent/internal/schedule"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/internal/targets"
	"federation-agent/messages"
)

const integration = "i"

// stage is a reconciler among actors that answer as the test says, and an APIM that does. What they hear is noted.
type stage struct {
	*testing.T
	env    *life.Env
	board  *status.Board
	system *actor.ActorSystem
	jitter atomic.Int64 // in percent
	pid    *actor.PID
	began  time.Time
	slow   atomic.Int64 // by how many percent the wall clock is slow

	mu      sync.Mutex
	heard   []string
	apis    []string // REST APIs in AWS, each with stage prod in plan p
	running int      // ingests here
	begun   int      // of them by START_INGEST
	// elsewhere: APIM gives what is asked for to another agent.
	elsewhere bool
	job       string // in APIM
	held      []drift.API
	apimErr   error
	listed    func()        // happens once APIM has told what it has
	hold      chan struct{} // a listing waits for it, if there is one
}

// now is the wall clock.
func (s *stage) now() time.Time {
	return s.began.Add(time.Since(s.began) * time.Duration(100-s.slow.Load()) / 100)
}

func (s *stage) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, fmt.Sprintf(format, args...))
}

// told gives what was heard since the last time.
func (s *stage) told() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	text := strings.Join(s.heard, ", ")
	s.heard = nil
	return text
}

func (s *stage) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *stage) State(context.Context) (State, error) {
	s.note("state")
	s.mu.Lock()
	defer s.mu.Unlock()
	return State{Connected: true, Job: s.job}, s.apimErr
}

func (s *stage) Held(context.Context) (drift.Held, error) {
	s.note("list")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listed != nil {
		s.listed()
	}
	return drift.NewHeld(s.held, func(id string) string { return "apim " + id }), s.apimErr
}

func (s *stage) Ingest(_ context.Context, ids []string) error {
	s.note("ingest %s", strings.Join(ids, " "))
	s.set(func() {
		if !s.elsewhere {
			s.begun++
		}
	})
	return nil
}

func (s *stage) Standing(context.Context, string) (drift.Standing, error) {
	return drift.Standing{}, errors.New("nobody should ask")
}

func (s *stage) Remove(_ context.Context, id string, _ drift.Policy) (drift.Decision, string, error) {
	s.note("remove %s", id)
	return drift.Remove, "", nil
}

var here = federation.Target{Account: "111122223333", Region: "eu-west-1"}

// others is the actor that stands for catalogue, claims, jobs and target.
func (s *stage) others(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case messages.CountJobs:
		s.mu.Lock()
		defer s.mu.Unlock()
		ctx.Respond(messages.JobsCounted{Running: s.running, Begun: s.begun})
	case messages.GatherAPIs:
		s.note("gather %s", strings.Join(m.Only, " "))
		if s.hold != nil {
			<-s.hold
		}
		ctx.Respond(s.listing())
	case messages.JudgeLosses:
		sent, _ := s.env.Ingests.Sent(context.Background(), integration)
		ctx.Respond(messages.LossesJudged{Catalogue: m.Catalogue, Plans: sent.Plans, Taken: sent.Taken})
	case messages.ExportAPI:
		for _, d := range m.Documents {
			s.note("export %s", d.API.ID)
			ctx.Respond(messages.APIReady{API: exports.API{ID: d.ID(), JSON: []byte(d.Name)}})
		}
	}
}

func (s *stage) listing() messages.GatheredAPIs {
	s.mu.Lock()
	defer s.mu.Unlock()
	plan := &gateway.UsagePlan{ID: "p"}
	l := messages.TargetListing{Target: here, Complete: true, StartedAt: s.now(), Plans: []*gateway.UsagePlan{plan}}
	for _, id := range s.apis {
		l.APIs = append(l.APIs, &gateway.RestAPI{ID: id, Name: id})
		plan.Stages = append(plan.Stages, gateway.PlanStage{APIID: id, Stage: "prod"})
	}
	out := messages.GatheredAPIs{Complete: true}
	for _, e := range federation.Entries(l.APIs, l.Plans, nil, federation.Filter{}) {
		out.Whole = append(out.Whole, federation.NamedEntry{Target: here, Entry: e, Name: e.API.Name})
	}
	out.APIs, out.Listings = out.Whole, []messages.TargetListing{l}
	return out
}

// onStage runs a test with a reconciler that has an hourly schedule and is the primary's, on the hour.
func onStage(t *testing.T, faults life.Faults, test func(*stage)) {
	onSchedule(t, "@hourly", 2*time.Minute, faults, test)
}

func onSchedule(t *testing.T, when string, jitter time.Duration, faults life.Faults, test func(*stage)) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, began: time.Now(), board: status.NewBoard(), apis: []string{"a", "b"}}
		s.jitter.Store(50)
		journal, _ := (&storetest.Model{}).Open(store.Options{Logger: slog.New(slog.DiscardHandler)})
		defer func() { _ = journal.Close() }()
		s.env = (&life.Env{
			Now: s.now, Jitter: func() float64 { return float64(s.jitter.Load()) / 100 }, Ingests: journal, Board: s.board, Faults: faults,
		}).Logging(slog.New(slog.NewTextHandler(t.Output(), nil)))
		s.board.Serve(integration, time.Now())
		s.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(slog.DiscardHandler)
		}))
		others := s.system.Root.Spawn(life.Props(s.env, life.Standing, func() actor.Actor { return actor.ReceiveFunc(s.others) }))
		times, err := schedule.Parse(when)
		if err != nil {
			t.Fatal(err)
		}
		parent := s.system.Root.Spawn(life.Props(s.env, life.Standing, func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if _, begins := ctx.Message().(*actor.Started); begins {
					s.pid = ctx.Spawn(Props(s.env, Spec{
						Integration: integration, Catalogue: others, Claims: others, Jobs: others, APIM: s,
						Targets: targets.New(targets.Row[*actor.PID]{Account: here.Account, Region: here.Region, Target: others}),
						Memory:  exports.NewBound(1 << 20), Schedule: times, Jitter: jitter,
						Remover: s, Gone: drift.Policy{How: drift.Delete, AtMost: 10},
					}))
				}
			})
		}))
		synctest.Wait()
		s.tell(messages.PrimaryChanged{Primary: true})
		test(s)
		if err := s.system.Root.StopFuture(parent).Wait(); err != nil {
			t.Error(err)
		}
		time.Sleep(3 * time.Second) // the library's throttle of dead letters
	})
}

func (s *stage) tell(m any) {
	s.system.Root.Send(s.pid, m)
	synctest.Wait()
}

func (s *stage) wants(what, want string) {
	s.Helper()
	if got := s.told(); got != want {
		s.Errorf("%s: %q, want %q", what, got, want)
	}
}

func (s *stage) rounds() string {
	var got []string
	for result, n := range s.board.Read().Integrations[0].Schedule.Rounds {
		if n > 0 {
			got = append(got, fmt.Sprint(n, " ", result))
		}
	}
	slices.Sort(got)
	return strings.Join(got, ", ")
}

const (
	idA = "111122223333:eu-west-1:a:prod"
	idB = "111122223333:eu-west-1:b:prod"
	// wholeRound is what a round asks that has two new APIs brought.
	wholeRound = "state, gather , export a, export b, list, state, ingest " + idA + " " + idB
)

func TestARoundBeginsAPartOfTheJitterAfterItsTime(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		time.Sleep(time.Hour + time.Minute - time.Second)
		s.wants("before its time", "")
		time.Sleep(2 * time.Second)
		s.wants("at its time", wholeRound)
		time.Sleep(time.Hour)
		s.wants("an hour later", wholeRound) // this APIM has not taken them
		if got := s.rounds(); got != "2 sent" {
			s.Error(got)
		}
	})
}

func TestTheJitterLeavesFiveMinutesBetweenRoundsAndLeavesNoneOut(t *testing.T) {
	for _, when := range []string{"*/5 * * * *", "0,6,30 * * * *"} {
		for _, jitter := range []time.Duration{5 * time.Minute, time.Hour} {
			onSchedule(t, when, jitter, nil, func(s *stage) {
				times, _ := schedule.Parse(when)
				at, last := s.began, time.Time{}
				for n := range 24 {
					s.jitter.Store(int64(n % 2 * 100)) // as late as may be, and then at once
					at = times.Next(at)
					due := s.board.Read().Integrations[0].Schedule.Next
					if due.Before(at) || !due.Before(times.Next(at)) {
						s.Fatalf("%q: the one of %s begins at %s", when, at, due)
					}
					if gap := due.Sub(last); gap < schedule.Shortest && n > 0 {
						s.Errorf("%q: %s between %s and %s", when, gap, last, due)
					}
					last = due
					time.Sleep(time.Until(due) + time.Second)
					if s.told() == "" {
						s.Errorf("%q: nothing at %s", when, due)
					}
				}
			})
		}
	}
}

func TestAPIsThatEventsNameAreBroughtTogetherAndAlone(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.set(func() { s.apis = []string{"a"} })
		s.tell(Changed{IDs: []string{idA}})
		time.Sleep(5 * time.Second)
		s.tell(Changed{IDs: []string{idA, idB}})
		s.wants("while more may come", "")
		time.Sleep(6 * time.Second)
		s.wants("still while more may come", "")
		time.Sleep(5 * time.Second)
		s.wants("then", "state, gather "+idA+" "+idB+", export a, state, ingest "+idA)

		s.set(func() { s.job = "somebody's" })
		s.tell(Changed{IDs: []string{idA}})
		time.Sleep(11 * time.Second)
		s.wants("while APIM has a job", "state")
		s.set(func() { s.job = "" })
		time.Sleep(putOff)
		s.wants("after that", "state, gather "+idA+", export a, state, ingest "+idA)

		s.tell(messages.PrimaryChanged{})
		s.tell(Changed{IDs: []string{idA}})
		time.Sleep(time.Minute)
		s.wants("while another agent is the primary", "")
		s.tell(messages.PrimaryChanged{Primary: true})
		s.wants("once this one is", "state, gather "+idA+", export a, state, ingest "+idA)

		var many []string
		for n := range mostNamed + 1 {
			many = append(many, fmt.Sprintf("111122223333:eu-west-1:x%d:prod", n))
		}
		s.tell(Changed{IDs: many})
		s.wants("where all may have changed", "state, gather , export a, list, state, ingest "+idA)
	})
}

// A tool that changes a hundred APIs takes minutes, and its events come one by one.
func TestABurstOfEventsIsOneRound(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		for range 12 {
			s.tell(Changed{IDs: []string{idA}})
			s.tell(Changed{IDs: []string{idB}})
			time.Sleep(9 * time.Second)
		}
		s.wants("while they come", "")
		time.Sleep(2 * time.Second)
		s.wants("then", "state, gather "+idA+" "+idB+", export a, export b, state, ingest "+idA+" "+idB)
		for range 14 {
			s.tell(Changed{IDs: []string{idA}})
			time.Sleep(9 * time.Second)
		}
		if got := strings.Count(s.told(), "ingest"); got != 1 {
			s.Errorf("%d rounds of events that do not end", got)
		}
		time.Sleep(time.Minute)
		s.told()

		const everyB = "111122223333:eu-west-1:b:*"
		for _, id := range []string{idB, everyB} { // a listing has a, too, if AWS could list it as cheaply
			s.tell(Changed{IDs: []string{id}})
			time.Sleep(11 * time.Second)
			s.wants("of two the one that is named", "state, gather "+id+", export b, state, ingest "+idB)
		}

		s.tell(Changed{IDs: []string{idA}, Others: true})
		time.Sleep(11 * time.Second)
		s.wants("where all may have changed", "state, gather , export a, export b, list, state, ingest "+idA+" "+idB)

		s.set(func() { s.job = "somebody's" })
		s.tell(Changed{IDs: []string{idA}})
		time.Sleep(11 * time.Second)
		s.tell(Changed{IDs: []string{idB}})
		s.wants("while APIM has a job", "state")
		time.Sleep(time.Minute)
		s.set(func() { s.job = "" })
		s.wants("what is named meanwhile waits, too", "")
		time.Sleep(putOff)
		s.wants("after that", "state, gather "+idA+" "+idB+", export a, export b, state, ingest "+idA+" "+idB)
	})
}

// What is listed already may be older than what an event tells of.
func TestEventsOfEverythingThatComeDuringARoundAreFollowedByAnother(t *testing.T) {
	const round = "gather , export a, export b, list"
	var many []string
	for n := range mostNamed + 1 {
		many = append(many, fmt.Sprintf("111122223333:eu-west-1:x%d:prod", n))
	}
	for name, changed := range map[string]Changed{"a usage plan": {Others: true}, "too many": {IDs: many}} {
		t.Run(name, func(t *testing.T) {
			onStage(t, nil, func(s *stage) {
				s.set(func() { s.hold = make(chan struct{}) })
				s.tell(Changed{Others: true})
				time.Sleep(11 * time.Second)
				s.wants("while AWS is listed", "state, gather ")
				s.tell(changed)
				time.Sleep(11 * time.Second)
				s.wants("still", "")
				close(s.hold)
				s.wants("both", "export a, export b, list, state, ingest "+idA+" "+idB+", state, "+round+", state, ingest "+idA+
					" "+idB)
				time.Sleep(30 * time.Minute)
				s.wants("then", "")
			})
		})
	}
}

// Events do not come again, and there need not be a schedule.
func TestARoundForEventsThatFailsIsTriedAgain(t *testing.T) {
	onSchedule(t, "@daily", 0, nil, func(s *stage) {
		s.set(func() { s.apimErr = &apimrest.Error{Class: apimrest.Forbidden, Text: "the token may not"} })
		s.tell(Changed{Others: true})
		time.Sleep(11 * time.Second)
		s.wants("refused", "state")
		s.set(func() { s.apimErr = nil })
		time.Sleep(putOff)
		s.wants("granted", wholeRound)
		s.set(func() { s.apimErr = &apimrest.Error{Class: apimrest.Forbidden, Text: "the token may not"} })
		s.tell(Changed{Others: true})
		time.Sleep(2 * time.Hour)
		s.wants("refused for long", "state"+strings.Repeat(", state", mostTries-1))
		time.Sleep(22 * time.Hour)
		s.wants("the schedule's, for which another one comes", "state")
		s.set(func() { s.apimErr, s.held = nil, []drift.API{{ID: "of another environment", Name: "a"}} })
		must := storetest.Note(s.env.Ingests, integration, map[string][]string{idA: {"p"}, idB: {"p"}})
		if must != nil {
			t.Fatal(must)
		}
		s.tell(Changed{Others: true})
		time.Sleep(2 * time.Hour)
		s.wants("what somebody must mend, found out by asking AWS", "state, gather , export a, export b, list")
	})
}

func TestARoundThatNeverMayBeginIsLeftOut(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.set(func() { s.running = 1 })
		time.Sleep(time.Hour + time.Minute + 40*time.Minute)
		s.wants("while ingests run", "")
		if got := s.rounds(); got != "1 dropped, 6 put_off" {
			s.Error(got)
		}
		s.set(func() { s.running = 0 })
		time.Sleep(20 * time.Minute)
		s.wants("the next one", wholeRound)
	})
}

func TestATimeThatComesWhileThereIsNoSessionIsMadeUpFor(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		time.Sleep(time.Hour)
		s.tell(messages.SessionDown{})
		time.Sleep(10 * time.Minute)
		s.wants("without a session", "")
		s.tell(messages.PrimaryChanged{Primary: true})
		s.wants("with the next one", wholeRound)
		time.Sleep(52 * time.Minute)
		s.wants("the next time", wholeRound)

		s.tell(messages.SessionDown{})
		time.Sleep(time.Hour)
		s.tell(messages.PrimaryChanged{})
		s.tell(messages.PrimaryChanged{Primary: true})
		s.wants("what another primary was there for", "")
		s.tell(messages.PrimaryChanged{})
		time.Sleep(time.Hour)
		s.tell(messages.PrimaryChanged{Primary: true})
		s.wants("what came while another one was the primary", "")
	})
}

// After half an hour of ingests nobody knows whether AWS still has no such API.
func TestARemovalThatMayNotBeginForLongIsLeftToTheNextRound(t *testing.T) {
	onSchedule(t, "0 */3 * * *", 0, nil, func(s *stage) {
		must := storetest.Note(s.env.Ingests, integration, map[string][]string{"111122223333:eu-west-1:c:prod": {"p"}})
		if must != nil {
			t.Fatal(must)
		}
		s.set(func() {
			s.apis, s.held = nil, []drift.API{{ID: "apim 111122223333:eu-west-1:c:prod", Name: "c"}}
		})
		const round, remove = "state, gather , list", ", state, remove apim 111122223333:eu-west-1:c:prod"
		time.Sleep(3*time.Hour + time.Minute)
		s.wants("the first listing", round)
		time.Sleep(3*time.Hour - 2*time.Minute)
		s.set(func() { s.listed = func() { s.running = 1 } })
		time.Sleep(time.Minute + 40*time.Minute)
		s.wants("while ingests run", round)
		s.set(func() { s.running, s.listed = 0, nil })
		time.Sleep(2 * time.Hour)
		s.wants("after them", "")
		time.Sleep(time.Hour)
		s.wants("the next round", round+remove)
	})
}

// An outage of a minute must not cost a daily schedule its day.
func TestARoundThatFindsAPIMAwayIsPutOff(t *testing.T) {
	onSchedule(t, "@daily", 0, nil, func(s *stage) {
		s.set(func() { s.apimErr = &apimrest.Error{Class: apimrest.Unavailable, Text: "it is away"} })
		time.Sleep(24*time.Hour + 6*time.Minute)
		s.wants("away", "state, state")
		if got := s.rounds(); got != "2 put_off" {
			s.Error(got)
		}
		s.set(func() { s.apimErr = nil })
		time.Sleep(5 * time.Minute)
		s.wants("there again", wholeRound)
		s.set(func() { s.apimErr = &apimrest.Error{Class: apimrest.Unreachable, Text: "it is away"} })
		time.Sleep(25 * time.Hour)
		s.wants("away for long", "state"+strings.Repeat(", state", mostTries-1))
		if got := s.rounds(); got != "1 dropped, 1 sent, 8 put_off" {
			s.Error(got)
		}
	})
}

func TestARoundThatAPIMRefusesIsFollowedByTheNextOne(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.set(func() { s.apimErr = &apimrest.Error{Class: apimrest.Forbidden, Text: "the token may not"} })
		time.Sleep(time.Hour + 2*time.Minute)
		s.wants("refused", "state")
		if last := s.board.Read().Integrations[0].Schedule.Last; last.Result != status.RoundFailed ||
			!strings.Contains(last.Why, "the token may not") {
			s.Errorf("%+v", last)
		}
		s.set(func() { s.apimErr = nil })
		time.Sleep(time.Hour)
		s.wants("there again", wholeRound)
	})
}

func TestAPanicCostsNoRound(t *testing.T) {
	for _, at := range []string{"messages.GatheredAPIs", "messages.APIReady", "reconcile.heldCame", "reconcile.ingestBegun"} {
		t.Run(at, func(t *testing.T) {
			died := false
			onStage(t, func(_ string, m any) {
				if fmt.Sprintf("%T", m) == at && !died {
					died = true
					panic("a test's")
				}
			}, func(s *stage) {
				time.Sleep(time.Hour + 2*time.Minute)
				if s.told(); !died {
					t.Fatal("it did not panic")
				}
				time.Sleep(putOff)
				s.wants("the round that it cost", wholeRound)
				time.Sleep(time.Hour - 2*time.Minute)
				s.wants("the next one", wholeRound)
			})
		})
	}
}

// A message of the queue is deleted once it was told, so it is told once.
func TestAPanicCostsNothingThatEventsSay(t *testing.T) {
	const one = "state, gather " + idA + ", export a, state, ingest " + idA
	for at, c := range map[string]struct {
		changed Changed
		round   string
	}{
		"reconcile.namedDue":      {Changed{IDs: []string{idA}}, one},
		"messages.GatheredAPIs":   {Changed{IDs: []string{idA}}, one},
		"reconcile.ingestBegun":   {Changed{IDs: []string{idA}}, one},
		"messages.LossesJudged":   {Changed{Others: true}, wholeRound},
		"messages.PrimaryChanged": {Changed{Others: true}, wholeRound},
	} {
		t.Run(at, func(t *testing.T) {
			died, armed := false, false
			onStage(t, func(_ string, m any) {
				if fmt.Sprintf("%T", m) == at && armed && !died {
					died = true
					panic("a test's")
				}
			}, func(s *stage) {
				s.set(func() { armed = true })
				s.tell(c.changed)
				s.tell(messages.PrimaryChanged{Primary: true})
				time.Sleep(11 * time.Second)
				if s.told(); !died {
					t.Fatal("it did not panic")
				}
				time.Sleep(putOff)
				s.wants("what it cost", c.round)
				time.Sleep(30 * time.Minute)
				s.wants("no more", "")
			})
		})
	}
	onStage(t, func(_ string, m any) {
		if _, is := m.(messages.GatheredAPIs); is {
			panic("a test's")
		}
	}, func(s *stage) {
		s.tell(Changed{IDs: []string{idA}})
		time.Sleep(55 * time.Minute)
		if n := strings.Count(s.told(), "gather"); n != mostTries {
			t.Errorf("what always panics is tried %d times", n)
		}
	})
}

// What the catalogue answers to a round that was left must not be taken for an answer to the next one.
func TestAnAnswerToARoundThatWasLeftIsNoAnswerToTheNextOne(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.hold = make(chan struct{})
		s.tell(Changed{IDs: []string{idA}})
		time.Sleep(11 * time.Second)
		s.wants("a round lists", "state, gather "+idA)
		s.tell(messages.SessionDown{})
		s.tell(messages.PrimaryChanged{Primary: true})
		time.Sleep(time.Hour + time.Minute)
		s.wants("meanwhile a scheduled one waits", "")
		close(s.hold)
		s.wants("it begins anew", wholeRound)
	})
}

// A timer that comes a moment before the wall clock's time must not make the same round twice.
func TestATimeThatHasComeDoesNotComeAgain(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.slow.Store(3)
		time.Sleep(25 * time.Hour)
		if got := strings.Count(s.told(), "ingest"); got < 23 || got > 25 {
			s.Errorf("%d rounds in a day and an hour", got)
		}
	})
}

// Another agent sends from then on, and APIM's list does not tell how. The journal does, where both share it.
func TestAnAgentThatIsNotThePrimaryForgetsHowAPIMTookAPIs(t *testing.T) {
	for self, then := range map[*members.Self]string{
		nil: wholeRound, members.NewSelf("a"): "state, gather , export a, export b, list",
	} {
		onStage(t, nil, func(s *stage) { s.isPrimaryAgain(self, then) })
	}
}

func (s *stage) isPrimaryAgain(self *members.Self, then string) {
	s.Helper()
	s.env.Member = self
	job := store.OwnedJob{Integration: integration, JobID: "j"}
	err := errors.Join(storetest.Note(s.env.Ingests, integration, map[string][]string{idA: {"p"}, idB: {"p"}}),
		s.env.Ingests.Start(s.Context(), store.IngestJob{OwnedJob: job}),
		s.env.Ingests.Acknowledge(s.Context(), job, nil, map[string]string{
			idA: exports.API{JSON: []byte("a")}.Digest(), idB: exports.API{JSON: []byte("b")}.Digest(),
		}, time.Now()))
	if err != nil {
		s.Fatal(err)
	}
	s.set(func() { s.held = []drift.API{{ID: "apim " + idA, Name: "a"}, {ID: "apim " + idB, Name: "b"}} })
	time.Sleep(time.Hour + 2*time.Minute)
	s.wants("they are as they were taken", "state, gather , export a, export b, list")
	s.tell(messages.SessionDown{}) // which says nothing about others
	s.tell(messages.PrimaryChanged{Primary: true})
	time.Sleep(time.Hour)
	s.wants("after another session", "state, gather , export a, export b, list")
	s.tell(messages.PrimaryChanged{})
	s.tell(messages.PrimaryChanged{Primary: true})
	time.Sleep(time.Hour)
	s.wants("after another agent was the primary", then)
	if sent, err := storetest.PlansOf(s.env.Ingests, integration); err != nil || len(sent) != 2 || len(sent[idA]) != 1 {
		s.Errorf("the plans sent are forgotten, too: %v %v", sent, err)
	}
}

// APIM gives an ingest to any of the agents. What one of several that share a journal has merely asked for is not taken:
// the one that was given it may have failed.
func TestWhatAnotherReplicaWasGivenIsTakenOnceTheJournalSaysSo(t *testing.T) {
	for self, next := range map[*members.Self]string{
		nil: "state, gather , export a, export b, list", members.NewSelf("a"): wholeRound,
	} {
		onStage(t, nil, func(s *stage) {
			s.env.Member = self
			s.set(func() { s.elsewhere = true })
			time.Sleep(time.Hour + 2*time.Minute)
			s.wants("given to another one", wholeRound)
			s.set(func() { s.held = []drift.API{{ID: "apim " + idA, Name: "a"}, {ID: "apim " + idB, Name: "b"}} })
			time.Sleep(time.Hour)
			s.wants("the next one", next)
		})
	}
}
