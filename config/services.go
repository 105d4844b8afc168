package config

import (
	"slices"
	"strings"

	"federation-agent/internal/secret"
)

// Services configures the node API: health, metrics and the status page. Keys and defaults are gravitee-node's, but for
// the port, which is the one that the vendor's agents use.
type Services struct {
	HTTP    NodeHTTP    `envPrefix:"core.http." title:"Node API: health, metrics, status page"`
	Metrics NodeMetrics `envPrefix:"metrics." title:"Node API: health, metrics, status page"`
}

// NodeHTTP says where the node API listens and who may read it.
type NodeHTTP struct {
	Enabled bool `env:"enabled" envDefault:"true" doc:"Whether the agent serves its node API: health, metrics, status page." example:"false"`
	// Port 0 takes any free one, which the log names.
	Port           int                `env:"port" envDefault:"18084" range:"0,65535" doc:"TCP port of the node API. 0 takes any free one; the log says which." example:"18084"`
	Host           string             `env:"host" envDefault:"localhost" doc:"Host name or address that the node API listens on. Kubernetes probes need 0.0.0.0." example:"0.0.0.0"`
	Authentication NodeAuthentication `envPrefix:"authentication."`
}

// The types of authentication.
const (
	AuthenticationBasic = "basic"
	AuthenticationNone  = "none"
)

// NodeAuthentication says who may read the node API.
type NodeAuthentication struct {
	// Type is AuthenticationBasic or AuthenticationNone.
	Type string `env:"type" envDefault:"basic" oneof:"basic,none" doc:"How callers of the node API show who they are. With basic and no user nobody can: every request is answered 401." example:"none"`
	// Users holds passwords by name.
	Users map[string]secret.String `env:"users" key:"users.NAME" doc:"Password of the user NAME. Written in capitals as a whole, the variable names a user in small letters. Never printed." example:"a-long-password"`
}

// NodeMetrics says whether metrics are served.
type NodeMetrics struct {
	Enabled    bool `env:"enabled" envDefault:"false" doc:"Whether the node API serves metrics." example:"true"`
	Prometheus bool `env:"prometheus.enabled" envDefault:"true" doc:"Whether they are served in the form of Prometheus, where metrics are enabled." example:"true"`
}

const (
	servicesPrefix = "services.core.http."
	// usersKey begins the keys that hold a user's password: the user's name follows.
	usersKey     = servicesPrefix + "authentication.users."
	usersPattern = usersKey + "NAME"
)

// matchUser gives the canonical key of a variable, its prefix taken off, that holds a user's password. gravitee-node looks
// a user up by the name that a caller gives, in every spelling of the key; so names come out of the variables here.
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

// userOf is the user that a key holds the password of.
func userOf(key string) (name string, ok bool) { return strings.CutPrefix(key, usersKey) }

func (c *checker) checkServices(services Services) {
	if strings.ContainsAny(services.HTTP.Host, "/@ \t") {
		c.fault(servicesPrefix+"host", "%s is not a host name or address alone", show(services.HTTP.Host))
	}
	for _, name := range sortedUsers(services) {
		if strings.Contains(name, ":") {
			c.fault(usersKey+name, "names a user with a colon, which ends a user's name in basic authentication")
		}
	}
}

func sortedUsers(s Services) []string {
	names := make([]string, 0, len(s.HTTP.Authentication.Users))
	for name := range s.HTTP.Authentication.Users {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
