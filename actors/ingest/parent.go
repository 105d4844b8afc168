package ingest

import (
	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// Outgoing is a batch on its way through jobs, which all batches of an integration pass in the order in which the
// session sends them. Ingest job -> jobs.
type Outgoing struct {
	Session *actor.PID
	Send    messages.SendIngest
	APIs    map[federation.ID]exports.Shown
}
