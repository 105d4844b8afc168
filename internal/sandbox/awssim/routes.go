package awssim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// Names of operations, as AWS's SDKs spell them.
const (
	OpAssumeRole          = "AssumeRole"
	OpCreateAPIKey        = "CreateApiKey"
	OpCreateUsagePlanKey  = "CreateUsagePlanKey"
	OpDeleteAPIKey        = "DeleteApiKey"
	OpDeleteUsagePlanKey  = "DeleteUsagePlanKey"
	OpGetAPIKey           = "GetApiKey"
	OpGetAPIKeys          = "GetApiKeys"
	OpGetAuthorizers      = "GetAuthorizers"
	OpGetCallerIdentity   = "GetCallerIdentity"
	OpGetDeployments      = "GetDeployments"
	OpGetAPIMappings      = "GetApiMappings"
	OpGetBasePathMappings = "GetBasePathMappings"
	OpGetDomainNames      = "GetDomainNames"
	OpListRoutingRules    = "ListRoutingRules"
	OpGetExport           = "GetExport"
	OpGetResources        = "GetResources"
	OpGetRestAPI          = "GetRestApi"
	OpGetRestAPIs         = "GetRestApis"
	OpGetStage            = "GetStage"
	OpGetStages           = "GetStages"
	OpGetUsagePlan        = "GetUsagePlan"
	OpGetUsagePlanKeys    = "GetUsagePlanKeys"
	OpGetUsagePlans       = "GetUsagePlans"
	OpUpdateUsagePlan     = "UpdateUsagePlan"
	// OpUnknown stands for whatever this stand-in does not serve. It counts against the quota and is
	// authorised like any other, then answers UnknownOperationException.
	OpUnknown = "Unknown"
)

// endpoint is one line of the routing table. In its path, `{name}` binds a segment.
type endpoint struct {
	method    string
	path      string
	operation string
	class     latencyClass
	do        operation
}

// endpoints is API Gateway's surface as far as this stand-in goes.
func endpoints() []endpoint {
	return []endpoint{
		{http.MethodGet, "/restapis", OpGetRestAPIs, classListing, getRestAPIs},
		{http.MethodGet, "/restapis/{api}", OpGetRestAPI, classListing, getRestAPI},
		{http.MethodGet, "/restapis/{api}/stages", OpGetStages, classListing, getStages},
		{http.MethodGet, "/restapis/{api}/stages/{stage}", OpGetStage, classListing, getStage},
		{http.MethodGet, "/restapis/{api}/stages/{stage}/exports/{type}", OpGetExport, classExport, getExport},
		{http.MethodGet, "/restapis/{api}/resources", OpGetResources, classListing, getResources},
		{http.MethodGet, "/restapis/{api}/deployments", OpGetDeployments, classListing, getDeployments},
		{http.MethodGet, "/restapis/{api}/authorizers", OpGetAuthorizers, classListing, getAuthorizers},
		{http.MethodGet, "/usageplans", OpGetUsagePlans, classListing, getUsagePlans},
		{http.MethodGet, "/usageplans/{plan}", OpGetUsagePlan, classListing, getUsagePlan},
		{http.MethodPatch, "/usageplans/{plan}", OpUpdateUsagePlan, classKey, updateUsagePlan},
		{http.MethodGet, "/usageplans/{plan}/keys", OpGetUsagePlanKeys, classListing, getUsagePlanKeys},
		{http.MethodPost, "/usageplans/{plan}/keys", OpCreateUsagePlanKey, classKey, createUsagePlanKey},
		{http.MethodDelete, "/usageplans/{plan}/keys/{key}", OpDeleteUsagePlanKey, classKey, deleteUsagePlanKey},
		{http.MethodGet, "/apikeys", OpGetAPIKeys, classListing, getAPIKeys},
		{http.MethodPost, "/apikeys", OpCreateAPIKey, classKey, createAPIKey},
		{http.MethodGet, "/apikeys/{key}", OpGetAPIKey, classListing, getAPIKey},
		{http.MethodDelete, "/apikeys/{key}", OpDeleteAPIKey, classKey, deleteAPIKey},
		{http.MethodGet, "/domainnames", OpGetDomainNames, classListing, getDomainNames},
		{http.MethodGet, "/domainnames/{domain}/basepathmappings", OpGetBasePathMappings, classListing, getBasePathMappings},
		{http.MethodGet, "/v2/domainnames/{domain}/apimappings", OpGetAPIMappings, classListing, getAPIMappings},
		{http.MethodGet, "/v2/domainnames/{domain}/routingrules", OpListRoutingRules, classListing, listRoutingRules},
	}
}

// route finds the operation of an API Gateway request and reads what names its event. An error is a body
// that cannot be read.
func route(r *request) *apiError {
	segments, ok := splitPath(r.path)
	for _, e := range endpoints() {
		bound, fits := bind(e.path, segments)
		if !ok || !fits || e.method != r.method {
			continue
		}
		r.event.Operation, r.class, r.do = e.operation, e.class, e.do
		r.event.RestAPI, r.event.Stage, r.event.UsagePlan = bound["api"], bound["stage"], bound["plan"]
		r.event.Position = r.query.Get("position") + r.query.Get("nextToken") // an API has one of them
		r.event.Domain = bound["domain"]
		r.keyID = bound["key"]
		if exportType := bound["type"]; exportType != "" {
			r.input = exportType
		}
		return readBody(r)
	}
	r.do = unknownOperation
	return nil
}

// readBody decodes the bodies that name an event, so that each attempt has its name before anything else.
func readBody(r *request) *apiError {
	switch r.event.Operation {
	case OpCreateAPIKey:
		var in createKeyInput
		if json.Unmarshal(r.body, &in) != nil {
			return badRequest(messageInvalidRequestBody)
		}
		r.event.Key, r.input = in.Name, in
		if len(in.Tags) > 0 {
			// Tagging at creation asks for a grant of its own (AWS documents the encoded ARN in the path).
			arn := "arn:aws:apigateway:" + r.credential.region + "::/apikeys/*"
			r.permissions = append(r.permissions, permission{verb: http.MethodPut, path: "/tags/" + url.QueryEscape(arn)})
		}
	case OpCreateUsagePlanKey:
		var in attachKeyInput
		if json.Unmarshal(r.body, &in) != nil {
			return badRequest(messageInvalidRequestBody)
		}
		r.keyID, r.input = in.KeyID, in
	}
	return nil
}

func unknownOperation(_ *Server, r *request) (response, *apiError) {
	return response{},
		refuse(http.StatusNotFound, CodeUnknownOperation, "This stand-in does not serve %s %s", r.method, r.path)
}

// splitPath cuts an escaped path into its decoded segments.
func splitPath(escaped string) ([]string, bool) {
	segments := strings.Split(strings.TrimSuffix(strings.TrimPrefix(escaped, "/"), "/"), "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil || decoded == "" {
			return nil, false
		}
		segments[i] = decoded
	}
	return segments, true
}

func bind(pattern string, segments []string) (map[string]string, bool) {
	parts := strings.Split(pattern[1:], "/")
	if len(parts) != len(segments) {
		return nil, false
	}
	bound := map[string]string{}
	for i, part := range parts {
		if strings.HasPrefix(part, "{") {
			bound[strings.Trim(part, "{}")] = segments[i]
		} else if part != segments[i] {
			return nil, false
		}
	}
	return bound, true
}
