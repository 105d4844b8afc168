package awssim

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// region is what one account has in one region, with its quota. Values in its tables are never changed in
// place (see clone.go), so what was read may be used after the lock is released.
type region struct {
	scope     Scope
	partition string

	mu        sync.Mutex
	disabled  bool
	noSecond  bool // it never changes
	apis      table[RestAPI]
	plans     table[UsagePlan]
	domains   table[CustomDomain]
	queues    map[string]*queue // it never changes
	dynamoDB  dynamoDB
	keys      table[APIKey]
	byValue   map[string]string // key value -> key id
	meter     *meter
	attaching bool
}

func newRegion(scope Scope, partition string, content Region, q Quota, now time.Time) (*region, error) {
	g := &region{
		scope: scope, partition: partition, disabled: content.Disabled, byValue: map[string]string{}, meter: newMeter(q, now),
		noSecond: content.NoSecondAPI, queues: map[string]*queue{},
	}
	var faults []error
	for _, api := range content.RestAPIs {
		if _, double := g.apis.get(api.ID); double || api.ID == "" {
			faults = append(faults, fmt.Errorf("%s: REST API %q needs an id of its own", scope, api.ID))
		}
		g.putAPI(api, now)
	}
	for _, plan := range content.UsagePlans {
		if _, double := g.plans.get(plan.ID); double || plan.ID == "" {
			faults = append(faults, fmt.Errorf("%s: usage plan %q needs an id of its own", scope, plan.ID))
		}
		plan = plan.clone()
		g.plans.put(plan.ID, &plan)
	}
	for _, d := range content.Domains {
		_, double := g.domains.get(d.key())
		if double {
			faults = append(faults, fmt.Errorf("%s: custom domain name %q is listed twice", scope, d.key()))
		}
		faults = append(faults, g.putDomain(d))
	}
	for _, name := range content.Queues {
		g.queues[name] = newQueue()
	}
	return g, errors.Join(faults...)
}

// putAPI stores a copy with what AWS fills in itself. The caller holds the lock or owns the region.
func (g *region) putAPI(api RestAPI, now time.Time) {
	api = api.clone()
	if api.Created.IsZero() {
		api.Created = now
	}
	if len(api.EndpointTypes) == 0 {
		api.EndpointTypes = []string{"EDGE"}
	}
	if api.APIKeySource == "" {
		api.APIKeySource = "HEADER"
	}
	for i := range api.Stages {
		stage := &api.Stages[i]
		if stage.Created.IsZero() {
			stage.Created = api.Created
		}
		if stage.Updated.IsZero() {
			stage.Updated = stage.Created
		}
	}
	g.apis.put(api.ID, &api)
}

func (g *region) isDisabled() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.disabled
}

// take asks the quota for one request.
func (g *region) take(operation string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.meter.take(operation, now)
}

func (g *region) setQuota(q Quota, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.meter = newMeter(q, now)
}

// beginAttach enters the part that AWS lets only one CreateUsagePlanKey at a time through.
func (g *region) beginAttach() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.attaching && !g.meter.quota.Off {
		return false
	}
	g.attaching = true
	return true
}

func (g *region) endAttach() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.attaching = false
}

// nameOfKey gives the name behind a key id, or the id itself where there is none: ids are made here,
// names by the client, so the name is what stays the same from run to run.
func (g *region) nameOfKey(id string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if k, ok := g.keys.get(id); ok && k.Name != "" {
		return k.Name
	}
	return id
}

func (g *region) findAPI(id string) (*RestAPI, *apiError) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if api, ok := g.apis.get(id); ok {
		return api, nil
	}
	return nil, noSuchAPI(g.scope, id)
}

func (g *region) findStage(api, stage string) (*RestAPI, *Stage, *apiError) {
	a, missing := g.findAPI(api)
	if missing != nil {
		return nil, nil, missing
	}
	s, ok := a.stage(stage)
	if !ok {
		return nil, nil, notFound(messageNoSuchStage)
	}
	return a, s, nil
}
