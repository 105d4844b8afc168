// Package gateway is the vocabulary of AWS API Gateway as this agent speaks it: what it keeps of AWS's answers, the
// names of the operations, how urgent a call is, and how an attempt ended. Plain values with nothing beneath them, so
// that whoever decides (the mapping, the quota, the messages) needs no AWS SDK.
package gateway

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
