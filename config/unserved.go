package config

import (
	"regexp"
	"slices"
	"strings"
)

// unserved is a key of the vendor's agent that this version does not act on. It stops the start; it is never ignored.
type unserved struct {
	key string
	// instead says what serves the purpose.
	instead string
	guard   string // a key of guards; trust where it is empty
	doc     string
}

const (
	connectorPrefix = "integration.connector.ws."
	cloudToken      = "cloud.token"
	sessionToken    = "integration.providers[#].configuration.sessionToken"
)

// temporaryKeys says how the keys of an AWS session are given.
const temporaryKeys = "temporary AWS keys are read only from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and " +
	"AWS_SESSION_TOKEN, while accessKeyId and secretAccessKey are not set"

var unservedKeys = []unserved{
	{key: sessionToken, guard: "account", doc: "Session token of temporary keys.", instead: temporaryKeys},
}

// checkUnserved refuses what this version cannot honour.
func (l *loader) checkUnserved() {
	for _, key := range sortedKeys(l.settings) {
		pattern, _ := toPattern(key)
		if at := slices.IndexFunc(unservedKeys, func(u unserved) bool { return u.key == pattern }); at >= 0 {
			l.rejectWith(l.settings[key], unservedKeys[at].instead, "", "")
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
