package config

import (
	"strings"

	"federation-agent/internal/proxy"
	"federation-agent/internal/secret"
)

// SessionProxy says whether APIM is reached through a proxy.
type SessionProxy struct {
	// Whether the sessions to APIM, and the requests to its REST API, go through a proxy. Calls to AWS follow HTTPS_PROXY
	// and NO_PROXY instead.
	Enabled bool `env:"enabled" envDefault:"false" guard:"trust" example:"true"`
	// Whether the proxy is that of system.proxy instead of the one that is described here.
	UseSystemProxy bool        `env:"useSystemProxy" envDefault:"false" guard:"trust" example:"true"`
	Server         ProxyServer `envPrefix:""`
}

// System is what the vendor's products share.
type System struct {
	Proxy ProxyServer `envPrefix:"proxy."`
}

// ProxyServer is a proxy.
type ProxyServer struct {
	// Kind of the proxy, in small or capital letters. Through HTTP the agent asks for a tunnel (CONNECT). SOCKS4 is
	// known, but not served. The proxy resolves the host name of APIM.
	Type string `env:"type" envDefault:"http" oneof:"http,socks4,socks5" example:"SOCKS5"`
	// Host name or address of the proxy.
	Host string `env:"host" example:"proxy.example.com"`
	// Port of the proxy.
	Port int `env:"port" envDefault:"3128" range:"1,65535" example:"3128"`
	// User of the proxy, where it asks for one.
	Username string `env:"username" example:"federation-agent"`
	// Password of that user. Never printed.
	Password secret.String `env:"password" example:"a-long-password"`
}

// The types of a proxy that are not HTTP.
const (
	proxySOCKS4 = "socks4"
	proxySOCKS5 = "socks5"
)

const (
	proxyPrefix       = connectorPrefix + "proxy."
	systemProxyPrefix = "system.proxy."
)

// SessionProxy is the proxy through which APIM is reached, nil for none.
func (c Config) SessionProxy() *proxy.Server {
	if !c.Connector.Proxy.Enabled {
		return nil
	}
	server, _ := c.sessionProxy()
	return &proxy.Server{
		SOCKS5: server.Type == proxySOCKS5, Host: server.Host, Port: server.Port,
		Username: server.Username, Password: server.Password,
	}
}

// sessionProxy gives the prefix of the proxy's keys, too.
func (c Config) sessionProxy() (server ProxyServer, prefix string) {
	if c.Connector.Proxy.UseSystemProxy {
		return c.System.Proxy, systemProxyPrefix
	}
	return c.Connector.Proxy.Server, proxyPrefix
}

func (l *loader) checkProxy(cfg Config) {
	if !cfg.Connector.Proxy.Enabled {
		if _, stated := l.settings[proxyPrefix+"enabled"]; !stated {
			for _, prefix := range []string{proxyPrefix, systemProxyPrefix} {
				l.adviseUnused(prefix, variableName(proxyPrefix+"enabled")+" is not true")
			}
		}
		return
	}
	server, prefix := cfg.sessionProxy()
	switch {
	case server.Host == "":
		l.fault(prefix+"host", "is missing: the host of the proxy")
	case strings.ContainsAny(server.Host, "/@ \t"):
		l.fault(prefix+"host", "%s must be only a host name or an address", show(server.Host))
	}
	if server.Type == proxySOCKS4 {
		l.fault(prefix+"type", "SOCKS4 is not served by this version; the proxy may speak SOCKS5 or HTTP, too")
	}
	if !server.Password.IsZero() && server.Username == "" {
		l.fault(prefix+"username", "is missing, though the proxy's password is set")
	}
}
