package main

import (
	"cmp"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"

	"federation-agent/config"
	"federation-agent/internal/region"
)

// direct is a way without a proxy.
const direct = "without a proxy"

// apimRoute says how APIM is reached.
func apimRoute(cfg config.Config) string {
	through := cfg.SessionProxy()
	switch {
	case through == nil:
		return direct
	case through.SOCKS5:
		return "through the proxy " + through.Address() + " (SOCKS5)"
	}
	return "through the proxy " + through.Address() + " (HTTP)"
}

// awsRoutes says how AWS is reached. The SDK decides by the environment of the process, for each host.
func awsRoutes(cfg config.Config) string {
	regions := map[string][]string{}
	for _, p := range cfg.Providers {
		for _, name := range config.RegionsOf(cfg.Accesses(p), func(a config.Access) []string { return a.Regions }) {
			if route := awsRoute(name); !slices.Contains(regions[route], name) {
				regions[route] = append(regions[route], name)
			}
		}
	}
	var routes []string
	for _, route := range slices.Sorted(maps.Keys(regions)) {
		if len(regions) == 1 {
			return route
		}
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
	log.Info("AWS is reached " + awsRoutes(cfg))
}
