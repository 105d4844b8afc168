package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/catalogue"
	"federation-agent/actors/discovery"
	"federation-agent/actors/life"
	"federation-agent/internal/drift"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/status"
	"federation-agent/internal/survey"
	"federation-agent/internal/table"
	"federation-agent/internal/words"
	"federation-agent/messages"
)

// window is how many stages of a target a round asks for at a time: it has all the time there is, and takes room for
// documents from ingests.
const window = 2

// round is one round through what AWS has. Its kind says which of the steps it takes:
//
//	step                                             | warming | scheduled | named | reporting
//	-------------------------------------------------|---------|-----------|-------|----------
//	counting: does an ingest run here?               |         | x         | x     |
//	asking: does APIM say so, too?                   |         | x         | x     |
//	listing: what does AWS have?                     | x       | x         | x     | what was listed last
//	judging: which APIs must not be sent?            |         | x         | x     | x
//	exporting: is each as APIM has taken it?         | cache   | x         | x     |
//	comparing: what does APIM have?                  |         | x         |       | x
//	counting, asking again, if anything is to be sent|         | x         | x     |
//	sending: APIM is to ingest these                 |         | x         | x     |
//	following: did the ingest come to this agent?    |         | x         | x     |
type round struct {
	kind      kind
	step      step
	ids       []string // of the APIs that it is about; none means all
	left      string   // why it is to end once the actors that were asked have answered
	cancel    context.CancelFunc
	documents *exports.Holder
	plan      exports.Plan
	maxBytes  int
	found     survey.Found
	plans     map[string][]string // with which each API was sent, when it was judged
	taken     map[string]string   // how APIM took each, then
	answered  time.Time           // when AWS had answered all that is compared
	// changed are the APIs that APIM has not taken as they are now, with their digests.
	changed   map[federation.ID]string
	omissions map[federation.ID]gateway.Omission
	send      []string // ids of what APIM is to ingest
	begun     int      // how many ingests had begun here before
	// Of a round that removes: no ingest runs by APIM's word; and what stays, with the reasons.
	mayRemove    bool
	kept, failed []string
	failure      error // why some failed, with what to do
}

type kind int

const (
	// warming has changed documents in the export cache before an ingest needs them.
	warming kind = iota
	// scheduled has APIM ingest what has changed.
	scheduled
	// named does so for APIs that events have named.
	named
	// reporting says how AWS and APIM differ after an ingest.
	reporting
	// removing removes from APIM what AWS has deleted, see [Remover]. It counts, asks, and then removes one by one.
	removing
)

type step int

const (
	counting step = iota
	asking
	listing
	judging
	exporting
	comparing
	sending
	following
	removingAPI
)

func newRound(kind kind, ids []string, cancel context.CancelFunc) *round {
	return &round{
		kind: kind, ids: ids, cancel: cancel,
		changed: map[federation.ID]string{}, omissions: map[federation.ID]gateway.Omission{},
	}
}

// answers says that an actor's answer is what the round waits for. It ends a round that was to end then.
func (r *reconciler) answers(ctx actor.Context, to step) bool {
	o := r.round
	if o == nil || o.step != to {
		return false
	}
	if o.left != "" {
		r.putOff(ctx, o.left)
		return false
	}
	return true
}

// count asks whether an ingest runs here. APIM does not refuse a second one, and then both run, interleaved. Of one that
// another replica runs APIM itself tells ([State]).
func (r *reconciler) count(ctx actor.Context) {
	r.round.step = counting
	ctx.Request(r.spec.Jobs, messages.CountJobs{})
}

func (r *reconciler) onJobsCounted(ctx actor.Context, m messages.JobsCounted) {
	if r.round != nil && r.round.step == following {
		r.follow(ctx, m.Begun)
		return
	}
	if !r.answers(ctx, counting) {
		return
	}
	if m.Running > 0 {
		r.putOff(ctx, "an ingest runs")
		return
	}
	if r.round.mayRemove {
		r.removeNext(ctx)
		return
	}
	if r.round.send != nil && m.Begun != r.round.begun {
		r.putOff(ctx, "an ingest has run meanwhile") // and may have sent the same
		return
	}
	o, apim := r.round, r.spec.APIM
	o.step, o.maxBytes, o.begun = asking, m.MaxBytes, m.Begun
	life.Pipe(r.Scope, apim.State, func(state State, err error) any { return stateCame{of: o, state: state, err: err} })
}

func (r *reconciler) onState(ctx actor.Context, m stateCame) {
	switch {
	case m.of != r.round:
	case m.err != nil && m.of.kind == scheduled && m.of.send == nil && !life.NeedsSomebody(m.err):
		r.putOff(ctx, m.err.Error()) // AWS was not asked yet, so that trying again costs next to nothing
	case m.err != nil:
		r.fail(ctx, m.err.Error(), life.NeedsSomebody(m.err))
	case m.state.Job != "":
		r.putOff(ctx, "APIM has an ingest of this integration that runs: job "+m.state.Job)
	case !m.state.Connected:
		r.putOff(ctx, "APIM does not see this agent connected")
	case r.round.send != nil:
		r.send()
	case r.round.kind == removing:
		r.remove(ctx)
	default:
		r.list(ctx)
	}
}

// fail ends a round that cannot do what it is for. The schedule's next time tries again.
func (r *reconciler) fail(ctx actor.Context, why string, needsSomebody bool) {
	level := life.LevelOf(needsSomebody)
	if r.round.kind == removing {
		r.env.Lasting.Log(context.Background(), level, staysUnknown, life.LogReason, why)
		r.endRemovals(ctx)
		return
	}
	r.env.Lasting.Log(context.Background(), level,
		"a round could not bring to APIM what has changed in AWS; the next one tries again", life.LogReason, why)
	// Events do not come again. But AWS is not listed over and over for what lasts until somebody acts.
	whole := r.memory.heard && (!needsSomebody || r.round.step == asking)
	if r.round.kind == named || whole {
		r.putOff(ctx, why)
		return
	}
	r.finish(ctx, status.RoundFailed, 0, why)
}

func (r *reconciler) list(ctx actor.Context) {
	o := r.round
	o.step = listing
	gather := messages.GatherAPIs{Only: o.ids, Priority: gateway.PriorityRefresh}
	switch o.kind {
	case warming:
		gather.MaxAge, gather.By = r.spec.Warming, time.Now().Add(r.spec.Warming)
	case reporting:
		gather.Kept = true
	case scheduled, named: // as AWS is now, and as an ingest sends it
		gather.Domains = true
	case removing: // lists nothing
	}
	ctx.Request(r.spec.Catalogue, gather)
}

func (r *reconciler) onCatalogue(ctx actor.Context, m messages.GatheredAPIs) {
	if !r.answers(ctx, listing) {
		return
	}
	if r.round.kind == warming {
		r.env.Log.Debug("refreshing the export cache", life.LogAPIs, len(m.Whole))
		r.export(ctx, m.Whole)
		return
	}
	r.round.step = judging
	ctx.Request(r.spec.Claims, messages.JudgeLosses{Catalogue: m, Kept: r.round.kind == reporting})
}

func (r *reconciler) onLossesJudged(ctx actor.Context, m messages.LossesJudged) {
	if !r.answers(ctx, judging) {
		return
	}
	o := r.round
	if m.Unread != nil {
		r.fail(ctx, "the journal cannot be read: "+table.Explain(m.Unread), false)
		return
	}
	o.plans, o.taken = m.Plans, m.Taken
	o.found = catalogue.Found(r.spec.Integration, r.spec.Filter, m)
	listed := slices.ContainsFunc(o.found.Listings, func(l survey.Listing) bool { return l.Complete })
	switch {
	case o.kind == reporting && !listed:
		r.finish(ctx, status.RoundFailed, 0, "") // an ingest of a few APIs, and nothing was listed before
		return
	case o.kind == reporting:
		r.compare()
		return
	case !listed:
		r.fail(ctx, "AWS could not be listed: "+words.Few(m.Catalogue.Failures, words.Some, "; "), false)
		return
	}
	apis := slices.DeleteFunc(o.about(m.Catalogue.Whole), func(e federation.NamedEntry) bool {
		if e.Bases.Awaited() { // it would go out without them, and once more when they are known
			o.omissions[e.ID()] = gateway.Omission{Reason: gateway.TooLate, Why: federation.NotListedYet}
			return true
		}
		return m.Unconfirmed[e.ID()]
	})
	if o.kind == scheduled {
		apis = append(apis, drift.Doubtful(o.found, o.plans)...)
	}
	r.export(ctx, apis)
}

// about is a copy of the APIs that the round is about: a listing may have more than was asked for.
func (o *round) about(apis []federation.NamedEntry) (chosen []federation.NamedEntry) {
	if len(o.ids) == 0 {
		return slices.Clone(apis)
	}
	wanted := make(map[string]bool, len(o.ids))
	for _, id := range o.ids {
		wanted[id] = true
	}
	for _, e := range apis {
		id, every := e.ID(), e.ID()
		every.Stage = federation.AnyStage
		if wanted[id.String()] || wanted[every.String()] {
			chosen = append(chosen, e)
		}
	}
	return chosen
}

// forgetTaken forgets how APIM took APIs, because another agent of the integration sends them from now on: by the time
// that this one is the primary again, APIM may have them otherwise, and its list does not tell. Where agents share the
// journal, each knows what the others have sent.
func (r *reconciler) forgetTaken() {
	if r.spec.APIM == nil || r.env.Member != nil {
		return
	}
	clear(r.memory.elsewhere)
	journal, integration := r.env.Ingests, r.spec.Integration
	life.Do(r.Scope, func(ctx context.Context) error { return journal.ForgetTaken(ctx, integration) },
		func(err error) any { return takenForgotten{err} })
}

// export has the documents of APIs made ready, by the cache or by what is left of the quota.
func (r *reconciler) export(ctx actor.Context, apis []federation.NamedEntry) {
	r.round.step = exporting
	r.round.plan = exports.NewPlan(apis, window, r.round.documents)
	r.pull(ctx)
}

// pull asks for the next documents, and goes on once all have come.
func (r *reconciler) pull(ctx actor.Context) {
	o := r.round
	if o == nil || o.step != exporting {
		return
	}
	for {
		documents, ok := o.plan.Next(time.Now())
		if !ok {
			break
		}
		discovery.RequestExport(ctx, r.spec.Targets, exports.Order{
			Documents: documents, Priority: gateway.PriorityRefresh, MaxBytes: o.maxBytes,
		})
	}
	if !o.plan.Finished() {
		return
	}
	switch o.kind {
	case scheduled:
		r.compare()
	case named:
		ids := make([]string, 0, len(o.changed))
		for id := range o.changed {
			ids = append(ids, id.String())
		}
		r.bring(ctx, ids)
	case warming, reporting, removing:
		r.finish(ctx, status.RoundUnchanged, 0, "")
	}
}

// onReady compares an API with how APIM has taken it, and lets it go: its document is in the cache now.
func (r *reconciler) onReady(ctx actor.Context, m messages.APIReady) {
	document, awaited := r.arrived(m.ID)
	if !awaited {
		return
	}
	if r.round.kind != warming {
		if now := m.Digest(); !r.isTaken(m.ID, now) {
			r.round.changed[m.ID] = now
		}
	}
	document.Claim.Release()
	r.pull(ctx)
}

func (r *reconciler) onOmitted(ctx actor.Context, m messages.APIOmitted) {
	document, awaited := r.arrived(m.ID)
	if !awaited {
		return
	}
	r.round.omissions[m.ID] = m.Omission
	document.Claim.Release()
	r.pull(ctx)
}

// arrived is false for what a round before this one has asked for.
func (r *reconciler) arrived(id federation.ID) (exports.Document, bool) {
	if r.round == nil {
		return exports.Document{}, false
	}
	return r.round.plan.Arrived(id)
}

// compare asks what APIM has.
func (r *reconciler) compare() {
	o, apim := r.round, r.spec.APIM
	o.step, o.answered = comparing, time.Now()
	life.Pipe(r.Scope, apim.Held, func(held drift.Held, err error) any { return heldCame{of: o, held: held, err: err} })
}

func (r *reconciler) onHeld(ctx actor.Context, m heldCame) {
	o := r.round
	switch {
	case m.of != o:
		return
	case m.err != nil && o.kind == reporting:
		life.LogFailure(r.env.Lasting, m.err, "APIM's REST API does not tell which APIs APIM has, so nothing says how they "+
			"differ from AWS")
		r.finish(ctx, status.RoundFailed, 0, "")
		return
	case m.err != nil:
		r.fail(ctx, m.err.Error(), life.NeedsSomebody(m.err))
		return
	}
	if o.kind == scheduled {
		r.unsent = o.changed
	}
	in := drift.Input{
		Found: o.found, Sent: o.plans, Held: m.held, Changed: r.stillUnsent(), Omissions: o.omissions,
	}
	report := drift.Of(in)
	r.report(report)
	if o.kind == scheduled {
		r.planRemovals(in, report)
	} else { // it may look at listings of earlier, so nothing is removed on its word
		r.withdraw(o.found)
	}
	switch {
	case o.kind == reporting:
		r.finish(ctx, status.RoundUnchanged, 0, "")
	case report.Doubt != "":
		r.fail(ctx, report.Doubt, true)
	default:
		r.bring(ctx, report.ToSend())
	}
}

// stillUnsent are those of the APIs last found changed that APIM has not taken since.
func (r *reconciler) stillUnsent() map[federation.ID]bool {
	changed := make(map[federation.ID]bool, len(r.unsent))
	maps.DeleteFunc(r.unsent, r.isTaken)
	for id := range r.unsent {
		changed[id] = true
	}
	return changed
}

// bring has APIM ingest some APIs, if there are any, and if no ingest has begun meanwhile.
func (r *reconciler) bring(ctx actor.Context, ids []string) {
	if len(ids) == 0 {
		r.finish(ctx, status.RoundUnchanged, 0, "")
		return
	}
	slices.Sort(ids)
	r.round.send = ids
	r.count(ctx)
}

func (r *reconciler) send() {
	o, apim := r.round, r.spec.APIM
	o.step = sending
	r.env.Log.Info("having APIM ingest what has changed", life.LogAPIs, len(o.send),
		life.LogExamples, words.Few(o.send, words.Many, ", "))
	life.Do(r.Scope, func(ctx context.Context) error { return apim.Ingest(ctx, o.send) },
		func(err error) any { return ingestBegun{of: o, err: err} })
}

func (r *reconciler) onIngestBegun(ctx actor.Context, m ingestBegun) {
	switch {
	case m.of != r.round:
	case m.err != nil:
		r.fail(ctx, m.err.Error(), life.NeedsSomebody(m.err))
	default:
		m.of.step = following
		ctx.Request(r.spec.Jobs, messages.CountJobs{})
	}
}

// follow ends a round that has sent. APIM gives an ingest to any of an integration's agents, whichever is the primary
// (run). What another one sends is written down there, so here it is remembered with what it was given for: else each
// round would have it sent again. Where agents share the journal, it is read there what APIM has taken.
func (r *reconciler) follow(ctx actor.Context, begun int) {
	o := r.round
	if begun == o.begun {
		r.env.Log.Info("APIM gave the ingest to another agent of the integration", life.LogAPIs, len(o.send))
		for id, now := range o.changed {
			if r.env.Member == nil && slices.Contains(o.send, id.String()) {
				r.memory.elsewhere[id] = now
			}
		}
	}
	r.finish(ctx, status.RoundSent, len(o.send), "")
}

// isTaken says that APIM has taken an API as it is now, or that another agent was given it so.
func (r *reconciler) isTaken(id federation.ID, now string) bool {
	return r.memory.elsewhere[id] == now || r.round.taken[id.String()] == now
}
