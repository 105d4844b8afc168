package gateway

import "time"

// Operation is an operation of API Gateway's control plane. Its text is the SDK's name.
type Operation string

// The operations that the agent uses. The minimum policy allows all of them but GetAPIKeys, which only
// agent.keys.lookup needs, and those of custom domain names, which only agent.discovery.customDomains needs.
const (
	GetRestApis        Operation = "GetRestApis"
	GetUsagePlans      Operation = "GetUsagePlans"
	GetStages          Operation = "GetStages"
	GetExport          Operation = "GetExport"
	CreateAPIKey       Operation = "CreateApiKey"
	CreateUsagePlanKey Operation = "CreateUsagePlanKey"
	DeleteAPIKey       Operation = "DeleteApiKey"
	GetAPIKeys         Operation = "GetApiKeys"

	GetDomainNames      Operation = "GetDomainNames"
	GetBasePathMappings Operation = "GetBasePathMappings"
	// These two are of version 2 of API Gateway's API.
	GetAPIMappings   Operation = "GetApiMappings"
	ListRoutingRules Operation = "ListRoutingRules"

	// These are of a queue of SQS, and no part of API Gateway's quota.
	ReceiveMessage Operation = "ReceiveMessage"
	DeleteMessage  Operation = "DeleteMessage"
)

// Operations are those that the minimum policy allows.
func Operations() []Operation {
	return []Operation{
		GetRestApis, GetUsagePlans, GetStages, GetExport, CreateAPIKey, CreateUsagePlanKey, DeleteAPIKey,
	}
}

// The operations of AWS STS that give credentials, and tell whose they are. STS has a quota of its own.
const (
	AssumeRole                Operation = "AssumeRole"
	AssumeRoleWithWebIdentity Operation = "AssumeRoleWithWebIdentity"
	GetCallerIdentity         Operation = "GetCallerIdentity"
)

// STSOperations are all of STS's.
func STSOperations() []Operation {
	return []Operation{AssumeRole, AssumeRoleWithWebIdentity, GetCallerIdentity}
}

const (
	// attemptTime limits every attempt but an export. AWS answers these in 50 to 150 ms, so an attempt that takes longer
	// is lost.
	attemptTime = 15 * time.Second
	// exportTime limits an export. Large definitions take seconds, and AWS's own integration limit is 29 s.
	exportTime = 40 * time.Second
)

// AttemptTime is how long one attempt may take, without the wait for its permit.
func (o Operation) AttemptTime() time.Duration {
	if o == GetExport {
		return exportTime
	}
	return attemptTime
}
