package federation

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/gateway"
)

// key and none are what a method's security is in AWS's exports.
const key, none = `"security":[{"api_key":[]}]`, `"responses":{}`

// documentOf has these members beside those of an export.
func documentOf(members string) []byte {
	return []byte(`{"openapi":"3.0.1","info":{"title":"\"paths\":{}"},` + members + `,"components":{"securitySchemes":{` +
		`"api_key":{"type":"apiKey","name":"x-api-key","in":"header"},` +
		`"mine":{"type":"apiKey","name":"X-API-Key","in":"header"},` +
		`"sigv4":{"type":"apiKey","name":"Authorization","in":"header"}}}}`)
}

func TestADocumentSaysWhatItsMethodsAskFor(t *testing.T) {
	for name, c := range map[string]struct {
		members string
		want    demands
	}{
		"no methods":      {`"paths":{"/a":{"parameters":[]}}`, demands{}},
		"no key anywhere": {`"paths":{"/a":{"get":{` + none + `},"post":{"security":[]}}}`, demands{methods: 2}},
		"some": {`"paths":{"/a":{"get":{` + key + `}},"/b":{"x-amazon-apigateway-any-method":{` + none + `}}}`,
			demands{methods: 2, keyed: 1}},
		"what answers browsers": {`"paths":{"/a":{"get":{` + key + `},"options":{` + none + `}}}`,
			demands{methods: 1, keyed: 1}},
		"another name for the key": {`"paths":{"/a":{"get":{"security":[{"mine":[]}]}}}`, demands{methods: 1, keyed: 1}},
		"more than a key": {`"paths":{"/a":{"get":{"security":[{"api_key":[]},{"sigv4":[]}]},` +
			`"put":{"security":[{"api_key":[],"login":["read"]}]}}}`,
			demands{methods: 2, keyed: 2, others: []string{"login", "sigv4"}}},
		"once for all": {`"security":[{"api_key":[]}],"paths":{"/a":{"get":{},"put":{"security":[]}}}`,
			demands{methods: 2, keyed: 1}},
		"the word in an example": {`"paths":{"/a":{"get":{"x":{"security":[{"api_key":[]}]},"y":"security"}}}`,
			demands{methods: 1}},
		"nonsense": {`"paths":{"/a":{"get":{"security":7},"put":"get"},"/b":null}`, demands{methods: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			want := c.want
			got := demandsOf(documentOf(c.members))
			if got.methods != want.methods || got.keyed != want.keyed || !slices.Equal(got.others, want.others) {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

func TestReadersLearnWhereAKeyIsNotEnoughOrNotNeeded(t *testing.T) {
	for name, c := range map[string]struct {
		api     gateway.RestAPI
		members string
		use     string
		notes   []string
	}{
		"all ask": {gateway.RestAPI{}, `"paths":{"/a":{"get":{` + key + `}}}`,
			"in the header x-api-key; all methods ask for it", nil},
		"some ask": {gateway.RestAPI{}, `"paths":{"/a":{"get":{` + key + `},"put":{}}}`,
			"in the header x-api-key; 1 of 2 methods ask for it", nil},
		"none asks": {gateway.RestAPI{KeyFromAuthorizer: true}, `"paths":{"/a":{"get":{}}}`,
			"no method asks for one: calls need no key, and no plan limits them", []string{"no method asks for an API key"}},
		"by an authorizer": {gateway.RestAPI{KeyFromAuthorizer: true}, `"paths":{"/a":{"get":{` + key + `}}}`,
			"taken from the answer of a Lambda authorizer, and not from the header x-api-key; all methods ask for it",
			[]string{"key comes from a Lambda authorizer, not from x-api-key"}},
		"another proof too": {gateway.RestAPI{}, `"paths":{"/a":{"get":{"security":[{"api_key":[]},{"sigv4":[]}]}}}`,
			"in the header x-api-key; all methods ask for it; methods also ask for: sigv4",
			[]string{"methods also ask for: sigv4"}},
		"no default address": {gateway.RestAPI{EndpointDisabled: true}, `"paths":{"/a":{"get":{` + key + `}}}`,
			"in the header x-api-key; all methods ask for it", []string{"only by a custom domain name"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := sample()
			in.Entry.API, in.Document = &c.api, documentOf(c.members)
			in.Entry.Plans = append(in.Entry.Plans, &gateway.UsagePlan{ID: "free", Name: "Free"})
			api := Build(in)
			if got := valueOf(api, "AWS key use"); got != c.use {
				t.Errorf("%q, want %q", got, c.use)
			}
			for _, plan := range api.Plans {
				if got := plan.Characteristics; len(got) < len(c.notes) || !slices.Equal(got[:len(c.notes)], c.notes) {
					t.Errorf("plan %s says %q, want %q first", plan.ID, got, c.notes)
				}
			}
			if diff := cmp.Diff(c.notes == nil, len(api.Plans[1].Characteristics) == 0); diff != "" {
				t.Errorf("a plan without limits says %q", api.Plans[1].Characteristics)
			}
		})
	}
}

func TestAnAPIWithoutLimitsSaysSo(t *testing.T) {
	// APIM keeps metadata that are left out later, so the entry is always there and says what is true now.
	in := sample()
	in.Entry.API, in.Entry.Details = &gateway.RestAPI{ID: "a"}, nil
	if got := valueOf(Build(in), "AWS access limits"); got != "none" {
		t.Errorf("%q", got)
	}
}

func TestADisabledEndpointHintsAtWhatACustomDomainNameMayDemand(t *testing.T) {
	in := sample()
	in.Entry.API, in.Entry.Details = &gateway.RestAPI{ID: "a", EndpointDisabled: true}, nil
	if got := valueOf(Build(in), "AWS access limits"); !strings.Contains(got, "mutual TLS") {
		t.Errorf("%q", got)
	}
}

func TestADocumentThatIsTooLargeStillSaysWhatItAsksFor(t *testing.T) {
	in := sample()
	in.Document, in.Missing = documentOf(`"paths":{"/a":{"get":{}}}`), TooLarge
	if got := Build(in).Plans[0].Characteristics; !strings.HasPrefix(got[0], "no method asks") {
		t.Errorf("%q", got)
	}
}
