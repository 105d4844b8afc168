package ingest

import (
	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// What a job and its parent, jobs, say to each other beyond [exports.PeerLimits].

// Outgoing is a batch on its way through jobs, which all batches of an integration pass in the order in which the
// session sends them. Ingest job -> jobs.
type Outgoing struct {
	Session *actor.PID
	Send    messages.SendIngest
	APIs    map[federation.ID]exports.Shown
}

// Overtaken tells a job which APIs of its batch another job has sent from newer listings, and how. Nothing of the batch
// has left. Jobs -> ingest job.
type Overtaken struct {
	Batch int
	APIs  map[federation.ID]exports.Shown
}

// Ending tells that a job has ended but for its record. Ingest job -> jobs.
type Ending struct{ Job string }
