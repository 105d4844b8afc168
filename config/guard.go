package config

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// guards say why a setting is never ignored. One of them belongs to each setting that says whose account is looked at,
// which journal is shared, or whom the agent trusts: its guard tag names it, or its line among the keys that are not served. Such a setting is
// read as it was meant or stops the start: a list, a map, brackets, quotes or a misspelt name are faults, no warnings.
var guards = map[string]string{
	"account": "A setting that says whose account is looked at is never ignored",
	"filter":  "A filter that is not read would let through what was to be kept out",
	"journal": "With a journal of its own, each of several agents would make keys that the others do not know",
	"stage":   "A stage filter that is not read would let every stage through",
	"trust":   "A setting that says whom the agent trusts is never ignored",
}

// guardedGroups are the keys below which every unknown name is a fault, unless it is like a setting that is not
// guarded. The names that users invent there (profile, credentials, password) would say the same. Without the word
// integration before them, connector and providers are slips; so is what stands for authentication elsewhere.
var guardedGroups = []string{
	"integration", "connector", "providers", "agent.aws", "agent.store.table", cloudToken,
	"secrets.kubernetes", "secrets.aws",
	servicesPrefix + "auth", servicesPrefix + "user", servicesPrefix + "password", servicesPrefix + "ssl",
	"services.core.auth", "services.http",
}

// apimsOwn is APIM's switch for federation: its environment is often the agent's, too.
const apimsOwn = "integration.enabled"

// guardedGroup is the guarded group that a name belongs to, in whatever spelling; empty where there is none.
func guardedGroup(name string) string {
	at := slices.IndexFunc(guardedGroups, func(group string) bool {
		return strings.HasPrefix(squash(name), squash(group))
	})
	if at < 0 || squash(name) == squash(apimsOwn) {
		return ""
	}
	return guardedGroups[at]
}

// unknown reports a name that sets nothing. It is a fault where ignoring it would look at another account, federate
// more, or trust others than was asked for; else a warning.
func (l *loader) unknown(s setting, rest string) {
	pattern, indexes := toPattern(rest)
	meant, isNear := l.meant(pattern)
	text := "is not a setting of this agent"
	if isNear {
		suggestion := withIndexes(meant, indexes...)
		if s.at == "" {
			suggestion = variableName(suggestion)
		}
		text += "; did you mean " + suggestion + "?"
	}
	guard, group := guards[l.fields[meant].guard], guardedGroup(rest)
	switch {
	case squash(rest) == squash(apimsOwn):
		l.warn(s.String() + ": is APIM's own setting; it has no effect here")
		return
	case isNear && guard != "":
		text += " " + guard
	case group != "" && (!isNear || guardedGroup(meant) != group):
		text += "; below " + group + ", nothing is ignored"
	default:
		l.warn(s.String() + ": " + text)
		return
	}
	l.refuse(s.String(), text, "")
}

// wrappings are the characters that people and tools put round a value, in pairs. docker run --env-file keeps quotes;
// brackets mark what is to be filled in.
const wrappings = "\"\"''``“”„“‘’«»[]<>{}()"

// missing is what templates write for a value that is missing, or YAML for one that is no text.
var missing = regexp.MustCompile(`(?i)^(null|nil|<nil>|<no value>|none|undefined|true|false)$`)

// unwrapped refuses what is not the value itself.
func unwrapped(text string) error {
	first, size := utf8.DecodeRuneInString(text)
	last, _ := utf8.DecodeLastRuneInString(text)
	pairs := []rune(wrappings)
	for pair := range slices.Chunk(pairs, 2) {
		switch {
		case len(text) == size || first != pair[0] || last != pair[1]:
		case isTemplate(text):
			return errors.New(templateText)
		case strings.ContainsRune("[<{(", first):
			return errors.New("is in brackets, as a placeholder or a list is; write only the value")
		default:
			return errors.New("contains a quote at each end, as docker run --env-file keeps them; write only the value")
		}
	}
	if missing.MatchString(text) {
		return errors.New("is what stands for no value; write the value, or leave the setting out")
	}
	return nil
}
