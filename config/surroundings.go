package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// endpointVariables send the AWS SDK's calls to another host: for all services, or for one of the two that are called
// (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").
var endpointVariables = []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_API_GATEWAY", "AWS_ENDPOINT_URL_STS"}

// endpointsIgnored switches them off.
const endpointsIgnored = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"

// proxyVariables are read by Go's http.ProxyFromEnvironment, and so by the AWS SDK. The session to APIM does not use
// it.
var proxyVariables = []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"}

// sdkCredentials are read by the AWS SDK where a provider has no access key of its own.
var sdkCredentials = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}

// checkSurroundings refuses credentials that are not the value itself.
func (l *loader) checkSurroundings(cfg Config) {
	if !slices.ContainsFunc(cfg.Providers, func(p Provider) bool { return p.AccessKeyID == "" }) {
		return
	}
	for _, name := range sdkCredentials {
		value := strings.TrimSpace(l.environ[name])
		if err := unwrapped(value); err != nil {
			l.faults = append(l.faults, Fault{Variable: name, Text: err.Error()})
		}
	}
}

// adviseSurroundings warns of variables that are not settings of this agent, but change where its connections go.
func (l *loader) adviseSurroundings() {
	if !strings.EqualFold(l.environ[endpointsIgnored], "true") {
		for _, name := range endpointVariables {
			if value := l.environ[name]; value != "" {
				l.warn(name + " is set: calls to AWS go to " + hostOf(value) + " instead of AWS itself")
			}
		}
	}
	for _, name := range proxyVariables {
		if l.environ[name] != "" {
			l.warn(name + " is set: only calls to AWS use it; the session to APIM is opened without a proxy")
		}
	}
}

// hostOf shows the part of a URL that contains no password.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "the host that it names"
	}
	return strconv.Quote(u.Scheme + "://" + u.Host)
}
