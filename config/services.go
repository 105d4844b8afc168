package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"federation-agent/internal/secret"
)

// Services configures the node API: health, metrics and the status page. Keys and defaults are gravitee-node's, except
// for the port, which is the one that the vendor's agents use.
type Services struct {
	HTTP    NodeHTTP    `envPrefix:"core.http." guard:"trust" title:"Node API: health, metrics, status page"`
	Metrics NodeMetrics `envPrefix:"metrics." title:"Node API: health, metrics, status page"`
}

// NodeHTTP says where the node API listens and who may read it.
type NodeHTTP struct {
	// Whether the agent serves its node API: health, metrics, status page.
	Enabled bool `env:"enabled" envDefault:"true" example:"false"`
	// TCP port of the node API. 0 takes any free one; the log says which.
	Port int `env:"port" envDefault:"18084" range:"0,65535" example:"18084"`
	// Host name or address that the node API listens on. Kubernetes probes need 0.0.0.0.
	Host           string             `env:"host" envDefault:"localhost" example:"0.0.0.0"`
	Authentication NodeAuthentication `envPrefix:"authentication."`
	// Whether the node API is served over TLS. Needs a key store.
	Secured bool `env:"secured" envDefault:"false" guard:"trust" example:"true"`
	// Whether HTTP/2 is offered, too, where the node API is secured.
	ALPN bool `env:"alpn" envDefault:"false" example:"true"`
	// Seconds after which a connection without a request is closed. 0: 60, this agent's own.
	IdleTimeout int     `env:"idleTimeout" envDefault:"0" range:"0,86400" example:"30"`
	SSL         NodeSSL `envPrefix:"ssl."`
}

// The types of authentication.
const (
	AuthenticationBasic = "basic"
	AuthenticationNone  = "none"
)

// NodeAuthentication says who may read the node API. Type is AuthenticationBasic or AuthenticationNone; Users are
// passwords by name.
type NodeAuthentication struct {
	// How callers of the node API show who they are. With basic and no user, every request is answered 401.
	Type string `env:"type" envDefault:"basic" oneof:"basic,none" example:"none"`
	// Password of the user NAME. A variable in capitals as a whole names a user in small letters. Never printed.
	Users map[string]secret.String `env:"users.NAME" example:"a-long-password"`
}

// NodeMetrics says whether metrics are served.
type NodeMetrics struct {
	// Whether the node API serves metrics.
	Enabled bool `env:"enabled" envDefault:"false" example:"true"`
	// Whether they are served in the form of Prometheus, where metrics are enabled.
	Prometheus bool `env:"prometheus.enabled" envDefault:"true" example:"true"`
}

const (
	servicesPrefix = "services.core.http."
	// usersKey begins the keys that hold a user's password: the user's name follows.
	usersKey     = servicesPrefix + "authentication.users."
	usersPattern = usersKey + "NAME"
)

// matchUser gives the canonical key of a variable, without its prefix, that sets a user's password. gravitee-node
// searches for the name that a caller gives, in every spelling of the key; here the names come from the variables.
func matchUser(name string) (key string, ok bool) {
	for _, form := range spellings(usersKey) {
		user, found := strings.CutPrefix(name, form)
		switch {
		case !found || user == "" || form != usersKey && strings.Contains(user, "."):
			continue // a dot would make a mixture of spellings
		case form == strings.ToUpper(form):
			user = strings.ToLower(user)
		}
		return usersKey + user, true
	}
	return "", false
}

// userOf is the user whose password a key sets.
func userOf(key string) (name string, ok bool) { return strings.CutPrefix(key, usersKey) }

// hostName is one without a port.
var hostName = regexp.MustCompile(`^[\w-]+(\.[\w-]+)*$`)

func (l *loader) checkNames(names []string) {
	for _, name := range names {
		if !hostName.MatchString(name) {
			l.fault("agent.node.hostNames", "%s is not a host name without scheme, port and path", show(name))
		}
	}
}

// adviseNode warns where everybody may read the node API.
func (l *loader) adviseNode(api NodeHTTP) {
	if api.Enabled && api.Authentication.Type == AuthenticationNone && !isLoopback(api.Host) {
		const text = "%s: the node API is open to every caller that reaches %s; set a user and its password, " +
			"or let it listen on localhost only"
		l.warn(fmt.Sprintf(text, l.settings[servicesPrefix+"authentication.type"], show(api.Host)))
	}
}

func (l *loader) checkServices(services Services) {
	if strings.ContainsAny(services.HTTP.Host, "/@ \t") {
		l.fault(servicesPrefix+"host", "%s must be only a host name or an address", show(services.HTTP.Host))
	}
	for _, name := range slices.Sorted(maps.Keys(services.HTTP.Authentication.Users)) {
		if strings.Contains(name, ":") {
			l.fault(usersKey+name, "names a user with a colon, which ends a user's name in basic authentication")
		}
	}
}
