package chaos

import (
	"fmt"

	"federation-agent/internal/sandbox/awssim"
)

// bigDocument needs several websocket frames.
const bigDocument = 150 << 10

// shape is how an estate is spread over accounts and regions.
type shape struct {
	accounts int
	regions  []string
	roles    bool // the agent assumes a role in each account
	share    int  // of AWS's quota, in percent, that the agent may use
}

const (
	// usualShare is the agent's default. No estate here is large enough to reach it, so some agents get
	// smallShare: one that asks no budget then goes over it with its first ingest.
	usualShare = 70
	smallShare = 10
)

func newShape(d dice) shape {
	s := shape{accounts: 1, regions: []string{"eu-west-1"}, share: usualShare}
	if d.chance(0.5, "shape", "regions") {
		s.regions = append(s.regions, "us-east-1")
	}
	if d.chance(0.2, "shape", "accounts") {
		s.accounts = 2
	}
	if d.chance(0.3, "shape", "share") {
		s.share = smallShare
	}
	s.roles = s.accounts > 1 || d.chance(0.3, "shape", "roles")
	return s
}

// mayLook gives the agent's users and roles the optional grant of agent.keys.lookup.
func mayLook(estate *awssim.Estate) {
	policy, err := awssim.MinimumPolicy()
	if err != nil {
		panic(err) // it is embedded
	}
	policy.Statement = append(policy.Statement, awssim.Statement{
		Effect: awssim.EffectAllow, Action: awssim.Strings{"apigateway:GET"},
		Resource: awssim.Strings{"arn:aws:apigateway:*::/apikeys"},
	})
	for a := range estate.Accounts {
		for n := range estate.Accounts[a].Principals {
			if p := &estate.Accounts[a].Principals[n]; p.Policy == nil {
				p.Policy = policy
			}
		}
		for n := range estate.Accounts[a].Roles {
			estate.Accounts[a].Roles[n].Policy = policy
		}
	}
}

func newEstate(d dice, s shape) awssim.Estate {
	estate := awssim.UniformEstate(awssim.UniformOptions{Accounts: s.accounts, Regions: s.regions})
	for a := range estate.Accounts {
		for r := range estate.Accounts[a].Regions {
			region := &estate.Accounts[a].Regions[r]
			where := fmt.Sprintf("%d %s", a, region.Name)
			for p := range d.between(1, 3, "plans", where) {
				region.UsagePlans = append(region.UsagePlans, newPlan(d, fmt.Sprintf("p%d", p+1), where))
			}
			for i := range d.between(1, 4, "apis", where) {
				api := newAPI(d, fmt.Sprintf("api%d", i+1), where)
				region.RestAPIs = append(region.RestAPIs, api)
				for _, stage := range api.Stages {
					for n := range d.between(0, 2, "links", where, api.ID, stage.Name) {
						link(region, d.below(len(region.UsagePlans), "link", where, api.ID, stage.Name, fmt.Sprint(n)), api.ID,
							stage.Name)
					}
				}
			}
			// One that is surely there: a run without any API shows nothing.
			link(region, 0, region.RestAPIs[0].ID, region.RestAPIs[0].Stages[0].Name)
		}
	}
	return estate
}

func newPlan(d dice, id, where string) awssim.UsagePlan {
	return awssim.UsagePlan{
		ID:       id,
		Name:     fmt.Sprintf("%s; plan %s", []string{"Gold", "Silver", "Bronze"}[d.below(3, "plan name", where, id)], id),
		Throttle: &awssim.Throttle{BurstLimit: 20, RateLimit: 10},
	}
}

// newAPI takes few names, so that many are alike.
func newAPI(d dice, id, where string) awssim.RestAPI {
	api := awssim.RestAPI{
		ID: id, Name: []string{"Orders", "Customers", "Identity;;", "Orders [prod]"}[d.below(4, "api name", where, id)],
		Description: "An API of " + where, Version: "1.0",
	}
	for n, stage := range []string{"dev", "prod"}[:d.between(1, 2, "stages", where, id)] {
		s := awssim.Stage{Name: stage, DeploymentID: fmt.Sprintf("%s-d%d", id, n), DocumentBytes: 2 << 10}
		switch {
		case d.chance(0.05, "unexportable", where, id, stage):
			s.ExportError = awssim.ExportErrorModels
		case d.chance(0.03, "big", where, id, stage):
			s.DocumentBytes = bigDocument
		}
		api.Stages = append(api.Stages, s)
	}
	return api
}

func link(region *awssim.Region, plan int, api, stage string) {
	stages := &region.UsagePlans[plan].APIStages
	for _, known := range *stages {
		if known.RestAPI == api && known.Stage == stage {
			return
		}
	}
	*stages = append(*stages, awssim.APIStage{RestAPI: api, Stage: stage})
}
