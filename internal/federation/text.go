package federation

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// ellipsis marks a cut, so that the reader sees that there was more.
const ellipsis = "…"

// width is a text's length as APIM's databases count it: in UTF-16 units, the strictest of their ways.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// Cut shortens a text to at most limit characters (UTF-16 units), after a whole character, and marks the cut with "…".
func Cut(s string, limit int) string {
	if width(s) <= limit {
		return s
	}
	room := limit - width(ellipsis)
	if room < 0 {
		return ""
	}
	for i, r := range s {
		if room -= utf16.RuneLen(r); room < 0 {
			s = s[:i]
			break
		}
	}
	return strings.TrimRightFunc(s, func(r rune) bool { return unicode.IsSpace(r) || isJoint(r) }) + ellipsis
}

// isJoint reports whether a rune joins the next one. At the end of a cut it would join the ellipsis.
func isJoint(r rune) bool { return r == '\u200d' || unicode.Is(unicode.Sk, r) }

// line makes one printable line of a text: valid UTF-8, no control characters, and single spaces only between words.
func line(s string) string {
	return strings.Join(strings.Fields(printable(s)), " ")
}

// prose is like line, but keeps line breaks.
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
