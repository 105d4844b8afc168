package chaos

import (
	"fmt"
	"net/http"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/world"
)

// restToken is a service account's that is a member of the integration, with the role OWNER.
const restToken = "a-rest-token-that-must-never-be-logged"

// withREST lets the agents ask APIM's REST API, and ingest on a schedule: APIM 4.4 has another one.
func (r *run) withREST(o *world.Options) {
	if !r.profile.has(famREST) || o.APIM.Version == "4.4" {
		return
	}
	o.APIM.Accounts = map[string]apimsim.Account{world.Token: {}, restToken: {Owns: []string{world.Integration}}}
	o.Settings["gravitee_agent_apim_url"] = "http://apim.test:80/management"
	o.Settings["gravitee_agent_apim_token"] = restToken
	o.Settings["gravitee_agent_apim_environmentId"] = "DEFAULT"
	if r.dice.chance(0.8, "scheduled") {
		o.Settings["gravitee_agent_ingest_schedule"] = "*/5 * * * *"
		o.Settings["gravitee_agent_ingest_scheduleJitter"] = "1m"
	}
	o.APIM.Script.REST = func(q apimsim.RESTRequest) (f apimsim.RESTFault) {
		name := fmt.Sprint(q.Operation, " ", q.Nth)
		if r.calm.Load() || !r.dice.chance(r.profile.of(famREST, 0.1), "rest", name) {
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
