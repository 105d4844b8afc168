package controller

import (
	"context"
	"encoding/json"
)

// Direction is the first part of a frame: whether it carries a command or a reply.
type Direction string

// The two directions of the protocol.
const (
	DirectionCommand Direction = "COMMAND"
	DirectionReply   Direction = "REPLY"
)

// Understood is what the version's own reader made of a frame.
type Understood struct {
	// Direction is UNKNOWN where the frame has no readable t: part.
	Direction Direction `json:"direction"`
	// Type is the et: part.
	Type string `json:"type"`
	// Class is the Java class that was made, such as "UnknownCommand". Empty where the frame has no e: part.
	Class string `json:"class"`
	// Exchange is that object written out again by the version's own writer.
	Exchange json.RawMessage `json:"exchange"`
}

// WriteFrame makes the version's own objects of a command's or reply's JSON and returns the frame that its own
// writer makes of them. A type that the version does not have is a [NotInDialectError].
func (p *Process) WriteFrame(ctx context.Context, direction Direction, exchange json.RawMessage) ([]byte, error) {
	var result struct {
		Frame []byte `json:"frame"`
	}
	err := p.call(ctx, map[string]any{"op": "write", "direction": direction, "exchange": exchange}, &result)
	return result.Frame, err
}

// ReadFrame gives a frame to the version's own reader. An error means that it threw: on a socket it would have closed
// the connection or gone silent.
func (p *Process) ReadFrame(ctx context.Context, frame []byte) (Understood, error) {
	var understood Understood
	err := p.call(ctx, map[string]any{"op": "read", "frame": frame}, &understood)
	return understood, err
}
