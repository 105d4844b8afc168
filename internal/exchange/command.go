package exchange

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Command is a command that a controller sends to an agent.
type Command struct {
	ID string
	// Type is the command's type in the frame. Its reply has the same type.
	Type string
	// Payload is one of the types below.
	Payload any
}

// Commands of every dialect.
type (
	// Primary tells whether this connector is the only primary of its integration. A new connection is not the primary
	// until this command says so.
	Primary struct{ Primary bool }
	// HealthCheck comes every 30 s. The session ends after 60 s without an answer.
	HealthCheck struct{}
	// GoodBye announces that the controller leaves. It gets no reply. Reconnect asks the agent to close with 1013 and to
	// connect again. Without it, the agent closes with 1000 and stays disconnected.
	GoodBye struct{ Reconnect bool }
	// Subscribe asks for access to an API. Everything but SubscriptionID may be missing.
	Subscribe struct {
		APIID string
		// SubscriptionID is graviteeSubscriptionId.
		SubscriptionID  string
		ApplicationID   string
		ApplicationName string
		// Type is the subscription's type as the controller sent it: API_KEY, OAUTH, JWT, or one that is not known yet.
		Type string
		// Metadata are the subscription's, with APIM's values as strings: numbers and booleans as their text, objects and
		// lists as their JSON. Nulls are left out.
		Metadata map[string]string
	}
	// Unsubscribe removes the access. Of the subscription, only id and metadata are filled.
	Unsubscribe Subscribe
)

// Commands of APIM 4.5 and later.
type (
	// Discover asks for a preview.
	Discover struct{}
	// StartIngest asks for the APIs with these ids, or for all APIs when there are no ids.
	StartIngest struct {
		JobID  string
		APIIDs []string
	}
)

// Commands of APIM 4.4.
type (
	// List asks for a preview.
	List struct{}
	// Fetch asks for all APIs, with their documents, in its reply.
	Fetch struct{}
)

// Commands that an agent does not handle.
type (
	// Unhandled is a command of a type that the protocol has, but not for agents. [AppendNoReply] answers it.
	Unhandled struct{}
	// Unknown is a command of a type that the protocol does not have. [AppendUnknownReply] answers it.
	Unknown struct{}
)

// PayloadError says that a command's envelope was read, but not its payload. The command can be answered with ERROR.
type PayloadError struct {
	CommandType string
	// Reason names the field and its fault. It quotes nothing of the content.
	Reason string
}

// Error implements error.
func (e *PayloadError) Error() string {
	return fmt.Sprintf("reading the payload of %s: %s", e.CommandType, e.Reason)
}

// DecodeCommand reads a frame of kind COMMAND. Unknown fields are ignored. Null and missing are the same.
//
// A *[FrameError] means that the command is not answered (malformed JSON, no id, an id of more than a KiB anywhere). It
// is silent, as Gravitee's own connector is. A *[PayloadError] comes with id and type, and the command must be answered
// with ERROR. GOOD_BYE and PRIMARY never fail in that way, because to lose one does more harm than a field with its
// default value.
func DecodeCommand(frame Frame) (command Command, err error) {
	if frame.Kind != KindCommand {
		return Command{}, &FrameError{CloseProtocolError, "not a command"}
	}
	var envelope struct {
		ID      looseID         `json:"id"`
		Type    looseID         `json:"type"`
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(frame.JSON, &envelope); err != nil {
		return Command{}, &FrameError{Reason: "malformed command: " + jsonFault(err)}
	}
	if envelope.ID == "" {
		return Command{}, &FrameError{Reason: "malformed command: it has no id, so it cannot be answered"}
	}
	command = Command{ID: string(envelope.ID), Type: cmp.Or(string(envelope.Type), frame.Type)}
	command.Payload, err = decodePayload(command.Type, envelope.Payload)
	return command, err
}

func decodePayload(typ string, payload json.RawMessage) (any, error) {
	switch typ {
	case TypeHealthCheck:
		return HealthCheck{}, nil
	case TypeDiscover:
		return Discover{}, nil
	case TypeList:
		return List{}, nil
	case TypeFetch:
		return Fetch{}, nil
	case TypePrimary:
		return Primary{flag(payload, "primary")}, nil
	case TypeGoodBye:
		return GoodBye{flag(payload, "reconnect")}, nil
	case TypeStartIngest:
		return decodeStartIngest(payload)
	case TypeSubscribe:
		return decodeSubscribe(typ, payload)
	case TypeUnsubscribe:
		command, err := decodeSubscribe(typ, payload)
		return Unsubscribe(command), err
	case TypeHello, TypeIngest:
		return Unhandled{}, nil
	}
	return Unknown{}, nil
}

// flag is a boolean of a payload. It is false in an unreadable one: that is right for PRIMARY, and after a GOOD_BYE the
// controller leaves in any case.
func flag(payload json.RawMessage, name string) bool {
	var fields map[string]looseBool
	_ = json.Unmarshal(payload, &fields)
	return bool(fields[name])
}

func decodeStartIngest(payload json.RawMessage) (StartIngest, error) {
	var wire struct {
		JobID  looseID   `json:"ingestJobId"`
		APIIDs []looseID `json:"apiIds"`
	}
	if err := unmarshalPayload(TypeStartIngest, payload, &wire); err != nil {
		return StartIngest{}, err
	}
	if wire.JobID == "" {
		return StartIngest{}, &PayloadError{TypeStartIngest, "ingestJobId is missing"}
	}
	if slices.Contains(wire.APIIDs, "") {
		// Without it the list may be empty, which asks for all APIs.
		return StartIngest{}, &PayloadError{TypeStartIngest, "apiIds holds an empty id"}
	}
	command := StartIngest{JobID: string(wire.JobID)}
	for _, id := range wire.APIIDs {
		command.APIIDs = append(command.APIIDs, string(id))
	}
	return command, nil
}

// decodeSubscribe reads the payload of SUBSCRIBE and of UNSUBSCRIBE.
func decodeSubscribe(typ string, payload json.RawMessage) (Subscribe, error) {
	var wire struct {
		APIID        looseID `json:"apiId"`
		Subscription struct {
			ID              looseID        `json:"graviteeSubscriptionId"`
			ApplicationID   looseID        `json:"graviteeApplicationId"`
			ApplicationName looseString    `json:"graviteeApplicationName"`
			Type            looseID        `json:"type"`
			Metadata        looseStringMap `json:"metadata"`
		} `json:"subscription"`
	}
	if err := unmarshalPayload(typ, payload, &wire); err != nil {
		return Subscribe{}, err
	}
	if wire.Subscription.ID == "" {
		return Subscribe{}, &PayloadError{typ, "subscription.graviteeSubscriptionId is missing"}
	}
	return Subscribe{
		APIID:           string(wire.APIID),
		SubscriptionID:  string(wire.Subscription.ID),
		ApplicationID:   string(wire.Subscription.ApplicationID),
		ApplicationName: clipped(wire.Subscription.ApplicationName),
		Type:            string(wire.Subscription.Type),
		Metadata:        wire.Subscription.Metadata,
	}, nil
}

func unmarshalPayload(typ string, payload json.RawMessage, into any) error {
	if len(payload) == 0 {
		return nil
	}
	err := json.Unmarshal(payload, into)
	if errors.Is(err, errLongID) {
		return &FrameError{Reason: "malformed command: " + jsonFault(err)}
	}
	if err != nil {
		return &PayloadError{CommandType: typ, Reason: jsonFault(err)}
	}
	return nil
}
