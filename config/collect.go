package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ignoredGroups are the parts of the vendor's configuration that this agent does not read, with what to
// do instead. Those are named once each and otherwise let be, so that the vendor's files load.
var ignoredGroups = map[string]string{
	"services":   "of the vendor's node this agent has services.core.http and services.metrics, and no more of these than its documentation names",
	"secrets":    "this version asks no secret manager; put secrets into environment variables",
	"log":        "set " + ownPrefix + "agent_log_level instead",
	"logging":    "set " + ownPrefix + "agent_log_level instead",
	"logger":     "set " + ownPrefix + "agent_log_level instead",
	"cloud":      "Gravitee Cloud is not served by this version",
	"license":    "this agent needs no licence file",
	"kubernetes": "this version reads nothing from Kubernetes; put secrets into environment variables",
}

// collect finds every key that is set, under whatever spelling, and says what nobody will read.
func (l *loader) collect() {
	known := l.patterns()
	forms := formsOf(known)
	ignored := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(l.environ)) {
		if strings.TrimSpace(l.environ[name]) == "" {
			continue
		}
		if key, ok := matchVariable(forms, name); ok {
			l.take(key)
			continue
		}
		rest, prefixed := cutPrefix(name)
		switch group, _, _ := strings.Cut(underscored(strings.ToLower(rest)), "_"); {
		case isOurs(name), prefixed && isSlip(rest, known):
			l.unknown(setting{variable: name}, rest)
		case prefixed && ignoredGroups[group] != "":
			ignored[group] = append(ignored[group], name)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.yaml)) {
		s := l.yaml[key]
		if strings.TrimSpace(s.value) == "" {
			continue
		}
		root := strings.FieldsFunc(key, func(r rune) bool { return r == '.' || r == '[' })
		pattern, _ := toPattern(key)
		_, isUser := userOf(key)
		switch {
		case isUser, slices.Contains(known, pattern):
			l.take(key)
		case len(root) > 0 && (root[0] == "integration" || root[0] == "agent"), isSlip(key, known):
			l.unknown(s, key)
		case len(root) > 0:
			ignored[root[0]] = append(ignored[root[0]], s.String())
		}
	}
	for _, group := range slices.Sorted(maps.Keys(ignored)) {
		text := ignoredGroups[group]
		if text == "" {
			text = "this agent has no such settings"
		}
		l.warn(group+".*", fmt.Sprintf("%s.* is not read: %s (found: %s)", group, text, strings.Join(ignored[group], ", ")))
	}
}

// take keeps the strongest value of a key.
func (l *loader) take(key string) {
	if s, ok := l.find(key); ok {
		l.settings[key] = s
	}
}

// formsOf maps every spelling of every known key, with # for its indexes, to the key's pattern.
func formsOf(patterns []string) map[string]string {
	forms := map[string]string{}
	for _, pattern := range patterns {
		for _, form := range spellings(pattern) {
			forms[form] = pattern
		}
	}
	return forms
}

// patterns lists the known keys: ours, those of a later version, and those that name files.
func (l *loader) patterns() []string {
	patterns := []string{keyOwnFiles, keyVendorFiles}
	for _, f := range l.fields {
		patterns = append(patterns, f.pattern)
	}
	for _, u := range unservedKeys {
		patterns = append(patterns, u.key)
	}
	slices.Sort(patterns)
	return patterns
}

// matchVariable gives the canonical key that an environment variable sets.
func matchVariable(forms map[string]string, name string) (string, bool) {
	for _, prefix := range append(prefixes[:], "") {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		if key, ok := matchUser(rest); ok {
			return key, true
		}
		pattern, indexes := toPattern(rest)
		if key, ok := forms[pattern]; ok {
			return withIndexes(key, indexes), true
		}
	}
	return "", false
}

// cutPrefix takes a Gravitee prefix off, in whatever case, so that a misspelled prefix is noticed.
func cutPrefix(name string) (rest string, prefixed bool) {
	if lower := strings.ToLower(name); strings.HasPrefix(lower, "gravitee_") || strings.HasPrefix(lower, "gravitee.") {
		return name[len("gravitee_"):], true
	}
	return name, false
}

// isOurs tells whether a variable that matches no key was nevertheless meant for this agent. Without a
// prefix only the vendor's two groups count: CI systems have AGENT_… and compose files INTEGRATION_ID.
func isOurs(name string) bool {
	rest, prefixed := cutPrefix(name)
	rest = strings.ReplaceAll(underscored(strings.ToLower(rest)), "-", "_") + "_"
	groups := []string{"integration_connector_", "integration_providers_", "integration_providers["}
	if prefixed {
		groups = []string{"integration_", "agent_"}
	}
	return slices.ContainsFunc(groups, func(group string) bool { return strings.HasPrefix(rest, group) })
}

// unknown reports a variable that sets nothing. It is a fault where its loss would widen what the agent
// federates or whom it trusts, else a warning.
func (l *loader) unknown(s setting, rest string) {
	pattern, indexes := toPattern(rest)
	meant, _ := nearestPattern(pattern, l.patterns())
	nearest := withIndexes(meant, indexes)
	suggestion := nearest
	if s.at == "" {
		suggestion = variableName(nearest)
	}
	lower := underscored(strings.ToLower(pattern))
	text := "is not a setting of this agent; did you mean " + suggestion + "?"
	switch {
	case strings.Contains(lower, "stage") && (strings.HasPrefix(lower, "integration_") || strings.HasPrefix(meant, "integration.")):
		l.faults = append(l.faults, Fault{Key: rest, Variable: s.String(), Text: text + " A stage filter that is not read would let every stage through"})
	case strings.Contains(lower, "_ws_ssl_"), strings.Contains(lower, "_ws_proxy_"):
		l.faults = append(l.faults, Fault{Key: rest, Variable: s.String(), Text: text + " A TLS or proxy setting is never ignored"})
	default:
		l.warn(rest, s.String()+": "+text)
	}
}

func sortedKeys(m map[string]setting) []string { return slices.Sorted(maps.Keys(m)) }
