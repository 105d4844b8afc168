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

// Frame is one binary message taken apart. JSON is a part of the message it was read from, not a copy.
type Frame struct {
	Kind Kind
	// Type is the frame's `et:`. What rules is the type within the JSON, as it does for Gravitee's own connector.
	Type string
	JSON []byte
}

// FrameError says why a message could not be read, and what the protocol answers.
type FrameError struct {
	// CloseCode is the websocket close code to send, or 0 where the protocol says to ignore the message in silence.
	CloseCode int
	// Reason is fit for a log and for a close frame; it quotes nothing of the message, which may hold a key.
	Reason string
}

// Error implements error.
func (e *FrameError) Error() string {
	if e.Silent() {
		return e.Reason
	}
	return fmt.Sprintf("%s (close code %d)", e.Reason, e.CloseCode)
}

// Silent reports whether the message is to be ignored and the session to go on.
func (e *FrameError) Silent() bool { return e.CloseCode == 0 }

// ReadFrame takes a binary message apart by its prefixes; everything after the first `e:` is the JSON, whatever it holds, `;;`
// included. It does not look into the JSON. Its errors are *[FrameError]:
// an empty message is ignored in silence; one that is neither COMMAND nor REPLY, and a COMMAND without `e:`, close with 1002;
// a REPLY without `e:` closes with 1011.
func ReadFrame(message []byte) (Frame, error) {
	if len(message) == 0 {
		return Frame{}, &FrameError{Reason: "empty message"}
	}
	kind, typ, content, hasContent := split(message)
	frame := Frame{Kind: Kind(kind), Type: string(typ), JSON: content}
	switch frame.Kind {
	case KindCommand:
		if !hasContent {
			return Frame{}, &FrameError{CloseCode: CloseProtocolError, Reason: "command without content"}
		}
	case KindReply:
		if !hasContent {
			return Frame{}, &FrameError{CloseCode: CloseInternalError, Reason: "reply without content"}
		}
	default:
		return Frame{}, &FrameError{CloseCode: CloseProtocolError, Reason: "message is neither a command nor a reply"}
	}
	return frame, nil
}

// PeekFrame tells kind and type from the prefixes alone, in time that does not depend on the JSON's size. It is not ok for
// what [ReadFrame] refuses because of its kind.
func PeekFrame(message []byte) (kind Kind, typ string, ok bool) {
	k, t, _, _ := split(message)
	kind = Kind(k)
	return kind, string(t), kind == KindCommand || kind == KindReply
}

// maxHeader is far more than any `t:` and `et:` need. It keeps a frame of megabytes without an `e:` from being searched whole.
const maxHeader = 4096

func split(message []byte) (kind, typ, content []byte, hasContent bool) {
	rest, scanned := message, 0
	for scanned < maxHeader {
		if after, found := bytes.CutPrefix(rest, []byte(contentPrefix)); found {
			return kind, typ, bytes.TrimSpace(after), true
		}
		part, _, more := bytes.Cut(rest[:min(len(rest), maxHeader)], []byte(separator))
		if value, found := bytes.CutPrefix(part, []byte(kindPrefix)); found {
			kind = bytes.TrimSpace(value)
		} else if value, found := bytes.CutPrefix(part, []byte(typePrefix)); found {
			typ = bytes.TrimSpace(value)
		}
		if !more {
			break
		}
		step := len(part) + len(separator)
		rest, scanned = rest[step:], scanned+step
	}
	return kind, typ, nil, false
}

// appendFrameHeader appends all of a frame but its JSON.
func appendFrameHeader(dst []byte, kind Kind, typ string) []byte {
	dst = append(dst, kindPrefix...)
	dst = append(dst, kind...)
	dst = append(dst, separator...)
	dst = append(dst, typePrefix...)
	dst = append(dst, typ...)
	dst = append(dst, separator...)
	return append(dst, contentPrefix...)
}
