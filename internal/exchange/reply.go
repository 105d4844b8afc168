package exchange

import "encoding/json"

// Reply is a controller's answer to HELLO or INGEST.
type Reply struct {
	CommandID    string
	Type         string
	Status       Status
	ErrorDetails string
	// Payload is a part of the frame that it was read from; it may be missing.
	Payload json.RawMessage
}

// DecodeReply reads a frame of kind REPLY. Its errors are *[FrameError]; malformed JSON, a missing commandId and an unknown status
// are ignored in silence, so that the command runs into its own deadline.
func DecodeReply(frame Frame) (Reply, error) {
	if frame.Kind != KindReply {
		return Reply{}, &FrameError{CloseCode: CloseProtocolError, Reason: "not a reply"}
	}
	var wire struct {
		CommandID    looseString     `json:"commandId"`
		Type         looseString     `json:"type"`
		Status       looseString     `json:"commandStatus"`
		ErrorDetails looseString     `json:"errorDetails"`
		Payload      json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(frame.JSON, &wire); err != nil {
		return Reply{}, &FrameError{Reason: "malformed reply: " + jsonFault(err)}
	}
	reply := Reply{
		CommandID: string(wire.CommandID), Type: string(wire.Type), Status: Status(wire.Status),
		ErrorDetails: string(wire.ErrorDetails), Payload: wire.Payload,
	}
	if reply.Type == "" {
		reply.Type = frame.Type
	}
	if reply.CommandID == "" {
		return Reply{}, &FrameError{Reason: "malformed reply: it has no commandId"}
	}
	if !reply.Status.Known() {
		return Reply{}, &FrameError{Reason: "malformed reply: its commandStatus is unknown"}
	}
	return reply, nil
}

// HelloTargetID is the target id that a HELLO reply says is the one to use from then on, or "" where it says none.
func (r Reply) HelloTargetID() string {
	var wire struct {
		TargetID looseString `json:"targetId"`
	}
	if r.Type != TypeHello || len(r.Payload) == 0 || json.Unmarshal(r.Payload, &wire) != nil {
		return ""
	}
	return string(wire.TargetID)
}
