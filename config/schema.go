package config

import (
	"log/slog"
	"reflect"
	"strings"
	"time"

	"federation-agent/internal/secret"
)

// kind is what a value must look like.
type kind int

const (
	kindText kind = iota
	kindSecret
	kindBool
	kindInt
	kindSize
	kindFloat
	kindDuration
	kindLevel
	kindCommaList   // one value with commas: regions, roles
	kindIndexedList // one value an index: endpoints, stages
	kindUsers       // one secret a name: passwords
)

// field is one leaf of Config.
type field struct {
	// pattern is the canonical key with # for each index.
	pattern string
	// envKey is the name under which caarlos0/env looks for it, with # for the indexes of slices of structs.
	envKey string
	// path leads from Config to the field; it passes slices of structs at their #.
	path     []int
	kind     kind
	title    string
	doc      string
	def      string
	example  string
	find     string
	min, max string
	oneOf    []string
}

// schema reads the struct's tags: the one place where keys are written down.
func schema() []field { return walk(reflect.TypeFor[Config](), "", "", "", nil) }

func walk(t reflect.Type, pattern, envKey, title string, path []int) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		here := append(append([]int(nil), path...), i)
		if prefix, ok := f.Tag.Lookup("envPrefix"); ok {
			sub, name := f.Type, title
			if own := f.Tag.Get("title"); own != "" {
				name = own
			}
			if sub.Kind() == reflect.Slice {
				list := strings.TrimSuffix(prefix, "_")
				fields = append(fields, walk(sub.Elem(), pattern+list+"["+indexMark+"].", envKey+prefix+indexMark+"_", name, here)...)
			} else {
				fields = append(fields, walk(sub, pattern+prefix, envKey+prefix, name, here)...)
			}
			continue
		}
		fields = append(fields, leaf(f, pattern, envKey, title, here))
	}
	return fields
}

func leaf(f reflect.StructField, pattern, envKey, title string, path []int) field {
	own := f.Tag.Get("env")
	last := own
	if key := f.Tag.Get("key"); key != "" {
		last = key
	}
	low, high, _ := strings.Cut(f.Tag.Get("range"), ",")
	out := field{
		pattern: pattern + last, envKey: envKey + own, path: path, kind: kindOf(f), title: title,
		doc: f.Tag.Get("doc"), def: f.Tag.Get("envDefault"), example: f.Tag.Get("example"), find: f.Tag.Get("find"),
		min: low, max: high,
	}
	if values := f.Tag.Get("oneof"); values != "" {
		out.oneOf = strings.Split(values, ",")
	}
	return out
}

func kindOf(f reflect.StructField) kind {
	if _, ok := f.Tag.Lookup("size"); ok {
		return kindSize
	}
	switch f.Type {
	case reflect.TypeFor[secret.String]():
		return kindSecret
	case reflect.TypeFor[time.Duration]():
		return kindDuration
	case reflect.TypeFor[map[string]secret.String]():
		return kindUsers
	case reflect.TypeFor[slog.Level]():
		return kindLevel
	}
	switch f.Type.Kind() {
	case reflect.Bool:
		return kindBool
	case reflect.Int, reflect.Int64:
		return kindInt
	case reflect.Float64:
		return kindFloat
	case reflect.Slice:
		if f.Tag.Get("key") != "" {
			return kindIndexedList
		}
		return kindCommaList
	default:
		return kindText
	}
}
