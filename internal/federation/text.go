package federation

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// ellipsis marks a cut, so that a reader sees that there was more.
const ellipsis = "…"

// width is a text's length as APIM's databases count it: in UTF-16 units, the strictest of them.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += max(utf16.RuneLen(r), 1)
	}
	return n
}

// Cut shortens a text to at most limit characters (UTF-16 units), at a character boundary, with "…" where it was cut.
func Cut(s string, limit int) string {
	if width(s) <= limit {
		return s
	}
	room := limit - width(ellipsis)
	if room < 0 {
		return ""
	}
	used, end := 0, 0
	for i, r := range s {
		w := max(utf16.RuneLen(r), 1)
		if used+w > room {
			break
		}
		used += w
		end = i + utf8.RuneLen(r)
	}
	return strings.TrimRightFunc(s[:end], func(r rune) bool { return unicode.IsSpace(r) || isJoint(r) }) + ellipsis
}

// isJoint reports whether a rune is half of something: left at a cut's end it would join the ellipsis.
func isJoint(r rune) bool { return r == '\u200d' || unicode.Is(unicode.Sk, r) }

// line makes one printable line of a text: valid UTF-8, no control or invisible formatting characters, no space around it.
func line(s string) string {
	return strings.Join(strings.Fields(printable(s)), " ")
}

// prose is like line but keeps line breaks.
func prose(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRightFunc(printable(l), unicode.IsSpace)
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// printable replaces each control character by a space. NUL, which PostgreSQL refuses, is one of them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}
