// Package ingest is the actor that carries out one ingest job of APIM's.
package ingest

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/store"
	"federation-agent/internal/targets"
	"federation-agent/messages"
)

const (
	// startMargin is how long before its deadline a START_INGEST is answered with an estimate.
	startMargin = 5 * time.Second
	// holdBack is how long the first INGEST waits after a pong has proved that the controller read START_INGEST's
	// answer: APIM stores the job only then, and drops what comes before (read in APIM 4.5 to 4.12).
	holdBack = time.Second
	// proofOverdue is when a job flows though nothing was heard of its answer's fate. On a slow link the answer waits up
	// to 58 s to be written, and the pong behind it may take 15 s and, at the slowest, another half a minute.
	proofOverdue = 2 * time.Minute
	// keepAlive is when an empty INGEST moves the job's deadline of 5 minutes on, if nothing else does.
	keepAlive = 2 * time.Minute
	// checkEvery is how often a job looks whether something is due or overdue.
	checkEvery = 30 * time.Second
	// HeldFor is how long APIM holds a job without an INGEST (read in APIM 4.9).
	HeldFor = 5 * time.Minute
	// answerOverdue is how long one INGEST may take in APIM while the session lives: after twice its own
	// deadline for the job there is nothing to wait for.
	answerOverdue = 2 * HeldFor
	// exportOverdue is how long an API may take to get ready: as long as its target may be out of reach, and then some.
	// Even at a tenth of the quota, a target's window of stages is through in a few minutes.
	exportOverdue = gateway.OutOfReachFor + 10*time.Minute
	// doneTries is how often `done` is sent if APIM answers it ERROR.
	doneTries = 3
	// deferFor is how long a batch waits that the connection had no room for: at the slowest link that can deliver
	// the largest message within 60 s, some 200 KB have left by then.
	deferFor = time.Second
)

// ingest is one ingest job: it learns what there is, answers START_INGEST, then has the APIs made ready,
// a window of them at a time, and sends them batch by batch, `done` last. It outlives sessions: batches
// that were not acknowledged go again on the next one. Parent: jobs.
//
// Its states: gathering -> (comparing ->) holding -> sending -> ending. What it does in gathering stands in gather.go,
// in comparing in unchanged.go, in sending in sending.go, how it answers START_INGEST in starting.go.
type ingest struct {
	life.Scoped
	actor.Behavior
	env     *life.Env
	all     Spec
	spec    JobSpec
	session *actor.PID // nil while there is none

	open []messages.CommandRef // START_INGESTs to be answered
	// awaiting is the START_INGESTs by which APIM may yet take the job: open, or answered and of unknown fate. It is nil
	// once one of them was read, or may have been.
	awaiting  map[messages.CommandKey]bool
	answered  bool // APIM knows of the job, as far as can be known
	total     int
	startedAt time.Time
	toldAt    time.Time // when the log last said at level info how far it is
	lastAck   time.Time // when APIM last moved the job's deadline on
	storedBy  time.Time // when APIM has stored the job; zero while it may not know of it
	unproved  bool      // APIM may not have the job: nobody knows whether it has read the answer to START_INGEST
	held      bool      // it holds the first INGEST back
	journal   *store.JobWriter
	judgedAt  int64 // by what the journal said then it may send what it sends

	documents *exports.Holder
	plan      exports.Plan
	outbox    exports.Outbox
	inFlight  *batch // in hand: on its way, or to go once there is a session
	next      *batch // follows it
	number    int    // of the last batch sent
	flowing   bool
	watching  bool // a timer looks for documents that take long
	doneTry   int
	sendAt    *time.Timer
	limits    exports.PeerLimits
	missing   exports.Missing
	omitted   exports.LeftOut
	listed    map[federation.Target]time.Time // when each target's listing was begun
	waited    bool                            // no target could be listed at first
	listing   bool                            // targets that could not be listed are being listed again
	sent      int                             // acknowledged since the job began, also before a restart of the agent
	bare      int                             // sent without a document by this one
	planned   int                             // that AWS has, and that may be sent
	done      int                             // of these: their document is there, or they go without one, or are left out
	compare   comparison                      // with what APIM has
	leaveBy   time.Time                       // when it leaves at the latest; nothing is sent any more. Zero unless draining
	ended     bool                            // it is being forgotten
}

// Spec is what an integration's ingest jobs are made of.
type Spec struct {
	Integration string
	Settings    config.Ingest
	Catalogue   *actor.PID
	// Claims tells which APIs must not be sent.
	Claims  *actor.PID
	Targets *targets.Directory[*actor.PID]
	// Held asks APIM what it has. Without it each API is sent by each ingest, changed or not.
	Held func(context.Context) (Held, error)
	// Filter tells what is not sent any more on purpose.
	Filter federation.Filter
	// ListingAge is how old a listing may be to be used again.
	ListingAge time.Duration
	// MaxBytes is how large the API objects of one INGEST may be together.
	MaxBytes int
	// Memory bounds the documents held.
	Memory *exports.Bound
}

// JobSpec is what one job has beyond the [Spec] of all.
type JobSpec struct {
	Command messages.StartIngest
	// Router gets the answers; nil for a job that is resumed.
	Router *actor.PID
	// Session is how INGESTs go out; nil while there is none.
	Session *actor.PID
	// Resumed is the job's record, if it began before a restart, or elsewhere. Age is how long ago it last moved then.
	Resumed *store.IngestJob
	Age     time.Duration
	// Unproved says that APIM may not have the job any more.
	Unproved bool
	// Limits are what other jobs have learnt.
	Limits exports.PeerLimits
}

// Props makes an ingest job. Its parent, jobs, passes its batches on.
func Props(env *life.Env, all Spec, spec JobSpec) *actor.Props {
	return life.Props(env, life.Worker, func() actor.Actor {
		i := &ingest{
			Behavior: actor.NewBehavior(), env: env, all: all, spec: spec, session: spec.Session, limits: spec.Limits,
			journal: store.NewJobWriter(env.Ingests, store.OwnedJob{
				Integration: all.Integration, JobID: spec.Command.JobID, Owner: env.Member.ID(),
			}),
			missing: exports.NewMissing(), listed: map[federation.Target]time.Time{},
		}
		i.Become(i.gathering)
		return i
	})
}

// What an ingest job tells itself.
type (
	gatherMore struct{}
	heldBack   struct{}
	jobWritten struct{ err error }
	batchNoted struct {
		batch     *batch
		at        time.Time // when the note was begun
		overtaken []string
		err       error
	}
	noteDue   struct{ batch *batch }
	batchDue  struct{}
	slowDue   struct{} // some documents may have been under way for long
	roomMoved struct{} // there is room for documents again, or another consumer waits for what this one holds
	sendDue   struct{}
	checkDue  struct{}
	jobEnded  struct{ err error }
	finishDue struct{}
)

// Receive implements actor.Actor: the behaviour does.
func (i *ingest) Receive(ctx actor.Context) { i.Behavior.Receive(ctx) }

// gathering: the listings are not complete, so no API is sent yet.
func (i *ingest) gathering(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		i.onStarted(ctx)
	case heldCame:
		i.onHeldCame(ctx, m)
	case messages.GatheredAPIs:
		i.onCatalogue(ctx, m)
	case messages.LossesJudged:
		i.onLossesJudged(ctx, m)
	case gatherMore:
		i.gather(ctx, time.Time{})
	default:
		i.anytime(ctx)
	}
}

// holding: START_INGEST is answered, the answer is on its way, or APIM is storing the job.
func (i *ingest) holding(ctx actor.Context) {
	switch ctx.Message().(type) {
	case heldBack:
		i.Become(i.sending)
		i.flowing = true
		i.pull(ctx)
		i.proceed(ctx)
	default:
		i.preparing(ctx)
	}
}

// sending: APIs are made ready and sent.
func (i *ingest) sending(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case batchDue:
		i.proceed(ctx)
	case gatherMore:
		i.gatherUnlisted(ctx)
	case messages.GatheredAPIs:
		ctx.Request(i.all.Claims, messages.JudgeLosses{Catalogue: m})
	case messages.LossesJudged:
		i.addUnlisted(ctx, m)
	default:
		i.preparing(ctx)
	}
}

// preparing is what may happen in each state in which APIs are made ready.
func (i *ingest) preparing(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case messages.APIReady:
		i.onReady(ctx, m)
	case messages.APIOmitted:
		i.onOmitted(ctx, m)
	case slowDue:
		i.watching = false
		i.pull(ctx)
	case roomMoved:
		i.pull(ctx)
		i.proceed(ctx)
	default:
		i.anytime(ctx)
	}
}

// ending: the job is being forgotten; whatever comes now comes too late.
func (i *ingest) ending(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case jobEnded:
		i.onJobEnded(ctx, m)
	case finishDue:
		i.finish()
	case messages.Drain:
		i.leaveBy = m.By
		i.leave(ctx)
	case messages.StartIngest:
		i.refuse(ctx, m.CommandRef, "this ingest job has just ended; start another one")
	case messages.AnswerFate, jobWritten, batchNoted, noteDue, heldCame, compareDue:
		// There is nothing to send any more.
	default:
		life.Unexpected(i.env, ctx)
	}
}

// anytime is what may happen in every state but the last.
func (i *ingest) anytime(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case messages.SessionUp:
		i.onSessionUp(ctx)
	case messages.SessionDown:
		i.onSessionDown()
	case messages.StartIngest:
		i.onSameJobAgain(ctx, m)
	case messages.Abandoned:
		i.onAbandoned(ctx, m)
	case messages.AnswerFate:
		i.onAnswerFate(ctx, m)
	case messages.IngestAnswered:
		i.onIngestAnswered(ctx, m)
	case messages.IngestOvertaken:
		i.onOvertaken(ctx, m)
	case messages.IngestLost:
		i.onIngestLost(ctx, m)
	case messages.IngestDeferred:
		i.onIngestDeferred(m)
	case batchNoted: // in any state, for what keeps a job alive
		i.onBatchNoted(ctx, m)
	case noteDue:
		i.note(m.batch)
	case sendDue:
		i.onSendDue(ctx)
	case checkDue:
		i.onCheckDue(ctx)
	case heldBack, compareDue, heldCame:
		// The APIs flow already, or what they are compared for is said.
	case jobWritten:
		switch {
		case i.journal.Lost(m.err):
			i.yield(ctx)
		case m.err != nil:
			i.env.Lasting.Warn("cannot save an ingest: a restart may lose or repeat it", life.LogJob, i.job(), life.LogError, m.err)
		}
		i.leave(ctx)
	case messages.Drain:
		i.leaveBy = m.By
		i.leave(ctx)
	default:
		life.Unexpected(i.env, ctx)
	}
}

func (i *ingest) job() string { return i.spec.Command.JobID }

func (i *ingest) onStarted(ctx actor.Context) {
	i.startedAt = time.Now()
	i.lastAck = i.startedAt
	settings := i.all.Settings
	i.documents = i.all.Memory.Holder(i.Scope.Ctx, 0, func() { i.Scope.Tell(roomMoved{}) })
	i.outbox = exports.NewOutbox(exports.BatchLimits{
		Bytes: min(settings.BatchBytes, i.all.MaxBytes, cmp.Or(i.limits.Next(), i.all.MaxBytes)),
		Count: settings.BatchCount, Delay: settings.BatchDelay,
	})
	i.Scope.After(checkEvery, checkDue{})
	i.show()
	i.askHeld()
	if i.spec.Resumed != nil {
		i.resume(ctx)
		return
	}
	i.open = []messages.CommandRef{i.spec.Command.CommandRef}
	i.awaiting = map[messages.CommandKey]bool{i.spec.Command.CommandRef.Key(): true}
	ctx.Request(i.spec.Router, messages.Serving{CommandRef: i.spec.Command.CommandRef})
	i.gather(ctx, i.spec.Command.AnswerBy.Add(-startMargin))
}

// resume continues a job that began before a restart. If its `done` was on its way, it needs no listing any more.
func (i *ingest) resume(ctx actor.Context) {
	job := i.spec.Resumed
	i.answered, i.unproved, i.total, i.sent = true, i.spec.Unproved, job.Total, len(job.Acked)
	i.env.Log.Info("resuming an ingest after restart", life.LogJob, i.job(), life.LogSent, i.sent, life.LogTotal, i.total)
	i.lastAck = i.startedAt.Add(-i.spec.Age)
	i.storedBy = i.startedAt.Add(holdBack)
	i.keepAlive(ctx)
	if job.DoneSent {
		i.hold()
		return
	}
	i.gather(ctx, time.Time{})
}

// hold waits until APIM has stored the job; then the APIs flow. The fate of the answer to START_INGEST says when.
func (i *ingest) hold() {
	i.Become(i.holding)
	i.held = true
	i.flowOnceStored()
	if i.storedBy.IsZero() {
		i.Scope.After(proofOverdue, heldBack{})
	}
}

// flowOnceStored lets a job that holds flow, once it is known when APIM has stored it.
func (i *ingest) flowOnceStored() {
	if i.held && !i.storedBy.IsZero() {
		i.Scope.After(time.Until(i.storedBy), heldBack{})
	}
}

// fail ends the job without `done`: in APIM it times out, which is the truth.
func (i *ingest) fail(ctx actor.Context, why string) {
	i.env.Log.Error("the ingest failed", life.LogJob, i.job(), life.LogReason, why,
		life.LogSent, i.sent, life.LogOmitted, i.omitted.Count)
	i.report(why)
	ctx.Send(ctx.Parent(), messages.JobEnding{Job: i.job()}) // before APIM hears of it and begins another one
	i.refuseOpen(ctx, why)
	i.end(ctx)
}

// end forgets the job, then stops.
func (i *ingest) end(ctx actor.Context) {
	i.Become(i.ending)
	i.ended = true
	ctx.Send(ctx.Parent(), messages.JobEnding{Job: i.job()})
	i.refuseOpen(ctx, "this ingest job has just ended; start another one")
	// A PID keeps its actor in memory as long as the PID is referenced: what an ended job knew must not stay with it.
	i.plan, i.outbox, i.missing, i.inFlight, i.next = exports.Plan{}, exports.Outbox{}, exports.Missing{}, nil, nil
	i.compare = comparison{}
	ctx.Send(i.all.Claims, messages.PlansSent{})
	i.finish()
}

func (i *ingest) finish() {
	life.Do(i.Scope, i.journal.Finish, func(err error) any { return jobEnded{err} })
}

// onJobEnded stops once the job is forgotten. Where processes share the journal, one that is not would be gone on with, and
// its end be sent twice, as long as APIM may hold it.
func (i *ingest) onJobEnded(ctx actor.Context, m jobEnded) {
	if m.err != nil {
		i.env.Lasting.Warn("cannot write down that an ingest job has ended", life.LogJob, i.job(), life.LogError, m.err)
		if i.env.Member != nil && time.Since(i.lastAck) <= HeldFor {
			i.Scope.After(deferFor, finishDue{})
			return
		}
	}
	ctx.Stop(ctx.Self())
}

// leave leaves the job, which stays written down, to the process that resumes it: once no START_INGEST, INGEST or note of
// the job's end is on its way, or the time for that is up. The order to drain comes again until then.
func (i *ingest) leave(ctx actor.Context) {
	busy := i.ended || len(i.open) > 0 || i.inFlight != nil && i.inFlight.number > 0
	if !i.leaveBy.IsZero() && (!busy || !time.Now().Before(i.leaveBy)) {
		i.refuseOpen(ctx, life.WhyDraining)
		ctx.Stop(ctx.Self())
	}
}

func (i *ingest) onSessionDown() {
	i.session = nil
	i.lose()
}

// onIngestLost hears that an INGEST went down with its session, or that there is none.
func (i *ingest) onIngestLost(ctx actor.Context, m messages.IngestLost) {
	if b := i.inFlight; b != nil && b.number == m.Batch {
		i.session = nil
		i.lose()
		if m.TooLarge {
			i.onTooLarge(ctx, b)
		}
	}
}

// onIngestDeferred keeps the batch in hand for a moment: APIM is to read first what it was sent before.
func (i *ingest) onIngestDeferred(m messages.IngestDeferred) {
	if b := i.inFlight; b != nil && b.number == m.Batch {
		i.lose()
		i.Scope.After(deferFor, sendDue{})
	}
}

// lose has the batch that is on its way sent again by the next session: no answer to it can come any more.
func (i *ingest) lose() {
	if i.inFlight != nil {
		i.inFlight.number = 0
	}
}

// onSessionUp continues the same job, if APIM still holds it.
func (i *ingest) onSessionUp(ctx actor.Context) {
	i.session = ctx.Sender()
	i.lose()
	if !i.answered { // its START_INGEST went down with its session
		i.end(ctx)
		return
	}
	if time.Since(i.lastAck) > HeldFor {
		i.fail(ctx, fmt.Sprintf("the session was away for longer than the %s that APIM holds a job; start the ingest again",
			HeldFor))
		return
	}
	i.transmit(ctx)
	i.keepAlive(ctx)
	i.proceed(ctx)
}

// onCheckDue moves the job's deadline on if nothing else has for a while, and stops waiting for what never came.
func (i *ingest) onCheckDue(ctx actor.Context) {
	i.Scope.After(checkEvery, checkDue{})
	i.keepAlive(ctx)
	for _, id := range i.plan.Overdue(time.Now(), exportOverdue) {
		i.onOmitted(ctx, messages.APIOmitted{ID: id, OfTarget: true, Omission: gateway.Omission{
			Why: "it did not get ready in time", Reason: gateway.TooLate,
		}})
	}
	if b := i.inFlight; b != nil && b.number > 0 && time.Since(b.sentAt) > answerOverdue {
		i.fail(ctx, fmt.Sprintf("APIM did not answer an INGEST within %s", answerOverdue))
	}
}
