package config

import (
	"regexp"
	"strings"
)

const connectorPrefix = "integration.connector.ws."

// unserved is a key of the vendor's agent that this version does not act on. A value that would change
// whom the agent trusts or how it connects stops the start; it is never ignored.
type unserved struct {
	key string
	// harmless is the value that changes nothing; empty where every value changes something.
	harmless string
	// under is the key that decides whether this one has any effect, itself unserved.
	under string
	doc   string
}

var unservedKeys = []unserved{
	{key: connectorPrefix + "ssl.trustAll", harmless: "false", doc: "Accept any certificate."},
	{key: connectorPrefix + "ssl.verifyHost", harmless: "true", doc: "Compare the certificate with the host name."},
	{key: connectorPrefix + "ssl.keystore.type", harmless: "NONE", doc: "PKCS12, JKS or NONE: the client's own certificate."},
	{key: connectorPrefix + "ssl.keystore.path", under: connectorPrefix + "ssl.keystore.type", doc: "File of the key store."},
	{key: connectorPrefix + "ssl.keystore.password", under: connectorPrefix + "ssl.keystore.type", doc: "Password of the key store."},
	{key: connectorPrefix + "ssl.truststore.type", harmless: "NONE", doc: "PEM, PKCS12, JKS or NONE: whom to trust instead of the system's authorities."},
	{key: connectorPrefix + "ssl.truststore.path", under: connectorPrefix + "ssl.truststore.type", doc: "File of the trust store."},
	{key: connectorPrefix + "ssl.truststore.content", under: connectorPrefix + "ssl.truststore.type", doc: "The trust store itself, in base64."},
	{key: connectorPrefix + "ssl.truststore.password", under: connectorPrefix + "ssl.truststore.type", doc: "Password of the trust store."},
	{key: connectorPrefix + "ssl.truststore.alias", under: connectorPrefix + "ssl.truststore.type", doc: "Entry of the trust store."},
	{key: connectorPrefix + keyProxyEnabled, harmless: "false", doc: "Reach APIM through a proxy."},
	{key: connectorPrefix + "proxy.type", under: connectorPrefix + keyProxyEnabled, doc: "HTTP, SOCKS4 or SOCKS5."},
	{key: connectorPrefix + "proxy.host", under: connectorPrefix + keyProxyEnabled, doc: "Host of the proxy."},
	{key: connectorPrefix + "proxy.port", under: connectorPrefix + keyProxyEnabled, doc: "Port of the proxy."},
	{key: connectorPrefix + "proxy.username", under: connectorPrefix + keyProxyEnabled, doc: "User of the proxy."},
	{key: connectorPrefix + "proxy.password", under: connectorPrefix + keyProxyEnabled, doc: "Password of the proxy."},
	{key: connectorPrefix + "proxy.useSystemProxy", under: connectorPrefix + keyProxyEnabled, doc: "Take the proxy of system.proxy."},
	{key: "system.proxy.type", under: connectorPrefix + keyProxyEnabled, doc: "As proxy.type, for proxy.useSystemProxy."},
	{key: "system.proxy.host", under: connectorPrefix + keyProxyEnabled, doc: "As proxy.host, for proxy.useSystemProxy."},
	{key: "system.proxy.port", under: connectorPrefix + keyProxyEnabled, doc: "As proxy.port, for proxy.useSystemProxy."},
	{key: "system.proxy.username", under: connectorPrefix + keyProxyEnabled, doc: "As proxy.username, for proxy.useSystemProxy."},
	{key: "system.proxy.password", under: connectorPrefix + keyProxyEnabled, doc: "As proxy.password, for proxy.useSystemProxy."},
	{key: servicesPrefix + "secured", harmless: "false", doc: "TLS for the node API."},
	{key: "cloud.token", doc: "Token of Gravitee Cloud, instead of endpoint and header."},
}

const keyProxyEnabled = "proxy.enabled"

func (u unserved) isHarmless(value string) bool {
	if b, err := parseBool(value); err == nil && (u.harmless == "true" || u.harmless == "false") {
		return b == (u.harmless == "true")
	}
	return u.harmless != "" && strings.EqualFold(value, u.harmless)
}

// checkUnserved refuses what this version cannot honour.
func (l *loader) checkUnserved() {
	for _, u := range unservedKeys {
		s, set := l.settings[u.key]
		if !set {
			continue
		}
		if u.under == "" {
			if !u.isHarmless(s.value) {
				l.refuse(u, s)
			}
			continue
		}
		l.checkDependent(u, s)
	}
}

// checkDependent judges a key that has an effect only if another one has. Without the other one a proxy is
// off by the vendor's rules; a store of no stated type is a mistake that must not be passed over.
func (l *loader) checkDependent(u unserved, s setting) {
	_, decided := l.settings[u.under]
	switch {
	case decided: // switched off, or refused already
	case u.under == connectorPrefix+keyProxyEnabled:
		l.warn(u.key, s.String()+": has no effect, because "+variableName(u.under)+" is not true")
	default:
		l.refuse(u, s)
	}
}

func (l *loader) refuse(u unserved, s setting) {
	switch {
	case u.key == "cloud.token":
		l.rejectWith(s, "Gravitee Cloud tokens are not served by this version; set the endpoint and the Authorization header instead",
			variableName(connectorPrefix+"endpoints[0]"), "https://apim.example.com/integration-controller")
	case u.harmless == "":
		l.rejectWith(s, "is not served by this version; remove it, or switch it off", variableName(u.under), "NONE")
	default:
		l.rejectWith(s, "TLS settings and proxies are not served by this version; only "+u.harmless+" is accepted", s.variable, u.harmless)
	}
}

var (
	secretReference     = regexp.MustCompile(`^secret://([^/?]+)/`)
	kubernetesReference = regexp.MustCompile(`^kubernetes://`)
)

// resolveReference refuses references to secret stores. The vendor's agent resolves secret:// only while its
// provider is enabled and otherwise keeps the text; so does this one.
func (l *loader) resolveReference(s setting) {
	if kubernetesReference.MatchString(s.value) {
		l.reject(s.key, "kubernetes:// references are not served by this version; put the value itself here")
		return
	}
	m := secretReference.FindStringSubmatch(s.value)
	if m == nil {
		return
	}
	enabled, _ := l.find("secrets." + m[1] + ".enabled")
	if on, err := parseBool(enabled.value); err == nil && on {
		l.reject(s.key, "secret:// references are not served by this version; put the value itself here")
		return
	}
	l.warn(s.key, s.String()+": begins with secret:// but its provider is not enabled, so the text itself is the value")
}
