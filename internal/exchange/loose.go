package exchange

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Gravitee's JSON library turns scalars into strings, and a controller's stored metadata may hold anything. The types here read
// what it would read, so that one odd value costs nothing.

// looseString takes a string as it is, null as empty, and anything else as its JSON text.
type looseString string

// UnmarshalJSON implements json.Unmarshaler.
func (s *looseString) UnmarshalJSON(data []byte) error {
	text, err := looseText(data)
	*s = looseString(text)
	return err
}

// looseBool takes true, "true" and non-zero numbers as true, everything else as false.
type looseBool bool

// UnmarshalJSON implements json.Unmarshaler.
func (b *looseBool) UnmarshalJSON(data []byte) error {
	text, err := looseText(data)
	var number json.Number
	if json.Unmarshal(data, &number) == nil {
		value, _ := number.Float64()
		*b = value != 0
		return nil
	}
	*b = text == "true"
	return err
}

// looseStringMap is an object of loose strings, nulls left out. Something that is no object is an empty map.
type looseStringMap map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (m *looseStringMap) UnmarshalJSON(data []byte) error {
	var raw map[string]json.RawMessage
	if json.Unmarshal(data, &raw) != nil || len(raw) == 0 {
		*m = nil
		return nil //nolint:nilerr // what is no object counts as an empty one
	}
	values := make(looseStringMap, len(raw))
	for key, value := range raw {
		if bytes.Equal(value, []byte("null")) {
			continue
		}
		text, err := looseText(value)
		if err != nil {
			return err
		}
		values[key] = text
	}
	*m = values
	return nil
}

func looseText(data []byte) (string, error) {
	if bytes.Equal(data, []byte("null")) {
		return "", nil
	}
	if len(data) > 0 && data[0] == '"' {
		var text string
		err := json.Unmarshal(data, &text)
		return text, err
	}
	return string(data), nil
}

// jsonFault words a fault of encoding/json without the content it stumbled over, which may be a key.
func jsonFault(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("malformed JSON at byte %d", syntax.Offset)
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		field := mismatch.Field
		if field == "" {
			field = "the JSON itself"
		}
		return fmt.Sprintf("%s has the wrong type", field)
	}
	return "malformed JSON"
}
