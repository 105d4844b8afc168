package apimsim

import (
	"encoding/json"
	"fmt"
	"slices"

	"federation-agent/internal/rawjson"
)

// object is a JSON object by its exact keys. encoding/json's structs match keys in any case, which
// would hide a misspelled field from the agent's author; Jackson does not.
type object map[string]json.RawMessage

// readMessage reads a whole message. Only here is the text checked to be JSON: a document of megabytes lies five levels
// deep, and encoding/json would check it again at each of them.
func readMessage(text string) (object, error) {
	raw := json.RawMessage(text)
	if !json.Valid(raw) {
		return unmarshal(raw)
	}
	return readObject(raw)
}

// readObject reads an object within what is JSON.
func readObject(raw json.RawMessage) (object, error) {
	if !rawjson.IsObject(raw) {
		return unmarshal(raw)
	}
	o := object{}
	for m := range rawjson.Members(raw) {
		var key string
		if err := json.Unmarshal(m.Key, &key); err != nil {
			return nil, fmt.Errorf("reading a JSON object: %w", err)
		}
		o[key] = m.Value
	}
	return o, nil
}

// unmarshal is for what is no object: null is none, and for the rest it has the error.
func unmarshal(raw json.RawMessage) (object, error) {
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		return nil, fmt.Errorf("reading a JSON object: %w", err)
	}
	return o, nil
}

// reader reads fields and keeps the first error. A missing field reads as null.
type reader struct {
	object object
	err    error
}

func (r *reader) fail(key string, err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("field %s: %w", key, err)
	}
}

func (r *reader) join(other *reader) {
	if r.err == nil {
		r.err = other.err
	}
}

func (r *reader) null(key string) bool {
	raw, ok := r.object[key]
	return !ok || string(raw) == "null"
}

func read[T any](r *reader, key string) T {
	var value T
	if !r.null(key) {
		r.fail(key, json.Unmarshal(r.object[key], &value))
	}
	return value
}

func (r *reader) text(key string) string             { return read[string](r, key) }
func (r *reader) textOrNull(key string) *string      { return read[*string](r, key) }
func (r *reader) boolean(key string) bool            { return read[bool](r, key) }
func (r *reader) number(key string) *int64           { return read[*int64](r, key) }
func (r *reader) texts(key string) []string          { return read[[]string](r, key) }
func (r *reader) table(key string) map[string]string { return read[map[string]string](r, key) }

// enum reads one of values; null reads as "". Another value makes the whole message unreadable.
func (r *reader) enum(key string, values ...string) string {
	value := r.text(key)
	if value != "" && !slices.Contains(values, value) {
		r.fail(key, fmt.Errorf("%q: %w", value, errNotEnum))
	}
	return value
}

func (r *reader) child(key string) *reader {
	if r.null(key) {
		return &reader{}
	}
	o, err := readObject(r.object[key])
	r.fail(key, err)
	return &reader{object: o}
}

// children reads a list of objects; nil means null, an empty list is not nil.
func (r *reader) children(key string) []*reader {
	if r.null(key) {
		return nil
	}
	list := r.object[key]
	out := []*reader{}
	if list[0] != '[' {
		read[[]json.RawMessage](r, key) // for its error
	}
	for raw := range rawjson.Elements(list) {
		o, err := readObject(raw)
		r.fail(key, err)
		out = append(out, &reader{object: o})
	}
	return out
}
