package config_test

import (
	"strings"
	"testing"

	"federation-agent/config"
)

func TestWhatLeadsTheCallsToAWSElsewhereIsAWarning(t *testing.T) {
	_, warnings := mustLoad(
		t,
		sources(seed("AWS_ENDPOINT_URL=http://user:hidden@127.0.0.1:4566/x", "AWS_ENDPOINT_URL_STS=%zz")...),
	)
	wantWarnings(t, warnings,
		`AWS_ENDPOINT_URL is set: calls to AWS go to "http://127.0.0.1:4566" instead of AWS itself`,
		"AWS_ENDPOINT_URL_STS is set: calls to AWS go to the host that it names")
	for _, w := range warnings {
		if strings.Contains(w, "hidden") {
			t.Errorf("a password is shown: %s", w)
		}
	}
	_, warnings = mustLoad(
		t,
		sources(seed("AWS_ENDPOINT_URL=http://127.0.0.1:4566", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true")...),
	)
	wantWarnings(t, warnings)
}

func TestAProxyOfTheEnvironmentIsAWarning(t *testing.T) {
	_, warnings := mustLoad(
		t,
		sources(seed("HTTPS_PROXY=http://user:hidden@proxy:3128", "http_proxy=proxy", "NO_PROXY=x", "HTTP_PROXY=")...),
	)
	wantWarnings(t, warnings,
		"HTTPS_PROXY is set: only calls to AWS use it; the session to APIM is opened without a proxy",
		"http_proxy is set: only calls to AWS use it; the session to APIM is opened without a proxy")
}

func TestQuotedKeysOfTheDefaultChainAreAFault(t *testing.T) {
	chain := without(seed(), provider0+"configuration_accessKeyId", provider0+"configuration_secretAccessKey")
	quoted := []string{`AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE"`, "AWS_SECRET_ACCESS_KEY=[x]", "AWS_SESSION_TOKEN='x'"}
	wantFaults(t, faultsOf(t, sources(append(chain, quoted...)...)),
		"AWS_ACCESS_KEY_ID: contains a quote at each end", "AWS_SECRET_ACCESS_KEY: is in brackets",
		"AWS_SESSION_TOKEN: contains a quote at each end")
	mustLoad(t, sources(seed(quoted...)...)) // nobody reads them
	mustLoad(t, sources(append(chain, "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE")...))
}

// A stand-in for AWS, such as LocalStack, is given keys that AWS never makes.
func TestAStandInForAWSMayHaveKeysOfAnyForm(t *testing.T) {
	keys := []string{provider0 + "configuration_accessKeyId=test", provider0 + "configuration_secretAccessKey=test"}
	if _, _, err := config.Load(sources(seed(append(keys, "AWS_ENDPOINT_URL=http://localstack:4566")...)...)); err != nil {
		t.Error(err)
	}
	wantFaults(t, faultsOf(t, sources(seed(keys...)...)), "has not the form of an access key id",
		"has not the form of a secret access key")
}
