package main

import (
	"crypto/tls"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	actors "federation-agent/actors/agent"
	"federation-agent/config"
	"federation-agent/internal/node"
	"federation-agent/internal/status"
)

const (
	// nodeEnabled, nodePort, nodeHost and nodeUsers are the variables that messages name.
	nodeEnabled = "gravitee_services_core_http_enabled"
	nodePort    = "gravitee_services_core_http_port"
	nodeHost    = "gravitee_services_core_http_host"
	nodeUsers   = "gravitee_services_core_http_authentication_users_"
	// nodeCloses is how long answers that are being sent may take at the end: Docker kills 10 s after SIGTERM, and the
	// drain takes up to 9 s.
	nodeCloses = 500 * time.Millisecond
	// nodeName is what the node API calls this program.
	nodeName = "federation-agent-aws-api-gateway"
)

// serveNode serves the node API of a running agent.
func serveNode(
	l net.Listener, secured *tls.Config, cfg config.Config, a *agentProcess, board *status.Board,
	settings func() []node.Setting,
) *node.Server {
	api, metrics := cfg.Services.HTTP, cfg.Services.Metrics
	a.log.Info("the node API is served: "+access(api), logAddress, l.Addr().String())
	return node.Serve(l, node.Options{
		ID: uuid.NewString(), Name: nodeName, Build: thisBuild(),
		Open: api.Authentication.Type == config.AuthenticationNone, Users: api.Authentication.Users,
		HostNames: append(cfg.Agent.Node.HostNames, api.Host),
		Metrics:   metrics.Enabled && metrics.Prometheus, Board: board, Keys: a.journal.keys, Ingests: a.journal.ingests,
		APIs: a.journal.apis, Listings: a.journal.listings, Token: a.token, Looks: actors.LooksOf(cfg.Agent), Order: a.Order, Settings: settings,
		TLS: secured, IdleTimeout: time.Duration(api.IdleTimeout) * time.Second,
		Sizes: func() node.Sizes {
			return node.Sizes{Journal: a.journal.size(), Exports: a.exports.Used()}
		},
		StoreHealth: a.journal.health, Alive: a.Alive, Now: time.Now, Log: a.log,
		Book: a.book,
	})
}

// access says who may read the node API.
func access(api config.NodeHTTP) string {
	over, a := "", api.Authentication
	if api.Secured {
		over = "over TLS, "
	}
	switch {
	case a.Type == config.AuthenticationNone:
		return over + "open to every caller"
	case len(a.Users) == 0:
		return over + "nobody is let in, as no user is configured; set " + nodeUsers + "NAME to a password"
	}
	return over + "open to the users " + strings.Join(userNames(a), ", ")
}

func userNames(a config.NodeAuthentication) []string { return slices.Sorted(maps.Keys(a.Users)) }

func nodeSummary(cfg config.NodeHTTP) string {
	if !cfg.Enabled {
		return "off"
	}
	return net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)) + ": " + access(cfg)
}
