package chaos

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"federation-agent/actors/life"
	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/memnet"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/internal/table"
	"federation-agent/test/world"
)

const (
	// skewed is how far the wall clock of a replica may be off.
	skewed = 10 * time.Minute
	// restartDelay bounds how long an orchestrator takes to start a dead process again.
	restartDelay = 20 * time.Second
	// flushEvery is how often the agent's command brings the store to disk.
	flushEvery = 30 * time.Second
	// exportsRoom, in bytes, holds every document of an estate: here it is a crash that empties the cache.
	exportsRoom = 1 << 30
	// exportsLost is how likely a crash takes the cache along.
	exportsLost = 0.5
)

// slot is a replica as its orchestrator sees it: a volume, and one process after another.
type slot struct {
	run  *run
	name string
	disk *storetest.Model
	// exports is the cache on its volume. Nothing of it is synced, so a crash may take all of it.
	exports store.ExportCache
	// volume, where set, has both of them.
	volume *volume
	// writes is what was written to the disk, in order.
	journal journal
	life    *lifetime
	wanted  bool // it shall run
	starts  int
	// cuts are the partitions between the slot's process and others, by side; under the run's lock.
	cuts map[string]cut
	// skew is how far the slot's wall clock is off from others'.
	skew time.Duration
}

// lifetime is one process.
type lifetime struct {
	slot     *slot
	instance *world.Instance
	name     string
	regions  []string // that it was started with
	filters  bool     // it was started with the filter
	crashed  bool     // under the run's lock
	began    time.Time
	ended    time.Time // under the run's lock; zero while it runs
	over     bool      // buried
	// frozenUntil is when the process goes on that stands still; under the run's lock.
	frozenUntil time.Time
	unheard     bool // a panic has lost what the session says once; under the run's lock
	stop        chan struct{}
}

func (r *run) newSlot(name string) *slot {
	s := &slot{
		run: r, name: name, disk: &storetest.Model{}, exports: store.NewMemoryExports(exportsRoom), journal: newJournal(),
		cuts: map[string]cut{},
	}
	if r.replicas != nil {
		s.journal, s.skew = r.replicas.journal, r.dice.duration(-skewed, skewed, "skew", name)
	}
	s.volume = r.newVolume(name)
	s.disk.OnWrite, s.disk.OnOpen = s.onWrite, s.onOpen
	r.slots = append(r.slots, s)
	return s
}

// start starts the next process.
func (s *slot) start() {
	r := s.run
	s.wanted = true
	l := &lifetime{slot: s, stop: make(chan struct{}), began: time.Now(), regions: s.regions()}
	l.filters = s.filters(fmt.Sprintf("%s %d", s.name, s.starts))
	settings := map[string]string{
		"gravitee_integration_providers_0_configuration_region": r.named(l.regions),
	}
	if l.filters {
		maps.Copy(settings, r.sieve.settings)
		r.count("processes with a filter", 1)
	}
	r.mu.Lock()
	if r.replicas != nil {
		s.disk = &storetest.Model{}
		s.exports = store.NewMemoryExports(exportsRoom)
	}
	if s.volume != nil {
		s.openVolume()
	}
	s.life = l
	r.lives = append(r.lives, l)
	r.mu.Unlock()
	options := world.AgentOptions{
		Disk:     s.disk,
		Exports:  ofLife{s.exports, l},
		Settings: settings,
		Now:      func() time.Time { return time.Now().Add(time.Duration(r.clock.Load()) + s.skew) },
		AWS:      r.carrier,
		Faults: func(name string) life.Faults {
			l.name = name
			return r.onReceive(l)
		},
	}
	if r.replicas != nil {
		options.Table = func(name string) table.Items {
			return reach{r.replicas.model.Client(name), r.replicas, l}
		}
	}
	instance := r.world.StartAgentWith(options)
	r.mu.Lock()
	l.instance = instance
	r.mu.Unlock()
	r.note("start %s as %s", s.name, l.name)
	done := instance.Done()
	go func() {
		tick := time.NewTicker(flushEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = instance.Store.Flush() // what it says, the store's health says
			case <-done:
				r.dying <- l
				return
			case <-l.stop:
				return
			}
		}
	}()
}

// regions are those that the slot's next process is started with: somebody may have taken one away.
func (s *slot) regions() []string {
	r := s.run
	all := r.shape.regions
	s.starts++
	name := fmt.Sprintf("%s %d", s.name, s.starts)
	if r.calm.Load() || len(all) == 1 || r.regions != nil || s.starts == 1 || !r.dice.chance(r.profile.of(famSettings, 0.4), "region", name) {
		return all
	}
	r.strike("region taken away", "%s", name)
	return all[:1]
}

// putBack has a process that lacks a region started again with it, once it has been seen that nothing of what the
// region left undone is left: the credentials for the other one reach it.
func (s *slot) putBack() {
	r := s.run
	if len(s.life.regions) == len(r.shape.regions) {
		return
	}
	records, err := storetest.Records(s.life.instance.Store, store.Filter{Region: r.shape.regions[1]})
	if err != nil {
		r.violated("store", "the journal of %s cannot be read: %v", s.name, err)
	}
	for _, rec := range records {
		r.count("records without their region", 1)
		switch rec.State {
		case keys.Delivered, keys.Unconfirmed, keys.LostCreate:
		default:
			r.violated("orphan-left", "%s is still %s, and credentials of its account are configured",
				describe(listed{rec, s}), rec.State)
		}
	}
	s.drain()
	r.until(time.Now().Add(time.Minute))
	s.revive()
}

// configured reports whether each process that ran at some time from a to b had the region of an API.
func (r *run) configured(id string, a, b time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	lives := slices.DeleteFunc(slices.Clone(r.lives), func(l *lifetime) bool {
		return !l.ended.IsZero() && l.ended.Before(a) || l.began.After(b)
	})
	return r.regions.knownOn(id, lives) && !slices.ContainsFunc(lives, func(l *lifetime) bool {
		return !slices.Contains(l.regions, regionOf(id))
	})
}

// named is how regions are configured.
func (r *run) named(all []string) string {
	if r.regions != nil {
		return "all"
	}
	return strings.Join(all, ",")
}

// crash is the instant in which the process dies, wherever it is at; until buries it. False if it is dead.
func (l *lifetime) crash() bool { return l.die(func() { l.instance.Fence() }) }

// die is crash with a way of its own to cut the process off.
func (l *lifetime) die(fence func()) bool {
	r := l.slot.run
	r.mu.Lock()
	if l.crashed || !l.ended.IsZero() || l.instance == nil {
		r.mu.Unlock()
		return false
	}
	l.crashed, l.ended = true, time.Now()
	r.mu.Unlock()
	fence()
	l.slot.journal.onCrash()
	r.dying <- l
	return true
}

// bury takes away what is left of a process, and has it started again.
func (r *run) bury(l *lifetime) {
	if l.over {
		return
	}
	l.over = true
	r.mu.Lock()
	crashed := l.crashed
	if l.ended.IsZero() {
		l.ended = time.Now()
	}
	r.mu.Unlock()
	close(l.stop)
	if crashed {
		l.instance.Crash()
	} else {
		l.instance.Stop()
	}
	l.slot.journal.onCrash() // what a refusing disk has not taken is gone, in whatever order the process ended
	r.note("gone  %s (crashed: %t)", l.name, crashed)
	if crashed && r.dice.chance(exportsLost, "exports lost", l.name) {
		r.strike("exports lost in a crash", "%s", l.slot.name)
		l.slot.exports = store.NewMemoryExports(exportsRoom)
		if v := l.slot.volume; v != nil {
			_ = os.RemoveAll(v.exportsDir()) // what is left is there after the crash
		}
	}
	if l.slot.wanted {
		delay := r.dice.duration(100*time.Millisecond, restartDelay, "restart", l.name)
		if r.calm.Load() {
			delay = time.Second
		}
		time.Sleep(delay)
		l.slot.start()
	}
}

// drain ends the process as SIGTERM does, or as SIGKILL does when that takes too long, and has it started again.
func (s *slot) drain() {
	l, r := s.life, s.run
	if l == nil || l.over || l.instance.Agent == nil {
		return
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), drainKill)
	defer cancel()
	if l.instance.Agent.Drain(ctx, drainTime) == nil {
		return
	}
	r.count("drain killed", 1)
	if !r.panickedSince(l.name, began.Add(-restartAtMost)) && !r.replicas.stoodStill(l.name, began, time.Now()) {
		r.violated("drain-late", "an orderly end took more than %s, and %s were given", drainKill, drainTime)
	}
	l.crash()
}

const (
	// drainTime is what an orderly end is given, drainKill when an orchestrator loses patience.
	drainTime = 8 * time.Second
	drainKill = 10 * time.Second
	// restartAtMost is how long an actor that panicked may be away: what it was told meanwhile waits.
	restartAtMost = 30 * time.Second
)

// panickedSince reports whether a panic befell a process since an instant: what the actor was told is lost.
func (r *run) panickedSince(agent string, since time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.panics, func(p panicked) bool { return p.agent == agent && !p.at.Before(since) })
}

// end stops the process for good.
func (s *slot) end() {
	s.wanted = false
	if l := s.life; l != nil && !l.over {
		s.run.bury(l)
	}
}

// revive has a process run.
func (s *slot) revive() {
	s.run.until(time.Now())
	if s.life == nil || s.life.over {
		s.start()
	}
}

// onReceive makes actors panic, and the process die, at the nth message of a type to a kind of actor.
func (r *run) onReceive(l *lifetime) func(string, any) {
	seen := newCounter()
	return func(actorID string, message any) {
		kind := kindOf(actorID)
		event := fmt.Sprintf("%s %T", kind, message)
		name := fmt.Sprintf("%s %s %d", l.name, event, seen.next(event))
		if event == primaryWord {
			l.hear(true)
		}
		if r.calm.Load() {
			return
		}
		if r.dice.chance(r.profile.of(famCrashes, 0.0004), "crash", name) && l.crash() {
			r.strike("crash at a message", "%s", name)
		}
		l.halt("at a message", name, 0.0002)
		if event == lastWord { // its one statement tells that the agent has ended; nobody is left to notice a panic
			return
		}
		if r.dice.chance(r.profile.of(famPanics, 0.0015), "panic", name) {
			r.strike("panic of the "+kind, "%s", name)
			r.mu.Lock()
			r.panics = append(r.panics, panicked{agent: l.name, kind: kind, at: time.Now()})
			r.mu.Unlock()
			if event == primaryWord {
				l.hear(false)
			}
			panic("injected: " + name)
		}
	}
}

const (
	lastWord = "agent *actor.Stopped"
	// primaryWord tells the reconciler, once a session, whether its rounds are this agent's matter.
	primaryWord = "reconciler messages.PrimaryChanged"
)

// hear notes whether the reconciler was reached by the session's last word of who is the primary.
func (l *lifetime) hear(reached bool) {
	l.slot.run.mu.Lock()
	defer l.slot.run.mu.Unlock()
	l.unheard = !reached
}

// isUnheard says that it was not: as far as the reconciler knows, its rounds are another agent's matter until the next
// session. A panic of the agent's own comes after it has taken that word in; only one that is injected comes before.
func (l *lifetime) isUnheard() bool {
	l.slot.run.mu.Lock()
	defer l.slot.run.mu.Unlock()
	return l.unheard
}

// panicked is a panic that was injected.
type panicked struct {
	agent, kind string
	at          time.Time
}

// kindOf is an actor's kind: "agent-1/integration-3/session-7" is a session.
func kindOf(actorID string) string {
	last := actorID[strings.LastIndexByte(actorID, '/')+1:]
	kind, _, _ := strings.Cut(last, "-")
	return kind
}

// current is the slot's process.
func (s *slot) current() *lifetime {
	s.run.mu.Lock()
	defer s.run.mu.Unlock()
	return s.life
}

// links are the life's open connections to a side.
func (l *lifetime) links(to string) []*memnet.Link {
	var links []*memnet.Link
	for _, link := range l.slot.run.world.Network.Links() {
		if id := link.ID(); id.From == l.name && strings.HasPrefix(id.To, to) {
			links = append(links, link)
		}
	}
	return links
}
