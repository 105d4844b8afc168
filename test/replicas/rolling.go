package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"federation-agent/test/process"
)

// rollingGap is from one SUBSCRIBE to the next while agents are replaced: three a second.
const rollingGap = time.Second / 3

// measureRolling replaces two agents one after the other, as a rolling update does that starts the new one first.
func measureRolling(ctx context.Context, r *rig) ([]*figures, error) {
	updates := pick(r, 3, 1)
	f := &figures{title: fmt.Sprintf("%d rolling restarts of two agents under 3 SUBSCRIBEs a second, one controller", updates)}
	p, err := newPair(ctx, r)
	if err != nil {
		return nil, err
	}
	defer p.close()
	t := p.begin(ctx, rollingGap)
	var ends []time.Duration
	for range updates {
		for n := range p.agents {
			took, err := p.replace(ctx, n, thisVersion)
			if err != nil {
				return nil, errors.Join(err, t.end())
			}
			ends = append(ends, took)
		}
	}
	err = errors.Join(process.Sleep(ctx, 2*time.Second), t.end())
	var took []time.Duration
	for _, ask := range t.asks {
		took = append(took, ask.answered.Sub(ask.at))
	}
	f.tell("SUBSCRIBEs: time of the answer, median (worst)", middleAndWorst(took))
	f.none("of them rejected", t.rejected())
	f.tell("from SIGTERM to the process's end, median (worst)", middleAndWorst(ends))
	return []*figures{f}, errors.Join(err, p.end(ctx, f))
}

// replace starts another agent, of a program, and ends one in order when that is there. It says how long the end took.
func (p *pair) replace(ctx context.Context, n int, program string) (time.Duration, error) {
	fresh, err := p.startOne(ctx, program)
	if err != nil {
		return 0, err
	}
	old := p.agents[n]
	p.agents[n] = fresh
	at := time.Now()
	err = old.stop()
	return time.Since(at), err
}
