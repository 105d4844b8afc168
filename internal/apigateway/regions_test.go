package apigateway

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/gateway"
	"federation-agent/internal/region"
)

func TestTheEnabledRegionsAreAskedOfTheHomeRegion(t *testing.T) {
	quiet(t)
	const page = `{"Regions":[{"RegionName":"eu-west-1","RegionOptStatus":"ENABLED_BY_DEFAULT"}],"NextToken":"more"}`
	const last = `{"Regions":[{"RegionName":"af-south-1","RegionOptStatus":"ENABLED"}]}`
	w := &wire{answer: answers(ok(http.StatusOK, page), ok(http.StatusOK, last))}
	c := newCredentials(t, w, CredentialsOptions{Regions: []string{"us-east-1"}})
	got, err := c.EnabledRegions(t.Context(), region.Named("aws"), "")
	if err != nil || !slices.Equal(got, []string{"eu-west-1", "af-south-1"}) {
		t.Errorf("%v, %v", got, err)
	}
	for n, r := range w.requests() {
		wanted := `"RegionOptStatusContains":["ENABLED","ENABLED_BY_DEFAULT"]`
		if r.request.URL.Host != "account.us-east-1.amazonaws.com" || r.request.URL.Path != "/listRegions" ||
			!strings.Contains(r.body, wanted) || strings.Contains(r.body, "more") != (n == 1) {
			t.Errorf("%s %s", r.request.URL, r.body)
		}
	}
}

func TestWhereAWSDoesNotTellWhichRegionsAreEnabledNobodyFails(t *testing.T) {
	quiet(t)
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"no permission":   fault(http.StatusForbidden, "AccessDeniedException", "not authorized to perform: account:ListRegions"),
		"a proxy":         ok(http.StatusForbidden, "no"),
		"an unknown code": fault(http.StatusBadRequest, "ValidationException", "what?"),
	} {
		w := &wire{answer: answers(answer)}
		c := newCredentials(t, w, CredentialsOptions{Regions: []string{"us-east-1"}})
		if got, err := c.EnabledRegions(t.Context(), region.Named("aws"), ""); got != nil || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	w := &wire{answer: stsAnswer()}
	c := newCredentials(t, w, CredentialsOptions{Regions: []string{"cn-north-1"}})
	got, err := c.EnabledRegions(t.Context(), region.Named("aws-cn"), "")
	if got != nil || err != nil || len(w.requests()) > 0 {
		t.Errorf("a partition without such regions: %v, %v, %d calls", got, err, len(w.requests()))
	}
}

func TestARoleThatMayNotBeAssumedIsAnErrorOfTheCredentials(t *testing.T) {
	quiet(t)
	w := &wire{answer: answers(ok(http.StatusForbidden, `<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>`))}
	c := newCredentials(t, w, CredentialsOptions{
		Regions: []string{"us-east-1"}, External: map[string]ExternalID{role: {Setting: "the.setting", RoleSetting: "the.role"}},
	})
	_, err := c.EnabledRegions(t.Context(), region.Named("aws"), role)
	wantClass(t, err, gateway.AccessDenied)
	if said := Explain(err); !strings.Contains(said, "in this order: the.role,") || !strings.Contains(said, "(the.setting)") {
		t.Errorf("%s", said)
	}
}

func TestATryTellsARegionThatIsOffFromFaults(t *testing.T) {
	quiet(t)
	const denied = "User: x is not authorized to perform: apigateway:GET on resource: y "
	for name, c := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		want   gateway.Class
	}{
		"on":                    {ok(http.StatusOK, `{"item":[]}`), gateway.OK},
		"off":                   {fault(http.StatusForbidden, "UnrecognizedClientException", "invalid"), gateway.RegionOff},
		"off, as others say it": {fault(http.StatusForbidden, "InvalidClientTokenId", "invalid"), gateway.RegionOff},
		"closed by the organization": {
			fault(http.StatusForbidden, "AccessDeniedException", denied+"with an explicit deny in a service control policy"),
			gateway.RegionOff,
		},
		"denied": {
			fault(http.StatusForbidden, "AccessDeniedException", denied+"with an explicit deny in an identity-based policy"),
			gateway.AccessDenied,
		},
		"no permission": {fault(http.StatusForbidden, "AccessDeniedException", denied), gateway.AccessDenied},
	} {
		w := &wire{answer: answers(c.answer)}
		permits := &counter{}
		err := Try(t.Context(), w.client(permits))
		wantClass(t, err, c.want)
		if len(w.requests()) != 1 {
			t.Errorf("%s: %d calls", name, len(w.requests()))
		}
		if last := permits.outcomes[len(permits.outcomes)-1]; last.Class != c.want {
			t.Errorf("%s: metrics are told of %v", name, last.Class)
		}
	}
}
