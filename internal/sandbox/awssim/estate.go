package awssim

import "time"

// Estate is what exists in AWS when a [Server] starts: plain data, readable from JSON.
type Estate struct {
	Accounts []Account `json:"accounts"`
}

// Account is one AWS account.
type Account struct {
	// ID has twelve digits.
	ID string `json:"id"`
	// Partition is aws, aws-cn or aws-us-gov; empty means aws.
	Partition  string      `json:"partition,omitempty"`
	Principals []Principal `json:"principals,omitempty"`
	Roles      []Role      `json:"roles,omitempty"`
	// Regions lists those that hold something or are disabled. A region that is not listed is enabled and empty.
	Regions []Region `json:"regions,omitempty"`
}

// Principal is an IAM user with one long-lived access key. Signatures are not verified, so any secret goes with it.
type Principal struct {
	Name        string `json:"name"`
	AccessKeyID string `json:"accessKeyId"`
	// Policy limits the user's API Gateway calls; nil means [MinimumPolicy].
	Policy *Policy `json:"policy,omitempty"`
}

// Role can be assumed with STS by every known principal, or only by those of TrustedAccounts.
type Role struct {
	Name string `json:"name"`
	// ExternalID, where set, must come with each AssumeRole.
	ExternalID      string   `json:"externalId,omitempty"`
	TrustedAccounts []string `json:"trustedAccounts,omitempty"`
	// MaxSessionSeconds is the longest session; 0 means AWS's default of 3,600.
	MaxSessionSeconds int `json:"maxSessionSeconds,omitempty"`
	// Policy limits the sessions' API Gateway calls; nil means [MinimumPolicy].
	Policy *Policy `json:"policy,omitempty"`
}

// Region is what an account has in one region.
type Region struct {
	Name string `json:"name"`
	// Disabled makes every call answer UnrecognizedClientException, as for an opt-in region that nobody opted in to.
	Disabled   bool        `json:"disabled,omitempty"`
	RestAPIs   []RestAPI   `json:"restApis,omitempty"`
	UsagePlans []UsagePlan `json:"usagePlans,omitempty"`
	// Domains are the custom domain names.
	Domains []CustomDomain `json:"domains,omitempty"`
	// Queues are the names of queues of SQS, which are empty.
	Queues []string `json:"queues,omitempty"`
	// NoSecondAPI makes every call of API Gateway's second API (apigatewayv2) invalid: some regions do not have it.
	NoSecondAPI bool `json:"noSecondApi,omitempty"`
}

// RestAPI is one REST API with its stages.
type RestAPI struct {
	// ID is unique within account and region; AWS makes ten lower-case letters and digits.
	ID          string    `json:"id"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Version     string    `json:"version,omitempty"`
	Created     time.Time `json:"created,omitzero"`
	// EndpointTypes are EDGE, REGIONAL or PRIVATE; empty means EDGE.
	EndpointTypes []string `json:"endpointTypes,omitempty"`
	// VPCEndpointIDs are those of a PRIVATE API.
	VPCEndpointIDs []string `json:"vpcEndpointIds,omitempty"`
	// APIKeySource is HEADER or AUTHORIZER; empty means HEADER.
	APIKeySource           string   `json:"apiKeySource,omitempty"`
	DisableExecuteEndpoint bool     `json:"disableExecuteEndpoint,omitempty"`
	BinaryMediaTypes       []string `json:"binaryMediaTypes,omitempty"`
	// Policy is a resource policy in JSON. SecurityPolicy is the least TLS.
	Policy         string            `json:"policy,omitempty"`
	SecurityPolicy string            `json:"securityPolicy,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
	// Open APIs ask for no key: their methods are callable by anyone and their exports name no security.
	Open   bool    `json:"open,omitempty"`
	Stages []Stage `json:"stages,omitempty"`
}

// Stage is one deployed stage of a REST API.
type Stage struct {
	Name                 string            `json:"name"`
	DeploymentID         string            `json:"deploymentId"`
	Description          string            `json:"description,omitempty"`
	DocumentationVersion string            `json:"documentationVersion,omitempty"`
	Canary               *Canary           `json:"canary,omitempty"`
	Variables            map[string]string `json:"variables,omitempty"`
	// Throttle is for all methods of the stage.
	Throttle  *Throttle         `json:"throttle,omitempty"`
	WebACLARN string            `json:"webAclArn,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	Created   time.Time         `json:"created,omitzero"`
	Updated   time.Time         `json:"updated,omitzero"`
	// DocumentBytes is the exact size of the export of a stage whose name has four letters, each further letter adds a byte;
	// 0 means its natural size, some kilobytes. Less than the least document (about 1.5 KB) gives that.
	DocumentBytes int `json:"documentBytes,omitempty"`
	// Peculiar is a text that this stage's export has and those of others with the same deployment have not.
	Peculiar string `json:"peculiar,omitempty"`
	// ExportError, where set, is the message of the BadRequestException that each export of this stage gets.
	ExportError string `json:"exportError,omitempty"`
}

// Canary is a stage's canary deployment.
type Canary struct {
	DeploymentID   string            `json:"deploymentId"`
	PercentTraffic float64           `json:"percentTraffic"`
	Overrides      map[string]string `json:"overrides,omitempty"`
	UseStageCache  bool              `json:"useStageCache,omitempty"`
}

// UsagePlan is a usage plan with the stages that it covers.
type UsagePlan struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	ProductCode string            `json:"productCode,omitempty"`
	Throttle    *Throttle         `json:"throttle,omitempty"`
	Quota       *PlanQuota        `json:"quota,omitempty"`
	APIStages   []APIStage        `json:"apiStages,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// Throttle limits a plan or a method, in requests a second.
type Throttle struct {
	BurstLimit int     `json:"burstLimit"`
	RateLimit  float64 `json:"rateLimit"`
}

// PlanQuota limits the number of requests of a DAY, WEEK or MONTH.
type PlanQuota struct {
	Limit  int    `json:"limit"`
	Offset int    `json:"offset"`
	Period string `json:"period"`
}

// APIStage links a usage plan to one stage of one API.
type APIStage struct {
	RestAPI string `json:"apiId"`
	Stage   string `json:"stage"`
	// Throttle overrides the plan's throttle by method, under names such as `/pets/GET`.
	Throttle map[string]Throttle `json:"throttle,omitempty"`
}

// Scope names one account and region: the unit of AWS's quota and of every listing.
type Scope struct {
	Account string `json:"account"`
	Region  string `json:"region"`
}

// String gives ACCOUNT/REGION.
func (s Scope) String() string { return s.Account + "/" + s.Region }
