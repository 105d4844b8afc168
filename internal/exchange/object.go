package exchange

import (
	"maps"
	"slices"
	"strconv"
)

// object writes the fields of a JSON object one after the other, and those of the objects that stand in it.
type object struct {
	dst  []byte
	open int // objects that are not closed yet
}

func newObject(dst []byte) object { return object{dst: append(dst, '{'), open: 1} }

// end closes all objects that are open.
func (o object) end() []byte {
	for range o.open {
		o.dst = append(o.dst, '}')
	}
	return o.dst
}

func (o *object) key(name string) {
	if o.dst[len(o.dst)-1] != '{' {
		o.dst = append(o.dst, ',')
	}
	o.dst = append(appendString(o.dst, name), ':')
}

// begin opens an object as a field. The fields after it are that object's, until close.
func (o *object) begin(name string) {
	o.key(name)
	o.dst = append(o.dst, '{')
	o.open++
}

func (o *object) close() {
	o.dst = append(o.dst, '}')
	o.open--
}

func (o *object) field(name, value string) {
	o.key(name)
	o.dst = appendString(o.dst, value)
}

func (o *object) optional(name, value string) {
	if value != "" {
		o.field(name, value)
	}
}

func (o *object) boolean(name string, value bool) {
	o.key(name)
	o.dst = strconv.AppendBool(o.dst, value)
}

// stringMap writes the keys in order, so that equal maps give equal bytes.
func (o *object) stringMap(name string, values map[string]string) {
	o.begin(name)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		o.field(key, values[key])
	}
	o.close()
}

func list[T any](o *object, name string, elements []T, appendElement func([]byte, T) []byte) {
	o.key(name)
	o.dst = append(o.dst, '[')
	for i, element := range elements {
		if i > 0 {
			o.dst = append(o.dst, ',')
		}
		o.dst = appendElement(o.dst, element)
	}
	o.dst = append(o.dst, ']')
}

// Parts are one message in pieces that follow one another. The elements of a list are pieces of their own, so that a
// batch of documents is not copied to become one piece with its frame.
type Parts [][]byte

// withAPIs ends the frame with the list of the encoded APIs and, after it, the fields that rest writes.
func (o *object) withAPIs(apis [][]byte, rest func(*object)) Parts {
	o.key("apis")
	tail := object{dst: []byte("]"), open: o.open}
	rest(&tail)
	parts := make(Parts, 0, 2*len(apis)+1)
	parts = append(parts, append(o.dst, '['))
	for i, api := range apis {
		if i > 0 {
			parts = append(parts, []byte(","))
		}
		parts = append(parts, api)
	}
	return append(parts, tail.end())
}
