package command

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/exchange"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/words"
	"federation-agent/messages"
)

const (
	// previewMargin is how long before its deadline a preview takes what there is.
	previewMargin = 2 * time.Second
	// previewFill is how much of the largest message a preview may fill: the rest is for what a proxy or
	// another count of bytes may add.
	previewFill = 0.9
)

// preview serves one DISCOVER or LIST: it gathers the catalogue and answers with summaries, then ends.
// Parent: router.
type preview struct {
	life.Scoped
	env     *life.Env
	command messages.Discover
	spec    RouterSpec
}

func previewProps(env *life.Env, command messages.Discover, spec RouterSpec) *actor.Props {
	return life.Props(env, life.Worker, func() actor.Actor { return &preview{env: env, command: command, spec: spec} })
}

func (p *preview) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		ctx.Request(p.spec.Catalogue, messages.GatherAPIs{
			MaxAge: p.spec.ListingMaxAge, Again: true, By: p.command.AnswerBy.Add(-previewMargin),
			Priority: gateway.PriorityPreview,
		})
	case messages.GatheredAPIs:
		ctx.Request(ctx.Parent(), messages.Answer{CommandRef: p.command.CommandRef, Reply: p.reply(m)})
		ctx.Stop(ctx.Self())
	case messages.Abandoned:
		ctx.Stop(ctx.Self())
	default:
		life.Unexpected(p.env, ctx)
	}
}

func (p *preview) reply(m messages.GatheredAPIs) messages.Reply {
	if len(m.APIs) == 0 && !m.Complete {
		// An empty preview would look like an empty account: that it is partial, APIM reads from 4.9 only.
		if failures := m.Failures; len(failures) > 0 {
			return messages.Refused{Reason: "AWS could not be listed: " + words.Few(failures, words.Some, "; ")}
		}
		if why := p.env.Board.TableFailure(); why != "" { // nothing of the quota is lent then
			return messages.Refused{Reason: "AWS was not asked, as its request quota is shared by a table: " + why}
		}
		return messages.Refused{Reason: "AWS was not listed in time, or its request quota has no room before; " +
			"what was listed is kept: discover again in a moment"}
	}
	found := messages.Discovered{Partial: !m.Complete}
	bytes := 0
	for _, api := range m.APIs {
		summary := federation.Summarize(api.Target, api.Entry, api.Name)
		encoded := exchange.AppendAPISummary(nil, summary)
		size := exchange.DiscoverReplySize(p.command.ID, len(found.Summaries)+1, bytes+len(encoded))
		if size > int(float64(p.spec.MaxMessage)*previewFill) {
			found.Partial = true
			p.env.Log.Warn("the preview does not fit into one message; it is cut, an ingest of everything is not",
				life.LogAPIs, len(m.APIs), life.LogSent, len(found.Summaries))
			break
		}
		bytes += len(encoded)
		found.Summaries = append(found.Summaries, encoded)
	}
	if m.Complete && len(m.APIs) == 0 {
		p.env.Log.Warn("AWS was listed and nothing is to be federated: if there is a stage filter " +
			"(configuration.0_stage, 1_stage …) or configuration.filter.*, correct it first; else check that the regions are " +
			"right, and that a usage plan has a stage (or set configuration.acceptApiWithoutUsagePlan)")
	}
	p.env.Log.Info("previewed", life.LogAPIs, len(found.Summaries), life.LogPartial, found.Partial)
	return found
}
