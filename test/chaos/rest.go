package chaos

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/world"
)

// restToken is a service account's that is a member of the integration, with the role OWNER.
const restToken = "a-rest-token-that-must-never-be-logged"

// unsentIsRight says that a job need not send an API: APIM has it, and was asked. Whether it has it as it is, the last
// ingests show.
func (r *run) unsentIsRight(id string) bool {
	return r.wasRemoved(id) || r.rest && slices.ContainsFunc(r.world.APIM.APIs(), func(a apimsim.API) bool { return a.ProviderID == id })
}

// withREST lets the agents ask APIM's REST API, and ingest on a schedule. APIM 4.4 has another one. With two journals, an
// API that another replica has sent meanwhile may count as unchanged (docs/operations.md, Schedule).
func (r *run) withREST(o *world.Options) {
	// A hold-up is of a connection by its number, and REST has connections of its own.
	if r.rest = r.profile.hasAny(famREST, famRemoval) && !r.profile.hasAny(famReplica, famHoldUps) && o.APIM.Version != "4.4"; !r.rest {
		return
	}
	o.APIM.Accounts = map[string]apimsim.Account{
		// Of APIs that another account's ingest has brought, a member of the integration may not read subscriptions.
		world.Token: {}, restToken: {Owns: []string{world.Integration}, Admin: r.dice.chance(0.7, "rest token of an admin")},
	}
	o.Settings["gravitee_agent_apim_url"] = "http://apim.test:80/management"
	o.Settings["gravitee_agent_apim_token"] = restToken
	o.Settings["gravitee_agent_apim_environmentId"] = "DEFAULT"
	if r.dice.chance(0.8, "scheduled") {
		o.Settings["gravitee_agent_ingest_schedule"] = "*/5 * * * *"
		o.Settings["gravitee_agent_ingest_scheduleJitter"] = "1m"
	}
	o.APIM.Before = r.lagging
	o.APIM.Script.REST = func(q apimsim.RESTRequest) (f apimsim.RESTFault) {
		name := fmt.Sprint(q.Operation, " ", q.Nth)
		if r.calm.Load() || !r.dice.chance(max(r.profile.of(famREST, 0.1), r.profile.of(famRemoval, 0.05)), "rest", name) {
			return f
		}
		r.count("REST requests that fail or are late", 1)
		switch r.dice.below(5, "rest fault", name) {
		case 0:
			f.Status = http.StatusInternalServerError
		case 1:
			f.Status = http.StatusBadGateway
		case 2:
			f.CutBefore = true
		case 3:
			f.CutAfter = true
		default:
			f.Delay = r.dice.duration(time.Second, 30*time.Second, "rest delay", name)
		}
		return f
	}
}
