package session

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/pulse"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/memnet"
	"federation-agent/internal/status"
	"federation-agent/messages"
)

// standing is a session of a bubble, and what its neighbours hear.
type standing struct {
	session *session
	pid     *actor.PID
	apim    *apimsim.APIM
	heard   chan any // by router and jobs
	log     *strings.Builder
}

// inBubble connects a session to a controller.
func inBubble(t *testing.T, test func(*testing.T, *standing)) {
	synctest.Test(t, func(t *testing.T) {
		network := memnet.New(nil)
		listener, err := network.Listen("apim.test:80")
		if err != nil {
			t.Fatal(err)
		}
		apim, err := apimsim.New(apimsim.Options{Integrations: []apimsim.Integration{{ID: "int"}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := apim.Serve(listener); err != nil {
			t.Fatal(err)
		}
		defer apim.Close()
		s := &standing{apim: apim, heard: make(chan any, 100), log: &strings.Builder{}}
		system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(slog.DiscardHandler)
		}))
		neighbour, _ := system.ProcessRegistry.Add(life.Ear{Heard: s.heard}, "neighbour")
		var ids atomic.Int64
		env := &life.Env{
			Log:  slog.New(slog.NewTextHandler(s.log, nil)),
			Dial: func(ctx context.Context, n, a string) (net.Conn, error) { return network.Dial(ctx, n, a) },
			Now:  time.Now, NewID: func() string { return fmt.Sprint("id-", ids.Add(1)) },
			Jitter: func() float64 { return 0.5 }, Board: status.NewBoard(),
		}
		env.Logging(env.Log)
		spec := Spec{
			Connector:   config.Connector{Endpoints: []string{"http://apim.test:80"}},
			Integration: "int", MaxOpen: 10, Router: neighbour, Jobs: neighbour,
		}
		kept := &memory{}
		s.pid = system.Root.Spawn(life.Props(env, life.Standing, func() actor.Actor {
			s.session = newSession(env, spec, kept)
			return s.session
		}))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(apim.Agents()) != 1 {
			t.Fatalf("not connected\n%s", s.log)
		}
		test(t, s)
		_ = system.Root.StopFuture(s.pid).Wait()
		system.Shutdown()
		time.Sleep(time.Minute)
	})
}

func (s *standing) nextCommand() messages.Command {
	for {
		if c, ok := (<-s.heard).(messages.Command); ok {
			return c
		}
	}
}

// standStill makes the session's process one that stood still for longer than it may.
func (s *standing) standStill() {
	news := newsOf{s.session.conn}
	s.session.pulse.Stop()
	set := make(chan struct{})
	s.session.pulse = pulse.Start(time.Now().Add(-pulse.Standstill-1), nil, func() {
		<-set
		s.session.Scope.Tell(stoodStill{news})
	})
	close(set)
}

func TestWhatIsReadBehindAStandstillIsNotServedAndTheSessionIsMadeAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, s *standing) {
		s.standStill()
		reply, err := s.apim.SendCommand(t.Context(), "int", "SUBSCRIBE", map[string]any{
			"apiId": "a", "subscription": map[string]any{"graviteeSubscriptionId": "s"},
		})
		if err == nil {
			t.Errorf("it was answered: %+v", reply)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(s.apim.Agents()) != 1 {
			t.Error("the session does not come back")
		}
		if ended := s.apim.EndedSessions(); len(ended) != 1 || ended[0].Code != 1013 {
			t.Errorf("ended: %+v", ended)
		}
		for range len(s.heard) {
			if m, served := (<-s.heard).(messages.Command); served {
				t.Errorf("%s was served", m.Name())
			}
		}
		if !strings.Contains(s.log.String(), "this process stood still") {
			t.Error(s.log)
		}
	})
}

func TestAStandstillIsNoticedThoughNothingComes(t *testing.T) {
	inBubble(t, func(t *testing.T, s *standing) {
		s.standStill()
		time.Sleep(pulse.Every)
		synctest.Wait()
		if n := len(s.apim.Agents()); n != 0 {
			t.Errorf("%d agents are connected", n)
		}
	})
}

func TestAnAnswerThatIsReadyBehindAStandstillIsNeverSent(t *testing.T) {
	inBubble(t, func(t *testing.T, s *standing) {
		go func() {
			_, _ = s.apim.SendCommand(context.Background(), "int", "SUBSCRIBE", map[string]any{
				"apiId": "a", "subscription": map[string]any{"graviteeSubscriptionId": "s"},
			})
		}()
		asked := s.nextCommand()
		s.standStill()
		fates := make(chan any, 1)
		system := s.session.Scope.System
		pid, _ := system.ProcessRegistry.Add(life.Ear{Heard: fates}, "fate")
		defer system.ProcessRegistry.Remove(pid)
		system.Root.RequestWithCustomSender(s.pid, messages.Answer{
			CommandRef: asked.Ref(), Reply: messages.Subscribed{SubscriptionID: "s"},
		}, pid)
		if fate := (<-fates).(messages.AnswerFate); fate.Delivery != messages.NeverSent {
			t.Errorf("%s", fate.Delivery)
		}
	})
}
