package awssim

import (
	"cmp"
	"maps"
	"slices"
)

// scoped lists the regions in order of account and name, without those that stand for nothing yet.
func (s *Server) scoped() []*region {
	s.mu.Lock()
	out := make([]*region, 0, len(s.regions))
	for _, g := range s.regions {
		out = append(out, g)
	}
	s.mu.Unlock()
	slices.SortFunc(out, func(a, b *region) int {
		return cmp.Or(cmp.Compare(a.scope.Account, b.scope.Account), cmp.Compare(a.scope.Region, b.scope.Region))
	})
	return out
}

// Snapshot copies what exists in one account and region.
func (s *Server) Snapshot(scope Scope) (Region, error) {
	g, err := s.known(scope)
	if err != nil {
		return Region{}, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	out := Region{Name: scope.Region, Disabled: g.disabled, NoSecondAPI: g.noSecond}
	for _, api := range g.apis.values() {
		out.RestAPIs = append(out.RestAPIs, api.clone())
	}
	for _, plan := range g.plans.values() {
		out.UsagePlans = append(out.UsagePlans, plan.clone())
	}
	for _, d := range g.domains.values() {
		out.Domains = append(out.Domains, d.clone())
	}
	out.Queues = slices.Sorted(maps.Keys(g.queues))
	return out, nil
}

// Scopes lists every account and region that the estate named or that was asked for since.
func (s *Server) Scopes() []Scope {
	var out []Scope
	for _, g := range s.scoped() {
		out = append(out, g.scope)
	}
	return out
}

// Keys lists all API keys by account, region and age.
func (s *Server) Keys() []APIKey {
	out := []APIKey{}
	for _, g := range s.scoped() {
		g.mu.Lock()
		for _, k := range g.keys.values() {
			out = append(out, k.clone())
		}
		g.mu.Unlock()
	}
	return out
}

// Key finds one key.
func (s *Server) Key(scope Scope, id string) (APIKey, bool) {
	g, err := s.known(scope)
	if err != nil {
		return APIKey{}, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	k, ok := g.keys.get(id)
	if !ok {
		return APIKey{}, false
	}
	return k.clone(), true
}

// Calls gives the remembered attempts with a greater Seq than this, oldest first; those in progress have
// no outcome yet.
func (s *Server) Calls(since int64) []Call { return s.log.since(since) }

// Counts gives the attempts that ended, by account, region, operation and status.
func (s *Server) Counts() []Count { return s.log.snapshot() }

// CallCount adds up the attempts at an operation that ended, in all accounts and regions and whatever
// their status; an empty operation means all.
func (s *Server) CallCount(operation string) int64 {
	var n int64
	for _, c := range s.log.snapshot() {
		if operation == "" || c.Operation == operation {
			n += c.Count
		}
	}
	return n
}

// Throttled counts the attempts that the quota refused, by the caller's ARN (a role's without its
// session), so that a neighbour in the same account is told apart. Injected 429s are not among them.
func (s *Server) Throttled() map[string]int64 { return s.log.throttledBy() }

// ResetCalls forgets the log and the counters. The events' counts (Event.N) go on.
func (s *Server) ResetCalls() { s.log.reset() }

// Script is the server's own list of faults, which comes before [Options.Faults] and can be changed at
// any time.
func (s *Server) Script() *Script { return &s.script }
