package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// endAtGap drops what is beyond a list's first missing index, as the vendor's agent does, and says so.
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
		if listIndex(key, list) > gap {
			beyond = append(beyond, l.settings[key].String())
			delete(l.settings, key)
		}
	}
	if len(beyond) > 0 {
		l.warn(list, fmt.Sprintf("%s[%d] is missing, and the list ends there; not read: %s",
			list, gap, strings.Join(beyond, ", ")))
	}
}

// listIndex tells which element of a list a key belongs to; -1 for none.
func listIndex(key, list string) int {
	pattern, indexes := toPattern(key)
	if !strings.HasPrefix(pattern, list+"["+indexMark+"]") {
		return -1
	}
	return indexes[0]
}

const stagePattern = "integration.providers[#].configuration.#_stage"

// renumberStages closes the gaps that blank entries left: 0_stage blank and 1_stage=dev filter to dev.
func (l *loader) renumberStages() {
	filters := map[int][]string{} // by provider
	for _, key := range sortedKeys(l.settings) {
		pattern, indexes := toPattern(key)
		if pattern != stagePattern {
			continue
		}
		stage, provider := l.settings[key], indexes[0]
		delete(l.settings, key)
		if slices.Contains(filters[provider], stage.value) {
			l.warn(stage.key, stage.String()+": names a stage that is already in the filter")
			continue
		}
		l.settings[withIndexes(stagePattern, provider, len(filters[provider]))] = stage
		filters[provider] = append(filters[provider], stage.value)
	}
}

// fill sets each field to its default and then to the value of each key. A value that the field does not take is a
// fault that names the variable.
func (l *loader) fill() (cfg Config) {
	root := reflect.ValueOf(&cfg).Elem()
	for _, f := range l.fields {
		if f.def != "" && !strings.Contains(f.pattern, indexMark) {
			value, err := f.canonicalValue(f.def)
			if err == nil { // a test checks every default
				f.set(root, f.pattern, value)
			}
		}
	}
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
		f.set(root, key, value)
	}
	return cfg
}

// set puts a value where its key says. Lists grow to hold it.
func (f field) set(root reflect.Value, key string, value any) {
	_, indexes := toPattern(key)
	at := root
	for _, i := range f.path {
		if at.Kind() == reflect.Slice {
			for at.Len() <= indexes[0] {
				at.Set(reflect.Append(at, reflect.Zero(at.Type().Elem())))
			}
			at, indexes = at.Index(indexes[0]), indexes[1:]
		}
		at = at.Field(i)
	}
	v := reflect.ValueOf(value)
	switch user, isUser := userOf(key); {
	case isUser:
		if at.IsNil() {
			at.Set(reflect.MakeMap(at.Type()))
		}
		at.SetMapIndex(reflect.ValueOf(user), v)
	case f.kind == kindIndexedList: // keys come in the order of their indexes
		at.Set(reflect.AppendSlice(at, v))
	default:
		at.Set(v.Convert(at.Type()))
	}
}
