package exchange

import (
	"fmt"
	"unicode/utf8"
)

// escapes holds what is written in a JSON string instead of an ASCII byte, and "" for a byte that is written as it is.
// JSON does not require an escape for `;`. But controllers up to exchange 2.0.1 split the whole frame on `;;`, and
// would cut the JSON off there (seen in a run).
var escapes = func() (table [utf8.RuneSelf]string) {
	for b := range ' ' {
		table[b] = fmt.Sprintf(`\u%04x`, b)
	}
	table['\n'], table['\r'], table['\t'], table['\b'], table['\f'] = `\n`, `\r`, `\t`, `\b`, `\f`
	table['"'], table['\\'], table[';'] = `\"`, `\\`, `\u003b`
	return table
}()

// appendString appends text as a JSON string. Each byte of invalid UTF-8 becomes U+FFFD, as in encoding/json.
func appendString[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		size := 1
		var escape string
		if b := text[i]; b < utf8.RuneSelf {
			if escape = escapes[b]; escape == "" {
				i++
				continue
			}
		} else if escape, size = invalid(text[i:min(len(text), i+utf8.UTFMax)]); escape == "" {
			i += size
			continue
		}
		dst = append(dst, text[start:i]...)
		dst = append(dst, escape...)
		i += size
		start = i
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

// invalid returns what is written instead of the text's first rune, "" if it is valid, and the rune's size in bytes. It
// copies at most four bytes, so that neither a string nor a document must be converted as a whole.
func invalid[T string | []byte](text T) (escape string, size int) {
	var head [utf8.UTFMax]byte
	r, size := utf8.DecodeRune(head[:copy(head[:], text)])
	if r == utf8.RuneError && size == 1 {
		escape = string(utf8.RuneError)
	}
	return escape, size
}
