// Package words is what is needed to speak to people.
package words

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
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

// Short is a text that somebody else chose, cut to what can be read. What is left out shows as an ellipsis.
func Short(text string) string { return Shorter(text, maxWord) }

// Shorter is [Short] with another limit, in bytes without the ellipsis.
func Shorter(text string, most int) string {
	if cut := Cut(text, most); len(cut) < len(text) {
		return cut + "…"
	}
	return text
}

// Cut is the beginning of a text, of so many bytes at most. It ends after a whole letter; what is no text is cut anywhere.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for end := most; end >= max(most-utf8.UTFMax+1, 0); end-- {
		if utf8.RuneStart(text[end]) {
			return text[:end]
		}
	}
	return text[:most]
}

// Place names an account and region as --target and the log's field target do: ACCOUNT:REGION, or REGION while the
// account is not known.
func Place(account, region string) string { return strings.TrimPrefix(account+":"+region, ":") }

// Span is a time as people say it, without what does not matter.
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 2*day:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d/day))
}

// Ago says how long ago something was, or how long it is until then.
func Ago(d time.Duration) string {
	if d < 0 {
		return "in " + Span(-d)
	}
	return Span(d) + " ago"
}

// MostFirst gives the names of counts, the most frequent first. Names that are as frequent come in order.
func MostFirst(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}
