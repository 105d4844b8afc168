package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"federation-agent/test/process"
)

const (
	// longestLife is how long both agents live between two faults at most: longer than the 15 s after which a process is
	// missed, and mostly shorter, so that what one leaves behind is often left behind once more.
	longestLife = 16 * time.Second
	// nextWithin is longer than APIM takes to notice that an agent does not answer: 90 s, and what the answer takes.
	nextWithin = 3 * time.Minute
	// busyGap is from one SUBSCRIBE to the next while agents are killed. Moto reads the whole table for a query: with
	// thousands of keys it takes seconds, which is another test.
	busyGap = 800 * time.Millisecond
)

// places are those of two agents in the controller's order.
const places = 2

func nameOf(place int) string {
	return [places]string{"the one that is sent commands", "the other one"}[place]
}

// measureKills ends one of two agents by kill -9, again and again, and starts another in its place.
func measureKills(ctx context.Context, r *rig) ([]*figures, error) {
	rounds := pick(r, 60, 3)
	f := &figures{title: fmt.Sprintf("%d rounds of kill -9 of one of two agents", rounds)}
	p, err := newPair(ctx, r)
	if err != nil {
		return nil, err
	}
	defer p.close()
	dice := rand.New(rand.NewPCG(seed, 1))
	t := p.begin(ctx, busyGap)
	t.lookAndEnd()
	t.ingestAll()
	var next [places][]time.Duration
	for round := range rounds {
		life := time.Duration(dice.Int64N(int64(pick(r, longestLife, time.Second))))
		if err := process.Sleep(ctx, life); err != nil {
			return nil, errors.Join(err, t.end())
		}
		place := dice.IntN(places)
		took, err := p.killAndReplace(ctx, t, place)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("round %d: %w", round+1, err), t.end())
		}
		next[place] = append(next[place], took)
	}
	err = t.end()
	for place := range places {
		what := nameOf(place)
		f.tell("killed: "+what+": time to the next accepted SUBSCRIBE, median (worst)", middleAndWorst(next[place]))
	}
	t.tell(f)
	return []*figures{f}, errors.Join(err, p.end(ctx, f))
}

func (p *pair) killAndReplace(ctx context.Context, t *traffic, place int) (time.Duration, error) {
	victim, err := p.inPlace(ctx, place)
	if err != nil {
		return 0, err
	}
	at := time.Now()
	victim.kill()
	took, err := t.next(ctx, at, nextWithin)
	if err != nil {
		return took, err
	}
	fresh, err := p.startOne(ctx, victim.program)
	if err != nil {
		return took, err
	}
	for n, a := range p.agents {
		if a == victim {
			p.agents[n] = fresh
		}
	}
	return took, nil
}

// measureStops stops one of two agents (SIGSTOP) for a while, again and again.
func measureStops(ctx context.Context, r *rig) ([]*figures, error) {
	stills := pick(r, []time.Duration{5 * time.Second, 30 * time.Second, 90 * time.Second}, []time.Duration{5 * time.Second})
	times := pick(r, 2, 1)
	f := &figures{title: fmt.Sprintf("%d rounds of SIGSTOP of one of two agents", len(stills)*places*times)}
	p, err := newPair(ctx, r)
	if err != nil {
		return nil, err
	}
	defer p.close()
	t := p.begin(ctx, busyGap)
	t.lookAndEnd()
	t.ingestAll()
	next := map[string][]time.Duration{}
	for range times {
		for _, still := range stills {
			for place := range places {
				took, err := p.stopAndGoOn(ctx, t, place, still)
				if err != nil {
					return nil, errors.Join(fmt.Errorf("stopping %s for %s: %w", nameOf(place), still, err), t.end())
				}
				what := fmt.Sprint(still, place)
				next[what] = append(next[what], took)
			}
		}
	}
	err = t.end()
	for _, still := range stills {
		for place := range places {
			what := nameOf(place)
			f.tell(fmt.Sprintf("stopped for %s: %s: time to the next accepted SUBSCRIBE, median (worst)", still, what),
				middleAndWorst(next[fmt.Sprint(still, place)]))
		}
	}
	t.tell(f)
	return []*figures{f}, errors.Join(err, p.end(ctx, f))
}

// stopAndGoOn also waits until both serve again.
func (p *pair) stopAndGoOn(ctx context.Context, t *traffic, place int, still time.Duration) (time.Duration, error) {
	victim, err := p.inPlace(ctx, place)
	if err != nil {
		return 0, err
	}
	at := time.Now()
	if err := victim.Signal(syscall.SIGSTOP); err != nil {
		return 0, err
	}
	err = process.Sleep(ctx, still)
	if err := errors.Join(err, victim.Signal(syscall.SIGCONT)); err != nil {
		return 0, err
	}
	took, err := t.next(ctx, at, nextWithin)
	if err != nil {
		return took, err
	}
	// The session that the stop cost ends only when the agent notices; both are there for some seconds before the next.
	if err := process.Sleep(ctx, pick(p.rig, 5*time.Second, 3*time.Second)); err != nil {
		return took, err
	}
	return took, p.bothServe(ctx)
}
