package apimsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Kinds of frames of protocol v1.
const (
	kindCommand = "COMMAND"
	kindReply   = "REPLY"
)

// Types on the wire.
const (
	typeHello       = "HELLO"
	typeGoodBye     = "GOOD_BYE"
	typeHealthCheck = "HEALTH_CHECK"
	typePrimary     = "PRIMARY"
	typeNoReply     = "NO_REPLY"
	typeUnknown     = "UNKNOWN"
	typeDiscover    = "DISCOVER"
	typeStartIngest = "START_INGEST"
	typeIngest      = "INGEST"
	typeSubscribe   = "SUBSCRIBE"
	typeUnsubscribe = "UNSUBSCRIBE"
	typeList        = "LIST"  // APIM 4.4
	typeFetch       = "FETCH" // APIM 4.4
)

// Statuses of a reply.
const (
	StatusPending    = "PENDING"
	StatusInProgress = "IN_PROGRESS"
	StatusSucceeded  = "SUCCEEDED"
	StatusError      = "ERROR"
)

// outCommand has Jackson's field order; nil is left out.
type outCommand struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Payload any    `json:"payload,omitempty"`
}

// outReply has Jackson's field order; empty texts are null there and left out.
type outReply struct {
	CommandID     string `json:"commandId"`
	Type          string `json:"type"`
	CommandStatus string `json:"commandStatus"`
	ErrorDetails  string `json:"errorDetails,omitempty"`
	Payload       any    `json:"payload,omitempty"`
}

type empty struct{}

type helloReplyPayload struct {
	TargetID string `json:"targetId"`
}

type goodByePayload struct {
	TargetID  string `json:"targetId,omitempty"`
	Reconnect bool   `json:"reconnect"`
}

type primaryPayload struct {
	Primary bool `json:"primary"`
}

type startIngestPayload struct {
	IngestJobID string   `json:"ingestJobId"`
	APIIDs      []string `json:"apiIds"`
}

type fetchPayload struct {
	APIs []string `json:"apis"`
}

type subscriptionPayload struct {
	APIID        string          `json:"apiId"`
	Subscription outSubscription `json:"subscription"`
}

type outSubscription struct {
	ID              string            `json:"graviteeSubscriptionId"`
	ApplicationID   string            `json:"graviteeApplicationId,omitempty"`
	ApplicationName string            `json:"graviteeApplicationName,omitempty"`
	Type            string            `json:"type,omitempty"`
	Metadata        map[string]string `json:"metadata"`
}

// encodeFrame writes one v1 message. ";" stays as it is inside JSON, as Jackson leaves it.
func encodeFrame(kind, exchangeType string, exchange any) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "t:%s;;et:%s;;e:", kind, exchangeType)
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(exchange); err != nil {
		return nil, fmt.Errorf("encoding %s %s: %w", kind, exchangeType, err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// rawFrame is a received message taken apart but not yet read.
type rawFrame struct {
	kind         string // "" when missing or neither COMMAND nor REPLY
	exchangeType string
	exchange     string
	hasExchange  bool
}

const separator = ";;"

// splitFrame takes a message apart as exchange up to 2.0.1 does: the whole of it is split at ";;" and
// each piece is looked at by its prefix, so that a ";;" inside the JSON cuts it off there, and a
// piece of a document that happens to begin with "e:" takes the JSON's place.
func splitFrame(message string) rawFrame {
	var f rawFrame
	for piece := range strings.SplitSeq(message, separator) {
		f.take(piece)
	}
	return f
}

// wholeFrame takes a message apart by its prefixes; everything after "e:" is the JSON.
func wholeFrame(message string) rawFrame {
	var f rawFrame
	for rest, more := message, true; more; {
		if strings.HasPrefix(rest, "e:") {
			f.take(rest)
			break
		}
		var piece string
		piece, rest, more = strings.Cut(rest, separator)
		f.take(piece)
	}
	return f
}

func (f *rawFrame) take(piece string) {
	if value, ok := strings.CutPrefix(piece, "et:"); ok {
		f.exchangeType = strings.TrimSpace(value)
	} else if value, ok := strings.CutPrefix(piece, "t:"); ok {
		f.kind = strings.TrimSpace(value)
		if f.kind != kindCommand && f.kind != kindReply {
			f.kind = ""
		}
	} else if value, ok := strings.CutPrefix(piece, "e:"); ok {
		f.exchange, f.hasExchange = strings.TrimSpace(value), true
	}
}

// inCommand is a command from an agent. ingest is set for INGEST alone, hello for HELLO.
type inCommand struct {
	id, kind string
	text     string // the whole of it, as it was read
	hello    helloPayload
	ingest   ingestPayload
}

type helloPayload struct{ targetID, provider string }

// Reply is an agent's answer to a command.
type Reply struct {
	CommandID    string
	Type         string
	Status       string
	ErrorDetails string
	Payload      json.RawMessage // nil when it was left out
}

// String leaves the payload out: it may hold a key.
func (r Reply) String() string {
	return fmt.Sprintf("reply %s to %s: %s %s", r.Type, r.CommandID, r.Status, r.ErrorDetails)
}

// GoString leaves the payload out, too.
func (r Reply) GoString() string { return r.String() }

var errNotEnum = errors.New("value is not of the enumeration")

// readCommand reads a command as Jackson does: a type that this version does not know becomes
// UNKNOWN, anything that does not fit its class is an error.
func readCommand(text string, known map[string]bool) (inCommand, error) {
	o, err := readMessage(text)
	if err != nil {
		return inCommand{}, err
	}
	r := reader{object: o}
	c := inCommand{id: r.text("id"), kind: r.text("type"), text: text}
	if !known[c.kind] {
		c.kind = typeUnknown
		return c, r.err
	}
	switch c.kind {
	case typeHello:
		p := r.child("payload")
		c.hello = helloPayload{targetID: p.text("targetId"), provider: p.text("provider")}
		r.join(p)
	case typeIngest:
		p := r.child("payload")
		c.ingest = readIngest(p)
		r.join(p)
	}
	return c, r.err
}

// readReply reads a reply, its payload included: one that cannot be read is lost whole.
func readReply(text string) (Reply, error) {
	o, err := readMessage(text)
	if err != nil {
		return Reply{}, err
	}
	r := reader{object: o}
	reply := Reply{
		CommandID:    r.text("commandId"),
		Type:         r.text("type"),
		Status:       r.enum("commandStatus", StatusPending, StatusInProgress, StatusSucceeded, StatusError),
		ErrorDetails: r.text("errorDetails"),
	}
	if !r.null("payload") {
		reply.Payload = o["payload"]
		p := r.child("payload")
		switch reply.Type {
		case typeDiscover, typeList, typeFetch:
			readAPIs(p)
			p.boolean("isPartialDiscovery")
		case typeStartIngest:
			p.number("total")
		case typeSubscribe:
			readSubscription(p)
		case typeHealthCheck:
			p.boolean("healthy")
		}
		r.join(p)
	}
	return reply, r.err
}
