package catalogue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/federation"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

// The listings that are remembered, by this process and by others that share the journal.
//
// Nothing is listed and nothing is named before they were read once: an ingest that did would rename what APIM has, and
// a listing that was kept then would drop what only the memory knows. While the journal cannot be read, whoever has a
// deadline gets an answer without any complete listing, so that nothing is sent; an ingest or a round without one waits.
// This is no loss: a process that cannot read the journal has no part of the quota and can write down no ingest either.
//
// Later, names are judged over what is known, also while the journal is away. Where processes share it, what the others
// have listed is read again before anything is named of which this process has not just seen all.
const (
	// memoryWithin is how long one reading may take, and how long a caller with a deadline waits for the first: the table
	// answers within milliseconds.
	memoryWithin = 10 * time.Second
	// againWithin is how long the listings of other processes may take. What is known stands in for them.
	againWithin = 2 * time.Second
	// firstTry and lastTry bound the delay before the journal is asked again that has failed.
	firstTry, lastTry = time.Second, time.Minute
)

// memory is how the catalogue stands with the listings that are remembered.
type memory struct {
	known    bool // they were read since the start
	reading  bool
	failures int
	why      error // of the last failure

	early []*waits              // for the first reading
	later []func(actor.Context) // to do after the reading that is on its way
	// newer are the targets that were listed here since that reading began: what it brings of them is older.
	newer map[federation.Target]bool
	saves map[federation.Target]*saving
}

// waits is what waits for the first reading. instead is done if that takes too long.
type waits struct{ work, instead func(actor.Context) }

// saving is a listing that is not in the journal yet. There is one write of a target at a time, or an old one could come
// last.
type saving struct {
	running  bool
	stale    bool // what is being written is not the last any more
	failures int
}

func newMemory() memory {
	return memory{newer: map[federation.Target]bool{}, saves: map[federation.Target]*saving{}}
}

// unread says why nothing is known yet.
func (m *memory) unread() error {
	const what = "the last listings, by which APIs are found and named, cannot be read from the journal yet; trying again"
	if m.why == nil {
		return errors.New(what)
	}
	return fmt.Errorf("%s: %w", what, m.why)
}

// remembering does work once the listings were read, or, if it comes to that, something else instead after a while; 0
// waits for as long as it takes.
func (c *catalogue) remembering(ctx actor.Context, wait time.Duration, work, instead func(actor.Context)) {
	if c.memory.known {
		work(ctx)
		return
	}
	w := &waits{work: work, instead: instead}
	c.memory.early = append(c.memory.early, w)
	if wait > 0 {
		c.Scope.After(min(wait, memoryWithin), waitedLong{w})
	}
}

func (c *catalogue) onWaitedLong(ctx actor.Context, m waitedLong) {
	if n := slices.Index(c.memory.early, m.waits); n >= 0 {
		c.memory.early = slices.Delete(c.memory.early, n, n+1)
		m.waits.instead(ctx)
	}
}

// withhold answers a gathering for which nothing may be named: its targets are not listed yet.
func (c *catalogue) withhold(ctx actor.Context, g *gathering) {
	result := messages.GatheredAPIs{Failures: []string{c.memory.unread().Error()}}
	for _, seat := range c.seats(onlyOf(g.Only)) {
		result.Listings = append(result.Listings, messages.TargetListing{Target: seat[0].ID()})
	}
	ctx.Request(g.asker, result)
}

// again does work after what other processes have listed was read. It does it at once where there are no others.
func (c *catalogue) again(ctx actor.Context, work func(actor.Context)) {
	if c.env.Member == nil {
		work(ctx)
		return
	}
	c.memory.later = append(c.memory.later, work)
	c.read(againWithin)
}

// knowsAll says that a gathering has just seen all that names depend on, or that there is no time to ask.
func (c *catalogue) knowsAll(g *gathering) bool {
	if !g.By.IsZero() && time.Until(g.By) < againWithin {
		return true
	}
	return !slices.ContainsFunc(c.configured(), func(t federation.Target) bool {
		return !slices.Contains(g.off, t) && !slices.ContainsFunc(g.listings, func(l messages.TargetListing) bool {
			return l.Target == t && l.Complete && !l.Narrow
		})
	})
}

func (c *catalogue) read(within time.Duration) {
	if c.memory.reading {
		return
	}
	c.memory.reading = true
	clear(c.memory.newer)
	for target := range c.memory.saves {
		c.memory.newer[target] = true
	}
	life.Pipe(c.Scope, func(ctx context.Context) (map[string][]store.RememberedAPI, error) {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		return c.env.Listings.Listings(ctx, c.spec.Integration)
	}, func(listings map[string][]store.RememberedAPI, err error) any { return memoryRead{listings, err} })
}

func (c *catalogue) onMemoryRead(ctx actor.Context, m memoryRead) {
	c.memory.reading = false
	if m.err != nil {
		c.env.Lasting.Warn("cannot read the last listings", life.LogError, m.err)
	}
	if m.err != nil && !errors.Is(m.err, store.ErrDamaged) {
		c.memory.why = m.err
		if !c.memory.known {
			c.Scope.After(life.Backoff(c.memory.failures, firstTry, lastTry, c.env.Jitter()), readDue{})
			c.memory.failures++
		}
	} else {
		c.remember(m.listings)
	}
	var work []func(actor.Context)
	if c.memory.known {
		for _, w := range c.memory.early {
			work = append(work, w.work)
		}
		work = append(work, c.memory.later...)
		c.memory.early, c.memory.later = nil, nil
	}
	for _, do := range work {
		do(ctx)
	}
}

// remember takes what was read. What the first reading brings of targets that are not configured is forgotten when names
// are judged; later it may be of a process that is newer, and is left alone.
func (c *catalogue) remember(listings map[string][]store.RememberedAPI) {
	configured := c.configured()
	for text, apis := range listings {
		target, err := federation.ParseTarget(text)
		if err != nil || c.memory.newer[target] || c.memory.known &&
			!slices.ContainsFunc(configured, func(t federation.Target) bool { return mayBe(t, target) }) {
			continue
		}
		c.book.keep(target, apis)
	}
	c.memory.known, c.memory.why = true, nil
}

// save writes the listing of a target, or that there is none any more.
func (c *catalogue) save(target federation.Target) {
	c.memory.newer[target] = true
	s := c.memory.saves[target]
	if s == nil {
		s = &saving{}
		c.memory.saves[target] = s
	}
	if s.stale = s.running; s.running {
		return
	}
	s.running = true
	apis, listed := c.book.listings[target]
	life.Do(c.Scope, func(context.Context) error { // which the end of this incarnation does not cut off
		if !listed {
			return c.env.Listings.ForgetListing(c.env.Life, c.spec.Integration, target.String())
		}
		return c.env.Listings.SaveListing(c.env.Life, c.spec.Integration, target.String(), apis)
	}, func(err error) any { return listingKept{target: target, err: err} })
}

func (c *catalogue) onListingKept(m listingKept) {
	s := c.memory.saves[m.target]
	s.running = false
	switch {
	case m.err != nil:
		c.env.Lasting.Warn("cannot keep a listing; names may change after a restart",
			life.LogTarget, m.target, life.LogError, m.err)
		c.Scope.After(life.Backoff(s.failures, firstTry, lastTry, c.env.Jitter()), saveDue{m.target})
		s.failures++
	case s.stale:
		c.save(m.target)
	default:
		delete(c.memory.saves, m.target)
	}
}

// onSaveDue tries again, unless a listing that came meanwhile did.
func (c *catalogue) onSaveDue(m saveDue) {
	if s := c.memory.saves[m.target]; s != nil && !s.running {
		c.save(m.target)
	}
}
