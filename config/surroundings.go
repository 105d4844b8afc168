package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
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

// fileVariables name files that the AWS SDK and Go read as a whole, however large they are.
var fileVariables = []string{
	"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
	"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CA_BUNDLE", "SSL_CERT_FILE",
}

// checkSurroundings refuses credentials that are not the value itself, and files that have no end. What a missing file
// means is its reader's business.
func (l *loader) checkSurroundings(cfg Config) {
	usesChain := slices.ContainsFunc(cfg.Providers, func(p Provider) bool { return p.AccessKeyID.IsZero() })
	for _, name := range sdkCredentials {
		if err := unwrapped(strings.TrimSpace(l.environ[name])); err != nil && usesChain {
			l.refuse(name, err.Error(), "")
		}
	}
	for _, name := range fileVariables {
		value, system := l.environ[name], &fs.PathError{}
		if value == "" || value == os.DevNull { // the usual way to switch such a file off
			continue
		}
		if _, err := ReadFile(value); err != nil && !errors.As(err, &system) {
			l.refuse(name, fmt.Sprintf("the file %s cannot be read: %v", value, err), "")
		}
	}
}

// adviseSurroundings warns of variables that are not settings of this agent, but change where its connections go.
func (l *loader) adviseSurroundings() {
	if !strings.EqualFold(l.environ[endpointsIgnored], "true") {
		for _, name := range slices.Concat(endpointVariables, []string{"AWS_ENDPOINT_URL_SECRETS_MANAGER"}) {
			if value := l.environ[name]; value != "" {
				l.warn(name + " is set: calls to AWS go to " + hostOf(value) + " instead of AWS itself")
			}
		}
	}
	_, stated := l.settings[proxyPrefix+"enabled"]
	for _, name := range proxyVariables {
		if l.environ[name] != "" && !stated {
			l.warn(name + " is set: only calls to AWS use it; the session to APIM is opened without a proxy, unless " +
				variableName(proxyPrefix+"enabled") + " is true")
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
