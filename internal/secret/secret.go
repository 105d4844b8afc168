// Package secret keeps credentials and key values out of logs, error texts, messages and JSON: code that formats, logs
// or marshals a [String] gets [Redacted] instead of its text.
package secret

import (
	"context"
	"log/slog"
)

// Redacted is printed instead of a secret.
const Redacted = "[redacted]"

// String is a text that only the code which needs it may see. Its zero value is "no secret". A live one has a [Source]
// behind it, so its text may change; all copies change together.
type String struct {
	value  string
	source Source
}

// Source is where the text of a live secret comes from. It is safe for concurrent use.
type Source interface {
	// Text is the last text that was read. It never waits.
	Text() string
	// Refresh reads the text again. If that fails, or ctx ends first, the last text stays.
	Refresh(ctx context.Context)
}

// New wraps a secret text.
func New(value string) String { return String{value: value} }

// Live gives a secret whose text is a source's. The dynamic type of the source must be comparable, as a pointer is.
func Live(source Source) String { return String{source: source} }

// Reveal gives the text itself. Call it only to send the text to the peer that needs it, and keep no copy.
func (s String) Reveal() string {
	if s.source != nil {
		return s.source.Text()
	}
	return s.value
}

// IsLive reports whether the text may change.
func (s String) IsLive() bool { return s.source != nil }

// Refresh reads the text of a live secret again; others have nothing to read. Call it where a secret begins to be used:
// before a connection is opened, or before keys are fetched.
func (s String) Refresh(ctx context.Context) {
	if s.source != nil {
		s.source.Refresh(ctx)
	}
}

// Behind gives the secret with a text before it. It is live if the secret is.
func (s String) Behind(text string) String {
	if s.IsLive() {
		return Live(behind{text, s})
	}
	return New(text + s.value)
}

type behind struct {
	before string
	String
}

// Text implements [Source].
func (b behind) Text() string { return b.before + b.Reveal() }

// IsZero reports whether there is no secret.
func (s String) IsZero() bool { return s.Reveal() == "" }

// String implements fmt.Stringer, so that %v and %s print no secret.
func (s String) String() string {
	if s.IsZero() {
		return ""
	}
	return Redacted
}

// GoString implements fmt.GoStringer, so that %#v prints no secret.
func (s String) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler, which JSON, YAML and map keys use.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
