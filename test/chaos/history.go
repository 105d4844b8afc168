package chaos

import (
	"slices"
	"sync"
	"time"

	"federation-agent/internal/federation"
)

// estateHistory is what AWS held at which time: what the agent sends must have been so at some time since
// its listing began.
type estateHistory struct {
	run *run
	mu  sync.Mutex
	all []estateAt
}

type estateAt struct {
	at    time.Time
	plans map[string][]string // usage plans by federated id; an API in no plan is absent
	// links are the same, also of stages that do not exist any more while their REST API does.
	links map[string][]string
	// passes are the ids that the seed's filter lets through.
	passes map[string]bool
	// exists are the ids of all stages, apis those of REST APIs, without a stage.
	exists, apis map[string]bool
	// unexportable are the ids whose export AWS refuses for good.
	unexportable map[string]bool
}

func newEstateHistory(r *run) *estateHistory {
	h := &estateHistory{run: r}
	h.look()
	return h
}

// look notes what there is now.
func (h *estateHistory) look() {
	now := estateAt{at: time.Now(), plans: map[string][]string{}, links: map[string][]string{}, passes: map[string]bool{}, unexportable: map[string]bool{}, exists: map[string]bool{}, apis: map[string]bool{}}
	for _, scope := range h.run.scopes() {
		region, err := h.run.world.AWS.Snapshot(scope)
		if err != nil {
			continue
		}
		for _, api := range region.RestAPIs {
			now.apis[scope.Account+":"+scope.Region+":"+api.ID] = true
			for _, plan := range region.UsagePlans {
				for _, l := range plan.APIStages {
					if l.RestAPI == api.ID {
						id := federation.ID{Account: scope.Account, Region: scope.Region, RestAPI: api.ID, Stage: l.Stage}.String()
						now.links[id] = append(now.links[id], plan.ID)
					}
				}
			}
			for _, stage := range api.Stages {
				id := federation.ID{Account: scope.Account, Region: scope.Region, RestAPI: api.ID, Stage: stage.Name}.String()
				for _, plan := range region.UsagePlans {
					for _, l := range plan.APIStages {
						if l.RestAPI == api.ID && l.Stage == stage.Name {
							now.plans[id] = append(now.plans[id], plan.ID)
						}
					}
				}
				now.exists[id] = true
				now.unexportable[id], now.passes[id] = stage.ExportError != "", h.run.sieve.passes(api, stage.Name)
			}
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, now)
}

// between are the estates that were at some time from a to b.
func (h *estateHistory) between(a, b time.Time) []estateAt {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []estateAt
	for i, e := range h.all {
		if e.at.After(b) || (i+1 < len(h.all) && h.all[i+1].at.Before(a)) {
			continue
		}
		out = append(out, e)
	}
	return out
}

// goneSince is when an API was first missing in a plan after it had been in it: no second listing can have shown that
// earlier than [federation.SecondLook] later.
func (h *estateHistory) goneSince(api, plan string) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	had := false
	for _, e := range h.all {
		has := slices.Contains(e.plans[api], plan)
		if had && !has {
			return e.at
		}
		had = had || has
	}
	return time.Time{}
}

// everPlanned reports whether an API was in any plan at any time: no other is ingested.
func (h *estateHistory) everPlanned(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.all, func(e estateAt) bool { return len(e.plans[id]) > 0 })
}

// everLinked reports whether an API was in a plan in one of the estates.
func everLinked(estates []estateAt, api, plan string) bool {
	return slices.ContainsFunc(estates, func(e estateAt) bool { return slices.Contains(e.plans[api], plan) })
}

// everUnlinked reports whether an API was not in a plan in one of the estates.
func everUnlinked(estates []estateAt, api, plan string) bool {
	return slices.ContainsFunc(estates, func(e estateAt) bool { return !slices.Contains(e.plans[api], plan) })
}

// lasting are the APIs that are in all of the estates, in a plan, and that a filter lets through.
func lasting(estates []estateAt) []string {
	var ids []string
	for id := range estates[0].plans {
		if !slices.ContainsFunc(estates, func(e estateAt) bool { return len(e.plans[id]) == 0 || !e.passes[id] }) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}
