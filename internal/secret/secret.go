// Package secret keeps credentials and key values out of logs, error texts, messages and JSON: code that formats, logs
// or marshals a [String] gets [Redacted] instead of its text.
package secret

import "log/slog"

// Redacted is printed instead of a secret.
const Redacted = "[redacted]"

// String is a text that only the code which needs it may see. Its zero value is "no secret".
type String struct{ value string }

// New wraps a secret text.
func New(value string) String { return String{value: value} }

// Reveal gives the text itself. Call it only to send the text to the peer that needs it.
func (s String) Reveal() string { return s.value }

// IsZero reports whether there is no secret.
func (s String) IsZero() bool { return s.value == "" }

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
