package actors

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

const (
	// startMargin is how long before its deadline a START_INGEST is answered with an estimate.
	startMargin = 5 * time.Second
	// holdBack is how long the first INGEST waits after START_INGEST was answered: APIM stores the job only
	// then, and drops what comes before (read in APIM 4.5 to 4.12).
	holdBack = time.Second
	// keepAlive is when an empty INGEST moves the job's deadline of 5 minutes on, if nothing else does.
	keepAlive = 2 * time.Minute
	// jobDeadline is how long APIM holds a job without an INGEST (read in APIM 4.9).
	jobDeadline = 5 * time.Minute
	// answerOverdue is how long one INGEST may take in APIM while the session lives: after twice its own
	// deadline for the job there is nothing to wait for.
	answerOverdue = 2 * jobDeadline
	// exportOverdue is how long an API may take to get ready. Even at a tenth of the quota, a target's
	// window of stages is through in a few minutes.
	exportOverdue = 10 * time.Minute
	// listAgain is the delay before a listing that failed behind an answered START_INGEST is asked for again.
	listAgain = 20 * time.Second
	// gatherOverdue is when the catalogue is asked once more: one that was restarted has forgotten who asked.
	gatherOverdue = 10 * time.Minute
	// doneTries is how often `done` is sent if APIM answers it ERROR.
	doneTries = 3
)

// ingest is one ingest job: it learns what there is, answers START_INGEST, then has the APIs made ready,
// a window of them at a time, and sends them batch by batch, `done` last. It outlives sessions: batches
// that were not acknowledged go again on the next one. Parent: integration.
//
// Its states: gathering -> holding -> sending -> ending.
type ingest struct {
	scoped
	actor.Behavior
	env     *Env
	spec    ingestSpec
	parties ingestParties

	router    *actor.PID // who is to be answered; nil once START_INGEST is, and for a resumed job
	answered  bool
	total     int
	startedAt time.Time
	lastAck   time.Time

	plan     exportPlan
	outbox   outbox
	inFlight *batch
	number   int  // of the last batch sent
	up       bool // there is a session
	doneTry  int
	sendAt   *time.Timer
	omitted  int
	sent     int
}

// ingestSpec is what a job is made of.
type ingestSpec struct {
	integration string
	command     messages.StartIngest
	settings    config.Ingest
	listingAge  time.Duration
	// resumed is the job's record, if an earlier life of the agent began it.
	resumed *store.IngestJob
	guard   *planGuard
	// maxBytes is how large the API objects of one INGEST may be together.
	maxBytes int
	up       bool
}

type ingestParties struct {
	session, catalogue, router *actor.PID
}

func ingestProps(env *Env, spec ingestSpec, parties ingestParties) *actor.Props {
	return props(env, worker, func() actor.Actor {
		i := &ingest{Behavior: actor.NewBehavior(), env: env, spec: spec, parties: parties, up: spec.up}
		i.Become(i.gathering)
		return i
	})
}

// What an ingest job tells itself.
type (
	startDue   struct{}
	gatherMore struct{}
	heldBack   struct{}
	jobWritten struct{ err error }
	planNoted  struct {
		batch *batch
		err   error
	}
	batchDue     struct{}
	keepAliveDue struct{}
	overdueCheck struct{}
	doneNoted    struct{ err error }
	jobEnded     struct{}
)

// Receive implements actor.Actor: the behaviour does.
func (i *ingest) Receive(ctx actor.Context) { i.Behavior.Receive(ctx) }

// gathering: the listings are not complete, so nothing is sent yet.
func (i *ingest) gathering(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		i.onStarted(ctx)
	case messages.Catalogue:
		i.onCatalogue(ctx, m)
	case gatherMore:
		i.gather(ctx, time.Time{})
	default:
		i.anytime(ctx)
	}
}

// holding: START_INGEST is answered, APIM is storing the job.
func (i *ingest) holding(ctx actor.Context) {
	switch ctx.Message().(type) {
	case heldBack:
		i.Become(i.sending)
		i.scope.after(keepAlive, keepAliveDue{})
		i.scope.after(exportOverdue, overdueCheck{})
		i.pull(ctx)
		i.proceed(ctx)
	default:
		i.anytime(ctx)
	}
}

// sending: APIs are made ready and sent.
func (i *ingest) sending(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case messages.APIReady:
		i.onReady(ctx, m)
	case messages.APIOmitted:
		i.onOmitted(ctx, m)
	case planNoted:
		i.onPlanNoted(ctx, m)
	case messages.IngestAnswered:
		i.onIngestAnswered(ctx, m)
	case messages.IngestLost:
		i.onIngestLost(ctx, m)
	case batchDue:
		i.proceed(ctx)
	case keepAliveDue:
		i.onKeepAliveDue(ctx)
	case overdueCheck:
		i.onOverdueCheck(ctx)
	case doneNoted:
		if b := i.inFlight; b != nil && b.done && b.number == 0 { // else a new session has sent it
			i.transmit(ctx, b)
		}
	case messages.SessionUp:
		if i.onSessionUp(ctx) {
			i.goOn(ctx)
		}
	default:
		i.anytime(ctx)
	}
}

// ending: the job is being forgotten; nothing is sent for it any more.
func (i *ingest) ending(ctx actor.Context) {
	switch ctx.Message().(type) {
	case jobEnded:
		ctx.Stop(ctx.Self())
	case messages.SessionUp, messages.APIReady, messages.APIOmitted, messages.IngestAnswered, messages.IngestLost,
		planNoted, doneNoted, batchDue, keepAliveDue, overdueCheck:
		// Of a job that is over.
	default:
		i.anytime(ctx)
	}
}

// anytime is what may happen in every state.
func (i *ingest) anytime(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case messages.SessionUp:
		i.onSessionUp(ctx)
	case messages.SessionDown:
		i.up = false
	case messages.StartIngest:
		i.onSameJobAgain(ctx, m)
	case messages.Abandoned:
		i.onAbandoned(ctx, m)
	case jobWritten:
		if m.err != nil {
			i.env.Log.Warn("cannot write the ingest job down: it may not go on after a restart", logJob, i.job(), logError, m.err)
		}
	case gatherMore:
		// The catalogue answered in time.
	case messages.Drain:
		// The job stays written down; the next process goes on with it while APIM holds it.
		ctx.Stop(ctx.Self())
	default:
		unexpected(i.env, ctx)
	}
}

func (i *ingest) job() string { return i.spec.command.JobID }

func (i *ingest) onStarted(ctx actor.Context) {
	i.startedAt = time.Now()
	i.lastAck = i.startedAt
	i.outbox = newOutbox(i.spec.settings, i.spec.maxBytes)
	if i.spec.resumed != nil {
		i.answered, i.total = true, i.spec.resumed.Total
		i.gather(ctx, time.Time{})
		return
	}
	i.router = i.parties.router
	ctx.Request(i.router, messages.Serving{CommandRef: i.spec.command.CommandRef})
	i.gather(ctx, i.spec.command.AnswerBy.Add(-startMargin))
}

func (i *ingest) gather(ctx actor.Context, by time.Time) {
	age := i.spec.listingAge
	if i.spec.guard.suspicious() {
		age = 0 // a listing that was used before proves nothing
	}
	if by.IsZero() {
		i.scope.after(gatherOverdue, gatherMore{})
	}
	ctx.Request(i.parties.catalogue, messages.GatherCatalogue{MaxAge: age, By: by, Priority: apigateway.PriorityIngest})
}

// onCatalogue begins the job once every target is listed or has failed; before that it only answers with
// an estimate.
func (i *ingest) onCatalogue(ctx actor.Context, m messages.Catalogue) {
	failures := failuresOf(m.Listings)
	pending, listed := 0, 0
	for _, l := range m.Listings {
		switch {
		case l.Complete:
			listed++
		case l.Failure == "":
			pending++
		}
	}
	if pending > 0 {
		if !i.answered {
			i.answer(ctx, messages.IngestStarted{JobID: i.job(), Total: i.estimate(m)})
		}
		ctx.Send(ctx.Self(), gatherMore{})
		return
	}
	for _, failure := range failures {
		i.env.Log.Error("a target is left out of this ingest; what APIM has of it stays", logJob, i.job(), logReason, failure)
	}
	if listed == 0 && i.answered && time.Since(i.startedAt) < jobDeadline-listAgain {
		i.env.Log.Warn("no target could be listed; trying again while APIM holds the job", logJob, i.job(), logDelay, listAgain)
		i.scope.after(listAgain, gatherMore{})
		return
	}
	if listed == 0 {
		i.fail(ctx, "AWS could not be listed: "+strings.Join(failures, "; "))
		return
	}
	all := complete(m)
	apis := i.wanted(all)
	if verdict := i.spec.guard.judge(i.env, i.spec.integration, m, i.spec.settings.MaxPlanRemovalPercent); verdict != "" {
		i.fail(ctx, verdict)
		return
	}
	i.nameLost(all, m)
	i.begin(ctx, apis, len(failures) > 0)
}

// wanted is the APIs that this job is about, those already acknowledged left out.
func (i *ingest) wanted(apis []messages.NamedEntry) []messages.NamedEntry {
	sent := map[string]bool{}
	if i.spec.resumed != nil {
		for _, id := range i.spec.resumed.Acked {
			sent[id] = true
		}
	}
	chosen, missing := choose(apis, i.spec.command.APIIDs)
	if len(missing) > 0 {
		i.env.Log.Warn("APIs that APIM asks for are not there, or not in a usage plan any more; what APIM has of them stays",
			logJob, i.job(), logLeft, missing)
	}
	// A clone: chosen may be the catalogue's own, of which the rest is still needed.
	return slices.DeleteFunc(slices.Clone(chosen), func(e messages.NamedEntry) bool { return sent[idOf(e).String()] })
}

// choose picks the APIs with the given ids, all if there are none. A bare REST API id, as other agents
// made them, means its API where that is the only one.
func choose(apis []messages.NamedEntry, ids []string) (chosen []messages.NamedEntry, missing []string) {
	if len(ids) == 0 {
		return apis, nil
	}
	byID := map[string]messages.NamedEntry{}
	bare := map[string][]messages.NamedEntry{}
	for _, e := range apis {
		byID[idOf(e).String()] = e
		bare[e.API.ID] = append(bare[e.API.ID], e)
	}
	taken := map[string]bool{}
	for _, id := range ids {
		e, ok := byID[id]
		if !ok && len(bare[id]) == 1 {
			e, ok = bare[id][0], true
		}
		if !ok {
			missing = append(missing, id)
			continue
		}
		if key := idOf(e).String(); !taken[key] {
			taken[key] = true
			chosen = append(chosen, e)
		}
	}
	return chosen, missing
}

// nameLost names the APIs that were sent before and have left every usage plan: APIM keeps what it has.
func (i *ingest) nameLost(apis []messages.NamedEntry, m messages.Catalogue) {
	if len(i.spec.command.APIIDs) > 0 {
		return
	}
	known, err := i.env.Catalogue.RememberedPlans(i.spec.integration)
	if err != nil {
		return
	}
	for _, e := range apis {
		delete(known, idOf(e).String())
	}
	var lost []string
	for _, l := range m.Listings {
		for id := range known {
			if parsed, err := federation.ParseID(id); err == nil && l.Complete && parsed.Target() == l.Target {
				lost = append(lost, id)
			}
		}
	}
	if len(lost) > 0 {
		slices.Sort(lost)
		i.env.Log.Warn("APIs that were ingested before are deleted, filtered out or in no usage plan any more; "+
			"APIM keeps what it has of them: delete them there if they are gone for good", logJob, i.job(), logLeft, lost)
	}
}

// estimate is the total as far as it can be known; never 0, which would end the job.
func (i *ingest) estimate(m messages.Catalogue) int {
	if n := len(i.spec.command.APIIDs); n > 0 {
		return n
	}
	total := 0
	for _, l := range m.Listings {
		total += l.Estimate
	}
	return max(1, total)
}

// begin answers START_INGEST, if it is not answered yet, and holds the first INGEST back.
func (i *ingest) begin(ctx actor.Context, apis []messages.NamedEntry, targetsFailed bool) {
	i.plan = newExportPlan(exportsOf(apis), i.spec.settings.StageWorkers)
	if !i.answered {
		i.total = len(apis)
		if i.total == 0 && targetsFailed {
			i.fail(ctx, "nothing to ingest: the targets that could be listed have no API in a usage plan, and the others could not be listed")
			return
		}
		i.answer(ctx, messages.IngestStarted{JobID: i.job(), Total: i.total})
		if i.total == 0 {
			i.env.Log.Info("nothing to ingest", logJob, i.job())
			ctx.Stop(ctx.Self())
			return
		}
	}
	i.env.Log.Info("ingest begins", logJob, i.job(), logAPIs, len(apis), logResumed, i.spec.resumed != nil)
	i.Become(i.holding)
	i.scope.after(holdBack, heldBack{})
	env, job := i.env, store.IngestJob{
		Integration: i.spec.integration, JobID: i.job(), APIIDs: i.spec.command.APIIDs,
		StartedAt: i.env.Now(), LastAckAt: i.env.Now(), Total: i.total,
	}
	pipe(i.scope, func(context.Context) (struct{}, error) { return struct{}{}, env.Jobs.Start(job) },
		func(_ struct{}, err error) any { return jobWritten{err: err} })
}

// onSameJobAgain answers a START_INGEST that was repeated with the same job id.
func (i *ingest) onSameJobAgain(ctx actor.Context, m messages.StartIngest) {
	if !i.answered {
		ctx.Request(ctx.Sender(), messages.Answer{CommandRef: m.CommandRef, Reply: messages.Refused{
			Reason: "this ingest job is being started already",
		}})
		return
	}
	ctx.Request(ctx.Sender(), messages.Answer{CommandRef: m.CommandRef, Reply: messages.IngestStarted{JobID: i.job(), Total: i.total}})
}

func (i *ingest) answer(ctx actor.Context, reply messages.Reply) {
	i.answered = true
	if started, ok := reply.(messages.IngestStarted); ok {
		i.total = started.Total
	}
	if i.router != nil {
		ctx.Request(i.router, messages.Answer{CommandRef: i.spec.command.CommandRef, Reply: reply})
	}
}

// onAbandoned ends a job that APIM never heard of: its START_INGEST was not answered in time.
func (i *ingest) onAbandoned(ctx actor.Context, m messages.Abandoned) {
	if !i.answered && m.CommandRef.ID == i.spec.command.ID {
		ctx.Stop(ctx.Self())
	}
}

// fail ends the job without `done`: in APIM it times out, which is the truth.
func (i *ingest) fail(ctx actor.Context, why string) {
	i.env.Log.Error("the ingest failed", logJob, i.job(), logReason, why)
	if !i.answered {
		i.answer(ctx, messages.Refused{Reason: why})
	}
	i.end(ctx)
}

// end forgets the job, then stops.
func (i *ingest) end(ctx actor.Context) {
	i.Become(i.ending)
	env, integration, job := i.env, i.spec.integration, i.job()
	pipe(i.scope, func(context.Context) (struct{}, error) { return struct{}{}, env.Jobs.Finish(integration, job) },
		func(_ struct{}, err error) any {
			if err != nil {
				env.Log.Warn("cannot write down that an ingest job has ended", logJob, job, logError, err)
			}
			return jobEnded{}
		})
}

// pull asks for as many APIs as the window and the memory allow.
func (i *ingest) pull(ctx actor.Context) {
	for i.outbox.bytes() < i.spec.settings.MemoryBytes {
		export, ok := i.plan.next()
		if !ok {
			return
		}
		export.Priority = apigateway.PriorityIngest
		ctx.Request(i.parties.catalogue, export)
	}
}

func (i *ingest) onReady(ctx actor.Context, m messages.APIReady) {
	if !i.plan.arrived(m.ID) {
		return
	}
	i.outbox.add(m, time.Now())
	i.pull(ctx)
	i.proceed(ctx)
}

func (i *ingest) onOmitted(ctx actor.Context, m messages.APIOmitted) {
	if !i.plan.arrived(m.ID) {
		return
	}
	i.omitted++
	i.env.Log.Warn("an API is left out of this ingest; what APIM has of it stays", logJob, i.job(), logAPI, m.ID, logReason, m.Why)
	i.pull(ctx)
	i.proceed(ctx)
}

// proceed sends the next batch, if it is due and nothing else is on its way.
func (i *ingest) proceed(ctx actor.Context) {
	if i.inFlight != nil || !i.up {
		return
	}
	now := time.Now()
	if b := i.outbox.take(now, i.plan.finished()); b != nil {
		i.inFlight = b
		i.pull(ctx)
		i.notePlans(b)
		return
	}
	if i.plan.finished() && i.outbox.empty() {
		i.sayDone()
		return
	}
	if due, waiting := i.outbox.due(); waiting {
		if i.sendAt != nil {
			i.sendAt.Stop()
		}
		i.sendAt = i.scope.after(max(0, due.Sub(now)), batchDue{})
	}
}

// notePlans writes down which plans a batch carries before it leaves: APIM may take it though its answer
// is lost.
func (i *ingest) notePlans(b *batch) {
	env, integration := i.env, i.spec.integration
	plans := make(map[string][]string, len(b.apis))
	for _, api := range b.apis {
		plans[api.ID.String()] = api.PlanIDs
	}
	pipe(i.scope, func(context.Context) (struct{}, error) {
		return struct{}{}, env.Catalogue.RememberPlans(integration, plans)
	}, func(_ struct{}, err error) any { return planNoted{batch: b, err: err} })
}

func (i *ingest) onPlanNoted(ctx actor.Context, m planNoted) {
	if m.err != nil {
		i.env.Log.Warn("cannot remember which plans were sent: a later loss of plans may go unnoticed", logJob, i.job(), logError, m.err)
	}
	if i.inFlight == m.batch && m.batch.number == 0 { // else a new session has sent it
		i.transmit(ctx, m.batch)
	}
}

// transmit gives a batch to the session, if there is one; else it goes when there is.
func (i *ingest) transmit(ctx actor.Context, b *batch) {
	i.inFlight = b
	if !i.up {
		return
	}
	i.number++
	b.number, b.sentAt = i.number, time.Now()
	send := messages.SendIngest{Batch: b.number, JobID: i.job(), Done: b.done}
	for _, api := range b.apis {
		send.APIs = append(send.APIs, api.JSON)
	}
	ctx.Request(i.parties.session, send)
}

func (i *ingest) onIngestAnswered(ctx actor.Context, m messages.IngestAnswered) {
	b := i.inFlight
	if b == nil || b.number != m.Batch {
		return
	}
	i.inFlight = nil
	i.lastAck = time.Now()
	if m.Error != "" {
		i.onIngestError(ctx, b, m.Error)
		return
	}
	if b.done {
		i.env.Log.Info("ingest done", logJob, i.job(), logSent, i.sent, logOmitted, i.omitted,
			logTook, time.Since(i.startedAt).Round(time.Millisecond))
		i.end(ctx)
		return
	}
	i.sent += len(b.apis)
	i.acknowledge(b)
	if len(b.apis) > 0 {
		i.env.Log.Info("ingesting", logJob, i.job(), logSent, i.sent, logTotal, i.total)
	}
	i.pull(ctx)
	i.proceed(ctx)
}

// acknowledge writes down what APIM has, so that a resumed job does not send it again.
func (i *ingest) acknowledge(b *batch) {
	env, integration, job, now := i.env, i.spec.integration, i.job(), i.env.Now()
	ids := make([]string, len(b.apis))
	for n, api := range b.apis {
		ids[n] = api.ID.String()
	}
	pipe(i.scope, func(context.Context) (struct{}, error) {
		return struct{}{}, env.Jobs.Acknowledge(integration, job, ids, now)
	}, func(_ struct{}, err error) any { return jobWritten{err: err} })
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
		i.scope.after(holdBack, batchDue{})
		return
	case len(b.apis) == 0: // a keep-alive
		i.env.Log.Warn("APIM refused to keep the job alive", logJob, i.job(), logReason, reason)
	case len(b.apis) == 1:
		i.omitted++
		i.env.Log.Error("APIM refuses an API; it is left out of this ingest", logJob, i.job(), logAPI, b.apis[0].ID, logReason, reason)
	default:
		i.env.Log.Warn("APIM refused a batch; sending it again in halves", logJob, i.job(), logAPIs, len(b.apis), logReason, reason)
		i.outbox.halve(b)
	}
	i.proceed(ctx)
}

func (i *ingest) onIngestLost(ctx actor.Context, m messages.IngestLost) {
	if b := i.inFlight; b != nil && b.number == m.Batch {
		b.number = 0 // to be sent again on the next session
	}
	i.up = false
}

// onSessionUp reports whether APIM still holds the job. Before the first batch, an empty plan and an empty
// outbox mean nothing: only a job that is sending goes on from here.
func (i *ingest) onSessionUp(ctx actor.Context) bool {
	i.up = true
	if !i.answered { // its START_INGEST went down with its session
		ctx.Stop(ctx.Self())
		return false
	}
	if time.Since(i.lastAck) > jobDeadline {
		i.fail(ctx, fmt.Sprintf("the session was away for longer than the %s that APIM holds a job; start the ingest again", jobDeadline))
		return false
	}
	return true
}

// goOn sends again what a lost session left unanswered, else what is next.
func (i *ingest) goOn(ctx actor.Context) {
	if b := i.inFlight; b != nil && b.number == 0 {
		i.transmit(ctx, b)
		return
	}
	i.proceed(ctx)
}

// onKeepAliveDue moves the job's deadline on if nothing else has for a while.
func (i *ingest) onKeepAliveDue(ctx actor.Context) {
	i.scope.after(keepAlive/4, keepAliveDue{})
	if i.inFlight == nil && i.up && time.Since(i.lastAck) >= keepAlive {
		i.transmit(ctx, &batch{})
	}
}

// onOverdueCheck gives up on what never came: an actor that crashed has forgotten it.
func (i *ingest) onOverdueCheck(ctx actor.Context) {
	i.scope.after(exportOverdue/4, overdueCheck{})
	for _, id := range i.plan.overdue(time.Now().Add(-exportOverdue)) {
		i.onOmitted(ctx, messages.APIOmitted{ID: id, Why: "it did not get ready in time"})
	}
	if b := i.inFlight; b != nil && i.up && b.number > 0 && time.Since(b.sentAt) > answerOverdue {
		i.fail(ctx, fmt.Sprintf("APIM did not answer an INGEST within %s", answerOverdue))
	}
}

// sayDone writes down that `done` goes out, then sends it.
func (i *ingest) sayDone() {
	i.inFlight = &batch{done: true}
	env, integration, job := i.env, i.spec.integration, i.job()
	pipe(i.scope, func(context.Context) (struct{}, error) { return struct{}{}, env.Jobs.SendingDone(integration, job) },
		func(_ struct{}, err error) any { return doneNoted{err: err} })
}
