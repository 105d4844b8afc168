package apigateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/gateway"
)

// page is one page with one REST API.
func page(id, next string) func(*http.Request) (*http.Response, error) {
	return ok(200, fmt.Sprintf(`{"item":[{"id":%q,"name":"n"}],"position":%q}`, id, next))
}

func ids(apis []*gateway.RestAPI) string {
	var out strings.Builder
	for _, a := range apis {
		out.WriteString(a.ID)
	}
	return out.String()
}

func TestAListingAsksForPagesOf500AndFollowsThePosition(t *testing.T) {
	w := &wire{answer: answers(page("a", "p2"), page("b", "p3"), page("c", ""))}
	apis, err := ListRESTAPIs(t.Context(), w.client(nil))
	if err != nil || ids(apis) != "abc" {
		t.Fatalf("apis = %s, error %v", ids(apis), err)
	}
	for i, want := range []string{"", "p2", "p3"} {
		q := w.requests()[i].request.URL.Query()
		if q.Get("limit") != "500" || q.Get("position") != want {
			t.Errorf("page %d was asked for as %v", i+1, q)
		}
	}
	plans := &wire{answer: answers(noAPIs)}
	if _, err := ListUsagePlans(t.Context(), plans.client(nil)); err != nil {
		t.Fatal(err)
	}
	if q := plans.requests()[0].request.URL.Query(); q.Get("limit") != "500" {
		t.Errorf("usage plans were asked for as %v", q)
	}
}

func TestAPageThatFailsIsAFailureAndNeverAShorterList(t *testing.T) {
	denied := fault(403, "AccessDeniedException", "no")
	for name, script := range map[string]func(int, *http.Request) (*http.Response, error){
		"first":  answers(denied),
		"second": answers(page("a", "p2"), denied),
		"last":   answers(page("a", "p2"), page("b", "p3"), denied),
	} {
		w := &wire{answer: script}
		apis, err := ListRESTAPIs(t.Context(), w.client(nil))
		if err == nil || apis != nil {
			t.Errorf("%s page failed, and the list was %q", name, ids(apis))
		}
		wantClass(t, err, gateway.AccessDenied)
	}
}

func TestAListingContinuesWhereItStoppedAndSkipsNothing(t *testing.T) {
	w := &wire{answer: answers(page("a", "p2"), fault(403, "AccessDeniedException", "no"), page("b", "p3"), page("c", ""))}
	l := NewRESTAPIs(w.client(nil))
	if err := l.Run(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if all, whole := l.All(); whole || all != nil || l.Done() || len(l.items) != 1 {
		t.Errorf("a part was given as the whole: %s", ids(all))
	}
	if err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, whole := l.All()
	if !whole || ids(all) != "abc" {
		t.Errorf("list = %s", ids(all))
	}
	wantCalls(t, w, 4) // the first page was not asked for again
	if err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, w, 4)
}

func TestAPositionThatRepeatsFailsTheListing(t *testing.T) {
	w := &wire{answer: answers(page("a", "p2"), page("b", "p3"), page("c", "p2"))}
	l := NewRESTAPIs(w.client(nil))
	wantClass(t, l.Run(t.Context()), gateway.Unavailable)
	wantCalls(t, w, 3)
	if len(l.items) != 0 {
		t.Error("the items of such a listing were kept")
	}
}

func TestAPositionThatAWSRefusesStartsTheListingAgain(t *testing.T) {
	w := &wire{answer: answers(page("a", "p2"), fault(400, "BadRequestException", "Invalid position"), page("b", ""))}
	l := NewRESTAPIs(w.client(nil))
	wantClass(t, l.Run(t.Context()), gateway.Invalid)
	if err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, _ := l.All(); ids(all) != "b" {
		t.Errorf("list = %s", ids(all))
	}
	if got := w.requests()[2].request.URL.Query().Get("position"); got != "" {
		t.Errorf("continued at %q", got)
	}
}

func TestAnItemOnTwoPagesIsListedOnce(t *testing.T) {
	w := &wire{answer: answers(page("a", "p2"), page("a", "p3"), page("b", ""))}
	apis, err := ListRESTAPIs(t.Context(), w.client(nil))
	if err != nil || ids(apis) != "ab" {
		t.Errorf("apis = %s, error %v", ids(apis), err)
	}
}

func TestAThrottledPageIsAskedForAgainAtItsOwnPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(page("a", "p2"), throttled, page("b", ""))}
		apis, err := ListRESTAPIs(t.Context(), w.client(nil))
		if err != nil || ids(apis) != "ab" {
			t.Errorf("apis = %s, error %v", ids(apis), err)
		}
		if got := w.requests()[2].request.URL.Query().Get("position"); got != "p2" {
			t.Errorf("asked again at %q", got)
		}
	})
}

func TestAnAnswerWithoutAListIsNotAnEmptyList(t *testing.T) {
	for _, body := range []string{
		`{}`, `{"item":null}`, `{"message":"welcome to the hotel's network"}`, `[]`, `null`, ``,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{answer: answers(ok(200, body))}
			_, err := ListUsagePlans(t.Context(), w.client(nil))
			wantClass(t, err, gateway.Unavailable)
			_, err = ListRESTAPIs(t.Context(), w.client(nil))
			wantClass(t, err, gateway.Unavailable)
			_, err = ListStages(t.Context(), w.client(nil), "a")
			wantClass(t, err, gateway.Unavailable)
		})
	}
}

func TestAnEmptyListOfAWSIsAnEmptyList(t *testing.T) {
	// Recorded for API keys. All lists of API Gateway have this shape.
	r := loadRecorded(t)["TestApigatewayApiKeysCrud::test_get_api_keys"]["get-api-keys"]
	w := &wire{answer: answers(onWire(t, r))}
	if apis, err := ListRESTAPIs(t.Context(), w.client(nil)); err != nil || len(apis) != 0 {
		t.Errorf("list %v, error %v", apis, err)
	}
}

func TestWhatAnAPIAndAPlanDemandIsKept(t *testing.T) {
	w := &wire{answer: answers(ok(200, `{"item":[
		{"id":"a","apiKeySource":"AUTHORIZER","policy":"{}","securityPolicy":"TLS_1_2","endpointAccessMode":"STRICT",
		 "disableExecuteApiEndpoint":true,"endpointConfiguration":{"types":["PRIVATE"],"vpcEndpointIds":["vpce-1"]}},
		{"id":"b","apiKeySource":"HEADER"}]}`))}
	apis, err := ListRESTAPIs(t.Context(), w.client(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := []*gateway.RestAPI{
		{ID: "a", EndpointTypes: []string{"PRIVATE"}, VPCEndpointIDs: []string{"vpce-1"}, EndpointDisabled: true,
			KeyFromAuthorizer: true, ResourcePolicy: true, TLSPolicy: "TLS_1_2", AccessMode: "STRICT"},
		{ID: "b"},
	}
	if diff := cmp.Diff(want, apis); diff != "" {
		t.Error(diff)
	}
	w = &wire{answer: answers(ok(200,
		`{"item":[{"id":"p","productCode":"1a2b3c","quota":{"limit":9,"offset":2,"period":"DAY"}}]}`))}
	plans, err := ListUsagePlans(t.Context(), w.client(nil))
	if err != nil {
		t.Fatal(err)
	}
	plan := &gateway.UsagePlan{ID: "p", ProductCode: "1a2b3c", Quota: &gateway.Quota{Limit: 9, Offset: 2, Period: "DAY"}}
	if diff := cmp.Diff([]*gateway.UsagePlan{plan}, plans); diff != "" {
		t.Error(diff)
	}
}
