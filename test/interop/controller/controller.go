// Package controller starts and drives the controllers that the agent is held against: Gravitee's own, as published,
// in six versions, each in a JVM of its own ([Process]). What a contract case needs of any of them is the interface
// [Controller], so that a case is written once and runs on every real one and on our stand-in alike.
package controller

import (
	"context"
	"encoding/json"
	"time"
)

// Dialect says which commands a controller knows.
type Dialect string

const (
	// DialectIngest is that of APIM 4.5 and later: DISCOVER, START_INGEST, INGEST.
	DialectIngest Dialect = "4.5+"
	// DialectFetch is that of APIM 4.4: LIST, FETCH. It takes no INGEST.
	DialectFetch Dialect = "4.4"
)

// Controller is an integration controller with APIM's own side played by whoever holds it: the tokens, the
// integrations, and what becomes of an INGEST. All methods may be called from several goroutines.
//
// Tokens, integrations and ingest rules stay over Stop, Drop and Start, as APIM's database would keep them.
type Controller interface {
	// Name is what tables and test names call it, such as "APIM 4.9".
	Name() string
	Dialect() Dialect
	// Endpoint is the URL an agent is configured with, on loopback. It stays the same over a restart.
	Endpoint() string

	// AllowToken and RevokeToken decide on upgrades from now on; a session that is up is not touched.
	AllowToken(ctx context.Context, token string) error
	RevokeToken(ctx context.Context, token string) error
	// BreakAuthentication makes every upgrade fail with a 500, as when APIM's database is away.
	BreakAuthentication(ctx context.Context, broken bool) error
	// PutIntegration creates an integration or changes its provider; a HELLO is judged by it.
	PutIntegration(ctx context.Context, id, provider string) error
	DeleteIntegration(ctx context.Context, id string) error

	// Send sends a command to one of the target's agents and waits for what becomes of it. That the agent did not
	// answer, or with an ERROR, is an [Outcome]; an error means that the controller could not be asked.
	Send(ctx context.Context, command Command) (Outcome, error)

	// SetIngestRules replaces all rules. The first that fits an INGEST decides on its answer; without one it is
	// SUCCEEDED at once.
	SetIngestRules(ctx context.Context, rules ...IngestRule) error
	// Release answers an INGEST that a rule holds: SUCCEEDED, or ERROR where errorDetails is not empty.
	Release(ctx context.Context, commandID, errorDetails string) error
	// IngestCommand returns a received INGEST whole, as the controller understood it.
	IngestCommand(ctx context.Context, commandID string) (json.RawMessage, error)

	// Channels lists the agents that are connected for an integration.
	Channels(ctx context.Context, integration string) ([]Channel, error)
	// Events is what happened so far, and where to wait for what will.
	Events() *EventLog

	// Stop says GOOD_BYE with reconnect to every agent, waits until they have gone, and closes the port.
	Stop(ctx context.Context) error
	// Drop closes the port, and the sockets with 1000 but no GOOD_BYE, as the published controllers do when what they
	// run in goes away under them. For a cut without a close frame put a proxy between.
	Drop(ctx context.Context) error
	// Start listens again, on the same port, after a Stop or a Drop.
	Start(ctx context.Context) error
}

// Command is one that APIM sends to an agent.
type Command struct {
	// Target is the integration's id.
	Target string
	Type   string
	// Payload is marshalled to JSON. A nil one is sent as {}.
	Payload any
	// Timeout is for how long the controller waits for the reply; 0 means its own 60 s.
	Timeout time.Duration
	// Raw sends the type and the payload as they are, whether or not the controller knows the type.
	Raw bool
}

// Outcome is what became of a command: a Reply or a Failure, never both.
type Outcome struct {
	CommandID string
	Reply     *Reply
	Failure   *Failure
}

// Reply is an agent's reply as the controller understood it.
type Reply struct {
	CommandID string          `json:"commandId"`
	Type      string          `json:"type"`
	Status    string          `json:"commandStatus"`
	Error     string          `json:"errorDetails"`
	Payload   json.RawMessage `json:"payload"`
}

// Failure says why a command has no reply.
type Failure struct {
	Kind    FailureKind
	Message string
}

// FailureKind is what APIM can tell apart.
type FailureKind string

const (
	// FailureTimeout means that no reply came in time.
	FailureTimeout FailureKind = "timeout"
	// FailureNoReply means that the agent answered NO_REPLY: it knows the type but does not serve it.
	FailureNoReply FailureKind = "no reply"
	// FailureUnknown means that the agent answered UNKNOWN: it does not know the type.
	FailureUnknown FailureKind = "unknown command"
	// FailureClosed means that the channel closed while the command was open.
	FailureClosed FailureKind = "channel closed"
	// FailureNoChannel means that no agent of that integration is connected.
	FailureNoChannel FailureKind = "no channel"
	// FailureStopped means that the controller stopped while the command was open.
	FailureStopped FailureKind = "controller stopped"
	// FailureOther is anything else; the message says what.
	FailureOther FailureKind = "other"
)

// IngestRule says how INGESTs that it fits are answered: held, or after Delay, and as an ERROR where Error is set.
type IngestRule struct {
	// APIID limits the rule to INGESTs that carry this API; empty means all.
	APIID string `json:"apiId,omitempty"`
	// Times is for how many INGESTs the rule is good; 0 means without limit.
	Times int `json:"times,omitempty"`
	// Hold keeps the reply back until Release. Whether INGESTs behind it are answered meanwhile is left open: the
	// published classes allow it, APIM handles one after the other.
	Hold bool `json:"hold,omitempty"`
	// Delay is in whole milliseconds.
	Delay time.Duration `json:"-"`
	Error string        `json:"error,omitempty"`
}

// MarshalJSON writes the delay as the harness reads it, in milliseconds.
func (r IngestRule) MarshalJSON() ([]byte, error) {
	type fields IngestRule
	return json.Marshal(struct {
		fields
		DelayMs int64 `json:"delayMs,omitempty"`
	}{fields(r), r.Delay.Milliseconds()})
}

// Channel is one connected agent.
type Channel struct {
	// ID is the controller's own name for the channel.
	ID      string `json:"id"`
	Primary bool   `json:"primary"`
}
