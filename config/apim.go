package config

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/apimrest"
	"federation-agent/internal/secret"
)

// APIM says how APIM's management API is asked, beside the session. It is off without a URL: nothing else of it counts
// then, and no request is made. TLS and proxy are those of the session ([Connector]).
type APIM struct {
	// Address of APIM's management API, with its path and without /v2 behind it: what the console calls, too. Without it
	// no request is made. TLS and proxy are those of integration.connector.ws. Where to find it: the console's
	// constants.json, baseURL, up to and including /management.
	URL string `env:"url" example:"https://apim.example.com/management"`
	// Personal access token, without the word bearer. Required with the URL. Least role: a service account that is a
	// member of the one integration, with the role OWNER there. It may be the token of the session. Never printed. Where
	// to find it: APIM console, Organization, Users, the service account, Tokens.
	Token secret.String `env:"token" example:"00000000-0000-0000-0000-000000000000"`
	// Id of the environment that the integrations are in. Required with the URL. It must be the id itself, not the
	// readable name (hrid) that the console's address shows, because the ids of federated APIs are computed from it. Where
	// to find it: GET /management/v2/environments; a first installation has DEFAULT.
	EnvironmentID string `env:"environmentId" example:"DEFAULT"`
	// Time for one request. Those that APIM answers only when the agent has done something have more: a minute to start an
	// ingest, five to delete an API.
	Timeout time.Duration `env:"timeout" envDefault:"10s" range:"1s,5m" example:"20s"`
}

// IsOn reports whether the REST API is to be used at all.
func (a APIM) IsOn() bool { return a.URL != "" }

// Client asks the REST API, over TLS and through a proxy as the session does; nil for Go's own. It asks nobody yet.
func (a APIM) Client(
	tls func() *tls.Config, dial func(ctx context.Context, network, address string) (net.Conn, error),
) *apimrest.Client {
	return apimrest.New(apimrest.Options{
		URL: a.URL, Environment: a.EnvironmentID, Token: a.Token, Timeout: a.Timeout, TLS: tls, Dial: dial,
	})
}

const (
	apimPrefix         = "agent.apim."
	keyAPIMURL         = apimPrefix + "url"
	keyAPIMToken       = apimPrefix + "token"
	keyAPIMEnvironment = apimPrefix + "environmentId"
)

// environmentID is wide enough for DEFAULT and UUIDs, and for nothing that changes the path of a request.
var environmentID = regexp.MustCompile(`^[\w-]{1,64}$`)

// normaliseAPIM brings the address into the form that /v2 is put behind.
func normaliseAPIM(raw string) (string, error) {
	address, err := normaliseEndpoint(raw)
	if err != nil {
		return "", err
	}
	address = strings.TrimRight(address, "/")
	_, parts, _ := strings.Cut(address, "://")
	path := strings.Split(parts, "/")[1:] // behind the host
	switch {
	case strings.HasSuffix(address, "/v2"):
		return "", errors.New("must end before /v2, usually with /management")
	case slices.Contains(path, "organizations"), slices.Contains(path, "environments"):
		return "", errors.New("must end before /organizations and /environments, usually with /management")
	}
	return address, nil
}

func checkAPIMToken(token string) error {
	switch {
	case isTemplate(token):
		return errors.New(templateText)
	case strings.HasPrefix(strings.ToLower(token), "bearer"):
		return errors.New("begins with the word bearer; write only the token")
	case !bearerToken.MatchString(token):
		return errors.New("must be the token alone, without quotes, brackets, colons or spaces")
	}
	return nil
}

func (l *loader) checkAPIM(a APIM) {
	if !a.IsOn() {
		if !l.rejected[keyAPIMURL] {
			l.adviseUnused(apimPrefix, variableName(keyAPIMURL)+" is not set")
		}
		return
	}
	if _, err := normaliseAPIM(a.URL); err != nil {
		l.fault(keyAPIMURL, "%v", err)
	}
	if a.Token.IsZero() {
		l.fault(keyAPIMToken, "is missing: the personal access token with which %s is asked", variableName(keyAPIMURL))
	} else if err := checkAPIMToken(a.Token.Reveal()); err != nil {
		l.fault(keyAPIMToken, "%v", err)
	}
	switch {
	case a.EnvironmentID == "":
		l.fault(keyAPIMEnvironment, "is missing: the id of the environment that the integrations are in")
	case !environmentID.MatchString(a.EnvironmentID):
		l.fault(keyAPIMEnvironment, "%s is not the id of an environment", show(a.EnvironmentID))
	}
}
