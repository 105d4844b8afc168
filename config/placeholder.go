package config

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// maxExpansions and maxExpanded (bytes) stop placeholders that contain each other. A cycle is found by the first
	// limit, a chain in which each doubles the next by the second.
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
		before, rest, found := strings.Cut(text, "${")
		end, colon := scanPlaceholder(rest)
		if !found || end < 0 { // no placeholder: the text stays as it is
			b.WriteString(text)
			return b.String(), nil
		}
		value, err := e.placeholder(rest[:end], colon)
		if err != nil {
			return "", err
		}
		b.WriteString(before)
		b.WriteString(value)
		if b.Len() > maxExpanded {
			return "", errPlaceholderLoop
		}
		text = rest[end+1:]
	}
}

// placeholder gives the value of the text between the braces. colon is the index of the colon before its default, or
// -1.
func (e *expander) placeholder(body string, colon int) (string, error) {
	if e.count++; e.count > maxExpansions {
		return "", errPlaceholderLoop
	}
	// The whole text is tried before it is split at the colon: a name may itself contain one.
	if value, ok := e.lookup(body); ok {
		return e.expand(value)
	}
	name, hasDefault := body, colon >= 0
	if hasDefault {
		name = body[:colon]
	}
	name, err := e.expand(name)
	if err != nil {
		return "", err
	}
	if value, ok := e.lookup(name); ok {
		return e.expand(value)
	}
	if !hasDefault {
		return "", fmt.Errorf("the placeholder %s has no value: set it, or write ${name:default}", show(name))
	}
	return e.expand(body[colon+1:])
}

// scanPlaceholder finds, in the text after a "${", the brace that ends the placeholder and the first colon outside of
// nested placeholders. Each is -1 where there is none.
func scanPlaceholder(text string) (end, colon int) {
	depth, colon := 1, -1
	for i := range len(text) {
		switch {
		case strings.HasPrefix(text[i:], "${"):
			depth++
		case text[i] == '}':
			if depth--; depth == 0 {
				return i, colon
			}
		case text[i] == ':' && depth == 1 && colon < 0:
			colon = i
		}
	}
	return -1, colon
}
