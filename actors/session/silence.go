package session

import (
	"cmp"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/exchange"
	"federation-agent/internal/status"
)

// A session can be dead for commands while its websocket lives. APIM up to 4.8 forgets an agent if its answer to one
// HEALTH_CHECK is late by 60 s: the socket stays, pings are answered, an INGEST is taken, but no command and no
// HEALTH_CHECK ever comes again (run, exchange 1.5.2 and 1.8.2). Nothing but that silence tells.
const (
	// silentFor is the least silence that counts: five of APIM's intervals of 30 s. One round of HEALTH_CHECKs may be
	// late by 60 s because of another agent (read in exchange 1.8.2).
	silentFor = 150 * time.Second
	// silentRounds is how many HEALTH_CHECKs must be missing where a controller is set to ask more rarely.
	silentRounds = 5
	// uncheckedFor is how long a session may be without its first HEALTH_CHECK, as long as it is unknown how often this
	// controller asks: thirty of APIM's intervals. The first may be what was lost, and then nothing else ever comes. A
	// controller that never asks sees a new session after each quarter of an hour without a command, which costs it
	// nothing.
	uncheckedFor = 15 * time.Minute
)

// commandWatch is what a session knows of its controller's habits.
type commandWatch struct {
	checked time.Time     // the latest HEALTH_CHECK
	longest time.Duration // between two of them, or the session's begin and the first
	heard   time.Time     // the latest command
	timer   *time.Timer
}

// silent is what the watch tells its session.
type silent struct{ newsOf }

func (w *commandWatch) patience() time.Duration {
	if w.checked.IsZero() {
		return uncheckedFor
	}
	return max(silentFor, silentRounds*w.longest)
}

func (w *commandWatch) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	*w = commandWatch{}
}

// heard notes a command, and expects the next.
func (s *session) heard(commandType string) {
	if s.readyAt.IsZero() {
		return
	}
	w, now := &s.watch, time.Now()
	if commandType == exchange.TypeHealthCheck {
		since := cmp.Or(w.checked, s.readyAt)
		w.longest, w.checked = max(w.longest, now.Sub(since)), now
	}
	s.expect(now)
}

// expect waits for the next command, from now on.
func (s *session) expect(now time.Time) {
	w := &s.watch
	w.heard = now
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer = s.Scope.After(w.patience(), silent{newsOf{s.conn}})
}

// onSilent leaves a session that nothing comes by any more. A timer that was overtaken by a command says nothing.
func (s *session) onSilent(ctx actor.Context) {
	quiet := time.Since(s.watch.heard)
	if quiet < s.watch.patience() {
		return
	}
	delay := s.nextDelay(false)
	s.env.Lasting.Warn("APIM has stopped sending commands and HEALTH_CHECKs, as APIM up to 4.8 does after an answer "+
		"that came too late; connecting again", life.LogTook, quiet.Round(time.Second), life.LogDelay, delay)
	s.leave(ctx, exchange.CloseTryAgainLater, status.LostSilent, "no HEALTH_CHECK comes any more", s.redialAfter(delay))
}
