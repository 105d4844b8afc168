package doctor_test

import (
	"strings"
	"testing"

	"federation-agent/internal/doctor"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/demo"
)

const (
	apimSettings = "gravitee_agent_apim_"
	restToken    = "a-rest-token-that-must-never-be-shown"
)

// withREST switches the REST API on, with a token that may what account says. Settings override the usual ones.
func (p *patient) withREST(account apimsim.Account, settings ...string) *patient {
	p.settings = append([]string{
		apimSettings + "url=http://%APIM%/management", apimSettings + "token=" + restToken,
		apimSettings + "environmentId=DEFAULT", apimSettings + "timeout=5s",
	}, settings...)
	p.examine = func(_ *doctor.Options, sandbox *demo.Sandbox) { sandbox.APIM.Allow(restToken, account) }
	return p
}

// ofREST are the rows about the REST API.
func ofREST(t *testing.T, results []doctor.Result) (rows []doctor.Result) {
	t.Helper()
	for _, r := range results {
		if strings.HasPrefix(r.Check, "APIM REST") {
			rows = append(rows, r)
		}
	}
	if text := table(t, results); strings.Contains(text, restToken) {
		t.Errorf("the token is shown\n%s", text)
	}
	return rows
}

func TestWithoutItsAddressTheRESTAPIIsNotAskedWhichARowSays(t *testing.T) {
	p := newPatient(t)
	rows := ofREST(t, p.results())
	has(t, rows, want{"APIM REST", doctor.NotTried, []string{"agent.apim.url is not set", "agent.apim.token"}})
	if len(rows) != 1 || len(p.sandbox.APIM.RESTRequests()) != 0 {
		t.Errorf("%v, %v", rows, p.sandbox.APIM.RESTRequests())
	}
}

func TestAnOwnerOfTheIntegrationMayAllThatIsAskedFor(t *testing.T) {
	p := newPatient(t).withREST(apimsim.Account{Owns: []string{demo.DefaultIntegrationID}})
	rows := ofREST(t, p.results())
	has(t, rows,
		want{"APIM REST", doctor.Good, []string{"/management", "the token is known"}},
		want{"APIM REST integration", doctor.Good, []string{demo.DefaultIntegrationID, "it can be read"}},
		want{"APIM REST ingest", doctor.Good, []string{"the token may start one"}},
		want{"APIM REST catalogue", doctor.Good, []string{"is empty"}},
		want{"APIM REST subscriptions", doctor.NotTried, []string{"there is no API yet"}},
	)
	if requests := p.sandbox.APIM.RESTRequests(); len(rows) != 5 || len(requests) != 4 {
		t.Errorf("%d rows, requests %+v", len(rows), requests)
	}
}

func TestADoctorSaysWhenTheNextScheduledIngestsAre(t *testing.T) {
	p := newPatient(t).withREST(apimsim.Account{Owns: []string{demo.DefaultIntegrationID}},
		"gravitee_agent_ingest_schedule=CRON_TZ=Europe/Paris 0 6 * * *")
	has(t, p.results(), want{"schedule", doctor.Good, []string{"CRON_TZ=Europe/Paris 0 6 * * *", "next at ", ":00 UTC"}})
}

func TestWhatATokenMayNotIsNamedWithTheRoleThatMay(t *testing.T) {
	const member = "member of the integration with the role OWNER"
	for name, c := range map[string]struct {
		account  apimsim.Account
		settings []string
		wants    []want
	}{
		"the agent's own role": {wants: []want{
			{"APIM REST", doctor.Good, nil},
			{"APIM REST integration", doctor.Attention, []string{"403 Forbidden", member}},
			{"APIM REST ingest", doctor.NotTried, []string{"APIM REST integration must be ok first"}},
			{"APIM REST catalogue", doctor.NotTried, []string{"APIM REST integration must be ok first"}},
			{"APIM REST subscriptions", doctor.NotTried, []string{"APIM REST integration must be ok first"}},
		}},
		"a member that only reads": {account: apimsim.Account{Reads: []string{demo.DefaultIntegrationID}}, wants: []want{
			{"APIM REST", doctor.Good, nil}, {"APIM REST integration", doctor.Good, nil},
			{"APIM REST catalogue", doctor.Good, nil},
			{"APIM REST ingest", doctor.Attention, []string{"may not start one", "the role OWNER"}},
		}},
		"another token": {settings: []string{apimSettings + "token=another"}, wants: []want{
			{"APIM REST", doctor.Attention, []string{"401 Unauthorized", "check agent.apim.token"}},
			{"APIM REST integration", doctor.NotTried, nil}, {"APIM REST ingest", doctor.NotTried, nil},
			{"APIM REST catalogue", doctor.NotTried, nil}, {"APIM REST subscriptions", doctor.NotTried, nil},
		}},
		"another environment": {settings: []string{apimSettings + "environmentId=OTHER"}, wants: []want{
			{"APIM REST", doctor.Attention, []string{"Invalid organization or environment", "agent.apim.environmentId"}},
		}},
		"another path": {settings: []string{apimSettings + "url=http://%APIM%/portal"}, wants: []want{
			{"APIM REST", doctor.Attention, []string{"404 Not Found", "usually https://HOST/management"}},
		}},
		"another port": {settings: []string{apimSettings + "url=http://127.0.0.1:1/management"}, wants: []want{
			{"APIM REST", doctor.Attention, []string{"refused", "check agent.apim.url"}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			has(t, ofREST(t, newPatient(t).withREST(c.account, c.settings...).results()), c.wants...)
		})
	}
}

func TestAReadableNameOfTheEnvironmentIsToldWithItsID(t *testing.T) {
	p := newPatient(t).withREST(apimsim.Account{Admin: true}, apimSettings+"environmentId=production")
	p.change = func(o *demo.Options) { o.Readable = map[string]string{"DEFAULT": "production"} }
	has(t, ofREST(t, p.results()),
		want{"APIM REST", doctor.Attention, []string{"readable name", "set agent.apim.environmentId=DEFAULT"}})
}

func TestSubscriptionsAreReadWhereTheTokenIsAMember(t *testing.T) {
	for name, c := range map[string]struct {
		account apimsim.Account
		want    want
	}{
		"of the API": {apimsim.Account{Admin: true}, want{"APIM REST subscriptions", doctor.Good, []string{"can be read"}}},
		"of the integration alone": {
			apimsim.Account{Owns: []string{demo.DefaultIntegrationID}},
			want{"APIM REST subscriptions", doctor.NotTried, []string{"is no member of An API", "make it a member"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t).withREST(c.account)
			allow := p.examine
			p.examine = func(o *doctor.Options, sandbox *demo.Sandbox) {
				allow(o, sandbox)
				sandbox.APIM.AddAPI(apimsim.API{ID: "api", IntegrationID: demo.DefaultIntegrationID, Name: "An API"})
			}
			has(t, ofREST(t, p.results()), c.want, want{"APIM REST catalogue", doctor.Good, []string{"1 APIs"}})
		})
	}
}

func TestADoctorSaysWhetherWhatIsGoneCanBeRemoved(t *testing.T) {
	const gone = "APIM REST removal"
	for name, c := range map[string]struct {
		manages []string
		want    want
	}{
		"a member of the API": {[]string{"api-1"}, want{gone, doctor.Good, []string{"manages Orders", "only a try would tell"}}},
		"no member of it":     {nil, want{gone, doctor.NotTried, []string{"no member of Orders", "the role OWNER"}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t).withREST(apimsim.Account{Owns: []string{demo.DefaultIntegrationID}, Manages: c.manages},
				"gravitee_agent_ingest_schedule=@hourly", "gravitee_agent_ingest_gone=unpublish")
			allow := p.examine
			p.examine = func(o *doctor.Options, sandbox *demo.Sandbox) {
				allow(o, sandbox)
				sandbox.APIM.AddAPI(apimsim.API{ID: "api-1", IntegrationID: demo.DefaultIntegrationID, Name: "Orders"})
			}
			has(t, p.results(), c.want)
		})
	}
}
