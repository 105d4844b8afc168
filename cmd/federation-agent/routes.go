package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"federation-agent/config"
	"federation-agent/internal/proxy"
	"federation-agent/internal/region"
)

// direct is a way without a proxy.
const direct = "without a proxy"

// proxyOf is the proxy of the sessions to APIM, nil for none.
func proxyOf(cfg config.Config) *proxy.Server {
	server, found := cfg.SessionProxy()
	if !found {
		return nil
	}
	return &proxy.Server{
		SOCKS5: server.Type == config.ProxySOCKS5, Host: server.Host, Port: server.Port,
		Username: server.Username, Password: server.Password,
	}
}

// apimRoute says how APIM is reached.
func apimRoute(cfg config.Config) string {
	server, found := cfg.SessionProxy()
	if !found {
		return direct
	}
	address := net.JoinHostPort(server.Host, strconv.Itoa(server.Port))
	return fmt.Sprintf("through the proxy %s (%s)", address, strings.ToUpper(server.Type))
}

// awsRoutes says how AWS is reached. The SDK decides by the environment of the process, for each host.
func awsRoutes(providers []config.Provider) string {
	regions := map[string][]string{}
	for _, p := range providers {
		for _, name := range p.Regions {
			if route := awsRoute(name); !slices.Contains(regions[route], name) {
				regions[route] = append(regions[route], name)
			}
		}
	}
	if len(regions) == 1 {
		for route := range regions {
			return route
		}
	}
	var routes []string
	for _, route := range slices.Sorted(maps.Keys(regions)) {
		routes = append(routes, strings.Join(regions[route], ", ")+" "+route)
	}
	return strings.Join(routes, "; ")
}

func awsRoute(name string) string {
	endpoint := "https://apigateway." + name + "." + region.PartitionOf(name).Suffix
	if !strings.EqualFold(os.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") {
		endpoint = cmp.Or(os.Getenv("AWS_ENDPOINT_URL_API_GATEWAY"), os.Getenv("AWS_ENDPOINT_URL"), endpoint)
	}
	request, err := http.NewRequest(http.MethodGet, endpoint, nil) //nolint:noctx // it is never sent
	if err != nil {
		return "by an endpoint that is no URL"
	}
	through, err := http.ProxyFromEnvironment(request)
	switch {
	case err != nil:
		return "by a proxy that is no URL; see HTTPS_PROXY"
	case through == nil:
		return direct
	}
	return "through the proxy " + through.Scheme + "://" + through.Host
}

func logRoutes(log *slog.Logger, cfg config.Config) {
	log.Info("APIM is reached " + apimRoute(cfg))
	log.Info("AWS is reached " + awsRoutes(cfg.Providers))
}
