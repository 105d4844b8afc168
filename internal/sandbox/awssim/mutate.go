package awssim

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"federation-agent/internal/secret"
)

// ErrUnknown is the error of every query and mutator whose account, API, stage, plan or key does not exist.
var ErrUnknown = errors.New("no such thing in the estate")

// known gives a region of an account of the estate.
func (s *Server) known(scope Scope) (*region, error) {
	s.mu.Lock()
	_, ok := s.accounts[scope.Account]
	s.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("account %q: %w", scope.Account, ErrUnknown)
	}
	return s.region(scope), nil
}

// change stores what edit makes of the value of that id. It needs the lock.
func change[T any](g *region, t *table[T], id string, clone func(T) T, edit func(*T) error) error {
	stored, ok := t.get(id)
	if !ok {
		return fmt.Errorf("%s %q: %w", g.scope, id, ErrUnknown)
	}
	changed := clone(*stored)
	if err := edit(&changed); err != nil {
		return err
	}
	t.put(id, &changed)
	return nil
}

// SetDisabled opts an account out of a region, or in again. What it holds stays.
func (s *Server) SetDisabled(scope Scope, disabled bool) error {
	g, err := s.known(scope)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.disabled = disabled
	return nil
}

// PutRestAPI adds a REST API, or replaces the one of the same id.
func (s *Server) PutRestAPI(scope Scope, api RestAPI) error {
	g, err := s.known(scope)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.putAPI(api, time.Now())
	return nil
}

// EditRestAPI changes a REST API, its stages included. The id must stay.
func (s *Server) EditRestAPI(scope Scope, id string, edit func(*RestAPI)) error {
	g, err := s.known(scope)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return change(g, &g.apis, id, RestAPI.clone, func(a *RestAPI) error { edit(a); return nil })
}

// DeleteRestAPI deletes a REST API and takes its stages out of all usage plans.
func (s *Server) DeleteRestAPI(scope Scope, id string) error {
	g, err := s.known(scope)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.apis.remove(id) {
		return fmt.Errorf("%s REST API %q: %w", scope, id, ErrUnknown)
	}
	g.unlinkAll(func(l APIStage) bool { return l.RestAPI == id })
	return nil
}

// unlinkAll takes links out of all plans that have them. It needs the lock.
func (g *region) unlinkAll(gone func(APIStage) bool) {
	for _, stored := range g.plans.values() {
		if !slices.ContainsFunc(stored.APIStages, gone) {
			continue
		}
		plan := stored.clone()
		plan.APIStages = slices.DeleteFunc(plan.APIStages, gone)
		g.plans.put(plan.ID, &plan)
	}
}

// PutStage adds a stage, or replaces the one of the same name.
func (s *Server) PutStage(scope Scope, api string, stage Stage) error {
	now := time.Now()
	if stage.Created.IsZero() {
		stage.Created = now
	}
	if stage.Updated.IsZero() {
		stage.Updated = now
	}
	return s.EditRestAPI(scope, api, func(a *RestAPI) {
		if old, ok := a.stage(stage.Name); ok {
			*old = stage.clone()
			return
		}
		a.Stages = append(a.Stages, stage.clone())
	})
}

// DeleteStage deletes a stage and takes it out of all usage plans.
func (s *Server) DeleteStage(scope Scope, api, stage string) error {
	g, err := s.known(scope)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	err = g.editStages(api, stage, func(a *RestAPI) {
		a.Stages = slices.DeleteFunc(a.Stages, func(t Stage) bool { return t.Name == stage })
	})
	if err == nil {
		g.unlinkAll(func(l APIStage) bool { return l.RestAPI == api && l.Stage == stage })
	}
	return err
}

// editStages changes an API that has such a stage. It needs the lock.
func (g *region) editStages(api, stage string, edit func(*RestAPI)) error {
	return change(g, &g.apis, api, RestAPI.clone, func(a *RestAPI) error {
		if _, ok := a.stage(stage); !ok {
			return fmt.Errorf("%s REST API %s stage %q: %w", g.scope, api, stage, ErrUnknown)
		}
		edit(a)
		return nil
	})
}

// Redeploy gives a stage a new deployment, so that its export changes. It returns the deployment's id.
func (s *Server) Redeploy(scope Scope, api, stage string) (string, error) {
	g, err := s.known(scope)
	if err != nil {
		return "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	var id string
	err = g.editStages(api, stage, func(a *RestAPI) {
		deployed, _ := a.stage(stage)
		id = identifier(hash64(s.options.Seed, "redeploy", scope.String(), api, stage, deployed.DeploymentID),
			lowerAlphanumeric, deploymentIDLength)
		deployed.DeploymentID, deployed.Updated = id, time.Now()
	})
	return id, err
}

const deploymentIDLength = 6

// PutUsagePlan adds a usage plan, or replaces the one of the same id. Its links are not checked, so that
// a dangling one can be made.
func (s *Server) PutUsagePlan(scope Scope, plan UsagePlan) error {
	g, err := s.known(scope)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	plan = plan.clone()
	g.plans.put(plan.ID, &plan)
	return nil
}

// EditUsagePlan changes a usage plan. The id must stay.
func (s *Server) EditUsagePlan(scope Scope, id string, edit func(*UsagePlan)) error {
	g, err := s.known(scope)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return change(g, &g.plans, id, UsagePlan.clone, func(p *UsagePlan) error { edit(p); return nil })
}

// DeleteUsagePlan deletes a usage plan; its keys lose it.
func (s *Server) DeleteUsagePlan(scope Scope, id string) error {
	g, err := s.known(scope)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.plans.remove(id) {
		return fmt.Errorf("%s usage plan %q: %w", scope, id, ErrUnknown)
	}
	for _, stored := range g.keys.values() {
		if stored.attached(id) {
			key := stored.clone()
			key.Plans = slices.DeleteFunc(key.Plans, func(a Attachment) bool { return a.UsagePlan == id })
			g.keys.put(key.ID, &key)
		}
	}
	return nil
}

// Link puts a stage into a usage plan; it need not exist.
func (s *Server) Link(scope Scope, plan, api, stage string) error {
	return s.EditUsagePlan(scope, plan, func(p *UsagePlan) {
		if !p.covers(api, stage) {
			p.APIStages = append(p.APIStages, APIStage{RestAPI: api, Stage: stage})
		}
	})
}

// Unlink takes a stage out of a usage plan; that it was not in it is no error.
func (s *Server) Unlink(scope Scope, plan, api, stage string) error {
	return s.EditUsagePlan(scope, plan, func(p *UsagePlan) {
		p.APIStages = slices.DeleteFunc(p.APIStages, func(l APIStage) bool { return l.RestAPI == api && l.Stage == stage })
	})
}

// PutKey makes a key as somebody else would have: outside quota and log. Its id is returned.
func (s *Server) PutKey(scope Scope, key APIKey) (string, error) {
	g, err := s.known(scope)
	if err != nil {
		return "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	key = key.clone()
	if key.ID == "" {
		key.ID = identifier(
			hash64(s.options.Seed, "foreign key", scope.String(), key.Name, strconv.FormatUint(g.keys.last, 10)),
			lowerAlphanumeric, keyIDLength,
		)
	}
	if other, taken := g.byValue[key.Value.Reveal()]; key.Value.IsZero() || taken && other != key.ID {
		return "", fmt.Errorf("%s key %q needs a value of its own", scope, key.Name)
	}
	if old, ok := g.keys.get(key.ID); ok {
		delete(g.byValue, old.Value.Reveal())
	}
	key.Scope = scope
	if key.Created.IsZero() {
		key.Created, key.Updated = time.Now(), time.Now()
	}
	g.keys.put(key.ID, &key)
	g.byValue[key.Value.Reveal()] = key.ID
	return key.ID, nil
}

// RemoveKey deletes a key as somebody else would have: outside quota and log.
func (s *Server) RemoveKey(scope Scope, id string) error {
	g, err := s.known(scope)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	key, ok := g.keys.get(id)
	if !ok {
		return fmt.Errorf("%s key %q: %w", scope, id, ErrUnknown)
	}
	g.removeKey(key)
	return nil
}

// AddKey makes a key as somebody else would have: outside quota and log. It is in no usage plan.
func (s *Server) AddKey(scope Scope, name, description string) (id string, err error) {
	g, err := s.known(scope)
	if err != nil {
		return "", err
	}
	id = identifier(hash64(s.options.Seed, "added key", name, description), lowerAlphanumeric, keyIDLength)
	value := identifier(hash64(s.options.Seed, "its value", id), alphanumeric, generatedKeyValueLength)
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keys.put(id, &APIKey{
		Scope: scope, ID: id, Name: name, Description: description, Value: secret.New(value), Enabled: true, Created: now,
		Updated: now, Plans: []Attachment{},
	})
	g.byValue[value] = id
	return id, nil
}

// SetQuota replaces the quota of all accounts and regions, whose buckets start full again.
func (s *Server) SetQuota(q Quota) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quota = q
	for _, g := range s.regions {
		g.setQuota(q, time.Now())
	}
}

// ExpireSessions ends all sessions of a role, or of all roles if the ARN is empty, and tells how many:
// their next call answers ExpiredTokenException.
func (s *Server) ExpireSessions(roleARN string) int {
	return s.identities.expireSessions(roleARN, time.Now())
}
