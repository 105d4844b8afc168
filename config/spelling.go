package config

import (
	"regexp"
	"strconv"
	"strings"
)

// prefixes are the vendor's, strongest first (read in gravitee-node 9.4; Gravitee_ is not one of them), then none.
var prefixes = []string{"gravitee_", "gravitee.", "GRAVITEE_", "GRAVITEE.", ""}

// ownPrefix is the one used when a message has to choose a spelling.
const ownPrefix = "gravitee_"

// spellings lists the names under which a key is found, strongest first: as it is, dots as underscores, without
// hyphens, both; the same with [i] as .i; and all of these in upper case. A mixture of them is not read.
func spellings(key string) []string {
	var forms []string
	for _, k := range []string{key, withoutBrackets(key)} {
		noHyphen := strings.ReplaceAll(k, "-", "")
		forms = append(forms, k, underscored(k), noHyphen, underscored(noHyphen))
	}
	for _, form := range forms {
		forms = append(forms, strings.ToUpper(form))
	}
	return forms
}

func underscored(key string) string { return strings.ReplaceAll(key, ".", "_") }

var brackets = strings.NewReplacer("[", ".", "]", "")

func withoutBrackets(key string) string { return brackets.Replace(key) }

// variableName is the spelling that this agent's documentation and messages use for a key.
func variableName(key string) string { return ownPrefix + underscored(withoutBrackets(key)) }

// indexMark is the place of a list index in a pattern.
const indexMark = "#"

// maxIndexDigits keeps an index an int on every platform. No list is longer.
const maxIndexDigits = 6

var word = regexp.MustCompile(`[0-9A-Za-z]+`)

// toPattern replaces the list indexes of a name by marks: providers_0_type becomes providers_#_type. A number
// is an index only where it is a word of its own without a leading zero, because no source is searched for 00.
// The name of a user is the last part of a key and has no index in it.
func toPattern(name string) (pattern string, indexes []int) {
	if _, ok := userOf(name); ok {
		return usersPattern, nil
	}
	pattern = word.ReplaceAllStringFunc(name, func(w string) string {
		n, err := strconv.Atoi(w)
		if err != nil || len(w) > maxIndexDigits || strconv.Itoa(n) != w {
			return w
		}
		indexes = append(indexes, n)
		return indexMark
	})
	return pattern, indexes
}

// withIndexes puts indexes in the place of the pattern's marks, zeros where there are too few.
func withIndexes(pattern string, indexes ...int) string {
	for _, n := range indexes {
		pattern = strings.Replace(pattern, indexMark, strconv.Itoa(n), 1)
	}
	return strings.ReplaceAll(pattern, indexMark, "0")
}
