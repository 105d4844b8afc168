// Package rawjson reads the JSON of a document where it lies. A document has megabytes, and little of it is of
// interest: nothing is copied or decoded.
package rawjson

import (
	"bytes"
	"iter"
)

// Member is a member of a JSON object.
type Member struct {
	// Key is with its quotes, as it is written: a name with escapes is not decoded.
	Key, Value []byte
	// From is where the value begins in the object's text.
	From int
}

// IsObject reports whether a text begins as a JSON object.
func IsObject(text []byte) bool {
	at := skipBlanks(text, 0)
	return at < len(text) && text[at] == '{'
}

// Find is the value of the first member of a JSON object with a name, nil without one.
func Find(object []byte, name string) []byte {
	for m := range Members(object) {
		if string(m.Key) == `"`+name+`"` {
			return m.Value
		}
	}
	return nil
}

// Members are those of a JSON object, in order. They end at the first thing that is not JSON.
func Members(object []byte) iter.Seq[Member] {
	return func(yield func(Member) bool) {
		if !IsObject(object) {
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
			if to <= from || !yield(Member{object[at:keyEnd], object[from:to], from}) {
				return
			}
			if at = skipBlanks(object, to); at == len(object) || object[at] != ',' {
				return
			}
			at++
		}
	}
}

// Elements are those of a JSON array, in order. They end at the first thing that is not JSON.
func Elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		at := skipBlanks(array, 0)
		if at == len(array) || array[at] != '[' {
			return
		}
		for {
			from := skipBlanks(array, at+1)
			to := skipValue(array, from)
			if to <= from || !yield(array[from:to]) {
				return
			}
			if at = skipBlanks(array, to); at == len(array) || array[at] != ',' {
				return
			}
		}
	}
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
