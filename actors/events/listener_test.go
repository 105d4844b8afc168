package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/actors/reconcile"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/gateway"
	"federation-agent/internal/status"
	"federation-agent/internal/targets"
	"federation-agent/messages"
)

const integration = "i"

// stage is a listener with a queue that behaves as SQS does, and somebody in the reconciler's place. What they hear is
// noted.
type stage struct {
	*testing.T
	board *status.Board
	log   strings.Builder

	mu      sync.Mutex
	system  *actor.ActorSystem
	pid     *actor.PID
	calls   int
	heard   []string // by the reconciler
	gone    int
	queue   []*message
	arrived chan struct{} // closed when a message comes
	err     error         // of each receipt
	undone  error         // of each deletion
}

// message is hidden for a while after each receipt.
type message struct {
	id, body string
	hidden   time.Time
}

const visibility = 30 * time.Second

func (s *stage) send(bodies ...string) {
	s.mu.Lock()
	for _, b := range bodies {
		s.queue = append(s.queue, &message{id: fmt.Sprint("m", len(s.queue)), body: b})
	}
	close(s.arrived)
	s.arrived = make(chan struct{})
	s.mu.Unlock()
	synctest.Wait()
}

func (s *stage) take(most int) (got []apigateway.QueueMessage, arrived chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.queue {
		if len(got) < most && !time.Now().Before(m.hidden) {
			m.hidden = time.Now().Add(visibility)
			got = append(got, apigateway.QueueMessage{Body: m.body, Receipt: m.id})
		}
	}
	return got, s.arrived, s.err
}

func (s *stage) Receive(ctx context.Context, most int) ([]apigateway.QueueMessage, error) {
	s.mu.Lock()
	s.calls++
	s.mu.Unlock()
	wait := time.After(20 * time.Second)
	for {
		got, arrived, err := s.take(most)
		if err != nil || len(got) > 0 {
			return got, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-wait:
			return nil, nil
		case <-arrived:
		}
	}
}

func (s *stage) Delete(_ context.Context, messages []apigateway.QueueMessage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.undone != nil {
		return s.undone
	}
	kept := s.queue[:0]
	for _, m := range s.queue {
		gone := false
		for _, d := range messages {
			gone = gone || d.Receipt == m.id
		}
		if !gone {
			kept = append(kept, m)
		}
	}
	s.queue = kept
	s.gone += len(messages)
	return nil
}

// told gives what was heard since the last time.
func (s *stage) told() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone > 0 {
		s.heard = append(s.heard, fmt.Sprint(s.gone, " deleted"))
	}
	text := strings.Join(s.heard, ", ")
	s.heard, s.gone = nil, 0
	return text
}

func (s *stage) wants(what, want string) {
	s.Helper()
	if got := s.told(); got != want {
		s.Errorf("%s: %q, want %q", what, got, want)
	}
}

func (s *stage) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// asked is how often the queue was asked since the last time.
func (s *stage) asked() (calls int) {
	synctest.Wait()
	s.set(func() { calls, s.calls = s.calls, 0 })
	return calls
}

func (s *stage) tell(m any) {
	s.system.Root.Send(s.pid, m)
	synctest.Wait()
}

func (s *stage) events() *status.Events { return s.board.Read().Integrations[0].Events }

func onStage(t *testing.T, faults life.Faults, test func(*stage)) {
	synctest.Test(t, func(t *testing.T) {
		s := &stage{T: t, board: status.NewBoard(), arrived: make(chan struct{})}
		env := (&life.Env{
			Now: time.Now, Jitter: func() float64 { return 0 }, Board: s.board, Faults: faults,
		}).Logging(slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelInfo})))
		s.board.Serve(integration, time.Now())
		s.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(slog.DiscardHandler)
		}))
		reconciler := s.system.Root.Spawn(life.Props(env, life.Standing, func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if m, is := ctx.Message().(reconcile.Changed); is {
					text := strings.Join(m.IDs, " ")
					if m.Others {
						text += " and others"
					}
					s.set(func() { s.heard = append(s.heard, text) })
				}
			})
		}))
		parent := s.system.Root.Spawn(life.Props(env, life.Standing, func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if _, begins := ctx.Message().(*actor.Started); begins {
					s.pid = ctx.Spawn(Props(env, Spec{
						Integration: integration, Reconciler: reconciler, Targets: targets.New(
							targets.Row[*actor.PID]{Account: "111122223333", Region: "eu-west-1"},
							targets.Row[*actor.PID]{Account: "111122223333", Region: "eu-west-2", Off: true},
						),
						Open: func(context.Context) (Queue, error) { return s, nil },
					}))
				}
			})
		}))
		synctest.Wait()
		test(s)
		if err := s.system.Root.StopFuture(parent).Wait(); err != nil {
			t.Error(err)
		}
		if err := s.system.Root.StopFuture(reconciler).Wait(); err != nil {
			t.Error(err)
		}
		time.Sleep(3 * time.Second) // the library's throttle of dead letters
	})
}

func event(account, region, name, request string) string {
	return fmt.Sprintf(`{"source":"aws.apigateway","detail-type":"AWS API Call via CloudTrail","account":%q,"region":%q,`+
		`"detail":{"eventName":%q,"requestParameters":%s}}`, account, region, name, request)
}

func deployed(api string) string {
	return event("111122223333", "eu-west-1", "CreateDeployment", fmt.Sprintf(`{"restApiId":%q,"stageName":"prod"}`, api))
}

func TestWhatEventsNameIsHandedOverAndOnlyThenDeleted(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.tell(messages.PrimaryChanged{Primary: true})
		s.send(deployed("a"))
		s.wants("one event", "111122223333:eu-west-1:a:prod, 1 deleted")
		s.send(
			event("111122223333", "eu-west-1", "UpdateRestApi", `{"restApiId":"b"}`), "rubbish",
			event("999999999999", "eu-west-1", "UpdateRestApi", `{"restApiId":"c"}`),
			event("111122223333", "eu-north-1", "UpdateRestApi", `{"restApiId":"d"}`),
			event("111122223333", "eu-west-2", "UpdateRestApi", `{"restApiId":"e"}`),
			event("111122223333", "eu-west-1", "CreateApiKey", `{}`),
			event("111122223333", "eu-west-1", "DeleteUsagePlan", `{"usagePlanId":"p"}`),
		)
		s.wants("of all kinds", "111122223333:eu-west-1:b:* and others, 7 deleted")
		s.send("more rubbish")
		s.wants("nothing of use", "1 deleted")
		results := s.events().Results
		if results[status.EventTaken] != 3 || results[status.EventElsewhere] != 3 || results[status.EventIrrelevant] != 1 ||
			results[status.EventUnreadable] != 2 {
			s.Errorf("they are counted as %v", results)
		}
	})
}

func TestABurstIsTakenInTens(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.tell(messages.PrimaryChanged{Primary: true})
		s.asked()
		var all []string
		for n := range 100 {
			all = append(all, deployed(fmt.Sprint("a", n)))
		}
		s.send(all...)
		if got := s.told(); !strings.HasSuffix(got, "100 deleted") || strings.Count(got, ":prod") != 100 {
			s.Errorf("heard %q", got)
		}
		if n := s.asked(); n != 10 {
			s.Errorf("%d calls", n)
		}
	})
}

func TestOnlyThePrimaryListens(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.send(deployed("a"))
		time.Sleep(time.Hour)
		if n := s.asked(); n != 0 {
			s.Errorf("%d calls before it is the primary", n)
		}
		s.tell(messages.PrimaryChanged{Primary: true})
		s.wants("once it is", "111122223333:eu-west-1:a:prod, 1 deleted")
		s.tell(messages.PrimaryChanged{Primary: true})
		s.asked()
		time.Sleep(time.Hour)
		if n := s.asked(); n != 180 {
			s.Errorf("an idle queue costs %d calls an hour", n)
		}
		for _, end := range []any{messages.PrimaryChanged{}, messages.SessionDown{}} {
			s.tell(end)
			s.asked()
			s.send(deployed("b"))
			time.Sleep(time.Hour)
			if n := s.asked(); n != 0 {
				s.Errorf("%d calls after %T", n, end)
			}
			s.wants("another agent's", "")
			s.tell(messages.PrimaryChanged{Primary: true})
			s.wants("then", "111122223333:eu-west-1:b:prod, 1 deleted")
		}
		s.tell(messages.Drain{})
		s.tell(messages.PrimaryChanged{Primary: true})
		s.asked()
		time.Sleep(time.Hour)
		if n := s.asked(); n != 0 {
			s.Errorf("%d calls while it drains", n)
		}
	})
}

// A panic between the handing over and the deletion: the message comes again, and is told again, which does no harm.
func TestWhatAPanicKeepsFromBeingDeletedComesAgain(t *testing.T) {
	died := false
	onStage(t, func(_ string, m any) {
		if _, is := m.(received); is && !died {
			died = true
			panic("a test's")
		}
	}, func(s *stage) {
		s.tell(messages.PrimaryChanged{Primary: true})
		s.send(deployed("a"))
		s.wants("at first", "")
		time.Sleep(visibility + 20*time.Second)
		s.wants("when it comes again", "111122223333:eu-west-1:a:prod, 1 deleted")
	})
	onStage(t, nil, func(s *stage) {
		s.set(func() { s.undone = errors.New("reset by peer") })
		s.tell(messages.PrimaryChanged{Primary: true})
		s.send(deployed("a"))
		s.wants("at first", "111122223333:eu-west-1:a:prod")
		if why := s.events().Failure; !strings.HasPrefix(why, "events are received, and cannot be deleted") {
			s.Errorf("the board says %q", why)
		}
		s.set(func() { s.undone = nil })
		time.Sleep(visibility + 20*time.Second)
		s.wants("when it comes again", "111122223333:eu-west-1:a:prod, 1 deleted")
		if why := s.events().Failure; why != "" {
			s.Errorf("the board still says %q", why)
		}
	})
}

func TestARefusedPermissionIsOneLineAndShown(t *testing.T) {
	onStage(t, nil, func(s *stage) {
		s.set(func() {
			s.err = &apigateway.Error{Doing: "receiving events", Class: gateway.AccessDenied, Err: errors.New("denied")}
		})
		s.tell(messages.PrimaryChanged{Primary: true})
		time.Sleep(24 * time.Hour)
		if n := s.asked(); n < 280 || n > 600 {
			s.Errorf("%d calls a day", n)
		}
		if log := s.log.String(); strings.Count(log, "events cannot be received: ") != 1 || !strings.Contains(log, "level=ERROR") {
			s.Errorf("the log says %s", log)
		}
		if s.events().Failure == "" {
			s.Error("the board does not say it")
		}
		s.tell(messages.PrimaryChanged{})
		if why := s.events().Failure; why != "" {
			s.Errorf("the board still says %q of an agent that does not listen", why)
		}
		s.log.Reset()
		s.tell(messages.PrimaryChanged{Primary: true})
		if s.events().Failure == "" || strings.Count(s.log.String(), "events cannot be received: ") != 1 {
			s.Errorf("once it listens again: %s", s.log.String())
		}
		s.log.Reset()
		s.set(func() { s.err = nil })
		s.send(deployed("a"))
		time.Sleep(longestRetry)
		s.wants("once it is granted", "111122223333:eu-west-1:a:prod, 1 deleted")
		if log := s.log.String(); strings.Count(log, "events are received again") != 1 || s.events().Failure != "" {
			s.Errorf("the log says %s", log)
		}
	})
}
