package gateway

import "time"

// Priority orders the calls that wait for the same quota. The smallest goes first.
type Priority int

// The priorities, the most urgent first.
const (
	// PriorityKeys is for SUBSCRIBE and UNSUBSCRIBE: APIM rejects the subscription for good after 60 s.
	PriorityKeys Priority = iota + 1
	// PriorityPreview is for DISCOVER: a person waits for it.
	PriorityPreview
	// PriorityIngest is for START_INGEST and FETCH.
	PriorityIngest
	// PriorityRefresh is for background work.
	PriorityRefresh
)

// PermitRequest says what a permit is for.
type PermitRequest struct {
	Operation Operation
	Priority  Priority
	// By is the time after which the permit is useless. Zero means that there is no such time.
	By time.Time
}

// Others is what an agent believes of other clients of its quota.
type Others string

const (
	// OthersUnknown: the agent has just begun to work. It is polite.
	OthersUnknown Others = "unknown"
	// OthersNone: nobody has been noticed. The agent uses nearly the whole rate.
	OthersNone Others = "none"
	// OthersSeen: somebody has been noticed. The agent is polite.
	OthersSeen Others = "seen"
)
