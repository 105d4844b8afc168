package ingest

import (
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

// withoutDocument has an API that is too large made ready again without its document. One that has none is left out.
func (i *ingest) withoutDocument(api exports.API, entry federation.NamedEntry) {
	if !api.Bare {
		i.plan.Add([]federation.NamedEntry{entry})
		return
	}
	i.done++
	i.missing.Failed(api.ID, exports.TooLarge, false)
	i.omit(api.ID, gateway.Omission{Why: exports.TooLarge, Reason: gateway.TooLarge}, slog.LevelError)
}

// learnTaken learns from a batch that was taken.
func (i *ingest) learnTaken(ctx actor.Context, b *batch) {
	if i.limits.Taken(exports.Size(b.apis)) {
		ctx.Send(ctx.Parent(), i.limits)
	}
}

// onTooLarge learns from a batch that the controller found too large: it goes again in halves. An API that does not go
// alone goes without its document, and then not at all.
func (i *ingest) onTooLarge(ctx actor.Context, b *batch) {
	if len(b.apis) == 0 {
		return // a keep-alive, or the end of the job: no other is smaller
	}
	size := exports.Size(b.apis)
	i.inFlight = nil
	i.limits.TooLarge(size, len(b.apis) == 1, len(b.apis[0].JSON))
	i.outbox.Limit(i.limits.Batch)
	if first := b.apis[0]; len(b.apis) > 1 {
		i.outbox.Halve(b.apis)
	} else {
		i.missing.Unready(first.ID)
		i.done--
		exports.Release(b.apis)
		i.withoutDocument(first.API, first.Document.NamedEntry)
	}
	i.env.Log.Warn("APIM's controller takes no message as large as this batch; it goes again in halves, and an API alone "+
		"without its document: set integration.connector.ws.maxWebSocketMessageSize to the controller's own limit, or raise "+
		"that", life.LogJob, i.job(), life.LogAPIs, len(b.apis), life.LogBytes, size)
	ctx.Send(ctx.Parent(), i.limits)
	i.pull(ctx)
}
