package config

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"federation-agent/internal/words"
)

// ignoredGroups are the parts of the vendor's configuration that this agent does not read, with what to do instead.
// Each is named once and otherwise ignored, so that the vendor's files load.
var ignoredGroups = map[string]string{
	"services": "this agent has only those settings of services.core.http and services.metrics " +
		"that its documentation names",
	"secrets":    "only the providers kubernetes and aws are served",
	"log":        "set " + ownPrefix + "agent_log_level, or the vendor's GRAVITEE_LOG_LEVEL, instead",
	"logging":    "set " + ownPrefix + "agent_log_level instead",
	"logger":     "set " + ownPrefix + "agent_log_level instead",
	"cloud":      "of Gravitee Cloud, only " + cloudToken + " is read",
	"license":    "this agent needs no licence file",
	"kubernetes": "only " + kubernetesPrefix + "* says how Kubernetes is reached",
}

// collect finds every key that is set, in whatever spelling, and reports what is not read.
func (l *loader) collect() {
	known := l.patterns()
	forms := formsOf(known)
	ignored := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(l.environ)) {
		key, isKey := l.variableOf(forms, name)
		rest, prefixed := cutPrefix(name)
		group, _, _ := strings.Cut(underscored(strings.ToLower(rest)), "_")
		switch {
		case strings.TrimSpace(l.environ[name]) == "":
		case isKey:
			l.take(key)
		case slices.Contains(logVariables, name): // read when the log is settled
		case l.isServiceLink(name): // says nothing about this agent
		case isOurs(name), prefixed && guardedGroup(rest) != "", prefixed && isSlip(rest, known):
			l.unknown(setting{variable: name}, rest)
		case prefixed && ignoredGroups[group] != "":
			ignored[group] = append(ignored[group], name)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.yaml)) {
		pattern, _ := toPattern(key)
		group, _, _ := strings.Cut(strings.ReplaceAll(key, "[", "."), ".")
		rest, _ := cutPrefix(key) // a variable's name in a file
		switch s := l.yaml[key]; {
		case s.wrong != "" && !slices.Contains(known, pattern):
			l.refuse(s.String(), s.wrong, "")
		case strings.TrimSpace(s.value) == "":
		case slices.Contains(known, pattern):
			l.take(key)
		case group == "agent", guardedGroup(rest) != "", isSlip(rest, known):
			l.unknown(s, rest)
		default:
			ignored[group] = append(ignored[group], s.String())
		}
	}
	for _, group := range slices.Sorted(maps.Keys(ignored)) {
		instead := cmp.Or(ignoredGroups[group], "this agent has no such settings")
		found := words.Few(ignored[group], words.Many, ", ") // a whole file may be of another program
		l.warn(fmt.Sprintf("%s.* is not read: %s (found: %s)", group, instead, found))
	}
}

// take keeps the strongest value of a key. A file that the environment names is as strong as a value there.
func (l *loader) take(key string) {
	s, found := l.find(key)
	file, isFile := l.variable(key, fileSuffix)
	isFile = isFile && l.isSecret(key)
	switch {
	case l.rejected[key]: // by another spelling of it
	case isFile && found && s.at == "":
		l.settings[key] = file
		l.reject(key, "is set, and so is "+s.variable+"; set only one of them")
	case isFile:
		l.settings[key] = file
	case found:
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

// patterns lists the known keys: those of all settings, and those that name files.
func (l *loader) patterns() []string {
	patterns := slices.AppendSeq([]string{keyOwnFiles, keyVendorFiles}, maps.Keys(l.fields))
	slices.Sort(patterns)
	return patterns
}

// commaLists are the patterns of the settings that take several values with commas.
func (l *loader) commaLists() (patterns []string) {
	for pattern, f := range l.fields {
		if f.kind == kindCommaList {
			patterns = append(patterns, pattern)
		}
	}
	return patterns
}

// matchVariable gives the canonical key that an environment variable sets.
func matchVariable(forms map[string]string, name string) (string, bool) {
	for _, prefix := range prefixes {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		if key, ok := matchUser(rest); ok {
			return key, true
		}
		pattern, indexes := toPattern(rest)
		if key, ok := forms[pattern]; ok {
			return withIndexes(key, indexes...), true
		}
	}
	return "", false
}

// cutPrefix takes a Gravitee prefix off, in whatever case, so that a misspelled prefix is noticed. So is the word
// export of a shell, which some readers of .env files take for a part of the name.
func cutPrefix(name string) (rest string, prefixed bool) {
	name = strings.TrimPrefix(strings.TrimSpace(name), "export ")
	if strings.HasPrefix(underscored(strings.ToLower(name)), ownPrefix) {
		return name[len(ownPrefix):], true
	}
	return name, false
}

// serviceLink has the forms of the variables that Kubernetes gives a container for each service of its namespace.
var serviceLink = regexp.MustCompile(`^([A-Z0-9_]+?)_(SERVICE_(HOST|PORT)|PORT)(_[A-Z0-9_]+)?$`)

// isServiceLink tells whether Kubernetes made a variable, and no person: a service gravitee-agent gives
// GRAVITEE_AGENT_PORT to all its neighbours. All forms of one service come together.
func (l *loader) isServiceLink(name string) bool {
	m := serviceLink.FindStringSubmatch(name)
	return m != nil && l.environ[m[1]+"_SERVICE_HOST"] != "" && l.environ[m[1]+"_SERVICE_PORT"] != ""
}

// isOurs tells whether a variable that matches no key was nevertheless meant for this agent. Without a
// prefix only the vendor's two groups count: CI systems have AGENT_… and compose files INTEGRATION_ID.
func isOurs(name string) bool {
	rest, prefixed := cutPrefix(name)
	rest = strings.NewReplacer(".", "_", "-", "_", "[", "_").Replace(strings.ToLower(rest)) + "_"
	groups := []string{"integration_connector_", "integration_providers_"}
	if prefixed {
		groups = []string{"integration_", "agent_"}
	}
	return slices.ContainsFunc(groups, func(group string) bool { return strings.HasPrefix(rest, group) })
}

// sortedKeys gives keys in order, with the indexes of lists as numbers: 10 after 9.
func sortedKeys(m map[string]setting) (keys []string) {
	padded := make(map[string]string, len(m))
	for key := range m {
		padded[natural(key)] = key
	}
	for _, name := range slices.Sorted(maps.Keys(padded)) {
		keys = append(keys, padded[name])
	}
	return keys
}

// natural makes keys compare with the indexes of lists as numbers.
func natural(key string) string {
	return digits.ReplaceAllStringFunc(key, func(n string) string { return fmt.Sprintf("%*s", maxIndexDigits, n) })
}

var digits = regexp.MustCompile(`[0-9]+`)
