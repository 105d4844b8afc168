package config

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/secret"
)

// Cloud says how the agent reaches an APIM that Gravitee hosts.
type Cloud struct {
	// Token of Gravitee Cloud, a JWT. It stands for endpoint and Authorization header: the session goes to the gate that
	// the token names, https://GATE.cloudgate.gravitee.io, with agent.cloud.path behind it. Where endpoints are set, they
	// win, and the token is sent to nobody. Nobody has tried it with the real gate, whose path for federation is not
	// published. Never printed. Where to find it: Gravitee Cloud, where it shows how a federation agent is deployed.
	Token secret.String `env:"token" example:"e30.eyJvcmciOiJvIiwiZW52cyI6WyJlIl0sImNwZyI6ImV1In0.c2ln"`
}

// CloudGate refines how the gate of Gravitee Cloud is asked.
type CloudGate struct {
	// Path of the integration controller behind the gate that cloud.token names. The default is a guess: the path of a
	// self-hosted APIM, below the one that the gate has for APIM's other parts.
	Path string `env:"path" envDefault:"/apim/integration-controller" example:"/apim/integration-controller"`
}

const (
	// gateDomain is the domain of all gates.
	gateDomain  = ".cloudgate.gravitee.io"
	cloudToken  = "cloud.token"
	keyGatePath = "agent.cloud.path"
	// maxGateName is the most characters of a host name's label.
	maxGateName = 63
)

var (
	// jwt is RFC 7519's, in its compact form.
	jwt = regexp.MustCompile(`^[\w-]+\.([\w-]+)\.[\w-]*$`)
	// gateName is one label of a host name: nothing that could lead to another domain or port.
	gateName = regexp.MustCompile(`^[0-9A-Za-z]([0-9A-Za-z-]*[0-9A-Za-z])?$`)
	gatePath = regexp.MustCompile(`^(/[\w.~-]+)*$`)
)

// cloudClaims are what the vendor's agent reads of a token. The gate verifies it.
type cloudClaims struct {
	Org  string   `json:"org"`
	Envs []string `json:"envs"`
	Gate string   `json:"cpg"`
	// Expires is in seconds since 1970, as JWTs have it; a number with a fraction is one, too.
	Expires *float64 `json:"exp"`
}

// readCloudToken reads a JWT without verifying it. Its errors repeat nothing of the token.
func readCloudToken(token string, now time.Time) (claims cloudClaims, err error) {
	const notJWT = "is not a JWT: three parts with dots between them, as Gravitee Cloud shows it; write only the token"
	parts := jwt.FindStringSubmatch(token)
	if parts == nil {
		return claims, errors.New(notJWT)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return claims, errors.New(notJWT)
	}
	var lacking []string
	for claim, isThere := range map[string]bool{
		"org": claims.Org != "", "envs": len(claims.Envs) > 0, "cpg": claims.Gate != "",
	} {
		if !isThere {
			lacking = append(lacking, claim)
		}
	}
	slices.Sort(lacking)
	switch {
	case len(lacking) > 0:
		return claims, fmt.Errorf("is no token of Gravitee Cloud: it has no claim %s; generate one there",
			strings.Join(lacking, ", "))
	case !gateName.MatchString(claims.Gate) || len(claims.Gate) > maxGateName:
		return claims, errors.New("is no token of Gravitee Cloud: its claim cpg is not the plain name of a gate, such as eu")
	case claims.Expires != nil && !now.Before(claims.expiry()):
		return claims, fmt.Errorf("has expired at %s; generate a new one in Gravitee Cloud",
			claims.expiry().Format(time.RFC3339))
	}
	return claims, nil
}

// expiry is at most some ten thousand years away, so that it is a time.
func (c cloudClaims) expiry() time.Time { return time.Unix(int64(min(*c.Expires, 1<<38)), 0).UTC() }

// enterCloud puts the token in the place of endpoint and Authorization header.
func (l *loader) enterCloud(cfg *Config) {
	token := cfg.Cloud.Token
	if token.IsZero() {
		return
	}
	name := l.settings[cloudToken].String()
	if len(cfg.Connector.Endpoints) > 0 {
		l.warn(name + ": is not used and sent to nobody, because " + variableName(connectorPrefix+"endpoints[0]") +
			" is set, and which of them the vendor's agent takes is not known; to go to Gravitee Cloud, remove the endpoint")
		return
	}
	claims, err := readCloudToken(token.Reveal(), l.src.Now())
	if err != nil {
		l.reject(cloudToken, err.Error())
		return
	}
	path := strings.TrimSuffix(cfg.Agent.Cloud.Path, "/")
	if !gatePath.MatchString(path) {
		l.fault(keyGatePath, "%s is not a path: letters, digits and _.~- behind each slash", show(path))
		path = ""
	}
	header := Header{Name: "Authorization", Value: token.Behind("bearer ")}
	if at := slices.IndexFunc(cfg.Connector.Headers, Header.isAuthorization); at >= 0 {
		l.warn(name + ": its token is sent in place of the Authorization header that is set")
		cfg.Connector.Headers[at] = header
	} else {
		cfg.Connector.Headers = append(cfg.Connector.Headers, header)
	}
	endpoint := "https://" + strings.ToLower(claims.Gate) + gateDomain + path
	cfg.Connector.Endpoints = []string{endpoint}
	l.tell(connectorPrefix+"endpoints[0]", endpoint, name)
	until := "without an end"
	if claims.Expires != nil {
		until = "until " + claims.expiry().Format(time.RFC3339)
	}
	l.note(fmt.Sprintf("%s: the session goes to %s, for organization %.80q and environments %.200q, %s. This is untried against "+
		"the real gate: Gravitee does not publish its path for federation; %s sets another one", name, endpoint,
		claims.Org, strings.Join(claims.Envs, ", "), until, variableName(keyGatePath)))
}
