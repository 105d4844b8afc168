// Package words is what is needed to speak to people.
package words

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	// Some is how many of a list are shown as examples.
	Some = 3
	// Many is how many are shown where somebody is to act on each of them: a line of text.
	Many = 20
	// maxWord is how many bytes of one item are shown: the ids of AWS and APIM are shorter, and what APIM or AWS sends may
	// be of any length.
	maxWord = 300
)

// Few is the first items of a list for a log line or an error text, which a list of any length must not fill.
func Few[T any](all []T, most int, separator string) string {
	shown := make([]string, 0, most)
	for _, item := range all[:min(len(all), most)] {
		shown = append(shown, Short(fmt.Sprint(item)))
	}
	text := strings.Join(shown, separator)
	if more := len(all) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Short is a text that somebody else chose, cut to what can be read.
func Short(text string) string {
	if len(text) <= maxWord {
		return text
	}
	return strings.ToValidUTF8(text[:maxWord], "") + "…"
}

// MostFirst gives the names of counts, the most frequent first. Names that are as frequent come in order.
func MostFirst(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}
