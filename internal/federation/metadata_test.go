package federation

import (
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/gateway"
)

func TestAPrivateEndpointNamesItsVPCEndpoints(t *testing.T) {
	got := endpointType(&gateway.RestAPI{EndpointTypes: []string{"PRIVATE"}, VPCEndpointIDs: []string{"vpce-1", "vpce-2"}})
	if got != "PRIVATE (vpce-1, vpce-2)" {
		t.Errorf("endpoint type %q", got)
	}
}

func TestConnectionDetailsHaveKeysThatComeBackWithASubscription(t *testing.T) {
	api := Build(sample())
	for name, value := range api.ConnectionDetails {
		if !strings.Contains(name, "aws-api-gateway") {
			t.Errorf("%s does not come back", name)
		}
		if valueOf(api, name) != value {
			t.Errorf("%s is not in the metadata too", name)
		}
		if metadataKey(name) != name {
			t.Errorf("APIM makes another key of %s: %s", name, metadataKey(name))
		}
	}
	if len(api.ConnectionDetails) != 4 {
		t.Errorf("connection details %v", api.ConnectionDetails)
	}
}

func TestTagsWithTheSameKeyInAPIMAreAllKept(t *testing.T) {
	tags := map[string]string{
		"team":    "1",
		"Team":    "2",
		"te_am":   "3",
		"t.e.a.m": "4",
		"café":    "5",
		"cafe":    "6",
		"チーム":     "7",
		"部":       "8",
		"empty":   "",
	}
	m := &metadataList{keys: map[string]struct{}{}}
	m.addTags("AWS tag ", tags)
	if len(m.list) != len(tags) {
		t.Fatalf("%d of %d tags are left: %v", len(m.list), len(tags), m.list)
	}
	values := []string{}
	for _, e := range m.list {
		values = append(values, e.Value)
	}
	slices.Sort(values)
	if got := strings.Join(values, ""); got != "(empty)12345678" {
		t.Errorf("values %q", got)
	}
	if m.list[len(m.list)-1].Name == "AWS tag 部" {
		t.Error("a tag without ASCII is not marked")
	}
}

func TestATagKeepsItsNameWhenOtherTagsAreAdded(t *testing.T) {
	nameOf := func(tags map[string]string) string {
		m := &metadataList{keys: map[string]struct{}{}}
		m.addTags("AWS tag ", tags)
		for _, e := range m.list {
			if e.Value == "mine" {
				return e.Name
			}
		}
		return ""
	}
	alone := nameOf(map[string]string{"Team": "x", "team": "mine"})
	crowded := nameOf(map[string]string{"Team": "x", "team": "mine", "TEAM": "y", "a": "z"})
	if alone != crowded || alone == "" {
		t.Errorf("%q became %q", alone, crowded)
	}
}

func TestATagCannotReplaceAConnectionDetail(t *testing.T) {
	in := sample()
	api := *in.Entry.API
	api.Tags = map[string]string{"aws-api-gateway-account-id": "999999999999"}
	in.Entry.API = &api
	if got := valueOf(Build(in), MetadataAccountID); got != one {
		t.Errorf("account = %s", got)
	}
}

func TestMetadataKeysAreThoseOfAPIM(t *testing.T) {
	// The first is the example of gravitee-common's own documentation.
	for name, want := range map[string]string{
		"It is not unique !": "it-is-not-unique",
		"it IS not UNIQUE":   "it-is-not-unique",
		"AWS invoke URL":     "aws-invoke-url",
		"a - b":              "a-b",
		"te_am":              "team",
		"":                   "",
	} {
		if got := metadataKey(name); got != want {
			t.Errorf("metadataKey(%q) = %q, want %q", name, got, want)
		}
	}
}
