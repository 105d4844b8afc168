package exchange

import "unicode/utf8"

const hexDigits = "0123456789abcdef"

// plain tells which ASCII bytes stand in a JSON string as they are. Besides what JSON asks for, `;` does not: controllers up to
// exchange 2.0.1 split the whole frame on `;;` and would cut the JSON off there (run).
var plain = func() (table [utf8.RuneSelf]bool) {
	for b := range table {
		table[b] = b >= ' ' && b != '"' && b != '\\' && b != ';'
	}
	return table
}()

// appendString appends text as a JSON string. Invalid UTF-8 becomes U+FFFD, byte by byte, as encoding/json does.
func appendString[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		b := text[i]
		if b < utf8.RuneSelf {
			if plain[b] {
				i++
				continue
			}
			dst = append(dst, text[start:i]...)
			dst = appendEscaped(dst, b)
			i++
			start = i
			continue
		}
		r, size := decodeRune(text[i:min(len(text), i+utf8.UTFMax)])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, text[start:i]...)
			dst = utf8.AppendRune(dst, utf8.RuneError)
			i++
			start = i
			continue
		}
		i += size
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

func appendEscaped(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&0xf])
}

// decodeRune copies at most four bytes, so that neither a string nor a document has to be converted whole.
func decodeRune[T string | []byte](text T) (rune, int) {
	var head [utf8.UTFMax]byte
	n := copy(head[:], text)
	return utf8.DecodeRune(head[:n])
}

// stringSize is the length of what [appendString] writes.
func stringSize(text string) int {
	size := len(`""`)
	for _, r := range text { // an invalid byte ranges as U+FFFD, which is what is written for it
		switch {
		case r >= utf8.RuneSelf:
			size += utf8.RuneLen(r)
		case plain[r]:
			size++
		case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t' || r == '\b' || r == '\f':
			size += len(`\n`)
		default:
			size += len(`\u003b`)
		}
	}
	return size
}
