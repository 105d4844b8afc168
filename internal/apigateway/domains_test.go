package apigateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/gateway"
)

// scene answers by path, and the names' list with these domains. What it has no answer for is empty.
type scene struct {
	names string
	by    map[string]func(*http.Request) (*http.Response, error)
}

func (r scene) wire() *wire {
	return &wire{answer: func(_ int, q *http.Request) (*http.Response, error) {
		if answer, has := r.by[q.URL.Path]; has {
			return answer(q)
		}
		if q.URL.Path == "/domainnames" {
			return ok(200, `{"item":[`+r.names+`]}`)(q)
		}
		return ok(200, `{}`)(q) // an empty list may be written so
	}}
}

func name(name, kind, more string) string {
	return fmt.Sprintf(`{"domainName":%q,"endpointConfiguration":{"types":[%q]}%s}`, name, kind, more)
}

func paths(w *wire) (all []string) {
	for _, r := range w.requests() {
		all = append(all, strings.TrimSuffix(r.request.URL.Path+"?"+r.request.URL.RawQuery, "?"))
	}
	return all
}

// own is the client's account.
const own = "111122223333"

func domains(t *testing.T, w *wire) ([]*gateway.Domain, *Domains) {
	t.Helper()
	d := NewDomains(w.client(nil), own)
	if err := d.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, denied := d.Found()
	if denied != nil {
		t.Fatal(denied)
	}
	return found, d
}

var denied = fault(403, "AccessDeniedException", "no identity-based policy allows it")

func TestEachKindOfDomainNameIsAskedForWhatItCanTell(t *testing.T) {
	w := scene{
		names: strings.Join([]string{
			name("r", "REGIONAL", `,"securityPolicy":"TLS_1_2","mutualTlsAuthentication":{"truststoreUri":"s3://x"}`),
			name("old", "REGIONAL", `,"securityPolicy":"TLS_1_0"`),
			name("e", "EDGE", `,"domainNameStatus":"PENDING"`),
			name("p", "PRIVATE", `,"domainNameId":"id1","routingMode":"ROUTING_RULE_THEN_BASE_PATH_MAPPING"`),
			name("only", "REGIONAL", `,"routingMode":"ROUTING_RULE_ONLY"`),
			`{"domainName":"moving","endpointConfiguration":{"types":["EDGE","REGIONAL"]}}`,
		}, ","),
		by: map[string]func(*http.Request) (*http.Response, error){
			"/v2/domainnames/r/apimappings": func(q *http.Request) (*http.Response, error) {
				if q.URL.Query().Get("nextToken") == "" {
					return ok(200, `{"items":[{"apiId":"a","stage":"s","apiMappingKey":"shop/v1"}],"nextToken":"n2"}`)(q)
				}
				return ok(200, `{"items":[{"apiId":"b","stage":"t"}]}`)(q)
			},
			"/domainnames/e/basepathmappings": ok(200,
				`{"item":[{"basePath":"(none)","restApiId":"a","stage":"s"},{"basePath":"k","restApiId":"b"}]}`),
			"/v2/domainnames/only/routingrules": ok(200, `{"routingRules":[{"routingRuleId":"1","priority":7,
				"conditions":[{"matchBasePaths":{"anyOf":["x"]}},{"matchHeaders":{"anyOf":[{"header":"h","valueGlob":"1*"}]}}],
				"actions":[{"invokeApi":{"apiId":"a","stage":"s","stripBasePath":true}}]}]}`),
		},
	}.wire()
	got, d := domains(t, w)
	want := []*gateway.Domain{
		{Name: "r", Endpoint: "REGIONAL", TLSPolicy: "TLS_1_2", MutualTLS: true, Mappings: []gateway.Mapping{
			{Key: "shop/v1", APIID: "a", Stage: "s"}, {APIID: "b", Stage: "t"},
		}},
		{Name: "old", Endpoint: "REGIONAL", TLSPolicy: "TLS_1_0"},
		{Name: "e", Endpoint: "EDGE", Status: "PENDING", Mappings: []gateway.Mapping{
			{APIID: "a", Stage: "s"}, {Key: "k", APIID: "b"},
		}},
		{Name: "p", ID: "id1", Endpoint: "PRIVATE", Routing: gateway.RulesThenMappings},
		{Name: "only", Endpoint: "REGIONAL", Routing: gateway.RulesOnly, Rules: []gateway.RoutingRule{{
			ID: "1", Priority: 7, BasePaths: []string{"x"}, Headers: [][]gateway.HeaderMatch{{{Name: "h", Value: "1*"}}},
			APIID: "a", Stage: "s", StripBasePath: true,
		}}},
		{Name: "moving", Endpoint: "EDGE"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"/domainnames?limit=500",
		"/v2/domainnames/r/apimappings?maxResults=500",
		"/v2/domainnames/r/apimappings?maxResults=500&nextToken=n2",
		"/domainnames/old/basepathmappings?limit=500",
		"/domainnames/e/basepathmappings?limit=500",
		"/domainnames/p/basepathmappings?domainNameId=id1&limit=500",
		"/v2/domainnames/p/routingrules?domainNameId=id1&maxResults=500",
		"/v2/domainnames/only/routingrules?maxResults=500",
		"/domainnames/moving/basepathmappings?limit=500",
	}, paths(w)); diff != "" {
		t.Error(diff)
	}
	if d.Calls() != 9 {
		t.Errorf("%d calls", d.Calls())
	}
}

func TestARegionWithoutTheSecondAPIIsAskedByTheFirst(t *testing.T) {
	w := scene{
		names: name("a", "REGIONAL", "") + "," + name("b", "REGIONAL", ""),
		by: map[string]func(*http.Request) (*http.Response, error){
			"/v2/domainnames/a/apimappings":   fault(400, "BadRequestException", "not here"),
			"/domainnames/a/basepathmappings": ok(200, `{"item":[{"basePath":"k","restApiId":"x","stage":"s"}]}`),
		},
	}.wire()
	got, _ := domains(t, w)
	if len(got) != 2 || len(got[0].Mappings) != 1 || got[0].Gap != "" {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]string{
		"/domainnames?limit=500", "/v2/domainnames/a/apimappings?maxResults=500",
		"/domainnames/a/basepathmappings?limit=500", "/domainnames/b/basepathmappings?limit=500",
	}, paths(w)); diff != "" {
		t.Error(diff)
	}
}

func TestTheSecondAPIThatRefusesOneDomainNameIsAskedForTheOthers(t *testing.T) {
	w := scene{
		names: name("a", "REGIONAL", "") + "," + name("b", "REGIONAL", "") + "," + name("c", "REGIONAL", ""),
		by: map[string]func(*http.Request) (*http.Response, error){
			"/v2/domainnames/b/apimappings":   fault(400, "BadRequestException", "odd"),
			"/domainnames/b/basepathmappings": fault(400, "BadRequestException", "odd, too"),
		},
	}.wire()
	got, _ := domains(t, w)
	if len(got) != 3 || got[0].Gap != "" || !strings.Contains(got[1].Gap, "odd, too") || got[2].Gap != "" {
		t.Errorf("%+v", got)
	}
	if all := paths(w); len(all) != 5 || !strings.HasPrefix(all[4], "/v2/domainnames/c/apimappings") {
		t.Errorf("asked: %v", all)
	}
}

func TestAMissingGrantIsNotAskedForAgain(t *testing.T) {
	w := scene{by: map[string]func(*http.Request) (*http.Response, error){"/domainnames": denied}}.wire()
	d := NewDomains(w.client(nil), own)
	if err := d.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, refused := d.Found()
	if len(found) > 0 || Classify(refused) != gateway.AccessDenied || !strings.Contains(
		Explain(refused), "apigateway:GET on arn:aws:apigateway:eu-west-1::/domainnames ") {
		t.Errorf("found %v, refused: %s", found, Explain(refused))
	}
	wantCalls(t, w, 1)

	w = scene{
		names: strings.Join([]string{
			name("a", "REGIONAL", ""), name("b", "REGIONAL", ""), name("e", "EDGE", ""),
			name("p", "PRIVATE", `,"domainNameId":"1"`), name("q", "PRIVATE", `,"domainNameId":"2"`),
			name("r", "REGIONAL", `,"routingMode":"ROUTING_RULE_ONLY"`),
		}, ","),
		by: map[string]func(*http.Request) (*http.Response, error){
			"/v2/domainnames/a/apimappings": denied, "/domainnames/p/basepathmappings": denied,
			"/domainnames/e/basepathmappings": denied, "/v2/domainnames/r/routingrules": denied,
		},
	}.wire()
	got, _ := domains(t, w)
	var gaps, asked []string
	for _, n := range got {
		if unknown := n.MappingsUnknown || n.RulesUnknown; unknown != (n.Gap != "") || n.RulesUnknown != (n.Name == "r") {
			t.Errorf("%+v", n)
		}
		if n.Gap != "" {
			gaps = append(gaps, n.Name)
			asked = append(asked, strings.TrimPrefix(strings.SplitN(n.Gap, " (", 2)[0], "the credentials lack the permission "))
		}
	}
	asked = slices.Compact(asked)
	if diff := cmp.Diff([]string{"a", "b", "e", "p", "q", "r"}, gaps); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"apigateway:GET on arn:aws:apigateway:eu-west-1::/domainnames/*",
		"apigateway:GET on arn:aws:apigateway:eu-west-1:*:/domainnames/*",
		"apigateway:ListRoutingRules on arn:aws:apigateway:eu-west-1:*:/domainnames/*",
	}, asked); diff != "" {
		t.Error(diff)
	}
	wantCalls(t, w, 5) // the names, and one of a kind: a, e, p, r
}

func TestPrivateDomainNamesOfOtherAccountsAreLeftOutAndNotAskedFor(t *testing.T) {
	arn := func(account, id string) string {
		return fmt.Sprintf(`,"domainNameId":%q,"domainNameArn":"arn:aws:apigateway:eu-west-1:%s:/domainnames/p+%[1]s"`, id, account)
	}
	w := scene{
		names: strings.Join([]string{
			name("p", "PRIVATE", arn("444455556666", "shared")), name("p", "PRIVATE", arn(own, "own")),
			name("e", "EDGE", `,"domainNameArn":"arn:aws:apigateway:eu-west-1::/domainnames/e"`),
		}, ","),
		by: map[string]func(*http.Request) (*http.Response, error){
			"/domainnames/p/basepathmappings": func(q *http.Request) (*http.Response, error) {
				if q.URL.Query().Get("domainNameId") == "shared" {
					return denied(q)
				}
				return ok(200, `{"item":[{"basePath":"k","restApiId":"a","stage":"s"}]}`)(q)
			},
		},
	}.wire()
	got, _ := domains(t, w)
	want := []*gateway.Domain{
		{Name: "p", ID: "own", Endpoint: "PRIVATE", Mappings: []gateway.Mapping{{Key: "k", APIID: "a", Stage: "s"}}},
		{Name: "e", Endpoint: "EDGE"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	wantCalls(t, w, 3)
}

func TestADomainNameThatWasDeletedMeanwhileIsLeftOut(t *testing.T) {
	w := scene{
		names: name("a", "REGIONAL", "") + "," + name("b", "EDGE", ""),
		by: map[string]func(*http.Request) (*http.Response, error){
			"/v2/domainnames/a/apimappings": fault(404, "NotFoundException", "Invalid domain name identifier specified"),
		},
	}.wire()
	if got, _ := domains(t, w); len(got) != 1 || got[0].Name != "b" || got[0].Gap != "" {
		t.Errorf("%+v", got)
	}
}

func TestAPassingFailureIsContinuedWhereItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		w := scene{
			names: name("a", "EDGE", "") + "," + name("b", "REGIONAL", `,"routingMode":"ROUTING_RULE_THEN_BASE_PATH_MAPPING"`),
			by: map[string]func(*http.Request) (*http.Response, error){
				"/v2/domainnames/b/routingrules": func(q *http.Request) (*http.Response, error) {
					if down {
						return refused(q)
					}
					return ok(200, `{"routingRules":[]}`)(q)
				},
			},
		}.wire()
		d := NewDomains(w.client(nil), own)
		wantClass(t, d.Run(t.Context()), gateway.Unreachable)
		before := len(w.requests())
		down = false
		if err := d.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		found, _ := d.Found()
		if again := paths(w)[before:]; len(found) != 2 || len(again) != 1 || !strings.Contains(again[0], "routingrules") {
			t.Errorf("%d found; asked again: %v", len(found), again)
		}
	})
}

func TestCallsOfTheSecondAPITakePermitsAndAreTriedAgainAsAllOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := scene{
			names: name("a", "REGIONAL", ""),
			by: map[string]func(*http.Request) (*http.Response, error){
				"/v2/domainnames/a/apimappings": func(q *http.Request) (*http.Response, error) {
					if n++; n < 3 {
						return fault(429, []string{"TooManyRequestsException", "LimitExceededException"}[n-1], "Too Many Requests")(q)
					}
					return ok(200, `{"items":[{"apiId":"a","stage":"s"}]}`)(q)
				},
			},
		}.wire()
		asked := &counter{}
		d := NewDomains(w.client(asked), own)
		if err := d.Run(WithPriority(t.Context(), gateway.PriorityIngest)); err != nil {
			t.Fatal(err)
		}
		want := []gateway.PermitRequest{
			{Operation: gateway.GetDomainNames, Priority: gateway.PriorityIngest},
			{Operation: gateway.GetAPIMappings, Priority: gateway.PriorityIngest},
			{Operation: gateway.GetAPIMappings, Priority: gateway.PriorityIngest},
			{Operation: gateway.GetAPIMappings, Priority: gateway.PriorityIngest},
		}
		if diff := cmp.Diff(want, asked.requests); diff != "" {
			t.Error(diff)
		}
		if got := d.Calls(); got != 2 {
			t.Errorf("%d calls", got)
		}
	})
}
