package actors

import (
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/exchange"
	"federation-agent/internal/federation"
	"federation-agent/messages"
)

const (
	// fetchListing is how long before its deadline a fetch goes on with the listings that it has.
	fetchListing = 20 * time.Second
	// fetchMargin is how long before its deadline a fetch answers with the APIs that are ready.
	fetchMargin = 2 * time.Second
)

// fetch serves one FETCH of APIM 4.4: all APIs whole in one reply, up to the message limit and as far as
// the time goes. What did not fit is named in the log and comes first in the next FETCH. Parent: router.
type fetch struct {
	scoped
	env       *Env
	command   messages.Fetch
	catalogue *actor.PID
	maxAge    time.Duration
	maxBytes  int
	leftovers *leftovers

	open    map[federation.ID]bool
	encoded [][]byte
	bytes   int
	missed  []string
}

// leftovers is what did not fit into the last FETCH, in the order of its listing. Only fetches use it,
// one at a time: their answers pass through one router.
type leftovers struct{ ids []string }

type fetchDue struct{}

func fetchProps(env *Env, command messages.Fetch, catalogue *actor.PID, maxAge time.Duration, maxMessage int, l *leftovers) *actor.Props {
	return props(env, worker, func() actor.Actor {
		return &fetch{
			env: env, command: command, catalogue: catalogue, maxAge: maxAge, maxBytes: maxMessage, leftovers: l,
			open: map[federation.ID]bool{},
		}
	})
}

func (f *fetch) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		ctx.Request(f.catalogue, messages.GatherCatalogue{
			MaxAge: f.maxAge, By: f.command.AnswerBy.Add(-fetchListing), Priority: apigateway.PriorityPreview,
		})
		f.scope.after(time.Until(f.command.AnswerBy.Add(-fetchMargin)), fetchDue{})
	case messages.Catalogue:
		f.onCatalogue(ctx, m)
	case messages.APIReady:
		f.onReady(ctx, m)
	case messages.APIOmitted:
		f.onOmitted(ctx, m)
	case fetchDue:
		f.finish(ctx)
	case messages.Abandoned:
		ctx.Stop(ctx.Self())
	default:
		unexpected(f.env, ctx)
	}
}

// onCatalogue asks for the documents of every API that is known with its complete plans.
func (f *fetch) onCatalogue(ctx actor.Context, m messages.Catalogue) {
	failures := failuresOf(m.Listings)
	for _, failure := range failures {
		f.env.Log.Warn("a target is left out of this fetch", logReason, failure)
	}
	exports := exportsOf(complete(m))
	if len(exports) == 0 && !m.Complete {
		f.answer(ctx, messages.Refused{Reason: "AWS could not be listed: " + strings.Join(append(failures, "time ran out"), "; ")})
		return
	}
	first := map[string]bool{}
	for _, id := range f.leftovers.ids {
		first[id] = true
	}
	slices.SortStableFunc(exports, func(a, b messages.ExportAPI) int {
		return boolOrder(first[idOf(a.Entries[0]).String()], first[idOf(b.Entries[0]).String()])
	})
	for _, e := range exports {
		for _, entry := range e.Entries {
			f.open[idOf(entry)] = true
		}
		e.Priority, e.By = apigateway.PriorityPreview, f.command.AnswerBy.Add(-fetchMargin)
		ctx.Request(f.catalogue, e)
	}
	f.finishIfDone(ctx)
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (f *fetch) onReady(ctx actor.Context, m messages.APIReady) {
	if !f.open[m.ID] {
		return
	}
	delete(f.open, m.ID)
	if exchange.FetchReplySize(f.command.ID, len(f.encoded)+1, f.bytes+len(m.JSON)) > f.maxBytes {
		f.missed = append(f.missed, m.ID.String())
	} else {
		f.encoded = append(f.encoded, m.JSON)
		f.bytes += len(m.JSON)
	}
	f.finishIfDone(ctx)
}

func (f *fetch) onOmitted(ctx actor.Context, m messages.APIOmitted) {
	if f.open[m.ID] {
		delete(f.open, m.ID)
		f.env.Log.Warn("an API is left out of this fetch", logAPI, m.ID, logReason, m.Why)
		f.finishIfDone(ctx)
	}
}

func (f *fetch) finishIfDone(ctx actor.Context) {
	if len(f.open) == 0 {
		f.finish(ctx)
	}
}

// finish answers with what is ready.
func (f *fetch) finish(ctx actor.Context) {
	for id := range f.open {
		f.missed = append(f.missed, id.String())
	}
	slices.Sort(f.missed)
	f.leftovers.ids = f.missed
	if len(f.missed) > 0 {
		f.env.Log.Warn("APIs did not fit into this fetch; they come first in the next one, so fetch again",
			logAPIs, len(f.missed), logSent, len(f.encoded), logLeft, f.missed)
	}
	f.answer(ctx, messages.Fetched{APIs: f.encoded})
}

func (f *fetch) answer(ctx actor.Context, reply messages.Reply) {
	ctx.Request(ctx.Parent(), messages.Answer{CommandRef: f.command.CommandRef, Reply: reply})
	ctx.Stop(ctx.Self())
}

// complete is the APIs of the targets whose listing is complete: the others may lack plans.
func complete(m messages.Catalogue) []messages.NamedEntry {
	whole := map[federation.Target]bool{}
	for _, l := range m.Listings {
		whole[l.Target] = l.Complete
	}
	var apis []messages.NamedEntry
	for _, a := range m.APIs {
		if whole[a.Target] {
			apis = append(apis, a)
		}
	}
	return apis
}

// exportsOf groups APIs by REST API: one GetStages serves all stages of one. The order stays.
func exportsOf(apis []messages.NamedEntry) []messages.ExportAPI {
	type restAPI struct {
		target federation.Target
		id     string
	}
	index := map[restAPI]int{}
	var exports []messages.ExportAPI
	for _, a := range apis {
		key := restAPI{target: a.Target, id: a.API.ID}
		i, seen := index[key]
		if !seen {
			i = len(exports)
			index[key] = i
			exports = append(exports, messages.ExportAPI{})
		}
		exports[i].Entries = append(exports[i].Entries, a)
	}
	return exports
}
