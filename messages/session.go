package messages

import (
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
)

// SessionUp tells that a session is ready: HELLO was accepted. Session -> ingest jobs, which send by it. It is told
// again at each HEALTH_CHECK: the news may have been lost in a panic.
type SessionUp struct {
	// Session is the session's number.
	Session uint64
}

// SessionDown tells that a session is gone: what was pending on it is lost. Session -> router, ingest jobs, reconciler.
type SessionDown struct {
	// Session is the number that the session's commands bear.
	Session uint64
	Why     string
	// TooLarge is the size in bytes of the largest message that was sent by it, if the controller closed it (1009) because
	// of a message that it found too large; else 0.
	TooLarge int
}

// PrimaryChanged tells whether this agent is the integration's primary connector. Session -> reconciler.
type PrimaryChanged struct{ Primary bool }

// Dismissed tells that the controller sent GOOD_BYE without reconnect: the agent stays away for good.
// Session -> integration.
type Dismissed struct{}

// CountJobs asks how many ingests run: reconciler -> ingest jobs.
type CountJobs struct{}

// JobsCounted answers a [CountJobs]. Ingest jobs -> reconciler.
type JobsCounted struct {
	Running int
	// Begun is how many jobs START_INGEST has begun here since the actor began.
	Begun int
	// MaxBytes is how large an API may be as it goes on the wire, as far as jobs have learnt; 0 while nothing is known.
	MaxBytes int
}

// JobEnding tells that a job has ended but for its record. Ingest job -> ingest jobs.
type JobEnding struct{ Job string }

// JobEnded tells that an ingest job runs no more, however it ended. Ingest jobs -> reconciler.
type JobEnded struct{}

// SendIngest asks the session to send one INGEST: ingest job -> session.
type SendIngest struct {
	// Batch numbers the batches of one job, so that an answer finds its batch.
	Batch int
	JobID string
	// APIs are whole API objects as they go on the wire.
	APIs [][]byte
	Done bool
}

// IngestAnswered is APIM's reply to a [SendIngest]: session -> ingest job.
type IngestAnswered struct {
	Batch int
	// Error is APIM's error text; empty means SUCCEEDED.
	Error string
}

// IngestDeferred tells that the INGEST was not sent, as too much waits to be read by APIM already; it is to be asked
// for again. Session -> ingest job.
type IngestDeferred struct{ Batch int }

// IngestOvertaken tells which APIs of an INGEST another job has sent from newer listings, and how. Nothing of the INGEST
// has left. Ingest jobs -> ingest job.
type IngestOvertaken struct {
	Batch int
	APIs  map[federation.ID]exports.Shown
}

// IngestLost tells that the session went down before the INGEST was answered, or that there is none:
// APIM may or may not have it. Session -> ingest job.
type IngestLost struct {
	Batch int
	// TooLarge says that the controller closed the session because of a message that it found too large: no other was as
	// large as this one.
	TooLarge bool
}
