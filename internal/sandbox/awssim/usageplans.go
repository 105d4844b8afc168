package awssim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

type usagePlanWire struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	ProductCode string            `json:"productCode,omitempty"`
	APIStages   []apiStageWire    `json:"apiStages"`
	Throttle    *Throttle         `json:"throttle,omitempty"`
	Quota       *PlanQuota        `json:"quota,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

type apiStageWire struct {
	APIID    string              `json:"apiId"`
	Stage    string              `json:"stage"`
	Throttle map[string]Throttle `json:"throttle,omitempty"`
}

func wireUsagePlan(p *UsagePlan) usagePlanWire {
	stages := make([]apiStageWire, len(p.APIStages))
	for i, s := range p.APIStages {
		stages[i] = apiStageWire{s.RestAPI, s.Stage, s.Throttle}
	}
	return usagePlanWire{p.ID, p.Name, p.Description, p.ProductCode, stages, p.Throttle, p.Quota, p.Tags}
}

func getUsagePlans(_ *Server, r *request) (response, *apiError) {
	match := all[UsagePlan]
	if keyID := r.query.Get("keyId"); keyID != "" {
		plans := r.region.plansOfKey(keyID)
		match = func(p *UsagePlan) bool { return slices.Contains(plans, p.ID) }
	}
	out, bad := listing(r, &r.region.plans, oldestFirst, match, wireUsagePlan)
	if bad != nil {
		return response{}, bad
	}
	return jsonResponse(http.StatusOK, out), nil
}

func (g *region) plansOfKey(keyID string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if k, ok := g.keys.get(keyID); ok {
		return k.planIDs()
	}
	return nil
}

func getUsagePlan(_ *Server, r *request) (response, *apiError) {
	r.region.mu.Lock()
	plan, ok := r.region.plans.get(r.event.UsagePlan)
	r.region.mu.Unlock()
	if !ok {
		return response{}, notFound(messageNoSuchPlan)
	}
	return jsonResponse(http.StatusOK, wireUsagePlan(plan)), nil
}

type patchOperation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value string `json:"value"`
}

// updateUsagePlan serves what a neighbour does with it: texts, limits, and linking stages. The agent's
// minimum policy has no PATCH at all.
func updateUsagePlan(_ *Server, r *request) (response, *apiError) {
	var in struct {
		Operations []patchOperation `json:"patchOperations"`
	}
	if json.Unmarshal(r.body, &in) != nil {
		return response{}, badRequest(messageInvalidRequestBody)
	}
	g := r.region
	g.mu.Lock()
	defer g.mu.Unlock()
	stored, ok := g.plans.get(r.event.UsagePlan)
	if !ok {
		return response{}, notFound(messageNoSuchPlan)
	}
	plan := stored.clone()
	for _, op := range in.Operations {
		if bad := op.apply(&plan); bad != nil {
			return response{}, bad
		}
	}
	g.plans.put(plan.ID, &plan)
	return jsonResponse(http.StatusOK, wireUsagePlan(&plan)), nil
}

func (o patchOperation) apply(p *UsagePlan) *apiError {
	switch {
	case o.Op == "replace" && o.Path == "/name":
		p.Name = o.Value
		return nil
	case o.Op == "replace" && o.Path == "/description":
		p.Description = o.Value
		return nil
	case o.Op == "replace" && strings.HasPrefix(o.Path, "/throttle/"):
		return o.applyThrottle(p)
	case o.Path == "/apiStages" && (o.Op == "add" || o.Op == "remove"):
		api, stage, ok := strings.Cut(o.Value, ":")
		if !ok {
			return badRequest("Invalid API stage specified, must be restApiId:stageName")
		}
		p.APIStages = slices.DeleteFunc(p.APIStages, func(s APIStage) bool { return s.RestAPI == api && s.Stage == stage })
		if o.Op == "add" {
			p.APIStages = append(p.APIStages, APIStage{RestAPI: api, Stage: stage})
		}
		return nil
	}
	return badRequest("Invalid patch path  '%s' specified for op '%s'.", o.Path, o.Op)
}

func (o patchOperation) applyThrottle(p *UsagePlan) *apiError {
	n, err := strconv.ParseFloat(o.Value, 64)
	if err != nil || n < 0 {
		return badRequest("Invalid throttle value specified")
	}
	if p.Throttle == nil {
		p.Throttle = &Throttle{}
	}
	switch o.Path {
	case "/throttle/rateLimit":
		p.Throttle.RateLimit = n
	case "/throttle/burstLimit":
		p.Throttle.BurstLimit = int(n)
	default:
		return badRequest("Invalid patch path  '%s' specified for op '%s'.", o.Path, o.Op)
	}
	return nil
}
