package chaos

import (
	"context"
	"fmt"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/awssim"
)

func awsAccount() string { return awssim.UniformAccount(0) }

// doInAWS is what deployments and administrators do.
func (r *run) doInAWS(s step) {
	aws := r.world.AWS
	if s.kind == doExpire {
		if n := aws.ExpireSessions(""); n > 0 { // without roles there are none
			r.strike("sessions expire", "%d", n)
		}
		return
	}
	scope, _ := one(r, s, "scope", r.scopesOn())
	region, err := aws.Snapshot(scope)
	if err != nil {
		return
	}
	api, hasAPI := one(r, s, "api", region.RestAPIs)
	stage, hasStage := one(r, s, "stage", api.Stages)
	plan, hasPlan := one(r, s, "plan", region.UsagePlans)
	linked, hasLink := one(r, s, "link", plan.APIStages)
	switch {
	case s.kind == doLink && hasStage && hasPlan:
		err = aws.Link(scope, plan.ID, api.ID, stage.Name)
	case s.kind == doUnlink && hasLink:
		err = aws.Unlink(scope, plan.ID, linked.RestAPI, linked.Stage)
	case s.kind == doRenamePlan && hasPlan:
		err = aws.EditUsagePlan(scope, plan.ID, func(p *awssim.UsagePlan) { p.Name += "'" })
	case s.kind == doRemovePlan && hasPlan:
		err = aws.DeleteUsagePlan(scope, plan.ID)
	case s.kind == doAddPlan && hasStage:
		added := newPlan(r.dice, fmt.Sprintf("p-new-%d", s.n), s.name())
		added.APIStages = []awssim.APIStage{{RestAPI: api.ID, Stage: stage.Name}}
		err = aws.PutUsagePlan(scope, added)
	case s.kind == doEditAPI && hasAPI:
		err = aws.EditRestAPI(scope, api.ID, func(a *awssim.RestAPI) {
			a.Description, a.Version = fmt.Sprintf("Changed by step %d", s.n), fmt.Sprintf("2.%d", s.n)
			if r.dice.chance(0.4, "rename", s.name()) {
				a.Name = "Renamed"
			}
		})
		for _, st := range api.Stages { // an export is of what is deployed
			if err == nil {
				_, err = aws.Redeploy(scope, api.ID, st.Name)
			}
		}
	case s.kind == doTag && hasAPI:
		err = r.retag(s, scope, api)
	case s.kind == doRedeploy && hasStage:
		_, err = aws.Redeploy(scope, api.ID, stage.Name)
	case s.kind == doPromote && hasStage:
		err = r.promote(s, scope, api, stage.Name)
	case s.kind == doRemoveAPI && hasAPI && len(region.RestAPIs) > 1:
		err = aws.DeleteRestAPI(scope, api.ID)
	case s.kind == doRemoveStage && hasStage:
		err = aws.DeleteStage(scope, api.ID, stage.Name)
	case s.kind == doAddAPI && hasPlan:
		added := r.tagged(newAPI(r.dice, fmt.Sprintf("apinew%d", s.n), s.name()), s.name())
		if err = aws.PutRestAPI(scope, added); err == nil {
			err = aws.Link(scope, plan.ID, added.ID, added.Stages[0].Name)
		}
	case s.kind == doMassRemoval:
		r.unlink(s, scope, region)
	case s.kind == doRelink:
		for _, a := range region.RestAPIs {
			for _, st := range a.Stages {
				if hasPlan && err == nil {
					err = aws.Link(scope, plan.ID, a.ID, st.Name)
				}
			}
		}
	}
	if err != nil {
		r.note("edit %s: %v", s.name(), err)
	}
	r.estate.look()
}

// unlink takes most stages out of their plans, or all.
func (r *run) unlink(s step, scope awssim.Scope, region awssim.Region) {
	share := []float64{0.7, 0.9, 1}[r.dice.below(3, "share", s.name())]
	for _, plan := range region.UsagePlans {
		for _, l := range plan.APIStages {
			if r.dice.chance(share, "unlink", s.name(), plan.ID, l.RestAPI, l.Stage) {
				_ = r.world.AWS.Unlink(scope, plan.ID, l.RestAPI, l.Stage) // it was there a moment ago
			}
		}
	}
}

// subscribeToStale takes a stage out of a plan, and has somebody subscribe to what APIM still shows. Often that is so
// soon behind that a listing runs, or has just ended.
func (r *run) subscribeToStale(s step) {
	api, hasAPI := one(r, s, "api", withPlans(r.world.APIM.APIs()))
	plan, hasPlan := one(r, s, "plan", api.Plans)
	id, err := federation.ParseID(api.ProviderID)
	if !hasAPI || !hasPlan || err != nil || r.isInOff(api.ProviderID) {
		return
	}
	scope := awssim.Scope{Account: id.Account, Region: id.Region}
	if r.dice.chance(0.3, "listing", s.name()) {
		r.ingest(s, nil)
	}
	if err := r.world.AWS.Unlink(scope, plan.ProviderID, id.RestAPI, id.Stage); err != nil {
		r.note("edit %s: %v", s.name(), err)
		return
	}
	r.estate.look()
	r.strike("stage left its plan", "%s %s", api.ProviderID, plan.ProviderID)
	r.start(func(context.Context) {
		time.Sleep(r.dice.duration(0, 5*time.Second, "stale", s.name()))
		r.subscribe(s, api, plan)
	})
}

// scopes are those of the estate.
func (r *run) scopes() []awssim.Scope {
	var scopes []awssim.Scope
	for a := range r.shape.accounts {
		for _, region := range r.shape.regions {
			scopes = append(scopes, awssim.Scope{Account: awssim.UniformAccount(a), Region: region})
		}
	}
	return scopes
}

// plantForeignKeys makes keys of others, which the agent must leave alone.
func (r *run) plantForeignKeys() {
	for _, scope := range r.scopes() {
		region, err := r.world.AWS.Snapshot(scope)
		if err != nil {
			continue
		}
		key := awssim.APIKey{
			Name: "somebody else's", Enabled: true,
			Plans: []awssim.Attachment{{UsagePlan: region.UsagePlans[0].ID, Since: r.began}},
		}
		if id, err := r.world.AWS.PutKey(scope, key); err == nil {
			key.ID, key.Scope = id, scope
			r.foreign = append(r.foreign, key)
		}
	}
}
