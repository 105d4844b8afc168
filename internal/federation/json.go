package federation

import (
	"bytes"
	"iter"
)

// A document has megabytes, and little of it is of interest. So it is read where it lies: nothing is copied or decoded.

// member is a member of a JSON object. key is with its quotes. from is where the value begins in the object's text.
type member struct {
	key, value []byte
	from       int
}

// members are those of a JSON object, in order. They end at the first thing that is not JSON.
func members(object []byte) iter.Seq[member] {
	return func(yield func(member) bool) {
		if firstByte(object) != '{' {
			return
		}
		at := bytes.IndexByte(object, '{') + 1
		for {
			at = skipBlanks(object, at)
			keyEnd := skipValue(object, at)
			if keyEnd <= at || object[at] != '"' {
				return
			}
			colon := skipBlanks(object, keyEnd)
			if colon == len(object) || object[colon] != ':' {
				return
			}
			from := skipBlanks(object, colon+1)
			to := skipValue(object, from)
			if to <= from || !yield(member{object[at:keyEnd], object[from:to], from}) {
				return
			}
			if at = skipBlanks(object, to); at == len(object) || object[at] != ',' {
				return
			}
			at++
		}
	}
}

func firstByte(text []byte) byte {
	if at := skipBlanks(text, 0); at < len(text) {
		return text[at]
	}
	return 0
}

func skipBlanks(text []byte, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r') {
		at++
	}
	return at
}

// skipValue is where the JSON value that begins at an index ends. It is the index itself if no value begins there or if
// it does not end.
func skipValue(text []byte, at int) int {
	depth := 0
	for i := at; i < len(text); i++ {
		switch text[i] {
		case '"':
			if i = closingQuote(text, i); i < 0 {
				return at
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth--; depth < 0 {
				return i // of what the value is in
			}
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
			continue
		default: // a number or a word ends before what comes next
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return at
}

// closingQuote is the index of the quote that closes the string whose quote is at an index, or -1.
func closingQuote(text []byte, at int) int {
	for i := at + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}
