package apigateway

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// The values below are what the agent keeps of AWS's answers: plain, small, and never changed once made, so that they
// are shared by pointer. Stage variables are left out on purpose: they may hold secrets.

// RestAPI is a REST API as GetRestApis lists it.
type RestAPI struct {
	ID          string
	Name        string // not unique
	Description string
	Version     string
	// KeySource is HEADER or AUTHORIZER: where the gateway reads a caller's key.
	KeySource string
	// EndpointTypes are of EDGE, REGIONAL, PRIVATE.
	EndpointTypes  []string
	VPCEndpointIDs []string
	// EndpointDisabled says that the execute-api address is off: callers use a custom domain name.
	EndpointDisabled bool
	Tags             map[string]string
}

// Stage is a deployed stage as GetStages lists it.
type Stage struct {
	Name                 string
	Description          string
	DeploymentID         string
	DocumentationVersion string
	CanaryDeploymentID   string
	// UpdatedAt is when the stage was last changed, in Unix seconds, which is as fine as AWS tells; 0 if it does not.
	// What an export depends on are the three above, but only this one never comes back: a deployment does, with a rollback.
	UpdatedAt int64
	Tags      map[string]string
}

// UsagePlan is a usage plan as GetUsagePlans lists it, with every stage it is linked to.
type UsagePlan struct {
	ID          string
	Name        string
	Description string
	Throttle    *Throttle // nil: none
	Quota       *Quota    // nil: none
	Stages      []PlanStage
}

// PlanStage links a usage plan to one stage of one REST API.
type PlanStage struct {
	APIID string
	Stage string
	// Throttle holds the plan's limits for single methods of this stage, keyed "/path/METHOD".
	Throttle map[string]Throttle
}

// Throttle is a rate in requests per second and a burst in requests. Zero means that AWS gave none.
type Throttle struct {
	Rate  float64
	Burst int32
}

// Quota is a number of requests in a DAY, WEEK or MONTH.
type Quota struct {
	Limit  int32
	Period string
}

func restAPIOf(in types.RestApi) *RestAPI {
	r := &RestAPI{
		ID:               aws.ToString(in.Id),
		Name:             aws.ToString(in.Name),
		Description:      aws.ToString(in.Description),
		Version:          aws.ToString(in.Version),
		KeySource:        string(in.ApiKeySource),
		EndpointDisabled: in.DisableExecuteApiEndpoint,
		Tags:             in.Tags,
	}
	if e := in.EndpointConfiguration; e != nil {
		for _, t := range e.Types {
			r.EndpointTypes = append(r.EndpointTypes, string(t))
		}
		r.VPCEndpointIDs = slices.Clone(e.VpcEndpointIds)
	}
	return r
}

func stageOf(in types.Stage) *Stage {
	s := &Stage{
		Name:                 aws.ToString(in.StageName),
		Description:          aws.ToString(in.Description),
		DeploymentID:         aws.ToString(in.DeploymentId),
		DocumentationVersion: aws.ToString(in.DocumentationVersion),
		Tags:                 in.Tags,
	}
	if in.LastUpdatedDate != nil {
		s.UpdatedAt = in.LastUpdatedDate.Unix()
	}
	if in.CanarySettings != nil {
		s.CanaryDeploymentID = aws.ToString(in.CanarySettings.DeploymentId)
	}
	return s
}

func usagePlanOf(in types.UsagePlan) *UsagePlan {
	p := &UsagePlan{
		ID:          aws.ToString(in.Id),
		Name:        aws.ToString(in.Name),
		Description: aws.ToString(in.Description),
	}
	if in.Throttle != nil {
		t := throttleOf(*in.Throttle)
		p.Throttle = &t
	}
	if in.Quota != nil {
		p.Quota = &Quota{Limit: in.Quota.Limit, Period: string(in.Quota.Period)}
	}
	for _, s := range in.ApiStages {
		ps := PlanStage{APIID: aws.ToString(s.ApiId), Stage: aws.ToString(s.Stage)}
		if len(s.Throttle) > 0 {
			ps.Throttle = make(map[string]Throttle, len(s.Throttle))
			for method, t := range s.Throttle {
				ps.Throttle[method] = throttleOf(t)
			}
		}
		p.Stages = append(p.Stages, ps)
	}
	return p
}

func throttleOf(in types.ThrottleSettings) Throttle {
	return Throttle{Rate: in.RateLimit, Burst: in.BurstLimit}
}
