package federation

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/federated"
	"federation-agent/internal/gateway"
)

// toA leads to stage s of the REST API a.
func toA(key string) gateway.Mapping { return gateway.Mapping{Key: key, APIID: "a", Stage: "s"} }

func ruleToA(strip bool, paths ...string) gateway.RoutingRule {
	return gateway.RoutingRule{ID: "r", Priority: 10, BasePaths: paths, APIID: "a", Stage: "s", StripBasePath: strip}
}

func TestWhatLeadsToAStageIsItsBaseURL(t *testing.T) {
	others := func(r gateway.RoutingRule, priority int32) gateway.RoutingRule {
		r.APIID, r.Priority = "b", priority
		return r
	}
	withHeader := func(r gateway.RoutingRule, headers ...[]gateway.HeaderMatch) gateway.RoutingRule {
		r.Headers = headers
		return r
	}
	const vpc = "private domain name: only in a VPC with an endpoint that is associated with it"
	for name, c := range map[string]struct {
		domain gateway.Domain
		want   []string
	}{
		"a key":                     {gateway.Domain{Mappings: []gateway.Mapping{toA("orders")}}, []string{"https://D/orders"}},
		"a key of several parts":    {gateway.Domain{Mappings: []gateway.Mapping{toA("shop/orders/v1")}}, []string{"https://D/shop/orders/v1"}},
		"the empty key":             {gateway.Domain{Mappings: []gateway.Mapping{toA("")}}, []string{"https://D"}},
		"a key with odd letters":    {gateway.Domain{Mappings: []gateway.Mapping{toA("a b{c}")}}, []string{"https://D/a%20b%7Bc%7D"}},
		"a mapping without a stage": {gateway.Domain{Mappings: []gateway.Mapping{{Key: "k", APIID: "a"}}}, []string{"https://D/k/s"}},
		"no key and no stage":       {gateway.Domain{Mappings: []gateway.Mapping{{APIID: "a"}}}, []string{"https://D/s"}},
		"no stage, and its path is another API's": {
			gateway.Domain{Mappings: []gateway.Mapping{{APIID: "a"}, {Key: "s", APIID: "b", Stage: "t"}}}, []string{}},
		"no stage, and its path is mapped to it": {
			gateway.Domain{Mappings: []gateway.Mapping{{Key: "k", APIID: "a"}, toA("k/s")}}, []string{"https://D/k/s"}},
		"no stage, and its path is a rule's": {
			gateway.Domain{Routing: gateway.RulesThenMappings, Rules: []gateway.RoutingRule{others(ruleToA(true, "k/s"), 1)},
				Mappings: []gateway.Mapping{{Key: "k", APIID: "a"}, {Key: "l", APIID: "a"}}}, []string{"https://D/l/s"}},
		"another stage, another API": {gateway.Domain{Mappings: []gateway.Mapping{{APIID: "a", Stage: "t"}, {APIID: "b", Stage: "s"}}}, []string{}},
		"nothing":                    {gateway.Domain{}, []string{}},
		"edge":                       {gateway.Domain{Endpoint: "EDGE", Mappings: []gateway.Mapping{toA("o")}}, []string{"https://D/o"}},
		"private":                    {gateway.Domain{Endpoint: "PRIVATE", Mappings: []gateway.Mapping{toA("")}}, []string{"https://D (" + vpc + ")"}},
		"mutual TLS": {gateway.Domain{MutualTLS: true, Mappings: []gateway.Mapping{toA("")}},
			[]string{"https://D (only with a client certificate (mutual TLS))"}},
		"a wildcard": {gateway.Domain{Name: "*.example.com", Mappings: []gateway.Mapping{toA("o")}},
			[]string{"https://<any>.example.com/o (any name below example.com)"}},
		"not there yet": {gateway.Domain{Status: "PENDING", Mappings: []gateway.Mapping{toA("")}},
			[]string{"https://D (does not serve: PENDING)"}},
		"the best first": {gateway.Domain{Mappings: []gateway.Mapping{toA("z"), toA("b")}}, []string{"https://D/b", "https://D/z"}},
		"rules count for nothing": {
			gateway.Domain{Rules: []gateway.RoutingRule{ruleToA(true, "x")}, Mappings: []gateway.Mapping{toA("m")}}, []string{"https://D/m"}},
		"mappings count for nothing": {
			gateway.Domain{Routing: gateway.RulesOnly, Mappings: []gateway.Mapping{toA("m")}}, []string{}},
		"a rule that strips": {
			gateway.Domain{Routing: gateway.RulesOnly, Rules: []gateway.RoutingRule{ruleToA(true, "x/y", "z")}},
			[]string{"https://D/x/y", "https://D/z"}},
		"a rule that leaves the base path": {
			gateway.Domain{Routing: gateway.RulesOnly, Rules: []gateway.RoutingRule{ruleToA(false, "x")}},
			[]string{"https://D (only paths below /x)"}},
		"a rule without conditions": {
			gateway.Domain{Routing: gateway.RulesOnly, Rules: []gateway.RoutingRule{ruleToA(false)}}, []string{"https://D"}},
		"a rule with headers": {
			gateway.Domain{Routing: gateway.RulesThenMappings, Mappings: []gateway.Mapping{toA("x")}, Rules: []gateway.RoutingRule{
				withHeader(ruleToA(true, "x"), []gateway.HeaderMatch{{Name: "v", Value: "2*"}, {Name: "w", Value: "1"}},
					[]gateway.HeaderMatch{{Name: "beta", Value: "*"}}),
			}},
			[]string{"https://D/x", "https://D/x (only with the header v: 2* or w: 1; only with the header beta: *)"}},
		"a mapping behind a rule": {
			gateway.Domain{Routing: gateway.RulesThenMappings, Rules: []gateway.RoutingRule{others(ruleToA(true, "x"), 1)},
				Mappings: []gateway.Mapping{toA("x"), toA("x/y"), toA("xy"), toA("")}},
			[]string{"https://D", "https://D/xy"}},
		"mappings behind a rule for everything": {
			gateway.Domain{Routing: gateway.RulesThenMappings, Rules: []gateway.RoutingRule{others(ruleToA(true), 1)},
				Mappings: []gateway.Mapping{toA("x"), toA("")}}, []string{}},
		"mappings behind rules that are not known": {
			gateway.Domain{Routing: gateway.RulesThenMappings, RulesUnknown: true, Mappings: []gateway.Mapping{toA("x")}},
			[]string{"https://D/x (unless a routing rule, which AWS did not list, leads elsewhere)"}},
		"a rule behind a rule": {
			gateway.Domain{Routing: gateway.RulesOnly,
				Rules: []gateway.RoutingRule{ruleToA(true, "x"), others(ruleToA(true, "x"), 9)}}, []string{}},
		"a rule before a rule": {
			gateway.Domain{Routing: gateway.RulesOnly,
				Rules: []gateway.RoutingRule{others(ruleToA(true, "x"), 11), ruleToA(true, "x")}}, []string{"https://D/x"}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.domain.Name == "" {
				c.domain.Name = "D"
			}
			got := NewBaseURLs([]*gateway.Domain{&c.domain}, "").Of("a", "s")
			if diff := cmp.Diff(c.want, got.Texts()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBaseURLsThatAreEasyToCallComeFirst(t *testing.T) {
	one := []gateway.Mapping{toA("")}
	rule := ruleToA(true, "h")
	rule.Headers = [][]gateway.HeaderMatch{{{Name: "h", Value: "1"}}}
	got := NewBaseURLs([]*gateway.Domain{
		{Name: "a-failed.com", Status: "FAILED", Mappings: one},
		{Name: "b-header.com", Routing: gateway.RulesOnly, Rules: []gateway.RoutingRule{rule}},
		{Name: "*.c-wild.com", Mappings: one},
		{Name: "d-mutual.com", MutualTLS: true, Mappings: one},
		{Name: "e-plain.com", Mappings: []gateway.Mapping{{APIID: "a"}}},
	}, "").Of("a", "s")
	var order []string
	for _, text := range got.Texts() {
		order = append(order, strings.SplitN(text, " (", 2)[0])
	}
	if diff := cmp.Diff([]string{"https://e-plain.com/s", "https://d-mutual.com", "https://<any>.c-wild.com",
		"https://b-header.com/h", "https://a-failed.com"}, order); diff != "" {
		t.Error(diff)
	}
}

// mapped is an entry whose stage is reached by these, with a gap.
func mapped(api gateway.RestAPI, gap string, domains ...*gateway.Domain) Entry {
	api.ID = "a"
	return NewBaseURLs(domains, gap).Mark([]Entry{{API: &api, Stage: "s"}})[0]
}

func value(metadata []federated.Metadata, name string) string {
	for _, m := range metadata {
		if m.Name == name {
			return m.Value
		}
	}
	return ""
}

func TestMetadataAndDescriptionSayTheBaseURLInEveryCase(t *testing.T) {
	shop := &gateway.Domain{Name: "shop.com", Mappings: []gateway.Mapping{toA("orders")}}
	tls := &gateway.Domain{Name: "tls.com", MutualTLS: true, Mappings: []gateway.Mapping{toA("")}}
	unread := &gateway.Domain{Name: "x.com", Gap: "refused"}
	const own = "https://a.execute-api.eu-west-1.amazonaws.com/s"
	const disabled = "none: the default endpoint is disabled, callers use a custom domain name"
	for name, c := range map[string]struct {
		entry                             Entry
		base, invoke, description, access string
	}{
		"not asked for": {Entry{API: &gateway.RestAPI{ID: "a", EndpointDisabled: true}, Stage: "s"}, "", disabled, "",
			"a custom domain name may demand a client certificate (mutual TLS)"},
		"one": {mapped(gateway.RestAPI{Description: "d"}, "", shop), "https://shop.com/orders", own,
			"d\n\nBase URL: https://shop.com/orders", "none"},
		"two": {mapped(gateway.RestAPI{EndpointDisabled: true}, "", tls, shop),
			"https://shop.com/orders, https://tls.com (only with a client certificate (mutual TLS))", disabled,
			"Base URL: https://shop.com/orders", "1 of 2 base URLs ask for a client certificate (mutual TLS)"},
		"none": {mapped(gateway.RestAPI{}, ""), "none: no custom domain name leads here, callers use the invoke URL", own, "", "none"},
		"not reachable": {mapped(gateway.RestAPI{EndpointDisabled: true, Description: "d"}, ""), "none: " + unreachable,
			"none: " + unreachable, "d\n\nNot reachable: " + unreachable, "none"},
		"not allowed": {mapped(gateway.RestAPI{EndpointDisabled: true}, NotAllowed), "not known: " + NotAllowed, disabled, "",
			"a custom domain name may demand a client certificate (mutual TLS)"},
		"not all allowed": {mapped(gateway.RestAPI{}, "", shop, unread),
			"https://shop.com/orders; there may be others: " + notAllListed, own, "Base URL: https://shop.com/orders", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			api := Build(Input{Target: Target{one, "eu-west-1"}, Entry: c.entry, Name: "n"})
			got := []string{
				value(api.Metadata, "AWS base URL"), value(api.Metadata, "AWS invoke URL"), api.Description,
				value(api.Metadata, "AWS access limits"),
			}
			if diff := cmp.Diff([]string{c.base, c.invoke, c.description, c.access}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestALongDescriptionLeavesRoomForTheBaseURL(t *testing.T) {
	e := mapped(gateway.RestAPI{Description: strings.Repeat("word ", 2000)}, "",
		&gateway.Domain{Name: "shop.com", Mappings: []gateway.Mapping{toA("orders")}})
	got := description(e)
	if width(got) > maxDescription || !strings.HasSuffix(got, "…\n\nBase URL: https://shop.com/orders") {
		t.Errorf("%d: …%s", width(got), got[len(got)-60:])
	}
}

func TestBaseURLsAreBoundedInNumberAndInMetadata(t *testing.T) {
	d := &gateway.Domain{Name: "shop.com"}
	for n := range 3 * maxAddresses {
		d.Mappings = append(d.Mappings, toA(fmt.Sprintf("orders/of/version/%03d", n)))
	}
	e := mapped(gateway.RestAPI{}, NotAllowed, d)
	if n := len(e.Bases.Texts()); n != maxAddresses {
		t.Errorf("%d base URLs", n)
	}
	text := baseText(e)
	shown := strings.Count(text, "https://")
	if width(text) > MaxMetadataValue || !strings.HasPrefix(text, "https://shop.com/orders/of/version/000, ") ||
		!strings.HasSuffix(text, fmt.Sprintf(", and %d more; there may be others: %s", maxAddresses-shown, NotAllowed)) {
		t.Errorf("%d: %s", width(text), text)
	}
}

func TestBaseURLsComeFirstAmongTheServersOfADocument(t *testing.T) {
	type server struct {
		URL         string                       `json:"url"`
		Description string                       `json:"description,omitempty"`
		Variables   map[string]map[string]string `json:"variables,omitempty"`
	}
	own := server{
		URL: "https://a.execute-api.eu-west-1.amazonaws.com/{basePath}", Variables: map[string]map[string]string{"basePath": {"default": "/s"}},
	}
	twice := server{URL: "https://shop.com/{basePath}", Variables: map[string]map[string]string{"basePath": {"default": "orders"}}}
	document, err := json.Marshal(map[string]any{"openapi": "3.0.1", "servers": []server{own, twice}, "paths": map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	shop := &gateway.Domain{Name: "shop.com", Mappings: []gateway.Mapping{toA("orders")}}
	wild := &gateway.Domain{Name: "*.wild.com", Mappings: []gateway.Mapping{toA("")}}
	entry := mapped(gateway.RestAPI{}, "", wild, shop)
	id := entry.ID(west)
	text := withServers(id, entry, document)
	var got struct{ Servers []server }
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	want := []server{
		{URL: "https://shop.com/orders"},
		{URL: "https://{any}.wild.com", Description: "any name below wild.com", Variables: map[string]map[string]string{
			"any": {"default": "any", "description": "any name: the custom domain name is *.wild.com"},
		}},
		own,
	}
	if diff := cmp.Diff(want, got.Servers); diff != "" {
		t.Error(diff)
	}
	if grown := int64(len(text) - len(document)); RewritesServers(id, entry) < grown {
		t.Errorf("%d bytes were put in, and %d were reckoned with", grown, RewritesServers(id, entry))
	}
	entry.API.EndpointDisabled, entry.Bases = true, NewBaseURLs(nil, "").Of("a", "s")
	if text := string(withServers(id, entry, document)); !strings.Contains(text, `"disabled, and no custom domain name leads here: not reachable"`) {
		t.Error(text)
	}
}
