package config_test

import (
	"strings"
	"testing"

	"federation-agent/config"
)

const (
	apim      = "gravitee_agent_apim_"
	restToken = "4c2e-rest-token-that-must-never-be-seen"
)

// rest are the settings of the REST API; more override them.
func rest(more ...string) []string {
	return seed(append(more,
		apim+"url=https://apim.example.com/management/",
		apim+"token="+restToken,
		apim+"environmentId=DEFAULT",
	)...)
}

func TestTheRESTAPIIsOffWithoutItsAddress(t *testing.T) {
	cfg, warnings := mustLoad(t, sources(seed()...))
	wantWarnings(t, warnings)
	if cfg.Agent.APIM.IsOn() {
		t.Errorf("it is on by default: %+v", cfg.Agent.APIM)
	}
	cfg, warnings = mustLoad(t, sources(rest(apim+"url= ")...))
	wantWarnings(t, warnings,
		apim+"environmentId: has no effect, because "+apim+"url is not set",
		apim+"token: has no effect, because "+apim+"url is not set")
	if cfg.Agent.APIM.IsOn() {
		t.Errorf("a blank address switches it on: %+v", cfg.Agent.APIM)
	}
}

func TestTheRESTAPIHasOneAddressForAllOfItsPaths(t *testing.T) {
	for _, written := range []string{
		"https://apim.example.com/management", "https://apim.example.com/management/",
		"https://apim.example.com/management?x=y", "https://apim.example.com/management//",
	} {
		cfg, warnings := mustLoad(t, sources(rest(apim+"url="+written)...))
		wantWarnings(t, warnings)
		if got := cfg.Agent.APIM.URL; got != "https://apim.example.com/management" {
			t.Errorf("%s is read as %s", written, got)
		}
	}
	for _, written := range []string{"https://environments.example.com/management", "https://a.example.com/organizations-1"} {
		if cfg, _ := mustLoad(t, sources(rest(apim+"url="+written)...)); cfg.Agent.APIM.URL != written {
			t.Errorf("%s is read as %s", written, cfg.Agent.APIM.URL)
		}
	}
	for written, want := range map[string]string{
		"https://apim.example.com/management/v2//":               "must end before /v2",
		"apim.example.com/management":                            "has no scheme",
		"https://apim.example.com/management/v2":                 "must end before /v2",
		"https://apim.example.com/management/v2/":                "must end before /v2",
		"https://a.example.com/management/organizations/DEFAULT": "must end before /organizations and /environments",
		"https://a.example.com/management/v2/environments/E":     "must end before /organizations and /environments",
		"https://u:p@apim.example.com/management":                "must not contain a user name or password",
	} {
		wantFaults(t, faultsOf(t, sources(rest(apim+"url="+written)...)), apim+"url: "+want)
	}
}

func TestTheRESTAPINeedsATokenAndTheEnvironmentsID(t *testing.T) {
	faults := faultsOf(t, sources(without(rest(), apim+"token", apim+"environmentId")...))
	wantFaults(t, faults,
		apim+"token: is missing: the personal access token with which "+apim+"url is asked",
		apim+"environmentId: is missing: the id of the environment")
	for written, want := range map[string]string{
		"token=bearer " + restToken:  "begins with the word bearer; write only the token",
		"token=two " + restToken:     "must be the token alone",
		"token=[your-token]":         "still contains a placeholder of the example file",
		"environmentId=a/../b":       `"a/../b" is not the id of an environment`,
		"environmentId=DEFAULT?x=y":  `"DEFAULT?x=y" is not the id of an environment`,
		"environmentId=" + secretKey: "a value of 42 characters is not the id of an environment",
		"timeout=0s":                 "",
	} {
		faults := faultsOf(t, sources(rest(apim+written)...))
		name, _, _ := strings.Cut(written, "=")
		wantFaults(t, faults, apim+name+": "+want)
		if strings.Contains(faults.Error(), restToken) {
			t.Errorf("a fault shows the token: %v", faults)
		}
	}
}

func TestTheRESTAPIsTokenIsASecretLikeAllOthers(t *testing.T) {
	s := &stores{texts: map[string]string{"the file /run/secrets/rest": restToken}}
	cfg, _ := mustLoad(t, s.sources(append(without(rest(), apim+"token"), apim+"token_FILE=/run/secrets/rest")...))
	if token := cfg.Agent.APIM.Token; token.Reveal() != restToken || !token.IsLive() {
		t.Errorf("the token is live: %v", token.IsLive())
	}
	accept := s.accept["the file /run/secrets/rest"]
	if err := accept("bearer " + restToken); err == nil || strings.Contains(err.Error(), restToken) {
		t.Errorf("a later text with the word bearer: %v", err)
	}
	if err := accept("another-token"); err != nil {
		t.Error(err)
	}
	x, err := config.Explain(sources(rest()...), false)
	if err != nil {
		t.Fatal(err)
	}
	shown := strings.Join(lines(x.Settings), "\n")
	if strings.Contains(shown, restToken) || !strings.Contains(shown, "agent.apim.token | SECRET | "+apim+"token") ||
		!strings.Contains(shown, "agent.apim.url | https://apim.example.com/management | "+apim+"url") {
		t.Error(shown)
	}
}

func TestClearTextAndTrustConcernTheRESTAPIToo(t *testing.T) {
	_, warnings := mustLoad(t, sources(rest(apim+"url=http://apim.example.com/management")...))
	wantWarnings(t, warnings, apim+`url: the token goes to "apim.example.com" without encryption`)
	_, warnings = mustLoad(t, sources(rest(apim+"url=http://localhost:8083/management")...))
	wantWarnings(t, warnings)
	local := ws + "endpoints_0=http://localhost:8072"
	_, warnings = mustLoad(t, sources(rest(local, ws+"ssl_trustAll=true")...))
	wantWarnings(t, warnings, ws+"ssl_trustAll: any certificate of APIM is accepted")
}
