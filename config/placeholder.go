package config

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// maxExpansions and maxExpanded stop placeholders that contain each other. A cycle is found by the
	// first limit, a doubling chain by the second.
	maxExpansions = 1000
	maxExpanded   = 64 << 10
)

var errPlaceholderLoop = errors.New("its ${…} placeholders contain each other or grow without end")

// expander replaces ${name} and ${name:default}.
type expander struct {
	lookup func(name string) (string, bool)
	count  int
}

// expand replaces every placeholder of text; values found are expanded in turn. A name without value and
// default is an error: the vendor's agent does not start then either.
func (e *expander) expand(text string) (string, error) {
	var b strings.Builder
	for {
		start := strings.Index(text, "${")
		if start < 0 {
			b.WriteString(text)
			break
		}
		end := closing(text, start+2)
		if end < 0 {
			b.WriteString(text) // no placeholder: the text stays as it is
			break
		}
		value, err := e.placeholder(text[start+2 : end])
		if err != nil {
			return "", err
		}
		b.WriteString(text[:start])
		b.WriteString(value)
		if b.Len() > maxExpanded {
			return "", errPlaceholderLoop
		}
		text = text[end+1:]
	}
	return b.String(), nil
}

func (e *expander) placeholder(body string) (string, error) {
	if e.count++; e.count > maxExpansions {
		return "", errPlaceholderLoop
	}
	// The whole is tried before it is split at the colon: a name may itself have one.
	if value, ok := e.lookup(body); ok {
		return e.expand(value)
	}
	name, fallback, hasDefault := cutDefault(body)
	name, err := e.expand(name)
	if err != nil {
		return "", err
	}
	if value, ok := e.lookup(name); ok {
		return e.expand(value)
	}
	if !hasDefault {
		return "", unresolved{name: name}
	}
	return e.expand(fallback)
}

// unresolved names a placeholder that stands for nothing.
type unresolved struct{ name string }

func (u unresolved) Error() string {
	return fmt.Sprintf("the placeholder %s stands for nothing: set it, or write ${name:default}", show(u.name))
}

// closing finds the brace that ends the placeholder whose body begins at start.
func closing(text string, start int) int {
	depth := 1
	for i := start; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "${"):
			depth++
		case text[i] == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// cutDefault splits name:default at the first colon outside of a nested placeholder.
func cutDefault(body string) (name, fallback string, found bool) {
	depth := 0
	for i := 0; i < len(body); i++ {
		switch {
		case strings.HasPrefix(body[i:], "${"):
			depth++
		case body[i] == '}' && depth > 0:
			depth--
		case body[i] == ':' && depth == 0:
			return body[:i], body[i+1:], true
		}
	}
	return body, "", false
}
