package ingest

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

// onAnswerFate hears what became of START_INGEST's answer. Unproved, APIM may have the job: the next session will show.
func (i *ingest) onAnswerFate(ctx actor.Context, m messages.AnswerFate) {
	switch {
	case !i.storedBy.IsZero(): // an answer before it was told of
	case m.Delivery == messages.NeverSent:
		i.onAbandoned(ctx, messages.Abandoned{CommandRef: m.CommandRef, Why: "the answer to START_INGEST never left"})
	default:
		i.awaiting, i.unproved = nil, m.Delivery == messages.Unproved
		i.storedBy = time.Now().Add(holdBack)
		i.flowOnceStored()
	}
}

// onSameJobAgain serves a START_INGEST that was repeated with the same job id: one job, one answer each. A router that
// restarted may hand over the same one twice, also after its answer left: a second answer would count as never sent, and
// end the job.
func (i *ingest) onSameJobAgain(ctx actor.Context, m messages.StartIngest) {
	i.spec.Router = ctx.Sender()
	ctx.Request(i.spec.Router, messages.Serving{CommandRef: m.CommandRef})
	if i.awaiting[m.CommandRef.Key()] {
		return
	}
	if i.awaiting != nil {
		i.awaiting[m.CommandRef.Key()] = true
	}
	if i.answered {
		reply := messages.IngestStarted{JobID: i.job(), Total: i.total}
		ctx.Request(i.spec.Router, messages.Answer{CommandRef: m.CommandRef, Reply: reply})
		return
	}
	i.open = append(i.open, m.CommandRef)
}

// started answers START_INGEST and writes the job down: from now on APIM has it.
func (i *ingest) started(ctx actor.Context, total int) {
	i.answered, i.total = true, total
	i.lastAck = time.Now()
	for _, ref := range i.open {
		reply := messages.IngestStarted{JobID: i.job(), Total: total}
		ctx.Request(i.spec.Router, messages.Answer{CommandRef: ref, Reply: reply})
	}
	i.open = nil
	if total == 0 {
		return // APIM ends it at once
	}
	i.journal.Begins(store.IngestJob{
		APIIDs: i.spec.Command.APIIDs, StartedAt: i.env.Now(), LastAckAt: i.env.Now(), Total: total, JudgedAt: i.judgedAt,
	})
	life.Do(i.Scope, i.journal.Begin, func(err error) any { return jobWritten{err: err} })
}

func (i *ingest) refuse(ctx actor.Context, ref messages.CommandRef, why string) {
	ctx.Request(i.spec.Router, messages.Answer{CommandRef: ref, Reply: messages.Refused{Reason: why}})
}

func (i *ingest) refuseOpen(ctx actor.Context, why string) {
	for _, ref := range i.open {
		i.refuse(ctx, ref, why)
	}
	i.open = nil
}

// onAbandoned ends a job that APIM never heard of: the answer to each START_INGEST of it came too late, or the
// session went down before it.
func (i *ingest) onAbandoned(ctx actor.Context, m messages.Abandoned) {
	if !i.awaiting[m.CommandRef.Key()] {
		return
	}
	delete(i.awaiting, m.CommandRef.Key())
	if len(i.awaiting) == 0 {
		i.env.Log.Warn("an ingest ends before it began: APIM waits no longer", life.LogJob, i.job(), life.LogReason, m.Why)
		i.end(ctx)
	}
}
