package gateway

import "time"

// Priority orders what waits for the same quota; the smaller goes first.
type Priority int

// The priorities, most urgent first. A context that names none counts as [PriorityRefresh].
const (
	// PriorityKeys is for SUBSCRIBE and UNSUBSCRIBE: APIM rejects the subscription for good after 60 s.
	PriorityKeys Priority = iota + 1
	// PriorityPreview is for DISCOVER: a person is waiting.
	PriorityPreview
	// PriorityIngest is for START_INGEST and FETCH.
	PriorityIngest
	// PriorityRefresh is for background work.
	PriorityRefresh
)

// String names the priority for logs and metrics.
func (p Priority) String() string {
	switch p {
	case PriorityKeys:
		return "keys"
	case PriorityPreview:
		return "preview"
	case PriorityIngest:
		return "ingest"
	default:
		return "refresh"
	}
}

// PermitRequest says what a permit is for.
type PermitRequest struct {
	Operation Operation
	Priority  Priority
	// By is when the permit is of no use any more; zero means that there is no such time.
	By time.Time
}
