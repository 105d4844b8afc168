package claims

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

// unread is a journal that cannot be read until a time.
type unread struct {
	store.Ingests
	until time.Time
}

func (u unread) Sent(context.Context, string) (store.Sent, error) {
	if time.Now().Before(u.until) {
		return store.Sent{}, errors.New("the table is away")
	}
	return store.Sent{At: 7}, nil
}

// Who must answer APIM hears in time that the journal cannot be read; who need not waits longer for it.
func TestALossIsJudgedInTimeThoughTheJournalCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct {
		by, away, took time.Duration // by 0: nobody waits
		unread         bool
	}{
		"it is away for longer than who asks may wait": {by: 3 * time.Second, away: time.Minute, took: 3 * time.Second, unread: true},
		"who asks may wait for very long":              {by: 45 * time.Second, away: time.Minute, took: recallWithin, unread: true},
		"nobody waits":                                 {away: time.Minute, took: recallWithin, unread: true},
		"it is back in time":                           {by: 3 * time.Second, away: 2 * time.Second, took: 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, board := slog.New(slog.DiscardHandler), status.NewBoard()
				board.Serve("i", time.Now())
				system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }))
				env := (&life.Env{
					Now: time.Now, Jitter: func() float64 { return 0 }, Board: board, Ingests: unread{until: time.Now().Add(c.away)},
				}).Logging(log)
				pid := system.Root.Spawn(Props(env, Spec{Integration: "i"}))
				began, ask := time.Now(), messages.JudgeLosses{}
				if c.by > 0 {
					ask.By = began.Add(c.by)
				}
				answer, err := system.Root.RequestFuture(pid, ask, time.Minute).Result()
				judged, is := answer.(messages.LossesJudged)
				if !is || (judged.Unread != nil) != c.unread || (judged.At == 7) == c.unread {
					t.Errorf("%+v, %v", answer, err)
				}
				if took := time.Since(began); took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
				if err := system.Root.StopFuture(pid).Wait(); err != nil {
					t.Error(err)
				}
				time.Sleep(recallWithin + 3*time.Second) // the library's throttle of dead letters
			})
		})
	}
}
