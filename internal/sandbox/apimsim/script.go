package apimsim

import "time"

// Script injects faults. Every field may be nil. The functions are called from several goroutines
// and should be pure functions of their event, so that a schedule can be replayed. Counts start at 1.
type Script struct {
	// Upgrade refuses the nth upgrade request with the HTTP status it returns; 0 lets it pass.
	Upgrade func(attempt int) int
	// Hello decides over the nth HELLO (counted over all connections) for an integration.
	Hello func(attempt int, integrationID string) HelloFault
	// Command is asked before a command is written to an agent.
	Command func(CommandEvent) CommandFault
	// Channel chooses one of several agents' channels, the longest connected first, for the nth command for which there are
	// several: as the competing readers of a cluster do. Nil: [Options.Route] does. It must not call the stand-in.
	Channel func(integrationID string, nth, channels int) int
	// Keep reports whether a command is kept where no agent is there, until one comes: as a cluster's queue does. Nil: it
	// fails at once.
	Keep func(integrationID, kind string) bool
	// Received is asked for each message an agent sent, before anything is done with it.
	Received func(ReceivedEvent) ReceivedFault
	// Ingest is asked for each INGEST before it is handled.
	Ingest func(IngestEvent) IngestFault
	// Pong reports whether the nth ping received on a connection is answered.
	Pong func(conn, nth int) bool
	// REST is asked for each request to the management API, once it is known who asks.
	REST func(RESTRequest) RESTFault
	// Limits are the largest frame and message, in bytes, that the controller of a connection takes; 0: as
	// [Options] say. They differ where the nodes of a cluster are set up differently.
	Limits func(conn int) (frame int, message int64)
}

// HelloFault changes what becomes of a HELLO.
type HelloFault struct {
	Refuse string        // answered ERROR with this text
	Delay  time.Duration // before the answer
	Ignore bool          // never answered
}

// CommandEvent names a command that is about to be written.
type CommandEvent struct {
	IntegrationID string
	Type          string
	Nth           int    // nth command of this type to this integration
	Subject       string // subscription or job id, where there is one
	Conn          int
}

// CommandFault changes what becomes of a command. APIM's own timeout runs from the beginning.
type CommandFault struct {
	Delay     time.Duration // before it is written
	Lose      bool          // never written
	Copies    int           // how many more times it is written
	CopyDelay time.Duration // between it and its copies; 0: right behind it
	HoldBack  bool          // written right after the next command on this connection, or 2 s later: reordered
	CutBefore bool          // the connection is cut instead of writing it
	CutAfter  bool          // the connection is cut right after it was written
}

// ReceivedEvent names a message that came from an agent.
type ReceivedEvent struct {
	Conn          int
	Nth           int    // nth message on this connection
	Kind          string // COMMAND, REPLY or "" when it cannot be told
	Type          string
	NthOfType     int // nth message of this kind and type on this connection
	IntegrationID string
}

// ReceivedFault changes what becomes of a received message.
type ReceivedFault struct {
	CutBefore bool // the connection is cut, the message not handled
	CutAfter  bool // the message is handled, then the connection is cut: an answer may not get out
	Ignore    bool // the message is dropped silently
}

// RESTFault changes what becomes of a request to the management API.
type RESTFault struct {
	Status    int           // answered with this status alone, and nothing is done
	Delay     time.Duration // before anything is done
	CutBefore bool          // the connection is cut, and nothing is done
	CutAfter  bool          // it is done, and the connection is cut instead of answering
}

// IngestEvent names an INGEST.
type IngestEvent struct {
	CommandID     string
	IntegrationID string
	JobID         string
	Nth           int // nth INGEST of this job, resent ones counted
	APIs          int
	APIIDs        []string
	Done          bool
	Conn          int
	Upgrade       int    // number of the upgrade request that its connection began with
	Command       string // its JSON, as it was read
}

// IngestFault changes how an INGEST is handled and answered. INGESTs of one integration are handled
// one after the other, so that a slow one delays those behind it.
type IngestFault struct {
	StoreDelay  time.Duration   // before anything is stored
	AnswerDelay time.Duration   // between storing and answering
	Hold        <-chan struct{} // answered only once this is closed
	Fail        string          // answered ERROR with this text, nothing stored
	NoAnswer    bool            // stored, never answered
	Copies      int             // how many more times it is answered
	CutBefore   bool            // the connection is cut, nothing stored
	CutStored   bool            // stored, then the connection is cut instead of answering
}
