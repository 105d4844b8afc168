package awssim

import (
	"net/http"
	"slices"
	"time"
)

// Wire shapes as recorded from AWS. Times are seconds since 1970, as the REST-JSON protocol has them.

type restAPIWire struct {
	ID                     string            `json:"id"`
	Name                   string            `json:"name"`
	Description            string            `json:"description,omitempty"`
	Version                string            `json:"version,omitempty"`
	CreatedDate            int64             `json:"createdDate"`
	APIKeySource           string            `json:"apiKeySource"`
	BinaryMediaTypes       []string          `json:"binaryMediaTypes,omitempty"`
	DisableExecuteEndpoint bool              `json:"disableExecuteApiEndpoint"`
	Endpoint               endpointWire      `json:"endpointConfiguration"`
	RootResourceID         string            `json:"rootResourceId"`
	Policy                 string            `json:"policy,omitempty"`
	SecurityPolicy         string            `json:"securityPolicy,omitempty"`
	Tags                   map[string]string `json:"tags,omitempty"`
}

type endpointWire struct {
	IPAddressType  string   `json:"ipAddressType"`
	Types          []string `json:"types"`
	VPCEndpointIDs []string `json:"vpcEndpointIds,omitempty"`
}

func wireRestAPI(a *RestAPI) restAPIWire {
	address := "ipv4"
	if slices.Contains(a.EndpointTypes, "PRIVATE") {
		address = "dualstack"
	}
	return restAPIWire{
		ID: a.ID, Name: a.Name, Description: a.Description, Version: a.Version, CreatedDate: a.Created.Unix(),
		APIKeySource: a.APIKeySource, BinaryMediaTypes: a.BinaryMediaTypes, DisableExecuteEndpoint: a.DisableExecuteEndpoint,
		Endpoint: endpointWire{address, a.EndpointTypes, a.VPCEndpointIDs}, RootResourceID: rootResourceID(a.ID),
		Policy: a.Policy, SecurityPolicy: a.SecurityPolicy, Tags: a.Tags,
	}
}

func rootResourceID(apiID string) string {
	return identifier(hash64(0, "root resource", apiID), lowerAlphanumeric, 10)
}

type stageWire struct {
	StageName            string            `json:"stageName"`
	DeploymentID         string            `json:"deploymentId"`
	Description          string            `json:"description,omitempty"`
	DocumentationVersion string            `json:"documentationVersion,omitempty"`
	CacheClusterEnabled  bool              `json:"cacheClusterEnabled"`
	CacheClusterStatus   string            `json:"cacheClusterStatus"`
	MethodSettings       map[string]any    `json:"methodSettings"`
	WebACLARN            string            `json:"webAclArn,omitempty"`
	TracingEnabled       bool              `json:"tracingEnabled"`
	Variables            map[string]string `json:"variables,omitempty"`
	Canary               *canaryWire       `json:"canarySettings,omitempty"`
	Tags                 map[string]string `json:"tags,omitempty"`
	CreatedDate          int64             `json:"createdDate"`
	LastUpdatedDate      int64             `json:"lastUpdatedDate"`
}

type canaryWire struct {
	DeploymentID           string            `json:"deploymentId"`
	PercentTraffic         float64           `json:"percentTraffic"`
	StageVariableOverrides map[string]string `json:"stageVariableOverrides,omitempty"`
	UseStageCache          bool              `json:"useStageCache"`
}

func wireStage(s *Stage) stageWire {
	w := stageWire{
		StageName: s.Name, DeploymentID: s.DeploymentID, Description: s.Description,
		DocumentationVersion: s.DocumentationVersion,
		MethodSettings:       map[string]any{}, WebACLARN: s.WebACLARN,
		CacheClusterStatus: "NOT_AVAILABLE", Variables: s.Variables, Tags: s.Tags,
		CreatedDate: s.Created.Unix(), LastUpdatedDate: s.Updated.Unix(),
	}
	if s.Throttle != nil {
		w.MethodSettings["*/*"] = map[string]any{
			"throttlingBurstLimit": s.Throttle.BurstLimit, "throttlingRateLimit": s.Throttle.RateLimit,
		}
	}
	if s.Canary != nil {
		w.Canary = &canaryWire{s.Canary.DeploymentID, s.Canary.PercentTraffic, s.Canary.Overrides, s.Canary.UseStageCache}
	}
	return w
}

func getRestAPIs(_ *Server, r *request) (response, *apiError) {
	out, bad := listing(r, &r.region.apis, oldestFirst, all, wireRestAPI)
	if bad != nil {
		return response{}, bad
	}
	return jsonResponse(http.StatusOK, out), nil
}

func getRestAPI(_ *Server, r *request) (response, *apiError) {
	api, missing := r.region.findAPI(r.event.RestAPI)
	if missing != nil {
		return response{}, missing
	}
	return jsonResponse(http.StatusOK, wireRestAPI(api)), nil
}

// getStages is not paged (AWS documents it).
func getStages(_ *Server, r *request) (response, *apiError) {
	api, missing := r.region.findAPI(r.event.RestAPI)
	if missing != nil {
		return response{}, missing
	}
	deployment := r.query.Get("deploymentId")
	out := page[stageWire]{Items: []stageWire{}}
	for i := range api.Stages {
		if deployment == "" || api.Stages[i].DeploymentID == deployment {
			out.Items = append(out.Items, wireStage(&api.Stages[i]))
		}
	}
	return jsonResponse(http.StatusOK, out), nil
}

func getStage(_ *Server, r *request) (response, *apiError) {
	_, stage, missing := r.region.findStage(r.event.RestAPI, r.event.Stage)
	if missing != nil {
		return response{}, missing
	}
	return jsonResponse(http.StatusOK, wireStage(stage)), nil
}

type resourceWire struct {
	ID       string `json:"id"`
	ParentID string `json:"parentId,omitempty"`
	PathPart string `json:"pathPart,omitempty"`
	Path     string `json:"path"`
}

// getResources gives the root alone: what an API's methods are is said by its exports.
func getResources(_ *Server, r *request) (response, *apiError) {
	api, missing := r.region.findAPI(r.event.RestAPI)
	if missing != nil {
		return response{}, missing
	}
	return jsonResponse(http.StatusOK,
		page[resourceWire]{Items: []resourceWire{{ID: rootResourceID(api.ID), Path: "/"}}}), nil
}

type deploymentWire struct {
	ID          string `json:"id"`
	CreatedDate int64  `json:"createdDate"`
}

// getDeployments gives those that a stage points to; AWS also keeps the older ones.
func getDeployments(_ *Server, r *request) (response, *apiError) {
	api, missing := r.region.findAPI(r.event.RestAPI)
	if missing != nil {
		return response{}, missing
	}
	out := page[deploymentWire]{Items: []deploymentWire{}}
	add := func(id string, created time.Time) {
		known := slices.ContainsFunc(out.Items, func(d deploymentWire) bool { return d.ID == id })
		if id != "" && !known {
			out.Items = append(out.Items, deploymentWire{id, created.Unix()})
		}
	}
	for _, s := range api.Stages {
		add(s.DeploymentID, s.Updated)
		if s.Canary != nil {
			add(s.Canary.DeploymentID, s.Updated)
		}
	}
	return jsonResponse(http.StatusOK, out), nil
}

func getAuthorizers(_ *Server, r *request) (response, *apiError) {
	if _, missing := r.region.findAPI(r.event.RestAPI); missing != nil {
		return response{}, missing
	}
	return jsonResponse(http.StatusOK, page[struct{}]{Items: []struct{}{}}), nil
}
