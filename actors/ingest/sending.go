package ingest

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/discovery"
	"federation-agent/actors/life"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/members"
	"federation-agent/internal/table"
	"federation-agent/internal/words"
	"federation-agent/messages"
)

// batch is the content of one INGEST.
type batch struct {
	number  int // 0 unless it is on its way
	apis    []exports.Ready
	done    bool
	notedAt time.Time // when it was begun to write down what must be before it leaves; zero where that is not written
	sentAt  time.Time
}

// pull asks for as many APIs as the windows and the memory allow, once they flow. What came before would not be taken.
func (i *ingest) pull(ctx actor.Context) {
	flowing := i.flowing || i.compare.undecided
	for flowing {
		documents, ok := i.plan.Next(time.Now())
		if !ok {
			break
		}
		discovery.RequestExport(ctx, i.all.Targets, exports.Order{
			Documents: documents, Priority: gateway.PriorityIngest, MaxBytes: i.limits.API,
		})
	}
	if flowing && !i.watching && i.plan.UnderWay() > 0 {
		i.watching = true
		i.Scope.After(exports.SlowAfter, slowDue{})
	}
}

func (i *ingest) onReady(ctx actor.Context, m messages.APIReady) {
	document, awaited := i.plan.Arrived(m.ID)
	if !awaited {
		return
	}
	switch {
	case i.isUnchanged(m.API, document.NamedEntry):
		document.Claim.Release()
		i.missing.Ready(m.ID)
		i.done++
		i.compare.unchanged++
	case !i.limits.Fits(m.API):
		document.Claim.Release()
		i.withoutDocument(m.API, document.NamedEntry)
	default:
		i.missing.Ready(m.ID)
		i.done++
		i.outbox.Add(exports.Ready{API: m.API, Document: document}, time.Now())
	}
	i.show()
	i.pull(ctx)
	i.proceed(ctx)
}

func (i *ingest) onOmitted(ctx actor.Context, m messages.APIOmitted) {
	document, awaited := i.plan.Arrived(m.ID)
	if !awaited {
		return
	}
	document.Claim.Release()
	switch {
	case m.Unwanted:
		i.planned--
		i.sayOmitted(m.ID, m.Why)
		level := slog.LevelWarn
		if m.Reason == gateway.Filtered || m.Reason == gateway.RegionOff.Reason() {
			level = slog.LevelInfo
		}
		i.omitted.Note(m.ID, m.Why, level)
	case !m.OfTarget && i.missing.Again(m.ID):
		i.env.Often.Info("an API is not available; it is tried again after the others",
			life.LogJob, i.job(), life.LogAPI, m.ID, life.LogReason, m.Why)
		i.plan.Add([]federation.NamedEntry{document.NamedEntry})
	default:
		i.missing.Failed(m.ID, m.Why, m.OfTarget)
		i.done++
		i.omit(m.ID, m.Omission, slog.LevelError)
	}
	i.show()
	i.pull(ctx)
	i.proceed(ctx)
}

// proceed gets the next batch ready, if one is due. While another is on its way only a full one is: it is
// written down meanwhile, so that with many targets the disk's time does not add to APIM's.
func (i *ingest) proceed(ctx actor.Context) {
	i.decide(ctx)
	if !i.flowing || i.session == nil || !i.leaveBy.IsZero() || i.next != nil || i.inFlight != nil && !i.outbox.Full() {
		return
	}
	now := time.Now()
	// Where a document waits for room, or none is under way because there is none, waiting would bring nothing.
	last := i.plan.Finished() || i.documents.Wanted() || i.plan.UnderWay() == 0
	if apis := i.outbox.Take(now, last); apis != nil {
		i.next = &batch{apis: apis}
		i.note(i.next)
		return
	}
	if i.plan.Finished() && i.outbox.Empty() {
		i.conclude(ctx)
		return
	}
	if due, waiting := i.outbox.Due(); waiting {
		if i.sendAt != nil {
			i.sendAt.Stop()
		}
		i.sendAt = i.Scope.After(due.Sub(now), batchDue{})
	}
}

// note writes down which plans a batch carries, or that it is the last one, before it leaves: APIM may take it though its
// answer is lost. Where several processes share the journal, that is also what tells whether the job is still this one's:
// one that was frozen has a list of plans that may be old.
func (i *ingest) note(b *batch) {
	at, plans := time.Now(), make(map[string][]string, len(b.apis))
	for _, api := range b.apis {
		plans[api.ID.String()] = api.PlanIDs
	}
	journal, done := i.journal, b.done
	life.Pipe(i.Scope, func(ctx context.Context) ([]string, error) {
		if done {
			return nil, journal.SendingDone(ctx)
		}
		return journal.Sending(ctx, plans)
	}, func(overtaken []string, err error) any {
		return batchNoted{batch: b, at: at, overtaken: overtaken, err: err}
	})
}

func (i *ingest) onBatchNoted(ctx actor.Context, m batchNoted) {
	switch {
	case i.journal.Lost(m.err):
		i.yield(ctx)
		return
	case m.err != nil && i.env.Member != nil:
		if time.Since(i.lastAck) > HeldFor {
			i.fail(ctx, "the job could not be written down while APIM held it: "+table.Explain(m.err))
			return
		}
		i.env.Lasting.Warn("an ingest waits for the journal's table, which cannot be written", life.LogJob, i.job(),
			life.LogError, m.err)
		i.Scope.After(deferFor, noteDue{m.batch})
		return
	case m.err != nil:
		i.env.Lasting.Warn("cannot write down that an ingest sends: a loss of plans may go unnoticed, or its end be sent twice",
			life.LogJob, i.job(), life.LogError, m.err)
	}
	m.batch.notedAt = m.at
	i.giveWay(m.batch, m.overtaken)
	i.transmit(ctx)
}

// giveWay takes APIs out of a batch that another job has sent meanwhile. One that has none left does not go.
func (i *ingest) giveWay(b *batch, overtaken []string) {
	if len(overtaken) == 0 {
		return
	}
	i.env.Log.Info("another ingest has sent APIs from a newer listing; this one leaves them as they are", life.LogJob, i.job(),
		life.LogAPIs, len(overtaken), life.LogLeft, words.Few(overtaken, words.Many, ", "))
	b.apis = slices.DeleteFunc(b.apis, func(api exports.Ready) bool {
		newer := slices.Contains(overtaken, api.ID.String())
		if newer {
			api.Document.Claim.Release()
		}
		return newer
	})
	switch {
	case len(b.apis) > 0:
	case i.next == b:
		i.next = nil
	case i.inFlight == b:
		i.inFlight = nil
	}
	i.Scope.Tell(roomMoved{})
}

// yield ends a job that another process goes on with.
func (i *ingest) yield(ctx actor.Context) {
	i.env.Log.Info("another replica goes on with this ingest, or has ended it", life.LogJob, i.job(), life.LogSent, i.sent)
	i.end(ctx)
}

// keepAlive moves the job's deadline on if nothing else has for a while.
func (i *ingest) keepAlive(ctx actor.Context) {
	if i.answered && i.session != nil && i.inFlight == nil && i.next == nil && time.Since(i.lastAck) >= keepAlive {
		i.inFlight = &batch{notedAt: time.Now()}
		i.transmit(ctx)
	}
}

// conclude ends a job once all its APIs were sent or left out. A target that is out of reach is waited for.
func (i *ingest) conclude(ctx actor.Context) {
	if i.listing {
		return
	}
	if i.missing.AnyAway() && time.Since(i.startedAt) < gateway.OutOfReachFor {
		i.listing = true
		i.Scope.After(listAgain, gatherMore{})
		return
	}
	if why := i.missing.NotDone(); why != "" {
		i.fail(ctx, why)
		return
	}
	i.inFlight = &batch{done: true}
	i.note(i.inFlight)
}

// transmit gives the batch in hand to the session, if it is written down and not on its way yet; without a
// session it goes when there is one. One batch is on its way at a time.
func (i *ingest) transmit(ctx actor.Context) {
	if i.inFlight == nil {
		i.inFlight, i.next = i.next, nil
	}
	b := i.inFlight
	if b == nil || b.notedAt.IsZero() || b.number > 0 || i.session == nil || !i.leaveBy.IsZero() || !i.mayLeave(b) {
		return
	}
	i.number++
	b.number, b.sentAt = i.number, time.Now()
	out := Outgoing{
		Session: i.session, Send: messages.SendIngest{Batch: b.number, JobID: i.job(), Done: b.done},
		APIs: map[federation.ID]exports.Shown{},
	}
	for _, api := range b.apis {
		out.Send.APIs = append(out.Send.APIs, api.JSON)
		out.APIs[api.ID] = exports.Shown{Listed: i.listed[api.ID.Target()], Plans: api.PlanIDs}
	}
	ctx.Request(ctx.Parent(), out)
}

// onSendDue tries a batch again that could not leave. While this process may not act, it does so for as long as APIM holds
// the job. What only keeps the job alive is given up then, as the lists of AWS may still be awaited, and APIM takes what
// comes of them.
func (i *ingest) onSendDue(ctx actor.Context) {
	if b := i.inFlight; b != nil && !i.env.Member.Stands(time.Now()) && time.Since(i.lastAck) > HeldFor {
		if len(b.apis) > 0 || b.done {
			i.fail(ctx, "the journal's table did not confirm while APIM held the job that this agent lives: see the journal's health")
			return
		}
		i.inFlight = nil
	}
	i.transmit(ctx)
}

// mayLeave says that a batch is still this process's to send. If not, it is tried again, and noted anew: another process
// may have taken the job over while this one was frozen, or the session was away. What leaves once APIM does not hold the
// job any more it acknowledges, and drops.
func (i *ingest) mayLeave(b *batch) bool {
	stands, old := i.env.Member.Stands(time.Now()), i.env.Member != nil && time.Since(b.notedAt) > members.StandsFor
	if !stands {
		i.Scope.After(deferFor, sendDue{})
	} else if old {
		b.notedAt = time.Time{}
		i.note(b)
	}
	i.unproved = i.unproved || i.env.Member != nil && time.Since(i.lastAck) > HeldFor
	return stands && !old
}

// onOvertaken takes APIs out of the batch in hand that another job has sent from a newer listing: APIM has them as they
// are now, and that is written down again.
func (i *ingest) onOvertaken(ctx actor.Context, m messages.IngestOvertaken) {
	b := i.inFlight
	if b == nil || b.number != m.Batch {
		return
	}
	b.number = 0
	journal, plans := i.journal, make(map[string][]string, len(m.APIs))
	for id, api := range m.APIs {
		plans[id.String()] = api.Plans
	}
	i.giveWay(b, slices.Sorted(maps.Keys(plans)))
	life.Do(i.Scope, func(ctx context.Context) error {
		_, err := journal.Sending(ctx, plans)
		return err
	}, func(err error) any { return jobWritten{err: err} })
	i.transmit(ctx)
}

func (i *ingest) onIngestAnswered(ctx actor.Context, m messages.IngestAnswered) {
	b := i.inFlight
	if b == nil || b.number != m.Batch {
		return
	}
	i.inFlight = nil
	if m.Error == "" {
		i.lastAck = time.Now()
		exports.Release(b.apis)
	}
	switch {
	case m.Error != "":
		i.onIngestError(ctx, b, m.Error)
	case b.done:
		level := slog.LevelInfo
		if i.omitted.Count > 0 {
			level = slog.LevelWarn
		}
		i.env.Log.Log(context.Background(), level, "ingest done", life.LogJob, i.job(), life.LogSent, i.sent,
			life.LogWithoutDocument, i.bare, life.LogOmitted, i.omitted.Count, life.LogUnchanged, i.compare.unchanged,
			life.LogTook, time.Since(i.startedAt).Round(time.Millisecond))
		i.report("")
		i.end(ctx)
	default:
		i.transmit(ctx)
		if len(b.apis) > 0 {
			i.learnTaken(ctx, b)
			i.sent += len(b.apis)
			i.env.Board.Ingested(i.all.Integration, len(b.apis))
			i.bare += exports.WithoutDocument(b.apis)
			i.tellProgress()
			i.show()
		}
		i.acknowledge(b)
		i.pull(ctx)
		i.proceed(ctx)
	}
}

// tellProgress says how far the job is, once a minute: an ingest of all takes minutes, and has hundreds of batches.
func (i *ingest) tellProgress() {
	tell := i.env.Log.Debug
	if now := time.Now(); now.Sub(i.toldAt) >= tellEvery {
		tell, i.toldAt = i.env.Log.Info, now
	}
	tell("ingesting", life.LogJob, i.job(), life.LogSent, i.sent, life.LogTotal, i.total)
}

// tellEvery is how often the log says at level info how far a job is.
const tellEvery = time.Minute

// acknowledge writes down what APIM has, so that a resumed job does not send it again. Nothing waits for it:
// an acknowledgement that is lost only means that its batch goes once more.
func (i *ingest) acknowledge(b *batch) {
	ids := make([]string, len(b.apis))
	for n, api := range b.apis {
		ids[n] = api.ID.String()
	}
	taken := i.digests(b)
	life.Do(i.Scope, i.journal.Acknowledge(ids, taken, i.env.Now()), func(err error) any { return jobWritten{err: err} })
}

// onIngestError sends a refused batch again in halves; an API that fails alone is left out and named.
func (i *ingest) onIngestError(ctx actor.Context, b *batch, reason string) {
	switch {
	case b.done:
		i.doneTry++
		if i.doneTry >= doneTries {
			i.fail(ctx, "APIM does not take the end of the job: "+reason)
			return
		}
		i.Scope.After(holdBack, batchDue{})
		return
	case len(b.apis) == 0: // a keep-alive
		i.env.Log.Warn("APIM refused to keep the job alive", life.LogJob, i.job(), life.LogReason, reason)
	case len(b.apis) == 1:
		exports.Release(b.apis)
		id := b.apis[0].ID
		why := gateway.Omission{Why: "APIM refuses it: " + reason, Reason: gateway.RefusedByAPIM}
		i.missing.Refused(id, why.Why)
		i.omit(id, why, slog.LevelError)
	default:
		i.env.Often.Warn("APIM refused a batch; sending it again in halves",
			life.LogJob, i.job(), life.LogAPIs, len(b.apis), life.LogReason, reason)
		i.outbox.Halve(b.apis)
	}
	i.transmit(ctx)
	i.pull(ctx)
	i.proceed(ctx)
}
