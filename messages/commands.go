package messages

import (
	"time"

	"federation-agent/internal/secret"
)

// AnswerWithin is how long the agent takes for a command at most: the controller gives up after 60 s, and an answer
// needs time to travel.
const AnswerWithin = 50 * time.Second

// CommandRef identifies one command of one session and says until when it must be answered.
type CommandRef struct {
	// ID is the command's id as the controller chose it.
	ID string
	// Session is the number of the session that it came by. A reply can only go back by the same one.
	Session uint64
	// AnswerBy is the instant after which no answer is sent any more: [AnswerWithin] after the command can have been sent.
	AnswerBy time.Time
}

// CommandKey is what identifies a command: its session and its id. It is fit to be a map's key.
type CommandKey struct {
	Session uint64
	ID      string
}

// Key is what identifies the command.
func (r CommandRef) Key() CommandKey { return CommandKey{Session: r.Session, ID: r.ID} }

// Ref gives the reference itself, so that whatever embeds one is a [Command].
func (r CommandRef) Ref() CommandRef { return r }

// Command is what APIM asks of the agent, in one language for all protocol dialects: session -> router,
// and from there to the actor that serves it.
type Command interface {
	Ref() CommandRef
	// Name is the command's type as APIM 4.5 and later call it, whichever dialect it came in.
	Name() string
}

// Discover asks for a preview of the APIs: DISCOVER, or LIST of APIM 4.4.
type Discover struct{ CommandRef }

// Fetch asks for all APIs whole in one reply: FETCH of APIM 4.4.
type Fetch struct{ CommandRef }

// StartIngest asks for an ingest job.
type StartIngest struct {
	CommandRef
	JobID string
	// APIIDs are the ids of the APIs to send; empty means all.
	APIIDs []string
}

// Subscribe asks for an API key.
type Subscribe struct {
	CommandRef
	APIID           string
	SubscriptionID  string
	ApplicationID   string
	ApplicationName string
	PlanID          string
	// Type is APIM's subscription type: API_KEY, OAUTH or JWT. Only API_KEY can be served.
	Type string
}

// Unsubscribe asks to take a subscription's API key away.
type Unsubscribe struct {
	CommandRef
	APIID          string
	SubscriptionID string
	Metadata       map[string]string
}

// Name implements [Command].
func (Discover) Name() string { return "DISCOVER" }

// Name implements [Command]. Only APIM 4.4 has this one.
func (Fetch) Name() string { return "FETCH" }

// Name implements [Command].
func (StartIngest) Name() string { return "START_INGEST" }

// Name implements [Command].
func (Subscribe) Name() string { return "SUBSCRIBE" }

// Name implements [Command].
func (Unsubscribe) Name() string { return "UNSUBSCRIBE" }

// Serving tells the router which actor serves a command from now on, so that its end is noticed:
// ingest job -> router.
type Serving struct{ CommandRef }

// Answer is the one answer to a command: serving actor -> router -> session.
type Answer struct {
	CommandRef
	Reply Reply
}

// NeedsProof reports whether the sender must be sure that the answer arrived: a saga that gave a key away, or an ingest
// job that must not send an INGEST before APIM knows of it.
func (a Answer) NeedsProof() bool {
	switch a.Reply.(type) {
	case Subscribed, IngestStarted:
		return true
	default:
		return false
	}
}

// Reply is what an answer says.
type Reply interface{ reply() }

// Discovered is the preview: the API summaries, each encoded as the object that goes on the wire.
type Discovered struct {
	Summaries [][]byte
	// Partial says that something is missing: a target failed, time ran out, or the message was full.
	Partial bool
}

// Fetched is the whole APIs of a [Fetch], each encoded as the object that goes on the wire.
type Fetched struct{ APIs [][]byte }

// IngestStarted says how many APIs the job will send, as far as is known. 0 ends the job at once.
type IngestStarted struct {
	JobID string
	Total int
}

// Subscribed carries the new API key.
type Subscribed struct {
	SubscriptionID string
	APIKey         secret.String
	Metadata       map[string]string
}

// Unsubscribed says that the key is gone.
type Unsubscribed struct{}

// Refused is the ERROR reply. Reason is shown to APIM's users, so it says what they can do.
type Refused struct{ Reason string }

func (Discovered) reply()    {}
func (Fetched) reply()       {}
func (IngestStarted) reply() {}
func (Subscribed) reply()    {}
func (Unsubscribed) reply()  {}
func (Refused) reply()       {}

// Delivery says what is known of an answer's arrival.
type Delivery int

const (
	// Delivered: a pong proved that the controller's side has read the answer.
	Delivered Delivery = iota
	// Unproved: some of it may have been written, and no pong came. The controller may have accepted it.
	Unproved
	// NeverSent: not one byte of it left in time. The controller cannot have accepted it.
	NeverSent
)

// String implements fmt.Stringer.
func (d Delivery) String() string {
	switch d {
	case Delivered:
		return "delivered"
	case Unproved:
		return "unproved"
	case NeverSent:
		return "never sent"
	}
	return "unknown"
}

// AnswerFate tells what became of an [Answer] that needs a proof: session -> the actor that answered.
type AnswerFate struct {
	CommandRef
	Delivery Delivery
}

// Abandoned tells the actor that serves a command that its answer is not needed any more: the session is gone, or the
// command was answered for it at its deadline. Router -> serving actor.
type Abandoned struct {
	CommandRef
	Why string
}
