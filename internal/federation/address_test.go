package federation

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/gateway"
)

func TestTheInvokeURLDependsOnThePartitionAndTheEndpoint(t *testing.T) {
	for want, in := range map[string]struct {
		region string
		api    gateway.RestAPI
	}{
		"https://a.execute-api.eu-west-1.amazonaws.com/s":     {"eu-west-1", gateway.RestAPI{ID: "a"}},
		"https://a.execute-api.cn-north-1.amazonaws.com.cn/s": {"cn-north-1", gateway.RestAPI{ID: "a"}},
		"https://a.execute-api.us-gov-west-1.amazonaws.com/s": {"us-gov-west-1", gateway.RestAPI{ID: "a"}},
		"https://a.execute-api.eusc-de-east-1.amazonaws.eu/s": {"eusc-de-east-1", gateway.RestAPI{ID: "a"}},
		"none: the default endpoint is disabled, callers use a custom domain name": {
			"eu-west-1", gateway.RestAPI{ID: "a", EndpointDisabled: true},
		},
	} {
		if got := invokeURL(ID{one, in.region, "a", "s"}, Entry{API: &in.api}); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// private is an API with two VPC endpoints, one of them named twice.
func private() *gateway.RestAPI {
	return &gateway.RestAPI{
		ID: "a", EndpointTypes: []string{"PRIVATE"}, VPCEndpointIDs: []string{"vpce-2", "vpce-1", "vpce-2"},
	}
}

func TestAPrivateAPIHasAnAddressForEachVPCEndpoint(t *testing.T) {
	const condition = "only in a VPC with an execute-api endpoint that has private DNS"
	for region, suffix := range map[string]string{"eu-west-1": "amazonaws.com", "cn-north-1": "amazonaws.com.cn"} {
		want := fmt.Sprintf("https://a-vpce-1.execute-api.%[1]s.%[2]s/s (VPC endpoint vpce-1), "+
			"https://a-vpce-2.execute-api.%[1]s.%[2]s/s (VPC endpoint vpce-2), "+
			"https://a.execute-api.%[1]s.%[2]s/s (%[3]s)", region, suffix, condition)
		if got := invokeURL(ID{one, region, "a", "s"}, Entry{API: private()}); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	api := private()
	api.VPCEndpointIDs = nil
	want := "https://a.execute-api.eu-west-1.amazonaws.com/s (" + condition + ")"
	if got := invokeURL(ID{one, "eu-west-1", "a", "s"}, Entry{API: api}); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAddressesThatFindNoRoomAreCounted(t *testing.T) {
	api := private()
	for i := range 99 {
		api.VPCEndpointIDs = append(api.VPCEndpointIDs, fmt.Sprintf("vpce-%017d", i))
	}
	got := invokeURL(ID{one, "eu-west-1", "a1b2c3d4e5", "prod"}, Entry{API: api})
	shown := strings.Count(got, "https://")
	if !strings.HasSuffix(got, fmt.Sprintf(", and %d more", maxAddresses+1-shown)) || width(got) > MaxMetadataValue {
		t.Errorf("%d addresses in %d characters: …%s", shown, width(got), got[len(got)-40:])
	}
}

func TestServersOfADocumentSayWhereAStageIsReached(t *testing.T) {
	type server struct{ URL, Description string }
	const exported = `{
  "openapi" : "3.0.1",
  "info" : { "title" : "the \"servers\" : [ ] of \\" },
  "servers" : [ {
    "url" : "https://a.execute-api.eu-west-1.amazonaws.com/{basePath}",
    "variables" : { "basePath" : { "default" : "s" } }
  }, { "url" : "https://api.example.com" } ],
  "paths" : { "/servers" : { "servers" : [ ] } }
}`
	vpc1 := server{"https://a-vpce-1.execute-api.eu-west-1.amazonaws.com/s", "VPC endpoint vpce-1"}
	vpc2 := server{"https://a-vpce-2.execute-api.eu-west-1.amazonaws.com/s", "VPC endpoint vpce-2"}
	const own = "https://a.execute-api.eu-west-1.amazonaws.com/"
	const condition = "only in a VPC with an execute-api endpoint that has private DNS"
	custom := server{URL: "https://api.example.com"}
	for name, c := range map[string]struct {
		api      *gateway.RestAPI
		document string
		want     []server
	}{
		"private": {private(), exported, []server{vpc1, vpc2, {own + "{basePath}", condition}, custom}},
		"private, without servers": {private(), ` {"openapi":"3.0.1","paths":{}}`,
			[]server{vpc1, vpc2, {own + "s", condition}}},
		"disabled": {&gateway.RestAPI{ID: "a", EndpointDisabled: true}, exported,
			[]server{{own + "{basePath}", "disabled, callers use a custom domain name"}, custom}},
		"a description of its own": {private(), `{"servers":[{"url":"` + own + `","description":"mine"}],"x":1}`,
			[]server{vpc1, vpc2, {own, "mine"}}},
	} {
		t.Run(name, func(t *testing.T) {
			text := withServers(ID{one, "eu-west-1", "a", "s"}, Entry{API: c.api}, []byte(c.document))
			var got struct{ Servers []server }
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			if diff := cmp.Diff(c.want, got.Servers); diff != "" {
				t.Error(diff)
			}
			var before, after map[string]any
			if json.Unmarshal([]byte(c.document), &before) != nil || json.Unmarshal(text, &after) != nil {
				t.Fatal("not JSON")
			}
			delete(before, "servers")
			delete(after, "servers")
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("more than the servers was changed: %s", diff)
			}
		})
	}
}

func TestADocumentWhoseServersAreRightIsNotCopied(t *testing.T) {
	for _, document := range []string{`{"servers":[]}`, "", "[]", `{"servers":7}`, "openapi: 3.0.1"} {
		for _, api := range []*gateway.RestAPI{{ID: "a"}, private()} {
			given := []byte(document)
			got := withServers(ID{one, "eu-west-1", "a", "s"}, Entry{API: api}, given)
			changed := RewritesServers(ID{one, "eu-west-1", "a", "s"}, Entry{API: api}) > 0 && document == `{"servers":[]}`
			if same := len(got) == len(given) && (len(got) == 0 || &got[0] == &given[0]); same == changed {
				t.Errorf("%q became %q", document, got)
			}
		}
	}
}
