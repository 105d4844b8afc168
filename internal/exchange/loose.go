package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Gravitee's JSON library turns scalars into strings, and the stored metadata of a subscription may hold any JSON. The
// types here read what that library would read, so that one unusual value does not make a whole command unreadable.

// looseString reads a string as it is, null as empty, and anything else as its JSON text.
type looseString string

// UnmarshalJSON implements json.Unmarshaler.
func (s *looseString) UnmarshalJSON(data []byte) error {
	switch {
	case string(data) == "null":
		*s = ""
	case data[0] == '"' && !bytes.ContainsRune(data, '\\') && utf8.Valid(data):
		*s = looseString(data[1 : len(data)-1]) // as nearly all are: a START_INGEST may have 200,000 ids
	case data[0] == '"':
		return json.Unmarshal(data, (*string)(s))
	default:
		*s = looseString(data)
	}
	return nil
}

const (
	// maxID, in bytes, is many times what an id, a type or a key's plan has. Ids are kept: by the session, so that a
	// command that comes twice gets one answer, and in the journal. A command or reply with a longer one is ignored.
	maxID = 1 << 10
	// maxText is what is read of a text that is only shown, and of metadata, which hold the ids of keys.
	maxText = maxID
)

var errLongID = fmt.Errorf("an id has more than %d bytes", maxID)

// looseID reads a string that is kept.
type looseID looseString

// UnmarshalJSON implements json.Unmarshaler.
func (s *looseID) UnmarshalJSON(data []byte) error {
	err := (*looseString)(s).UnmarshalJSON(data)
	if err == nil && len(*s) > maxID {
		*s = ""
		return errLongID
	}
	return err
}

// clipped is the beginning of a text, without the rest in memory.
func clipped(text looseString) string {
	return strings.Clone(strings.ToValidUTF8(string(text[:min(len(text), maxText)]), ""))
}

// looseBool reads true, "true" and numbers other than zero as true, and everything else as false.
type looseBool bool

// UnmarshalJSON implements json.Unmarshaler.
func (b *looseBool) UnmarshalJSON(data []byte) error {
	var text looseString
	err := text.UnmarshalJSON(data)
	var number json.Number
	_ = json.Unmarshal(data, &number) // what is no number leaves it empty, which is zero
	value, _ := number.Float64()
	*b = text == "true" || value != 0
	return err
}

// looseStringMap reads an object of loose strings without its nulls and what is longer than any value of ours, and
// anything else as an empty map.
type looseStringMap map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (m *looseStringMap) UnmarshalJSON(data []byte) error {
	var values map[string]*looseString
	_ = json.Unmarshal(data, &values) // what is no object leaves it empty
	*m = looseStringMap{}
	for key, value := range values {
		if value != nil && len(*value) <= maxText {
			(*m)[key] = string(*value)
		}
	}
	return nil
}

// jsonFault describes an error of encoding/json without quoting the input, which may be a key.
func jsonFault(err error) string {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("malformed JSON at byte %d", syntax.Offset)
	}
	if errors.Is(err, errLongID) {
		return errLongID.Error()
	}
	mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return "malformed JSON"
	case mismatch.Field == "":
		return "the JSON itself has the wrong type"
	}
	return mismatch.Field + " has the wrong type"
}
