package config_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/config"
)

const cloud = "gravitee_cloud_token"

// jwt is a token with these claims, signed by nobody: the gate verifies it, not the agent.
func jwt(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

const cloudClaims = `{"org":"4d1b9a2c-6b7e-4a53-9f0e-2d8c5e7a1b3f","envs":["dev","prod"],"cpg":"EU","exp":1800000000}`

// inCloud is the compose file of Next-Gen Cloud: the token stands for the three variables of the connection.
func inCloud(more ...string) config.Sources {
	src := sources(append(more, without(seed(),
		"gravitee_integration_connector_ws_endpoints_0", "gravitee_integration_connector_ws_headers_0_name",
		"gravitee_integration_connector_ws_headers_0_value")...)...)
	src.Now = func() time.Time { return time.Unix(1_700_000_000, 0) }
	return src
}

func TestACloudTokenStandsForEndpointAndHeader(t *testing.T) {
	token := jwt(cloudClaims)
	cfg, warnings := mustLoad(t, inCloud(cloud+"="+token))
	wantWarnings(t, warnings)
	want := []string{"https://eu.cloudgate.gravitee.io/apim/integration-controller"}
	if diff := cmp.Diff(want, cfg.Connector.Endpoints); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if h := cfg.Connector.Headers; len(h) != 1 || h[0].Name != "Authorization" || h[0].Value.Reveal() != "bearer "+token {
		t.Errorf("%+v", h)
	}
	wantLines(t, "notes", cfg.Notes, cloud+": the session goes to "+want[0]+`, for organization "4d1b9a2c-6b7e-4a53-9f0e-2d8c5e7a1b3f" and `+
		`environments "dev, prod", until 2027-01-15T08:00:00Z. This is untried against the real gate`)
	cfg, _ = mustLoad(t, inCloud(cloud+"="+token, "gravitee_agent_cloud_path=/federation/"))
	if got := cfg.Connector.Endpoints[0]; got != "https://eu.cloudgate.gravitee.io/federation" {
		t.Errorf("with a path of its own: %s", got)
	}
}

func TestAnEndpointWinsOverTheCloudTokenWhichIsThenSentToNobody(t *testing.T) {
	// One that has expired, too: it must not stop a start that does not need it.
	cfg, warnings := mustLoad(t, sources(seed(cloud+"="+jwt(`{"org":"o","envs":["e"],"cpg":"eu","exp":1}`))...))
	wantWarnings(t, warnings,
		cloud+": is not used and sent to nobody, because gravitee_integration_connector_ws_endpoints_0 is set")
	if got := cfg.Connector.Endpoints[0]; got != "https://apim.example.com/integration-controller" {
		t.Errorf("the endpoint is %s", got)
	}
	if h := cfg.Connector.Headers; len(h) != 1 || h[0].Value.Reveal() != token {
		t.Errorf("%+v", h)
	}
}

// The compose file of 4.8 keeps the three variables of the connection, which are empty then but for the word bearer.
func TestTheTokenReplacesAnAuthorizationHeaderThatIsLeft(t *testing.T) {
	left := "gravitee_integration_connector_ws_headers_0_"
	cfg, warnings := mustLoad(t, inCloud(cloud+"="+jwt(cloudClaims), "gravitee_integration_connector_ws_endpoints_0=",
		left+"name=authorization", left+"value=bearer "))
	wantWarnings(t, warnings, cloud+": its token is sent in place of the Authorization header that is set")
	if h := cfg.Connector.Headers; len(h) != 1 || h[0].Value.Reveal() != "bearer "+jwt(cloudClaims) {
		t.Errorf("%+v", h)
	}
	other := "gravitee_integration_connector_ws_headers_1_"
	wantFaults(t, faultsOf(t, inCloud(cloud+"="+jwt(cloudClaims), left+"name=authorization", left+"value=bearer ",
		other+"name=two words", other+"value=x")), other+`name: "two words" is not the name`)
}

func TestAFaultyCloudTokenIsOneFaultThatNamesTheVariableAndNotTheToken(t *testing.T) {
	const gate = "is not the plain name of a gate"
	for token, want := range map[string]string{
		"a.b=.c":                                "is not a JWT",
		"not-a-jwt":                             "is not a JWT",
		"a.b":                                   "is not a JWT",
		"a.!!.c":                                "is not a JWT",
		"bearer " + jwt("x"):                    "is not a JWT",
		jwt(`[]`):                               "is not a JWT",
		jwt(`{"org":1}`):                        "is not a JWT",
		jwt(`{}`):                               "it has no claim cpg, envs, org",
		jwt(`{"org":"o","envs":[],"cpg":"eu"}`): "it has no claim envs",
		jwt(`{"org":"o","envs":["e"],"cpg":"evil.example/"}`):       gate,
		jwt(`{"org":"o","envs":["e"],"cpg":"evil.example"}`):        gate,
		jwt(`{"org":"o","envs":["e"],"cpg":"evil:443#"}`):           gate,
		jwt(`{"org":"o","envs":["e"],"cpg":"user@evil"}`):           gate,
		jwt(`{"org":"o","envs":["e"],"cpg":"-eu"}`):                 gate,
		jwt(`{"org":"o","envs":["e"],"cpg":"eu","exp":1}`):          "has expired at 1970-01-01T00:00:01Z",
		jwt(`{"org":"o","envs":["e"],"cpg":"eu","exp":1700000000}`): "has expired at 2023-11-14T22:13:20Z",
		`"` + jwt(`{"org":"o","envs":["e"],"cpg":"eu"}`) + `"`:      "contains a quote at each end",
		"[your-token]": "placeholder of the example file",
	} {
		faults := faultsOf(t, inCloud(cloud+"="+token))
		wantFaults(t, faults, cloud+": ")
		if text := faults.Error(); !strings.Contains(text, want) || strings.Contains(text, token) ||
			strings.Contains(text, "evil") {
			t.Errorf("%s: %s", token, text)
		}
	}
	wantFaults(t, faultsOf(t, inCloud(cloud+"="+jwt(cloudClaims), "gravitee_agent_cloud_path=@evil.example")),
		"gravitee_agent_cloud_path: \"@evil.example\" is not a path")
}
