package exchange

import (
	"bytes"
	"fmt"
)

// Kind tells a command from a reply.
type Kind string

// The two kinds of frame.
const (
	KindCommand Kind = "COMMAND"
	KindReply   Kind = "REPLY"
)

// Parts of a frame: `t:KIND;;et:TYPE;;e:JSON`.
const (
	separator     = ";;"
	kindPrefix    = "t:"
	typePrefix    = "et:"
	contentPrefix = "e:"
)

// Frame is one binary message, divided into its parts. JSON is a part of the message, not a copy.
type Frame struct {
	Kind Kind
	// Type is the frame's `et:`. The type within the JSON has precedence, as in Gravitee's own connector.
	Type string
	JSON []byte
}

// FrameError says why a message could not be read, and how the protocol answers it.
type FrameError struct {
	// CloseCode is the websocket close code to send, or 0 where the protocol says that the message is ignored.
	CloseCode int
	// Reason may stand in a log and in a close frame. It quotes nothing of the message, which may hold a key.
	Reason string
}

// Error implements error.
func (e *FrameError) Error() string {
	if e.Silent() {
		return e.Reason
	}
	return fmt.Sprintf("%s (close code %d)", e.Reason, e.CloseCode)
}

// Silent reports whether the message is ignored and the session continues.
func (e *FrameError) Silent() bool { return e.CloseCode == 0 }

// ReadFrame divides a binary message by its prefixes. Everything after the first `e:` is the JSON, `;;` included.
// ReadFrame does not read the JSON. Its errors are *[FrameError]:
//
//	message                      | close code
//	empty                        | none: it is ignored
//	neither COMMAND nor REPLY    | 1002
//	COMMAND without `e:`         | 1002
//	REPLY without `e:`           | 1011
func ReadFrame(message []byte) (Frame, error) {
	frame, hasContent := split(message)
	switch {
	case len(message) == 0:
		return Frame{}, &FrameError{Reason: "empty message"}
	case frame.Kind != KindCommand && frame.Kind != KindReply:
		return Frame{}, &FrameError{CloseProtocolError, "message is neither a command nor a reply"}
	case !hasContent && frame.Kind == KindCommand:
		return Frame{}, &FrameError{CloseProtocolError, "command without content"}
	case !hasContent:
		return Frame{}, &FrameError{CloseInternalError, "reply without content"}
	}
	return frame, nil
}

// maxHeader is much more than any `t:` and `et:` need. It limits the search in a message of megabytes without an `e:`.
const maxHeader = 4096

func split(message []byte) (frame Frame, hasContent bool) {
	rest := message
	for len(message)-len(rest) < maxHeader {
		if content, found := bytes.CutPrefix(rest, []byte(contentPrefix)); found {
			frame.JSON = bytes.TrimSpace(content)
			return frame, true
		}
		part, _, more := bytes.Cut(rest[:min(len(rest), maxHeader)], []byte(separator))
		if kind, found := bytes.CutPrefix(part, []byte(kindPrefix)); found {
			frame.Kind = Kind(bytes.TrimSpace(kind))
		} else if typ, found := bytes.CutPrefix(part, []byte(typePrefix)); found {
			frame.Type = string(bytes.TrimSpace(typ))
		}
		if !more {
			break
		}
		rest = rest[len(part)+len(separator):]
	}
	return frame, false
}
