package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// unserved is a key of the vendor's agent that this version does not act on. A value that would change
// whom the agent trusts or how it connects stops the start; it is never ignored.
type unserved struct {
	key string
	// harmless is the value that changes nothing; empty where every value changes something.
	harmless string
	// under is the key that decides whether this one has any effect, itself unserved.
	under string
	// instead says what serves the purpose; empty where nothing does.
	instead string
	guard   string // a key of guards; trust where it is empty
	doc     string
}

const (
	connectorPrefix = "integration.connector.ws."
	keystoreType    = connectorPrefix + "ssl.keystore.type"
	truststoreType  = connectorPrefix + "ssl.truststore.type"
	proxyEnabled    = connectorPrefix + "proxy.enabled"
	cloudToken      = "cloud.token"
	sessionToken    = "integration.providers[#].configuration.sessionToken"
)

// temporaryKeys says how the keys of an AWS session are given.
const temporaryKeys = "temporary AWS keys are read only from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and " +
	"AWS_SESSION_TOKEN, while accessKeyId and secretAccessKey are not set"

var unservedKeys = []unserved{
	{key: connectorPrefix + "ssl.trustAll", harmless: "false", doc: "Accept any certificate."},
	{key: connectorPrefix + "ssl.verifyHost", harmless: "true", doc: "Compare the certificate with the host name."},
	{key: keystoreType, harmless: "NONE", doc: "PKCS12, JKS or NONE: the client's own certificate."},
	{key: connectorPrefix + "ssl.keystore.path", under: keystoreType, doc: "File of the key store."},
	{key: connectorPrefix + "ssl.keystore.password", under: keystoreType, doc: "Password of the key store."},
	{key: truststoreType, harmless: "NONE", doc: "PEM, PKCS12, JKS or NONE: the CAs to trust instead of the system's."},
	{key: connectorPrefix + "ssl.truststore.path", under: truststoreType, doc: "File of the trust store."},
	{key: connectorPrefix + "ssl.truststore.content", under: truststoreType, doc: "The trust store itself, in base64."},
	{key: connectorPrefix + "ssl.truststore.password", under: truststoreType, doc: "Password of the trust store."},
	{key: connectorPrefix + "ssl.truststore.alias", under: truststoreType, doc: "Entry of the trust store."},
	{key: proxyEnabled, harmless: "false", doc: "Reach APIM through a proxy."},
	{key: connectorPrefix + "proxy.type", under: proxyEnabled, doc: "HTTP, SOCKS4 or SOCKS5."},
	{key: connectorPrefix + "proxy.host", under: proxyEnabled, doc: "Host of the proxy."},
	{key: connectorPrefix + "proxy.port", under: proxyEnabled, doc: "Port of the proxy."},
	{key: connectorPrefix + "proxy.username", under: proxyEnabled, doc: "User of the proxy."},
	{key: connectorPrefix + "proxy.password", under: proxyEnabled, doc: "Password of the proxy."},
	{key: connectorPrefix + "proxy.useSystemProxy", under: proxyEnabled, doc: "Take the proxy of system.proxy."},
	{key: "system.proxy.type", under: proxyEnabled, doc: "As proxy.type, for proxy.useSystemProxy."},
	{key: "system.proxy.host", under: proxyEnabled, doc: "As proxy.host, for proxy.useSystemProxy."},
	{key: "system.proxy.port", under: proxyEnabled, doc: "As proxy.port, for proxy.useSystemProxy."},
	{key: "system.proxy.username", under: proxyEnabled, doc: "As proxy.username, for proxy.useSystemProxy."},
	{key: "system.proxy.password", under: proxyEnabled, doc: "As proxy.password, for proxy.useSystemProxy."},
	{key: servicesPrefix + "secured", harmless: "false", doc: "TLS for the node API."},
	{key: sessionToken, guard: "account", doc: "Session token of temporary keys.", instead: temporaryKeys},
}

func (u unserved) isHarmless(value string) bool {
	b, err := parseBool(value)
	return strings.EqualFold(value, u.harmless) || err == nil && strconv.FormatBool(b) == u.harmless
}

// checkUnserved refuses what this version cannot honour. Of keys that have an effect only under another one, which is
// not set, a proxy's have none by the vendor's rules; a store of no stated type is a mistake that must not be ignored.
func (l *loader) checkUnserved() {
	for _, key := range sortedKeys(l.settings) {
		pattern, _ := toPattern(key)
		at := slices.IndexFunc(unservedKeys, func(u unserved) bool { return u.key == pattern })
		if at < 0 {
			continue
		}
		s, u := l.settings[key], unservedKeys[at]
		_, decided := l.settings[u.under]
		switch {
		case decided, u.isHarmless(s.value): // decided: switched off, or refused already
		case u.instead != "":
			l.rejectWith(s, u.instead, "", "")
		case u.under == proxyEnabled:
			l.warn(s.String() + ": has no effect, because " + variableName(u.under) + " is not true")
		case u.under != "":
			l.rejectWith(s, "is not served by this version; remove it, or switch it off", variableName(u.under), "NONE")
		default:
			l.rejectWith(s, "TLS settings and proxies are not served by this version; only "+u.harmless+" is accepted",
				s.variable, u.harmless)
		}
	}
}

var secretReference = regexp.MustCompile(`^secret://([^/?]+)/`)

// resolveReference refuses references to secret stores. The vendor's agent resolves secret:// only while its
// provider is enabled and otherwise keeps the text; so does this one.
func (l *loader) resolveReference(key string, s setting) {
	if strings.HasPrefix(s.value, "kubernetes://") {
		l.reject(key, "kubernetes:// references are not served by this version; put the value itself here")
		return
	}
	m := secretReference.FindStringSubmatch(s.value)
	if m == nil {
		return
	}
	enabled, _ := l.find("secrets." + m[1] + ".enabled")
	if on, err := parseBool(enabled.value); err == nil && on {
		l.reject(key, "secret:// references are not served by this version; put the value itself here")
		return
	}
	l.warn(s.String() + ": begins with secret:// but its provider is not enabled, so the text itself is the value")
}
