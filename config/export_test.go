package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Validate checks a configuration that is made already: by the rules that Load has for it, and every field against the
// range or list in its tag.
func (c Config) Validate() error {
	l := newLoader(Sources{})
	l.check(c)
	root := reflect.ValueOf(c)
	for _, f := range schema() {
		if f.min == "" && len(f.oneOf) == 0 { // no value in a list has limits
			continue
		}
		text := strings.ToLower(fmt.Sprint(root.FieldByIndex(f.path).Interface()))
		if _, err := f.canonicalValue(text); err != nil {
			l.fault(f.pattern, "%v", err)
		}
	}
	return errors.Join(l.faults...)
}

// Guarded gives the patterns of the settings that are never ignored.
func Guarded() (served []string) {
	for _, f := range schema() {
		if f.guard != "" {
			served = append(served, f.pattern)
		}
	}
	return served
}

// VariableName is how messages spell a pattern with the index 0.
func VariableName(pattern string) string { return variableName(withIndexes(pattern)) }

// Patterns are those of all settings.
func Patterns() (patterns []string) {
	for _, f := range schema() {
		patterns = append(patterns, f.pattern)
	}
	return patterns
}

// SecretPatterns are those of all settings that are secrets.
func SecretPatterns() (patterns []string) {
	for _, f := range schema() {
		if f.kind == kindSecret {
			patterns = append(patterns, f.pattern)
		}
	}
	return patterns
}

// PatternOf is the pattern of a key.
func PatternOf(key string) string {
	pattern, _ := toPattern(key)
	return pattern
}
