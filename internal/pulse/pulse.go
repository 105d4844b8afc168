// Package pulse notices that the process stood still: stopped, swapped out, or on a machine that was paused.
package pulse

import (
	"sync"
	"time"
)

const (
	// Every is how often a beat notes that the process runs: often enough to see each standstill, seldom enough to cost
	// nothing.
	Every = 250 * time.Millisecond
	// Standstill is from when on a gap between two beats counts: no scheduler of a machine that works, and no garbage
	// collection, takes as long.
	Standstill = 2 * time.Second
)

// Pulse beats until it is stopped. The first one after a standstill sees the gap: a beat, or a caller of Gap.
type Pulse struct {
	tell  func()
	stand func() // nil but in tests

	mu    sync.Mutex
	last  time.Time
	stood time.Duration // the longest standstill so far
	timer *time.Timer   // nil once it is stopped
}

// Start begins to beat; the process ran at the instant last. tell is called after each beat that knows of a standstill.
// stand, where it is set, is called before each beat: a test stops the process there.
func Start(last time.Time, stand, tell func()) *Pulse {
	p := &Pulse{tell: tell, stand: stand, last: last}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(Every, p.beat)
	return p
}

// Stop ends it. Of no pulse it does nothing.
func (p *Pulse) Stop() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
	p.timer = nil
}

func (p *Pulse) beat() {
	if p.stand != nil {
		p.stand()
	}
	now := time.Now()
	stood := p.Gap(now)
	p.mu.Lock()
	p.last = now
	if p.timer != nil {
		p.timer.Reset(Every)
	}
	p.mu.Unlock()
	if stood > 0 {
		p.tell()
	}
}

// Gap is how long the process stood still since Start, zero if it did not. Where a machine was suspended, the wall
// clock may be all that shows it.
func (p *Pulse) Gap(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if gap := max(now.Sub(p.last), now.Round(0).Sub(p.last.Round(0))); gap > Standstill {
		p.stood = max(p.stood, gap)
	}
	return p.stood
}
