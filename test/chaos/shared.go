package chaos

import (
	"strings"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/awssim"
)

// moreStages are what a REST API of the family has beside its others, so that there is something to be shared.
func moreStages() []string { return []string{"qa", "live"} }

// What documents have of stages, of the same length.
const (
	ofAll    = " like all"
	ofItsOwn = " like one"
)

// deploysTogether gives all stages of a REST API the same deployment. In some seeds a few of them have documents of their own
// all the same, which AWS has not ruled out.
func (r *run) deploysTogether(estate awssim.Estate) {
	if !r.profile.has(famShared) {
		return
	}
	peculiar := 0.0
	if r.dice.chance(0.4, "peculiar") {
		peculiar = r.profile.of(famShared, 0.1)
	}
	for a := range estate.Accounts {
		for g := range estate.Accounts[a].Regions {
			region := &estate.Accounts[a].Regions[g]
			for n := range region.RestAPIs {
				api := &region.RestAPIs[n]
				for _, name := range moreStages() {
					api.Stages = append(api.Stages, awssim.Stage{Name: name})
					link(region, 0, api.ID, name)
				}
				for s := range api.Stages {
					stage := &api.Stages[s]
					stage.DeploymentID, stage.DocumentBytes = api.Stages[0].DeploymentID, api.Stages[0].DocumentBytes
					stage.ExportError = api.Stages[0].ExportError
					stage.Peculiar = ofAll
					if r.dice.chance(peculiar, "peculiar", estate.Accounts[a].ID, region.Name, api.ID, stage.Name) {
						stage.Peculiar = ofItsOwn
					}
				}
			}
		}
	}
}

// promote deploys on a stage what another one has.
func (r *run) promote(s step, scope awssim.Scope, api awssim.RestAPI, stage string) error {
	from, _ := one(r, s, "from", api.Stages)
	return r.world.AWS.EditRestAPI(scope, api.ID, func(a *awssim.RestAPI) {
		for n := range a.Stages {
			if a.Stages[n].Name == stage {
				a.Stages[n].DeploymentID, a.Stages[n].Updated = from.DeploymentID, time.Now()
			}
		}
	})
}

// isShared says that an API differs from what it should be only in what the document of another stage with the same
// deployment had of its own.
func isShared(got, want string) bool {
	return got != want && strings.ReplaceAll(got, ofItsOwn, ofAll) == strings.ReplaceAll(want, ofItsOwn, ofAll)
}

// mayBeShared says that a process had seen two documents of an account that were equal, and that none which was to know it had
// seen two that were different. What one has seen, the next knows by its cache, and no other one.
func (r *run) mayBeShared(id string) bool {
	of, err := federation.ParseID(id)
	if err != nil || !r.world.Log.Has(sharesLine, "account="+of.Account) {
		return false
	}
	lost := len(r.slots) > 1 || r.replicas != nil || r.counts["fault exports lost in a crash"] > 0 || r.profile.has(famRoom)
	return lost || !r.world.Log.Has(differsLine, "account="+of.Account)
}

// What a process says once of an account.
const (
	sharesLine  = "from now on one export serves them"
	differsLine = "stages with the same deployment have different documents"
)
