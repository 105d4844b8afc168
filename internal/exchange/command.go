package exchange

import (
	"encoding/json"
	"fmt"
)

// ControllerCommand is a command that a controller sends to an agent: one of the types below, and no other.
type ControllerCommand interface {
	// Type is the command's type on the wire, which its reply bears as well.
	Type() string
	controllerCommand()
}

// Commands of every dialect.
type (
	// Primary tells whether this connector is the one primary of its integration. False at each new connection until told.
	Primary struct{ Primary bool }
	// HealthCheck comes every 30 s; 60 s without an answer end the session.
	HealthCheck struct{}
	// GoodBye announces that the controller is leaving. It gets no reply: Reconnect asks to close with 1013 and come back,
	// otherwise to close with 1000 and stay away.
	GoodBye struct {
		TargetID  string
		Reconnect bool
	}
	// Subscribe asks for access to an API.
	Subscribe struct {
		APIID        string
		Subscription Subscription
	}
	// Unsubscribe takes it away. Only the subscription's id and metadata are filled.
	Unsubscribe struct {
		APIID        string
		Subscription Subscription
	}
)

// Commands of APIM 4.5 and later.
type (
	// Discover asks for a preview.
	Discover struct{}
	// StartIngest asks for the APIs of these ids, or all when there are none.
	StartIngest struct {
		JobID  string
		APIIDs []string
	}
)

// Commands of APIM 4.4.
type (
	// List asks for a preview.
	List struct{}
	// Fetch asks for all APIs, whole, in its reply.
	Fetch struct{}
)

// Commands that an agent cannot serve.
type (
	// Unhandled is a command of a type that the protocol has but that is not for agents: answered by [AppendNoReply].
	Unhandled struct{ CommandType string }
	// Unknown is a command of a type that the protocol does not have: answered by [AppendUnknownReply].
	Unknown struct{ CommandType string }
)

// Subscription is what SUBSCRIBE and UNSUBSCRIBE tell of a subscription. All but ID may be missing.
type Subscription struct {
	// ID is graviteeSubscriptionId.
	ID              string
	ApplicationID   string
	ApplicationName string
	Type            SubscriptionType
	// Metadata hold what APIM sent as strings; numbers and booleans as their text, objects and lists as their JSON; nulls not at all.
	Metadata map[string]string
}

// MetadataPlanID is the metadata key under which APIM gives, at SUBSCRIBE, the plan's id as the agent sent it.
const MetadataPlanID = "planId"

// Type implements [ControllerCommand].
func (Primary) Type() string { return TypePrimary }

// Type implements [ControllerCommand].
func (HealthCheck) Type() string { return TypeHealthCheck }

// Type implements [ControllerCommand].
func (GoodBye) Type() string { return TypeGoodBye }

// Type implements [ControllerCommand].
func (Discover) Type() string { return TypeDiscover }

// Type implements [ControllerCommand].
func (StartIngest) Type() string { return TypeStartIngest }

// Type implements [ControllerCommand].
func (List) Type() string { return TypeList }

// Type implements [ControllerCommand].
func (Fetch) Type() string { return TypeFetch }

// Type implements [ControllerCommand].
func (Subscribe) Type() string { return TypeSubscribe }

// Type implements [ControllerCommand].
func (Unsubscribe) Type() string { return TypeUnsubscribe }

// Type implements [ControllerCommand].
func (u Unhandled) Type() string { return u.CommandType }

// Type implements [ControllerCommand].
func (u Unknown) Type() string { return u.CommandType }

func (Primary) controllerCommand()     {}
func (HealthCheck) controllerCommand() {}
func (GoodBye) controllerCommand()     {}
func (Discover) controllerCommand()    {}
func (StartIngest) controllerCommand() {}
func (List) controllerCommand()        {}
func (Fetch) controllerCommand()       {}
func (Subscribe) controllerCommand()   {}
func (Unsubscribe) controllerCommand() {}
func (Unhandled) controllerCommand()   {}
func (Unknown) controllerCommand()     {}

// PayloadError says that a command's envelope was read but its payload was not. Its command can be answered ERROR.
type PayloadError struct {
	CommandType string
	// Reason names the field and what is wrong with it, and quotes none of its content.
	Reason string
}

// Error implements error.
func (e *PayloadError) Error() string {
	return fmt.Sprintf("reading the payload of %s: %s", e.CommandType, e.Reason)
}

// DecodeCommand reads a frame of kind COMMAND. Unknown fields are ignored; null and missing are the same.
//
// A *[FrameError] says that there is nobody to answer (malformed JSON, no id): it is silent, as Gravitee's own connector is. A
// *[PayloadError] comes with the id, and is to be answered ERROR; a GOOD_BYE or PRIMARY never fails that way, since a lost one
// does more harm than a defaulted field.
func DecodeCommand(frame Frame) (id string, command ControllerCommand, err error) {
	if frame.Kind != KindCommand {
		return "", nil, &FrameError{CloseCode: CloseProtocolError, Reason: "not a command"}
	}
	var envelope struct {
		ID      looseString     `json:"id"`
		Type    looseString     `json:"type"`
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(frame.JSON, &envelope); err != nil {
		return "", nil, &FrameError{Reason: "malformed command: " + jsonFault(err)}
	}
	if envelope.ID == "" {
		return "", nil, &FrameError{Reason: "malformed command: it has no id, so no reply could be told from another"}
	}
	typ := string(envelope.Type)
	if typ == "" {
		typ = frame.Type
	}
	command, err = decodePayload(typ, envelope.Payload)
	return string(envelope.ID), command, err
}

func decodePayload(typ string, payload json.RawMessage) (ControllerCommand, error) {
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
		var wire struct {
			Primary looseBool `json:"primary"`
		}
		_ = unmarshalPayload(typ, payload, &wire) // false is what counts until told
		return Primary{Primary: bool(wire.Primary)}, nil
	case TypeGoodBye:
		var wire struct {
			TargetID  looseString `json:"targetId"`
			Reconnect looseBool   `json:"reconnect"`
		}
		_ = unmarshalPayload(typ, payload, &wire) // it leaves in any case
		return GoodBye{TargetID: string(wire.TargetID), Reconnect: bool(wire.Reconnect)}, nil
	case TypeStartIngest:
		return decodeStartIngest(payload)
	case TypeSubscribe:
		apiID, subscription, err := decodeSubscription(typ, payload)
		return Subscribe{APIID: apiID, Subscription: subscription}, err
	case TypeUnsubscribe:
		apiID, subscription, err := decodeSubscription(typ, payload)
		return Unsubscribe{APIID: apiID, Subscription: subscription}, err
	case TypeHello, TypeIngest:
		return Unhandled{CommandType: typ}, nil
	}
	return Unknown{CommandType: typ}, nil
}

func decodeStartIngest(payload json.RawMessage) (ControllerCommand, error) {
	var wire struct {
		JobID  looseString   `json:"ingestJobId"`
		APIIDs []looseString `json:"apiIds"`
	}
	if err := unmarshalPayload(TypeStartIngest, payload, &wire); err != nil {
		return StartIngest{}, err
	}
	if wire.JobID == "" {
		return StartIngest{}, &PayloadError{TypeStartIngest, "ingestJobId is missing"}
	}
	command := StartIngest{JobID: string(wire.JobID)}
	for _, id := range wire.APIIDs {
		if id == "" {
			// Dropping it could turn "this one" into "all", which is what an empty list means.
			return StartIngest{}, &PayloadError{TypeStartIngest, "apiIds holds an empty id"}
		}
		command.APIIDs = append(command.APIIDs, string(id))
	}
	return command, nil
}

func decodeSubscription(typ string, payload json.RawMessage) (apiID string, s Subscription, err error) {
	var wire struct {
		APIID        looseString `json:"apiId"`
		Subscription struct {
			ID              looseString    `json:"graviteeSubscriptionId"`
			ApplicationID   looseString    `json:"graviteeApplicationId"`
			ApplicationName looseString    `json:"graviteeApplicationName"`
			Type            looseString    `json:"type"`
			Metadata        looseStringMap `json:"metadata"`
		} `json:"subscription"`
	}
	if err := unmarshalPayload(typ, payload, &wire); err != nil {
		return "", Subscription{}, err
	}
	if wire.Subscription.ID == "" {
		return "", Subscription{}, &PayloadError{typ, "subscription.graviteeSubscriptionId is missing"}
	}
	return string(wire.APIID), Subscription{
		ID:              string(wire.Subscription.ID),
		ApplicationID:   string(wire.Subscription.ApplicationID),
		ApplicationName: string(wire.Subscription.ApplicationName),
		Type:            SubscriptionType(wire.Subscription.Type),
		Metadata:        wire.Subscription.Metadata,
	}, nil
}

func unmarshalPayload(typ string, payload json.RawMessage, into any) error {
	if len(payload) == 0 {
		return nil
	}
	if err := json.Unmarshal(payload, into); err != nil {
		return &PayloadError{CommandType: typ, Reason: jsonFault(err)}
	}
	return nil
}
