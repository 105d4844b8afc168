package exchange

import (
	"fmt"
	"math"
	"unicode/utf8"
)

// escapes holds what is written in a JSON string instead of a byte, and "" for a byte that is written as it is. For a
// byte that is not ASCII, it holds what is written if the byte is not part of a character. JSON does not require an
// escape for `;`. But controllers up to exchange 2.0.1 split the whole frame on `;;`, and would cut the JSON off there
// (seen in a run).
var escapes = func() (table [math.MaxUint8 + 1]string) {
	for b := range ' ' {
		table[b] = fmt.Sprintf(`\u%04x`, b)
	}
	for b := utf8.RuneSelf; b < len(table); b++ {
		table[b] = string(utf8.RuneError)
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
		escape := escapes[text[i]]
		if escape == "" {
			i++
			continue
		}
		if text[i] >= utf8.RuneSelf {
			// At most four bytes are converted, so that neither a string nor a document must be as a whole.
			if _, size := utf8.DecodeRuneInString(string(text[i:min(len(text), i+utf8.UTFMax)])); size > 1 {
				i += size
				continue
			}
		}
		dst = append(dst, text[start:i]...)
		if len(escape) == 2 { // most escapes, and two bytes are appended faster than a string
			dst = append(dst, escape[0], escape[1])
		} else {
			dst = append(dst, escape...)
		}
		i++
		start = i
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}
