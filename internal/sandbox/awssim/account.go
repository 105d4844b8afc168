package awssim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// OpListRegions is the one operation of AWS Account Management that is served.
const OpListRegions = "ListRegions"

// actionListRegions is its IAM action. Its resource is the account.
const actionListRegions = "account:ListRegions"

// mostRegions is the largest page, and the page where none is asked for.
const mostRegions = 50

type listRegionsInput struct {
	MaxResults int      `json:"MaxResults"`
	Statuses   []string `json:"RegionOptStatusContains"`
}

type regionStatus struct {
	Name   string `json:"RegionName"`
	Status string `json:"RegionOptStatus"`
}

// routeAccount finds the operation of a request to Account Management.
func routeAccount(r *request) *apiError {
	if r.method != http.MethodPost || r.path != "/listRegions" {
		return refuse(http.StatusNotFound, CodeUnknownOperation, "This stand-in does not serve %s %s", r.method, r.path)
	}
	var in listRegionsInput
	if len(r.body) > 0 && json.Unmarshal(r.body, &in) != nil || in.MaxResults < 0 || in.MaxResults > mostRegions {
		return badRequest(messageInvalidRequestBody)
	}
	r.event.Operation, r.input, r.do = OpListRegions, in, listRegions
	return nil
}

// listRegions tells of the regions that the estate names: those that are disabled, and the others, which are enabled.
func listRegions(s *Server, r *request) (response, *apiError) {
	resource := fmt.Sprintf("arn:%s:account::%s:account", r.caller.partition, r.caller.account)
	if decision := r.caller.policy.Evaluate(actionListRegions, resource); decision != Allowed {
		return response{}, refuse(http.StatusForbidden, CodeAccessDenied, "%s",
			deniedMessage(r.caller.arn, actionListRegions, resource, decision))
	}
	in, _ := r.input.(listRegionsInput)
	all := []regionStatus{}
	for _, g := range s.scoped() {
		status := "ENABLED"
		if g.isDisabled() {
			status = "DISABLED"
		}
		if g.scope.Account == r.caller.account && (len(in.Statuses) == 0 || slices.Contains(in.Statuses, status)) {
			all = append(all, regionStatus{g.scope.Region, status})
		}
	}
	return jsonResponse(http.StatusOK, map[string]any{"Regions": all[:min(len(all), mostRegions)]}), nil
}
