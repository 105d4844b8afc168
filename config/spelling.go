package config

import (
	"slices"
	"strconv"
	"strings"
)

// prefixes are the vendor's, strongest first. Gravitee_ is not one of them (read in gravitee-node 9.4).
var prefixes = [...]string{"gravitee_", "gravitee.", "GRAVITEE_", "GRAVITEE."}

// ownPrefix is the one used when a message has to invent a spelling.
const ownPrefix = "gravitee_"

// spellings lists the names under which a key is found, strongest first: as it is, dots as underscores,
// without hyphens, both; the same with [i] as .i; and all of that in upper case. There are no mixtures.
func spellings(key string) []string {
	bare := strings.NewReplacer("[", ".", "]", "").Replace(key)
	var forms []string
	for _, k := range []string{key, bare} {
		noHyphen := strings.ReplaceAll(k, "-", "")
		forms = append(forms, k, underscored(k), noHyphen, underscored(noHyphen))
	}
	for _, f := range slices.Clone(forms) {
		forms = append(forms, strings.ToUpper(f))
	}
	var unique []string
	for _, f := range forms {
		if !slices.Contains(unique, f) {
			unique = append(unique, f)
		}
	}
	return unique
}

func underscored(key string) string { return strings.ReplaceAll(key, ".", "_") }

// variableName is the spelling that this agent's documentation and messages use for a key.
func variableName(key string) string {
	return ownPrefix + underscored(strings.NewReplacer("[", ".", "]", "").Replace(key))
}

// indexMark stands for a list index in a pattern.
const indexMark = "#"

// maxIndexDigits keeps an index an int on every platform. No list is longer.
const maxIndexDigits = 6

// toPattern replaces the list indexes of a name by marks: providers_0_type becomes providers_#_type. A number
// is an index only where it stands alone and has no leading zero, because nobody would look for 00.
func toPattern(name string) (pattern string, indexes []int) {
	var b strings.Builder
	for i := 0; i < len(name); {
		end := i
		for end < len(name) && isAlphanumeric(name[end]) {
			end++
		}
		if end == i {
			b.WriteByte(name[i])
			i++
			continue
		}
		word := name[i:end]
		if n, ok := index(word); ok {
			b.WriteString(indexMark)
			indexes = append(indexes, n)
		} else {
			b.WriteString(word)
		}
		i = end
	}
	return b.String(), indexes
}

func index(word string) (int, bool) {
	if len(word) > maxIndexDigits || len(word) > 1 && word[0] == '0' {
		return 0, false
	}
	for i := range len(word) {
		if word[i] < '0' || word[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(word)
	return n, err == nil
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// withIndexes puts indexes in the place of the pattern's marks, zeros where there are too few.
func withIndexes(pattern string, indexes []int) string {
	var b strings.Builder
	for i := range len(pattern) {
		if pattern[i:i+1] != indexMark {
			b.WriteByte(pattern[i])
			continue
		}
		n := 0
		if len(indexes) > 0 {
			n, indexes = indexes[0], indexes[1:]
		}
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}
