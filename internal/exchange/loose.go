package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
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
	case data[0] == '"':
		return json.Unmarshal(data, (*string)(s))
	default:
		*s = looseString(data)
	}
	return nil
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

// looseStringMap reads an object of loose strings without its nulls, and anything else as an empty map.
type looseStringMap map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (m *looseStringMap) UnmarshalJSON(data []byte) error {
	var values map[string]*looseString
	_ = json.Unmarshal(data, &values) // what is no object leaves it empty
	*m = looseStringMap{}
	for key, value := range values {
		if value != nil {
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
	mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return "malformed JSON"
	case mismatch.Field == "":
		return "the JSON itself has the wrong type"
	}
	return mismatch.Field + " has the wrong type"
}
