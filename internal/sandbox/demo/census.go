package demo

import (
	"fmt"

	"federation-agent/internal/sandbox/awssim"
)

// census counts what an estate holds.
type census struct {
	accounts, regions, apis, stages int
	// planned is how many stages are in a usage plan: what an agent has to find.
	planned int
}

// take counts an estate as it was at the start.
func take(e awssim.Estate) census {
	c := census{accounts: len(e.Accounts), regions: len(regions(e))}
	for _, account := range e.Accounts {
		for _, region := range account.Regions {
			c.apis += len(region.RestAPIs)
			if region.Disabled {
				continue
			}
			planned := map[[2]string]bool{}
			for _, plan := range region.UsagePlans {
				for _, link := range plan.APIStages {
					planned[[2]string{link.RestAPI, link.Stage}] = true
				}
			}
			for _, api := range region.RestAPIs {
				c.stages += len(api.Stages)
				for _, stage := range api.Stages {
					if planned[[2]string{api.ID, stage.Name}] {
						c.planned++
					}
				}
			}
		}
	}
	return c
}

// String says what there is in one line.
func (c census) String() string {
	return fmt.Sprintf("%s, %s, %s with %s", plural(c.accounts, "account"), plural(c.regions, "region"),
		plural(c.apis, "API"), plural(c.stages, "stage"))
}

// plural spells a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
