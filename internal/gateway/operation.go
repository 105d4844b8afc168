package gateway

import "time"

// Operation is an operation of API Gateway's control plane, by the SDK's name.
type Operation string

// The operations that the agent uses: all of them are possible under the minimum policy.
const (
	GetRestApis        Operation = "GetRestApis"
	GetUsagePlans      Operation = "GetUsagePlans"
	GetStages          Operation = "GetStages"
	GetExport          Operation = "GetExport"
	CreateAPIKey       Operation = "CreateApiKey"
	CreateUsagePlanKey Operation = "CreateUsagePlanKey"
	DeleteAPIKey       Operation = "DeleteApiKey"
)

const (
	// attemptTime bounds a listing or a key write. AWS answers these in 50 to 150 ms, so this is far beyond a slow day.
	attemptTime = 15 * time.Second
	// exportTime bounds an export. AWS's own integration limit is 29 s, and large definitions take seconds.
	exportTime = 40 * time.Second
)

// AttemptTime is how long one attempt may take. The wait for a permit comes before it.
func (o Operation) AttemptTime() time.Duration {
	if o == GetExport {
		return exportTime
	}
	return attemptTime
}
