package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// normaliseEndpoint brings an endpoint into the form that the session appends its path to: http or https,
// without query and without one trailing slash. Its errors do not repeat the URL, which may hold a password.
func normaliseEndpoint(raw string) (string, error) {
	if isTemplate(raw) {
		return "", errors.New(templateText)
	}
	if strings.ContainsAny(raw, "\"' ,") {
		return "", errors.New("contains a quote, a space or a comma; write one URL, without quotes, for each index")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "", errors.New("is not a URL")
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "ws":
		u.Scheme = "http"
	case "https", "wss":
		u.Scheme = "https"
	case "":
		return "", errors.New("has no scheme; it must begin with https:// or http://")
	default:
		return "", fmt.Errorf("has the scheme %s; it must begin with https:// or http://", show(u.Scheme))
	}
	switch {
	case u.Hostname() == "":
		return "", errors.New("names no host")
	case u.User != nil:
		return "", errors.New("must not contain a user name or password; set a header instead")
	case u.Fragment != "":
		return "", errors.New("must not contain a fragment (#…)")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", errors.New("has a port that is not between 1 and 65535")
		}
	}
	u.RawQuery, u.ForceQuery = "", false
	return strings.TrimSuffix(u.String(), "/"), nil
}

// adviseToken warns where APIM is certain to refuse the agent.
func (l *loader) adviseToken(cfg Config) {
	if !l.partial && !slices.ContainsFunc(cfg.Connector.Headers, Header.isAuthorization) {
		l.warn(variableName(connectorPrefix+"headers[0].name") +
			": no Authorization header is set; APIM answers 401 without one")
	}
}

func (h Header) isAuthorization() bool { return strings.EqualFold(h.Name, "Authorization") }

// adviseClearText warns where a token can be read on its way.
func (l *loader) adviseClearText(cfg Config) {
	if len(cfg.Connector.Headers) > 0 {
		for i, raw := range cfg.Connector.Endpoints {
			l.adviseToEncrypt(fmt.Sprintf("%sendpoints[%d]", connectorPrefix, i), raw)
		}
	}
	l.adviseToEncrypt(keyAPIMURL, cfg.Agent.APIM.URL)
}

func (l *loader) adviseToEncrypt(key, raw string) {
	s, found := l.settings[key]
	u, err := url.Parse(raw)
	if !found || err != nil || u.Scheme != "http" || isLoopback(u.Hostname()) {
		return
	}
	const text = "%s: the token goes to %s without encryption, and whoever is on the way can read it; use https"
	l.warn(fmt.Sprintf(text, s, show(u.Hostname())))
}

// isLoopback tells whether a host is this machine itself. What another name leads to is not known here.
func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	address, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && address.Unmap().IsLoopback()
}
