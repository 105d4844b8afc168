package exports

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// taker is a document's worker that takes room in the background.
type taker struct {
	claim *Claim
	err   chan error
}

func take(ctx context.Context, h *Holder, bytes int64) taker {
	t := taker{claim: h.Claim(), err: make(chan error, 1)}
	go func() { t.err <- t.claim.Take(ctx, bytes) }()
	synctest.Wait()
	return t
}

// has says whether the worker has its room.
func (t taker) has() bool {
	synctest.Wait()
	return len(t.err) == 1
}

// holder is one that needs no wake-up.
func holder(t *testing.T, b *Bound) *Holder { return b.Holder(t.Context(), 0, func() {}) }

// nothingHeld checks that a bound is as it was in the beginning.
func nothingHeld(t *testing.T, b *Bound) {
	t.Helper()
	if b.held != 0 || b.working != 0 || len(b.waiting) != 0 || b.wanting != 0 {
		t.Errorf("%d bytes are held by nobody, %d work, %d wait, %d want", b.held, b.working, len(b.waiting), b.wanting)
	}
	for _, h := range b.holders {
		if h.held != 0 || h.expected != 0 || len(h.claims) != 0 {
			t.Errorf("a holder has %d bytes and expects %d, of %d documents", h.held, h.expected, len(h.claims))
		}
	}
}

func TestRoomIsGrantedInTheOrderOfArrivalAndADocumentLargerThanTheBoundPassesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBound(100)
		h := holder(t, b)
		first, second := take(t.Context(), h, 60), take(t.Context(), h, 40)
		large, small := take(t.Context(), h, 5000), take(t.Context(), h, 1)
		if !first.has() || !second.has() {
			t.Fatal("there is room for both")
		}
		first.claim.Drop()
		if large.has() || small.has() {
			t.Fatal("the small one would fit, but the large one was there before")
		}
		second.claim.Keep(40)
		if large.has() {
			t.Fatal("what is kept is held")
		}
		second.claim.Release()
		if !large.has() || small.has() {
			t.Fatal("nothing is held, so the large one passes, and alone")
		}
		large.claim.Keep(99)
		if !small.has() {
			t.Fatal("what is kept counts, not what was taken")
		}
		for _, c := range []taker{first, large, small} {
			c.claim.Release()
		}
		small.claim.Drop() // its worker's end
		nothingHeld(t, b)
	})
}

func TestADocumentThatIsGivenUpHoldsNoneUpAndHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBound(100)
		h := holder(t, b)
		first := take(t.Context(), h, 60)
		ctx, cancel := context.WithCancel(t.Context())
		gone, next := take(ctx, h, 60), take(t.Context(), h, 40)
		if next.has() {
			t.Fatal("the later one went first")
		}
		cancel()
		if err := <-gone.err; !errors.Is(err, context.Canceled) {
			t.Errorf("%v without room", err)
		}
		gone.claim.Drop()
		if !next.has() {
			t.Error("the next one waits for nothing")
		}
		// Another attempt, after which less is needed: it must not wait for itself.
		if err := first.claim.Take(t.Context(), 50); err != nil {
			t.Error(err)
		}
		for _, c := range []taker{first, gone, next} {
			c.claim.Drop()
			c.claim.Release()
		}
		nothingHeld(t, b)
	})
}

func TestDocumentsOfUnknownSizeThatAllWaitForMoreGoOnOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBound(100)
		h := holder(t, b)
		first, second := take(t.Context(), h, 50), take(t.Context(), h, 50)
		<-first.err
		<-second.err
		grow := func(c *Claim, bytes int64) taker {
			more := taker{claim: c, err: make(chan error, 1)}
			go func() { more.err <- c.Take(t.Context(), bytes) }()
			synctest.Wait()
			return more
		}
		a := grow(first.claim, 80)
		if a.has() {
			t.Fatal("the other one is being read and gives its room back in time")
		}
		c := grow(second.claim, 80)
		if a.has() || !c.has() {
			t.Fatal("both wait, so nobody would ever give anything back: one of them passes")
		}
		more := grow(second.claim, 200)
		if a.has() || !more.has() {
			t.Fatal("it is the same one that passes until it has come to its end")
		}
		more.claim.Keep(60)
		if a.has() {
			t.Fatal("60 are kept and 80 are wanted")
		}
		more.claim.Release()
		if !a.has() {
			t.Fatal("there is room")
		}
		a.claim.Drop()
		a.claim.Release()
		nothingHeld(t, b)
	})
}

func TestOneMoreDocumentMayBeAskedForIfThereIsRoomForOneLikeThoseBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBound(1 << 20)
		h, other := holder(t, b), holder(t, b)
		asked := func(h *Holder) (claims []*Claim) {
			for h.HasRoom() {
				claims = append(claims, h.Claim())
			}
			return claims
		}
		claims := asked(h)
		if len(claims) != 8 {
			t.Errorf("%d documents: 1 MiB takes eight of an assumed 128 KiB", len(claims))
		}
		if len(asked(other)) != 8 {
			t.Error("what others expect is not counted: it may be long in coming")
		}
		// They turn out to be of 1000 bytes each.
		for _, c := range claims {
			if err := c.Take(t.Context(), 1000); err != nil {
				t.Fatal(err)
			}
		}
		if more := asked(h); len(more) != (1<<20-8*1000)/leastGuess {
			t.Errorf("%d more: small ones count as %d", len(more), leastGuess)
		}
		waits := take(t.Context(), other, 2<<20)
		for c := range h.claims {
			c.Drop()
			c.Release()
		}
		if !waits.has() {
			t.Error("all of it was given back")
		}
	})
}

func TestAConsumerThatSendsEverythingAtOnceAsksForNoMoreThanThatAndMayHoldIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBound(100)
		ctx, cancel := context.WithCancel(t.Context())
		h := b.Holder(ctx, 1000, func() {})
		for n := range 3 {
			c := take(t.Context(), h, 300)
			if !c.has() {
				t.Fatalf("document %d waits", n)
			}
			c.claim.Keep(300)
			if room := h.HasRoom(); room {
				t.Fatal("a document may be of 4 KiB at least, which is more than it can send")
			}
		}
		last := take(t.Context(), h, 300)
		if last.has() || !h.Blocked() {
			t.Fatal("it waits for what only its own consumer can give back")
		}
		cancel()
		if err := <-last.err; !errors.Is(err, errReleased) {
			t.Errorf("%v after the consumer's end", err)
		}
		synctest.Wait()
		if b.room() != 100 {
			t.Errorf("the bound is %d for the others", b.room())
		}
		nothingHeld(t, b)
	})
}

func TestOfAConsumerThatSendsEverythingAtOnceTheFirstThatWasAskedForHasRoomFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBound(100)
		h, job := b.Holder(t.Context(), 100, func() {}), holder(t, b)
		first := h.Claim() // its answer takes longer than those of the others
		large, small := take(t.Context(), h, 60), take(t.Context(), h, 20)
		if large.has() {
			t.Fatal("there might be no room for the first one then")
		}
		if !small.has() {
			t.Fatal("there is room for three of its size")
		}
		others := take(t.Context(), job, 30)
		if !others.has() {
			t.Fatal("nobody else waits for the first one")
		}
		if err := first.Take(t.Context(), 50); err != nil {
			t.Fatal(err)
		}
		if large.has() {
			t.Fatal("100 are taken")
		}
		others.claim.Drop()
		first.Keep(10)
		if !large.has() {
			t.Fatal("only 30 are taken")
		}
		for _, c := range []*Claim{first, large.claim, small.claim, others.claim} {
			c.Drop()
			c.Release()
		}
		nothingHeld(t, b)
	})
}

func TestConsumersAreWokenWhenThereIsRoomAgainAndWhenTheyAreToMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBound(100)
		woken := map[string]int{}
		holderOf := func(name string) *Holder { return b.Holder(t.Context(), 0, func() { woken[name]++ }) }
		full, hungry, idle := holderOf("full"), holderOf("hungry"), holderOf("idle")
		kept := take(t.Context(), full, 90)
		reading := take(t.Context(), full, 10)
		if hungry.HasRoom() {
			t.Fatal("there is none")
		}
		kept.claim.Keep(90)
		waits := take(t.Context(), hungry, 90)
		if len(woken) != 0 || full.Wanted() {
			t.Fatalf("woken %v: a document is being read, so room comes by itself", woken)
		}
		reading.claim.Keep(10)
		if fmt.Sprint(woken) != "map[full:1]" || !full.Wanted() || full.Blocked() || hungry.Blocked() {
			t.Fatalf("woken %v: only what is ready is held, by the one who is to send it", woken)
		}
		again := take(t.Context(), hungry, 90)
		if woken["full"] != 2 {
			t.Errorf("woken %v: another document waits", woken)
		}
		kept.claim.Release()
		if !waits.has() || woken["hungry"] != 0 {
			t.Errorf("woken %v: the room went to the document that waited", woken)
		}
		for _, c := range []taker{waits, again} {
			c.claim.Drop()
			c.claim.Release()
		}
		reading.claim.Release()
		if fmt.Sprint(woken) != "map[full:2 hungry:1]" || idle.Wanted() {
			t.Errorf("woken %v, by the first room that is left", woken)
		}
		nothingHeld(t, b)
	})
}

func TestWhatAConsumerHoldsIsGivenBackWhenItEndsButOnceNobodyWorksOnIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBound(100)
		ctx, end := context.WithCancel(t.Context())
		dying, living := b.Holder(ctx, 0, func() {}), holder(t, b)
		kept, reading := take(t.Context(), dying, 40), take(t.Context(), dying, 60)
		kept.claim.Keep(40)
		waits, next := take(t.Context(), dying, 10), take(t.Context(), living, 50)
		end()
		if err := <-waits.err; !errors.Is(err, errReleased) {
			t.Errorf("%v: this document is not needed any more", err)
		}
		if next.has() {
			t.Error("60 are still being read")
		}
		if err := reading.claim.Take(t.Context(), 61); !errors.Is(err, errReleased) {
			t.Errorf("%v: another attempt is not begun", err)
		}
		reading.claim.Keep(30)
		if !next.has() {
			t.Error("nothing is held any more")
		}
		next.claim.Drop()
		next.claim.Release()
		late := dying.Claim()
		if err := late.Take(t.Context(), 1); !errors.Is(err, errReleased) {
			t.Errorf("%v: nobody would ever give it back", err)
		}
		nothingHeld(t, b)
	})
}

// crowd is consumers and workers that share a bound, at random, and what must hold whatever they do.
type crowd struct {
	bound *Bound
	// unknown: some documents do not tell their size before they are read.
	unknown bool
	claims  []*Claim // guarded by the bound's mutex
}

// consumer asks for documents of random sizes until it has had all of them. It sends what it holds when it has enough,
// when nothing more comes, or when room is wanted.
type consumer struct {
	crowd  *crowd
	holder *Holder
	atOnce int
	wake   chan struct{}
	ready  chan *Claim
	left   int
}

func (c *consumer) run(ctx context.Context, random *rand.Rand) {
	underWay := 0
	var held []*Claim
	for c.left+underWay+len(held) > 0 {
		for c.left > 0 && c.holder.HasRoom() {
			c.left--
			underWay++
			go c.crowd.prepare(ctx, c.crowd.claim(c.holder), random.Int64N(random.Int64N(400)+1), random.Int64N(1000), c.ready)
		}
		send := len(held) > 4 || c.holder.Wanted()
		if c.atOnce > 0 {
			send = c.holder.Blocked()
		}
		if len(held) > 0 && (send || underWay == 0) {
			time.Sleep(time.Duration(random.Int64N(2000)) * time.Millisecond)
			for _, claim := range held {
				claim.Release()
			}
			held = nil
			continue
		}
		select {
		case claim := <-c.ready:
			underWay--
			held = append(held, claim)
		case <-c.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (c *crowd) claim(h *Holder) *Claim {
	claim := h.Claim()
	c.bound.mu.Lock()
	defer c.bound.mu.Unlock()
	c.claims = append(c.claims, claim)
	return claim
}

// prepare is a worker: it takes room, maybe in steps, reads, encodes, and hands the claim over.
func (c *crowd) prepare(ctx context.Context, claim *Claim, bytes, millis int64, ready chan<- *Claim) {
	time.Sleep(time.Duration(millis) * time.Millisecond)
	defer claim.Drop()
	if c.unknown && millis%4 == 0 {
		if claim.Take(ctx, bytes/2) != nil {
			return
		}
		time.Sleep(time.Duration(millis) * time.Millisecond)
	}
	if claim.Take(ctx, bytes) != nil {
		return
	}
	time.Sleep(time.Duration(millis) * time.Millisecond)
	claim.Keep(int(bytes / 2))
	select {
	case ready <- claim:
	case <-ctx.Done():
	}
}

// look checks that what is held is within the most that the bound is at any time, but for one document that is larger
// than that, or for the rest of one whose size was not known.
func (c *crowd) look(t *testing.T, most int) {
	c.bound.mu.Lock()
	defer c.bound.mu.Unlock()
	largest := 0
	for _, claim := range c.claims {
		largest = max(largest, claim.held)
	}
	beyond := c.bound.held > most && c.bound.held > largest
	if c.unknown {
		beyond = c.bound.held-largest > most
	}
	if beyond {
		t.Errorf("%d bytes are held, the largest document has %d", c.bound.held, largest)
	}
}

func TestWhateverSeveralConsumersDoTheBoundHoldsAndAllComesThroughAndNothingLeaks(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { shared(t, seed) })
		})
	}
}

func shared(t *testing.T, seed uint64) {
	const most = 250
	b := NewBound(200)
	c := &crowd{bound: b, unknown: seed%2 == 1}
	var ends []context.CancelFunc
	done := make(chan bool, 5)
	// Two jobs, a refresh, a FETCH, and a job that ends in the middle.
	for n, atOnce := range []int{0, 0, 0, most, 0} {
		ctx, end := context.WithCancel(t.Context())
		ends = append(ends, end)
		one := &consumer{crowd: c, atOnce: atOnce, wake: make(chan struct{}, 1), ready: make(chan *Claim), left: 60}
		one.holder = b.Holder(ctx, atOnce, func() {
			select {
			case one.wake <- struct{}{}:
			default:
			}
		})
		if n == 4 {
			time.AfterFunc(5*time.Second, end)
		}
		go func() {
			one.run(ctx, rand.New(rand.NewPCG(seed, uint64(n))))
			end()
			done <- true
		}()
	}
	tick := time.NewTicker(31 * time.Millisecond)
	defer tick.Stop()
	forEver := time.After(time.Hour)
	for left := len(ends); left > 0; {
		select {
		case <-done:
			left--
		case <-tick.C:
			c.look(t, most)
		case <-forEver:
			t.Fatalf("%d consumers wait for ever", left)
		}
	}
	synctest.Wait()
	nothingHeld(t, b)
}
