package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/process"
)

// pair is two agents that serve one integration, and APIM's users beside them.
type pair struct {
	*site
	agents [2]*agent
	apis   []apimsim.APIView
}

// newPair starts two agents one after the other, and has everything ingested.
func newPair(ctx context.Context, r *rig) (*pair, error) {
	s, err := newPairSite(ctx, r)
	if err != nil {
		return nil, err
	}
	p := &pair{site: s}
	for n := range p.agents {
		if p.agents[n], err = p.startOne(ctx, thisVersion); err != nil {
			p.close()
			return nil, err
		}
	}
	if _, err = s.Users.APIM.Ingest(ctx, process.Patience, integration); err == nil {
		p.apis, err = s.Users.APIM.APIs(ctx)
	}
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *pair) startOne(ctx context.Context, program string) (*agent, error) {
	return p.start(ctx, p.spec(program))
}

func (p *pair) spec(program string) agentSpec {
	return agentSpec{program: program, integrations: []string{integration}, settings: pairSettings()}
}

// close kills the agents and ends the site.
func (p *pair) close() {
	for _, a := range p.agents {
		if a != nil {
			a.kill()
		}
	}
	p.site.close()
}

// inPlace gives the agent at a place in the order in which the stand-in for APIM sends commands: 0 is the one that gets
// them all. The real controller's order is that of a hash map: fixed, and any.
func (p *pair) inPlace(ctx context.Context, place int) (*agent, error) {
	all, err := p.sessions(ctx, nil)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b apimsim.AgentView) int { return a.Conn - b.Conn })
	var order []*agent
	for _, session := range all {
		for _, a := range p.agents {
			if a.wire.Carries(session.RemoteAddr) {
				order = append(order, a)
			}
		}
	}
	if len(order) != len(p.agents) {
		return nil, fmt.Errorf("APIM has sessions of %d agents", len(order))
	}
	return order[place], nil
}

// bothServe waits until APIM has a session of each.
func (p *pair) bothServe(ctx context.Context) error {
	for _, a := range p.agents {
		if err := p.connected(ctx, a, 1); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return nil
}

// end lets everything come to rest, ends both agents in order, and holds every key in AWS against APIM and the journal.
func (p *pair) end(ctx context.Context, f *figures) error {
	took, err := p.settle(ctx)
	if err != nil {
		return err
	}
	f.tell("from the last fault to nothing being left to do", took.Round(time.Second).String())
	return p.count(ctx, f)
}

// count ends both agents in order and counts.
func (p *pair) count(ctx context.Context, f *figures) error {
	stopping := p.stopBoth()
	records, err := p.records(ctx)
	if err != nil {
		return errors.Join(stopping, err)
	}
	c, err := p.Users.Count(ctx, p.AWS, records)
	if err != nil {
		return errors.Join(stopping, err)
	}
	return errors.Join(stopping, f.count(c))
}

// stopBoth ends both agents in order.
func (p *pair) stopBoth() error {
	var errs []error
	for n, a := range p.agents {
		errs = append(errs, a.stop())
		p.agents[n] = nil
	}
	return errors.Join(errs...)
}
