package actors

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/status"
	"federation-agent/messages"
)

// answering is a target that answers each command at once.
type answering struct{}

func (answering) Receive(ctx actor.Context) {
	if c, ok := ctx.Message().(messages.Command); ok {
		ctx.Request(ctx.Sender(), messages.Answer{CommandRef: c.Ref(), Reply: messages.Unsubscribed{}})
	}
}

// asking stands for the session: it passes answers on.
type asking struct{ answers chan<- messages.Answer }

func (a asking) Receive(ctx actor.Context) {
	if m, ok := ctx.Message().(messages.Answer); ok {
		a.answers <- m
	}
}

// BenchmarkRouting is a command's way from the session by the router to one of 200 targets and its answer's way back.
func BenchmarkRouting(b *testing.B) {
	const targets = 200
	env := &Env{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return env.Log }))
	parties := routerParties{}
	for n := range targets {
		parties.targets = append(parties.targets, &targetParty{
			region: "eu-west-1", account: fmt.Sprintf("%012d", n),
			pid: system.Root.Spawn(props(env, worker, func() actor.Actor { return answering{} })),
		})
	}
	book := newLedger(targets, func(messages.Command, status.Outcome) {})
	router := system.Root.Spawn(routerProps(env, book, parties))
	answers := make(chan messages.Answer, 1)
	session := system.Root.Spawn(props(env, worker, func() actor.Actor { return asking{answers} }))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		command := messages.Unsubscribe{
			CommandRef: messages.CommandRef{ID: fmt.Sprint(n), Session: 1, AnswerBy: time.Now().Add(time.Minute)},
			APIID:      fmt.Sprintf("%012d:eu-west-1:a1b2c3d4e5:prod", n%targets),
		}
		if book.admit(command, session, time.Now()) != admitted {
			b.Fatal("not admitted")
		}
		system.Root.RequestWithCustomSender(router, command, session)
		if answer := <-answers; answer.ID != command.ID {
			b.Fatalf("answer to %s instead of %s", answer.ID, command.ID)
		}
	}
}
