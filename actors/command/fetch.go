package command

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/discovery"
	"federation-agent/actors/life"
	"federation-agent/internal/exchange"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/words"
	"federation-agent/messages"
)

const (
	// fetchListing is how long before its deadline a fetch continues with the listings that it has.
	fetchListing = 20 * time.Second
	// fetchMargin is how long before its deadline a fetch answers with the APIs that are ready.
	fetchMargin = 2 * time.Second
)

// fetch serves FETCH of APIM 4.4: all APIs whole in one reply, up to the message limit and as far as the time
// goes. What did not fit is named in the log and comes first in the next FETCH. There is one at a time (see
// [fetching]), so that its documents are held once. Parent: router.
type fetch struct {
	life.Scoped
	env     *life.Env
	command messages.Fetch
	spec    RouterSpec
	// leftover is what did not fit into the last one.
	leftover []federation.ID

	// gathered says that a catalogue has come.
	gathered bool

	documents *exports.Holder
	plan      exports.Plan
	asked     []federation.ID          // all APIs of this fetch, those left over first
	ready     map[federation.ID][]byte // held until the fetch ends, when its answer is on its way to the connection
	// omitted are not available now, so they are not left over. withheld is the reason for the last one that AWS still
	// has.
	omitted  map[federation.ID]bool
	withheld string
	// away is why a target could not be used: a reply without its APIs would look like a success.
	away string
}

// leftOver tells the router what did not fit, in the order in which it was asked for: what has waited longest comes
// first in the next FETCH.
type leftOver struct{ ids []federation.ID }

// What a fetch tells itself.
type (
	fetchDue  struct{}
	roomMoved struct{} // there is room for documents again, or another consumer waits for what this one holds
)

func fetchProps(env *life.Env, command messages.Fetch, spec RouterSpec, leftover []federation.ID) *actor.Props {
	return life.Props(env, life.Worker, func() actor.Actor {
		return &fetch{
			env: env, command: command, spec: spec, leftover: leftover,
			ready: map[federation.ID][]byte{}, omitted: map[federation.ID]bool{},
		}
	})
}

func (f *fetch) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		f.documents = f.spec.Memory.Holder(f.Scope.Ctx, f.spec.MaxMessage, func() { f.Scope.Tell(roomMoved{}) })
		ctx.Request(f.spec.Catalogue, messages.GatherAPIs{
			MaxAge: f.spec.ListingMaxAge, By: f.command.AnswerBy.Add(-fetchListing), Priority: gateway.PriorityPreview,
			Domains: true,
		})
		f.Scope.After(time.Until(f.command.AnswerBy.Add(-fetchMargin)), fetchDue{})
	case messages.GatheredAPIs:
		f.onCatalogue(ctx, m)
	case messages.APIReady:
		f.onReady(ctx, m)
	case messages.APIOmitted:
		f.onOmitted(ctx, m)
	case roomMoved:
		f.proceed(ctx)
	case fetchDue:
		f.onDue(ctx)
	case messages.Abandoned:
		ctx.Stop(ctx.Self())
	default:
		life.Unexpected(f.env, ctx)
	}
}

// onDue answers with what there is. Without a catalogue nothing is known: an empty reply would say that
// there is nothing, and the catalogue that was lost leaves no other answer than ERROR.
func (f *fetch) onDue(ctx actor.Context) {
	if !f.gathered {
		f.answer(ctx, messages.Refused{Reason: "AWS was not listed in time; fetch again"})
		return
	}
	f.finish(ctx)
}

// onCatalogue asks for the documents of every API that is known with its complete plans.
func (f *fetch) onCatalogue(ctx actor.Context, m messages.GatheredAPIs) {
	f.gathered = true
	if failures := m.Failures; len(failures) > 0 || len(m.Whole) == 0 && !m.Complete {
		// A reply without these targets' APIs would look like a success.
		why := cmp.Or(words.Few(failures, words.Some, "; "), "time ran out")
		f.answer(ctx, messages.Refused{Reason: "AWS could not be listed: " + why})
		return
	}
	for _, l := range m.Listings {
		for api, why := range l.Unlisted {
			f.logOmitted(federation.ID{Account: l.Target.Account, Region: l.Target.Region, RestAPI: api, Stage: "*"}, why.Why)
		}
	}
	apis := slices.Clone(m.Whole)
	leftFirst(apis, f.leftover)
	for _, api := range apis {
		f.asked = append(f.asked, api.ID())
	}
	f.plan = exports.NewPlan(apis, f.spec.StageWorkers, f.documents)
	f.proceed(ctx)
}

// leftFirst puts what was left over first, in its own order.
func leftFirst(apis []federation.NamedEntry, left []federation.ID) {
	order := make(map[federation.ID]int, len(left))
	for n, id := range left {
		order[id] = n - len(left) // before 0, which the others have
	}
	slices.SortStableFunc(apis, func(a, b federation.NamedEntry) int {
		return cmp.Compare(order[a.ID()], order[b.ID()])
	})
}

// proceed asks for what there is still room for: what is held and what is under way is about one reply together. It
// answers when all of that has come, or when the rest waits for room that only this fetch could give back. Those asked
// for first may come last, and still go first.
func (f *fetch) proceed(ctx actor.Context) {
	for {
		documents, ok := f.plan.Next(time.Now())
		if !ok {
			break
		}
		discovery.RequestExport(ctx, f.spec.Targets, exports.Order{
			Documents: documents, Priority: gateway.PriorityPreview, By: f.command.AnswerBy.Add(-fetchMargin),
			MaxBytes: f.spec.MaxMessage - exchange.FetchReplySize(f.command.ID, 1, 0),
		})
	}
	switch {
	case f.plan.Finished(), f.plan.UnderWay() == 0 && len(f.ready) > 0, f.documents.Blocked():
		f.finish(ctx)
	}
}

func (f *fetch) onReady(ctx actor.Context, m messages.APIReady) {
	if exchange.FetchReplySize(f.command.ID, 1, len(m.JSON)) > f.spec.MaxMessage { // it would be left over for ever
		f.onOmitted(ctx, messages.APIOmitted{ID: m.ID, Omission: gateway.Omission{
			Reason: gateway.TooLarge, Why: exports.TooLarge,
		}})
		return
	}
	if _, awaited := f.plan.Arrived(m.ID); awaited {
		f.ready[m.ID] = m.JSON
		f.proceed(ctx)
	}
}

func (f *fetch) onOmitted(ctx actor.Context, m messages.APIOmitted) {
	document, awaited := f.plan.Arrived(m.ID)
	if !awaited {
		return
	}
	document.Claim.Release()
	f.omitted[m.ID] = true
	if m.OfTarget {
		f.away = m.Why
	}
	if !m.Unwanted || m.Reason == gateway.RegionOff.Reason() {
		f.withheld = m.Why
	}
	f.logOmitted(m.ID, m.Why)
	f.proceed(ctx)
}

func (f *fetch) logOmitted(id federation.ID, why string) {
	f.env.Often.Warn("an API is left out of this fetch", life.LogAPI, id, life.LogReason, why)
}

// finish answers with what is ready and fits, in the order in which it was asked for.
func (f *fetch) finish(ctx actor.Context) {
	var reply [][]byte
	var left []federation.ID
	bytes := 0
	for _, id := range f.asked {
		encoded, ready := f.ready[id]
		switch {
		case ready && exchange.FetchReplySize(f.command.ID, len(reply)+1, bytes+len(encoded)) <= f.spec.MaxMessage:
			reply = append(reply, encoded)
			bytes += len(encoded)
		case !f.omitted[id]:
			left = append(left, id)
		}
	}
	ctx.Send(ctx.Parent(), leftOver{left})
	if len(left) > 0 {
		f.env.Log.Warn("APIs did not fit into this fetch; they come first in the next one, so fetch again",
			life.LogAPIs, len(left), life.LogSent, len(reply), life.LogLeft, words.Few(left, words.Many, ", "))
	}
	if f.away != "" {
		f.answer(ctx, messages.Refused{Reason: "not all APIs could be fetched: " + f.away})
		return
	}
	if why := cmp.Or(f.withheld, "there was no time for it"); len(reply) == 0 && (len(left) > 0 || f.withheld != "") {
		// An empty reply would say that there is nothing.
		f.answer(ctx, messages.Refused{Reason: fmt.Sprintf("none of %d APIs is ready; last: %s", len(f.asked), why)})
		return
	}
	f.answer(ctx, messages.Fetched{APIs: reply})
}

func (f *fetch) answer(ctx actor.Context, reply messages.Reply) {
	ctx.Request(ctx.Parent(), messages.Answer{CommandRef: f.command.CommandRef, Reply: reply})
	ctx.Stop(ctx.Self())
}
