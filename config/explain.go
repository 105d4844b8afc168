package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"federation-agent/internal/secret"
)

// Explanation is a configuration without its secrets: what is set, and where.
type Explanation struct {
	// Config may be faulty. What refers elsewhere is left out of it.
	Config Config
	// Settings are in the order of docs/configuration.md.
	Settings []Setting
	Warnings []string
}

// Setting is one value of the configuration and its origin. It holds no secret.
type Setting struct {
	Key string `json:"key"`
	// Value has its placeholders replaced. It is empty where one of Reference, Secret and Faulty says why.
	Value string `json:"value"`
	// Origin is the variable as the user spelled it, FILE:LINE, or [OriginDefault].
	Origin string `json:"origin"`
	// Placeholders are the origins of what the value's placeholders were replaced by.
	Placeholders []string `json:"placeholders,omitempty"`
	// Reference names where the value is kept.
	Reference string `json:"reference,omitempty"`
	// Secret means that the value is a secret, or holds one.
	Secret bool `json:"secret"`
	// Faulty means that the agent does not take the value. It may be a secret in the wrong place.
	Faulty bool `json:"faulty"`
}

// OriginDefault is the origin of what nobody set.
const OriginDefault = "default"

// Explain goes through the steps of [Load], but reads nothing that a setting refers to. All gives the settings that
// nobody set, too. The error is that of Load; what was found is given in either case.
func Explain(src Sources, all bool) (x Explanation, err error) {
	l := newLoader(src)
	l.isUnread = true
	x.Config, err = l.load()
	x.Settings, x.Warnings = l.explain(all), l.warnings
	return x, err
}

// leave notes a reference that is not read.
func (l *loader) leave(key string, r secret.Reference) {
	s := l.settings[key]
	s.from = r.String()
	l.told[key] = s
	l.drop(key)
}

// tell notes what stands for a setting that nobody set.
func (l *loader) tell(key, value, origin string) {
	if _, stated := l.settings[key]; !stated && !l.rejected[key] {
		l.told[key] = setting{value: value, variable: origin}
	}
}

func (l *loader) explain(all bool) (list []Setting) {
	hidden, set := l.hidden(), map[string]bool{}
	for key, s := range l.known() {
		f, isField := l.fieldOf(key)
		set[element(key, f.pattern)] = true
		if !isField || s.variable == OriginDefault && !all {
			continue
		}
		list = append(list, f.shown(key, s, hidden))
	}
	for _, f := range schema() {
		if !all {
			break
		}
		for _, key := range l.elements(f.pattern) {
			if !set[element(key, f.pattern)] {
				list = append(list, Setting{Key: key, Value: f.def, Origin: OriginDefault})
			}
		}
	}
	l.sortAsDocumented(list)
	return list
}

// known are all settings, those that are told of instead of read among them.
func (l *loader) known() map[string]setting {
	all := map[string]setting{}
	maps.Copy(all, l.settings)
	maps.Copy(all, l.told)
	return all
}

// shortest is how long a text is at least that is hidden in other values, in bytes. Shorter passwords are words and
// numbers that values hold for reasons of their own.
const shortest = 8

// hidden are the secrets that are written in variables and files. A placeholder may put one into any value.
func (l *loader) hidden() (texts []string) {
	for key, s := range l.known() {
		if l.isSecret(key) && s.from == "" {
			texts = append(texts, s.value)
			texts = append(texts, strings.Fields(s.value)...) // the token behind the word bearer
		}
	}
	return slices.DeleteFunc(texts, func(text string) bool { return len(text) < shortest })
}

func (f field) shown(key string, s setting, hidden []string) Setting {
	shown := Setting{
		Key: key, Value: s.value, Origin: setting{variable: cmp.Or(s.at, s.variable)}.String(), Placeholders: s.through,
		Reference: s.from, Secret: f.kind == kindSecret && s.from == "", Faulty: s.isFaulty,
	}
	isAddress := f.pattern == connectorPrefix+"endpoints["+indexMark+"]" || f.pattern == keyAPIMURL
	if normal, err := normaliseEndpoint(s.value); isAddress && err == nil {
		shown.Value = normal
	}
	if f.kind == kindLines {
		shown.Value = fmt.Sprintf("%d characters", len(s.value))
	}
	if u, err := url.Parse(s.value); err == nil && u.User != nil {
		shown.Value = u.Redacted()
	}
	if shown.Secret || shown.Faulty || shown.Reference != "" {
		shown.Value = ""
	}
	for _, text := range hidden {
		if strings.Contains(shown.Value+shown.Reference, text) {
			shown.Value, shown.Reference, shown.Secret = "", "", true
		}
	}
	return shown
}

// elements are the keys that a setting has when nobody sets it: one for each element of the list that it belongs to.
func (l *loader) elements(pattern string) (keys []string) {
	list, last, isElement := strings.Cut(pattern, elementMark)
	if !isElement {
		return []string{withIndexes(pattern)}
	}
	var indexes []int
	for key := range l.known() {
		if i := listIndex(key, list); i >= 0 && !slices.Contains(indexes, i) {
			indexes = append(indexes, i)
			keys = append(keys, l.elements(fmt.Sprintf("%s[%d].%s", list, i, last))...)
		}
	}
	return keys
}

// element names a setting within the element of a list that it belongs to.
func element(key, pattern string) string {
	_, indexes := toPattern(key)
	return fmt.Sprint(indexes[:strings.Count(pattern, elementMark)], pattern)
}

// sortAsDocumented keeps the elements of a list together.
func (l *loader) sortAsDocumented(list []Setting) {
	places := map[string]int{} // of settings, and of where lists begin
	for place, f := range schema() {
		places[f.pattern] = place
		for end := len(f.pattern); end > 0; end = strings.LastIndex(f.pattern[:end], elementMark) {
			if _, begun := places[f.pattern[:end]]; !begun {
				places[f.pattern[:end]] = place
			}
		}
	}
	rank := func(key string) (rank []int) {
		pattern, indexes := toPattern(key)
		list, rest, isElement := strings.Cut(pattern, elementMark)
		for n := 0; isElement; n++ {
			var inner string
			rank = append(rank, places[list], indexes[n])
			inner, rest, isElement = strings.Cut(rest, elementMark)
			list += elementMark + inner
		}
		return append(rank, places[pattern])
	}
	slices.SortFunc(list, func(a, b Setting) int {
		return cmp.Or(slices.Compare(rank(a.Key), rank(b.Key)), cmp.Compare(natural(a.Key), natural(b.Key)))
	})
}
