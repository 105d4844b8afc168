package command

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/status"
	"federation-agent/internal/targets"
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
	const size = 200
	env := (&life.Env{Now: time.Now, Board: status.NewBoard()}).Logging(slog.New(slog.DiscardHandler))
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return env.Log }))
	var rows []targets.Row[*actor.PID]
	for n := range size {
		rows = append(rows, targets.Row[*actor.PID]{
			Region: "eu-west-1", Account: fmt.Sprintf("%012d", n), Ready: true,
			Writer: system.Root.Spawn(life.Props(env, life.Worker, func() actor.Actor { return answering{} })),
		})
	}
	router := system.Root.Spawn(RouterProps(env, RouterSpec{Targets: targets.New(rows...)}))
	answers := make(chan messages.Answer, 1)
	session := system.Root.Spawn(life.Props(env, life.Worker, func() actor.Actor { return asking{answers} }))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		command := messages.Unsubscribe{
			CommandRef: messages.CommandRef{ID: fmt.Sprint(n), Session: 1, AnswerBy: time.Now().Add(time.Minute)},
			APIID:      fmt.Sprintf("%012d:eu-west-1:a1b2c3d4e5:prod", n%size),
		}
		system.Root.RequestWithCustomSender(router, command, session)
		if answer := <-answers; answer.ID != command.ID {
			b.Fatalf("answer to %s instead of %s", answer.ID, command.ID)
		}
	}
}
