package agent

import (
	"federation-agent/config"
	"federation-agent/internal/federation"
)

// filterOf is which APIs a provider's settings let through.
func filterOf(p config.Provider) federation.Filter {
	f := federation.Filter{AcceptWithoutPlan: p.AcceptAPIWithoutUsagePlan, Stages: p.Stages}
	for _, l := range p.Filter.Lists() {
		if len(l.Entries) > 0 {
			f.Rules = append(f.Rules, federation.Rule{
				Setting: l.Setting, Of: subjects[l.Of], Exclude: l.Exclude, Entries: l.Entries,
			})
		}
	}
	return f
}

var subjects = map[config.FilterOf]federation.Subject{
	config.FilterAPIs: federation.APIName, config.FilterAPITags: federation.APITag,
	config.FilterStages: federation.StageName, config.FilterStageTags: federation.StageTag,
}
