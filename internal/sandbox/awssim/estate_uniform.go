package awssim

import (
	"fmt"
	"time"
)

// UniformOptions make an estate for load runs: every account and region has the same.
type UniformOptions struct {
	// Accounts is the number of accounts; 0 means 1.
	Accounts int
	// Regions are each account's; empty means eu-west-1 alone.
	Regions []string
	// APIs is the number of REST APIs an account and region, StagesPerAPI that of each one's stages.
	APIs         int
	StagesPerAPI int
	// SharedDeployments gives all stages of a REST API the same deployment; else each has its own.
	SharedDeployments bool
	// Plans is the number of usage plans an account and region, over which all stages are spread, each in
	// one; 0 leaves all stages outside plans.
	Plans int
	// DocumentBytes is the size of every export, but for BigDocuments of each account and region, evenly
	// spread, that have BigDocumentBytes. 0 means natural sizes.
	DocumentBytes    int
	BigDocuments     int
	BigDocumentBytes int
	// BigTogether makes the big documents those of REST APIs in a row, as they are where an API is large on all stages.
	BigTogether bool
}

// uniformDate is when everything in a uniform estate was made: a constant, so that runs can be compared.
func uniformDate() time.Time { return time.Date(2024, time.January, 2, 3, 4, 5, 0, time.UTC) }

// UniformAccount is the id of the i-th account of a uniform estate, counted from 0. It has a user and a role
// with the minimum policy, and a neighbour who may do everything.
func UniformAccount(i int) string { return fmt.Sprintf("%012d", 100_000_000_000+i) }

// UniformAccessKeyID is the agent's user's; see [UniformAccount].
func UniformAccessKeyID(i int) string { return fmt.Sprintf("AKIAUNIFORM%09d", i) }

// UniformNeighbourKeyID is the neighbour's; see [UniformAccount].
func UniformNeighbourKeyID(i int) string { return fmt.Sprintf("AKIANEIGHBOUR%07d", i) }

// UniformRoleARN is the role's; see [UniformAccount].
func UniformRoleARN(i int) string {
	return RoleARN(Account{ID: UniformAccount(i)}, agentName)
}

// agentName is what the agent's user and role are called in made estates, neighbourName who else is there.
const (
	agentName     = "federation-agent"
	neighbourName = "deployer"
)

// UniformEstate makes the estate.
func UniformEstate(o UniformOptions) Estate {
	if len(o.Regions) == 0 {
		o.Regions = []string{"eu-west-1"}
	}
	var e Estate
	stages := stageNames(o.StagesPerAPI)
	for i := range max(o.Accounts, 1) {
		account := Account{
			ID: UniformAccount(i),
			Principals: []Principal{
				{Name: agentName, AccessKeyID: UniformAccessKeyID(i)},
				{Name: neighbourName, AccessKeyID: UniformNeighbourKeyID(i), Policy: AllowAll()},
			},
			Roles: []Role{{Name: agentName}},
		}
		for _, name := range o.Regions {
			account.Regions = append(account.Regions, uniformRegion(name, stages, o))
		}
		e.Accounts = append(e.Accounts, account)
	}
	return e
}

// stageNames are shared by all APIs: the names cost their memory once.
func stageNames(n int) []string {
	out := make([]string, n)
	for i, usual := range []string{"dev", "test", "prod"} {
		if i < n {
			out[i] = usual
		}
	}
	for i := 3; i < n; i++ {
		out[i] = fmt.Sprintf("stage%d", i+1)
	}
	return out
}

func uniformRegion(name string, stages []string, o UniformOptions) Region {
	region := Region{Name: name, RestAPIs: make([]RestAPI, o.APIs), UsagePlans: make([]UsagePlan, o.Plans)}
	for p := range region.UsagePlans {
		region.UsagePlans[p] = UsagePlan{
			ID: fmt.Sprintf("p%05d", p), Name: fmt.Sprintf("plan-%d", p+1),
			Throttle: &Throttle{BurstLimit: 20, RateLimit: 10}, Quota: &PlanQuota{Limit: 10_000, Period: "MONTH"},
		}
	}
	for i := range region.RestAPIs {
		region.RestAPIs[i] = RestAPI{
			ID: fmt.Sprintf("a%09d", i), Name: fmt.Sprintf("service-%d", i+1), Description: "One of many alike",
			Version: "1.0", Created: uniformDate(), Stages: make([]Stage, 0, len(stages)),
		}
	}
	total := o.APIs * len(stages)
	for n := range total {
		api := &region.RestAPIs[n/len(stages)]
		stage := stages[n%len(stages)]
		bytes := o.DocumentBytes
		if o.isBig(n, total) {
			bytes = o.BigDocumentBytes
		}
		deployment := n
		if o.SharedDeployments {
			deployment = n / len(stages)
		}
		api.Stages = append(api.Stages, Stage{
			Name: stage, DeploymentID: fmt.Sprintf("d%05d", deployment), DocumentBytes: bytes,
		})
		if o.Plans > 0 {
			plan := &region.UsagePlans[n%o.Plans]
			plan.APIStages = append(plan.APIStages, APIStage{RestAPI: api.ID, Stage: stage})
		}
	}
	return region
}

// isBig says whether the n-th of so many documents is big: spread evenly, where the running share passes a whole
// number; together, from the middle on.
func (o UniformOptions) isBig(n, total int) bool {
	if o.BigTogether {
		first := total / 2 / o.StagesPerAPI * o.StagesPerAPI
		return n >= first && n < first+o.BigDocuments
	}
	return (n+1)*o.BigDocuments/total > n*o.BigDocuments/total
}
