package config

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/secret"
)

// kind is how a value is written.
type kind int

const (
	kindText   kind = iota
	kindSecret      // never repeated by a message, nor a part of it
	kindBool
	kindInt
	kindSize
	kindFloat
	kindShare
	kindDuration
	kindCommaList   // one value with commas: regions, roles
	kindIndexedList // one value an index: endpoints, stages
	kindLines       // a text of several lines, which may be kept with the secrets
)

// textKinds are what names accounts, hosts and people. Switches and numbers do not, and have a guard only of their own.
var textKinds = []kind{kindText, kindSecret, kindCommaList, kindIndexedList, kindLines}

// field is one leaf of Config.
type field struct {
	// pattern is the canonical key with # for each index.
	pattern string
	// path leads from Config to the field, through the elements of lists.
	path                []int
	kind                kind
	title, def, example string
	min, max            string
	oneOf               []string
	// guard is a key of guards, or empty.
	guard string
}

// schema reads the struct's tags: the only place where keys are written.
func schema() []field { return walk(reflect.TypeFor[Config](), "", "", "", nil) }

func walk(t reflect.Type, prefix, title, guard string, path []int) (fields []field) {
	for f := range t.Fields() {
		if f.Tag.Get("env") == "-" {
			continue
		}
		path := slices.Concat(path, f.Index)
		title, guard := cmp.Or(f.Tag.Get("title"), title), cmp.Or(f.Tag.Get("guard"), guard)
		if below, ok := f.Tag.Lookup("envPrefix"); ok {
			inner := f.Type
			if inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			fields = append(fields, walk(inner, prefix+below, title, guard, path)...)
			continue
		}
		if !slices.Contains(textKinds, kindOf(f)) {
			guard = f.Tag.Get("guard")
		}
		low, high, _ := strings.Cut(f.Tag.Get("range"), ",")
		fields = append(fields, field{
			pattern: prefix + f.Tag.Get("env"), path: path, kind: kindOf(f), title: title,
			def: f.Tag.Get("envDefault"), example: f.Tag.Get("example"),
			min: low, max: high, oneOf: splitList(f.Tag.Get("oneof")), guard: guard,
		})
	}
	return fields
}

// kinds are what a field's type tells; every other type is written as any text.
var kinds = map[reflect.Type]kind{
	reflect.TypeFor[secret.String]():            kindSecret,
	reflect.TypeFor[map[string]secret.String](): kindSecret, // one a name: passwords
	reflect.TypeFor[bool]():                     kindBool,
	reflect.TypeFor[int]():                      kindInt,
	reflect.TypeFor[float64]():                  kindFloat,
	reflect.TypeFor[Share]():                    kindShare,
	reflect.TypeFor[time.Duration]():            kindDuration,
	reflect.TypeFor[[]string]():                 kindCommaList,
}

func kindOf(f reflect.StructField) kind {
	if _, isSize := f.Tag.Lookup("size"); isSize {
		return kindSize
	}
	if _, isLines := f.Tag.Lookup("lines"); isLines {
		return kindLines
	}
	if f.Tag.Get("envSeparator") == listSeparator {
		return kindIndexedList
	}
	return kinds[f.Type]
}
