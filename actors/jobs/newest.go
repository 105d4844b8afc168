package jobs

import (
	"maps"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/ingest"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// newest is what several jobs of one integration have sent of each API. What APIM hears last counts, so an API must not
// be sent from an older listing than before: a plan that only the newer one has would be deleted in APIM, with its
// subscriptions. Empty while a single job runs.
type newest map[federation.ID]exports.Shown

// older gives those of some APIs that were sent from a newer listing already, as they were sent.
func (n newest) older(apis newest) newest {
	old := newest{}
	for id, api := range apis {
		if sent, known := n[id]; known && sent.Listed.After(api.Listed) {
			old[id] = sent
		}
	}
	return old
}

// onOutgoing passes a batch on, or gives it back if it is overtaken.
func (j *jobs) onOutgoing(ctx actor.Context, m ingest.Outgoing) {
	if old := j.newest.older(m.APIs); len(old) > 0 {
		ctx.Respond(messages.IngestOvertaken{Batch: m.Send.Batch, APIs: old})
		return
	}
	if len(j.running) > 1 {
		maps.Copy(j.newest, m.APIs)
	}
	ctx.RequestWithCustomSender(m.Session, m.Send, ctx.Sender())
}
