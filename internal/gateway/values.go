// Package gateway holds the agent's own values for AWS API Gateway: what the agent keeps of AWS's answers, the names of
// the operations, the priority of a call, and the outcome of an attempt. They are plain values and import nothing, so
// that the packages that decide (the mapping, the quota, the messages) need no AWS SDK.
package gateway

// The values below are what the agent keeps of AWS's answers. They are small and never change, so they are shared by
// pointer. Stage variables are left out on purpose, because they may hold secrets.

// APIKey is an API key as GetApiKeys lists it, without its value.
type APIKey struct{ ID, Name, Description string }

// RestAPI is a REST API as GetRestApis lists it.
type RestAPI struct {
	ID          string
	Name        string // not unique
	Description string
	Version     string
	// EndpointTypes are EDGE, REGIONAL or PRIVATE.
	EndpointTypes  []string
	VPCEndpointIDs []string
	// EndpointDisabled says that the execute-api address is disabled, so clients use a custom domain name.
	EndpointDisabled bool
	// KeyFromAuthorizer says that a Lambda authorizer gives the API key of a call, instead of its x-api-key header.
	KeyFromAuthorizer bool
	// ResourcePolicy says that the API has one. It may refuse callers. Its text is not kept.
	ResourcePolicy bool
	// TLSPolicy and AccessMode are what AWS demands of connections. They are empty if AWS gives none.
	TLSPolicy, AccessMode string
	Tags                  map[string]string
}

// Stage is a deployed stage as GetStages lists it.
type Stage struct {
	Name                 string
	Description          string
	DeploymentID         string
	DocumentationVersion string
	CanaryDeploymentID   string
	// UpdatedAt is the time of the stage's last change in Unix seconds, the resolution that AWS gives, or 0 if AWS gives
	// no time. An export depends on the three fields above. A rollback can bring back their old values, but never an old
	// UpdatedAt.
	UpdatedAt int64
	// WebACL says that AWS WAF filters calls.
	WebACL bool
	// Throttle holds the stage's own limits, by "/path/METHOD", or "*/*" for all methods.
	Throttle map[string]Throttle
	Tags     map[string]string
}

// UsagePlan is a usage plan as GetUsagePlans lists it, with all the stages that it is linked to.
type UsagePlan struct {
	ID          string
	Name        string
	Description string
	Throttle    *Throttle // nil: none
	Quota       *Quota    // nil: none
	// ProductCode is that of a product on AWS Marketplace which the plan belongs to.
	ProductCode string
	Stages      []PlanStage
}

// PlanStage is the link of a usage plan to one stage of one REST API.
type PlanStage struct {
	APIID string
	Stage string
	// Throttle holds the plan's limits for single methods of this stage, by "/path/METHOD".
	Throttle map[string]Throttle
}

// Throttle is a rate in requests per second and a burst in requests. Zero may mean that AWS gives none.
type Throttle struct {
	Rate  float64
	Burst int32
}

// Quota is a number of requests per DAY, WEEK or MONTH. In the first one there are Offset fewer.
type Quota struct {
	Limit  int32
	Offset int32
	Period string
}
