package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v11"

	"federation-agent/internal/secret"
)

// endAtGap drops what is beyond a list's first missing index, as the vendor's agent does, and says so. An account that is
// not read is a fault, as its subscriptions would not be served.
func (l *loader) endAtGap(list string) {
	present := map[int]bool{}
	for key := range l.rejected {
		present[listIndex(key, list)] = true
	}
	keys := sortedKeys(l.settings)
	for _, key := range keys {
		present[listIndex(key, list)] = true
	}
	gap := 0
	for present[gap] {
		gap++
	}
	var beyond []string
	for _, key := range keys {
		if listIndex(key, list) <= gap {
			continue
		}
		if len(beyond) == 0 && strings.HasSuffix(list, ".accounts") {
			l.fault(key, "would not be read, as %s[%d] is missing and the list ends there; number the entries from 0 without gaps",
				list, gap)
		}
		beyond = append(beyond, l.settings[key].String())
		delete(l.settings, key)
	}
	maps.DeleteFunc(l.told, func(key string, _ setting) bool { return listIndex(key, list) > gap })
	if len(beyond) > 0 && !strings.HasSuffix(list, ".accounts") {
		l.warn(fmt.Sprintf("%s[%d] is missing, and the list ends there; not read: %s",
			list, gap, strings.Join(beyond, ", ")))
	}
}

// listIndex tells which element of a list a key belongs to; -1 for none.
func listIndex(key, list string) int {
	rest, below := strings.CutPrefix(key, list+"[")
	number, _, closed := strings.Cut(rest, "]")
	index, err := strconv.Atoi(number)
	if !below || !closed || err != nil {
		return -1
	}
	return index
}

// renumberFilters closes the gaps that blank entries left: 0_stage blank and 1_stage=dev filter to dev.
func (l *loader) renumberFilters() {
	filters := map[string][]string{} // by pattern, with the provider's index
	for _, found := range []map[string]setting{l.settings, l.told} {
		for _, key := range sortedKeys(found) {
			pattern, indexes := toPattern(key)
			if guard := l.fields[pattern].guard; guard != "stage" && guard != guardFilter {
				continue
			}
			entry, provider := found[key], indexes[0]
			filter := fmt.Sprint(provider, pattern)
			delete(found, key)
			if slices.Contains(filters[filter], entry.value) {
				l.warn(entry.String() + ": names " + show(entry.value) + ", which is already in the filter")
				continue
			}
			found[withIndexes(pattern, provider, len(filters[filter]))] = entry
			filters[filter] = append(filters[filter], entry.value)
		}
	}
}

const (
	// elementMark is how a pattern goes on behind a list of structs.
	elementMark = "[" + indexMark + "]."
	// listSeparator is the envSeparator of the lists of texts that have an index. No value contains it, since none
	// contains a control character.
	listSeparator = "\n"
)

// fill checks each value, so that a fault names the variable, and lets caarlos0/env fill the struct with the defaults
// and with the values that pass. Only the keys that begin with prefix count.
func (l *loader) fill(prefix string) (cfg Config) {
	values := map[string]string{} // never nil: the library would read the process's environment
	users, secrets := map[string]secret.String{}, map[string]secret.String{}
	for _, key := range sortedKeys(l.settings) {
		f, ok := l.fieldOf(key)
		if !ok || !strings.HasPrefix(key, prefix) {
			continue
		}
		s := l.settings[key]
		value, err := f.canonicalValue(s.value)
		name := libraryKey(key)
		user, isUser := userOf(key)
		switch {
		case err != nil:
			l.reject(key, err.Error())
		case isUser:
			users[user] = s.asSecret()
		case f.isLive():
			values[name], secrets[key] = key, s.asSecret()
		case f.kind == kindIndexedList && values[name] != "": // keys come in the order of their indexes
			values[name] += listSeparator + value
		default:
			values[name] = value
		}
	}
	for key := range l.rejected { // an element is still one when all its values are refused: the list goes on behind it
		values[libraryKey(key)] += ""
	}
	if err := env.ParseWithOptions(&cfg, env.Options{Environment: values, FuncMap: parsers(secrets)}); err != nil {
		l.refuse("configuration", "a fault of this program: "+err.Error(), "")
	}
	if len(users) > 0 {
		cfg.Services.HTTP.Authentication.Users = users
	}
	return cfg
}

// libraryKey is the name under which caarlos0/env looks for a key's value: the index of an element is written between
// underscores behind the prefix of the list. A list of texts is one value.
func libraryKey(key string) string {
	pattern, indexes := toPattern(key)
	name, rest, isElement := strings.Cut(pattern, elementMark)
	for n := 0; isElement; n++ {
		var inner string
		inner, rest, isElement = strings.Cut(rest, elementMark)
		name = fmt.Sprintf("%s%s_%d_%s", name, elementMark, indexes[n], inner)
	}
	return name
}
