package exchange

import (
	"cmp"
	"encoding/json"
)

// Status is a reply's `commandStatus`.
type Status string

// The statuses of a reply.
const (
	StatusPending    Status = "PENDING"
	StatusInProgress Status = "IN_PROGRESS"
	StatusSucceeded  Status = "SUCCEEDED"
	StatusError      Status = "ERROR"
)

// Reply is a controller's answer to HELLO or INGEST.
type Reply struct {
	CommandID    string
	Type         string
	Status       Status
	ErrorDetails string
	// Payload is a part of the frame. It may be missing.
	Payload json.RawMessage
}

// DecodeReply reads a frame of kind REPLY. Its errors are *[FrameError]. A reply with malformed JSON, without a
// commandId or with an unknown status is ignored, so that the command ends at its own deadline.
func DecodeReply(frame Frame) (Reply, error) {
	if frame.Kind != KindReply {
		return Reply{}, &FrameError{CloseProtocolError, "not a reply"}
	}
	var wire struct {
		CommandID    looseID         `json:"commandId"`
		Type         looseID         `json:"type"`
		Status       looseID         `json:"commandStatus"`
		ErrorDetails looseString     `json:"errorDetails"`
		Payload      json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(frame.JSON, &wire); err != nil {
		return Reply{}, &FrameError{Reason: "malformed reply: " + jsonFault(err)}
	}
	reply := Reply{
		CommandID: string(wire.CommandID), Type: cmp.Or(string(wire.Type), frame.Type), Status: Status(wire.Status),
		ErrorDetails: clipped(wire.ErrorDetails), Payload: wire.Payload,
	}
	if reply.CommandID == "" {
		return Reply{}, &FrameError{Reason: "malformed reply: it has no commandId"}
	}
	switch reply.Status {
	case StatusPending, StatusInProgress, StatusSucceeded, StatusError:
		return reply, nil
	}
	return Reply{}, &FrameError{Reason: "malformed reply: its commandStatus is unknown"}
}

// HelloTargetID is the target id that a HELLO reply tells the agent to use from now on, or "" if it tells none.
func (r Reply) HelloTargetID() string {
	var wire struct {
		TargetID looseID `json:"targetId"`
	}
	if r.Type == TypeHello {
		_ = json.Unmarshal(r.Payload, &wire) // an unreadable payload tells none
	}
	return string(wire.TargetID)
}
