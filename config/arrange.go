package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"

	"federation-agent/internal/secret"
)

// arrange puts the flat map in order for the library, which would end a list silently at a gap and knows
// nothing of stage filters that begin at 1.
func (l *loader) arrange() {
	for _, list := range []string{connectorPrefix + "endpoints", connectorPrefix + "headers", "integration.providers"} {
		l.endAtGap(list)
	}
	l.renumberStages()
}

// endAtGap drops what lies beyond a list's first missing index, as the vendor's agent does, and says so.
func (l *loader) endAtGap(list string) {
	byIndex := map[int][]string{}
	for key := range l.rejected {
		if n, ok := listIndex(key, list); ok {
			byIndex[n] = append(byIndex[n], key)
		}
	}
	for _, key := range sortedKeys(l.settings) {
		if n, ok := listIndex(key, list); ok {
			byIndex[n] = append(byIndex[n], key)
		}
	}
	gap := 0
	for byIndex[gap] != nil {
		gap++
	}
	var beyond []string
	for _, n := range slices.Sorted(maps.Keys(byIndex)) {
		for _, key := range byIndex[n] {
			if s, ok := l.settings[key]; ok && n > gap {
				beyond = append(beyond, s.String())
				delete(l.settings, key)
			}
		}
	}
	if len(beyond) > 0 {
		l.warn(list, fmt.Sprintf("%s[%d] is missing, and the list ends there; not read: %s", list, gap, strings.Join(beyond, ", ")))
	}
}

// listIndex tells which element of a list a key belongs to.
func listIndex(key, list string) (int, bool) {
	rest, ok := strings.CutPrefix(key, list+"[")
	if !ok {
		return 0, false
	}
	number, _, _ := strings.Cut(rest, "]")
	return index(number)
}

// renumberStages closes the gaps that blank entries left: 0_stage blank and 1_stage=dev filter to dev.
func (l *loader) renumberStages() {
	stages := map[int]map[int]setting{}
	for _, key := range sortedKeys(l.settings) {
		pattern, indexes := toPattern(key)
		if pattern != stagePattern {
			continue
		}
		if stages[indexes[0]] == nil {
			stages[indexes[0]] = map[int]setting{}
		}
		stages[indexes[0]][indexes[1]] = l.settings[key]
		delete(l.settings, key)
	}
	for _, provider := range slices.Sorted(maps.Keys(stages)) {
		byIndex, seen := stages[provider], map[string]bool{}
		for _, from := range slices.Sorted(maps.Keys(byIndex)) {
			stage := byIndex[from]
			if seen[stage.value] {
				l.warn(stage.key, stage.String()+": names a stage that is in the filter already")
				continue
			}
			l.settings[withIndexes(stagePattern, []int{provider, len(seen)})] = stage
			seen[stage.value] = true
		}
	}
}

const stagePattern = "integration.providers[#].configuration.#_stage"

// fill checks each value's form, so that a fault names the variable, and lets the library fill the struct
// with those that pass.
func (l *loader) fill() Config {
	values := l.defaults()
	lists := map[string]map[int]string{}
	users := map[string]secret.String{}
	for _, key := range sortedKeys(l.settings) {
		f, ok := l.fieldOf(key)
		if !ok {
			continue
		}
		value, err := f.canonicalValue(l.settings[key].value)
		if err != nil {
			l.reject(key, err.Error())
			continue
		}
		if name, ok := userOf(key); ok {
			users[name] = secret.New(value)
			continue
		}
		_, indexes := toPattern(key)
		name := withIndexes(f.envKey, indexes)
		if f.kind != kindIndexedList {
			values[name] = value
			continue
		}
		if lists[name] == nil {
			lists[name] = map[int]string{}
		}
		lists[name][indexes[len(indexes)-1]] = value
	}
	for name, byIndex := range lists {
		var items []string
		for _, i := range slices.Sorted(maps.Keys(byIndex)) {
			items = append(items, byIndex[i])
		}
		values[name] = strings.Join(items, "\n")
	}
	cfg, err := env.ParseAsWithOptions[Config](env.Options{
		Environment: values,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[secret.String](): func(v string) (any, error) { return secret.New(v), nil },
		},
	})
	if err != nil {
		// Every value was checked above; the library's text may repeat one, so only the fact is told.
		l.faults = append(l.faults, Fault{Variable: "configuration", Text: "cannot be read for a reason that this version does not know"})
	}
	if len(users) > 0 {
		cfg.Services.HTTP.Authentication.Users = users
	}
	return cfg
}

// defaults gives the struct's defaults in the library's form, to which 1MiB is no number.
func (l *loader) defaults() map[string]string {
	values := map[string]string{}
	for _, f := range l.fields {
		if f.def == "" || strings.Contains(f.envKey, indexMark) {
			continue
		}
		if value, err := f.canonicalValue(f.def); err == nil {
			values[f.envKey] = value
		}
	}
	return values
}
