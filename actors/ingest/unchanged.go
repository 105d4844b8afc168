package ingest

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/exports"
	"federation-agent/internal/federated"
	"federation-agent/internal/federation"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

// Each ingest of an API resets what people have set on its plans in APIM, brings closed plans back and writes audit
// entries (read in APIM 4.5 to 4.12). So an API that APIM has as it was last acknowledged is not sent again, where APIM's
// REST API tells what it has.

// heldWithin is how long APIM's REST API may take to tell what it has: APIM waits for the answer to START_INGEST.
const heldWithin = 20 * time.Second

// Held is what APIM has of an integration.
type Held interface {
	// Has says that APIM has an API of that identity, and under that name and version.
	Has(federated.Summary) bool
}

// comparison is what a job knows of what APIM has.
type comparison struct {
	asking bool                   // APIM has not told yet
	judged *messages.LossesJudged // what waits for that
	held   Held                   // nil: nothing is known, so everything is sent
	taken  map[string]string      // how APIM took each API, when the listing was judged
	// undecided says that START_INGEST waits for its answer: APIs are made ready, to learn how many are to be sent.
	undecided bool
	unchanged int // that are not sent
}

// What the job tells itself.
type (
	heldCame struct {
		held Held
		err  error
	}
	// compareDue: START_INGEST must be answered, however many APIs are compared.
	compareDue struct{}
)

// askHeld asks APIM what it has, beside the listing. An API that somebody names is sent in any case: that is what he
// asks for.
func (i *ingest) askHeld() {
	ask := i.all.Held
	if ask == nil {
		return
	}
	i.compare.asking = true
	env, integration, ids := i.env, i.all.Integration, i.spec.Command.APIIDs
	life.Pipe(i.Scope, func(ctx context.Context) (Held, error) {
		ctx, cancel := context.WithTimeout(ctx, heldWithin)
		defer cancel()
		if len(ids) > 0 && !store.AreAllSent(ctx, env.Ingests, integration, ids) {
			return nil, nil //nolint:nilnil // what APIM has does not matter
		}
		return ask(ctx)
	}, func(held Held, err error) any { return heldCame{held: held, err: err} })
}

func (i *ingest) onHeldCame(ctx actor.Context, m heldCame) {
	i.compare.asking, i.compare.held = false, m.held
	if m.err != nil {
		i.compare.held = nil
		life.LogFailure(i.env.Lasting, m.err, "APIM's REST API does not tell which APIs APIM has, so this ingest sends all, "+
			"also those that have not changed", life.LogJob, i.job())
	}
	if judged := i.compare.judged; judged != nil {
		i.compare.judged = nil
		i.onLossesJudged(ctx, *judged)
	}
}

// comparing: the APIs are made ready before START_INGEST is answered, so that its total tells how many will be sent.
func (i *ingest) comparing(ctx actor.Context) {
	switch ctx.Message().(type) {
	case compareDue:
		i.compared(ctx)
	default:
		i.preparing(ctx)
	}
}

func (i *ingest) beginComparing(ctx actor.Context) {
	i.Become(i.comparing)
	i.compare.undecided = true
	i.Scope.After(time.Until(i.spec.Command.AnswerBy.Add(-startMargin)), compareDue{})
	i.pull(ctx)
	i.proceed(ctx)
}

// decide ends the comparison once everything is compared. It ends before that if there is a batch to be sent, or if what
// is to be sent leaves no room for more: whoever waits for the answer then learns a number that may be too high.
func (i *ingest) decide(ctx actor.Context) {
	if i.compare.undecided &&
		(i.plan.Finished() || i.outbox.Full() || i.documents.Wanted() || i.plan.UnderWay() == 0) {
		i.compared(ctx)
	}
}

// compared answers START_INGEST. What is not compared yet is counted as to be sent, and compared when it is ready.
func (i *ingest) compared(ctx actor.Context) {
	i.compare.undecided = false
	apis := i.planned - i.done + i.outbox.Len()
	switch why := i.missing.NotDone(); {
	case apis == 0 && i.missing.AnyAway():
		apis = 1 // a total of 0 would end the job, and what could not be listed may come yet
	case apis == 0 && why != "":
		i.fail(ctx, why)
		return
	}
	i.goOn(ctx, apis)
}

// isUnchanged says that APIM has an API as it is now.
func (i *ingest) isUnchanged(api exports.API, entry federation.NamedEntry) bool {
	if i.compare.held == nil {
		return false
	}
	return i.compare.taken[api.ID.String()] == api.Digest() &&
		i.compare.held.Has(federation.Summarize(entry.Target, entry.Entry, entry.Name))
}

// digests are those of a batch that APIM has acknowledged. It acknowledges, and drops, also what belongs to a job that it
// does not have (read in APIM 4.5 to 4.12). So where it is not known that the answer to START_INGEST was read, or a
// process died before it was, nothing is known of these APIs any more: the next ingest sends them again.
func (i *ingest) digests(b *batch) map[string]string {
	if i.all.Held == nil {
		return nil
	}
	taken := make(map[string]string, len(b.apis))
	for _, api := range b.apis {
		taken[api.ID.String()] = ""
		if job := i.spec.Resumed; !i.unproved && (job == nil || len(job.Acked) > 0) {
			taken[api.ID.String()] = api.Digest()
		}
	}
	return taken
}
